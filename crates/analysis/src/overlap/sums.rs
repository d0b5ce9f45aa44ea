//! Pairs that no single path makes collide, and all that they share does.
//!
//! Whoever shares a path is looked at, pair by pair. That is quadratic in the claimants of a path, so it is done for the
//! rarest paths, as many as there is time for ([`MOST_MEETINGS`]): in plans of a thousand tasks these are all. Of a path
//! that is left out the two probabilities count only beside a rarer one, or by themselves (`chains`): ten thousand tasks
//! that may all write the same three files at 40 % are not put in line for it.

use super::Threshold;
use super::items::Items;
use super::shared;
use crate::order::Reach;

/// Meetings of two claimants at one path, at most, each a few nanoseconds.
const MOST_MEETINGS: usize = 2_000_000;
/// Pairs, at most, of which everything that they share is added up, each up to a microsecond.
const MOST_PAIRS: usize = 500_000;

/// The claimants of each path that is looked at, by rank; none of the others.
struct Rare {
    claimants: Vec<Option<Vec<(u32, f64)>>>,
    /// For each path the highest probability that anybody gives it.
    highest: Vec<f64>,
}

/// Adds to `edges` (pairs of ranks, earlier and later) what orders those pairs too. In a plan so large that nobody can tell
/// whom edges order already, no sums are made.
pub(super) fn add(
    items: &Items<'_>,
    ranks: &[usize],
    threshold: Threshold,
    edges: Vec<(u32, u32)>,
) -> Vec<(u32, u32)> {
    let tasks = ranks.len();
    let Some(mut ordered) = Reach::new(tasks) else { return edges };
    let mut task_of = vec![0; tasks];
    for (task, rank) in ranks.iter().enumerate() {
        task_of[*rank] = task;
    }
    let rare = Rare::new(items, ranks);
    let mut after: Vec<Vec<u32>> = vec![Vec::new(); tasks];
    for (from, to) in &edges {
        after[*from as usize].push(*to);
    }
    let mut edges = edges;
    let mut sums = Sums { of: vec![0.0; tasks], touched: Vec::new() };
    let mut left = MOST_PAIRS;
    // From the last: what a task reaches is known when those before it are looked at.
    for from in (0..tasks).rev() {
        for to in &after[from] {
            ordered.follow(from, *to as usize);
        }
        let all = rare.gather(items, task_of[from], from as u32, &mut sums);
        sums.touched.sort_unstable();
        for to in std::mem::take(&mut sums.touched) {
            let sum = std::mem::take(&mut sums.of[to as usize]);
            if left == 0
                || ordered.reaches(from, to as usize)
                || !threshold.reached(1.0 - (-(sum + all)).exp())
            {
                continue;
            }
            left -= 1;
            let confidence = shared::confidence(items, task_of[from], task_of[to as usize]);
            if threshold.reached(confidence) {
                ordered.follow(from, to as usize);
                edges.push((from as u32, to));
            }
        }
    }
    edges.sort_unstable();
    edges
}

impl Rare {
    fn new(items: &Items<'_>, ranks: &[usize]) -> Self {
        let mut by_count: Vec<usize> = (0..items.all.len()).collect();
        by_count.sort_by_key(|at| (items.all[*at].claimants.len(), *at));
        let mut left = MOST_MEETINGS;
        let mut rare = Self { claimants: vec![None; items.all.len()], highest: Vec::new() };
        for at in by_count {
            let claimants = &items.all[at].claimants;
            let meetings = claimants.len().saturating_mul(claimants.len()) / 2;
            let Some(rest) = left.checked_sub(meetings) else { break };
            left = rest;
            let mut by_rank: Vec<(u32, f64)> = claimants
                .iter()
                .map(|(task, probability)| (ranks[*task as usize] as u32, *probability))
                .collect();
            by_rank.sort_unstable_by_key(|(rank, _)| *rank);
            rare.claimants[at] = Some(by_rank);
        }
        let highest = |claimants: &[(u32, f64)]| claimants.iter().map(|(_, one)| *one).fold(0.0, f64::max);
        rare.highest = items.all.iter().map(|item| highest(&item.claimants)).collect();
        rare
    }

    /// Adds up what a task shares with each later one on rare paths, and gives the most that the other paths could add. Sums
    /// are of logarithms: the chance that nothing of it comes true is the product over the paths.
    fn gather(&self, items: &Items<'_>, task: usize, rank: u32, sums: &mut Sums) -> f64 {
        let mut others = 0.0;
        for claim in &items.of_task[task] {
            let at = claim.item as usize;
            let Some(claimants) = &self.claimants[at] else {
                others += weight(claim.probability * self.highest[at]);
                continue;
            };
            let later = claimants.partition_point(|(other, _)| *other <= rank);
            for (other, probability) in &claimants[later..] {
                let sum = &mut sums.of[*other as usize];
                if *sum == 0.0 {
                    sums.touched.push(*other);
                }
                *sum += weight(claim.probability * probability);
            }
        }
        others
    }
}

/// How much a product of probabilities takes from the chance that the two do not collide.
fn weight(product: f64) -> f64 {
    -(-product.min(1.0 - 1e-12)).ln_1p()
}

/// A number for each rank, and which of them are not zero.
struct Sums {
    of: Vec<f64>,
    touched: Vec<u32>,
}
