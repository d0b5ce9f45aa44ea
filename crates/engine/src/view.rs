//! The state, turned by hand into what goes over the wire.

mod needs;

use std::collections::HashMap;

use gadugi_core::forecast::{Expected, Forecast};
use gadugi_core::{
    Collisions, Event, ExecutorKind, Foresight, PauseCause, PhaseRecord, Purpose, RunReport, RunState,
    RunStatus, Salvage, Stage, State, StepId, TaskReport, TaskState, TaskStatus, Timestamp, Usage,
};
use gadugi_exec::Figures;
use gadugi_store::StoredEvent;
use gadugi_sys::clock::rfc3339;
use serde::Serialize;
use serde_json::{Value, json};

use crate::handle::Counts;
use crate::layout::Layout;
use crate::protocol::{
    ExpectedTask, ForecastView, PairsOfTasks, Prediction, QuestionView, RunView, TaskPrediction, TaskView,
};
use crate::sandbox::container_name;
use crate::world::Seen;

/// What is known of running steps beyond the state.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Whose containers this repository's are: part of their names.
    pub(crate) instance: String,
    pub(crate) seen: HashMap<StepId, Seen>,
    pub(crate) figures: HashMap<StepId, Figures>,
    heartbeats: HashMap<StepId, Timestamp>,
}

impl Live {
    pub(crate) fn of(instance: &str) -> Self {
        Self { instance: instance.to_owned(), ..Self::default() }
    }

    /// A step was seen to live.
    pub(crate) fn beat(&mut self, step: &StepId, at: Timestamp) {
        self.heartbeats.insert(step.clone(), at);
    }

    /// When a step was last seen to live: it wrote, or its processes were there.
    pub(crate) fn heartbeat(&self, step: &StepId) -> Option<Timestamp> {
        self.heartbeats.get(step).copied()
    }

    /// What the running steps of a run have used so far.
    pub(crate) fn used(&self, run: &RunState) -> Usage {
        let mut used = Usage::default();
        for (at, attempt) in run.active() {
            let step = attempt.step().map(|step| step.id(run.attempt_id(at, attempt.number)));
            let seen = step.and_then(|step| self.seen.get(&step));
            seen.into_iter().for_each(|seen| used.add(&seen.usage));
        }
        used
    }

    /// When the one of them was seen to live that was seen longest ago.
    pub(crate) fn oldest_heartbeat(&self) -> Option<Timestamp> {
        self.heartbeats.values().min().copied()
    }

    /// The step is over.
    pub(crate) fn forget(&mut self, step: &StepId) {
        self.seen.remove(step);
        self.figures.remove(step);
        self.heartbeats.remove(step);
    }
}

/// A run as people and programs see it.
pub(crate) fn run_view(
    state: &State,
    run: &RunState,
    live: &Live,
    layout: &Layout,
    seq: u64,
    now: Timestamp,
) -> RunView {
    let slots = state.capacity.unwrap_or(1);
    let report = run.report(now);
    let (paused_because, paused_detail) = match &run.status {
        RunStatus::Paused { cause, detail, .. } => (Some(pause_word(*cause).to_owned()), detail.clone()),
        RunStatus::Active | RunStatus::Ending | RunStatus::Finished { .. } => (None, String::new()),
    };
    let finished_at = match &run.status {
        RunStatus::Finished { at, .. } => Some(*at),
        RunStatus::Active | RunStatus::Paused { .. } | RunStatus::Ending => None,
    };
    let mut tasks: Vec<TaskView> =
        (0..run.tasks.len()).map(|at| task_view(run, at, live, layout, now)).collect();
    if let Some(foresight) = &report.foresight {
        let each = tasks.iter_mut().enumerate();
        each.for_each(|(at, task)| task.prediction = task_prediction(foresight, at));
    }
    let limited = run.limited.iter().filter(|(_, until)| **until > now);
    RunView {
        counts: Counts::of(run),
        run: run.id.clone(),
        status: run.status.word().to_owned(),
        paused_because,
        paused_detail,
        holds: run.holds.iter().map(|hold| hold.word().to_owned()).collect(),
        limited: limited.map(|(agent, until)| (agent.to_string(), *until)).collect(),
        reserved_microusd: run.reserved(),
        budget_microusd: run.settings.budget_microusd,
        started_at: run.started_at,
        finished_at,
        wall_ms: report.wall.0,
        task_ms: report.task_time.0,
        speedup: report.speedup(),
        branch: report.branch,
        tip: report.commit,
        base: run.plan.base.clone(),
        landed_into: run.landed.iter().map(|(branch, _)| branch.clone()).collect(),
        worktree_dir: layout.root().join(&run.settings.worktree_dir),
        sequential_because: run.plan.sequential_because.clone(),
        slots: run.settings.max_parallel.unwrap_or(slots),
        seq,
        usage: total(&report.usage, &live.used(run)),
        tasks,
        kept: report.kept,
        needs: needs::needs(run, now),
        queue: run.merge_queue(now).into_iter().map(|at| run.plan.tasks[at].id.clone()).collect(),
        forecast: state.forecast(run, now).map(forecast),
        prediction: report.foresight.as_ref().map(prediction),
    }
}

fn forecast(forecast: Forecast) -> ForecastView {
    let expected =
        |Expected { task, begins_at, ends_at }: Expected| ExpectedTask { task, begins_at, ends_at };
    ForecastView {
        ends_at: forecast.ends_at,
        critical_path: forecast.critical_path,
        tasks: forecast.tasks.into_iter().map(expected).collect(),
    }
}

fn prediction(foresight: &Foresight) -> Prediction {
    let Collisions { foreseen, unforeseen, in_vain } = foresight.collisions;
    Prediction {
        claims: foresight.claims() as u64,
        right: foresight.right() as u64,
        written: foresight.written() as u64,
        found: foresight.found() as u64,
        precision: foresight.precision(),
        recall: foresight.recall(),
        collisions: PairsOfTasks { foreseen, unforeseen, in_vain },
    }
}

fn task_prediction(foresight: &Foresight, at: usize) -> Option<TaskPrediction> {
    let writes = foresight.tasks.get(at)?.as_ref()?;
    Some(TaskPrediction {
        precision: writes.precision(),
        recall: writes.recall(),
        beyond: writes.beyond.clone(),
        missed: writes.missed.clone(),
    })
}

pub(crate) fn pause_word(cause: PauseCause) -> &'static str {
    match cause {
        PauseCause::Asked => "asked",
        PauseCause::Interrupted => "interrupted",
        PauseCause::EngineLost => "engine-lost",
        PauseCause::AuthRefused => "auth-refused",
    }
}

fn task_view(run: &RunState, at: usize, live: &Live, layout: &Layout, now: Timestamp) -> TaskView {
    let (task, planned) = (&run.tasks[at], &run.plan.tasks[at]);
    let attempt = (task.attempts > 0).then(|| run.attempt_id(at, task.attempts));
    let step = task.active().and_then(gadugi_core::Attempt::step);
    let step_id = step.zip(attempt.clone()).map(|(step, attempt)| step.id(attempt));
    let seen = step_id.as_ref().and_then(|id| live.seen.get(id)).cloned().unwrap_or_default();
    let figures = step_id.as_ref().and_then(|id| live.figures.get(id)).copied().unwrap_or_default();
    let running = step.and_then(|step| step.running.as_ref());
    let (verdict, detail, finished_at) = ended(task);
    let contained = running.is_some() && run.executor(at) == ExecutorKind::Docker;
    TaskView {
        id: planned.id.clone(),
        name: planned.name.clone(),
        prompt: planned.prompt.path.clone(),
        state: task.word(),
        over: task.outcome().is_some(),
        verdict,
        detail,
        waits_for: waits_for(run, at),
        resumes_at: resumes_at(task),
        held: task.held,
        suspected_ms: step.and_then(|step| step.suspected).map(|suspicion| suspicion.quiet.0),
        salvage: task.salvage.values().filter_map(salvage_ref).collect(),
        attempts: task.attempts,
        steps: task.steps,
        step_kind: step.map(|step| step.kind.word().to_owned()),
        phase: task
            .active()
            .and_then(|attempt| attempt.phase)
            .max(seen.phase)
            .map(gadugi_core::Phase::number),
        action: seen.action,
        pid: seen.process.as_ref().or(running.map(|(process, _)| process)).map(|process| process.pid),
        cpu_percent: figures.cpu_percent,
        memory_mb: figures.memory_mib,
        started_at: running.map(|(_, at)| *at).or_else(|| task.active().map(|attempt| attempt.started_at)),
        finished_at,
        elapsed_ms: task.time.0 + running.map_or(0, |(_, at)| now.since(*at).0),
        usage: total(&task.usage, &seen.usage),
        branch: task.workspace.as_ref().map(|(_, branch)| branch.clone()),
        workspace: task.workspace.as_ref().map(|(path, _)| path.into()),
        executor: run.executor(at).word().to_owned(),
        container: step_id.filter(|_| contained).map(|step| container_name(&live.instance, &step)),
        base: task.base.clone(),
        commit: task.commit.clone(),
        changed: task.changed.clone(),
        question: question(run, at, layout),
        prediction: None,
        session: task.session.as_ref().map(ToString::to_string),
        attempt_dir: attempt.map(|attempt| layout.attempt_dir(&attempt)),
        phases: phases(task),
    }
}

fn question(run: &RunState, at: usize, layout: &Layout) -> Option<QuestionView> {
    let Purpose::Decompose(most) = run.plan.tasks[at].purpose else { return None };
    let task = &run.tasks[at];
    let step = |step| layout.step_dir(&StepId { attempt: run.attempt_id(at, task.attempts), step });
    Some(QuestionView { most, agent: run.agent(at).clone(), answer: task.answer.map(step) })
}

fn ended(task: &TaskState) -> (Option<String>, String, Option<Timestamp>) {
    match &task.status {
        TaskStatus::Finished { at, verdict, detail, .. } => {
            (verdict.map(|verdict| verdict.word().to_owned()), detail.clone(), Some(*at))
        }
        TaskStatus::Active(attempt) => match &attempt.stage {
            Stage::Suspended { because, .. } => (None, because.clone(), None),
            _ => (None, String::new(), None),
        },
        TaskStatus::Waiting => (None, String::new(), None),
    }
}

fn resumes_at(task: &TaskState) -> Option<Timestamp> {
    match task.active()?.stage {
        Stage::Suspended { until, .. } | Stage::Queued { until, .. } => until,
        _ => None,
    }
}

fn salvage_ref(salvage: &Option<Salvage>) -> Option<String> {
    match salvage {
        Some(Salvage::Kept { reference, .. }) => Some(reference.clone()),
        _ => None,
    }
}

fn waits_for(run: &RunState, at: usize) -> Vec<gadugi_core::TaskId> {
    if run.tasks[at].status != TaskStatus::Waiting {
        return Vec::new();
    }
    let open = run.before(at).iter().filter(|(from, _)| run.tasks[*from].outcome().is_none());
    open.map(|(from, _)| run.plan.tasks[*from].id.clone()).collect()
}

pub(crate) fn total(before: &Usage, now: &Usage) -> Usage {
    let mut total = *before;
    total.add(now);
    total
}

fn phases(task: &TaskState) -> Vec<PhaseRecord> {
    task.phases.iter().map(|(phase, status)| PhaseRecord { phase: *phase, status: status.clone() }).collect()
}

/// A stored event as contract section 7 has it: `{seq, at, type, run, task?, attempt?, step?, …}`. The end of a run carries
/// its report. Written straight from the event: a plan of thousands of tasks takes no second shape in memory.
#[derive(Serialize)]
pub(crate) struct EventLine<'a> {
    seq: u64,
    at: String,
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    report: Option<Value>,
}

impl<'a> EventLine<'a> {
    pub(crate) fn new(stored: &'a StoredEvent, report: Option<&RunReport>) -> Self {
        let mut report = report.map(report_json);
        if let Some(Value::Object(report)) = &mut report {
            // The event says it itself.
            report.remove("kept");
        }
        Self { seq: stored.seq, at: rfc3339(stored.at), event: &stored.event, report }
    }
}

/// What [`crate::protocol::Frame::Event`] reads back.
#[derive(Serialize)]
pub(crate) struct EventFrame<'a> {
    frame: &'static str,
    event: EventLine<'a>,
}

impl<'a> EventFrame<'a> {
    pub(crate) fn new(stored: &'a StoredEvent, report: Option<&RunReport>) -> Self {
        Self { frame: "event", event: EventLine::new(stored, report) }
    }
}

/// A message as the line that goes over the socket.
pub(crate) fn wire_line(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// The report, as contract section 7 has it.
pub(crate) fn report_json(report: &RunReport) -> Value {
    json!({
        "succeeded": report.succeeded,
        "failed": report.failed,
        "wall_seconds": report.wall.as_seconds(),
        "task_seconds": report.task_time.as_seconds(),
        "speedup": report.speedup(),
        "cost_usd": report.usage.cost_usd(),
        "tokens": report.usage.tokens(),
        "branch": report.branch,
        "commit": report.commit,
        "kept": report.kept,
        "prediction": report.foresight.as_ref().map(prediction),
        "tasks": report.tasks.iter().enumerate().map(|(at, task)| {
            let prediction = report.foresight.as_ref().and_then(|foresight| task_prediction(foresight, at));
            task_report_json(task, prediction.as_ref())
        }).collect::<Vec<_>>(),
    })
}

fn task_report_json(task: &TaskReport, prediction: Option<&TaskPrediction>) -> Value {
    json!({
        "id": task.id,
        "outcome": task.outcome.as_ref().map(gadugi_core::Outcome::word),
        "verdict": task.verdict.map(gadugi_core::Verdict::word),
        "detail": task.detail,
        "attempts": task.attempts,
        "seconds": task.time.as_seconds(),
        "branch": task.branch,
        "commit": task.commit,
        "predicted_writes": task.predicted_writes,
        "actual_writes": task.actual_writes,
        "prediction": prediction,
        "cost_usd": task.usage.cost_usd(),
        "tokens": task.usage.tokens(),
    })
}
