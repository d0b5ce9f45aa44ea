//! What effects came to.

use super::stopped::{Ended, believable, limit_account, verify_stopped, work_stopped};
use super::{Decision, phases};
use crate::{
    AdvanceFailure, Appraisal, Attempt, AttemptId, Collected, CommitId, Composition, Event, Hold, MergeStage,
    Millis, Outcome, Purpose, Report, RunId, RunState, RunStatus, Salvage, Stage, State, StepEnd, StepExit,
    StepId, StepKind, StopCause, StopForce, TaskId, Timestamp, Verdict, purpose::REPAIRS,
};

pub(super) fn decide(out: &mut Decision, state: &State, now: Timestamp, report: Report) {
    // Whatever matches nothing under way is out of date: the `None` of each handler.
    let _ = match report {
        Report::IntegrationOpened { run, result } => integration_opened(out, state, &run, result),
        Report::WorkspacePrepared { attempt, result } => workspace_prepared(out, state, &attempt, result),
        Report::StepStarted { step, process } => step_started(out, state, &step, process),
        Report::PhaseReached { step, phase } => phase_reached(out, state, &step, phase),
        Report::StepQuiet { step, quiet, after_result } => step_quiet(out, state, &step, quiet, after_result),
        Report::StepAlive { step } => step_alive(out, state, &step),
        Report::DiskUsed { step, bytes } => disk_used(out, state, &step, bytes),
        Report::AccountLimited { step, until, reason } => {
            account_limited(out, state, now, &step, until, &reason)
        }
        Report::StepEnded { step, end } => step_ended(out, state, now, &step, &end),
        Report::WorkCollected { attempt, result } => work_collected(out, state, &attempt, result),
        Report::AnswerTaken { step, result } => answer_taken(out, state, &step, result),
        Report::Composed { run, task, work, onto, result } => {
            composed(out, state, (&run, &task), (&work, &onto), result)
        }
        Report::Advanced { run, task, to, result } => advanced(out, state, (&run, &task), &to, result),
        Report::WorkSalvaged { attempt, salvage } => work_salvaged(out, state, attempt, salvage),
        Report::Tidied { run, kept } => tidied(out, state, now, &run, kept),
    };
}

/// An attempt that is under way, with everything around it.
pub(super) struct Found<'a> {
    pub(super) run: &'a RunState,
    pub(super) at: usize,
    pub(super) id: AttemptId,
    pub(super) attempt: &'a Attempt,
}

fn find<'a>(state: &'a State, run: &RunId, task: &TaskId) -> Option<Found<'a>> {
    let run = state.runs.get(run)?;
    let at = run.position(task)?;
    let attempt = run.tasks[at].active()?;
    Some(Found { run, at, id: run.attempt_id(at, attempt.number), attempt })
}

fn find_attempt<'a>(state: &'a State, id: &AttemptId) -> Option<Found<'a>> {
    find(state, &id.run, &id.task).filter(|found| found.attempt.number == id.attempt)
}

fn integration_opened(
    out: &mut Decision,
    state: &State,
    run: &RunId,
    result: Result<CommitId, String>,
) -> Option<()> {
    let run = state.runs.get(run).filter(|run| run.tip.is_none())?;
    if !matches!(run.status, RunStatus::Active | RunStatus::Paused { .. }) {
        return None;
    }
    match result {
        Ok(commit) => out.fact(Event::IntegrationOpened { run: run.id.clone(), commit }),
        Err(reason) => {
            for (at, _) in run.tasks.iter().enumerate().filter(|(_, task)| task.outcome().is_none()) {
                let detail = format!("the integration branch could not be made: {reason}");
                out.finish(run, at, Outcome::Failed, None, detail);
            }
        }
    }
    Some(())
}

fn workspace_prepared(
    out: &mut Decision,
    state: &State,
    id: &AttemptId,
    result: Result<(String, String), String>,
) -> Option<()> {
    let found = find_attempt(state, id).filter(|found| found.attempt.stage == Stage::Preparing)?;
    match result {
        Ok((path, branch)) => {
            let phases = phases::prepared(found.run, found.at, found.attempt.base.as_str(), &branch);
            out.fact(Event::WorkspacePrepared { attempt: id.clone(), path, branch });
            out.record(id, phases);
        }
        Err(_) if found.attempt.stopping == Some(StopCause::Cancel) => out.cancel(found.run, found.at),
        Err(reason) => {
            out.finish(found.run, found.at, Outcome::Failed, None, format!("no workspace: {reason}"));
        }
    }
    Some(())
}

fn step_started(out: &mut Decision, state: &State, id: &StepId, process: crate::Process) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    let step = found.attempt.step().filter(|step| step.number == id.step)?;
    if step.running.is_none() {
        out.fact(Event::StepStarted { step: step.id(found.id.clone()), process });
    }
    // Also one that an engine which came back has found: whoever asked for its stop before is gone.
    if found.attempt.stopping.is_some() {
        out.then(crate::Effect::StopStep { step: id.clone(), force: StopForce::Grace });
    }
    Some(())
}

fn phase_reached(out: &mut Decision, state: &State, id: &StepId, phase: crate::Phase) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    found.attempt.step().filter(|step| step.number == id.step && step.running.is_some())?;
    if found.attempt.phase < Some(phase) {
        out.fact(Event::PhaseReached { step: id.clone(), phase });
    }
    Some(())
}

/// The verdict on silence has two stages: it is shown first, and only where it lasts is the step stopped. Silence after an
/// agent's final result needs no first one: nothing more is expected of it.
fn step_quiet(
    out: &mut Decision,
    state: &State,
    id: &StepId,
    quiet: Millis,
    after_result: bool,
) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    let step = found.attempt.step().filter(|step| step.number == id.step && step.running.is_some())?;
    let limits = &found.run.settings.hang;
    let cause = if after_result && quiet >= limits.after_result {
        Some(StopCause::Lingered)
    } else {
        (step.suspected.is_some() && quiet >= limits.stop).then_some(StopCause::Hung)
    };
    match cause {
        _ if found.attempt.stopping.is_some() => {}
        Some(cause) => {
            out.fact(Event::StopRequested { attempt: found.id.clone(), cause });
            out.stop_step(&found.id, found.attempt, StopForce::Grace);
        }
        None if step.suspected.is_none() && quiet >= limits.suspect => {
            out.fact(Event::StepSuspected { step: id.clone(), quiet });
        }
        None => {}
    }
    Some(())
}

fn step_alive(out: &mut Decision, state: &State, id: &StepId) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    let step = found.attempt.step().filter(|step| step.number == id.step)?;
    step.suspected?;
    out.fact(Event::StepCleared { step: id.clone() });
    Some(())
}

fn disk_used(out: &mut Decision, state: &State, id: &StepId, bytes: u64) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    found.attempt.step().filter(|step| step.number == id.step && step.running.is_some())?;
    let over = found.run.disk_limit(found.at).is_some_and(|most| bytes > most);
    if over && found.attempt.stopping.is_none() {
        out.fact(Event::StopRequested { attempt: found.id.clone(), cause: StopCause::DiskLimit });
        out.stop_step(&found.id, found.attempt, StopForce::Grace);
    }
    Some(())
}

/// The gateway saw it before the agent's end tells of it: nothing else of that agent begins meanwhile.
fn account_limited(
    out: &mut Decision,
    state: &State,
    now: Timestamp,
    id: &StepId,
    until: Option<Timestamp>,
    reason: &str,
) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    found.attempt.step().filter(|step| step.number == id.step)?;
    if until.is_none() && found.run.limited_until(found.at, now).is_some() {
        return None;
    }
    let until = believable(found.run, now, until);
    limit_account(out, state, found.run.agent(found.at), until, reason);
    Some(())
}

fn step_ended(out: &mut Decision, state: &State, now: Timestamp, id: &StepId, end: &StepEnd) -> Option<()> {
    let found = find_attempt(state, &id.attempt)?;
    let step = found.attempt.step().filter(|step| step.number == id.step)?;
    let (kind, end) = (&step.kind, &credible(end, step, now));
    out.fact(Event::StepEnded { step: id.clone(), end: end.clone() });
    let good = end.is_good(kind, found.attempt.stopping);
    match kind {
        StepKind::Verify { .. } if good => verify_passed(out, &found),
        StepKind::Setup if good => {}
        StepKind::Agent { .. } if good => agent_done(out, &found, id, end),
        StepKind::Verify { .. } => verify_stopped(out, &Ended { state, now, found, id, kind, end }),
        StepKind::Setup | StepKind::Agent { .. } => {
            work_stopped(out, &Ended { state, now, found, id, kind, end });
        }
    }
    Some(())
}

/// The length of a step whose end nobody saw is a guess from a file that its agent could write: it was no longer than since
/// it was first known to run.
fn credible(end: &StepEnd, step: &crate::StepState, now: Timestamp) -> StepEnd {
    let mut end = end.clone();
    if end.exit == StepExit::Lost {
        let known = step.running.as_ref().map_or(Millis(0), |(_, since)| now.since(*since));
        end.wall = end.wall.min(known);
    }
    end
}

fn agent_done(out: &mut Decision, found: &Found<'_>, step: &StepId, end: &StepEnd) {
    if let Some(agent) = &end.agent
        && found.run.plan.tasks[found.at].purpose.is_work()
    {
        let phases = phases::spoken(agent);
        out.record(&found.id, phases);
    }
    out.then(match found.run.plan.tasks[found.at].purpose {
        Purpose::Work => {
            crate::Effect::CollectWork { attempt: found.id.clone(), base: found.attempt.base.clone() }
        }
        Purpose::Decompose(_) => crate::Effect::TakeAnswer { step: step.clone() },
    });
}

/// What passed has passed: only a cancellation still keeps it out.
fn verify_passed(out: &mut Decision, found: &Found<'_>) {
    match found.attempt.stopping {
        Some(StopCause::Cancel) => out.cancel(found.run, found.at),
        _ => accept(out, found.run, &found.id, found.attempt, true),
    }
}

fn work_salvaged(out: &mut Decision, state: &State, attempt: AttemptId, salvage: Salvage) -> Option<()> {
    let task = state.runs.get(&attempt.run)?.task(&attempt.task)?;
    let owed = task.salvage.get(&attempt.attempt)?.is_none();
    owed.then(|| out.fact(Event::WorkSalvaged { attempt, salvage }))
}

/// The composed commit of a merge may become the integration branch.
pub(super) fn accept(out: &mut Decision, run: &RunState, id: &AttemptId, attempt: &Attempt, verified: bool) {
    let Stage::Merging { onto, at, .. } = &attempt.stage else { return };
    let (MergeStage::Composed { commit } | MergeStage::Verifying { commit, .. }) = at else { return };
    out.fact(Event::MergeAccepted { attempt: id.clone(), verified });
    out.then(crate::Effect::Advance {
        run: run.id.clone(),
        task: id.task.clone(),
        from: onto.clone(),
        to: commit.clone(),
    });
}

fn work_collected(
    out: &mut Decision,
    state: &State,
    id: &AttemptId,
    result: Result<Collected, String>,
) -> Option<()> {
    let found = find_attempt(state, id).filter(|found| found.attempt.stage == Stage::Collecting)?;
    let (run, at) = (found.run, found.at);
    let collected = match result {
        Ok(collected) => collected,
        Err(_) if found.attempt.stopping == Some(StopCause::Cancel) => {
            out.cancel(run, at);
            return Some(());
        }
        Err(reason) => {
            out.finish(run, at, Outcome::Failed, None, format!("its work could not be taken in: {reason}"));
            return Some(());
        }
    };
    let branch = run.tasks[at].workspace.as_ref().map_or("", |(_, branch)| branch);
    let empty = collected.changed.is_empty();
    let phases = match (&found.attempt.no_change, empty) {
        (_, false) => phases::implemented(collected.changed.len(), branch),
        (Some(reason), true) => phases::no_change(reason),
        (None, true) => phases::failed("it finished without a change and gave no reason"),
    };
    let Collected { commit, changed, committed_rest } = collected;
    out.fact(Event::WorkCollected { attempt: id.clone(), commit, changed, committed_rest });
    out.record(id, phases);
    match (&found.attempt.no_change, empty) {
        _ if found.attempt.stopping == Some(StopCause::Cancel) => out.cancel(run, at),
        (_, false) => {}
        (Some(reason), true) => {
            out.finish(run, at, Outcome::Succeeded, Some(Verdict::NoChange), reason.clone());
        }
        (None, true) => {
            let detail = "it finished without a change and did not say that none was needed";
            out.finish(run, at, Outcome::Failed, None, detail);
        }
    }
    Some(())
}

/// A good answer is the end of its task, and so is one that was wrong too often.
fn answer_taken(
    out: &mut Decision,
    state: &State,
    id: &StepId,
    result: Result<Appraisal, String>,
) -> Option<()> {
    let found = find_attempt(state, &id.attempt)
        .filter(|found| found.attempt.stage == Stage::Collecting && found.attempt.steps == id.step)?;
    let (run, at) = (found.run, found.at);
    if found.attempt.stopping == Some(StopCause::Cancel) {
        out.cancel(run, at);
        return Some(());
    }
    let Appraisal { gist, faults, doubts } = match result {
        Ok(appraisal) => appraisal,
        Err(reason) => {
            out.finish(run, at, Outcome::Failed, None, format!("its answer could not be read: {reason}"));
            return Some(());
        }
    };
    let last = found.attempt.repairs >= REPAIRS;
    let taken = faults.is_empty() && (last || doubts.is_empty());
    let wrong: Vec<String> = faults.into_iter().chain(doubts).collect();
    out.fact(Event::AnswerAppraised { step: id.clone(), taken, wrong: wrong.clone() });
    if taken {
        out.finish(run, at, Outcome::Succeeded, Some(Verdict::NoChange), gist);
    } else if last {
        let detail = format!("its answer will not do: {}", wrong.join("; "));
        out.finish(run, at, Outcome::Failed, None, detail);
    }
    Some(())
}

fn composed(
    out: &mut Decision,
    state: &State,
    (run, task): (&RunId, &TaskId),
    reported: (&CommitId, &CommitId),
    result: Composition,
) -> Option<()> {
    let found = find(state, run, task)?;
    let Stage::Merging { work, onto, at: MergeStage::Composing } = &found.attempt.stage else { return None };
    if (work, onto) != reported {
        return None;
    }
    match result {
        _ if found.attempt.stopping == Some(StopCause::Cancel) => out.cancel(found.run, found.at),
        Composition::Clean(commit) => out.fact(Event::MergeComposed { attempt: found.id.clone(), commit }),
        Composition::Conflict(files) => {
            let detail = format!("conflicts with what was merged before it in {}", files.join(", "));
            out.finish(found.run, found.at, Outcome::Failed, Some(Verdict::Conflict), detail);
        }
        Composition::Failed(reason) => not_merged(out, &found, &reason),
    }
    Some(())
}

/// So many workspaces of merged tasks are put away together while the run goes on. Git looks through all that are there
/// whenever it makes one, so that thousands would make each next one slower; one by one would slow the file system down
/// for those that are being made (docs/design/0005).
const MERGED_AT_ONCE: usize = 64;

fn advanced(
    out: &mut Decision,
    state: &State,
    (run, task): (&RunId, &TaskId),
    reported: &CommitId,
    result: Result<(), AdvanceFailure>,
) -> Option<()> {
    let found = find(state, run, task)?;
    let Stage::Merging { at: MergeStage::Advancing { to, verified }, .. } = &found.attempt.stage else {
        return None;
    };
    if to != reported {
        return None;
    }
    match result {
        Ok(()) => {
            let verdict = if *verified { Verdict::Verified } else { Verdict::Unverified };
            out.fact(Event::TaskMerged { attempt: found.id.clone(), commit: to.clone() });
            out.finish(found.run, found.at, Outcome::Succeeded, Some(verdict), "");
            let many = (found.run.merged() + 1).is_multiple_of(MERGED_AT_ONCE);
            if many || found.run.holds.contains(&Hold::Disk) {
                out.then(crate::Effect::MakeRoom { run: run.clone() });
            }
        }
        Err(AdvanceFailure::Moved(commit)) => {
            out.fact(Event::IntegrationMoved { attempt: found.id.clone(), commit });
        }
        Err(AdvanceFailure::Failed(reason)) => not_merged(out, &found, &reason),
    }
    Some(())
}

fn not_merged(out: &mut Decision, found: &Found<'_>, reason: &str) {
    out.finish(found.run, found.at, Outcome::Failed, None, format!("it could not be merged: {reason}"));
}

fn tidied(
    out: &mut Decision,
    state: &State,
    now: Timestamp,
    run: &RunId,
    kept: Vec<(String, String)>,
) -> Option<()> {
    let run = state.runs.get(run).filter(|run| run.status == RunStatus::Ending)?;
    out.fact(Event::RunFinished { run: run.id.clone(), wall: now.since(run.started_at), kept });
    Some(())
}

impl StepExit {
    /// One line for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Code(code) => format!("exit status {code}"),
            Self::Signal(signal) => format!("ended by signal {signal}"),
            Self::OutOfMemory => "killed by the kernel for want of memory".into(),
            Self::NotStarted(why) => format!("could not be started: {why}"),
            Self::NeverBegan => "never begun, because the engine was away".into(),
            Self::LeaseLapsed => "stopped, because no engine came back for it".into(),
            Self::Lost => "its process is gone and left no exit status".into(),
            Self::EndedByEngine => "ended with its container, which was stopped from outside".into(),
            Self::TooMuchOutput => "stopped, because it wrote more output than a step may".into(),
        }
    }
}
