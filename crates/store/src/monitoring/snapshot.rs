//! What the engine says is so. Data lies in the state that has it; the optional fields of the files are made from it.

use gadugi_core::{Outcome, Process, RunId, TaskId, Timestamp};

use crate::Bytes;

/// Everything that the files are made from, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// Runs, the oldest first: those that are not over, and those that ended since the engine started.
    pub runs: Vec<RunView>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// Its tasks, in plan order.
    pub tasks: Vec<TaskView>,
    /// Its report, once it is over: what `run-finished` carries in JSON. Its presence makes `<run>_final.json`.
    pub report: Option<serde_json::Value>,
}

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// The task.
    pub id: TaskId,
    /// Its title.
    pub name: String,
    /// The program that does it, with its arguments, for people.
    pub command: String,
    /// The prompt's path.
    pub prompt_file: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How far it is.
    pub state: TaskState,
    /// Its worktree, while it has one.
    pub worktree: Option<WorktreeView>,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskState {
    /// It waits: for others, for a slot, or for a run that is paused.
    Queued,
    /// It is worked on.
    Running {
        /// Since when.
        started_at: Timestamp,
        /// The process that does it; none while gadugi itself is at work (preparing, merging).
        process: Option<Process>,
        /// When a sign of life was seen last.
        last_heartbeat: Timestamp,
        /// What its whole process tree uses, once it was measured.
        resources: Option<ResourceSample>,
    },
    /// It is over.
    Finished {
        /// When it was begun; none where it never was.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Timestamp,
        /// How.
        outcome: Outcome,
        /// Exit status of its last step, where that exited.
        exit_code: Option<i32>,
        /// What went wrong, in a line.
        error: Option<String>,
    },
}

/// What a task's whole process tree uses.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceSample {
    /// Processors, in percent of one.
    pub cpu_percent: f64,
    /// Memory in MiB.
    pub memory_mb: f64,
    /// Memory in percent of the machine's.
    pub memory_percent: f64,
    /// Threads.
    pub threads: u64,
    /// Threads and processes, as a limit of pids counts them.
    pub pids: u64,
    /// Whether it is a container.
    pub container: bool,
    /// What it moved since its start, and takes of the disk; none where that cannot be seen.
    pub bytes: Bytes,
    /// The state of the tree's first process, in the kernel's words: `running`, `sleeping`, `disk-sleep`, `stopped`.
    pub status: String,
    /// When the tree's first process started.
    pub started_at: Timestamp,
}

/// A task's worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeView {
    /// Absolute path.
    pub path: String,
    /// Its branch.
    pub branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is being removed.
    pub cleaning: bool,
}
