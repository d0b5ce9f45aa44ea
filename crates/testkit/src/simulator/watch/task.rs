//! What an observer knows of a task.

use std::collections::BTreeSet;

use gadugi_core::{
    CommitId, EndClass, Event, Millis, Outcome, SessionMode, StepEnd, StepExit, StepId, StepKind, StopCause,
    Timestamp,
};

use super::super::names::{self, StepAt};
use super::super::world::World;
use super::faults::{self, Fault, Faults};
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
    /// Somebody was told that it is cancelled.
    pub(super) doomed: bool,
    /// Somebody paused it.
    pub(super) held: bool,
    /// Git or the file system failed under its latest attempt, or there was nothing to merge.
    pub(super) excused: bool,
    /// Its latest attempt has an answer that was taken.
    pub(super) answered: bool,
    pub(super) spent: u64,
    /// Attempts whose uncommitted work nobody has looked at.
    pub(super) owed: BTreeSet<u32>,
    /// Attempts that did not succeed.
    pub(super) failed: BTreeSet<u32>,
}

/// An attempt that is under way.
pub(super) struct Active {
    pub(super) place: Place,
    prepared: bool,
    pub(super) step: Option<Step>,
    pub(super) stopping: Option<StopCause>,
    /// Why the latest step was being stopped when it ended.
    pub(super) ended_by: Option<StopCause>,
    pub(super) last_exit: Option<StepExit>,
    pub(super) set_up: bool,
    /// Its conversation can be taken up.
    pub(super) spoken: bool,
    /// Its agent came to a good end by itself and said so.
    done: bool,
    /// How often its answer went back to it.
    went_back: u32,
    pub(super) faults: Faults,
    /// Time of its setup and agent steps, in milliseconds.
    pub(super) spent: u64,
    /// Nothing else may run beside it.
    pub(super) alone: bool,
    /// It was killed for want of memory at some time.
    pub(super) starved: bool,
    /// It does nothing before.
    pub(super) until: Option<Timestamp>,
    /// Its latest step has just ended, and nothing came of it yet.
    pub(super) fresh_end: bool,
    /// That step met its account's limit; and when that is lifted, where the agent said so.
    pub(super) limit: Option<Option<Timestamp>>,
}

/// A step that is intended or runs.
pub(super) struct Step {
    pub(super) id: StepId,
    pub(super) kind: StepKind,
    /// Since when it runs, by a clock that nobody sets.
    pub(super) since: Option<Timestamp>,
    pub(super) reserved: Option<u64>,
    pub(super) suspected: bool,
    /// Whether it was suspected before the latest report about it.
    pub(super) was_suspected: bool,
    /// How quiet it was the last time that the engine heard of it.
    pub(super) quiet: Millis,
    pub(super) after_result: bool,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// It has a slot.
    Slot,
    Suspended,
    /// Its work is being taken in.
    Collecting,
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
    pub(super) owed: usize,
    pub(super) reserved: u64,
}

impl Task {
    pub(super) fn place(&self) -> Option<Place> {
        self.active.as_ref().map(|active| active.place)
    }

    pub(super) fn weighs(&self, one_by_one: bool) -> Weight {
        let place = self.place();
        let slot = place == Some(Place::Slot);
        let merging = place == Some(Place::Merge);
        let step = self.active.as_ref().and_then(|active| active.step.as_ref());
        Weight {
            slot,
            held: slot || one_by_one && place.is_some_and(|place| place != Place::Suspended),
            open: self.outcome.is_none(),
            merging,
            owed: self.owed.len(),
            reserved: step.and_then(|step| step.reserved).unwrap_or(0),
        }
    }

    /// The step of that number of that attempt, where it is intended or runs.
    pub(super) fn step(&mut self, id: &StepId) -> Option<&mut Step> {
        self.active.as_mut()?.step.as_mut().filter(|step| step.id == *id)
    }

    pub(super) fn unwant(&mut self) {
        self.unwanted |= self.outcome.is_none();
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.place().is_some_and(|place| place != Place::Suspended)
    }

    pub(super) fn event(&mut self, world: &World, event: &Event) -> Checked {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                (self.attempts, self.work, self.excused) = (attempt.attempt, None, false);
                self.answered = false;
                self.active = Some(Active::new());
                return Ok(());
            }
            Event::TaskFinished { outcome, .. } => {
                self.finish(outcome);
                return Ok(());
            }
            Event::TaskRevived { .. } => {
                self.revivals += 1;
                self.outcome = None;
                (self.unwanted, self.doomed) = (false, false);
                return Ok(());
            }
            Event::WorkSalvaged { attempt, .. } => {
                let owed = self.owed.remove(&attempt.attempt);
                return ensure(owed, || format!("what {attempt} left is saved and was not to be"));
            }
            Event::PhasesRecorded { .. } | Event::TaskHeld { .. } | Event::TaskReleased { .. } => {
                return Ok(());
            }
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
            Event::AnswerAppraised { step, taken, wrong } => {
                ensure(active.done && active.place == Place::Collecting, || {
                    format!("the answer of {step} is taken, but nobody said that it is done")
                })?;
                ensure(active.went_back < 2, || format!("{step} was asked too often"))?;
                ensure(*taken || !wrong.is_empty(), || format!("{step} is not told what is wrong"))?;
                self.answered = *taken;
                // Asked twice and answered badly twice: it may fail.
                self.excused |= !taken && active.went_back == 1;
            }
            Event::TaskMerged { commit, .. } => {
                ensure(self.merged.is_none(), || format!("merged twice: {commit}"))?;
                self.merged = Some(commit.clone());
            }
            Event::StepEnded { end, .. } => {
                self.spent += end.agent.as_ref().map_or(0, |agent| agent.usage.cost_microusd);
            }
            _ => {}
        }
        active.event(world, event);
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) {
        self.finishes += 1;
        if let Some(active) = self.active.take()
            && *outcome != Outcome::Succeeded
            && active.prepared
        {
            self.owed.insert(self.attempts);
            self.failed.insert(self.attempts);
        }
        self.outcome = Some(outcome.clone());
        self.held = false;
    }
}

impl Active {
    fn new() -> Self {
        Self {
            place: Place::Slot,
            prepared: false,
            step: None,
            stopping: None,
            ended_by: None,
            last_exit: None,
            set_up: false,
            spoken: false,
            done: false,
            went_back: 0,
            faults: Faults::default(),
            spent: 0,
            alone: false,
            starved: false,
            until: None,
            fresh_end: false,
            limit: None,
        }
    }

    fn event(&mut self, world: &World, event: &Event) {
        match event {
            Event::WorkspacePrepared { .. } => self.prepared = true,
            Event::StepIntended { step, what, reserved } => {
                self.step = Some(Step::new(step, what, *reserved));
                (self.until, self.fresh_end) = (None, false);
                if self.place == Place::Suspended {
                    self.place = Place::Slot;
                }
            }
            Event::StepStarted { .. } => {
                if let Some(step) = &mut self.step {
                    step.since = Some(world.steady);
                    self.spoken |= step.is_agent();
                }
            }
            Event::StepSuspected { .. } => self.step.iter_mut().for_each(|step| step.suspected = true),
            Event::StepCleared { .. } => self.step.iter_mut().for_each(|step| step.suspected = false),
            Event::StepEnded { end, .. } => self.end_step(end, world.now),
            Event::StopRequested { cause, .. } => self.stopping = Some(*cause),
            Event::AttemptSuspended { until, alone, .. } => {
                (self.stopping, self.place, self.until) = (None, Place::Suspended, *until);
                (self.alone, self.fresh_end) = (*alone, false);
            }
            Event::WorkCollected { .. } | Event::IntegrationMoved { .. } => {
                (self.place, self.until) = (Place::Queue, None);
            }
            Event::MergePutBack { until, .. } => (self.place, self.until) = (Place::Queue, *until),
            Event::AnswerAppraised { taken: false, .. } => {
                (self.place, self.until, self.done) = (Place::Suspended, None, false);
                self.went_back += 1;
            }
            Event::MergeStarted { .. } => self.place = Place::Merge,
            _ => {}
        }
    }

    fn end_step(&mut self, end: &StepEnd, now: Timestamp) {
        let Some(step) = self.step.take() else { return };
        (self.fresh_end, self.limit) = (true, None);
        self.faults.take(&step.kind, end, self.stopping);
        let good = self.faults.last.is_none();
        if faults::is_limit(end) && self.faults.last == Some(Fault::Transient) {
            self.limit = Some(faults::resets_at(end, now));
        }
        self.done = good && step.is_agent();
        if self.done {
            self.place = Place::Collecting;
        }
        self.set_up |= good && step.kind == StepKind::Setup;
        if !matches!(step.kind, StepKind::Verify { .. }) {
            self.spent += end.wall.0;
            let starved = end.exit == StepExit::OutOfMemory;
            self.starved |= starved;
            self.alone = starved || self.alone && !step.is_agent();
        }
        if step.is_agent() {
            let lost = end.agent.as_ref().is_some_and(|agent| agent.class == EndClass::NoSession);
            let began = !matches!(end.exit, StepExit::NotStarted(_) | StepExit::Lost);
            // A shim that could not start its agent was there itself: nobody has spoken.
            let unsaid = step.is_fresh() && matches!(end.exit, StepExit::NotStarted(_));
            self.spoken = !lost && !unsaid && (self.spoken || began);
        }
        self.last_exit = Some(end.exit.clone());
        self.ended_by = self.stopping;
        self.stopping = self.stopping.filter(|cause| *cause == StopCause::Cancel);
    }

    /// The step that runs.
    pub(super) fn running(&self) -> Option<StepAt> {
        let step = self.step.as_ref().filter(|step| step.since.is_some())?;
        Some(names::step_at(&step.id))
    }

    /// Time that its setup and agent steps have taken, with the one that runs.
    pub(super) fn time(&self, world: &World) -> Millis {
        let running = self.step.as_ref().and_then(|step| step.since).map(|since| world.steady.since(since));
        Millis(self.spent + running.map_or(0, |running| running.0))
    }

    /// Whether nobody knows how its latest step ended.
    pub(super) fn was_lost(&self) -> bool {
        matches!(self.last_exit, Some(StepExit::Lost | StepExit::LeaseLapsed))
    }

    /// Whether a conversation that was begun is taken up, and only such a one.
    pub(super) fn may_speak(&self, mode: SessionMode) -> bool {
        (mode == SessionMode::Resume) == self.spoken
    }
}

impl Step {
    fn new(id: &StepId, kind: &StepKind, reserved: Option<u64>) -> Self {
        Self {
            id: id.clone(),
            kind: kind.clone(),
            since: None,
            reserved,
            suspected: false,
            was_suspected: false,
            quiet: Millis(0),
            after_result: false,
        }
    }

    fn is_fresh(&self) -> bool {
        matches!(self.kind, StepKind::Agent { mode: SessionMode::Fresh, .. })
    }

    pub(super) fn is_agent(&self) -> bool {
        matches!(self.kind, StepKind::Agent { .. })
    }
}
