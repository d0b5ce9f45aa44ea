//! Which tasks want one file, how sure that is, and in what order they get it.
//!
//! Each task expects to write some paths, each with a probability: what its prompt or its `touches:` names (a folder and a
//! pattern are expectations too), and what the prediction adds. The confidence that two tasks collide is made of the
//! products of what both give to each file (`predict::collision`); where it reaches the threshold, the two run one after the other.
//!
//! Every edge goes forward in one order of all tasks (`order::ranks`), which already holds what the prompts declare: so
//! no edge contradicts a declared one, and together they form no circle. Each edge joins two tasks that collide, and
//! whoever collides is ordered by a path of edges (`chains` says why): 5,000 prompts that want one file have 4,999 edges
//! between them, not 12.5 million, and of files that everybody may perhaps write there are none.

mod chains;
mod items;
mod patterns;
mod shared;
mod sums;

use std::collections::{BTreeSet, HashMap, HashSet};

use gadugi_core::{ClaimSource, Confidence, PathClaim};

use crate::tree::Tree;
use items::Items;
pub use shared::{Overlap, Shared, Side};

/// From which confidence on two tasks collide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold(f64);

impl Default for Threshold {
    /// Where waiting is worth it. To take two tasks one after the other costs the shorter one's time wherever a slot would have
    /// been free; that both write one file costs, where they also meet in its lines, another turn of one agent. So a plan
    /// orders later than [`crate::predict::COLLISION`] foretells: from where two prompts that both but name a file stand
    /// (60 % each).
    fn default() -> Self {
        Self::percent(35)
    }
}

impl Threshold {
    /// From percent; 0 counts as 1, since a collision of no confidence is none, and more than 100 as 100.
    pub fn percent(percent: u8) -> Self {
        Self(f64::from(percent.clamp(1, 100)) / 100.0)
    }

    /// In percent.
    pub fn as_percent(self) -> u8 {
        percent(self.0).0
    }

    /// Whether a confidence (0 to 1) reaches it. Seven tenths of a half are 35 percent, whatever floats make of them.
    fn reached(self, confidence: f64) -> bool {
        confidence + 1e-9 >= self.0
    }
}

/// A path that a task may write, and how likely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected<'a> {
    /// A file, a folder (with a slash behind it where it is not there yet) or a pattern, from the repository's root.
    pub path: &'a str,
    /// 0 to 1.
    pub probability: f64,
    /// The rule that says so.
    pub source: ClaimSource,
    /// What gave it.
    pub evidence: &'a str,
}

impl<'a> From<&'a PathClaim> for Expected<'a> {
    fn from(claim: &'a PathClaim) -> Self {
        Self {
            path: &claim.path,
            probability: claim.confidence.probability(),
            source: claim.source,
            evidence: &claim.evidence,
        }
    }
}

/// In whole percent, of which none is given: what is shown as 35 percent reaches 35 percent.
pub(crate) fn percent(probability: f64) -> Confidence {
    Confidence((probability.clamp(0.0, 1.0) * 100.0 + 1e-7).floor() as u8)
}

/// What all tasks of a plan expect to write, made ready for questions.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    items: Items<'a>,
    threshold: Threshold,
}

/// Two tasks that are to be taken one after the other: earlier and later by index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collision {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) confidence: Confidence,
    /// What both write, in words.
    pub(crate) evidence: String,
}

impl<'a> Field<'a> {
    /// Takes what each task expects. Where one names a path twice, the likelier counts.
    pub(crate) fn new(tasks: &[Vec<Expected<'a>>], tree: &Tree<'_>, threshold: Threshold) -> Self {
        Self { items: Items::new(tasks, tree), threshold }
    }

    /// The edges that put tasks that collide in the order of their ranks, but for those pairs that are ordered already.
    pub(crate) fn edges(&self, ranks: &[usize], declared: &HashSet<(usize, usize)>) -> Vec<Collision> {
        let mut task_of = vec![0; ranks.len()];
        for (task, rank) in ranks.iter().enumerate() {
            task_of[*rank] = task;
        }
        let pairs = match &self.items.uncomparable {
            None => {
                let pairs = chains::pairs(&self.items, ranks, self.threshold);
                sums::add(&self.items, ranks, self.threshold, pairs)
            }
            Some(_) => chains::line(&self.items, ranks, self.threshold),
        };
        let ordered = pairs.into_iter().map(|(from, to)| (task_of[from as usize], task_of[to as usize]));
        ordered
            .filter(|(from, to)| from != to && !declared.contains(&(*from, *to)))
            .map(|(from, to)| {
                let (confidence, evidence) = shared::words(&self.items, from, to, self.threshold);
                Collision { from, to, confidence, evidence }
            })
            .collect()
    }

    /// What two tasks may both write, the likeliest first and at most so many of them; none where there is nothing.
    pub(crate) fn between(&self, a: usize, b: usize, most: usize) -> Option<Overlap> {
        shared::between(&self.items, a, b, most)
    }
}

/// Groups of tasks that collisions connect, each sorted, by their first tasks.
pub(crate) fn groups(tasks: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..tasks).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    for (a, b) in pairs {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        parent[a.max(b)] = a.min(b);
    }
    let mut members: HashMap<usize, BTreeSet<usize>> = HashMap::new();
    for task in 0..tasks {
        members.entry(root(&mut parent, task)).or_default().insert(task);
    }
    let mut groups: Vec<Vec<usize>> = members
        .into_values()
        .filter(|group| group.len() > 1)
        .map(|group| group.into_iter().collect())
        .collect();
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests;
