//! Orders of tasks, by their indices: which circles there are, and who comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// `to` waits for `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arc {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Indices of arcs that form a circle: each begins where the one before ends, and the last ends where the first
/// begins.
pub(crate) fn circle(tasks: usize, arcs: &[Arc]) -> Option<Vec<usize>> {
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

/// The rank of each task in the order in which one slot would take them: whoever may begin and has the highest
/// priority, else whoever was given first. A task that one of higher priority waits for has that one's. The arcs must
/// form no circle; tasks of one have no rank of their own.
pub(crate) fn ranks(priorities: &[i64], arcs: &[Arc]) -> Vec<usize> {
    let tasks = priorities.len();
    let plain = topological(&vec![0; tasks], arcs);
    let mut inherited = priorities.to_vec();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); tasks];
    for arc in arcs {
        before[arc.to].push(arc.from);
    }
    for task in plain.into_iter().rev() {
        for from in &before[task] {
            inherited[*from] = inherited[*from].max(inherited[task]);
        }
    }
    let mut ranks = vec![tasks; tasks];
    for (rank, task) in topological(&inherited, arcs).into_iter().enumerate() {
        ranks[task] = rank;
    }
    ranks
}

fn topological(priorities: &[i64], arcs: &[Arc]) -> Vec<usize> {
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
    fn ranks_keep_to_arcs_then_priority_then_place() {
        assert_eq!(ranks(&[0, 0, 0], &[]), [0, 1, 2]);
        assert_eq!(ranks(&[0, 5, 0], &[]), [1, 0, 2]);
        assert_eq!(ranks(&[0, 5, 0], &arcs(&[(2, 1)])), [2, 1, 0], "the priority is inherited");
        assert_eq!(ranks(&[0, 0, 0], &arcs(&[(2, 0)])), [2, 0, 1]);
    }
}
