//! Why two tasks of a plan do or don't run together: what is behind `gadugi plan --why A B`.
//!
//! Everything is looked up and nothing is guessed: the path of edges from the one to the other, with what says each; what
//! both may write, whether that was enough or not; and, where nothing orders them, what else decides.

use std::collections::{HashMap, VecDeque};

use gadugi_core::schedule::Workload;
use gadugi_core::{Edge, EdgeReason, OverlapPolicy, Plan, PlannedTask, TaskId};
use serde::Serialize;
use thiserror::Error;

use crate::dependencies::Names;
use crate::error::hint;
use crate::overlap::{Expected, Field, Overlap, Threshold};
use crate::text::{MOST_CANDIDATES, candidates};
use crate::tree::Tree;

/// Files that both may write that are named.
const MOST_FILES: usize = 10;
/// Edges of a path that are named at either end of it before the middle is counted.
const MOST_STEPS: usize = 5;

/// What is asked.
#[derive(Clone, Copy)]
pub struct WhyRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What a task, by its place in the plan, may write.
    pub expected: &'a dyn Fn(usize) -> Vec<Expected<'a>>,
    /// The files of the base tree.
    pub files: &'a [&'a str],
    /// What is done about tasks that are expected to write one file.
    pub policy: OverlapPolicy,
    /// From which confidence on they are.
    pub threshold: Threshold,
    /// Tasks that can run at a time.
    pub slots: usize,
}

/// Why there is no answer: the words name no two tasks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhyError {
    /// No task is called so.
    #[error("{name:?} is no task of this plan{}", hint(.candidates))]
    Unknown {
        /// The name.
        name: String,
        /// What it could have meant: all tasks where they are few, else those whose names look most like it.
        candidates: Vec<String>,
    },
    /// Several are.
    #[error("{name:?} could be {}", .candidates.join(" or "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Tasks that it fits.
        candidates: Vec<String>,
    },
    /// Both names mean one task.
    #[error("both names mean the task {0}")]
    Same(TaskId),
}

/// Why two tasks do or don't run together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The one that comes first; where nothing orders them, the one that would be started first.
    pub first: Party,
    /// The other.
    pub second: Party,
    /// What decides.
    pub verdict: Verdict,
    /// The shortest path of edges from the first to the second; of a long one its ends.
    pub path: Vec<Edge>,
    /// Edges of the path that are left out in its middle.
    pub path_more: usize,
    /// What both may write, whether it orders them or not; `first` and `second` within are those of above.
    pub overlap: Option<Overlap>,
    /// From which confidence on, in percent, tasks are not run together.
    pub threshold: u8,
    /// What is done about such tasks.
    pub policy: OverlapPolicy,
    /// Tasks that can run at a time, and how many the plan has.
    pub slots: usize,
    /// Tasks of the plan.
    pub tasks: usize,
    /// Why the whole plan is taken one task after another.
    pub sequential_because: Option<String>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Party {
    /// Its id.
    pub id: TaskId,
    /// Its prompt.
    pub prompt: String,
    /// Its priority.
    pub priority: i64,
    /// Whether its prompt says itself what it writes, by `touches:`.
    pub touches: bool,
}

/// What decides whether two tasks run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The analysis failed, and all tasks are taken one after another.
    Sequential,
    /// Edges lead from the first to the second.
    Ordered,
    /// Nothing orders them, and there is one slot.
    OneSlot,
    /// Nothing orders them, and there are more tasks than slots.
    Slots,
    /// Nothing keeps them apart.
    Together,
}

/// Explains. The names are ids, prompts, their file names or stems, or beginnings of ids that fit one alone.
pub fn why(request: &WhyRequest<'_>, a: &str, b: &str) -> Result<Why, WhyError> {
    let plan = request.plan;
    let finder = Finder::new(plan);
    let (a, b) = (finder.find(a)?, finder.find(b)?);
    if a == b {
        return Err(WhyError::Same(plan.tasks[a].id.clone()));
    }
    let edges = Edges::new(plan);
    let (first, second, path) = match edges.path(a, b) {
        Some(path) => (a, b, path),
        None => match edges.path(b, a) {
            Some(path) => (b, a, path),
            None if started_first(plan, b, a) => (b, a, Vec::new()),
            None => (a, b, Vec::new()),
        },
    };
    let verdict = match () {
        () if plan.sequential_because.is_some() => Verdict::Sequential,
        () if !path.is_empty() => Verdict::Ordered,
        () if request.slots <= 1 => Verdict::OneSlot,
        () if request.slots < plan.tasks.len() => Verdict::Slots,
        () => Verdict::Together,
    };
    let (path, path_more) = ends(&path);
    let expected = [(request.expected)(first), (request.expected)(second)];
    let tree = Tree::new(request.files.iter().copied());
    let overlap = Field::new(&expected, &tree, request.threshold).between(0, 1, MOST_FILES);
    Ok(Why {
        first: party(&plan.tasks[first]),
        second: party(&plan.tasks[second]),
        verdict,
        path,
        path_more,
        overlap,
        threshold: request.threshold.as_percent(),
        policy: request.policy,
        slots: request.slots,
        tasks: plan.tasks.len(),
        sequential_because: plan.sequential_because.clone(),
    })
}

/// Of two that nothing orders: whether the one is started before the other where both could be, by the rule of the
/// engine itself.
fn started_first(plan: &Plan, one: usize, other: usize) -> bool {
    let order = Workload::of(plan).order();
    order.rank(one) < order.rank(other)
}

fn party(task: &PlannedTask) -> Party {
    Party {
        id: task.id.clone(),
        prompt: task.prompt.path.clone(),
        priority: task.priority,
        touches: task.writes.iter().any(|claim| claim.source == gadugi_core::ClaimSource::Declared),
    }
}

/// The ends of a path, and how much is left out between them.
fn ends(path: &[&Edge]) -> (Vec<Edge>, usize) {
    let whole = path.len() <= 2 * MOST_STEPS;
    let more = if whole { 0 } else { path.len() - 2 * MOST_STEPS };
    let kept = path
        .iter()
        .enumerate()
        .filter(|(at, _)| whole || *at < MOST_STEPS || *at >= path.len() - MOST_STEPS)
        .map(|(_, edge)| (*edge).clone());
    (kept.collect(), more)
}

/// The edges by the places of their tasks: of several between two the plainest.
struct Edges<'a> {
    out: Vec<Vec<(usize, &'a Edge)>>,
}

impl<'a> Edges<'a> {
    fn new(plan: &'a Plan) -> Self {
        let place: HashMap<&TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
        let mut out = vec![Vec::new(); plan.tasks.len()];
        for edge in &plan.edges {
            if let (Some(from), Some(to)) = (place.get(&edge.from), place.get(&edge.to)) {
                out[*from].push((*to, edge));
            }
        }
        for list in &mut out {
            list.sort_by_key(|(to, edge)| {
                (*to, edge.reason != EdgeReason::Declared, std::cmp::Reverse(edge.confidence))
            });
            list.dedup_by_key(|(to, _)| *to);
        }
        Self { out }
    }

    /// The path with the fewest edges; none where there is none.
    fn path(&self, from: usize, to: usize) -> Option<Vec<&'a Edge>> {
        let mut reached: HashMap<usize, (usize, &'a Edge)> = HashMap::new();
        let mut open = VecDeque::from([from]);
        while let Some(at) = open.pop_front() {
            if at == to {
                let mut path = Vec::new();
                let mut at = to;
                while at != from {
                    let (before, edge) = reached.get(&at)?;
                    path.push(*edge);
                    at = *before;
                }
                path.reverse();
                return Some(path);
            }
            for (next, edge) in &self.out[at] {
                if *next != from && !reached.contains_key(next) {
                    reached.insert(*next, (at, edge));
                    open.push_back(*next);
                }
            }
        }
        None
    }
}

/// Finds tasks by what people call them.
struct Finder<'a> {
    plan: &'a Plan,
    names: Names,
}

impl<'a> Finder<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut names = Names::default();
        for task in &plan.tasks {
            names.add(task.id.as_str(), &task.prompt.path);
        }
        Self { plan, names }
    }

    fn find(&self, name: &str) -> Result<usize, WhyError> {
        let id = |at: &usize| self.plan.tasks[*at].id.as_str().to_owned();
        let ids = || self.plan.tasks.iter().map(|task| task.id.as_str());
        let beginning = || -> Vec<usize> {
            let fits = |task: &PlannedTask| !name.is_empty() && task.id.as_str().starts_with(name);
            (0..self.plan.tasks.len()).filter(|at| fits(&self.plan.tasks[*at])).collect()
        };
        let found = match self.names.find(name, "") {
            [] => beginning(),
            found => found.to_vec(),
        };
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(WhyError::Unknown { name: name.to_owned(), candidates: candidates(name, ids()) }),
            several => Err(WhyError::Ambiguous {
                name: name.to_owned(),
                candidates: several.iter().take(MOST_CANDIDATES).map(id).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
