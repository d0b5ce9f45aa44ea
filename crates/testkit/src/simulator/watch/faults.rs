//! Whose fault a step's bad end is, and how many there were in a row: the table of the design, told a second time.

use gadugi_core::{EndClass, Millis, RetrySettings, StepEnd, StepExit, StepKind, StopCause, Timestamp};

/// Whose fault a bad end is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The model's API, or the account.
    Transient,
    /// The process's, the machine's, or nobody's.
    Crash,
    /// The conversation was too long for its turns.
    Turns,
    /// The credential's.
    Auth,
    /// The work's own.
    Own,
    /// Somebody wished it.
    Wished,
}

/// None for a good end.
pub(super) fn fault(kind: &StepKind, end: &StepEnd, stopping: Option<StopCause>) -> Option<Fault> {
    let agent = matches!(kind, StepKind::Agent { .. });
    let said = end.agent.as_ref().map(|agent| &agent.class);
    let stands = !end.stopped || stopping == Some(StopCause::Lingered);
    if agent && stands && said == Some(&EndClass::Done) || !agent && end.passed() {
        return None;
    }
    let silent = matches!(end.exit, StepExit::Lost | StepExit::LeaseLapsed);
    let wished = match stopping {
        Some(StopCause::Cancel) => true,
        Some(StopCause::Timeout | StopCause::Interrupt | StopCause::Held | StopCause::DiskLimit) => {
            end.stopped || silent
        }
        Some(StopCause::Hung | StopCause::Lingered) | None => false,
    };
    if wished {
        return Some(Fault::Wished);
    }
    if stopping == Some(StopCause::Hung) && (end.stopped || silent) {
        return Some(Fault::Crash);
    }
    Some(match (&end.exit, said) {
        (StepExit::OutOfMemory | StepExit::NotStarted(_) | StepExit::LeaseLapsed | StepExit::Lost, _) => {
            Fault::Crash
        }
        (_, Some(EndClass::Overloaded | EndClass::UsageLimit { .. } | EndClass::Budget)) => Fault::Transient,
        (_, Some(EndClass::MaxTurns)) => Fault::Turns,
        (_, Some(EndClass::Auth)) => Fault::Auth,
        (_, Some(EndClass::Refused)) => Fault::Own,
        (_, Some(_)) => Fault::Crash,
        (StepExit::Signal(9), None) => Fault::Crash,
        (_, None) if agent || end.stopped => Fault::Crash,
        (_, None) => Fault::Own,
    })
}

/// An attempt's bad ends in a row.
#[derive(Default)]
pub(super) struct Faults {
    /// Those that count for certain, and those that may.
    crashes: (u32, u32),
    transient: u32,
    turns: u32,
    own: u32,
    pub(super) last: Option<Fault>,
}

/// A longer turn was getting on.
const GETTING_ON: Millis = Millis::seconds(300);

impl Faults {
    pub(super) fn take(&mut self, kind: &StepKind, end: &StepEnd, stopping: Option<StopCause>) {
        let agent = matches!(kind, StepKind::Agent { .. });
        if agent && end.wall > GETTING_ON && stopping != Some(StopCause::Hung) {
            *self = Self { turns: self.turns, ..Self::default() };
        }
        self.last = fault(kind, end, stopping);
        if self.last.is_none() {
            *self = Self { turns: self.turns, ..Self::default() };
        }
        match self.last {
            Some(Fault::Crash) => self.crashes = (self.crashes.0 + 1, self.crashes.1 + 1),
            Some(Fault::Transient) => self.transient += 1,
            Some(Fault::Turns) => self.turns += 1,
            Some(Fault::Own) => self.own += 1,
            // One that was lost while somebody wished its end may have been lost anyway.
            Some(Fault::Wished) if !end.stopped => self.crashes.1 += 1,
            Some(Fault::Wished | Fault::Auth) | None => {}
        }
    }

    /// Whether another try is still borne.
    pub(super) fn bear(&self, limits: &RetrySettings) -> bool {
        self.crashes.0 < limits.crashes.max(1)
            && self.transient < limits.transient.max(1)
            && self.turns <= limits.continuations
            && self.own <= limits.failures
    }

    /// Whether the last of them may be the last one that is borne.
    pub(super) fn are_too_many(&self, limits: &RetrySettings) -> bool {
        match self.last {
            Some(Fault::Crash) => self.crashes.1 >= limits.crashes,
            Some(Fault::Transient) => self.transient >= limits.transient,
            Some(Fault::Turns) => self.turns > limits.continuations,
            Some(Fault::Own) => self.own > limits.failures,
            Some(Fault::Wished) => self.crashes.1 >= limits.crashes,
            Some(Fault::Auth) | None => false,
        }
    }

    /// The longest pause that may follow the last of them, where it is one that is followed by a pause that grows.
    pub(super) fn longest_pause(&self, limits: &RetrySettings) -> Option<Millis> {
        let nth = match self.last? {
            Fault::Crash | Fault::Wished => self.crashes.1,
            Fault::Transient => self.transient,
            Fault::Own => self.own,
            Fault::Turns | Fault::Auth => return None,
        };
        let doubled = (1..nth).fold(limits.first.0, |pause, _| pause.saturating_mul(2).min(limits.cap.0));
        Some(Millis(doubled.min(limits.cap.0)))
    }
}

/// When the account of a step's agent is free again, as the agent says; none where it says nothing of it that could be
/// believed.
pub(super) fn resets_at(end: &StepEnd, now: Timestamp) -> Option<Timestamp> {
    let Some(EndClass::UsageLimit { resets_at: Some(at) }) = end.agent.as_ref().map(|agent| &agent.class)
    else {
        return None;
    };
    (*at > now).then_some(*at)
}

/// Whether the account's limit was reached.
pub(super) fn is_limit(end: &StepEnd) -> bool {
    let spoke = !matches!(
        end.exit,
        StepExit::OutOfMemory | StepExit::NotStarted(_) | StepExit::LeaseLapsed | StepExit::Lost
    );
    spoke && end.agent.as_ref().is_some_and(|agent| matches!(agent.class, EndClass::UsageLimit { .. }))
}
