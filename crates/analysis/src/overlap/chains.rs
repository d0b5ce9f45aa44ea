//! From who wants what to few edges.
//!
//! The claimants of one path are taken in the order of their ranks. Those that are likely enough to collide with their
//! like (p · p reaches the threshold) all collide with each other, so a chain of them, each to the next, orders them
//! all. One that is less likely collides only with those above threshold / p, which are all in the chain: an edge to the
//! nearest of them on either side is enough, since the chain leads on from there. Two that are both too unlikely for
//! the chain never collide. Where two different paths can mean one file (a folder and what is in it), the claimants of
//! the one are joined to the chain of the other in the same way.
//!
//! Every edge so found joins two tasks that do collide, and every two that collide are ordered by edges.

use std::collections::BTreeSet;

use super::Threshold;
use super::items::{Item, Items};

/// Joins of unlikely claimants with chains of other paths, at most, each some 100 ns: what ten thousand prompts that
/// mention a folder and ten thousand files in it would come to is 100 million. Beyond, such pairs are not ordered.
const MOST_JOINS: usize = 5_000_000;

/// The claimants of one path by rank: those that collide with their like, and the others.
struct Claimants {
    chain: Chain,
    others: Vec<(u32, f64)>,
}

/// Ranks in order, and the probabilities beside them.
struct Chain {
    ranks: Vec<u32>,
    highest: Highest,
}

/// Pairs of ranks that are to be in order, earlier and later: each once, sorted.
pub(super) fn pairs(items: &Items<'_>, ranks: &[usize], threshold: Threshold) -> Vec<(u32, u32)> {
    let mut edges = Edges { pairs: BTreeSet::new(), threshold, joins: 0 };
    let sorted: Vec<Claimants> =
        items.all.iter().map(|item| Claimants::new(item, ranks, threshold)).collect();
    for claimants in &sorted {
        edges.within(claimants);
    }
    for (one, meets) in (0_u32..).zip(&items.meets) {
        for other in meets.iter().filter(|other| **other > one) {
            edges.between(&sorted[one as usize], &sorted[*other as usize]);
        }
    }
    edges.pairs.into_iter().collect()
}

/// The same where patterns are too many to compare: order is the safe guess for all that have one and all whose files
/// begin as one of them does.
pub(super) fn line(items: &Items<'_>, ranks: &[usize], threshold: Threshold) -> Vec<(u32, u32)> {
    let mut pairs: BTreeSet<(u32, u32)> = pairs(items, ranks, threshold).into_iter().collect();
    let meant = items.uncomparable.iter().flat_map(|them| &them.items);
    let claimants = meant.flat_map(|item| &items.all[*item as usize].claimants);
    let line: BTreeSet<u32> = claimants
        .filter(|(_, probability)| threshold.reached(*probability * *probability))
        .map(|(task, _)| ranks[*task as usize] as u32)
        .collect();
    let line: Vec<u32> = line.into_iter().collect();
    pairs.extend(line.windows(2).map(|pair| (pair[0], pair[1])));
    pairs.into_iter().collect()
}

impl Claimants {
    fn new(item: &Item<'_>, ranks: &[usize], threshold: Threshold) -> Self {
        let mut by_rank: Vec<(u32, f64)> = item
            .claimants
            .iter()
            .map(|(task, probability)| (ranks[*task as usize] as u32, *probability))
            .collect();
        by_rank.sort_unstable_by_key(|(rank, _)| *rank);
        let (chain, others): (Vec<_>, Vec<_>) =
            by_rank.into_iter().partition(|(_, probability)| threshold.reached(probability * probability));
        let ranks = chain.iter().map(|(rank, _)| *rank).collect();
        let highest = Highest::new(chain.iter().map(|(_, probability)| *probability));
        Self { chain: Chain { ranks, highest }, others }
    }
}

struct Edges {
    pairs: BTreeSet<(u32, u32)>,
    threshold: Threshold,
    joins: usize,
}

impl Edges {
    fn within(&mut self, claimants: &Claimants) {
        for pair in claimants.chain.ranks.windows(2) {
            self.pairs.insert((pair[0], pair[1]));
        }
        self.join_others(&claimants.others, &claimants.chain);
    }

    fn between(&mut self, one: &Claimants, two: &Claimants) {
        self.join_chains(&one.chain.ranks, &two.chain.ranks);
        for (others, chain) in [(&one.others, &two.chain), (&two.others, &one.chain)] {
            self.joins += others.len();
            if self.joins <= MOST_JOINS {
                self.join_others(others, chain);
            }
        }
    }

    /// Orders each of one chain against all of another: the nearest on either side is enough, and not even that where
    /// a link of its own chain stands between.
    fn join_chains(&mut self, chain: &[u32], others: &[u32]) {
        // Looking up the few in the many.
        let (chain, others) = if others.len() <= chain.len() { (chain, others) } else { (others, chain) };
        for (place, rank) in others.iter().enumerate() {
            let at = chain.partition_point(|other| other < rank);
            if chain.get(at) == Some(rank) {
                continue;
            }
            let previous = place.checked_sub(1).map(|place| others[place]);
            if let Some(before) = at.checked_sub(1).map(|at| chain[at])
                && previous.is_none_or(|previous| previous < before)
            {
                self.pairs.insert((before, *rank));
            }
            let next = others.get(place + 1).copied();
            if let Some(after) = chain.get(at).copied()
                && next.is_none_or(|next| next > after)
            {
                self.pairs.insert((*rank, after));
            }
        }
    }

    /// Orders unlikely claimants against those of a chain that they collide with.
    fn join_others(&mut self, others: &[(u32, f64)], chain: &Chain) {
        let threshold = self.threshold;
        for (rank, probability) in others {
            let collides = |highest: f64| threshold.reached(probability * highest);
            if !collides(chain.highest.of_all()) {
                continue;
            }
            let at = chain.ranks.partition_point(|other| other < rank);
            if chain.ranks.get(at) == Some(rank) {
                // It is likelier to write the other path, and ordered by that.
                continue;
            }
            if let Some(before) = chain.highest.last_before(at, collides) {
                self.pairs.insert((chain.ranks[before], *rank));
            }
            if let Some(after) = chain.highest.first_from(at, collides) {
                self.pairs.insert((*rank, chain.ranks[after]));
            }
        }
    }
}

/// A list of numbers that tells in a logarithm of steps where the nearest is that is high enough: a tree whose nodes
/// hold the highest below them.
struct Highest {
    /// Leaves: a power of two.
    leaves: usize,
    nodes: Vec<f64>,
}

impl Highest {
    fn new(numbers: impl ExactSizeIterator<Item = f64>) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut nodes = vec![0.0; 2 * leaves];
        for (at, number) in numbers.enumerate() {
            nodes[leaves + at] = number;
        }
        for at in (1..leaves).rev() {
            nodes[at] = f64::max(nodes[2 * at], nodes[2 * at + 1]);
        }
        Self { leaves, nodes }
    }

    fn of_all(&self) -> f64 {
        self.nodes[1]
    }

    /// The last place before `end` whose number is enough. `enough` must hold for all numbers above one that it holds for.
    fn last_before(&self, end: usize, enough: impl Fn(f64) -> bool) -> Option<usize> {
        let mut at = self.leaves + end.checked_sub(1)?;
        if !enough(self.nodes[at]) {
            // Up, until a subtree on the left holds one; then down to its last.
            loop {
                if at <= 1 {
                    return None;
                }
                if at % 2 == 1 && enough(self.nodes[at - 1]) {
                    at -= 1;
                    break;
                }
                at /= 2;
            }
        }
        while at < self.leaves {
            at = 2 * at + usize::from(enough(self.nodes[2 * at + 1]));
        }
        Some(at - self.leaves)
    }

    /// The first place from `start` on whose number is enough.
    fn first_from(&self, start: usize, enough: impl Fn(f64) -> bool) -> Option<usize> {
        if start >= self.leaves {
            return None;
        }
        let mut at = self.leaves + start;
        if !enough(self.nodes[at]) {
            loop {
                if at <= 1 {
                    return None;
                }
                if at.is_multiple_of(2) && enough(self.nodes[at + 1]) {
                    at += 1;
                    break;
                }
                at /= 2;
            }
        }
        while at < self.leaves {
            at = 2 * at + usize::from(!enough(self.nodes[2 * at]));
        }
        Some(at - self.leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_that_is_high_enough_is_found() {
        for numbers in [vec![], vec![0.5], vec![0.1, 0.9, 0.3, 0.9, 0.2], vec![0.4; 8], vec![0.9, 0.0, 0.0]] {
            let highest = Highest::new(numbers.iter().copied());
            for wanted in [0.05, 0.3, 0.6, 0.95] {
                for at in 0..=numbers.len() {
                    let enough = |number: f64| number >= wanted;
                    let before = numbers[..at].iter().rposition(|number| enough(*number));
                    let after =
                        numbers[at..].iter().position(|number| enough(*number)).map(|place| at + place);
                    assert_eq!(highest.last_before(at, enough), before, "{numbers:?} {wanted} {at}");
                    assert_eq!(highest.first_from(at, enough), after, "{numbers:?} {wanted} {at}");
                }
            }
        }
    }
}
