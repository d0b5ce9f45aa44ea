//! What is inferred from the words of one prompt: the door through which one prompt's analysis can fail.

use gadugi_core::{Complexity, Kind, PathClaim};
use thiserror::Error;

use crate::classify::ClassifyRule;
use crate::dependencies::{Mention, Names};
use crate::imports::NamedSymbol;
use crate::map::RepositoryMap;
use crate::predict::Predictor;
use crate::tree::Tree;

/// The most paths that one prompt may name. More than so many is no list of targets but a listing, and what would
/// be inferred from it is worth nothing.
pub const MAX_PATHS: usize = 5000;

/// A prompt that was read.
#[derive(Clone, Copy, Debug)]
pub struct ReadPrompt<'a> {
    /// Its task's id.
    pub id: &'a str,
    /// Its path as it is shown.
    pub path: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its text without front matter.
    pub body: &'a str,
}

/// What an analyser may look at beside the prompt.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The files of the base tree.
    pub tree: Tree<'a>,
    /// What those files define.
    pub map: &'a RepositoryMap,
    /// What the words of earlier commits say of those of a prompt.
    pub predictor: Predictor<'a>,
    /// What the tasks of the plan are called.
    pub(crate) names: Names,
    /// Paths that are prompts of this plan: nobody's target.
    pub(crate) prompts: std::collections::HashSet<&'a str>,
    /// The user's rules of kind.
    pub(crate) rules: &'a [ClassifyRule],
}

/// What one prompt's words say.
#[derive(Clone, Debug, PartialEq)]
pub struct Inference {
    /// What sort of work.
    pub kind: Kind,
    /// How much.
    pub complexity: Complexity,
    /// Files it may write, also those of which that is unlikely.
    pub writes: Vec<PathClaim>,
    /// Files it will read.
    pub reads: Vec<PathClaim>,
    /// Tasks that it says it follows.
    pub follows: Vec<Mention>,
    /// What it names of what files define.
    pub symbols: Vec<NamedSymbol>,
}

/// Why the inference of a prompt failed. Its text is sound: what is wrong with that is an error of the input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InferenceError {
    /// More than [`MAX_PATHS`].
    #[error("it names more than {MAX_PATHS} paths")]
    TooManyPaths,
    /// The analyser gave up.
    #[error("{0}")]
    Analyser(String),
    /// The analyser has a defect.
    #[error("the analyser panicked: {0}")]
    Panicked(String),
}

/// Infers what one prompt's words say. The one that is built in is [`crate::RuleAnalyser`].
pub trait PromptAnalyser: Sync {
    /// Looks at one prompt. It fails where nothing can be said of it.
    fn infer(&self, prompt: &ReadPrompt<'_>, around: &Surroundings<'_>) -> Result<Inference, InferenceError>;
}
