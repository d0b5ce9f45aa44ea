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
    /// How well the plan foresaw what was written. Of a run that is over.
    pub foresight: Option<Foresight>,
}

/// How well a plan foresaw what its tasks wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foresight {
    /// In plan order; none where a task's work was never collected, or changed nothing.
    pub tasks: Vec<Option<Writes>>,
    /// What became of pairs of tasks.
    pub collisions: Collisions,
}

/// What a task was expected to write beside what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// For each claim of the plan: whether it came true. A folder or pattern did where something in it was written.
    pub claims: Vec<bool>,
    /// How many files were written.
    pub written: usize,
    /// Those of them that no claim covers.
    pub beyond: Vec<String>,
    /// What was expected rather than not, and not written.
    pub missed: Vec<String>,
}

/// Pairs of tasks that wrote one file, or were expected to, where the work of both is known. Pairs that a prompt puts in order
/// itself are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collisions {
    /// Expected, and so it came.
    pub foreseen: u64,
    /// Not expected, and it came.
    pub unforeseen: u64,
    /// Expected, and it did not come.
    pub in_vain: u64,
}

impl Writes {
    /// Claims that came true.
    pub fn right(&self) -> usize {
        self.claims.iter().filter(|written| **written).count()
    }

    /// Files that were written and that a claim covers.
    pub fn found(&self) -> usize {
        self.written.saturating_sub(self.beyond.len())
    }

    /// Claims that came true over all claims; none where there were none.
    pub fn precision(&self) -> Option<f64> {
        share(self.right(), self.claims.len())
    }

    /// Files that a claim covers over all that were written; none where none was.
    pub fn recall(&self) -> Option<f64> {
        share(self.found(), self.written)
    }
}

impl Foresight {
    fn sum(&self, of: impl Fn(&Writes) -> usize) -> usize {
        self.tasks.iter().flatten().map(of).sum()
    }

    /// Claims of all tasks whose work is known.
    pub fn claims(&self) -> usize {
        self.sum(|writes| writes.claims.len())
    }

    /// Those of them that came true.
    pub fn right(&self) -> usize {
        self.sum(Writes::right)
    }

    /// Files that all tasks wrote, each counted for each task.
    pub fn written(&self) -> usize {
        self.sum(|writes| writes.written)
    }

    /// Those of them that a claim of their task covers.
    pub fn found(&self) -> usize {
        self.sum(Writes::found)
    }

    /// Claims that came true over all claims.
    pub fn precision(&self) -> Option<f64> {
        share(self.right(), self.claims())
    }

    /// Files that a claim covers over all that were written.
    pub fn recall(&self) -> Option<f64> {
        share(self.found(), self.written())
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
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
