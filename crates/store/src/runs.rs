//! Which runs there are: a projection of the events, kept in the same transaction with them.

use gadugi_core::{Event, RunId, Timestamp};

/// One run, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it ended; none while it has not, or where a task of it was revived since.
    pub finished_at: Option<Timestamp>,
    /// Tasks of its plan.
    pub tasks: usize,
}

/// What an event changes in the list of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunChange {
    /// The run is there (again), with so many tasks.
    Started { tasks: usize },
    /// It is over.
    Finished,
    /// It goes on.
    Reopened,
}

/// The one rule: a run is finished from `run-finished` until a later `run-started` or `task-revived`.
pub(crate) fn change(event: &Event) -> Option<RunChange> {
    match event {
        Event::RunStarted { plan, .. } => Some(RunChange::Started { tasks: plan.tasks.len() }),
        Event::RunFinished { .. } => Some(RunChange::Finished),
        Event::TaskRevived { .. } => Some(RunChange::Reopened),
        _ => None,
    }
}
