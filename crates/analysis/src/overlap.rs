//! Which tasks want one file, and in what order they get it.
//!
//! Every edge goes forward in one order of all tasks (`order::ranks`), which already holds what the prompts declare: so
//! no edge contradicts a declared one, and together they form no circle. Tasks that want one file are chained, each to
//! the next: 5,000 prompts that want one file have 4,999 edges between them, not 12.5 million.

use std::collections::{BTreeMap, HashMap, HashSet};

use gadugi_core::PathClaim;
use globset::{GlobMatcher, GlobSetBuilder};

use crate::tree::{Tree, glob, is_pattern};

/// Files that the evidence of one edge names before it counts the rest.
const MOST_NAMED: usize = 3;

/// A path, folder or pattern that tasks will write, with their ranks in order.
struct Wanted<'a> {
    path: &'a str,
    ranks: Vec<usize>,
}

/// Edges between tasks whose writes overlap: earlier and later task by index, and what both write.
pub(crate) fn edges(
    writes: &[&[PathClaim]],
    ranks: &[usize],
    declared: &HashSet<(usize, usize)>,
    tree: &Tree<'_>,
) -> Vec<(usize, usize, String)> {
    let mut by_path: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (task, claims) in writes.iter().enumerate() {
        for claim in *claims {
            by_path.entry(claim.path.as_str()).or_default().push(ranks[task]);
        }
    }
    let mut files = Vec::new();
    let mut patterns = Vec::new();
    for (path, mut ranks) in by_path {
        ranks.sort_unstable();
        ranks.dedup();
        let wanted = Wanted { path, ranks };
        if is_pattern(path) || path.ends_with('/') || tree.has_folder(path) {
            patterns.push(wanted);
        } else {
            files.push(wanted);
        }
    }
    let mut chains = Chains::default();
    for wanted in files.iter().chain(&patterns) {
        for pair in wanted.ranks.windows(2) {
            chains.add(pair[0], pair[1], || wanted.path.to_owned());
        }
    }
    for (at, file) in files.iter().enumerate() {
        inside(&files, at, &mut chains, file);
    }
    patterns_and_files(&patterns, &files, &mut chains);
    patterns_and_patterns(&patterns, tree, &mut chains);
    chains.finish(ranks, declared)
}

/// The edges so far, by ranks, and what both ends write.
#[derive(Default)]
struct Chains {
    found: BTreeMap<(usize, usize), (Vec<String>, usize)>,
}

impl Chains {
    fn add(&mut self, from: usize, to: usize, what: impl FnOnce() -> String) {
        let (named, count) = self.found.entry((from, to)).or_default();
        *count += 1;
        if named.len() < MOST_NAMED {
            let what = what();
            if !named.contains(&what) {
                named.push(what);
            }
        }
    }

    /// Orders each of some tasks against all of some others. Both are chains already, so the nearest on either side is
    /// enough, and not even that where a link of its own chain stands between.
    fn join(&mut self, chain: &[usize], others: &[usize], what: impl Fn() -> String) {
        for (place, rank) in others.iter().enumerate() {
            let at = chain.partition_point(|other| other < rank);
            if chain.get(at) == Some(rank) {
                continue;
            }
            let previous = place.checked_sub(1).map(|place| others[place]);
            if let Some(before) = at.checked_sub(1).map(|at| chain[at])
                && previous.is_none_or(|previous| previous < before)
            {
                self.add(before, *rank, &what);
            }
            let next = others.get(place + 1).copied();
            if let Some(after) = chain.get(at).copied()
                && next.is_none_or(|next| next > after)
            {
                self.add(*rank, after, &what);
            }
        }
    }

    fn finish(self, ranks: &[usize], declared: &HashSet<(usize, usize)>) -> Vec<(usize, usize, String)> {
        let mut task_of = vec![0; ranks.len()];
        for (task, rank) in ranks.iter().enumerate() {
            task_of[*rank] = task;
        }
        let ordered = self.found.into_iter().map(|((from, to), why)| (task_of[from], task_of[to], why));
        ordered
            .filter(|(from, to, _)| from != to && !declared.contains(&(*from, *to)))
            .map(|(from, to, (named, count))| {
                let more = count.saturating_sub(named.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                (from, to, format!("both write {}{more}", named.join(", ")))
            })
            .collect()
    }
}

/// A path that is not there yet can be a folder: another path below it says so. Paths are sorted.
fn inside(files: &[Wanted<'_>], at: usize, chains: &mut Chains, folder: &Wanted<'_>) {
    let prefix = format!("{}/", folder.path);
    // Between a path and what is below it stand others ("a-b" before "a/b"), so the start is looked for.
    let from = at + 1 + files[at + 1..].partition_point(|file| file.path < prefix.as_str());
    for file in files[from..].iter().take_while(|file| file.path.starts_with(&prefix)) {
        chains.join(&folder.ranks, &file.ranks, || file.path.to_owned());
    }
}

/// A folder is a pattern for all that is in it.
fn as_glob(path: &str) -> String {
    if is_pattern(path) { path.to_owned() } else { format!("{}/**", path.trim_end_matches('/')) }
}

fn patterns_and_files(patterns: &[Wanted<'_>], files: &[Wanted<'_>], chains: &mut Chains) {
    let mut set = GlobSetBuilder::new();
    // What does not compile was refused when it was read; a brace that a path happens to hold is no pattern then.
    let usable: Vec<&Wanted<'_>> = patterns
        .iter()
        .filter(|pattern| {
            let glob = glob(&as_glob(pattern.path));
            glob.map(|glob| set.add(glob)).is_ok()
        })
        .collect();
    let Ok(set) = set.build() else { return };
    let mut matches = Vec::new();
    for file in files {
        set.matches_into(file.path, &mut matches);
        for at in &matches {
            chains.join(&usable[*at].ranks, &file.ranks, || format!("{} ({})", file.path, usable[*at].path));
        }
    }
}

/// A pattern's beginning and end that no other can contradict if the two are to fit one path.
struct Shape<'a> {
    wanted: &'a Wanted<'a>,
    matcher: GlobMatcher,
    start: String,
    end: String,
}

fn patterns_and_patterns(patterns: &[Wanted<'_>], tree: &Tree<'_>, chains: &mut Chains) {
    let mut shapes: Vec<Shape<'_>> = patterns.iter().filter_map(shape).collect();
    shapes.sort_by(|a, b| a.start.cmp(&b.start));
    let mut fits: HashMap<usize, Vec<&str>> = HashMap::new();
    for (at, shape) in shapes.iter().enumerate() {
        // Sorted, those that begin as this one does follow it.
        let others = shapes[at + 1..]
            .iter()
            .enumerate()
            .take_while(|(_, other)| other.start.starts_with(&shape.start));
        for (offset, other) in others {
            let possible = shape.end.ends_with(&other.end) || other.end.ends_with(&shape.end);
            if !possible {
                continue;
            }
            let mine = fits
                .entry(at)
                .or_insert_with(|| tree.files().filter(|file| shape.matcher.is_match(file)).collect());
            let shared = mine.iter().any(|file| other.matcher.is_match(file));
            // Where the tree does not show it, new files can still be wanted by both.
            let unseen = || mine.is_empty() || !tree.files().any(|file| other.matcher.is_match(file));
            if shared || unseen() {
                let other = shapes[at + 1 + offset].wanted;
                chains.join(&shape.wanted.ranks, &other.ranks, || {
                    format!("{} and {}", shape.wanted.path, other.path)
                });
            }
        }
        fits.remove(&at);
    }
}

fn shape<'a>(wanted: &'a Wanted<'a>) -> Option<Shape<'a>> {
    let pattern = as_glob(wanted.path);
    let matcher = glob(&pattern).ok()?.compile_matcher();
    let meta = |c: char| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\');
    let start = pattern.find(meta).map_or(pattern.as_str(), |at| &pattern[..at]).to_owned();
    let end = pattern.rfind(meta).map_or("", |at| &pattern[at + 1..]).to_owned();
    // `a/**/b` also fits `a/b`: what is fixed at the end is the name alone.
    let end = end.rsplit('/').next().unwrap_or_default().to_owned();
    // `{a,b}c` and `a**` end as they please; what stands behind a brace or star is fixed all the same.
    Some(Shape { wanted, matcher, start, end })
}

#[cfg(test)]
mod tests;
