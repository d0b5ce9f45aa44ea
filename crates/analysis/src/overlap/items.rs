//! The paths that tasks expect to write, each with who expects it, and which of them can mean one file.

use std::collections::BTreeSet;

use gadugi_core::ClaimSource;
use gadugi_core::pattern::{fixed, is_pattern};
use hashbrown::HashMap;

use super::{Expected, patterns};
use crate::tree::Tree;

/// Pairs of different paths that can mean one file, at most: some 16 MiB. Where there are more, a pattern fits nearly
/// everything that anybody writes, and those who have patterns are taken in one line.
const MOST_MEETINGS: usize = 2_000_000;

/// One path, and who expects to write it.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) path: &'a str,
    /// Whether it is a folder or a pattern.
    pub(super) pattern: bool,
    /// Tasks and their probabilities, by task.
    pub(super) claimants: Vec<(u32, f64)>,
}

/// What one task expects of an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) item: u32,
    pub(super) probability: f64,
    pub(super) source: ClaimSource,
    pub(super) evidence: &'a str,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Items<'a> {
    /// Sorted by path.
    pub(super) all: Vec<Item<'a>>,
    /// What each task expects, sorted by item.
    pub(super) of_task: Vec<Vec<Claim<'a>>>,
    /// For each item the others that can mean the same file, sorted.
    pub(super) meets: Vec<Vec<u32>>,
    /// Set where patterns were too many to compare: the items that may meet others.
    pub(super) uncomparable: Option<Uncomparable>,
}

/// Where there are too many patterns to tell apart.
#[derive(Debug)]
pub(super) struct Uncomparable {
    /// How many patterns there are.
    pub(super) patterns: usize,
    /// Items, by place: all patterns, and the files that begin as one of them does.
    pub(super) items: BTreeSet<u32>,
}

impl<'a> Items<'a> {
    pub(super) fn new(tasks: &[Vec<Expected<'a>>], tree: &Tree<'_>) -> Self {
        let mut place: HashMap<&'a str, u32> = HashMap::new();
        let mut paths: Vec<&'a str> = Vec::new();
        for path in tasks.iter().flatten().map(|expected| expected.path) {
            place.entry(path).or_insert_with(|| {
                paths.push(path);
                0
            });
        }
        paths.sort_unstable();
        for (at, path) in (0_u32..).zip(&paths) {
            place.insert(path, at);
        }
        let mut all: Vec<Item<'a>> = paths
            .into_iter()
            .map(|path| {
                let pattern = is_pattern(path) || path.ends_with('/') || tree.has_folder(path);
                Item { path, pattern, claimants: Vec::new() }
            })
            .collect();
        let of_task: Vec<Vec<Claim<'a>>> = tasks.iter().map(|expected| claims(expected, &place)).collect();
        for (task, claims) in (0_u32..).zip(&of_task) {
            for claim in claims {
                all[claim.item as usize].claimants.push((task, claim.probability));
            }
        }
        let mut items = Self { meets: Vec::new(), all, of_task, uncomparable: None };
        items.meet(tree);
        items
    }

    /// Finds out which different items can mean one file.
    fn meet(&mut self, tree: &Tree<'_>) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let all = &self.all;
        patterns::inside(all, |one, other| pairs.push((one as u32, other as u32)));
        let inside = pairs.len();
        let count = all.iter().filter(|item| item.pattern).count();
        let mut add = |one: usize, other: usize| {
            // One more than there may be tells that there are too many.
            if pairs.len() <= MOST_MEETINGS {
                pairs.push((one as u32, other as u32));
            }
        };
        if count <= patterns::MOST_PATTERNS {
            patterns::with_files(all, &mut add);
            patterns::with_patterns(all, tree, &mut add);
        }
        if count > patterns::MOST_PATTERNS || pairs.len() > MOST_MEETINGS {
            pairs.truncate(inside.min(MOST_MEETINGS));
            self.uncomparable = Some(Uncomparable { patterns: count, items: may_meet(all) });
        }
        let mut meets = vec![Vec::new(); self.all.len()];
        for (one, other) in pairs {
            meets[one as usize].push(other);
            meets[other as usize].push(one);
        }
        for list in &mut meets {
            list.sort_unstable();
            list.dedup();
        }
        self.meets = meets;
    }

    /// Whether two different items can mean one file.
    pub(super) fn may_be_one(&self, one: u32, other: u32) -> bool {
        self.meets[one as usize].binary_search(&other).is_ok()
    }
}

/// What a task expects, each item once, as likely as it is said anywhere.
fn claims<'a>(expected: &[Expected<'a>], place: &HashMap<&'a str, u32>) -> Vec<Claim<'a>> {
    let mut claims: Vec<Claim<'a>> = expected
        .iter()
        .filter(|one| one.probability > 0.0)
        .map(|one| Claim {
            item: place[one.path],
            probability: one.probability.min(1.0),
            source: one.source,
            evidence: one.evidence,
        })
        .collect();
    claims.sort_by(|a, b| a.item.cmp(&b.item).then(b.probability.total_cmp(&a.probability)));
    claims.dedup_by_key(|claim| claim.item);
    claims
}

/// All patterns, and the files whose paths begin as one of them does.
fn may_meet(all: &[Item<'_>]) -> BTreeSet<u32> {
    let patterns = all.iter().filter(|item| item.pattern);
    let starts: BTreeSet<&str> = patterns.map(|item| fixed(item.path).0).collect();
    // Every beginning of the path is looked up, so that the cost is that of the paths and not of the patterns.
    let may_fit =
        |path: &str| (0..=path.len()).filter_map(|end| path.get(..end)).any(|start| starts.contains(start));
    (0_u32..).zip(all).filter(|(_, item)| item.pattern || may_fit(item.path)).map(|(at, _)| at).collect()
}
