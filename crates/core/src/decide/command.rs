//! Wishes.

use std::collections::{BTreeMap, BTreeSet};

use super::Decision;
use crate::{
    Command, Effect, Event, Hold, MergeStage, PauseCause, Reading, Refusal, Reply, RunId, RunState,
    RunStatus, Stage, State, StopCause, StopForce, Target, TaskId, TaskStatus, Timestamp, admission,
};

pub(super) fn decide(out: &mut Decision, state: &State, now: Timestamp, command: Command) -> Reply {
    let answer = match command {
        Command::StartRun { run, plan, settings } => start(out, state, now, run, plan, settings),
        Command::Cancel { run, target } => unfinished(state, &run).and_then(|run| cancel(out, run, &target)),
        Command::Pause { run, target } => unfinished(state, &run).and_then(|run| pause(out, run, &target)),
        Command::Interrupt { run, now } => unfinished(state, &run).map(|run| interrupt(out, run, now)),
        Command::Resume { run, target } => unfinished(state, &run).and_then(|run| resume(out, run, &target)),
        Command::Retry { run, target, with } => known(state, &run).and_then(|run| {
            let revived = retry(out, run, &target, with.as_deref())?;
            if run.is_finished() && revived > 0 {
                tell_limits(out, state, now, &run.id);
            }
            Ok(revived)
        }),
        Command::Restart => Ok(restart(out, state)),
        Command::Measured(reading) => {
            measured(out, state, &reading);
            Ok(0)
        }
        Command::ClockJumped { by } => {
            for run in state.runs.values().filter(|run| is_unfinished(run)) {
                if run.active().any(|(_, attempt)| attempt.is_timed()) {
                    out.fact(Event::ClockJumped { run: run.id.clone(), by });
                }
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
    if is_unfinished(run) { Ok(run) } else { Err(Refusal::RunOver(run.id.clone())) }
}

fn is_unfinished(run: &RunState) -> bool {
    matches!(run.status, RunStatus::Active | RunStatus::Paused { .. })
}

/// What other runs know of limited accounts holds for one that begins, or begins again, too.
fn tell_limits(out: &mut Decision, state: &State, now: Timestamp, run: &RunId) {
    let knows = |agent| state.runs.get(run).and_then(|run| run.limited.get(agent)).copied();
    let mut known = BTreeMap::new();
    for (agent, until) in state.runs.values().flat_map(|run| &run.limited) {
        if *until > now && knows(agent).is_none_or(|already| already < *until) {
            let latest = known.entry(agent).or_insert(*until);
            *latest = (*latest).max(*until);
        }
    }
    for (agent, until) in known {
        let (agent, reason) = (agent.clone(), "the account's limit was reached before".into());
        out.fact(Event::AccountLimited { run: run.clone(), agent, until, reason });
    }
}

/// The plan positions of the tasks that are meant.
fn places(run: &RunState, target: &Target) -> Result<BTreeSet<usize>, Refusal> {
    let place = |task: &TaskId| {
        let unknown = || Refusal::UnknownTask { run: run.id.clone(), task: task.clone() };
        run.position(task).ok_or_else(unknown)
    };
    match target {
        Target::All => Ok((0..run.tasks.len()).collect()),
        Target::Tasks(tasks) => tasks.iter().map(place).collect(),
    }
}

fn start(
    out: &mut Decision,
    state: &State,
    now: Timestamp,
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
    tell_limits(out, state, now, &run);
    out.then(Effect::OpenIntegration { branch: run.branch(), run, base });
    Ok(tasks)
}

fn cancel(out: &mut Decision, run: &RunState, target: &Target) -> Result<usize, Refusal> {
    Ok(places(run, target)?.into_iter().filter(|at| cancel_task(out, run, *at)).count())
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

fn pause(out: &mut Decision, run: &RunState, target: &Target) -> Result<usize, Refusal> {
    match target {
        Target::All if run.status == RunStatus::Active => {
            let (run_id, cause) = (run.id.clone(), PauseCause::Asked);
            out.fact(Event::RunPaused { run: run_id, cause, detail: String::new() });
            Ok(run.active().count())
        }
        Target::All => Ok(0),
        Target::Tasks(_) => Ok(places(run, target)?.into_iter().filter(|at| hold(out, run, *at)).count()),
    }
}

/// Whether the task begins no step from here on, and did before. A merge that is under way goes on: it is gadugi's.
fn hold(out: &mut Decision, run: &RunState, at: usize) -> bool {
    let task = &run.tasks[at];
    if task.held || task.outcome().is_some() {
        return false;
    }
    out.fact(Event::TaskHeld { run: run.id.clone(), task: run.plan.tasks[at].id.clone() });
    if let Some(attempt) = task.active()
        && matches!(attempt.stage, Stage::Step(_))
        && attempt.stopping.is_none()
    {
        let id = run.attempt_id(at, attempt.number);
        out.fact(Event::StopRequested { attempt: id.clone(), cause: StopCause::Held });
        out.stop_step(&id, attempt, StopForce::Grace);
    }
    true
}

fn interrupt(out: &mut Decision, run: &RunState, now: bool) -> usize {
    let already = matches!(run.status, RunStatus::Paused { cause: PauseCause::Interrupted, .. });
    if !already {
        let (id, cause) = (run.id.clone(), PauseCause::Interrupted);
        out.fact(Event::RunPaused { run: id, cause, detail: String::new() });
    }
    let now = now || already;
    let force = if now { StopForce::Now } else { StopForce::Grace };
    let mut stopped = 0;
    for (at, attempt) in run.active().filter(|(_, attempt)| attempt.step().is_some()) {
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

fn resume(out: &mut Decision, run: &RunState, target: &Target) -> Result<usize, Refusal> {
    // Whoever goes on behind a dead engine, by themselves often, does not thereby undo what a person asked for.
    let lost = matches!(run.status, RunStatus::Paused { cause: PauseCause::EngineLost, .. });
    let stands = lost && *target == Target::All;
    let held: Vec<usize> =
        places(run, target)?.into_iter().filter(|at| run.tasks[*at].held && !stands).collect();
    let paused = matches!(run.status, RunStatus::Paused { .. }) && *target == Target::All;
    if !paused && held.is_empty() {
        return Err(Refusal::NotPaused(run.id.clone()));
    }
    for at in &held {
        out.fact(Event::TaskReleased { run: run.id.clone(), task: run.plan.tasks[*at].id.clone() });
    }
    if paused {
        out.fact(Event::RunResumed { run: run.id.clone() });
    }
    Ok(if paused { run.open() } else { held.len() })
}

fn retry(out: &mut Decision, run: &RunState, target: &Target, with: Option<&str>) -> Result<usize, Refusal> {
    let places = places(run, target)?;
    if run.status == RunStatus::Ending {
        return Err(Refusal::RunOver(run.id.clone()));
    }
    let tried = |at: &usize| run.tasks[*at].outcome().is_some_and(|outcome| !outcome.satisfies_dependents());
    if let (Target::Tasks(_), Some(not)) = (target, places.iter().find(|at| !tried(at))) {
        return Err(Refusal::NotRetryable(run.plan.tasks[*not].id.clone()));
    }
    let mut revived: BTreeSet<usize> = places.into_iter().filter(tried).collect();
    for at in &revived {
        let (task, with) = (run.plan.tasks[*at].id.clone(), with.map(str::to_owned));
        out.fact(Event::TaskRevived { run: run.id.clone(), task, with });
    }
    let mut open: Vec<usize> = revived.iter().copied().collect();
    while let Some(from) = open.pop() {
        for at in run.skipped_for(from) {
            if revived.insert(at) {
                let task = run.plan.tasks[at].id.clone();
                out.fact(Event::TaskRevived { run: run.id.clone(), task, with: None });
                open.push(at);
            }
        }
    }
    if run.tip.is_none() && !revived.is_empty() {
        out.then(Effect::OpenIntegration {
            run: run.id.clone(),
            branch: run.branch(),
            base: run.plan.base.clone(),
        });
    }
    Ok(revived.len())
}

/// So many of those that begin next are asked what they are expected to take.
const ASKED: usize = 100;

/// The least and the most memory that any of a run's next attempts is expected to take, MiB; none where none waits.
fn expected_next(state: &State, run: &RunState) -> Option<(u64, u64)> {
    let next = run.unblocked().take(ASKED).map(|at| state.expected_memory(run, at));
    next.fold(None, |known, mib| {
        let (least, most) = known.unwrap_or((mib, mib));
        Some((least.min(mib), most.max(mib)))
    })
}

/// What the machine has and lacks, where that has changed.
fn measured(out: &mut Decision, state: &State, reading: &Reading) {
    let held = state.runs.values().map(RunState::slots_held).sum();
    let (slots, reason) = admission::slots(reading, &state.learnt, state.capacity, held);
    let running = state.runs.values().flat_map(|run| run.in_slots().map(move |(at, _)| (run, at)));
    let expected = running.map(|(run, at)| state.expected_memory(run, at)).sum();
    let memory_mib = admission::memory(reading, expected, state.memory_mib);
    let matters =
        |run: &RunState| is_unfinished(run) && expected_next(state, run).is_some_and(|(_, most)| most > 0);
    if state.capacity != Some(slots) || state.memory_mib != memory_mib && state.runs.values().any(matters) {
        out.fact(Event::CapacityMeasured { slots, reason, memory_mib });
    }
    for run in state.runs.values().filter(|run| is_unfinished(run)) {
        // Those that fit may pass one that does not.
        let peak = expected_next(state, run).map_or(0, |(least, _)| least);
        let before = |hold| run.holds.contains(&hold);
        for (hold, holds, reason) in admission::holds(reading, &run.settings.admission, peak, before) {
            if hold == Hold::Disk && holds && !before(hold) {
                out.then(Effect::MakeRoom { run: run.id.clone() });
            }
            // A run that names its slots begins as many whatever the processors do.
            let applies = hold != Hold::Cpu || run.settings.max_parallel.is_none();
            out.hold(run, hold, holds && applies, || reason);
        }
    }
}

/// Whether a paused run has attempts that a tick would take further.
fn would_go_on(run: &RunState) -> bool {
    run.active().any(|(_, attempt)| !matches!(attempt.stage, Stage::Suspended { .. }))
}

/// What was under way is looked for; nothing new begins until somebody says so.
fn restart(out: &mut Decision, state: &State) -> usize {
    let mut affected = 0;
    for run in state.runs.values() {
        // A pause that somebody asked for, of the run or of all that is left of it, still stands where nothing was under way.
        let lost = match run.status {
            RunStatus::Active => !run.rests(),
            RunStatus::Paused { .. } => !run.is_interrupted() && (!run.at_rest() || would_go_on(run)),
            RunStatus::Ending | RunStatus::Finished { .. } => false,
        };
        if lost {
            let (id, cause) = (run.id.clone(), PauseCause::EngineLost);
            // A credential that was refused is not forgotten for it.
            let detail = match &run.status {
                RunStatus::Paused { detail, .. } => detail.clone(),
                _ => String::new(),
            };
            out.fact(Event::RunPaused { run: id, cause, detail });
        }
        affected += run.active().count();
    }
    out.effects.extend(super::outstanding(state));
    affected
}
