//! The one order of all tasks that edges between them go forward in, and who comes before whom by them.

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

/// Tasks, at most, for which it is known who comes before whom.
const MOST_REACHED: usize = 16_384;

/// Who comes before whom by paths of arcs: for each task that comes before any, a bit for each other one. 32 MiB in all at
/// most.
pub(crate) struct Reach {
    width: usize,
    rows: Vec<Vec<u64>>,
}

impl Reach {
    /// Of so many tasks without an arc; none where they are too many to tell.
    pub(crate) fn new(tasks: usize) -> Option<Self> {
        (tasks <= MOST_REACHED).then(|| Self { width: tasks.div_ceil(64), rows: vec![Vec::new(); tasks] })
    }

    /// By those arcs, which close no circle.
    pub(crate) fn of(tasks: usize, arcs: &[Arc]) -> Option<Self> {
        let mut reach = Self::new(tasks)?;
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); tasks];
        for arc in arcs {
            after[arc.from].push(arc.to);
        }
        for from in topological(&vec![0; tasks], arcs).into_iter().rev() {
            after[from].iter().for_each(|to| reach.follow(from, *to));
        }
        Some(reach)
    }

    /// Takes an arc. What `to` reaches must be known by then: arcs are taken from the last task on.
    pub(crate) fn follow(&mut self, from: usize, to: usize) {
        let behind = std::mem::take(&mut self.rows[to]);
        let row = &mut self.rows[from];
        row.resize(self.width, 0);
        row[to / 64] |= 1 << (to % 64);
        for (mine, theirs) in row.iter_mut().zip(&behind) {
            *mine |= theirs;
        }
        self.rows[to] = behind;
    }

    /// Whether a path leads from the one to the other.
    pub(crate) fn reaches(&self, from: usize, to: usize) -> bool {
        self.rows[from].get(to / 64).is_some_and(|bits| bits >> (to % 64) & 1 == 1)
    }
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

    #[test]
    fn paths_reach_what_their_arcs_lead_to() {
        let reach = Reach::of(200, &arcs(&[(0, 3), (3, 64), (64, 199), (3, 4)])).unwrap();
        let reached = |from| (0..200).filter(|to| reach.reaches(from, *to)).collect::<Vec<_>>();
        assert_eq!((reached(0), reached(3)), (vec![3, 4, 64, 199], vec![4, 64, 199]));
        assert_eq!((reached(64), reached(199)), (vec![199], vec![]));
        assert!(Reach::new(MOST_REACHED + 1).is_none());
    }
}
