//! Where a task's streams are: what whoever reads them has to know, without a view of the whole run.

use gadugi_core::{AgentName, Attempt, RunId, RunState, StepKind, TaskId};

use crate::protocol::{TaskNotFound, named};

/// A task of a run, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Who works on it.
    pub agent: AgentName,
    /// Attempts so far.
    pub attempts: u32,
    /// Steps of the latest of them.
    pub steps: u32,
    /// What the latest of those is for, while it is intended or runs; none once it is over.
    pub running: Option<StepKind>,
}

impl Located {
    /// The task that a person means.
    pub(crate) fn of(run: &RunState, wanted: &str) -> Result<Self, TaskNotFound> {
        let at = match run.position(&TaskId::new(wanted)) {
            Some(at) => at,
            None => named::find(&run.plan.tasks, wanted)?,
        };
        let task = &run.tasks[at];
        Ok(Self {
            run: run.id.clone(),
            task: run.plan.tasks[at].id.clone(),
            agent: run.agent(at).clone(),
            attempts: task.attempts,
            steps: task.steps,
            running: task.active().and_then(Attempt::step).map(|step| step.kind.clone()),
        })
    }
}
