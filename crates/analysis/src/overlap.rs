//! Which tasks want one file, and in what order they get it.
//!
//! Every edge goes forward in one order of all tasks (`order::ranks`), which already holds what the prompts declare: so
//! no edge contradicts a declared one, and together they form no circle. Tasks that want one file are chained, each to
//! the next: 5,000 prompts that want one file have 4,999 edges between them, not 12.5 million.

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
    if patterns.len() <= MOST_PATTERNS {
        patterns_and_files(&patterns, &files, &mut chains);
        patterns_and_patterns(&patterns, tree, &mut chains);
    } else {
        all_in_a_line(&patterns, &files, &mut chains);
    }
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

/// A pattern, and what no other can contradict if the two are to fit one path.
struct Shape<'a> {
    wanted: &'a Wanted<'a>,
    /// What stands before its first sign.
    start: String,
    /// Its last part, and a matcher of it.
    name: String,
    names: GlobMatcher,
    /// Places in the tree of the files that it fits, sorted.
    fits: Vec<u32>,
}

/// Different patterns of one plan, at most, that are told apart: comparing them takes two million steps, and compiling
/// them half a second.
const MOST_PATTERNS: usize = 2000;

fn patterns_and_patterns(patterns: &[Wanted<'_>], tree: &Tree<'_>, chains: &mut Chains) {
    let mut shapes: Vec<Shape<'_>> = patterns.iter().filter_map(shape).collect();
    fit(&mut shapes, tree);
    shapes.sort_by(|a, b| a.start.cmp(&b.start));
    for (at, shape) in shapes.iter().enumerate() {
        // Sorted, those that begin as this one does follow it.
        for other in shapes[at + 1..].iter().take_while(|other| other.start.starts_with(&shape.start)) {
            if overlap(shape, other) {
                let (one, two) = (shape.wanted, other.wanted);
                chains.join(&one.ranks, &two.ranks, || format!("{} and {}", one.path, two.path));
            }
        }
    }
}

/// Where there are too many patterns to tell apart, order is the safe guess: for all tasks that have one, and all whose
/// files begin as one of them does.
fn all_in_a_line(patterns: &[Wanted<'_>], files: &[Wanted<'_>], chains: &mut Chains) {
    let starts: BTreeSet<&str> = patterns.iter().map(|pattern| fixed(pattern.path).0).collect();
    // Every beginning of the path is looked up, so that the cost is that of the paths and not of the patterns.
    let may_fit =
        |path: &str| (0..=path.len()).filter_map(|end| path.get(..end)).any(|start| starts.contains(start));
    let meant = patterns.iter().chain(files.iter().filter(|file| may_fit(file.path)));
    let ranks: BTreeSet<usize> = meant.flat_map(|wanted| wanted.ranks.iter().copied()).collect();
    let ranks: Vec<usize> = ranks.into_iter().collect();
    for pair in ranks.windows(2) {
        chains.add(pair[0], pair[1], || format!("files of {} patterns, too many to compare", patterns.len()));
    }
}

/// Whether two patterns of which one begins as the other does fit one path: one of the tree; or a new one, where the
/// tree has none for one of them.
fn overlap(one: &Shape<'_>, two: &Shape<'_>) -> bool {
    if one.fits.iter().any(|file| two.fits.binary_search(file).is_ok()) {
        return true;
    }
    (one.fits.is_empty() || two.fits.is_empty()) && names_can_meet(one, two)
}

fn names_can_meet(one: &Shape<'_>, two: &Shape<'_>) -> bool {
    if one.name == "**" || two.name == "**" {
        return true;
    }
    match (is_pattern(&one.name), is_pattern(&two.name)) {
        (false, false) => one.name == two.name,
        (false, true) => two.names.is_match(&one.name),
        (true, false) => one.names.is_match(&two.name),
        (true, true) => {
            let (a, b) = (fixed(&one.name), fixed(&two.name));
            (a.0.starts_with(b.0) || b.0.starts_with(a.0)) && (a.1.ends_with(b.1) || b.1.ends_with(a.1))
        }
    }
}

const SIGNS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// What a name's pattern begins and ends with.
fn fixed(name: &str) -> (&str, &str) {
    let start = name.find(SIGNS).unwrap_or(name.len());
    let end = name.rfind(SIGNS).map_or(0, |at| at + 1);
    (&name[..start], &name[end..])
}

fn shape<'a>(wanted: &'a Wanted<'a>) -> Option<Shape<'a>> {
    let pattern = as_glob(wanted.path);
    let start = fixed(&pattern).0.to_owned();
    // A slash within braces or brackets divides nothing: then the whole rest counts as one open name.
    let name = pattern.rsplit('/').next().unwrap_or_default().to_owned();
    let (name, names) = match glob(&name) {
        Ok(names) => (name, names.compile_matcher()),
        Err(_) => ("**".to_owned(), glob("**").ok()?.compile_matcher()),
    };
    Some(Shape { wanted, start, name, names, fits: Vec::new() })
}

/// Finds the files that each pattern fits, with one pass over the tree.
fn fit(shapes: &mut [Shape<'_>], tree: &Tree<'_>) {
    let mut set = GlobSetBuilder::new();
    for shape in shapes.iter() {
        // Each compiled once before, in `patterns_and_files`; what does not compile there fits nothing here.
        match glob(&as_glob(shape.wanted.path)) {
            Ok(pattern) => set.add(pattern),
            Err(_) => return,
        };
    }
    let Ok(set) = set.build() else { return };
    let mut matches = Vec::new();
    for (place, file) in (0_u32..).zip(tree.files()) {
        set.matches_into(file, &mut matches);
        for at in &matches {
            shapes[*at].fits.push(place);
        }
    }
}

#[cfg(test)]
mod tests;
