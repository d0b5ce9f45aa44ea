//! What an observer knows of a task.

use gadugi_core::{CommitId, EndClass, Event, Outcome, StepExit, StepId, StepKind, StopCause};

use super::{Checked, ensure};

/// A task as its events tell it.
#[derive(Default)]
pub(in super::super) struct Task {
    pub(in super::super) outcome: Option<Outcome>,
    pub(super) attempts: u32,
    pub(super) finishes: u32,
    pub(super) revivals: u32,
    pub(super) active: Option<Active>,
    pub(super) work: Option<CommitId>,
    pub(super) merged: Option<CommitId>,
    /// Somebody asked for its end since it was last wanted.
    pub(super) unwanted: bool,
}

/// An attempt that is under way.
pub(super) struct Active {
    pub(super) place: Place,
    pub(super) step: Option<(StepId, StepKind)>,
    pub(super) stopping: Option<StopCause>,
    pub(super) set_up: bool,
    /// Its agent came to a good end by itself and said so.
    done: bool,
    pub(super) losses: u32,
}

/// Where an attempt is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// It has a slot.
    Slot,
    Suspended,
    /// On the merge queue.
    Queue,
    /// At its head.
    Merge,
}

/// What a task counts for in its run.
pub(super) struct Weight {
    /// It has a slot of the machine.
    pub(super) slot: bool,
    /// It has one of its run's.
    pub(super) held: bool,
    pub(super) open: bool,
    pub(super) merging: bool,
}

impl Task {
    pub(super) fn weighs(&self, one_by_one: bool) -> Weight {
        let place = self.active.as_ref().map(|active| active.place);
        let slot = place == Some(Place::Slot);
        let merging = place == Some(Place::Merge);
        let held = slot || one_by_one && (merging || place == Some(Place::Queue));
        Weight { slot, held, open: self.outcome.is_none(), merging }
    }

    /// The step that is intended or runs: its attempt's number and its own.
    pub(super) fn open_step(&self) -> Option<(u32, u32)> {
        let (step, _) = self.active.as_ref()?.step.as_ref()?;
        Some((step.attempt.attempt, step.step))
    }

    pub(super) fn unwant(&mut self) {
        self.unwanted |= self.outcome.is_none();
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.place != Place::Suspended)
    }

    pub(super) fn event(&mut self, event: &Event) -> Checked {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                self.attempts = attempt.attempt;
                self.work = None;
                self.active = Some(Active {
                    place: Place::Slot,
                    step: None,
                    stopping: None,
                    set_up: false,
                    done: false,
                    losses: 0,
                });
                return Ok(());
            }
            Event::TaskFinished { outcome, .. } => {
                self.finishes += 1;
                self.outcome = Some(outcome.clone());
                self.active = None;
                return Ok(());
            }
            Event::TaskRevived { .. } => {
                self.revivals += 1;
                self.outcome = None;
                self.unwanted = false;
                return Ok(());
            }
            Event::PhasesRecorded { .. } => return Ok(()),
            _ => {}
        }
        let number = self.attempts;
        ensure(event.attempt().is_some_and(|id| id.attempt == number), || {
            format!("{} is of another attempt", event.word())
        })?;
        let Some(active) = &mut self.active else { return Err(format!("{} of no attempt", event.word())) };
        match event {
            Event::WorkCollected { commit, .. } => {
                ensure(active.done, || format!("{commit} is taken in, but nobody said that it is done"))?;
                self.work = Some(commit.clone());
            }
            Event::TaskMerged { commit, .. } => {
                ensure(self.merged.is_none(), || format!("merged twice: {commit}"))?;
                self.merged = Some(commit.clone());
            }
            _ => {}
        }
        active.event(event);
        Ok(())
    }
}

impl Active {
    fn event(&mut self, event: &Event) {
        match event {
            Event::StepIntended { step, what } => {
                self.step = Some((step.clone(), what.clone()));
                if self.place == Place::Suspended {
                    self.place = Place::Slot;
                }
            }
            Event::StepEnded { end, .. } => {
                let kind = self.step.take().map(|(_, kind)| kind);
                self.done =
                    !end.stopped && end.agent.as_ref().is_some_and(|agent| agent.class == EndClass::Done);
                if self.done && matches!(kind, Some(StepKind::Agent { .. })) {
                    self.place = Place::Queue;
                }
                self.set_up |= kind == Some(StepKind::Setup) && end.passed();
                if matches!(end.exit, StepExit::Lost | StepExit::LeaseLapsed) {
                    self.losses += 1;
                }
            }
            Event::StopRequested { cause, .. } => self.stopping = Some(*cause),
            Event::AttemptSuspended { .. } => {
                self.stopping = None;
                self.place = Place::Suspended;
            }
            Event::MergeStarted { .. } => self.place = Place::Merge,
            Event::WorkCollected { .. } | Event::MergePutBack { .. } | Event::IntegrationMoved { .. } => {
                self.place = Place::Queue;
            }
            _ => {}
        }
    }
}
