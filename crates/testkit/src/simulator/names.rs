//! The names that the simulator gives, and the numbers that it knows things by: `orchestration-0`, `t7`, `c12`.

use gadugi_core::{AttemptId, CommitId, RunId, StepId, TaskId};

/// A task: its run's number and its own.
pub(super) type TaskAt = (u32, u32);
/// An attempt: its task and its number.
pub(super) type AttemptAt = (u32, u32, u32);
/// A step: its attempt and its number.
pub(super) type StepAt = (u32, u32, u32, u32);

pub(super) fn run(number: u32) -> RunId {
    RunId::new(format!("orchestration-{number}"))
}

pub(super) fn task(number: u32) -> TaskId {
    TaskId::new(format!("t{number}"))
}

pub(super) fn commit(number: usize) -> CommitId {
    CommitId::new(format!("c{number}"))
}

/// The number at the end of a name; that of nothing where there is none.
pub(super) fn number(name: impl AsRef<str>) -> u32 {
    let name = name.as_ref();
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(u32::MAX)
}

pub(super) fn task_at(run: &RunId, task: &TaskId) -> TaskAt {
    (number(run), number(task))
}

pub(super) fn attempt_at(id: &AttemptId) -> AttemptAt {
    (number(&id.run), number(&id.task), id.attempt)
}

pub(super) fn step_at(id: &StepId) -> StepAt {
    let (run, task, attempt) = attempt_at(&id.attempt);
    (run, task, attempt, id.step)
}
