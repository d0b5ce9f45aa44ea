//! The plan: tasks, the edges between them with their reasons, and what follows from the graph.

mod graph;

use serde::{Deserialize, Serialize};

use crate::{AgentName, CommitId, ExecutorKind, Millis, Purpose, TaskId};

pub use graph::{PlanError, find_cycle};

/// What sort of work a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum Kind {
    TestCoverage,
    BugFix,
    Feature,
    Refactoring,
    Documentation,
    Configuration,
}

impl Kind {
    /// All kinds, in the contract's order.
    pub const ALL: [Self; 6] = [
        Self::TestCoverage,
        Self::BugFix,
        Self::Feature,
        Self::Refactoring,
        Self::Documentation,
        Self::Configuration,
    ];

    /// The word for it in front matter, tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::TestCoverage => "test-coverage",
            Self::BugFix => "bug-fix",
            Self::Feature => "feature",
            Self::Refactoring => "refactoring",
            Self::Documentation => "documentation",
            Self::Configuration => "configuration",
        }
    }
}

/// How much work a prompt looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "four rungs of one ladder")]
pub enum Complexity {
    Low,
    Medium,
    High,
    Critical,
}

impl Complexity {
    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How sure an inference is, in percent (0 to 100): of 100 of them, so many come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidence(pub u8);

impl Confidence {
    /// The same from 0 to 1.
    pub fn probability(self) -> f64 {
        f64::from(self.0.min(100)) / 100.0
    }
}

impl Default for Confidence {
    /// What nobody doubted.
    fn default() -> Self {
        Self(100)
    }
}

/// A file or folder that a task is expected to write or read, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathClaim {
    /// Path from the repository's root, or a glob where `touches:` gave one.
    pub path: String,
    /// How sure.
    pub confidence: Confidence,
    /// What gave it: words of the prompt, a symbol in them, commits of the history.
    pub evidence: String,
    /// By which rule. Plans of before there were several have the words' own.
    #[serde(default)]
    pub source: ClaimSource,
    /// How sure the rule itself was, where what came of its earlier claims made `confidence` another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<Confidence>,
}

/// The rule by which a file is expected to be written or read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimSource {
    /// The prompt's `touches:`.
    Declared,
    /// The prompt names the path, or a pattern that it fits.
    #[default]
    Path,
    /// The prompt names something that the file defines.
    Symbol,
    /// The prompt names the module or package that the file is.
    Module,
    /// Words of the prompt are words of the file's path or of what it defines.
    Words,
    /// It goes with a file that will be written: the tests of it, say.
    Companion,
    /// Commits that changed a file that will be written changed this one too.
    CoChange,
    /// Commits and tasks whose words are like the prompt's changed it.
    History,
    /// Most commits of the last time changed it.
    Popular,
    /// The user's own analyser says so.
    External,
}

impl ClaimSource {
    /// All of them, the plainest first.
    pub const ALL: [Self; 10] = [
        Self::Declared,
        Self::Path,
        Self::Symbol,
        Self::Module,
        Self::Words,
        Self::Companion,
        Self::CoChange,
        Self::History,
        Self::Popular,
        Self::External,
    ];

    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Path => "path",
            Self::Symbol => "symbol",
            Self::Module => "module",
            Self::Words => "words",
            Self::Companion => "companion",
            Self::CoChange => "co-change",
            Self::History => "history",
            Self::Popular => "popular",
            Self::External => "external",
        }
    }
}

/// Why one task waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeReason {
    /// The prompt says so. The only reason for which a failure of the one skips the other.
    Declared,
    /// Both are expected to write one file: an order, not a need.
    SameFile,
    /// One changes what the other uses.
    Import,
}

impl EdgeReason {
    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::SameFile => "same-file",
            Self::Import => "import",
        }
    }
}

/// What is done where two tasks are expected to write one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlapPolicy {
    /// One waits for the other.
    #[default]
    Serialize,
    /// Nothing: the merge queue finds out.
    Parallel,
    /// The user is asked.
    Ask,
}

/// `to` waits for `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The earlier task.
    pub from: TaskId,
    /// The later task.
    pub to: TaskId,
    /// Why.
    pub reason: EdgeReason,
    /// The words or files that gave it.
    pub evidence: String,
    /// How sure it is that the two could not run side by side. Plans of before it was measured have full confidence.
    #[serde(default)]
    pub confidence: Confidence,
}

/// What a task is expected to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Wall time in seconds: half of such tasks take less.
    pub seconds: f64,
    /// How far off `seconds` may be, as a factor of at least 1: two of three such tasks take between `seconds / spread` and
    /// `seconds * spread` (one standard deviation of the logarithm).
    #[serde(default = "unmeasured_spread")]
    pub spread: f64,
    /// Processors.
    pub cpu: f64,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Disk in MiB.
    pub disk_mb: u64,
    /// Where the numbers come from: `table`, or `history` and which part of it.
    pub source: String,
}

/// The spread of an estimate that nobody measured: off by a factor of two either way.
fn unmeasured_spread() -> f64 {
    Estimate::UNMEASURED_SPREAD
}

impl Estimate {
    /// The spread of an estimate that nobody measured.
    pub const UNMEASURED_SPREAD: f64 = 2.0;

    /// The seconds between which two of three such tasks lie.
    pub fn range(&self) -> (f64, f64) {
        let spread = if self.spread.is_finite() { self.spread.max(1.0) } else { Self::UNMEASURED_SPREAD };
        (self.seconds / spread, self.seconds * spread)
    }
}

/// A prompt file, as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptRef {
    /// Path from the repository's root where it lies inside, else as it was given.
    pub path: String,
    /// Bytes of its text.
    pub bytes: u64,
}

/// One condition that a task must meet before anything is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoneWhen {
    /// A path exists.
    Exists(String),
    /// A file contains a text.
    Contains {
        /// The file.
        file: String,
        /// The text.
        text: String,
    },
    /// A shell command exits with 0.
    Run(String),
}

/// One unit of wanted work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Unique in the plan.
    pub id: TaskId,
    /// The prompt's title, for people.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Purpose::is_work")]
    pub purpose: Purpose,
    /// The prompt.
    pub prompt: PromptRef,
    /// What sort of work.
    pub kind: Kind,
    /// How much work.
    pub complexity: Complexity,
    /// Files that it is expected to write.
    pub writes: Vec<PathClaim>,
    /// Files that it is expected to read.
    pub reads: Vec<PathClaim>,
    /// Tasks that the prompt says it needs: the declared edges once more, by name.
    pub depends_on: Vec<TaskId>,
    /// What it is expected to take.
    pub estimate: Estimate,
    /// Higher first.
    pub priority: i64,
    /// Its own timeout.
    pub timeout: Option<Millis>,
    /// Its own agent.
    pub agent: Option<AgentName>,
    /// Its own model.
    pub model: Option<String>,
    /// Its own budget in millionths of a US dollar.
    pub budget_microusd: Option<u64>,
    /// Its own verify command.
    pub verify: Option<String>,
    /// Its own conditions.
    pub done_when: Vec<DoneWhen>,
    /// Its own executor.
    pub executor: Option<ExecutorKind>,
    /// Hosts that it may reach, `host:port`.
    pub network: Vec<String>,
}

/// A prompt that is no task of the plan, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPrompt {
    /// Its path.
    pub path: String,
    /// Why: `IMPLEMENTED` or `COMPLETED` in its first line, say.
    pub because: String,
}

/// The tasks and the edges between them. The edges form no cycle ([`Plan::check`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The commit that the plan was made for.
    pub base: CommitId,
    /// In the order in which the prompts were given.
    pub tasks: Vec<PlannedTask>,
    /// Who waits for whom.
    pub edges: Vec<Edge>,
    /// Set where the analysis failed and the tasks are taken one after another: what failed.
    pub sequential_because: Option<String>,
    /// Prompts left out.
    pub skipped: Vec<SkippedPrompt>,
    /// Things the user should know: unknown keys, edges that were dropped.
    pub warnings: Vec<String>,
}
