//! What follows from the edges: order, stages, the critical path, honest times.

use std::collections::{BTreeSet, HashMap, HashSet};

use thiserror::Error;

use crate::order::{Arc, circle, topological};
use crate::{Edge, Plan, PlannedTask, TaskId};

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Two tasks have one id.
    #[error("two tasks are called {0}")]
    DuplicateId(TaskId),
    /// An edge names a task that is not there.
    #[error("an edge names {0}, which is no task of this plan")]
    UnknownTask(TaskId),
    /// Tasks wait for each other.
    #[error("the tasks wait for each other: {}", cycle_text(.0))]
    Cycle(Vec<TaskId>),
}

fn cycle_text(cycle: &[TaskId]) -> String {
    let mut names: Vec<&str> = cycle.iter().map(TaskId::as_str).collect();
    names.extend(cycle.first().map(TaskId::as_str));
    names.join(" -> ")
}

impl Plan {
    /// The task of that id.
    pub fn task(&self, id: &TaskId) -> Option<&PlannedTask> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// Checks that ids are unique, that edges name tasks, and that nothing waits for itself.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut seen = BTreeSet::new();
        for task in &self.tasks {
            if !seen.insert(&task.id) {
                return Err(PlanError::DuplicateId(task.id.clone()));
            }
        }
        for end in self.edges.iter().flat_map(|edge| [&edge.from, &edge.to]) {
            if !seen.contains(end) {
                return Err(PlanError::UnknownTask(end.clone()));
            }
        }
        match find_cycle(&self.tasks, &self.edges) {
            Some(cycle) => Err(PlanError::Cycle(cycle)),
            None => Ok(()),
        }
    }

    /// Tasks by how many others must come before them: each stage waits only for earlier ones.
    /// Empty where the edges form a cycle.
    pub fn stages(&self) -> Vec<Vec<TaskId>> {
        let before = self.predecessors();
        let mut depth: HashMap<&TaskId, usize> = HashMap::new();
        let Some(order) = self.order() else { return Vec::new() };
        let mut stages: Vec<Vec<TaskId>> = Vec::new();
        for id in order {
            let level = before[id].iter().map(|from| depth[from] + 1).max().unwrap_or(0);
            depth.insert(id, level);
            if stages.len() <= level {
                stages.resize(level + 1, Vec::new());
            }
            stages[level].push(id.clone());
        }
        stages
    }

    /// The chain of waiting tasks that takes longest by the estimates.
    pub fn critical_path(&self) -> Vec<TaskId> {
        let before = self.predecessors();
        let Some(order) = self.order() else { return Vec::new() };
        let seconds: HashMap<&TaskId, f64> =
            self.tasks.iter().map(|task| (&task.id, task.estimate.seconds)).collect();
        let mut best: HashMap<&TaskId, (f64, Option<&TaskId>)> = HashMap::new();
        for id in &order {
            let ahead =
                before[id].iter().map(|from| (best[from].0, Some(*from))).max_by(|a, b| a.0.total_cmp(&b.0));
            let (length, from) = ahead.unwrap_or((0.0, None));
            best.insert(id, (length + seconds[id], from));
        }
        let mut at = order.iter().max_by(|a, b| best[**a].0.total_cmp(&best[**b].0)).copied();
        let mut path = Vec::new();
        while let Some(id) = at {
            path.push(id.clone());
            at = best[id].1;
        }
        path.reverse();
        path
    }

    /// Seconds of all tasks one after another, by the estimates.
    pub fn sequential_seconds(&self) -> f64 {
        self.tasks.iter().map(|task| task.estimate.seconds).sum()
    }

    /// For each task, those that it waits for.
    pub fn predecessors(&self) -> HashMap<&TaskId, Vec<&TaskId>> {
        let mut before: HashMap<&TaskId, Vec<&TaskId>> =
            self.tasks.iter().map(|task| (&task.id, vec![])).collect();
        let mut seen = HashSet::new();
        for edge in &self.edges {
            if let Some(list) = before.get_mut(&edge.to)
                && seen.insert((&edge.from, &edge.to))
            {
                list.push(&edge.from);
            }
        }
        before
    }

    /// The tasks in an order that breaks no edge, otherwise as they were given; none where there is a cycle.
    pub fn order(&self) -> Option<Vec<&TaskId>> {
        let order = topological(&vec![0; self.tasks.len()], &self.arcs());
        (order.len() == self.tasks.len()).then(|| order.into_iter().map(|at| &self.tasks[at].id).collect())
    }

    /// The edges by plan positions.
    pub(crate) fn arcs(&self) -> Vec<Arc> {
        let place: HashMap<&TaskId, usize> =
            self.tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
        arcs(&self.edges, |id| place.get(id).copied())
    }
}

/// One cycle of the edges, each task once, in the order in which they wait: the first waits for the second, and
/// the last for the first.
pub fn find_cycle(tasks: &[PlannedTask], edges: &[Edge]) -> Option<Vec<TaskId>> {
    // By id, so that the same edges give the same cycle in whatever order the tasks are given.
    let mut ids: Vec<&TaskId> = tasks.iter().map(|task| &task.id).collect();
    ids.sort_unstable();
    let arcs = arcs(edges, |id| ids.binary_search(&id).ok());
    // The first waits for the second, so the arcs are read backwards.
    let cycle = circle(ids.len(), &arcs)?.into_iter().rev();
    Some(cycle.map(|at| ids[arcs[at].to].clone()).collect())
}

/// The edges by places; those that name no task are left out.
fn arcs<'a>(edges: &'a [Edge], place: impl Fn(&'a TaskId) -> Option<usize>) -> Vec<Arc> {
    edges.iter().filter_map(|edge| Some(Arc { from: place(&edge.from)?, to: place(&edge.to)? })).collect()
}
