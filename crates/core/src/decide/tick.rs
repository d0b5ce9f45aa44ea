//! What can be done next, seen from the whole state.

use std::collections::BTreeSet;

use super::{Decision, MAX_LOSSES, active, report::accept};
use crate::{
    Attempt, AttemptId, CommitId, Effect, Event, MergeStage, Outcome, RunState, RunStatus, SessionId,
    SessionMode, SkipReason, Stage, State, StepKind, StopCause, StopForce, TaskStatus, Timestamp,
    state::Need,
};

pub(super) fn decide(out: &mut Decision, state: &State, now: Timestamp) {
    let mut slots = Slots::of(state);
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
        for (at, attempt) in active(run) {
            deadline(out, run, at, attempt, now);
            go_on(out, run, at, attempt);
        }
        // What is skipped now is still waiting in `state`: nothing else is decided of waiting tasks until the next tick.
        let skipped = skip_dependents(out, run);
        if !skipped && run.status == RunStatus::Active && run.tip.is_some() {
            dispatch(out, run, &mut slots);
        }
        if !run.is_interrupted() {
            merge_next(out, run);
        }
    }
}

/// When the next deadline falls due, where there is one.
pub fn next_wake(state: &State) -> Option<Timestamp> {
    let runs = state.runs.values().filter(|run| !run.is_finished());
    runs.flat_map(|run| active(run).filter_map(|(at, attempt)| due(run, at, attempt))).min()
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
fn go_on(out: &mut Decision, run: &RunState, at: usize, attempt: &Attempt) {
    let cancelled = attempt.stopping == Some(StopCause::Cancel);
    let id = run.attempt_id(at, attempt.number);
    match &attempt.stage {
        Stage::Ready | Stage::Queued { .. } | Stage::Merging { at: MergeStage::Composed { .. }, .. }
            if cancelled =>
        {
            out.cancel(run, at);
        }
        Stage::Ready if run.is_interrupted() => {
            // It gives its slot back: nobody knows when the run goes on, and other runs want to.
            out.fact(Event::AttemptSuspended { attempt: id, because: "interrupted".into() });
        }
        Stage::Ready => out.intend(&id, attempt, next_step(run, &id, attempt)),
        Stage::Merging { at: MergeStage::Composed { .. }, .. } if run.is_interrupted() => {
            out.fact(Event::MergePutBack { attempt: id, because: "interrupted".into() });
        }
        Stage::Merging { at: MergeStage::Composed { commit }, .. } => match run.verify(at) {
            Some(_) => out.intend(&id, attempt, StepKind::Verify { commit: commit.clone() }),
            None => accept(out, run, &id, attempt, false),
        },
        _ => {}
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
    for (at, _) in run.tasks.iter().enumerate().filter(|(_, task)| task.status == TaskStatus::Waiting) {
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

/// How many more attempts may begin.
struct Slots {
    /// Over all runs: as many as the machine has, or as the run that names most.
    free: usize,
    /// Of the machine's own number, which runs that name none share.
    unnamed: usize,
}

impl Slots {
    fn of(state: &State) -> Self {
        let machine = state.capacity.map_or(0, |slots| slots as usize);
        let live = || state.runs.values().filter(|run| !run.is_finished());
        let named = live().filter_map(|run| run.settings.max_parallel).max().unwrap_or(0) as usize;
        let mut slots = Self { free: machine.max(named), unnamed: machine };
        for run in live() {
            slots.take(run, active(run).filter(|(_, attempt)| attempt.holds_slot()).count());
        }
        slots
    }

    fn for_run(&self, run: &RunState) -> usize {
        let (own, shared) = match run.settings.max_parallel {
            Some(named) => (named as usize, self.free),
            None => (usize::MAX, self.free.min(self.unnamed)),
        };
        let own = if run.plan.sequential_because.is_some() { 1 } else { own };
        own.saturating_sub(held(run)).min(shared)
    }

    fn take(&mut self, run: &RunState, slots: usize) {
        self.free = self.free.saturating_sub(slots);
        if run.settings.max_parallel.is_none() {
            self.unnamed = self.unnamed.saturating_sub(slots);
        }
    }
}

/// What counts against a run's own limit. Where tasks are taken one after another, a task holds its slot until it is over.
fn held(run: &RunState) -> usize {
    let one_by_one = run.plan.sequential_because.is_some();
    active(run).filter(|(_, attempt)| attempt.holds_slot() || one_by_one && !is_suspended(attempt)).count()
}

fn is_suspended(attempt: &Attempt) -> bool {
    matches!(attempt.stage, Stage::Suspended { .. })
}

fn dispatch(out: &mut Decision, run: &RunState, slots: &mut Slots) {
    if spent(run) {
        return give_up_for_budget(out, run);
    }
    let mut free = slots.for_run(run);
    let before = free;
    for (at, attempt) in active(run).filter(|(_, attempt)| is_suspended(attempt)) {
        if free == 0 {
            break;
        }
        if attempt.losses >= MAX_LOSSES {
            let detail = format!("its process was lost {} times", attempt.losses);
            out.finish(run, at, Outcome::Lost, None, detail);
            continue;
        }
        let id = run.attempt_id(at, attempt.number);
        out.intend(&id, attempt, next_step(run, &id, attempt));
        free -= 1;
    }
    if free > 0 {
        let mut ready: Vec<usize> = (0..run.tasks.len()).filter(|at| is_ready(run, *at)).collect();
        ready.sort_by_key(|at| std::cmp::Reverse(run.plan.tasks[*at].priority));
        for at in ready.into_iter().take(free) {
            begin(out, run, at);
            free -= 1;
        }
    }
    slots.take(run, before - free);
}

fn is_ready(run: &RunState, at: usize) -> bool {
    run.tasks[at].status == TaskStatus::Waiting
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

fn spent(run: &RunState) -> bool {
    let cost: u64 = run.tasks.iter().map(|task| task.usage.cost_microusd).sum();
    run.settings.budget_microusd.is_some_and(|budget| cost >= budget)
}

fn give_up_for_budget(out: &mut Decision, run: &RunState) {
    for (at, task) in run.tasks.iter().enumerate() {
        match &task.status {
            TaskStatus::Waiting => out.skip(run, at, SkipReason::Budget),
            TaskStatus::Active(attempt) if is_suspended(attempt) => {
                out.finish(run, at, Outcome::Failed, None, "the run's budget is spent");
            }
            _ => {}
        }
    }
}

/// One merge at a time: of the finished tasks the first in plan order. Those that it depends on were merged before it
/// began.
fn merge_next(out: &mut Decision, run: &RunState) {
    let Some(tip) = &run.tip else { return };
    if active(run).any(|(_, attempt)| matches!(attempt.stage, Stage::Merging { .. })) {
        return;
    }
    let head = active(run).find_map(|(at, attempt)| match &attempt.stage {
        Stage::Queued { work } if attempt.stopping.is_none() => Some((at, attempt, work)),
        _ => None,
    });
    if let Some((at, attempt, work)) = head {
        let id = run.attempt_id(at, attempt.number);
        out.fact(Event::MergeStarted { attempt: id.clone(), onto: tip.clone() });
        out.then(Effect::Compose { run: id.run, task: id.task, work: work.clone(), onto: tip.clone() });
    }
}
