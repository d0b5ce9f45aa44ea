//! The one loop that joins everything: a detached process for each repository, and the small handle through which
//! the rest of gadugi sees it.
//!
//! Inside, one loop owns the state ([`gadugi_core::State`]); what it decides is stored, then answered, then carried
//! out by workspace, executor and agents. Outside, [`client::Client`] speaks [`protocol`] over the engine's socket.
//!
//! **Never in here:** rules about what may follow what (that is the core), words for people, command lines of
//! agents, git.

mod answers;
mod caches;
pub mod client;
mod connection;
mod daemon;
mod descriptors;
mod driver;
mod effects;
mod environments;
mod exports;
#[cfg(feature = "faults")]
mod fault;
mod figures;
mod follow;
pub mod front;
mod gate;
pub mod handle;
pub mod knowledge;
mod launch;
pub mod layout;
mod look;
mod machine;
mod monitor;
pub mod past;
pub mod protocol;
mod quiet;
mod recorded;
pub mod records;
mod room;
mod sandbox;
mod sealed;
mod services;
mod tenure;
mod tidying;
mod view;
mod world;

pub use daemon::{DaemonError, DaemonOptions, serve};
pub use gadugi_store::{FigurePoint, MachinePoint, StepFigures, StoredEvent};
pub use gate::has_credential;
pub use handle::Handle;
pub use look::slots;
