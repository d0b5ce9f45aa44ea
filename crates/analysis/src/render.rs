//! A plan as people and programs read it. Pure: each function makes text or JSON of a plan, and nothing else.

mod graph;
mod json;
mod table;
mod why;

pub use graph::{dot, mermaid};
pub use json::plan_json;
pub use table::table;
pub use why::{why, why_json};

use gadugi_core::Plan;

/// How many times faster than one after another, by the estimates: 1 where there is nothing to do.
fn speed_improvement(plan: &Plan, parallel_seconds: f64) -> f64 {
    let sequential = plan.sequential_seconds();
    if parallel_seconds > 0.0 { sequential / parallel_seconds } else { 1.0 }
}

/// Tasks that share their stage with another, and so can run beside it.
fn parallelizable_tasks(plan: &Plan, stages: &[Vec<gadugi_core::TaskId>]) -> usize {
    if plan.sequential_because.is_some() {
        return 0;
    }
    stages.iter().map(Vec::len).filter(|tasks| *tasks > 1).sum()
}

#[cfg(test)]
mod tests;
