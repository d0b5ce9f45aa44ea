//! Steps that did not come to a good end: by somebody's wish, by loss, by the world's fault or their own.

use super::report::Found;
use super::{Decision, phases};
use crate::{
    AgentName, Count, EndClass, Event, Millis, Outcome, PauseCause, Remedy, RunState, RunStatus, State,
    StepEnd, StepExit, StepId, StepKind, StopCause, Tally, Timestamp, Verdict, remedy,
};

/// Where an agent says that its account's limit is reached and not when it is lifted.
const RESET_UNKNOWN: Millis = Millis::seconds(15 * 60);
/// The longest wait that is believed: limits by the week are the longest that vendors set. A day is for clocks that differ.
const RESET_AT_MOST: Millis = Millis::seconds(8 * 24 * 60 * 60);

/// A step that ended, with everything that is decided by.
pub(super) struct Ended<'a> {
    pub(super) state: &'a State,
    pub(super) now: Timestamp,
    pub(super) found: Found<'a>,
    pub(super) id: &'a StepId,
    pub(super) kind: &'a StepKind,
    pub(super) end: &'a StepEnd,
}

impl Ended<'_> {
    /// Why somebody wanted its end, where it ended for that or in a way that says nothing else.
    fn wanted(&self) -> Option<StopCause> {
        let silent = matches!(self.end.exit, StepExit::Lost | StepExit::LeaseLapsed | StepExit::NeverBegan);
        let counts = |cause: &StopCause| *cause == StopCause::Cancel || self.end.stopped || silent;
        self.found.attempt.stopping.filter(counts)
    }

    /// The counts of bad ends with this one.
    fn tally(&self) -> Tally {
        let mut tally = self.found.attempt.tally;
        tally.take(self.kind, self.end, self.found.attempt.stopping);
        tally
    }

    fn pause(&self, nth: u32) -> Timestamp {
        self.now + self.found.run.settings.retry.pause(self.id, nth)
    }
}

/// A setup or agent step.
pub(super) fn work_stopped(out: &mut Decision, ended: &Ended<'_>) {
    let (run, at) = (ended.found.run, ended.found.at);
    match ended.wanted() {
        Some(StopCause::Cancel) => {
            record_failure(out, ended, "cancelled");
            out.cancel(run, at);
        }
        Some(StopCause::Timeout) => {
            record_failure(out, ended, "its time was over");
            out.finish(run, at, Outcome::TimedOut, None, "its time was over");
        }
        Some(StopCause::DiskLimit) => {
            let most = run.disk_limit(at).unwrap_or(0) >> 20;
            let detail = format!("its workspace and home took more than {most} MiB of the disk");
            give_up(out, ended, Outcome::Failed, &detail);
        }
        Some(StopCause::Interrupt) => suspend(out, ended, "interrupted", None),
        Some(StopCause::Held) => suspend(out, ended, "paused", None),
        Some(StopCause::Hung) => again(out, ended, Count::Crash, "it gave no sign of life", false),
        Some(StopCause::Lingered) | None => mend(out, ended),
    }
}

fn mend(out: &mut Decision, ended: &Ended<'_>) {
    let (run, tally) = (ended.found.run, ended.tally());
    let detail = ended.end.describe(ended.kind);
    match remedy(ended.kind, ended.end) {
        Remedy::Again(count) => again(out, ended, count, &detail, false),
        Remedy::Afresh => suspend(out, ended, &detail, None),
        Remedy::AgainAlone => again(out, ended, Count::Crash, &detail, true),
        // The attempt keeps its slot: the next tick intends the next step.
        Remedy::Continue if tally.continuations <= run.settings.retry.continuations => {}
        Remedy::AwaitBudget if may_have_more(ended, &tally) => suspend(out, ended, &detail, None),
        Remedy::Continue | Remedy::AwaitBudget => give_up(out, ended, Outcome::Failed, &detail),
        Remedy::AwaitReset(at) => await_reset(out, ended, at, &detail),
        Remedy::StopDispatch => {
            // Said once; and an interruption, which stops more, stands.
            if !run.agents_stop() {
                let (run, cause) = (run.id.clone(), PauseCause::AuthRefused);
                out.fact(Event::RunPaused { run, cause, detail: detail.clone() });
            }
            suspend(out, ended, &detail, None);
        }
        Remedy::GiveUp if tally.failures <= run.settings.retry.failures => {
            suspend(out, ended, &detail, Some(ended.pause(tally.failures)));
        }
        Remedy::GiveUp => give_up(out, ended, Outcome::Failed, &detail),
    }
}

/// Once more after a pause, unless there were too many bad ends of that sort in a row.
fn again(out: &mut Decision, ended: &Ended<'_>, count: Count, detail: &str, alone: bool) {
    let nth = ended.tally().of(count);
    if nth < ended.found.run.settings.retry.limit(count) {
        let alone = alone || ended.found.attempt.alone;
        let until = Some(ended.pause(nth));
        return out.suspend(&ended.found.id, detail, until, alone);
    }
    give_up(out, ended, ended.end.outcome(), &tries(detail, nth));
}

fn tries(detail: &str, nth: u32) -> String {
    if nth > 1 { format!("{detail}; given up after {nth} tries") } else { detail.to_owned() }
}

/// Whether a step that has spent what was set aside for it can be given more.
fn may_have_more(ended: &Ended<'_>, tally: &Tally) -> bool {
    let (run, at) = (ended.found.run, ended.found.at);
    let cost = ended.end.agent.as_ref().map_or(0, |agent| agent.usage.cost_microusd);
    let own = run.plan.tasks[at].budget_microusd.or(run.settings.task_budget_microusd);
    let own_left = own.is_none_or(|own| run.tasks[at].usage.cost_microusd + cost < own);
    let shared = run.settings.budget_microusd.is_some();
    own_left && shared && tally.transient < run.settings.retry.transient
}

/// Every run that is not over begins nothing for that agent until its account's limit is lifted.
fn await_reset(out: &mut Decision, ended: &Ended<'_>, at: Option<Timestamp>, detail: &str) {
    let (run, tally) = (ended.found.run, ended.tally());
    let until = believable(run, ended.now, at);
    limit_account(out, ended.state, run.agent(ended.found.at), until, detail);
    // Whether this task is given up or not: the next one would meet the same limit.
    if tally.transient >= ended.found.run.settings.retry.transient {
        return give_up(out, ended, Outcome::Failed, &tries(detail, tally.transient));
    }
    suspend(out, ended, detail, Some(until));
}

/// When a limit is taken to be lifted that somebody said is lifted then.
pub(super) fn believable(run: &RunState, now: Timestamp, at: Option<Timestamp>) -> Timestamp {
    // One that is past, or a second ahead, would be asked again and again.
    let soonest = now + run.settings.retry.first;
    // Not `clamp`, which panics where the first pause is configured to be longer than the longest wait.
    at.unwrap_or(now + RESET_UNKNOWN).min(now + RESET_AT_MOST).max(soonest)
}

/// No run that is not over begins anything for that agent until then.
pub(super) fn limit_account(
    out: &mut Decision,
    state: &State,
    agent: &AgentName,
    until: Timestamp,
    reason: &str,
) {
    let unfinished = state.runs.values();
    let unfinished =
        unfinished.filter(|run| matches!(run.status, RunStatus::Active | RunStatus::Paused { .. }));
    for run in unfinished.filter(|run| run.limited.get(agent).is_none_or(|known| *known < until)) {
        out.fact(Event::AccountLimited {
            run: run.id.clone(),
            agent: agent.clone(),
            until,
            reason: reason.to_owned(),
        });
    }
}

fn suspend(out: &mut Decision, ended: &Ended<'_>, because: &str, until: Option<Timestamp>) {
    out.suspend(&ended.found.id, because, until, ended.found.attempt.alone);
}

fn record_failure(out: &mut Decision, ended: &Ended<'_>, detail: &str) {
    if !ended.found.run.plan.tasks[ended.found.at].purpose.is_work() {
        return;
    }
    let phases = ended.end.agent.as_ref().map(phases::spoken).unwrap_or_default();
    out.record(&ended.found.id, phases.into_iter().chain(phases::failed(detail)).collect());
}

fn give_up(out: &mut Decision, ended: &Ended<'_>, outcome: Outcome, detail: &str) {
    record_failure(out, ended, detail);
    out.finish(ended.found.run, ended.found.at, outcome, None, detail);
}

/// A verify command that did not pass. What it says of the work counts; what befell it does not.
pub(super) fn verify_stopped(out: &mut Decision, ended: &Ended<'_>) {
    let (run, at) = (ended.found.run, ended.found.at);
    let rejected = Some(Verdict::Rejected);
    match ended.wanted() {
        Some(StopCause::Cancel) => return out.cancel(run, at),
        Some(StopCause::Timeout) if ended.end.stopped => {
            return out.finish(run, at, Outcome::Failed, rejected, "the verify command took too long");
        }
        Some(StopCause::DiskLimit) => {
            let detail = "the verify command took more of the disk than a task may";
            return out.finish(run, at, Outcome::Failed, rejected, detail);
        }
        Some(StopCause::Interrupt | StopCause::Held) => return put_back(out, ended, None),
        Some(StopCause::Timeout | StopCause::Hung | StopCause::Lingered) | None => {}
    }
    let remedy = remedy(ended.kind, ended.end);
    if remedy == Remedy::Afresh {
        return put_back(out, ended, None);
    }
    if remedy == Remedy::GiveUp {
        let command = run.verify(at).unwrap_or("verify");
        let detail = format!("`{command}` failed on the composed tree: {}", ended.end.exit.describe());
        return out.finish(run, at, Outcome::Failed, rejected, detail);
    }
    let nth = ended.tally().crashes;
    if nth < run.settings.retry.crashes {
        return put_back(out, ended, Some(ended.pause(nth)));
    }
    let detail = tries(&ended.end.describe(ended.kind), nth);
    out.finish(run, at, ended.end.outcome(), None, detail);
}

fn put_back(out: &mut Decision, ended: &Ended<'_>, until: Option<Timestamp>) {
    let because = ended.end.describe(ended.kind);
    out.fact(Event::MergePutBack { attempt: ended.found.id.clone(), because, until });
}

impl StepEnd {
    /// What a task comes to that is given up after this end.
    fn outcome(&self) -> Outcome {
        match self.exit {
            StepExit::Lost | StepExit::LeaseLapsed => Outcome::Lost,
            _ => Outcome::Failed,
        }
    }

    /// One line for people.
    fn describe(&self, kind: &StepKind) -> String {
        let exit = self.exit.describe();
        match &self.agent {
            // The kernel and the engine say more of these than what was written before them.
            _ if !matches!(self.exit, StepExit::Code(_) | StepExit::Signal(_)) => exit,
            Some(agent) if agent.class == EndClass::Done => format!("{}: {exit}", kind.word()),
            Some(agent) if !agent.detail.is_empty() => format!("{}: {}", agent.class.word(), agent.detail),
            Some(agent) => format!("{}: {exit}", agent.class.word()),
            None => format!("{}: {exit}", kind.word()),
        }
    }
}
