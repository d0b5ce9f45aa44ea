//! What follows from the edges: order, stages, the critical path, honest times.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

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

    /// Seconds on so many slots, by the estimates: the plan played through, first come first served by priority.
    pub fn parallel_seconds(&self, slots: usize) -> f64 {
        let slots = if self.sequential_because.is_some() { 1 } else { slots.max(1) };
        let Graph { mut waits, after } = Graph::of(&self.tasks, &self.edges);
        let mut ready: BTreeSet<(Reverse<i64>, usize)> = BTreeSet::new();
        let queued = |at: usize| (Reverse(self.tasks[at].priority), at);
        ready.extend((0..waits.len()).filter(|at| waits[*at] == 0).map(queued));
        // By the end: bits of floats that are not negative sort as the floats do.
        let mut running: BTreeSet<(u64, usize)> = BTreeSet::new();
        let mut now = 0.0_f64;
        loop {
            while running.len() < slots
                && let Some((_, at)) = ready.pop_first()
            {
                running.insert(((now + self.tasks[at].estimate.seconds.max(0.0)).to_bits(), at));
            }
            let Some((end, at)) = running.pop_first() else { return now };
            now = f64::from_bits(end);
            for to in &after[at] {
                waits[*to] -= 1;
                if waits[*to] == 0 {
                    ready.insert(queued(*to));
                }
            }
        }
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
        topological(&self.tasks, &self.edges)
    }
}

/// The edges by plan positions; those that name no task are left out.
struct Graph {
    /// For each task, how many edges lead to it.
    waits: Vec<usize>,
    /// For each task, where its edges lead.
    after: Vec<Vec<usize>>,
}

impl Graph {
    fn of(tasks: &[PlannedTask], edges: &[Edge]) -> Self {
        let place: HashMap<&TaskId, usize> =
            tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
        let mut graph = Self { waits: vec![0; tasks.len()], after: vec![Vec::new(); tasks.len()] };
        for edge in edges {
            if let (Some(from), Some(to)) = (place.get(&edge.from), place.get(&edge.to)) {
                graph.waits[*to] += 1;
                graph.after[*from].push(*to);
            }
        }
        graph
    }

    /// For each task, where its edges come from.
    fn before(&self) -> Vec<Vec<usize>> {
        let mut before = vec![Vec::new(); self.after.len()];
        for (from, list) in self.after.iter().enumerate() {
            list.iter().for_each(|to| before[*to].push(from));
        }
        before
    }
}

fn topological<'a>(tasks: &'a [PlannedTask], edges: &[Edge]) -> Option<Vec<&'a TaskId>> {
    let Graph { mut waits, after } = Graph::of(tasks, edges);
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
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        /// On the path, so far down.
        At(usize),
        /// On no cycle.
        Dead,
    }

    let waits_for = Graph::of(tasks, edges).before();
    let mut starts: Vec<usize> = (0..tasks.len()).collect();
    starts.sort_by_key(|at| &tasks[*at].id);
    let mut seen = vec![Seen::Not; tasks.len()];
    // A path and, for each task on it, how many of those that it waits for were looked at: no recursion, since a
    // chain may be as long as the plan.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in starts {
        if seen[start] == Seen::Not {
            seen[start] = Seen::At(0);
            path.push((start, 0));
        }
        while let Some((top, looked)) = path.last_mut() {
            let next = waits_for[*top].get(*looked).copied();
            *looked += 1;
            match next.map(|at| (at, seen[at])) {
                None => {
                    seen[*top] = Seen::Dead;
                    path.pop();
                }
                Some((_, Seen::At(from))) => {
                    return Some(path[from..].iter().map(|(at, _)| tasks[*at].id.clone()).collect());
                }
                Some((_, Seen::Dead)) => {}
                Some((at, Seen::Not)) => {
                    seen[at] = Seen::At(path.len());
                    path.push((at, 0));
                }
            }
        }
    }
    None
}
