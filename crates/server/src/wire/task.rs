//! Tasks, their attempts, steps and phases.

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::{Moment, PlannedTask, Usage};

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// The prompt's title.
    pub name: String,
    /// The prompt's path.
    pub prompt: String,
    /// `waiting`, `preparing`, `ready`, `starting`, `running`, `collecting`, `suspended`, `queued`, `merging`, `verifying`,
    /// `advancing`, or an outcome: `succeeded`, `failed`, `timed-out`, `cancelled`, `skipped`, `lost`.
    pub state: String,
    /// Whether `state` is an outcome.
    pub over: bool,
    /// `verified`, `unverified`, `no-change`, `rejected`, `conflict`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// One line: the error, the conflicting files; else empty.
    pub detail: String,
    /// Tasks that it still waits for.
    pub waits_for: Vec<String>,
    /// While something that went wrong is waited out: when it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes_at: Option<Moment>,
    /// Whether somebody paused it.
    pub held: bool,
    /// While its step gives no sign of life: for how long it had given none when that was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspected_seconds: Option<f64>,
    /// Tries so far.
    pub attempts: u32,
    /// Steps of the latest attempt.
    pub steps: u32,
    /// `setup`, `agent`, `verify`, while a step runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_kind: Option<String>,
    /// The latest phase that the agent reported, 1 to 11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<u8>,
    /// Its last action in one line; else empty.
    pub action: String,
    /// Process id of the agent (or check) itself, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Processor use of its whole process tree in percent of one processor.
    pub cpu_percent: f64,
    /// Resident memory of its whole process tree, MiB.
    pub memory_mb: f64,
    /// When the running step started, else when the attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// Measured time of its steps, the running one included.
    pub elapsed_seconds: f64,
    /// What such tasks were seen to take.
    pub estimate_seconds: f64,
    /// What it used so far.
    pub usage: Usage,
    /// Its branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Where its steps run: `local`, `docker`.
    pub executor: String,
    /// The container of the running step, where it runs in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The agent that works on it.
    pub agent: String,
    /// Its model, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where its branch began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The tip of its branch, once collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Files that it wrote, once collected.
    pub changed: Vec<String>,
    /// The agent's conversation, for taking it up by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Refs that hold what its attempts left uncommitted.
    pub salvage: Vec<String>,
    /// What is known of its phases.
    pub phases: Vec<Phase>,
    /// What it was expected to write beside what it wrote, once its run is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<TaskPrediction>,
}

/// What a task was expected to write beside what it wrote.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct TaskPrediction {
    /// What came true of what was expected, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// What was expected of what was written, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Files that were written and not expected.
    pub beyond: Vec<String>,
    /// What was expected rather than not, and not written.
    pub missed: Vec<String>,
}

/// What is known of one phase of the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Phase {
    /// Its number, 1 to 11.
    pub phase: u8,
    /// Its name: `Implementation`.
    pub name: String,
    /// What is known.
    pub status: PhaseStatus,
    /// The evidence, or the reason; else empty.
    pub says: String,
}

/// What is known of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseStatus {
    /// Gadugi itself looked.
    Proved,
    /// The agent said so.
    Claimed,
    /// Nobody said anything about it.
    Unreported,
    /// It was not performed.
    LeftOut,
    /// It was tried and did not come off.
    Failed,
}

/// A task with all that a page shows of it.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct TaskDetail {
    /// The last number of the log that it holds.
    pub seq: u64,
    /// Its run.
    pub run: String,
    /// How it stands.
    pub task: Task,
    /// What the plan says of it.
    pub plan: PlannedTask,
    /// The prompt, word for word, as it was when the plan was made.
    pub prompt: String,
    /// Its tries, in order.
    pub attempts: Vec<Attempt>,
}

/// One try at a task.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Moment,
    /// When it was over; none while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// Its processes, in order.
    pub steps: Vec<Step>,
}

/// One process of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Step {
    /// From 1 within the attempt.
    pub number: u32,
    /// `setup`, `agent`, `verify`, …
    pub kind: String,
    /// When its process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// How it ended, in a few words: `exit 0`, `signal 9`, `out of memory`; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
    /// What the agent's turn came to: `done`, `max-turns`, `auth`, `overloaded`, `usage-limit`, `budget`, `crashed`, `silent`;
    /// for checks `passed` or `failed`; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came_to: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// Bytes of its standard output so far.
    pub stdout_bytes: u64,
    /// Bytes of its standard error so far.
    pub stderr_bytes: u64,
}
