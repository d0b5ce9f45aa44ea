use gadugi_core::{ClaimSource, Confidence};

use super::*;

fn claims(paths: &[&str]) -> Vec<PathClaim> {
    paths
        .iter()
        .map(|path| PathClaim {
            path: (*path).to_owned(),
            confidence: Confidence(90),
            evidence: String::new(),
            source: ClaimSource::Path,
        })
        .collect()
}

fn edges_of(writes: &[&[&str]], ranks: &[usize]) -> Vec<(usize, usize)> {
    let claims: Vec<Vec<PathClaim>> = writes.iter().map(|paths| claims(paths)).collect();
    let claims: Vec<&[PathClaim]> = claims.iter().map(Vec::as_slice).collect();
    let tree = Tree::new(["src/a.rs", "src/b.rs", "src/x/c.rs", "docs/a.md"]);
    edges(&claims, ranks, &HashSet::new(), &tree).into_iter().map(|(from, to, _)| (from, to)).collect()
}

#[test]
fn two_tasks_overlap_or_not() {
    for (one, other, overlap) in [
        ("src/a.rs", "src/a.rs", true),
        ("src/a.rs", "src/b.rs", false),
        ("src/a.rs", "src/*.rs", true),
        ("src/x/c.rs", "src/*.rs", false),
        ("src/x/c.rs", "src/**", true),
        ("src/x/c.rs", "src/", true),
        ("src/x/c.rs", "src", true),
        ("src/x/", "src/", true),
        ("src/", "docs/", false),
        ("src/*.rs", "src/*.md", false),
        ("src/*.rs", "**/*.rs", true),
        ("src/a*.rs", "src/b*.rs", false),
        ("new/**", "new/x/*.rs", true),
        ("new/**", "newer/**", false),
        ("new/dir", "new/dir/x.rs", true),
        ("new/dir-x", "new/dir/x.rs", false),
        ("src/{a,b}.rs", "src/b.rs", true),
        ("new/**/z.rs", "new/x*.rs", false),
        ("new/**/z.rs", "new/*.rs", true),
        ("new/**/z.rs", "new/x/z.rs", true),
        ("new/{a/b,c}", "new/**", true),
    ] {
        let expected = if overlap { vec![(0, 1)] } else { vec![] };
        assert_eq!(edges_of(&[&[one], &[other]], &[0, 1]), expected, "{one} {other}");
        assert_eq!(edges_of(&[&[other], &[one]], &[0, 1]), expected, "{other} {one}");
    }
}

#[test]
fn edges_follow_the_ranks() {
    assert_eq!(edges_of(&[&["a"], &["a"]], &[1, 0]), [(1, 0)]);
    assert_eq!(edges_of(&[&["a"], &["a"], &["a"]], &[2, 0, 1]), [(1, 2), (2, 0)]);
}

#[test]
fn folders_and_their_files_are_in_one_line() {
    // 0 and 2 want the folder, 1 and 3 files in it: each is ordered against both.
    assert_eq!(
        edges_of(&[&["src/"], &["src/a.rs"], &["src/"], &["src/b.rs"]], &[0, 1, 2, 3]),
        [(0, 1), (0, 2), (1, 2), (2, 3)]
    );
}

#[test]
fn many_tasks_that_want_one_file_are_a_chain() {
    const TASKS: usize = 5000;
    let claims = claims(&["README.md", "docs/**"]);
    let writes: Vec<&[PathClaim]> = vec![&claims; TASKS];
    let ranks: Vec<usize> = (0..TASKS).collect();
    let found = edges(&writes, &ranks, &HashSet::new(), &Tree::new(["README.md", "docs/a.md"]));
    assert_eq!(found.len(), TASKS - 1);
    assert_eq!(found[0].2, "both write README.md, docs/**");
}

#[test]
fn declared_edges_are_not_said_twice() {
    let claims = claims(&["a"]);
    let found = edges(&[&claims, &claims], &[0, 1], &HashSet::from([(0, 1)]), &Tree::new([]));
    assert_eq!(found, []);
}

#[test]
fn more_patterns_than_can_be_compared_are_a_line() {
    let paths: Vec<String> = (0..=MOST_PATTERNS).map(|n| format!("src/x{n}*.rs")).collect();
    let mut writes: Vec<Vec<PathClaim>> = paths.iter().map(|path| claims(&[path])).collect();
    writes.push(claims(&["src/x7.rs"]));
    writes.push(claims(&["docs/a.md"]));
    let slices: Vec<&[PathClaim]> = writes.iter().map(Vec::as_slice).collect();
    let ranks: Vec<usize> = (0..slices.len()).collect();
    let found = edges(&slices, &ranks, &HashSet::new(), &Tree::new(["src/a.rs"]));
    // All but the last, each behind the one before.
    assert_eq!(found.len(), MOST_PATTERNS + 1);
    assert!(found.iter().all(|(from, to, _)| from + 1 == *to));
    assert_eq!(found[0].2, "both write files of 2001 patterns, too many to compare");
}
