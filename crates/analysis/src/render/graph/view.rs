//! What of a plan is drawn: all of a small one, and of a large one what can be seen.

use std::collections::{BTreeMap, HashMap, HashSet};

use gadugi_core::order::{Arc, topological};
use gadugi_core::{Edge, EdgeReason, Plan, TaskId};

use crate::order::Reach;

/// A plan with more tasks is large.
const SMALL_TASKS: usize = 100;
/// A plan with more edges is large.
const SMALL_EDGES: usize = 200;
/// Ids that a box of several tasks names.
const MOST_IDS: usize = 3;

/// Boxes and the lines between them.
pub(super) struct View<'a> {
    pub(super) boxes: Vec<Node>,
    pub(super) lines: Vec<Line<'a>>,
    /// Whether the plan is too large for evidence on its lines.
    pub(super) large: bool,
    /// Edges that follow from others and are not drawn.
    implied: usize,
    /// Tasks for which there was no room.
    left_out: usize,
}

/// A task, or several that wait for the same and are waited for by the same.
pub(super) struct Node {
    /// The id of its first task.
    pub(super) id: String,
    /// All ids, or the first and the number of the others.
    pub(super) ids: String,
    /// The name of its task, where it is one.
    pub(super) name: Option<String>,
    /// Whether it is on the chain that takes longest.
    pub(super) critical: bool,
}

/// An edge, from box to box by their places.
pub(super) struct Line<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) edge: &'a Edge,
    /// Whether it is part of the chain that takes longest.
    pub(super) critical: bool,
}

impl<'a> View<'a> {
    /// At most so many boxes and so many lines, where that is bounded.
    pub(super) fn new(plan: &'a Plan, most: Option<usize>) -> Self {
        let place: HashMap<&TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
        let path = plan.critical_path();
        let path: Vec<usize> = path.iter().filter_map(|id| place.get(id).copied()).collect();
        let edges: Vec<(Arc, &'a Edge)> = plan
            .edges
            .iter()
            .filter_map(|edge| Some((Arc { from: *place.get(&edge.from)?, to: *place.get(&edge.to)? }, edge)))
            .collect();
        let large = plan.tasks.len() > SMALL_TASKS || edges.len() > SMALL_EDGES;
        let all = edges.len();
        let edges = if large { reduced(plan.tasks.len(), edges) } else { edges };
        let implied = all - edges.len();
        let groups = if large {
            grouped(plan.tasks.len(), &edges, &path)
        } else {
            (0..plan.tasks.len()).map(|task| vec![task]).collect()
        };
        let (groups, left_out) = chosen(groups, &path, most.filter(|_| large).unwrap_or(usize::MAX));
        let mut view = Self { boxes: Vec::new(), lines: Vec::new(), large, implied, left_out };
        view.draw(plan, &groups, &edges, &path);
        if let Some(most) = most.filter(|_| large) {
            view.bound_lines(most);
        }
        view
    }

    fn draw(&mut self, plan: &Plan, groups: &[Vec<usize>], edges: &[(Arc, &'a Edge)], path: &[usize]) {
        let critical: HashSet<usize> = path.iter().copied().collect();
        let along: HashSet<(usize, usize)> = path.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let mut place: HashMap<usize, usize> = HashMap::new();
        for (at, group) in groups.iter().enumerate() {
            place.extend(group.iter().map(|task| (*task, at)));
            let id = |task: &usize| plan.tasks[*task].id.as_str().to_owned();
            let named: Vec<String> = group.iter().take(MOST_IDS).map(id).collect();
            let more = group.len().saturating_sub(MOST_IDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.boxes.push(Node {
                id: named.first().cloned().unwrap_or_default(),
                ids: format!("{}{more}", named.join(", ")),
                name: (group.len() == 1).then(|| plan.tasks[group[0]].name.clone()),
                critical: group.iter().any(|task| critical.contains(task)),
            });
        }
        let mut drawn: HashSet<(usize, usize, EdgeReason)> = HashSet::new();
        for (arc, edge) in edges {
            let (Some(from), Some(to)) = (place.get(&arc.from), place.get(&arc.to)) else { continue };
            // Edges of several tasks to the same are one line.
            if drawn.insert((*from, *to, edge.reason)) {
                let critical = along.contains(&(arc.from, arc.to));
                self.lines.push(Line { from: *from, to: *to, edge, critical });
            }
        }
    }

    /// Keeps the lines of the longest chain, then the plainest.
    fn bound_lines(&mut self, most: usize) {
        if self.lines.len() > most {
            self.implied += self.lines.len() - most;
            self.lines.sort_by_key(|line| (!line.critical, line.edge.reason, line.from, line.to));
            self.lines.truncate(most);
        }
    }

    /// What the reader has to know of what is not drawn.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let counted = |count: usize, noun: &str| {
            if count == 1 {
                format!("1 {noun} is not drawn")
            } else {
                format!("{count} {noun}s are not drawn")
            }
        };
        if self.implied > 0 {
            remarks.push(format!("{}, mostly because others say it", counted(self.implied, "edge")));
        }
        if self.left_out > 0 {
            remarks.push(format!("{}, but --json has them", counted(self.left_out, "task")));
        }
        remarks
    }
}

/// The edges without those that follow from paths of others; all of them, where there are too many tasks to tell.
fn reduced(tasks: usize, mut edges: Vec<(Arc, &Edge)>) -> Vec<(Arc, &Edge)> {
    let Some(mut reach) = Reach::new(tasks) else { return edges };
    let arcs: Vec<Arc> = edges.iter().map(|(arc, _)| *arc).collect();
    let order = topological(&vec![0; tasks], &arcs);
    let mut rank = vec![usize::MAX; tasks];
    for (at, task) in order.iter().enumerate() {
        rank[*task] = at;
    }
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); tasks];
    for arc in &arcs {
        after[arc.from].push(arc.to);
    }
    let mut kept: HashSet<(usize, usize)> = HashSet::new();
    for from in order.into_iter().rev() {
        let mut next = std::mem::take(&mut after[from]);
        next.sort_unstable_by_key(|to| rank[*to]);
        // By rank: whoever is reached through one of the others is reached through an earlier one.
        for to in next {
            if !reach.reaches(from, to) {
                kept.insert((from, to));
                reach.follow(from, to);
            }
        }
    }
    edges.retain(|(arc, _)| kept.contains(&(arc.from, arc.to)));
    edges
}

/// Tasks that wait for the same and are waited for by the same, together; those of the longest chain by themselves. By
/// their first tasks.
fn grouped(tasks: usize, edges: &[(Arc, &Edge)], path: &[usize]) -> Vec<Vec<usize>> {
    let mut ends: Vec<(Vec<usize>, Vec<usize>)> = vec![(Vec::new(), Vec::new()); tasks];
    for (arc, _) in edges {
        ends[arc.from].1.push(arc.to);
        ends[arc.to].0.push(arc.from);
    }
    let path: HashSet<usize> = path.iter().copied().collect();
    /// Before whom, behind whom, and the task itself where it is to stay alone.
    type Place = (Vec<usize>, Vec<usize>, Option<usize>);
    let mut groups: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (task, (mut before, mut behind)) in ends.into_iter().enumerate() {
        for list in [&mut before, &mut behind] {
            list.sort_unstable();
            list.dedup();
        }
        let own = path.contains(&task).then_some(task);
        groups.entry((before, behind, own)).or_default().push(task);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_unstable();
    groups
}

/// As many as there is room for: those of the longest chain first, from its beginning, then by their first tasks. And
/// how many tasks the others have.
fn chosen(groups: Vec<Vec<usize>>, path: &[usize], most: usize) -> (Vec<Vec<usize>>, usize) {
    if groups.len() <= most {
        return (groups, 0);
    }
    let on_path: HashMap<usize, usize> = path.iter().enumerate().map(|(at, task)| (*task, at)).collect();
    let mut groups = groups;
    groups.sort_by_key(|group| on_path.get(&group[0]).copied().unwrap_or(usize::MAX));
    let left_out = groups.drain(most..).map(|group| group.len()).sum();
    groups.sort_unstable();
    (groups, left_out)
}
