//! The pure decision: what follows from one input.
//!
//! Commands and reports are answered with the facts that they directly give. What can be done *next* is found by
//! [`Input::Tick`] alone, which looks at the whole state: it is asked after every batch, until it has nothing more
//! to say. So nothing depends on somebody remembering to trigger it, and after a crash the same question gives the
//! same answer.
//!
//! Reports are matched by attempt, step and stage. One that comes twice, late, or for something that is over
//! matches nothing and changes nothing.

mod command;
mod outstanding;
mod phases;
mod report;
mod slots;
mod stopped;
mod tick;

use crate::{
    Attempt, AttemptId, Effect, Event, Hold, Input, Outcome, PhaseRecord, Reply, RunState, SkipReason, State,
    StepKind, StopForce, Timestamp, Verdict,
};

pub use outstanding::outstanding;
pub use tick::next_wake;

/// What follows from an input.
#[derive(Debug, Default, PartialEq)]
pub struct Decision {
    /// Facts, to be applied and stored, in this order.
    pub events: Vec<Event>,
    /// Things to do, once the facts are durable.
    pub effects: Vec<Effect>,
    /// The answer to a command.
    pub reply: Option<Reply>,
}

/// What follows from `input` in `state` at `now`.
pub fn decide(state: &State, now: Timestamp, input: Input) -> Decision {
    let mut decision = Decision::default();
    match input {
        Input::Command(command) => {
            decision.reply = Some(command::decide(&mut decision, state, now, command));
        }
        Input::Report(report) => report::decide(&mut decision, state, now, report),
        Input::Tick => tick::decide(&mut decision, state, now),
    }
    decision
}

impl Decision {
    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty()
    }

    fn fact(&mut self, event: Event) {
        self.events.push(event);
    }

    fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Puts phases on record, in one event with those of the same attempt that were just recorded.
    fn record(&mut self, attempt: &AttemptId, more: Vec<PhaseRecord>) {
        match self.events.last_mut() {
            Some(Event::PhasesRecorded { attempt: last, phases }) if last == attempt => phases.extend(more),
            _ => self.fact(Event::PhasesRecorded { attempt: attempt.clone(), phases: more }),
        }
    }

    /// The task at that place is over, and where it was begun, that is on record.
    fn finish(
        &mut self,
        run: &RunState,
        at: usize,
        outcome: Outcome,
        verdict: Option<Verdict>,
        detail: impl Into<String>,
    ) {
        if let Some(attempt) = run.tasks[at].active() {
            let id = run.attempt_id(at, attempt.number);
            self.record(&id, phases::recorded());
            if run.tasks[at].leaves_work(&outcome) {
                self.then(Effect::SalvageWork { attempt: id });
            }
        }
        self.fact(Event::TaskFinished {
            run: run.id.clone(),
            task: run.plan.tasks[at].id.clone(),
            outcome,
            verdict,
            detail: detail.into(),
        });
    }

    fn cancel(&mut self, run: &RunState, at: usize) {
        self.finish(run, at, Outcome::Cancelled, None, "cancelled");
    }

    fn skip(&mut self, run: &RunState, at: usize, because: SkipReason) {
        let detail = match &because {
            SkipReason::Dependency(task) => format!("it depends on {task}, which did not succeed"),
            SkipReason::Budget => crate::needs::RUN_SPENT.to_owned(),
        };
        self.finish(run, at, Outcome::Skipped { because }, None, detail);
    }

    /// Logs the intent of the attempt's next step and asks for it.
    fn intend(&mut self, id: &AttemptId, attempt: &Attempt, kind: StepKind, reserved: Option<u64>) {
        let step = crate::StepId { attempt: id.clone(), step: attempt.steps + 1 };
        self.fact(Event::StepIntended { step: step.clone(), what: kind.clone(), reserved });
        self.then(Effect::LaunchStep { step, kind, budget: reserved });
    }

    /// The attempt gives its slot back until it is taken up again.
    fn suspend(&mut self, id: &AttemptId, because: impl Into<String>, until: Option<Timestamp>, alone: bool) {
        self.fact(Event::AttemptSuspended { attempt: id.clone(), because: because.into(), until, alone });
    }

    /// Puts it on record where something begins or ceases to hold a run back.
    fn hold(&mut self, run: &RunState, hold: Hold, holds: bool, reason: impl FnOnce() -> String) {
        match (run.holds.contains(&hold), holds) {
            (false, true) => self.fact(Event::DispatchHeld { run: run.id.clone(), hold, reason: reason() }),
            (true, false) => self.fact(Event::DispatchFreed { run: run.id.clone(), hold }),
            _ => {}
        }
    }

    /// Asks for the end of the step that the attempt has, if its process is known to run: one that is only intended
    /// is stopped when it is reported as started.
    fn stop_step(&mut self, id: &AttemptId, attempt: &Attempt, force: StopForce) {
        if let Some(step) = attempt.step()
            && step.running.is_some()
        {
            self.then(Effect::StopStep { step: step.id(id.clone()), force });
        }
    }
}
