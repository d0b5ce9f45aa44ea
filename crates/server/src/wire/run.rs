//! Runs, as the page and other tools see them.

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::{Moment, Plan, Task, Usage};

/// Tasks by how they stand; together they are all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// Not begun, or to be taken up again.
    pub waiting: u64,
    /// Something of theirs is under way, from their workspace to the collecting of their work.
    pub active: u64,
    /// In the merge queue, or at its head.
    pub merging: u64,
    /// Over, and done.
    pub succeeded: u64,
    /// Over, and not done.
    pub failed: u64,
    /// Ended by somebody.
    pub cancelled: u64,
    /// Never begun, because of another or of the budget.
    pub skipped: u64,
    /// Their time was over.
    pub timed_out: u64,
    /// Nobody can say how they ended.
    pub lost: u64,
}

/// A page of runs.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Runs {
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// What to ask `before=` for the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// `active`, `paused`, `ending`, `finished`.
    pub status: String,
    /// `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_because: Option<String>,
    /// When it was accepted.
    pub started_at: Moment,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// From its start to its end or to now.
    pub wall_seconds: f64,
    /// Its tasks.
    pub counts: Counts,
    /// How much of it wants a person.
    pub needs: u64,
    /// What all its tasks used.
    pub usage: Usage,
    /// Titles of its first three prompts.
    pub first_titles: Vec<String>,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// `active`, `paused`, `ending`, `finished`.
    pub status: String,
    /// `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_because: Option<String>,
    /// One line about the pause, where there is more to say; else empty.
    pub paused_detail: String,
    /// What keeps it from beginning as much as its slots would let it: `memory`, `room`, `cpu`, `disk`, `budget`, `alone`, `api`.
    pub holds: Vec<String>,
    /// Agents whose account has reached its limit.
    pub limited: Vec<Limited>,
    /// When it was accepted.
    pub started_at: Moment,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// From its start to its end or to now.
    pub wall_seconds: f64,
    /// Measured times of all tasks, added up.
    pub task_seconds: f64,
    /// `task_seconds` over `wall_seconds`.
    pub speedup: f64,
    /// The integration branch.
    pub branch: String,
    /// Its tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
    /// The commit that the plan was made for.
    pub base: String,
    /// Branches of the user's that hold its work.
    pub landed_into: Vec<String>,
    /// Tasks that may run at once.
    pub slots: u32,
    /// What all tasks used.
    pub usage: Usage,
    /// What is set aside of the budget for steps that run.
    pub reserved_usd: f64,
    /// What the run may cost, where it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// Why tasks are taken one after another, where the analysis failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential_because: Option<String>,
    /// The merge queue: the task that is being merged, then those that wait for it, in order.
    pub queue: Vec<String>,
    /// Everything that wants a person.
    pub needs: Vec<Need>,
    /// When it is expected to end, while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Workspaces kept at the end.
    pub kept: Vec<Kept>,
    /// Its tasks by how they stand.
    pub counts: Counts,
    /// How well the plan foresaw what was written, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
}

/// A run with all that a page shows of it, as of one number in the log.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct RunDetail {
    /// The last number of the log that it holds.
    pub seq: u64,
    /// How it stands.
    pub run: Run,
    /// Its tasks, in plan order.
    pub tasks: Vec<Task>,
    /// Its plan.
    pub plan: Plan,
    /// Its steps over time, in the order of their beginnings.
    pub spans: Vec<Span>,
}

/// An agent whose account has reached its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Limited {
    /// The agent.
    pub agent: String,
    /// When it goes on.
    pub until: Moment,
}

/// Something that wants a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Need {
    /// What it is.
    pub kind: NeedKind,
    /// The task, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// What happened, in one line.
    pub detail: String,
    /// Commands that a person may want, ready to be copied.
    pub commands: Vec<String>,
    /// What can be done about it here.
    pub actions: Vec<Action>,
}

/// What wants a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeedKind {
    /// A task failed, timed out or was lost.
    Failed,
    /// A task's work does not merge.
    Conflict,
    /// A task's work did not pass on the composed tree.
    Rejected,
    /// A step gives no sign of life.
    Suspect,
    /// An account's limit is reached; it goes on by itself.
    Limit,
    /// A budget is spent.
    Budget,
    /// A credential was refused.
    Auth,
    /// The run is paused.
    Paused,
    /// A task is paused.
    Held,
    /// A workspace was kept because it holds something.
    Kept,
    /// The run is over, and its work is on no branch of the user's.
    Land,
}

/// What can be done from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Take a task up again.
    Retry,
    /// End a task or a run.
    Cancel,
    /// Begin nothing new.
    Pause,
    /// Go on.
    Resume,
    /// Bring the work home.
    Land,
}

/// When a run is expected to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Forecast {
    /// When all is over, if what is left takes as long as such tasks were seen to take.
    pub ends_at: Moment,
    /// The tasks that its end waits for, one behind the other.
    pub critical_path: Vec<String>,
    /// The next 200 tasks that are open and go on without a person, by when they begin.
    pub tasks: Vec<ExpectedTask>,
}

/// When what is left of a task is expected to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct ExpectedTask {
    /// The task.
    pub task: String,
    /// When it begins; the moment of the answer, where it is under way.
    pub begins_at: Moment,
    /// When its agent is done; the same moment, where it only waits to be merged.
    pub ends_at: Moment,
}

/// A workspace that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Kept {
    /// Where.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// How well a plan foresaw what its tasks wrote: of those whose work is known.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Prediction {
    /// Files, folders and patterns that tasks were expected to write.
    pub claims: u64,
    /// Those of them that came true.
    pub right: u64,
    /// Files that tasks wrote, each counted for each task.
    pub written: u64,
    /// Those of them that were expected.
    pub found: u64,
    /// `right` over `claims`, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// `found` over `written`, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Pairs of tasks that were expected to write one file, and did.
    pub collisions_foreseen: u64,
    /// Pairs that did and were not expected to.
    pub collisions_unforeseen: u64,
    /// Pairs that were expected to and did not.
    pub collisions_in_vain: u64,
}

/// One step on the time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Span {
    /// The task.
    pub task: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The step of that attempt, from 1.
    pub step: u32,
    /// `setup`, `agent`, `verify`, …
    pub kind: String,
    /// When its process started.
    pub from: Moment,
    /// When it was over; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
}
