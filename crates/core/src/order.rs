//! Orders of things that wait for each other, by their places: which circles there are, and who comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// `to` waits for `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arc {
    /// The place of what comes first.
    pub from: usize,
    /// The place of what waits.
    pub to: usize,
}

/// Indices of arcs that form a circle: each begins where the one before ends, and the last ends where the first
/// begins. None where the arcs form none. No recursion: a chain may be as long as a plan.
pub fn circle(tasks: usize, arcs: &[Arc]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); tasks];
    for (index, arc) in arcs.iter().enumerate() {
        out[arc.from].push(index);
    }
    let mut marks = vec![Mark::New; tasks];
    for start in 0..tasks {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        // Each open task with the next of its arcs to try; and the arcs that led to them.
        let mut open: Vec<(usize, usize)> = vec![(start, 0)];
        let mut path: Vec<usize> = Vec::new();
        while let Some((task, next)) = open.last_mut() {
            let Some(&index) = out[*task].get(*next) else {
                marks[*task] = Mark::Done;
                open.pop();
                path.pop();
                continue;
            };
            *next += 1;
            let to = arcs[index].to;
            match marks[to] {
                Mark::Done => {}
                Mark::New => {
                    marks[to] = Mark::Open;
                    path.push(index);
                    open.push((to, 0));
                }
                Mark::Open => {
                    path.push(index);
                    let begin = path.iter().position(|index| arcs[*index].from == to)?;
                    return Some(path.split_off(begin));
                }
            }
        }
    }
    None
}

/// The places in an order that breaks no arc: of those that may come next the one with the highest priority, else the
/// first. What waits in a circle, or for one, is left out.
pub fn topological(priorities: &[i64], arcs: &[Arc]) -> Vec<usize> {
    let tasks = priorities.len();
    let mut waits = vec![0_usize; tasks];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); tasks];
    for arc in arcs {
        waits[arc.to] += 1;
        after[arc.from].push(arc.to);
    }
    let mut free: BinaryHeap<(i64, Reverse<usize>)> =
        (0..tasks).filter(|task| waits[*task] == 0).map(|task| (priorities[task], Reverse(task))).collect();
    let mut order = Vec::with_capacity(tasks);
    while let Some((_, Reverse(task))) = free.pop() {
        order.push(task);
        for to in &after[task] {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                free.push((priorities[*to], Reverse(*to)));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arcs(pairs: &[(usize, usize)]) -> Vec<Arc> {
        pairs.iter().map(|(from, to)| Arc { from: *from, to: *to }).collect()
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(circle(3, &arcs(&[(0, 1), (1, 2), (0, 2)])), None);
        assert_eq!(circle(4, &arcs(&[(0, 1), (1, 2), (2, 3), (3, 1)])), Some(vec![1, 2, 3]));
        assert_eq!(circle(1, &arcs(&[(0, 0)])), Some(vec![0]));
    }

    #[test]
    fn an_order_keeps_to_arcs_then_priority_then_place() {
        assert_eq!(topological(&[0, 0, 5], &[]), [2, 0, 1]);
        assert_eq!(topological(&[0, 0, 5], &arcs(&[(1, 2)])), [0, 1, 2]);
        assert_eq!(topological(&[0, 0, 0], &arcs(&[(1, 2), (2, 1)])), [0]);
    }
}
