//! Wishes.

use std::collections::BTreeSet;

use super::{Decision, active};
use crate::{
    CancelTarget, Command, Effect, Event, MergeStage, Outcome, PauseCause, Refusal, Reply, RunId, RunState,
    RunStatus, SkipReason, Stage, State, StopCause, StopForce, TaskId, TaskStatus,
};

pub(super) fn decide(out: &mut Decision, state: &State, command: Command) -> Reply {
    let answer = match command {
        Command::StartRun { run, plan, settings } => start(out, state, run, plan, settings),
        Command::Cancel { run, target } => unfinished(state, &run).and_then(|run| cancel(out, run, &target)),
        Command::Pause { run } => unfinished(state, &run).map(|run| pause(out, run)),
        Command::Interrupt { run, now } => unfinished(state, &run).map(|run| interrupt(out, run, now)),
        Command::Resume { run } => unfinished(state, &run).and_then(|run| resume(out, run)),
        Command::Retry { run, task, with } => known(state, &run).and_then(|run| retry(out, run, &task, with)),
        Command::Restart => Ok(restart(out, state)),
        Command::SetCapacity { slots, reason } => {
            if state.capacity != Some(slots) {
                out.fact(Event::CapacityMeasured { slots, reason });
            }
            Ok(0)
        }
        Command::RecordLanding { run, into, commit } => known(state, &run).map(|run| {
            out.fact(Event::RunLanded { run: run.id.clone(), into, commit });
            0
        }),
    };
    match answer {
        Ok(tasks) => Reply::Accepted { tasks },
        Err(refusal) => Reply::Refused(refusal),
    }
}

fn known<'a>(state: &'a State, run: &RunId) -> Result<&'a RunState, Refusal> {
    state.runs.get(run).ok_or_else(|| Refusal::UnknownRun(run.clone()))
}

fn unfinished<'a>(state: &'a State, run: &RunId) -> Result<&'a RunState, Refusal> {
    let run = known(state, run)?;
    match run.status {
        RunStatus::Active | RunStatus::Paused { .. } => Ok(run),
        RunStatus::Ending | RunStatus::Finished { .. } => Err(Refusal::RunOver(run.id.clone())),
    }
}

fn start(
    out: &mut Decision,
    state: &State,
    run: RunId,
    plan: crate::Plan,
    settings: Box<crate::RunSettings>,
) -> Result<usize, Refusal> {
    if state.runs.contains_key(&run) {
        return Err(Refusal::RunExists(run));
    }
    plan.check()?;
    let (tasks, base) = (plan.tasks.len(), plan.base.clone());
    out.fact(Event::RunStarted { run: run.clone(), plan, settings });
    out.then(Effect::OpenIntegration { branch: run.branch(), run, base });
    Ok(tasks)
}

fn cancel(out: &mut Decision, run: &RunState, target: &CancelTarget) -> Result<usize, Refusal> {
    let places: BTreeSet<usize> = match target {
        CancelTarget::All => (0..run.tasks.len()).collect(),
        CancelTarget::Tasks(tasks) => {
            let place = |task: &TaskId| {
                run.position(task)
                    .ok_or_else(|| Refusal::UnknownTask { run: run.id.clone(), task: task.clone() })
            };
            tasks.iter().map(place).collect::<Result<_, _>>()?
        }
    };
    Ok(places.into_iter().filter(|at| cancel_task(out, run, *at)).count())
}

/// Whether the task is over by it or will be. A task whose merge is being written can no longer be cancelled.
fn cancel_task(out: &mut Decision, run: &RunState, at: usize) -> bool {
    let attempt = match &run.tasks[at].status {
        TaskStatus::Finished { .. } => return false,
        TaskStatus::Waiting => {
            out.cancel(run, at);
            return true;
        }
        TaskStatus::Active(attempt) => attempt,
    };
    let id = run.attempt_id(at, attempt.number);
    match &attempt.stage {
        Stage::Merging { at: MergeStage::Advancing { .. }, .. } => return false,
        Stage::Ready | Stage::Suspended { .. } | Stage::Queued { .. } => out.cancel(run, at),
        _ if attempt.stopping == Some(StopCause::Cancel) => out.stop_step(&id, attempt, StopForce::Now),
        _ => {
            out.fact(Event::StopRequested { attempt: id.clone(), cause: StopCause::Cancel });
            out.stop_step(&id, attempt, StopForce::Grace);
        }
    }
    true
}

fn pause(out: &mut Decision, run: &RunState) -> usize {
    if run.status != RunStatus::Active {
        return 0;
    }
    out.fact(Event::RunPaused { run: run.id.clone(), cause: PauseCause::Asked });
    active(run).count()
}

fn interrupt(out: &mut Decision, run: &RunState, now: bool) -> usize {
    let already = matches!(run.status, RunStatus::Paused { cause: PauseCause::Interrupted, .. });
    if !already {
        out.fact(Event::RunPaused { run: run.id.clone(), cause: PauseCause::Interrupted });
    }
    let now = now || already;
    let force = if now { StopForce::Now } else { StopForce::Grace };
    let mut stopped = 0;
    for (at, attempt) in active(run).filter(|(_, attempt)| attempt.step().is_some()) {
        let id = run.attempt_id(at, attempt.number);
        if attempt.stopping.is_none() {
            out.fact(Event::StopRequested { attempt: id.clone(), cause: StopCause::Interrupt });
        }
        if attempt.stopping.is_none() || now {
            out.stop_step(&id, attempt, force);
            stopped += 1;
        }
    }
    stopped
}

fn resume(out: &mut Decision, run: &RunState) -> Result<usize, Refusal> {
    if !matches!(run.status, RunStatus::Paused { .. }) {
        return Err(Refusal::NotPaused(run.id.clone()));
    }
    out.fact(Event::RunResumed { run: run.id.clone() });
    Ok(run.tasks.iter().filter(|task| task.outcome().is_none()).count())
}

fn retry(out: &mut Decision, run: &RunState, task: &TaskId, with: Option<String>) -> Result<usize, Refusal> {
    let unknown = || Refusal::UnknownTask { run: run.id.clone(), task: task.clone() };
    let place = run.position(task).ok_or_else(unknown)?;
    if run.status == RunStatus::Ending {
        return Err(Refusal::RunOver(run.id.clone()));
    }
    let tried = run.tasks[place].outcome().is_some_and(|outcome| !outcome.satisfies_dependents());
    if !tried {
        return Err(Refusal::NotRetryable(task.clone()));
    }
    let mut revived = BTreeSet::from([place]);
    out.fact(Event::TaskRevived { run: run.id.clone(), task: task.clone(), with });
    loop {
        let before = revived.len();
        for (at, state) in run.tasks.iter().enumerate() {
            let Some(Outcome::Skipped { because: SkipReason::Dependency(on) }) = state.outcome() else {
                continue;
            };
            if run.position(on).is_some_and(|on| revived.contains(&on)) && revived.insert(at) {
                let task = run.plan.tasks[at].id.clone();
                out.fact(Event::TaskRevived { run: run.id.clone(), task, with: None });
            }
        }
        if revived.len() == before {
            break;
        }
    }
    if run.tip.is_none() {
        out.then(Effect::OpenIntegration {
            run: run.id.clone(),
            branch: run.branch(),
            base: run.plan.base.clone(),
        });
    }
    Ok(revived.len())
}

/// Whether a paused run has attempts that a tick would take further.
fn would_go_on(run: &RunState) -> bool {
    active(run).any(|(_, attempt)| !matches!(attempt.stage, Stage::Suspended { .. }))
}

/// What was under way is looked for; nothing new begins until somebody says so.
fn restart(out: &mut Decision, state: &State) -> usize {
    let mut affected = 0;
    for run in state.runs.values() {
        // A pause that somebody asked for still stands where nothing was under way.
        let lost = match run.status {
            RunStatus::Active => true,
            RunStatus::Paused { .. } => !run.is_interrupted() && (!run.at_rest() || would_go_on(run)),
            RunStatus::Ending | RunStatus::Finished { .. } => false,
        };
        if lost {
            out.fact(Event::RunPaused { run: run.id.clone(), cause: PauseCause::EngineLost });
        }
        affected += active(run).count();
    }
    out.effects.extend(super::outstanding(state));
    affected
}
