//! Everything that can be wrong with what the analysis is given.

use std::io;

use gadugi_core::{PlanError, TaskId};
use thiserror::Error;

use crate::external::ExternalError;
use crate::inference::InferenceError;

/// Why a prompt file cannot be taken.
#[derive(Debug, Error)]
pub enum PromptError {
    /// There is no such file or folder.
    #[error("no such prompt: {path:?}")]
    Missing {
        /// As it was given.
        path: String,
    },
    /// No prompt was named, and the repository has no folder of them.
    #[error("no prompts named, and the repository has no folder prompts/")]
    NoFolder,
    /// A folder without prompts.
    #[error("no prompts (*.md) in the folder {path:?}")]
    NoPromptsIn {
        /// The folder.
        path: String,
    },
    /// Neither a file nor a folder: a pipe, a device, a socket.
    #[error("{path:?} is no regular file")]
    NotAFile {
        /// As it was given.
        path: String,
    },
    /// A link in the repository that points out of it.
    #[error("{path:?} is a symbolic link that leaves the repository: it leads to {target:?}")]
    LeavesRepository {
        /// As it was given.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// Nothing in it, or nothing but white space.
    #[error("{path:?} is empty")]
    Empty {
        /// The file.
        path: String,
    },
    /// Front matter, and nothing behind it.
    #[error("{path:?} is empty but for its front matter")]
    OnlyFrontMatter {
        /// The file.
        path: String,
    },
    /// Not text.
    #[error("{path:?} is not UTF-8: byte {offset} (from 0) begins no character")]
    NotUtf8 {
        /// The file.
        path: String,
        /// Offset of the first byte that is wrong, from 0.
        offset: usize,
    },
    /// More than an agent's standard input takes.
    #[error("{path:?} is too large: {bytes} bytes, at most {most} are possible")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// What is possible: [`crate::MAX_PROMPT_BYTES`].
        most: u64,
    },
    /// The system refuses.
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What is wrong with a prompt's front matter, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}:{line}:{column}: {problem}")]
pub struct FrontMatterError {
    /// The prompt.
    pub path: String,
    /// Line in the file, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What was expected and what was found.
    pub problem: String,
}

/// One thing that is wrong with what the user gave.
#[derive(Debug, Error)]
pub enum InputError {
    /// A prompt file.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A prompt's front matter.
    #[error(transparent)]
    FrontMatter(#[from] FrontMatterError),
    /// Two prompts call themselves the same.
    #[error("{first} and {second} both have the id {id}")]
    DuplicateId {
        /// The id.
        id: String,
        /// One prompt.
        first: String,
        /// The other.
        second: String,
    },
    /// `depends_on` names nothing that is in the plan.
    #[error("{at}: depends_on names {name:?}, which is no task of this plan{}", hint(.candidates))]
    UnknownDependency {
        /// Where it says so.
        at: FrontMatterPlace,
        /// The name.
        name: String,
        /// What it could have meant, likeliest first.
        candidates: Vec<String>,
    },
    /// `depends_on` names a prompt of the repository that was not asked for.
    #[error("{at}: depends_on names {name:?}, and {prompt} is not among the prompts of this plan")]
    DependencyNotPlanned {
        /// Where it says so.
        at: FrontMatterPlace,
        /// The name.
        name: String,
        /// The prompt in the repository.
        prompt: String,
    },
    /// `depends_on` fits several tasks.
    #[error("{at}: depends_on names {name:?}, which could be {}", .candidates.join(" or "))]
    AmbiguousDependency {
        /// Where it says so.
        at: FrontMatterPlace,
        /// The name.
        name: String,
        /// The tasks that it fits.
        candidates: Vec<String>,
    },
    /// `depends_on` names its own task.
    #[error("{at}: depends_on names the task itself ({name})")]
    DependsOnItself {
        /// Where it says so.
        at: FrontMatterPlace,
        /// The name.
        name: String,
    },
}

/// A place in a prompt file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}:{line}:{column}")]
pub struct FrontMatterPlace {
    /// The prompt.
    pub path: String,
    /// Line in the file, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// What a name could have meant, for the end of a complaint about it.
pub(crate) fn hint(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!(" (there is {})", candidates.join(", ")) }
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum AnalysisError {
    /// What was given is wrong: each cause by itself, at least one, in the order of the prompts.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Input(Vec<InputError>),
    /// The prompts themselves say that they wait for each other. The first waits for the second, and the last for
    /// the first.
    #[error("the prompts depend on each other in a circle: {}", circle(.0))]
    Cycle(Vec<TaskId>),
    /// The inference of one prompt failed, and falling back was not wanted.
    #[error("the analysis of {path} failed: {source}")]
    Inference {
        /// The prompt.
        path: String,
        /// Why.
        source: InferenceError,
    },
    /// A program of the user's own gave no answer that can be used, and falling back was not wanted.
    #[error("the {role}: {source}")]
    External {
        /// `analyser` or `estimator`.
        role: &'static str,
        /// Why.
        source: ExternalError,
    },
    /// The plan contradicts itself: a defect of this crate.
    #[error("the analysis made a plan that cannot be run: {0}")]
    Plan(#[from] PlanError),
}

fn circle(cycle: &[TaskId]) -> String {
    let mut names: Vec<&str> = cycle.iter().map(TaskId::as_str).collect();
    names.extend(cycle.first().map(TaskId::as_str));
    names.join(" -> ")
}
