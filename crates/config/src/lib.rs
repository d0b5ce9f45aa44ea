//! What the user decided: flags, variables and the two `gadugi.toml`, resolved once into the settings of a run.
//!
//! Each value is read by one rule wherever it comes from ([`values`]), each place is asked in one order
//! ([`resolve`]: flag, variable, the repository's file, the user's file, default), and each answer remembers where
//! it came from. The model of the file ([`model::ConfigFile`]) is also what the JSON Schema is made from.
//!
//! **Never in here:** a decision about a run, knowledge of prompts, a look at the machine (its cpus, its programs),
//! and writing: what `init` writes is only kept here as text ([`SAMPLE`]).

mod branch;
mod document;
mod error;
pub mod model;
mod resolve;
mod sample;
mod schema;
#[cfg(test)]
mod tests;
pub mod values;
pub mod verify;

pub use branch::{BranchError, check_branch_template};
pub use error::{ConfigError, Source, Warning};
pub use gadugi_core::{AGENTS, RESERVED_AGENTS};
pub use resolve::{
    AnalysisSettings, FILE_NAME, Flags, Monitoring, NotifySettings, Resolved, Setting, VerifyChoice, resolve,
    resolve_with,
};
pub use sample::SAMPLE;
pub use schema::json_schema;
pub use values::{DEFAULT_ENV_DENY, NotifyKind};
