//! The honest account of a run, derived from its state.

use crate::{CommitId, Millis, Outcome, RunId, TaskId, Usage, Verdict};

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// The integration branch.
    pub branch: String,
    /// Its tip.
    pub commit: Option<CommitId>,
    /// Tasks that succeeded.
    pub succeeded: usize,
    /// Tasks that did not.
    pub failed: usize,
    /// From the run's start to its end (or to now).
    pub wall: Millis,
    /// The measured times of all tasks, added up.
    pub task_time: Millis,
    /// What all tasks used.
    pub usage: Usage,
    /// One by one, in plan order.
    pub tasks: Vec<TaskReport>,
    /// Workspaces that were kept: path and reason.
    pub kept: Vec<(String, String)>,
}

/// What one task came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReport {
    /// The task.
    pub id: TaskId,
    /// How it ended; none while it has not.
    pub outcome: Option<Outcome>,
    /// What its work is worth.
    pub verdict: Option<Verdict>,
    /// One line for people.
    pub detail: String,
    /// Tries.
    pub attempts: u32,
    /// Measured time of its setup and agent steps, in all its tries; waits and the merge queue's checks are left out.
    pub time: Millis,
    /// Its branch.
    pub branch: Option<String>,
    /// The tip of its branch.
    pub commit: Option<CommitId>,
    /// What the plan said that it would write.
    pub predicted_writes: Vec<String>,
    /// What it wrote.
    pub actual_writes: Vec<String>,
    /// What it used.
    pub usage: Usage,
}

impl RunReport {
    /// Sum of measured task times over wall time.
    pub fn speedup(&self) -> f64 {
        if self.wall.0 == 0 { 1.0 } else { self.task_time.0 as f64 / self.wall.0 as f64 }
    }
}
