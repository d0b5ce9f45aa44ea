//! The plan as JSON: `gadugi plan --json`.

use gadugi_core::schedule::Range;
use gadugi_core::{PathClaim, Plan, PlannedTask};
use serde_json::{Value, json};

use super::{parallelizable_tasks, speed_improvement};

/// Version of the shape. It grows by fields without a new number.
const SCHEMA: u32 = 1;

/// The plan by the contract's section 7, on so many slots. Beside what is named there: the prompts that were skipped,
/// the warnings, and why the plan is sequential (`null` where it is not).
pub fn plan_json(plan: &Plan, slots: usize) -> Value {
    let stages = plan.stages();
    let parallel_seconds = plan.parallel_seconds(slots);
    json!({
        "schema": SCHEMA,
        "base": plan.base,
        "tasks": plan.tasks.iter().map(task).collect::<Vec<_>>(),
        "edges": plan.edges,
        "stages": stages,
        "critical_path": plan.critical_path(),
        "sequential_seconds": plan.sequential_seconds(),
        "parallel_seconds": parallel_seconds,
        "sequential_range": range(&plan.sequential_range()),
        "parallel_range": range(&plan.parallel_range(slots, None)),
        "speed_improvement": rounded(speed_improvement(plan, parallel_seconds)),
        "parallelizable_tasks": parallelizable_tasks(plan, &stages),
        "slots": slots,
        "skipped": plan.skipped,
        "warnings": plan.warnings,
        "sequential_because": plan.sequential_because,
    })
}

fn task(task: &PlannedTask) -> Value {
    let claims = |claims: &[PathClaim]| -> Vec<Value> {
        claims
            .iter()
            .map(|claim| {
                let mut shown = json!({
                    "path": claim.path,
                    "confidence": claim.confidence,
                    "evidence": claim.evidence,
                    "source": claim.source,
                });
                if let Some(stated) = claim.stated {
                    shown["stated"] = json!(stated);
                }
                shown
            })
            .collect()
    };
    let estimate = &task.estimate;
    let (low, high) = estimate.range();
    json!({
        "id": task.id,
        "name": task.name,
        "prompt": task.prompt.path,
        "kind": task.kind,
        "complexity": task.complexity,
        "writes": claims(&task.writes),
        "reads": claims(&task.reads),
        "depends_on": task.depends_on,
        "estimate": {
            "seconds": rounded(estimate.seconds),
            "spread": rounded(estimate.spread),
            "low_seconds": rounded(low),
            "high_seconds": rounded(high),
            "cpu": rounded(estimate.cpu),
            "memory_mb": estimate.memory_mb,
            "disk_mb": estimate.disk_mb,
            "source": estimate.source,
        },
        "priority": task.priority,
    })
}

/// Seconds: the 10th percentile, the middle, the 90th.
fn range(range: &Range) -> Value {
    json!({"low": rounded(range.low), "likely": rounded(range.likely), "high": rounded(range.high)})
}

/// To the hundredth: the estimates bear no more.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
