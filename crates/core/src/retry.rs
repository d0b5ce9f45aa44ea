//! What is done about a step that did not come to a good end: one table, and the pauses between tries.

use crate::{
    EndClass, Millis, RetrySettings, StepEnd, StepExit, StepId, StepKind, StopCause, Timestamp, fingerprint,
};

/// What is done about the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is tried again after a pause that grows, and an agent's conversation is taken up.
    Again(Count),
    /// The same, with no other attempt beside it.
    AgainAlone,
    /// Nothing has happened, so that nothing is counted: it is tried again as soon as there is room.
    Afresh,
    /// It goes on at once in the same conversation.
    Continue,
    /// It goes on in the same conversation once it can be given more of the budget.
    AwaitBudget,
    /// Its agent begins nothing until the account's limit is lifted; then the conversation is taken up.
    AwaitReset(Option<Timestamp>),
    /// Nothing of its run begins until somebody has mended the credential; then the conversation is taken up.
    StopDispatch,
    /// The task has failed, unless failures of its own are to be tried again.
    GiveUp,
}

/// Which of an attempt's counts a bad end belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The model API was away, overloaded, or holding the account back.
    Transient,
    /// The process crashed, was lost, hung, or could not be started.
    Crash,
}

/// An agent's step that lasted longer was getting on: the bad ends before it are forgotten. As long as the longest pause
/// is by default.
const GETTING_ON: Millis = Millis::seconds(5 * 60);

/// An attempt's bad ends in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`Count::Transient`].
    pub transient: u32,
    /// [`Count::Crash`].
    pub crashes: u32,
    /// Conversations continued after their turns were used up. These are never forgotten.
    pub continuations: u32,
    /// Failures of the task's own.
    pub failures: u32,
}

/// The row for an end that was not asked for by a person and was not good.
pub fn remedy(kind: &StepKind, end: &StepEnd) -> Remedy {
    match (&end.exit, &end.agent) {
        // Neither is anybody's fault here; a conversation is taken up where it was.
        (StepExit::NeverBegan | StepExit::EndedByEngine, _) => Remedy::Afresh,
        (StepExit::OutOfMemory, _) => Remedy::AgainAlone,
        // It would write as much again.
        (StepExit::TooMuchOutput, _) => Remedy::GiveUp,
        (StepExit::NotStarted(_) | StepExit::LeaseLapsed | StepExit::Lost, _) => Remedy::Again(Count::Crash),
        (_, Some(agent)) => of_agent(&agent.class),
        // A setup or verify command that somebody killed says nothing about the work.
        (StepExit::Signal(9), None) => Remedy::Again(Count::Crash),
        _ if end.stopped => Remedy::Again(Count::Crash),
        (StepExit::Code(_) | StepExit::Signal(_), None) => match kind {
            StepKind::Setup | StepKind::Verify { .. } => Remedy::GiveUp,
            StepKind::Agent { .. } => Remedy::Again(Count::Crash),
        },
    }
}

fn of_agent(class: &EndClass) -> Remedy {
    match class {
        EndClass::Overloaded => Remedy::Again(Count::Transient),
        EndClass::Done | EndClass::Crashed | EndClass::Silent | EndClass::NoSession => {
            Remedy::Again(Count::Crash)
        }
        EndClass::UsageLimit { resets_at } => Remedy::AwaitReset(*resets_at),
        EndClass::MaxTurns => Remedy::Continue,
        EndClass::Budget => Remedy::AwaitBudget,
        EndClass::Auth => Remedy::StopDispatch,
        EndClass::Refused => Remedy::GiveUp,
    }
}

impl Tally {
    /// Takes in an end. `wanted` is why somebody asked for it.
    pub(crate) fn take(&mut self, kind: &StepKind, end: &StepEnd, wanted: Option<StopCause>) {
        let hung = wanted == Some(StopCause::Hung);
        if end.wall > GETTING_ON && !hung && matches!(kind, StepKind::Agent { .. }) {
            *self = Self { continuations: self.continuations, ..Self::default() };
        }
        if end.is_good(kind, wanted) {
            // What comes after it (the agent after its setup, the verify command after the agent) begins a row of its own.
            return *self = Self { continuations: self.continuations, ..Self::default() };
        }
        // An end that a person asked for says nothing of the agent; one that its own silence brought about does.
        let by_itself = hung || matches!(wanted, None | Some(StopCause::Lingered));
        if end.stopped && !by_itself {
            return;
        }
        match remedy(kind, end) {
            _ if hung && end.stopped => self.crashes += 1,
            Remedy::Again(Count::Crash) | Remedy::AgainAlone => self.crashes += 1,
            Remedy::Again(Count::Transient) | Remedy::AwaitReset(_) | Remedy::AwaitBudget => {
                self.transient += 1;
            }
            Remedy::Continue => self.continuations += 1,
            Remedy::GiveUp => self.failures += 1,
            Remedy::StopDispatch | Remedy::Afresh => {}
        }
    }

    /// How many bad ends of that sort there are in a row.
    pub(crate) fn of(&self, count: Count) -> u32 {
        match count {
            Count::Transient => self.transient,
            Count::Crash => self.crashes,
        }
    }
}

impl RetrySettings {
    /// How many bad ends of that sort in a row are borne.
    pub(crate) fn limit(&self, count: Count) -> u32 {
        match count {
            Count::Transient => self.transient,
            Count::Crash => self.crashes,
        }
    }

    /// The pause after the `nth` bad end in a row (from 1): anything between nothing and `first` × 2ⁿ⁻¹, at most
    /// [`RetrySettings::cap`]. That is exponential backoff with full jitter, which keeps many that failed together
    /// from coming back together. The throw of the dice is the step's id, so that the same log gives the same pause.
    pub fn pause(&self, step: &StepId, nth: u32) -> Millis {
        let most = self.first.0.saturating_mul(1_u64.checked_shl(nth.saturating_sub(1)).unwrap_or(u64::MAX));
        let most = most.min(self.cap.0);
        // 53 bits of the fingerprint as a fraction: what a float holds exactly.
        let fraction =
            (scatter(fingerprint(step.to_string().as_bytes())) >> 11) as f64 / (1_u64 << 53) as f64;
        Millis((most as f64 * fraction) as u64)
    }
}

/// FNV leaves the high bits of similar texts alike; this (the end of `splitmix64`, Steele et al. 2014) spreads them.
fn scatter(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl StepEnd {
    /// Whether a step of that kind came to a good end. What was stopped has not, but for an agent that lived on after
    /// its final result.
    pub(crate) fn is_good(&self, kind: &StepKind, wanted: Option<StopCause>) -> bool {
        match kind {
            StepKind::Setup | StepKind::Verify { .. } => self.passed(),
            StepKind::Agent { .. } => {
                let counts = !self.stopped || wanted == Some(StopCause::Lingered);
                counts && self.agent.as_ref().is_some_and(|agent| agent.class == EndClass::Done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptId, RunId, TaskId};

    fn step(number: u32) -> StepId {
        let attempt = AttemptId { run: RunId::new("run"), task: TaskId::new("task"), attempt: 1 };
        StepId { attempt, step: number }
    }

    #[test]
    fn pauses_grow_to_the_cap_and_are_spread_over_all_of_it() {
        let settings = RetrySettings::default();
        for nth in 1..=40 {
            let most = (2000 * (1_u64 << (nth - 1).min(20))).min(300_000);
            let pauses: Vec<u64> = (1..=1000).map(|number| settings.pause(&step(number), nth).0).collect();
            assert!(pauses.iter().all(|pause| *pause < most), "{nth}");
            let mean = pauses.iter().sum::<u64>() as f64 / 1000.0 / most as f64;
            assert!((0.45..0.55).contains(&mean), "{nth}: {mean}");
            let low = pauses.iter().filter(|pause| **pause < most / 10).count();
            assert!((50..150).contains(&low), "{nth}: {low} of 1000 in the first tenth");
        }
    }

    #[test]
    fn the_same_step_pauses_for_the_same_time() {
        let settings = RetrySettings::default();
        assert_eq!(settings.pause(&step(3), 4), settings.pause(&step(3), 4));
        assert_ne!(settings.pause(&step(3), 4), settings.pause(&step(4), 4));
    }
}
