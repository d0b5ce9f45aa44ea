//! What was measured.

use gadugi_engine::handle::{MachineView, RateLimit};
use gadugi_engine::{FigurePoint, MachinePoint, StepFigures};

use super::{moment, seconds, usd};
use crate::wire;

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn machine(view: &MachineView) -> wire::MachineFigure {
    wire::MachineFigure {
        at: moment(view.at),
        cpu_percent: view.cpu_percent,
        load: view.load,
        cpus: view.cpus,
        memory_available_mb: view.memory_available_mib.map(|mib| mib as f64),
        memory_total_mb: view.memory_total_mib.map(|mib| mib as f64),
        // The sum of nothing is a negative zero, which JSON tells apart.
        agents_memory_mb: view.agents_memory_mib + 0.0,
        disk_free_mb: view.disk_free_mib.map(|mib| mib as f64),
        steps: view.steps,
        slots: view.slots,
        slowed: view.slowed.clone(),
    }
}

/// One of earlier days. What it does not hold is what it is now: slots.
pub(crate) fn machine_point(point: &MachinePoint, now: &MachineView) -> wire::MachineFigure {
    wire::MachineFigure {
        at: moment(point.at),
        cpu_percent: point.cpu_percent.map(|spread| spread.mean),
        load: point.load,
        cpus: point.cpus,
        memory_available_mb: point.memory_available_mib.map(|spread| spread.mean),
        memory_total_mb: point.memory_total_mib.map(|mib| mib as f64),
        agents_memory_mb: point.agents_mib.most,
        disk_free_mb: point.disk_free_mib.map(|mib| mib as f64),
        steps: point.steps,
        slots: now.slots,
        slowed: None,
    }
}

pub(crate) fn limit(limit: &RateLimit) -> wire::RateLimit {
    wire::RateLimit {
        account: limit.account.clone(),
        kind: limit.kind.clone(),
        limit: limit.limit,
        remaining: limit.remaining,
        used: limit.used,
        resets_at: limit.resets_at.map(moment),
        status: limit.status.clone(),
        at: moment(limit.at),
    }
}

pub(crate) fn series(figures: &StepFigures) -> wire::FigureSeries {
    let step = &figures.step;
    wire::FigureSeries {
        task: step.attempt.task.to_string(),
        attempt: step.attempt.attempt,
        step: step.step,
        points: figures.points.iter().map(figure).collect(),
    }
}

fn figure(point: &FigurePoint) -> wire::Figure {
    wire::Figure {
        at: moment(point.at),
        span_seconds: seconds(point.span.0),
        cpu_percent: point.cpu_percent.mean,
        memory_mb: point.memory_kib.most / 1024.0,
        tokens: point.spent.tokens,
        cost_usd: point.spent.cost_microusd.map(usd),
        disk_mb: point.bytes.disk_used.map(|bytes| bytes as f64 / MIB),
        net_in_bytes: point.bytes.net_in,
        net_out_bytes: point.bytes.net_out,
    }
}
