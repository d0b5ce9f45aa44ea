//! What client and engine say to each other: one JSON object a line, over a Unix socket.
//!
//! A connection carries one [`Request`] at a time. Each is answered by exactly one [`Reply`], but for
//! [`Request::Follow`], which is answered by [`Frame`]s until the run rests or is over. Client and engine are the
//! same binary; should they differ, [`Reply::Hello`] says so before anything else is asked.

mod forecast;
pub(crate) mod named;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use gadugi_core::{AgentName, CommitId, Plan, RunId, RunSettings, Target, TaskId, Timestamp, Usage};
use serde::{Deserialize, Serialize};

use crate::handle::Counts;

pub use forecast::{ExpectedTask, ForecastView};
pub use named::TaskNotFound;

/// Grows with every change that an older peer would misunderstand.
pub const VERSION: u32 = 3;

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Request {
    /// Who is there?
    Hello,
    /// Begin a run.
    Submit(Box<Submission>),
    /// How does a run stand? Answered by [`Reply::Run`].
    Status {
        /// A run's id or a unique prefix of it; none: the latest.
        run: Option<String>,
    },
    /// All runs on record. Answered by [`Reply::Runs`].
    Runs,
    /// Everything that happens to a run from here on. Answered by [`Frame`]s.
    Follow {
        /// The run.
        run: RunId,
        /// The last sequence number that the client has; 0 for all.
        after: u64,
    },
    /// End tasks.
    Cancel {
        /// The run.
        run: RunId,
        /// Which.
        target: Target,
    },
    /// All tasks: begin nothing new. Single ones: stop them, so that they can be taken up again.
    Pause {
        /// The run.
        run: RunId,
        /// Which.
        target: Target,
    },
    /// Stop what runs, so that it can be taken up again.
    Interrupt {
        /// The run.
        run: RunId,
        /// Without grace.
        now: bool,
    },
    /// Go on.
    Resume {
        /// The run.
        run: RunId,
        /// Which tasks.
        target: Target,
        /// The client's environment, as in [`Submission`]; none, where it has none that agents should see (a page): the run's last
        /// one, else that of whoever opened the page, else the engine's own.
        #[serde(default)]
        environment: Option<Vec<(String, String)>>,
    },
    /// Take up tasks again.
    Retry {
        /// The run.
        run: RunId,
        /// Which; all: all that did not succeed.
        target: Target,
        /// Words for their agents.
        with: Option<String>,
        /// The client's environment, as in [`Request::Resume`].
        #[serde(default)]
        environment: Option<Vec<(String, String)>>,
    },
    /// Bring work home. Answered by [`Reply::Landed`].
    Land {
        /// The run.
        run: RunId,
        /// One task's branch; none: the integration branch.
        task: Option<TaskId>,
        /// The user's branch; none: the one that is checked out.
        into: Option<String>,
    },
    /// Everything on record about a run. Answered by [`Reply::Export`].
    Export {
        /// The run.
        run: RunId,
    },
    /// Put away finished workspaces and old records. Answered by [`Reply::Cleaned`].
    Clean {
        /// Only what was over so many hours ago.
        older_than_hours: f64,
    },
    /// The worktrees, and what is wrong with them. Answered by [`Reply::Worktrees`].
    Worktrees {
        /// Mend what can be mended without losing anything.
        repair: bool,
    },
    /// What a task has changed so far, against its base. Answered by [`Reply::Patch`]; refused as `not-begun` or
    /// `nothing-left` where there is nothing to show.
    Diff {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
    },
    /// Show runs on a page: open it, or say where it is open. It stays open as long as the engine lives. Answered by
    /// [`Reply::Page`].
    Page {
        /// Where it listens; none: where it is open already, else where it was last. One that is open elsewhere opens here too,
        /// and stays open there.
        listen: Option<SocketAddr>,
        /// The client's environment, as in [`Submission`]: what is asked for on the page is done in it, where a run has none of
        /// its own.
        #[serde(default)]
        environment: Option<Vec<(String, String)>>,
    },
    /// Leave as soon as nothing is under way.
    Leave,
}

/// A run that is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submission {
    /// Its plan.
    pub plan: Plan,
    /// Its settings.
    pub settings: RunSettings,
    /// The prompts, word for word, as they were when the plan was made.
    pub prompts: BTreeMap<TaskId, String>,
    /// The client's environment: what the agents of this run may see.
    pub environment: Vec<(String, String)>,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Reply {
    /// To [`Request::Hello`].
    Hello {
        /// [`VERSION`] of the engine.
        version: u32,
        /// Its process.
        pid: u32,
    },
    /// A wish is granted, and that is on disk.
    Accepted {
        /// The run.
        run: RunId,
        /// Tasks affected.
        tasks: usize,
    },
    /// How a run stands.
    Run(Box<RunView>),
    /// All runs.
    Runs {
        /// Latest first.
        runs: Vec<RunLine>,
    },
    /// Work was brought home.
    Landed {
        /// The user's branch.
        into: String,
        /// Its new tip.
        commit: CommitId,
        /// Whether it was fast-forwarded.
        fast_forward: bool,
        /// Whether it held the work already.
        already: bool,
    },
    /// A run as JSON.
    Export {
        /// Plan, settings, events, report.
        run: serde_json::Value,
    },
    /// What was put away, and what was kept with the reason.
    Cleaned {
        /// Runs whose records are gone.
        runs: Vec<RunId>,
        /// Worktrees that are gone.
        worktrees: Vec<PathBuf>,
        /// Worktrees that hold something: path and reason.
        kept: Vec<(PathBuf, String)>,
        /// Generations of caches that are gone.
        #[serde(default)]
        caches: usize,
    },
    /// The worktrees of this repository that are gadugi's.
    Worktrees {
        /// One by one.
        worktrees: Vec<WorktreeLine>,
        /// What was mended.
        repaired: Vec<String>,
    },
    /// A patch, in a file that whoever asked is to remove: patches can be large, and their bytes any.
    Patch {
        /// The file.
        path: PathBuf,
    },
    /// The page is open.
    Page {
        /// Where it listens.
        address: SocketAddr,
        /// What a person opens; whoever has it may do all that the page can.
        link: String,
    },
    /// The engine will leave.
    Leaving,
    /// It was not done.
    Failed(Failure),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable: `unknown-run`, `no-runs`, `unknown-task`, `run-over`, `not-paused`, `not-retryable`, `bad-plan`, `bad-request`,
    /// `nothing-to-land`, `land-refused`, `store`, `git`, `executor`, `engine`, `busy`, `leaving`, `not-begun`, `nothing-left`, `no-page`,
    /// `store-full`, `store-locked`, `store-unwritable`, `records-gone`.
    pub code: String,
    /// One line for people.
    pub message: String,
    /// What mends it, where something does.
    pub hint: Option<String>,
}

/// One piece of what [`Request::Follow`] gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "frame")]
pub enum Frame {
    /// A durable fact, as contract section 7 has it: `{seq, at, run, task?, attempt?, step?, type, …}`. The one of type
    /// `run-finished` carries the report.
    Event {
        /// The object.
        event: serde_json::Value,
    },
    /// What a task is doing right now. Not durable, and at most a few a second for each task.
    Activity(Activity),
    /// Nothing is under way any more and the run is not over: it is paused or interrupted.
    AtRest {
        /// How it stands.
        view: Box<RunView>,
    },
    /// The run is over; nothing follows.
    Finished {
        /// How it stands.
        view: Box<RunView>,
    },
    /// It cannot be followed.
    Failed(Failure),
}

/// What a task is doing right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// The task.
    pub task: TaskId,
    /// The latest phase that its agent reported.
    pub phase: Option<u8>,
    /// Its last action in one line: `Edit src/lib.rs`.
    pub action: String,
    /// Tokens and cost of all its steps so far.
    pub usage: Usage,
}

/// How a run stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub run: RunId,
    /// `active`, `paused`, `ending`, `finished`.
    pub status: String,
    /// `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
    pub paused_because: Option<String>,
    /// One line for people about the pause, where there is more to say.
    pub paused_detail: String,
    /// What keeps it from beginning as much as its slots would let it: `memory`, `cpu`, `disk`, `budget`, `alone`.
    pub holds: Vec<String>,
    /// Agents whose account has reached its limit, and when they go on.
    pub limited: BTreeMap<String, Timestamp>,
    /// What is set aside of its budget for steps that run, in millionths of a US dollar.
    pub reserved_microusd: u64,
    /// What it may cost, in millionths of a US dollar; none where nobody named a number.
    #[serde(default)]
    pub budget_microusd: Option<u64>,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// From its start to its end or to now.
    pub wall_ms: u64,
    /// Measured times of all tasks, added up.
    pub task_ms: u64,
    /// `task_ms` over `wall_ms`.
    pub speedup: f64,
    /// The integration branch.
    pub branch: String,
    /// Its tip.
    pub tip: Option<CommitId>,
    /// The commit that the plan was made for.
    pub base: CommitId,
    /// Branches of the user's that hold its work.
    pub landed_into: Vec<String>,
    /// The folder of all worktrees, absolute.
    pub worktree_dir: PathBuf,
    /// Whether the prompts' analysis failed and tasks are taken one after another, and why.
    pub sequential_because: Option<String>,
    /// Tasks that may run at once.
    pub slots: u32,
    /// The last sequence number that this view holds.
    pub seq: u64,
    /// What all tasks used.
    pub usage: Usage,
    /// In plan order.
    pub tasks: Vec<TaskView>,
    /// Workspaces kept at the end: path and reason.
    pub kept: Vec<(String, String)>,
    /// Its tasks by how they stand.
    #[serde(default)]
    pub counts: Counts,
    /// Everything that wants a person, the most pressing kind first.
    #[serde(default)]
    pub needs: Vec<NeedView>,
    /// The merge queue: the task that is being merged, then those that wait for it, in order.
    #[serde(default)]
    pub queue: Vec<TaskId>,
    /// When it is expected to end, while it goes on.
    #[serde(default)]
    pub forecast: Option<ForecastView>,
    /// How well the plan foresaw what was written, once it is over.
    #[serde(default)]
    pub prediction: Option<Prediction>,
}

/// Something of a run that wants a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedView {
    /// `auth`, `paused`, `budget`, `suspect`, `failed`, `conflict`, `rejected`, `held`, `limit`, `kept`, `land`.
    pub kind: String,
    /// The task, where it is about one.
    pub task: Option<TaskId>,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// When it goes on by itself, where it does.
    pub until: Option<Timestamp>,
    /// What happened, in one line. Agents' words may be in it.
    pub detail: String,
    /// The path, where it is about one.
    pub path: Option<String>,
    /// The agents whose login it may be, where a credential was refused.
    pub agents: Vec<AgentName>,
    /// What can be asked of the engine about it: `retry`, `cancel`, `pause`, `resume`, `land`; of the task where it is about one.
    pub actions: Vec<String>,
}

/// How well a plan foresaw what its tasks wrote: of those whose work is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Files, folders and patterns that tasks were expected to write.
    pub claims: u64,
    /// Those of them that came true.
    pub right: u64,
    /// Files that tasks wrote, each counted for each task.
    pub written: u64,
    /// Those of them that were expected.
    pub found: u64,
    /// `right` over `claims`; none where nothing was expected.
    pub precision: Option<f64>,
    /// `found` over `written`; none where nothing was written.
    pub recall: Option<f64>,
    /// Pairs of tasks that wrote one file, or were expected to.
    pub collisions: PairsOfTasks,
}

/// Pairs of tasks that wrote one file, or were expected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairsOfTasks {
    /// Expected, and so it came.
    pub foreseen: u64,
    /// Not expected, and it came.
    pub unforeseen: u64,
    /// Expected, and it did not come.
    pub in_vain: u64,
}

/// What a task was expected to write beside what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPrediction {
    /// What came true of what was expected, 0 to 1; none where nothing was expected.
    pub precision: Option<f64>,
    /// What was expected of what was written, 0 to 1.
    pub recall: Option<f64>,
    /// Files that were written and not expected.
    pub beyond: Vec<String>,
    /// What was expected rather than not, and not written.
    pub missed: Vec<String>,
}

/// How a task stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
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
    pub verdict: Option<String>,
    /// One line for people: the error, the conflicting files.
    pub detail: String,
    /// Tasks that it still waits for.
    pub waits_for: Vec<TaskId>,
    /// While `suspended` or `queued` after something went wrong: when it is tried again.
    pub resumes_at: Option<Timestamp>,
    /// Whether somebody paused it.
    pub held: bool,
    /// While its step gives no sign of life: for how long it had given none when that was noticed, in milliseconds.
    pub suspected_ms: Option<u64>,
    /// Refs that hold what its attempts left uncommitted.
    pub salvage: Vec<String>,
    /// Tries so far.
    pub attempts: u32,
    /// Steps of the latest attempt.
    pub steps: u32,
    /// `setup`, `agent`, `verify`, while a step runs.
    pub step_kind: Option<String>,
    /// The latest phase that the agent reported.
    pub phase: Option<u8>,
    /// Its last action in one line.
    pub action: String,
    /// Process id of the agent (or check) itself, while it runs.
    pub pid: Option<u32>,
    /// Processor use of its whole process tree in percent of one processor.
    pub cpu_percent: f64,
    /// Resident memory of its whole process tree in MiB.
    pub memory_mb: f64,
    /// When the running step started, else when the attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Measured time of its steps, the running one included.
    pub elapsed_ms: u64,
    /// What it used so far.
    pub usage: Usage,
    /// Its branch.
    pub branch: Option<String>,
    /// Its workspace. It is gone once its work was merged and the run is over.
    pub workspace: Option<PathBuf>,
    /// Where its steps run: `local`, `docker`. A workspace of the latter is a repository that an agent wrote: nothing on this
    /// machine is to open it.
    pub executor: String,
    /// The container of the running step, where it runs in one.
    pub container: Option<String>,
    /// Where its branch began.
    pub base: Option<CommitId>,
    /// The tip of its branch, once collected.
    pub commit: Option<CommitId>,
    /// What it wrote.
    pub changed: Vec<String>,
    /// Where it is a question: what was asked, and the step of the latest attempt whose last words are its answer.
    #[serde(default)]
    pub question: Option<QuestionView>,
    /// What it was expected to write beside that, once its run is over.
    #[serde(default)]
    pub prediction: Option<TaskPrediction>,
    /// The agent's conversation, for taking it up by hand.
    pub session: Option<String>,
    /// The folder of the latest attempt, with one folder for each step.
    pub attempt_dir: Option<PathBuf>,
    /// What is known of its phases.
    pub phases: Vec<gadugi_core::PhaseRecord>,
}

/// A question, and where its answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionView {
    /// Tasks that the prompt may become.
    pub most: u32,
    /// The agent that is asked.
    pub agent: String,
    /// The folder of the step whose last words are the answer; none until one was taken.
    pub answer: Option<PathBuf>,
}

/// One run in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunLine {
    /// Its id.
    pub run: RunId,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Its tasks.
    pub tasks: u64,
}

/// One worktree in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorktreeLine {
    /// Where it is.
    pub path: PathBuf,
    /// The branch that it has checked out.
    pub branch: Option<String>,
    /// The run and task that it was made for, where they are on record.
    pub task: Option<(RunId, TaskId)>,
    /// `active`, `kept`, `finished`, `orphaned`, `missing`.
    pub status: String,
    /// What is wrong or why it is kept; empty where nothing is.
    pub detail: String,
}

impl RunView {
    /// The task that a person means: by its id, its prompt's name, or a unique prefix of its id.
    pub fn find(&self, wanted: &str) -> Result<&TaskView, TaskNotFound> {
        named::find(&self.tasks, wanted).map(|at| &self.tasks[at])
    }
}
