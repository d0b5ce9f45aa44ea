//! The plan: tasks, and why one waits for another.

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

/// The tasks of a run and the edges between them.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct Plan {
    /// The commit that it was made for.
    pub base: String,
    /// In plan order.
    pub tasks: Vec<PlannedTask>,
    /// What waits for what.
    pub edges: Vec<Edge>,
    /// Tasks that may begin together, stage by stage.
    pub stages: Vec<Vec<String>>,
    /// Prompts that were left out.
    pub skipped: Vec<Skipped>,
    /// One line each.
    pub warnings: Vec<String>,
}

/// What the plan says of a task.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct PlannedTask {
    /// Its id.
    pub id: String,
    /// The prompt's title.
    pub name: String,
    /// The prompt's path.
    pub prompt: String,
    /// `test-coverage`, `bug-fix`, `feature`, `refactoring`, `documentation`, `configuration`.
    pub kind: String,
    /// `low`, `medium`, `high`, `critical`.
    pub complexity: String,
    /// Higher first.
    pub priority: i64,
    /// Tasks that it was told to wait for.
    pub depends_on: Vec<String>,
    /// What it is expected to take.
    pub estimate: Estimate,
    /// What it is expected to write, most probable first.
    pub writes: Vec<Write>,
    /// Its agent, where the prompt names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its model, where the prompt names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it may cost, where it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// How its work is tested, where the prompt says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Where it runs, where the prompt says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
}

/// What a task is expected to take.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct Estimate {
    /// The middle.
    pub seconds: f64,
    /// Two of three such tasks take no less.
    pub low: f64,
    /// Two of three such tasks take no more.
    pub high: f64,
    /// Processors.
    pub cpu: f64,
    /// MiB.
    pub memory_mb: u64,
    /// Where it comes from: `table`, `history: 12 tasks`.
    pub source: String,
}

/// Something that a task is expected to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Write {
    /// A file, a folder (with a slash at its end) or a pattern.
    pub path: String,
    /// How probable, in percent.
    pub confidence: u8,
    /// Why, in a few words.
    pub evidence: String,
    /// What says so: `explicit`, `symbol`, `history`, …
    pub source: String,
}

/// Why one task waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Edge {
    /// The earlier.
    pub from: String,
    /// The one that waits.
    pub to: String,
    /// `declared`, `same-file`, `import`.
    pub reason: String,
    /// In a few words.
    pub evidence: String,
    /// How sure, in percent.
    pub confidence: u8,
}

/// A prompt that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// Why.
    pub because: String,
}
