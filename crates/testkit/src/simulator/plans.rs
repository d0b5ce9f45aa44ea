//! Random plans and settings.

use gadugi_core::{
    Complexity, Confidence, Edge, EdgeReason, Estimate, HangSettings, Kind, Millis, Plan, PlannedTask,
    PromptRef, Purpose, RetrySettings, RunSettings,
};

use super::names;
use super::rng::Rng;
use super::shape::Shape;

/// A plan whose edges form no cycle: they follow a hidden order that is not the plan's own.
pub(super) fn plan(rng: &mut Rng, shape: &Shape) -> Plan {
    let count = usize::try_from(rng.between(shape.tasks.clone())).unwrap_or(1);
    let tasks: Vec<PlannedTask> = (0..count).map(|at| task(rng, at)).collect();
    let mut order: Vec<usize> = (0..count).collect();
    if rng.chance(700) {
        rng.shuffle(&mut order);
    }
    let edges = edges(rng, &tasks, &order);
    Plan {
        base: names::commit(0),
        tasks,
        edges,
        sequential_because: rng.chance(60).then(|| "the analysis failed".to_owned()),
        skipped: Vec::new(),
        warnings: Vec::new(),
    }
}

fn edges(rng: &mut Rng, tasks: &[PlannedTask], order: &[usize]) -> Vec<Edge> {
    let mut edges = Vec::new();
    let reach = [1, 2, 4, order.len().max(1)][rng.index(4)];
    let density = [0, 150, 400, 900][rng.index(4)];
    for (later, to) in order.iter().enumerate().skip(1) {
        for _ in 0..reach.min(3) {
            if !rng.chance(density) {
                continue;
            }
            let back = 1 + rng.index(reach.min(later));
            let reason = match rng.below(10) {
                0..=5 => EdgeReason::Declared,
                6..=8 => EdgeReason::SameFile,
                _ => EdgeReason::Import,
            };
            edges.push(Edge {
                from: tasks[order[later - back]].id.clone(),
                to: tasks[*to].id.clone(),
                reason,
                evidence: "the simulator says so".into(),
                confidence: Confidence::default(),
            });
        }
    }
    edges
}

fn task(rng: &mut Rng, at: usize) -> PlannedTask {
    let id = names::task(u32::try_from(at).unwrap_or(u32::MAX));
    PlannedTask {
        name: format!("Task {at}"),
        prompt: PromptRef { path: format!("prompts/t{at}.md"), bytes: 100 },
        id,
        kind: Kind::Feature,
        complexity: Complexity::Low,
        writes: Vec::new(),
        reads: Vec::new(),
        depends_on: Vec::new(),
        estimate: estimate(rng),
        priority: if rng.chance(200) { i64::try_from(rng.below(3)).unwrap_or(0) } else { 0 },
        timeout: rng.chance(150).then(|| Millis::seconds(rng.between(20..=200))),
        agent: rng.chance(100).then(|| "scripted".to_owned()),
        model: None,
        budget_microusd: rng.chance(40).then(|| rng.between(1..=900_000)),
        verify: rng.chance(40).then(|| "make test".to_owned()),
        done_when: Vec::new(),
        executor: None,
        network: Vec::new(),
        purpose: if rng.chance(60) { Purpose::Decompose(12) } else { Purpose::Work },
    }
}

/// Known exactly, so that an observer can tell who comes first without the core's arithmetic.
fn estimate(rng: &mut Rng) -> Estimate {
    let measured = rng.chance(300);
    Estimate {
        seconds: [10.0, 30.0, 60.0, 120.0, 600.0][rng.index(5)],
        cpu: 1.0,
        memory_mb: if measured { rng.between(100..=6_000) } else { 300 },
        disk_mb: 10,
        spread: 1.0,
        source: if measured { "history" } else { "table" }.into(),
    }
}

pub(super) fn settings(rng: &mut Rng, tasks: usize) -> RunSettings {
    let widest = if tasks > 30 && rng.chance(500) { 200 } else { 6 };
    RunSettings {
        max_parallel: rng.chance(600).then(|| rng.small(1..=widest)),
        timeout: Millis::seconds(rng.between(60..=600)),
        budget_microusd: rng.chance(250).then(|| rng.between(1..=tasks as u64 * 500_000)),
        task_budget_microusd: rng.chance(100).then(|| rng.between(1..=900_000)),
        verify: rng.chance(500).then(|| "make check".to_owned()),
        setup: if rng.chance(400) { vec!["npm ci".to_owned()] } else { Vec::new() },
        grace: Millis::seconds(10),
        lease: Millis::seconds(600),
        retry: retry(rng),
        hang: hang(rng),
        ..RunSettings::default()
    }
}

fn retry(rng: &mut Rng) -> RetrySettings {
    if rng.chance(300) {
        return RetrySettings::default();
    }
    RetrySettings {
        transient: rng.small(1..=8),
        crashes: rng.small(1..=4),
        continuations: rng.small(0..=3),
        failures: if rng.chance(250) { rng.small(1..=2) } else { 0 },
        first: Millis(rng.between(500..=5_000)),
        cap: Millis::seconds(rng.between(5..=300)),
    }
}

fn hang(rng: &mut Rng) -> HangSettings {
    if rng.chance(200) {
        return HangSettings::default();
    }
    let suspect = rng.between(20..=120);
    HangSettings {
        suspect: Millis::seconds(suspect),
        stop: Millis::seconds(suspect + rng.between(10..=200)),
        after_result: Millis::seconds(rng.between(5..=60)),
    }
}
