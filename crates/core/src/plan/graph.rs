//! What follows from the edges: order, stages, the critical path, honest times.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

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
        let mut best: HashMap<&TaskId, (f64, Option<&TaskId>)> = HashMap::new();
        for id in &order {
            let ahead =
                before[id].iter().map(|from| (best[from].0, Some(*from))).max_by(|a, b| a.0.total_cmp(&b.0));
            let (length, from) = ahead.unwrap_or((0.0, None));
            let own = self.task(id).map_or(0.0, |task| task.estimate.seconds);
            best.insert(id, (length + own, from));
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

    /// Seconds on so many slots, by the estimates: the plan played through, first come first served by priority.
    pub fn parallel_seconds(&self, slots: usize) -> f64 {
        let slots = if self.sequential_because.is_some() { 1 } else { slots.max(1) };
        let before = self.predecessors();
        let mut finished: BTreeMap<&TaskId, f64> = BTreeMap::new();
        let mut waiting: Vec<&PlannedTask> = self.tasks.iter().collect();
        waiting.sort_by_key(|task| std::cmp::Reverse(task.priority));
        let mut running: Vec<(f64, &TaskId)> = Vec::new();
        let mut now = 0.0_f64;
        while !waiting.is_empty() || !running.is_empty() {
            while running.len() < slots {
                let ready = waiting
                    .iter()
                    .position(|task| before[&task.id].iter().all(|id| finished.contains_key(id)));
                let Some(at) = ready else { break };
                let task = waiting.remove(at);
                running.push((now + task.estimate.seconds, &task.id));
            }
            let next = (0..running.len()).min_by(|a, b| running[*a].0.total_cmp(&running[*b].0));
            let Some(next) = next else { break };
            let (end, id) = running.swap_remove(next);
            now = end;
            finished.insert(id, end);
        }
        now
    }

    /// For each task, those that it waits for.
    pub fn predecessors(&self) -> HashMap<&TaskId, Vec<&TaskId>> {
        let mut before: HashMap<&TaskId, Vec<&TaskId>> =
            self.tasks.iter().map(|task| (&task.id, vec![])).collect();
        for edge in &self.edges {
            if let Some(list) = before.get_mut(&edge.to)
                && !list.contains(&&edge.from)
            {
                list.push(&edge.from);
            }
        }
        before
    }

    /// The tasks in an order that breaks no edge, otherwise as they were given; none where there is a cycle.
    pub fn order(&self) -> Option<Vec<&TaskId>> {
        topological(&self.tasks, &self.edges)
    }
}

fn topological<'a>(tasks: &'a [PlannedTask], edges: &'a [Edge]) -> Option<Vec<&'a TaskId>> {
    let place: HashMap<&TaskId, usize> = tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
    let mut waits = vec![0_usize; tasks.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for edge in edges {
        let (from, to) = (*place.get(&edge.from)?, *place.get(&edge.to)?);
        waits[to] += 1;
        after[from].push(to);
    }
    let mut free: BTreeSet<usize> = (0..tasks.len()).filter(|at| waits[*at] == 0).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(at) = free.pop_first() {
        order.push(&tasks[at].id);
        for to in &after[at] {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                free.insert(*to);
            }
        }
    }
    (order.len() == tasks.len()).then_some(order)
}

/// One cycle of the edges, each task once, in the order in which they wait: the first waits for the second, and
/// the last for the first.
pub fn find_cycle(tasks: &[PlannedTask], edges: &[Edge]) -> Option<Vec<TaskId>> {
    let order: BTreeSet<&TaskId> = match topological(tasks, edges) {
        Some(_) => return None,
        None => tasks.iter().map(|task| &task.id).collect(),
    };
    let mut waits_for: BTreeMap<&TaskId, Vec<&TaskId>> = BTreeMap::new();
    for edge in edges {
        waits_for.entry(&edge.to).or_default().push(&edge.from);
    }
    for start in order {
        let mut path: Vec<&TaskId> = vec![start];
        let mut choices: Vec<usize> = vec![0];
        let mut dead: BTreeSet<&TaskId> = BTreeSet::new();
        while let Some(top) = path.last().copied() {
            let depth = path.len() - 1;
            let next = waits_for.get(top).and_then(|list| list.get(choices[depth])).copied();
            choices[depth] += 1;
            match next {
                None => {
                    dead.insert(top);
                    path.pop();
                    choices.pop();
                }
                Some(id) => {
                    if let Some(at) = path.iter().position(|seen| *seen == id) {
                        return Some(path[at..].iter().map(|id| (*id).clone()).collect());
                    }
                    if !dead.contains(id) {
                        path.push(id);
                        choices.push(0);
                    }
                }
            }
        }
    }
    None
}
