//! Which folders and patterns can mean one file with which others.

use gadugi_core::pattern::{fixed, glob, is_pattern};
use globset::{GlobMatcher, GlobSetBuilder};

use super::items::Item;
use crate::tree::Tree;

/// Different patterns of one plan, at most, that are told apart: comparing them takes two million steps, and compiling
/// them half a second.
pub(super) const MOST_PATTERNS: usize = 2000;

/// A folder is a pattern for all that is in it.
fn as_glob(path: &str) -> String {
    if is_pattern(path) { path.to_owned() } else { format!("{}/**", path.trim_end_matches('/')) }
}

/// Pairs of a pattern and a file that it fits, by their places among the items.
pub(super) fn with_files(items: &[Item<'_>], mut meet: impl FnMut(usize, usize)) {
    let mut set = GlobSetBuilder::new();
    // What does not compile was refused when it was read; a brace that a path happens to hold is no pattern then.
    let usable: Vec<usize> = (0..items.len())
        .filter(|at| items[*at].pattern)
        .filter(|at| glob(&as_glob(items[*at].path)).map(|glob| set.add(glob)).is_ok())
        .collect();
    if usable.is_empty() {
        return;
    }
    let Ok(set) = set.build() else { return };
    let mut matches = Vec::new();
    for (at, file) in items.iter().enumerate().filter(|(_, item)| !item.pattern) {
        set.matches_into(file.path, &mut matches);
        for pattern in &matches {
            meet(usable[*pattern], at);
        }
    }
}

/// A path that is not there yet can be a folder: another path below it says so. Items are sorted by path.
pub(super) fn inside(items: &[Item<'_>], mut meet: impl FnMut(usize, usize)) {
    // Those that every next one could lie in, the outermost first.
    for (at, folder) in items.iter().enumerate().filter(|(_, item)| !item.pattern) {
        // Between a path and what is below it stand others ("a-b" before "a/b"), so the start is looked for.
        let next = items.get(at + 1).map_or("", |next| next.path);
        if !next.starts_with(folder.path) {
            continue;
        }
        let prefix = format!("{}/", folder.path);
        let from = at + 1 + items[at + 1..].partition_point(|item| item.path < prefix.as_str());
        let below = items[from..].iter().enumerate().take_while(|(_, item)| item.path.starts_with(&prefix));
        for (place, _) in below.filter(|(_, item)| !item.pattern) {
            meet(at, from + place);
        }
    }
}

/// A pattern, and what no other can contradict if the two are to fit one path.
struct Shape {
    item: usize,
    /// What stands before its first sign.
    start: String,
    /// Its last part, and a matcher of it.
    name: String,
    names: GlobMatcher,
    /// Places in the tree of the files that it fits, sorted.
    fits: Vec<u32>,
}

/// Pairs of patterns that can fit one path.
pub(super) fn with_patterns(items: &[Item<'_>], tree: &Tree<'_>, mut meet: impl FnMut(usize, usize)) {
    let patterns = items.iter().enumerate().filter(|(_, item)| item.pattern);
    let mut shapes: Vec<Shape> = patterns.filter_map(|(at, item)| shape(at, item.path)).collect();
    if shapes.len() < 2 {
        return;
    }
    fit(&mut shapes, items, tree);
    shapes.sort_by(|a, b| a.start.cmp(&b.start));
    for (at, shape) in shapes.iter().enumerate() {
        // Sorted, those that begin as this one does follow it.
        for other in shapes[at + 1..].iter().take_while(|other| other.start.starts_with(&shape.start)) {
            if overlap(shape, other) {
                meet(shape.item, other.item);
            }
        }
    }
}

/// Whether two patterns of which one begins as the other does fit one path: one of the tree; or a new one, where the
/// tree has none for one of them.
fn overlap(one: &Shape, two: &Shape) -> bool {
    let (few, many) = if one.fits.len() <= two.fits.len() { (one, two) } else { (two, one) };
    if few.fits.iter().any(|file| many.fits.binary_search(file).is_ok()) {
        return true;
    }
    (one.fits.is_empty() || two.fits.is_empty()) && names_can_meet(one, two)
}

fn names_can_meet(one: &Shape, two: &Shape) -> bool {
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

fn shape(item: usize, path: &str) -> Option<Shape> {
    let pattern = as_glob(path);
    let start = fixed(&pattern).0.to_owned();
    // A slash within braces or brackets divides nothing: then the whole rest counts as one open name.
    let name = pattern.rsplit('/').next().unwrap_or_default().to_owned();
    let (name, names) = match glob(&name) {
        Ok(names) => (name, names.compile_matcher()),
        Err(_) => ("**".to_owned(), glob("**").ok()?.compile_matcher()),
    };
    Some(Shape { item, start, name, names, fits: Vec::new() })
}

/// Finds the files that each pattern fits, with one pass over the tree.
fn fit(shapes: &mut [Shape], items: &[Item<'_>], tree: &Tree<'_>) {
    let mut set = GlobSetBuilder::new();
    for shape in shapes.iter() {
        // Each compiled once before, in `with_files`; what does not compile there fits nothing here.
        match glob(&as_glob(items[shape.item].path)) {
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
