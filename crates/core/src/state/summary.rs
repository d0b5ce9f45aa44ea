//! The run's account, derived.

use super::{RunState, RunStatus, TaskStatus};
use crate::{Millis, RunReport, TaskReport, Timestamp, Usage};

impl RunState {
    /// What the run came to, or has come to by `now`.
    pub fn report(&self, now: Timestamp) -> RunReport {
        let tasks: Vec<TaskReport> = (0..self.tasks.len()).map(|at| self.task_report(at)).collect();
        let over = |wanted: bool| {
            let ends = self.tasks.iter().filter_map(super::TaskState::outcome);
            ends.filter(|outcome| outcome.satisfies_dependents() == wanted).count()
        };
        let (wall, kept) = match &self.status {
            RunStatus::Finished { wall, kept, .. } => (*wall, kept.clone()),
            _ => (now.since(self.started_at), Vec::new()),
        };
        let mut usage = Usage::default();
        tasks.iter().for_each(|task| usage.add(&task.usage));
        RunReport {
            run: self.id.clone(),
            branch: self.branch(),
            commit: self.tip.clone(),
            succeeded: over(true),
            failed: over(false),
            wall,
            task_time: Millis(tasks.iter().map(|task| task.time.0).sum()),
            usage,
            tasks,
            kept,
            foresight: self.is_finished().then(|| self.foresight()),
        }
    }

    fn task_report(&self, at: usize) -> TaskReport {
        let (task, planned) = (&self.tasks[at], &self.plan.tasks[at]);
        let (outcome, verdict, detail) = match &task.status {
            TaskStatus::Finished { outcome, verdict, detail, .. } => {
                (Some(outcome.clone()), *verdict, detail.clone())
            }
            TaskStatus::Waiting | TaskStatus::Active(_) => (None, None, String::new()),
        };
        TaskReport {
            id: planned.id.clone(),
            outcome,
            verdict,
            detail,
            attempts: task.attempts,
            time: task.time,
            branch: task.workspace.as_ref().map(|(_, branch)| branch.clone()),
            commit: task.commit.clone(),
            predicted_writes: planned.writes.iter().map(|claim| claim.path.clone()).collect(),
            actual_writes: task.changed.clone(),
            usage: task.usage,
        }
    }
}
