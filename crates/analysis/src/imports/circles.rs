//! Inferred edges that would make tasks wait for each other drop.

use std::collections::HashSet;

use gadugi_core::order::{Arc, circle};

use super::ImportEdge;
use crate::order;

/// Circles that are broken one by one, each a pass over all edges. Beyond, what goes against the order that the tasks have
/// without such edges drops.
const MOST_CIRCLES: usize = 200;
/// Edges that a warning names before the rest is counted.
const MOST_WARNINGS: usize = 10;

/// The edges that close no circle with what prompts declare (which itself has none), and warnings about those that would
/// have: of each circle the weakest that was inferred. What is declared is not said twice.
pub(crate) fn without_circles(
    declared: &[Arc],
    priorities: &[i64],
    found: Vec<ImportEdge>,
    id: &dyn Fn(usize) -> String,
) -> (Vec<ImportEdge>, Vec<String>) {
    let said: HashSet<(usize, usize)> = declared.iter().map(|arc| (arc.from, arc.to)).collect();
    let mut edges: Vec<ImportEdge> =
        found.into_iter().filter(|edge| !said.contains(&(edge.from, edge.to))).collect();
    let mut dropped: Vec<ImportEdge> = Vec::new();
    for _ in 0..MOST_CIRCLES {
        let inferred = edges.iter().map(|edge| Arc { from: edge.from, to: edge.to });
        let arcs: Vec<Arc> = declared.iter().copied().chain(inferred).collect();
        let Some(circle) = circle(priorities.len(), &arcs) else {
            return (edges, warnings(&dropped, id));
        };
        let places = circle.into_iter().filter_map(|at| at.checked_sub(declared.len()));
        let Some(weakest) = places.min_by_key(|at| edges[*at].confidence) else { break };
        dropped.push(edges.remove(weakest));
    }
    let ranks = order::ranks(priorities, declared);
    let (forward, backward): (Vec<_>, Vec<_>) =
        edges.into_iter().partition(|edge| ranks[edge.from] < ranks[edge.to]);
    dropped.extend(backward);
    (forward, warnings(&dropped, id))
}

fn warnings(dropped: &[ImportEdge], id: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut warnings: Vec<String> = dropped
        .iter()
        .take(MOST_WARNINGS)
        .map(|edge| {
            let (from, to) = (id(edge.from), id(edge.to));
            format!("{to} does not wait for {from} ({}): it would close a circle", edge.evidence)
        })
        .collect();
    if dropped.len() > MOST_WARNINGS {
        let more = dropped.len() - MOST_WARNINGS;
        warnings.push(format!(
            "{more} more edges between tasks that change and use the same names would close circles"
        ));
    }
    warnings
}
