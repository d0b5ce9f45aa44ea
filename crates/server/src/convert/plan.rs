//! The plan.

use gadugi_core::{ClaimSource, Edge, Plan, PlannedTask};

use super::{texts, usd};
use crate::wire;

pub(crate) fn plan(plan: &Plan) -> wire::Plan {
    wire::Plan {
        base: plan.base.to_string(),
        tasks: plan.tasks.iter().map(planned_task).collect(),
        edges: plan.edges.iter().map(edge).collect(),
        stages: plan.stages().iter().map(|stage| texts(stage)).collect(),
        skipped: plan
            .skipped
            .iter()
            .map(|skipped| wire::Skipped { path: skipped.path.clone(), because: skipped.because.clone() })
            .collect(),
        warnings: plan.warnings.clone(),
    }
}

fn edge(edge: &Edge) -> wire::Edge {
    wire::Edge {
        from: edge.from.to_string(),
        to: edge.to.to_string(),
        reason: edge.reason.word().to_owned(),
        evidence: edge.evidence.clone(),
        confidence: edge.confidence.0,
    }
}

pub(crate) fn planned_task(task: &PlannedTask) -> wire::PlannedTask {
    let (low, high) = task.estimate.range();
    let mut writes: Vec<wire::Write> = task
        .writes
        .iter()
        .map(|claim| wire::Write {
            path: claim.path.clone(),
            confidence: claim.confidence.0,
            evidence: claim.evidence.clone(),
            source: ClaimSource::word(claim.source).to_owned(),
        })
        .collect();
    writes.sort_by_key(|write| std::cmp::Reverse(write.confidence));
    wire::PlannedTask {
        id: task.id.to_string(),
        name: task.name.clone(),
        prompt: task.prompt.path.clone(),
        kind: task.kind.word().to_owned(),
        complexity: task.complexity.word().to_owned(),
        priority: task.priority,
        depends_on: texts(&task.depends_on),
        estimate: wire::Estimate {
            seconds: task.estimate.seconds,
            low,
            high,
            cpu: task.estimate.cpu,
            memory_mb: task.estimate.memory_mb,
            source: task.estimate.source.clone(),
        },
        writes,
        agent: task.agent.clone(),
        model: task.model.clone(),
        budget_usd: task.budget_microusd.map(usd),
        verify: task.verify.clone(),
        executor: task.executor.map(|executor| executor.word().to_owned()),
    }
}
