//! Prompts and a repository become a plan.
//!
//! A prompt is a Markdown file. [`request`] and [`prompts`] find the files that are meant, `front_matter` reads
//! what they say of themselves, `targets`, `dependencies` and `classify` infer the rest from their words and from
//! the list of the repository's files, and [`analyse`] joins it all into a [`gadugi_core::Plan`]: tasks, the edges
//! between them with the evidence for each, and honest estimates. [`render`] turns a plan into what people and
//! programs read.
//!
//! **Never in here:** anything that runs a program (git included: the caller hands over the list of files), writes
//! a file (a prompt least of all), looks at the clock or the environment, or prints.

mod classify;
pub mod decompose;
mod dependencies;
mod edges;
mod error;
mod estimate;
pub mod external;
mod front_matter;
pub mod history;
mod ids;
mod imports;
mod inference;
pub mod map;
mod markdown;
mod order;
mod overlap;
mod plan;
pub mod predict;
pub mod prompts;
pub mod render;
pub mod request;
mod targets;
mod text;
mod tree;
mod why;

pub use classify::ClassifyRule;
pub use edges::{Collisions, Pair, release};
pub use error::{AnalysisError, FrontMatterError, FrontMatterPlace, InputError, PromptError};
pub use estimate::{Calibration, EstimateFor, Estimator, PastEstimator};
pub use front_matter::MAX_FRONT_MATTER_BYTES;
pub use imports::{NamedSymbol, SymbolIntent};
pub use inference::{
    Inference, InferenceError, MAX_PATHS, PromptAnalyser, ReadPrompt, RuleAnalyser, Surroundings,
};
pub use overlap::{Expected, Overlap, Shared, Side, Threshold};
pub use plan::{Analysis, AnalysisOptions, AnalysisRequest, PromptText, analyse};
pub use prompts::{HEADER_ROOM, MAX_PROMPT_BYTES, PromptFile};
pub use why::{Why, WhyError, WhyRequest, why};
