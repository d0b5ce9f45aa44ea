//! Tasks.

use gadugi_core::{PhaseRecord, PhaseStatus, Plan, RunSettings};
use gadugi_engine::protocol::{RunView, TaskPrediction, TaskView};

use super::{moment, seconds, texts, usage};
use crate::wire;

/// What is known of a run's tasks beside how they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) settings: &'a RunSettings,
}

/// All of a run's tasks, in plan order: that is the order of both.
pub(crate) fn tasks(view: &RunView, known: Known<'_>) -> Vec<wire::Task> {
    view.tasks.iter().enumerate().map(|(at, view)| task(view, at, known)).collect()
}

/// The task at that place of the plan.
pub(crate) fn task(view: &TaskView, at: usize, known: Known<'_>) -> wire::Task {
    let planned = known.plan.tasks.get(at).filter(|planned| planned.id == view.id);
    let own_agent = planned.and_then(|planned| planned.agent.clone());
    let own_model = planned.and_then(|planned| planned.model.clone());
    wire::Task {
        id: view.id.to_string(),
        name: view.name.clone(),
        prompt: view.prompt.clone(),
        state: view.state.clone(),
        over: view.over,
        verdict: view.verdict.clone(),
        detail: view.detail.clone(),
        waits_for: texts(&view.waits_for),
        resumes_at: view.resumes_at.map(moment),
        held: view.held,
        suspected_seconds: view.suspected_ms.map(seconds),
        attempts: view.attempts,
        steps: view.steps,
        step_kind: view.step_kind.clone(),
        phase: view.phase,
        action: view.action.clone(),
        pid: view.pid,
        cpu_percent: view.cpu_percent,
        memory_mb: view.memory_mb,
        started_at: view.started_at.map(moment),
        finished_at: view.finished_at.map(moment),
        elapsed_seconds: seconds(view.elapsed_ms),
        estimate_seconds: planned.map_or(0.0, |planned| planned.estimate.seconds),
        usage: usage(&view.usage),
        branch: view.branch.clone(),
        workspace: view.workspace.as_ref().map(|path| path.display().to_string()),
        executor: view.executor.clone(),
        container: view.container.clone(),
        agent: own_agent.unwrap_or_else(|| known.settings.agent.clone()),
        model: own_model.or_else(|| known.settings.model.clone()),
        base: view.base.as_ref().map(ToString::to_string),
        commit: view.commit.as_ref().map(ToString::to_string),
        changed: view.changed.clone(),
        session: view.session.clone(),
        salvage: view.salvage.clone(),
        phases: view.phases.iter().map(phase).collect(),
        prediction: view.prediction.as_ref().map(prediction),
    }
}

fn phase(record: &PhaseRecord) -> wire::Phase {
    let (status, says) = match &record.status {
        PhaseStatus::Proved { evidence } => (wire::PhaseStatus::Proved, evidence.clone()),
        PhaseStatus::Claimed => (wire::PhaseStatus::Claimed, String::new()),
        PhaseStatus::Unreported => (wire::PhaseStatus::Unreported, String::new()),
        PhaseStatus::LeftOut { because } => (wire::PhaseStatus::LeftOut, because.clone()),
        PhaseStatus::Failed { because } => (wire::PhaseStatus::Failed, because.clone()),
    };
    wire::Phase { phase: record.phase.number(), name: record.phase.title().to_owned(), status, says }
}

fn prediction(prediction: &TaskPrediction) -> wire::TaskPrediction {
    wire::TaskPrediction {
        precision: prediction.precision,
        recall: prediction.recall,
        beyond: prediction.beyond.clone(),
        missed: prediction.missed.clone(),
    }
}
