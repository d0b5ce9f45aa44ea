//! The one order of all tasks that edges between them go forward in.

use gadugi_core::order::{Arc, topological};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn arcs(pairs: &[(usize, usize)]) -> Vec<Arc> {
        pairs.iter().map(|(from, to)| Arc { from: *from, to: *to }).collect()
    }

    #[test]
    fn ranks_keep_to_arcs_then_priority_then_place() {
        assert_eq!(ranks(&[0, 0, 0], &[]), [0, 1, 2]);
        assert_eq!(ranks(&[0, 5, 0], &[]), [1, 0, 2]);
        assert_eq!(ranks(&[0, 5, 0], &arcs(&[(2, 1)])), [2, 1, 0], "the priority is inherited");
        assert_eq!(ranks(&[0, 0, 0], &arcs(&[(2, 0)])), [2, 0, 1]);
    }
}
