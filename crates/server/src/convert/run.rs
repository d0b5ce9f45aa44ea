//! Runs.

use gadugi_engine::handle::{Counts, RunSummary};
use gadugi_engine::protocol::{ExpectedTask, ForecastView, Prediction, RunView};

use super::need::needs;
use super::{moment, seconds, texts, usage, usd};
use crate::wire;

pub(crate) fn row(summary: &RunSummary) -> wire::RunRow {
    wire::RunRow {
        id: summary.run.to_string(),
        status: summary.status.clone(),
        paused_because: summary.paused_because.clone(),
        started_at: moment(summary.started_at),
        finished_at: summary.finished_at.map(moment),
        wall_seconds: seconds(summary.wall_ms),
        counts: counts(&summary.counts),
        needs: summary.needs,
        usage: usage(&summary.usage),
        first_titles: summary.first_titles.clone(),
    }
}

fn counts(counts: &Counts) -> wire::Counts {
    wire::Counts {
        total: counts.total,
        waiting: counts.waiting,
        active: counts.active,
        merging: counts.merging,
        succeeded: counts.succeeded,
        failed: counts.failed,
        cancelled: counts.cancelled,
        skipped: counts.skipped,
        timed_out: counts.timed_out,
        lost: counts.lost,
    }
}

pub(crate) fn run(view: &RunView) -> wire::Run {
    wire::Run {
        id: view.run.to_string(),
        status: view.status.clone(),
        paused_because: view.paused_because.clone(),
        paused_detail: view.paused_detail.clone(),
        holds: view.holds.clone(),
        limited: view
            .limited
            .iter()
            .map(|(agent, until)| wire::Limited { agent: agent.clone(), until: moment(*until) })
            .collect(),
        started_at: moment(view.started_at),
        finished_at: view.finished_at.map(moment),
        wall_seconds: seconds(view.wall_ms),
        task_seconds: seconds(view.task_ms),
        speedup: view.speedup,
        branch: view.branch.clone(),
        tip: view.tip.as_ref().map(ToString::to_string),
        base: view.base.to_string(),
        landed_into: view.landed_into.clone(),
        slots: view.slots,
        usage: usage(&view.usage),
        reserved_usd: usd(view.reserved_microusd),
        budget_usd: view.budget_microusd.map(usd),
        sequential_because: view.sequential_because.clone(),
        queue: texts(&view.queue),
        needs: needs(view),
        forecast: view.forecast.as_ref().map(forecast),
        kept: view
            .kept
            .iter()
            .map(|(path, reason)| wire::Kept { path: path.clone(), reason: reason.clone() })
            .collect(),
        counts: counts(&view.counts),
        prediction: view.prediction.as_ref().map(prediction),
    }
}

/// Of so many tasks it is told when they are expected to run: how a run stands is said up to five times a second.
const FORETOLD: usize = 200;

fn forecast(view: &ForecastView) -> wire::Forecast {
    let mut tasks: Vec<&ExpectedTask> = view.tasks.iter().collect();
    tasks.sort_by_key(|task| (task.begins_at, task.ends_at));
    tasks.truncate(FORETOLD);
    let expected = |task: &&ExpectedTask| wire::ExpectedTask {
        task: task.task.to_string(),
        begins_at: moment(task.begins_at),
        ends_at: moment(task.ends_at),
    };
    wire::Forecast {
        ends_at: moment(view.ends_at),
        critical_path: texts(&view.critical_path),
        tasks: tasks.iter().map(expected).collect(),
    }
}

fn prediction(prediction: &Prediction) -> wire::Prediction {
    wire::Prediction {
        claims: prediction.claims,
        right: prediction.right,
        written: prediction.written,
        found: prediction.found,
        precision: prediction.precision,
        recall: prediction.recall,
        collisions_foreseen: prediction.collisions.foreseen,
        collisions_unforeseen: prediction.collisions.unforeseen,
        collisions_in_vain: prediction.collisions.in_vain,
    }
}
