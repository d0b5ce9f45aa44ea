//! All edges of a plan: what prompts declare, then who changes what others use, then who writes what others write.
//!
//! The order of that is the order of their weight. Declared edges stand. Import edges are added where they close no circle.
//! Both together give the one order of all tasks (`order::ranks`) that edges of shared files go forward in: so an import
//! edge decides who of two that write one file is first.

use std::collections::HashSet;

use gadugi_core::order::Arc;
use gadugi_core::{Confidence, Edge, EdgeReason, OverlapPolicy, Plan, PlannedTask, TaskId};
use serde::Serialize;

use crate::imports::{self, ImportEdge, NamedSymbol};
use crate::order::{self, Reach};
use crate::overlap::{self, Expected, Field, Overlap, Threshold};
use crate::tree::Tree;

/// Pairs of tasks that a report of collisions names, the likeliest first.
const MOST_PAIRS: usize = 100;
/// Files that it names for each.
const MOST_FILES: usize = 5;

/// An edge that a prompt declares.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) arc: Arc,
    pub(crate) confidence: Confidence,
    pub(crate) evidence: String,
}

/// What edges are made from. Everything that is of tasks is in the plan's order.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) tasks: &'a [PlannedTask],
    /// What prompts declare; without circles.
    pub(crate) declared: &'a [Declared],
    /// What each task may write.
    pub(crate) expected: &'a [Vec<Expected<'a>>],
    /// What each prompt names.
    pub(crate) symbols: &'a [Vec<NamedSymbol>],
    /// Which files import a name from a file.
    pub(crate) importing: &'a dyn Fn(&str, &str) -> Vec<&'a str>,
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) policy: OverlapPolicy,
    pub(crate) threshold: Threshold,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) edges: Vec<Edge>,
    pub(crate) collisions: Collisions,
    /// Inferred edges that were dropped.
    pub(crate) warnings: Vec<String>,
}

/// Tasks that are expected to write one file, whatever is done about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Collisions {
    /// Pairs of tasks that nothing else orders, the likeliest to collide first: of tasks that all want one file each with
    /// the next.
    pub pairs: Vec<Pair>,
    /// How many more such pairs there are that are not named.
    pub more: usize,
    /// Tasks that such pairs connect, each group in the plan's order.
    pub groups: Vec<Vec<TaskId>>,
}

/// Two tasks that are expected to write one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The one that would be first.
    pub a: TaskId,
    /// The other.
    pub b: TaskId,
    /// What both may write; `first` is what the first gives to it.
    #[serde(flatten)]
    pub overlap: Overlap,
}

impl Collisions {
    /// The likeliest pair of a group, by the group's place: what to name when somebody is asked about it.
    pub fn likeliest(&self, group: usize) -> Option<&Pair> {
        let group = self.groups.get(group)?;
        self.pairs.iter().find(|pair| group.contains(&pair.a))
    }
}

/// Lets the tasks of a group run side by side: takes the edges between them that shared files gave.
pub fn release(plan: &mut Plan, group: &[TaskId]) {
    let group: HashSet<&TaskId> = group.iter().collect();
    plan.edges.retain(|edge| {
        edge.reason != EdgeReason::SameFile || !group.contains(&edge.from) || !group.contains(&edge.to)
    });
}

/// Makes them. With the policy `ask` the edges of shared files are there, to be taken by [`release`].
pub(crate) fn join(given: &Given<'_>) -> Joined {
    let Given { tasks, declared, policy, .. } = given;
    let declared_arcs: Vec<Arc> = declared.iter().map(|edge| edge.arc).collect();
    let priorities: Vec<i64> = tasks.iter().map(|task| task.priority).collect();
    let id = |task: usize| tasks[task].id.as_str().to_owned();
    let (imports, warnings) = imports::without_circles(&declared_arcs, &priorities, names(given), &id);
    let mut arcs = declared_arcs;
    arcs.extend(imports.iter().map(|edge| Arc { from: edge.from, to: edge.to }));
    let ranks = order::ranks(&priorities, &arcs);
    let field = Field::new(given.expected, given.tree, given.threshold);
    let pairs: HashSet<(usize, usize)> = arcs.iter().map(|arc| (arc.from, arc.to)).collect();
    let found = field.edges(&ranks, &pairs);
    let collisions = collisions(given, &field, &found, &arcs);
    let edge = |from: usize, to: usize, reason, confidence, evidence| Edge {
        from: tasks[from].id.clone(),
        to: tasks[to].id.clone(),
        reason,
        evidence,
        confidence,
    };
    let mut edges: Vec<Edge> = declared
        .iter()
        .map(|one| edge(one.arc.from, one.arc.to, EdgeReason::Declared, one.confidence, one.evidence.clone()))
        .collect();
    edges.extend(
        imports
            .into_iter()
            .map(|one: ImportEdge| edge(one.from, one.to, EdgeReason::Import, one.confidence, one.evidence)),
    );
    if *policy != OverlapPolicy::Parallel {
        edges.extend(
            found
                .into_iter()
                .map(|one| edge(one.from, one.to, EdgeReason::SameFile, one.confidence, one.evidence)),
        );
    }
    Joined { edges, collisions, warnings }
}

/// The edges that names give.
fn names(given: &Given<'_>) -> Vec<ImportEdge> {
    let tasks: Vec<imports::Task<'_>> = given
        .tasks
        .iter()
        .zip(given.expected)
        .zip(given.symbols)
        .map(|((task, writes), symbols)| imports::Task {
            id: task.id.as_str(),
            symbols,
            writes,
            reads: &task.reads,
        })
        .collect();
    imports::edges(&tasks, given.importing)
}

/// What is told of collisions: those between tasks that nothing else orders.
fn collisions(
    given: &Given<'_>,
    field: &Field<'_>,
    found: &[overlap::Collision],
    arcs: &[Arc],
) -> Collisions {
    let tasks = given.tasks;
    let reach = Reach::of(tasks.len(), arcs);
    let is_ordered = |from, to| reach.as_ref().is_some_and(|reach| reach.reaches(from, to));
    let mut open: Vec<&overlap::Collision> =
        found.iter().filter(|edge| !is_ordered(edge.from, edge.to)).collect();
    let groups = overlap::groups(tasks.len(), open.iter().map(|edge| (edge.from, edge.to)));
    open.sort_by_key(|edge| std::cmp::Reverse(edge.confidence));
    let named = open.iter().take(MOST_PAIRS).filter_map(|edge| {
        let overlap = field.between(edge.from, edge.to, MOST_FILES)?;
        Some(Pair { a: tasks[edge.from].id.clone(), b: tasks[edge.to].id.clone(), overlap })
    });
    Collisions {
        pairs: named.collect(),
        more: open.len().saturating_sub(MOST_PAIRS),
        groups: groups
            .into_iter()
            .map(|group| group.into_iter().map(|task| tasks[task].id.clone()).collect())
            .collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
