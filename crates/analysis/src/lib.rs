//! Prompts and a repository become a plan.
//!
//! A prompt is a Markdown file. [`request`] and [`prompts`] find the files that are meant, `front_matter` reads what they say
//! of themselves. [`map`] knows what the repository's files define and import, [`history`] what its commits changed;
//! `targets`, `dependencies` and `classify` infer from a prompt's words what it is about, and [`predict`] what it will
//! write, each file with a probability. `overlap` and `imports` make edges of that, `estimate` says how long tasks take, and
//! [`analyse`] joins it all into a [`gadugi_core::Plan`], with the evidence for every claim and edge. [`render`] and [`why`]
//! turn a plan into what people and programs read; [`decompose`] judges how a prompt was split, and [`external`] what
//! programs of the user's own say.
//!
//! **Never in here:** anything that runs a program (git included: the caller hands over trees, blobs and commits), writes a
//! file (a prompt least of all), looks at the environment, or prints. Nor at the clock, with one exception: a parse that
//! takes a hundred times as long as any should is given up (`map/extract.rs`).

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
mod lists;
pub mod map;
mod markdown;
mod order;
mod overlap;
mod parallel;
mod paths;
mod plan;
pub mod predict;
pub mod prompts;
pub mod render;
pub mod request;
mod rules;
mod targets;
mod text;
mod tree;
mod why;

pub use classify::ClassifyRule;
pub use edges::{Collisions, Pair, release};
pub use error::{AnalysisError, FrontMatterError, FrontMatterPlace, InputError, PromptError};
pub use estimate::{Calibration, EstimateFor, Estimator, PastEstimator};
pub use front_matter::{MAX_FRONT_MATTER_BYTES, without_front_matter};
pub use imports::{NamedSymbol, SymbolIntent};
pub use inference::{Inference, InferenceError, MAX_PATHS, PromptAnalyser, ReadPrompt, Surroundings};
pub use overlap::{Expected, Overlap, Shared, Side, Threshold};
pub use plan::{Analysis, AnalysisOptions, AnalysisRequest, PromptText, analyse};
pub use prompts::{HEADER_ROOM, MAX_PROMPT_BYTES, PromptFile};
pub use rules::RuleAnalyser;
pub use why::{Why, WhyError, WhyRequest, why};
