//! What can be done next, seen from the whole state.

use std::collections::BTreeSet;

use super::slots::{Slots, Solitude, may_resume};
use super::{Decision, report::accept};
use crate::needs::{RUN_SPENT, TASK_SPENT};
use crate::schedule::Admission;
use crate::{
    Attempt, AttemptId, CommitId, Effect, Event, Hold, MergeStage, Outcome, RunState, RunStatus, SessionId,
    SessionMode, SkipReason, Stage, State, StepKind, StopCause, StopForce, TaskStatus, Timestamp,
    state::Need,
};

pub(super) fn decide(out: &mut Decision, state: &State, now: Timestamp) {
    let mut slots = Slots::of(state, now);
    for run in state.runs.values() {
        match run.status {
            RunStatus::Finished { .. } | RunStatus::Ending => continue,
            _ if run.all_over() => {
                out.fact(Event::RunEnding { run: run.id.clone() });
                out.then(Effect::TidyRun { run: run.id.clone() });
                continue;
            }
            _ => {}
        }
        let mut purse = Purse::of(run, slots.for_run(run));
        for (at, attempt) in run.in_slots().chain(run.merging()) {
            deadline(out, run, at, attempt, now);
            go_on(out, run, at, attempt, now, &mut purse);
        }
        // What is skipped now is still waiting in `state`: nothing else is decided of waiting tasks until the next tick.
        let skipped = skip_dependents(out, run);
        if !skipped && run.status == RunStatus::Active && run.tip.is_some() {
            dispatch(out, run, now, &mut slots, &mut purse);
        }
        if !run.is_interrupted() {
            merge_next(out, run, now);
        }
    }
}

/// When something falls due that no report will tell of, where there is such a thing.
pub fn next_wake(state: &State, now: Timestamp) -> Option<Timestamp> {
    let runs = state.runs.values().filter(|run| !run.is_finished());
    runs.flat_map(|run| {
        let deadlines = run.in_slots().chain(run.merging()).filter_map(|(at, attempt)| due(run, at, attempt));
        let paused = run.suspended().chain(run.queued()).filter_map(|(_, attempt)| match attempt.stage {
            Stage::Suspended { until, .. } | Stage::Queued { until, .. } => until,
            _ => None,
        });
        // What is past waits for something else: a slot, or the run itself.
        let waits = paused.chain(run.limited.values().copied()).filter(|until| *until > now);
        deadlines.chain(waits)
    })
    .min()
}

/// When the time of the attempt's running step is over.
fn due(run: &RunState, at: usize, attempt: &Attempt) -> Option<Timestamp> {
    let (_, started_at) = attempt.step().filter(|_| attempt.stopping.is_none())?.running.as_ref()?;
    let left = match attempt.stage {
        Stage::Merging { .. } => run.settings.timeout,
        _ => run.time_left(at, attempt),
    };
    Some(*started_at + left)
}

fn deadline(out: &mut Decision, run: &RunState, at: usize, attempt: &Attempt, now: Timestamp) {
    if due(run, at, attempt).is_some_and(|due| due <= now) {
        let id = run.attempt_id(at, attempt.number);
        out.fact(Event::StopRequested { attempt: id.clone(), cause: StopCause::Timeout });
        out.stop_step(&id, attempt, StopForce::Grace);
    }
}

/// The next thing for an attempt that has its slot, or whose merge is at the head.
fn go_on(
    out: &mut Decision,
    run: &RunState,
    at: usize,
    attempt: &Attempt,
    now: Timestamp,
    purse: &mut Purse,
) {
    let cancelled = attempt.stopping == Some(StopCause::Cancel);
    let id = run.attempt_id(at, attempt.number);
    match &attempt.stage {
        Stage::Ready | Stage::Merging { at: MergeStage::Composed { .. }, .. } if cancelled => {
            out.cancel(run, at);
        }
        // It gives its slot back: nobody knows when it goes on, and others want to.
        Stage::Ready if run.is_interrupted() => out.suspend(&id, "interrupted", None, attempt.alone),
        Stage::Ready if run.agents_stop() => {
            out.suspend(&id, "its agent's credential was refused", None, attempt.alone);
        }
        Stage::Ready if run.tasks[at].held => out.suspend(&id, "paused", None, attempt.alone),
        Stage::Ready => match run.limited_until(at, now) {
            // A setup costs nothing of the account.
            Some(until) if matches!(next_step(run, &id, attempt), StepKind::Agent { .. }) => {
                out.suspend(&id, "its agent's account has reached its limit", Some(until), attempt.alone);
            }
            _ => step(out, run, at, attempt, purse),
        },
        Stage::Merging { at: MergeStage::Composed { .. }, .. } if run.is_interrupted() => {
            out.fact(Event::MergePutBack { attempt: id, because: "interrupted".into(), until: None });
        }
        Stage::Merging { at: MergeStage::Composed { commit }, .. } => match run.verify(at) {
            Some(_) => out.intend(&id, attempt, StepKind::Verify { commit: commit.clone() }, None),
            None => accept(out, run, &id, attempt, false),
        },
        _ => {}
    }
}

/// The next step of an attempt that has a slot: if its time and the budget allow.
fn step(out: &mut Decision, run: &RunState, at: usize, attempt: &Attempt, purse: &mut Purse) {
    let id = run.attempt_id(at, attempt.number);
    if run.time_left(at, attempt).0 == 0 {
        return out.finish(run, at, Outcome::TimedOut, None, "its time was over");
    }
    let kind = next_step(run, &id, attempt);
    let grant = match kind {
        StepKind::Agent { .. } => purse.grant(run, at),
        StepKind::Setup | StepKind::Verify { .. } => Grant::Unlimited,
    };
    match grant {
        Grant::Unlimited => out.intend(&id, attempt, kind, None),
        Grant::UpTo(microusd) => out.intend(&id, attempt, kind, Some(microusd)),
        Grant::TaskSpent => out.finish(run, at, Outcome::Failed, None, TASK_SPENT),
        Grant::RunSpent => out.finish(run, at, Outcome::Failed, None, RUN_SPENT),
        Grant::Later if matches!(attempt.stage, Stage::Suspended { .. }) => {}
        Grant::Later => {
            out.suspend(&id, "waits for what others have reserved of the budget", None, attempt.alone);
        }
    }
}

/// What is left of a run's budget, shared out among those that could run now: each step gets a part set aside before it
/// begins, and what it does not use comes back when it has ended. So they cannot overshoot together.
struct Purse {
    /// Not spent and not set aside; none where the run has no budget.
    left: Option<u64>,
    /// Among how many it is shared.
    shares: u64,
    /// Whether steps that run have something set aside that may come back.
    more_may_come: bool,
}

enum Grant {
    Unlimited,
    /// So many millionths of a US dollar.
    UpTo(u64),
    TaskSpent,
    RunSpent,
    /// What is left is set aside for others.
    Later,
}

/// A step that may cost less than a cent is not worth beginning: a model's shortest turn costs about that.
const LEAST_MICROUSD: u64 = 10_000;

impl Purse {
    fn of(run: &RunState, free: usize) -> Self {
        let left = run.settings.budget_microusd.map(|all| all.saturating_sub(run.spent() + run.reserved()));
        let unserved =
            run.in_slots().filter(|(_, attempt)| attempt.step().is_none_or(|step| step.reserved.is_none()));
        let beginning = run.suspended().map(|(at, _)| at).chain(run.unblocked()).take(free);
        let shares = (unserved.count() + beginning.count()).max(1) as u64;
        Self { left, shares, more_may_come: run.reserved() > 0 }
    }

    fn least(run: &RunState) -> u64 {
        run.settings.budget_microusd.map_or(0, |all| all.min(LEAST_MICROUSD))
    }

    /// Whether another step could be given anything.
    fn is_empty(&self, run: &RunState) -> bool {
        self.left.is_some_and(|left| left < Self::least(run).max(1))
    }

    fn grant(&mut self, run: &RunState, at: usize) -> Grant {
        let own = run.plan.tasks[at].budget_microusd.or(run.settings.task_budget_microusd);
        let own = own.map(|all| all.saturating_sub(run.tasks[at].usage.cost_microusd));
        if own == Some(0) {
            return Grant::TaskSpent;
        }
        let Some(left) = self.left else {
            return own.map_or(Grant::Unlimited, Grant::UpTo);
        };
        if self.is_empty(run) {
            return if self.more_may_come { Grant::Later } else { Grant::RunSpent };
        }
        let share = (left / self.shares).max(Self::least(run)).min(left);
        let granted = own.map_or(share, |own| own.min(share));
        self.left = Some(left - granted);
        self.shares = self.shares.saturating_sub(1).max(1);
        self.more_may_come = true;
        Grant::UpTo(granted)
    }
}

fn next_step(run: &RunState, id: &AttemptId, attempt: &Attempt) -> StepKind {
    if !attempt.set_up && !run.settings.setup.is_empty() {
        return StepKind::Setup;
    }
    if attempt.spoken {
        return StepKind::Agent { session: attempt.session.clone(), mode: SessionMode::Resume };
    }
    // Nobody saw a step that was lost: its conversation may have begun, and one id begins one only.
    let session = match attempt.losses {
        0 => attempt.session.clone(),
        _ => SessionId::derive(id, &attempt.base, attempt.sessions + 1),
    };
    StepKind::Agent { session, mode: SessionMode::Fresh }
}

/// Whether there were any.
fn skip_dependents(out: &mut Decision, run: &RunState) -> bool {
    let before = out.events.len();
    for at in run.doomed() {
        let broken = run.before(at).iter().find(|(from, need)| {
            *need == Need::Success
                && run.tasks[*from].outcome().is_some_and(|outcome| !outcome.satisfies_dependents())
        });
        if let Some((from, _)) = broken {
            out.skip(run, at, SkipReason::Dependency(run.plan.tasks[*from].id.clone()));
        }
    }
    out.events.len() > before
}

fn dispatch(out: &mut Decision, run: &RunState, now: Timestamp, slots: &mut Slots<'_>, purse: &mut Purse) {
    if purse.is_empty(run) && !purse.more_may_come {
        return give_up_for_budget(out, run);
    }
    let (mut free, alone) = match slots.alone(run) {
        Solitude::Nobody => (slots.for_run(run), None),
        Solitude::Due(at) => (slots.for_run(run), Some(at)),
        Solitude::Another => (0, None),
    };
    let before = free;
    let wants = |at: &usize| alone.is_none_or(|alone| alone == *at);
    let resumable = run.suspended().filter(|(at, attempt)| may_resume(run, *at, attempt, now) && wants(at));
    let mut starved = false;
    // The first that the memory holds back.
    let mut waits = None;
    for (at, attempt) in resumable {
        if free == 0 {
            break;
        }
        starved = purse.is_empty(run);
        if starved {
            break;
        }
        if slots.admit(run, at) != Admission::Begins {
            waits = waits.or(Some(at));
            continue;
        }
        step(out, run, at, attempt, purse);
        free -= 1;
    }
    if free > 0 && alone.is_none() {
        let startable = |at: &usize| run.limited_until(*at, now).is_none() && is_ready(run, *at);
        for at in run.unblocked().filter(startable) {
            if free == 0 {
                break;
            }
            starved |= purse.is_empty(run);
            if starved {
                break;
            }
            let admission = slots.admit(run, at);
            if admission == Admission::Begins {
                begin(out, run, at);
                free -= 1;
                continue;
            }
            waits = waits.or(Some(at));
            if admission == Admission::Enough {
                break;
            }
        }
    }
    if before > 0 {
        out.hold(run, Hold::Room, waits.is_some(), || {
            waits.map_or_else(String::new, |at| slots.shortage(run, at))
        });
    }
    out.hold(run, Hold::Budget, starved, || "what is left is reserved by steps that run".into());
    let solitary = slots.alone(run) != Solitude::Nobody;
    out.hold(run, Hold::Alone, solitary, || "a task that was killed for want of memory runs alone".into());
    slots.take(run, before.saturating_sub(free));
}

fn is_ready(run: &RunState, at: usize) -> bool {
    !run.tasks[at].held
        && run.before(at).iter().all(|(from, need)| match (run.tasks[*from].outcome(), need) {
            (None, _) => false,
            (Some(_), Need::End) => is_over_with_all_before(run, *from),
            (Some(outcome), Need::Success) => outcome.satisfies_dependents(),
        })
}

/// Whether a task is over and, where it was never begun, so is everything that it waited for: orders are chains, and
/// one that is skipped or cancelled must not let those behind it pass those before it.
fn is_over_with_all_before(run: &RunState, from: usize) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(at) = open.pop() {
        let task = &run.tasks[at];
        if task.outcome().is_none() {
            return false;
        }
        if task.attempts == 0 && seen.insert(at) {
            open.extend(run.before(at).iter().map(|(before, _)| *before));
        }
    }
    true
}

fn begin(out: &mut Decision, run: &RunState, at: usize) {
    let id = run.attempt_id(at, run.tasks[at].attempts + 1);
    let base = base_for(run, at);
    let session = SessionId::derive(&id, &base, 1);
    out.fact(Event::AttemptStarted { attempt: id.clone(), base: base.clone(), session });
    out.then(Effect::PrepareWorkspace { attempt: id, base });
}

/// A task that follows others begins where their work is; one that follows nobody begins at the run's base, whenever
/// its turn comes.
fn base_for(run: &RunState, at: usize) -> CommitId {
    let follows = !run.before(at).is_empty() || run.plan.sequential_because.is_some();
    match &run.tip {
        Some(tip) if follows || run.tasks[at].attempts > 0 => tip.clone(),
        _ => run.plan.base.clone(),
    }
}

fn give_up_for_budget(out: &mut Decision, run: &RunState) {
    for (at, task) in run.tasks.iter().enumerate() {
        match &task.status {
            TaskStatus::Waiting => out.skip(run, at, SkipReason::Budget),
            TaskStatus::Active(attempt) if matches!(attempt.stage, Stage::Suspended { .. }) => {
                out.finish(run, at, Outcome::Failed, None, RUN_SPENT);
            }
            _ => {}
        }
    }
}

/// One merge at a time: of the finished tasks the first in plan order. Those that it depends on were merged before it
/// began.
fn merge_next(out: &mut Decision, run: &RunState, now: Timestamp) {
    let Some(tip) = &run.tip else { return };
    if run.merging().next().is_some() {
        return;
    }
    for (at, attempt) in run.queued() {
        let Stage::Queued { work, until } = &attempt.stage else { continue };
        if attempt.stopping == Some(StopCause::Cancel) {
            out.cancel(run, at);
        } else if until.is_none_or(|until| until <= now) {
            let id = run.attempt_id(at, attempt.number);
            out.fact(Event::MergeStarted { attempt: id.clone(), onto: tip.clone() });
            out.then(Effect::Compose { run: id.run, task: id.task, work: work.clone(), onto: tip.clone() });
            return;
        }
    }
}
