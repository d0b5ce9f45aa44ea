//! What single tasks, their attempts and their steps say of themselves.

use std::collections::BTreeMap;

use super::{Attempt, MergeStage, Stage, StepState, TaskState, TaskStatus};
use crate::{AttemptId, Millis, Outcome, StepId, Usage};

impl Default for TaskState {
    fn default() -> Self {
        Self {
            status: TaskStatus::Waiting,
            attempts: 0,
            phases: BTreeMap::new(),
            usage: Usage::default(),
            time: Millis(0),
            peak_mib: 0,
            cpu_ms: 0,
            workspace: None,
            commit: None,
            base: None,
            session: None,
            steps: 0,
            changed: Vec::new(),
            answer: None,
            merged: false,
            note: None,
            began_at: None,
            last_exit: None,
            held: false,
            salvage: BTreeMap::new(),
        }
    }
}

impl TaskState {
    /// The attempt, where one is under way.
    pub fn active(&self) -> Option<&Attempt> {
        match &self.status {
            TaskStatus::Active(attempt) => Some(attempt),
            TaskStatus::Waiting | TaskStatus::Finished { .. } => None,
        }
    }

    /// How it ended, where it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.status {
            TaskStatus::Finished { outcome, .. } => Some(outcome),
            TaskStatus::Waiting | TaskStatus::Active(_) => None,
        }
    }
}

impl Attempt {
    /// The step that is intended or runs, of whatever kind.
    pub fn step(&self) -> Option<&StepState> {
        match &self.stage {
            Stage::Step(step) | Stage::Merging { at: MergeStage::Verifying { step, .. }, .. } => Some(step),
            _ => None,
        }
    }

    /// Whether it holds one of the slots: from its beginning until its agent is over. What gadugi does with the work
    /// afterwards takes no slot from an agent.
    pub fn holds_slot(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Ready | Stage::Step(_))
    }

    /// Whether something of it is timed by the machine's clock.
    pub(crate) fn is_timed(&self) -> bool {
        let pauses = matches!(
            self.stage,
            Stage::Suspended { until: Some(_), .. } | Stage::Queued { until: Some(_), .. }
        );
        pauses || self.step().is_some()
    }

    pub(super) fn at_rest(&self) -> bool {
        matches!(self.stage, Stage::Ready | Stage::Suspended { .. } | Stage::Queued { .. })
    }
}

impl Stage {
    pub(super) fn is_queued(&self) -> bool {
        matches!(self, Self::Queued { .. })
    }
}

impl StepState {
    /// Its full id.
    pub fn id(&self, attempt: AttemptId) -> StepId {
        StepId { attempt, step: self.number }
    }
}
