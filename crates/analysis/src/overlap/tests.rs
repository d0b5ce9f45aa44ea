use gadugi_core::ClaimSource;
use proptest::prelude::*;

use super::*;

/// As sure as prompts' words are.
const NAMED: f64 = 0.9;
/// What the tests collide at.
const THRESHOLD: f64 = 0.35;

fn wants<'a>(paths: &[(&'a str, f64)]) -> Vec<Expected<'a>> {
    paths
        .iter()
        .map(|(path, probability)| Expected {
            path,
            probability: *probability,
            source: ClaimSource::Path,
            evidence: "",
        })
        .collect()
}

fn named<'a>(paths: &[&'a str]) -> Vec<Expected<'a>> {
    wants(&paths.iter().map(|path| (*path, NAMED)).collect::<Vec<_>>())
}

fn tree() -> Tree<'static> {
    Tree::new(["src/a.rs", "src/b.rs", "src/x/c.rs", "docs/a.md"])
}

fn collisions(tasks: &[Vec<Expected<'_>>], ranks: &[usize]) -> Vec<Collision> {
    Field::new(tasks, &tree(), Threshold(THRESHOLD)).edges(ranks, &HashSet::new())
}

fn edges_of(writes: &[&[&str]], ranks: &[usize]) -> Vec<(usize, usize)> {
    let tasks: Vec<_> = writes.iter().map(|paths| named(paths)).collect();
    collisions(&tasks, ranks).into_iter().map(|edge| (edge.from, edge.to)).collect()
}

fn in_turn(tasks: &[Vec<Expected<'_>>]) -> Vec<(usize, usize)> {
    let ranks: Vec<usize> = (0..tasks.len()).collect();
    collisions(tasks, &ranks).into_iter().map(|edge| (edge.from, edge.to)).collect()
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
    let tasks = vec![wants(&[("README.md", 1.0), ("docs/**", 1.0)]); TASKS];
    let ranks: Vec<usize> = (0..TASKS).collect();
    let found = collisions(&tasks, &ranks);
    assert_eq!(found.len(), TASKS - 1);
    assert_eq!(found[0].evidence, "both write README.md, docs/**");
    assert_eq!(found[0].confidence.0, 100);
}

#[test]
fn declared_edges_are_not_said_twice() {
    let tasks = [named(&["a"]), named(&["a"])];
    let field = Field::new(&tasks, &Tree::new([]), Threshold(THRESHOLD));
    assert_eq!(field.edges(&[0, 1], &HashSet::from([(0, 1)])), []);
}

#[test]
fn more_patterns_than_can_be_compared_are_a_line() {
    let count = patterns::MOST_PATTERNS;
    let paths: Vec<String> = (0..=count).map(|n| format!("src/x{n}*.rs")).collect();
    let mut tasks: Vec<Vec<Expected<'_>>> = paths.iter().map(|path| named(&[path])).collect();
    tasks.push(named(&["src/x7.rs"]));
    tasks.push(wants(&[("src/x8.rs", 0.2)]));
    tasks.push(named(&["docs/a.md"]));
    let ranks: Vec<usize> = (0..tasks.len()).collect();
    let found = collisions(&tasks, &ranks);
    // All but the unlikely one and the last, each behind the one before.
    assert_eq!(found.len(), count + 1);
    assert!(found.iter().all(|edge| edge.from + 1 == edge.to));
    assert_eq!(found[0].evidence, "both write files of 2001 patterns, too many to compare");
}

#[test]
fn probabilities_decide() {
    let likely = |probability: f64| wants(&[("src/a.rs", probability)]);
    // 0.7 x 0.5 is 35 %.
    assert_eq!(in_turn(&[likely(0.7), likely(0.5)]), [(0, 1)]);
    assert_eq!(in_turn(&[likely(0.7), likely(0.49)]), []);
    // The unlikely ones join those that they collide with on either side, and not each other.
    assert_eq!(
        in_turn(&[likely(0.6), likely(0.4), likely(0.9), likely(0.4), likely(1.0)]),
        [(0, 2), (1, 2), (2, 3), (2, 4), (3, 4)]
    );
    let found = collisions(&[likely(0.7), likely(0.6)], &[0, 1]);
    assert_eq!((found[0].confidence.0, found[0].evidence.as_str()), (42, "both may write src/a.rs"));
}

#[test]
fn what_is_shared_adds_up() {
    let three = wants(&[("src/a.rs", 0.4), ("src/b.rs", 0.4), ("docs/a.md", 0.4)]);
    let two = wants(&[("src/a.rs", 0.4), ("src/b.rs", 0.4)]);
    // Three times 16 % are 40 %, twice are 29 %.
    let found = collisions(&[three.clone(), three.clone(), two, three.clone()], &[0, 1, 2, 3]);
    let pairs: Vec<(usize, usize, u8)> =
        found.iter().map(|edge| (edge.from, edge.to, edge.confidence.0)).collect();
    assert_eq!(pairs, [(0, 1, 40), (1, 3, 40)], "from 0 to 3 it follows");
    assert_eq!(found[0].evidence, "both may write docs/a.md, src/a.rs, src/b.rs");
    // Not where everybody has them, and nothing rarer.
    let many = vec![three; 5000];
    assert_eq!(in_turn(&many), []);
}

#[test]
fn a_folder_and_what_is_in_it_collide_by_their_product() {
    let folder = wants(&[("src/", 0.6)]);
    assert_eq!(in_turn(&[folder.clone(), wants(&[("src/a.rs", 0.5)])]), []);
    assert_eq!(in_turn(&[folder, wants(&[("src/a.rs", 0.6)])]), [(0, 1)]);
    let declared = wants(&[("src/**", 1.0)]);
    let found = collisions(&[wants(&[("src/a.rs", 0.5), ("src/b.rs", 0.1)]), declared], &[0, 1]);
    assert_eq!((found[0].confidence.0, found[0].evidence.as_str()), (50, "both may write src/a.rs (src/**)"));
}

#[test]
fn files_that_everybody_may_write_order_nobody() {
    // 0.4 x 0.4 is far below: no edges, and the few that are sure of it are in line with whom they collide with.
    let mut tasks = vec![wants(&[("CHANGELOG.md", 0.4), ("src/a.rs", 0.2)]); 10_000];
    assert_eq!(in_turn(&tasks), []);
    tasks[500] = wants(&[("CHANGELOG.md", 0.9)]);
    tasks[700] = wants(&[("CHANGELOG.md", 0.8)]);
    let found = in_turn(&tasks);
    assert!(found.contains(&(500, 700)));
    // 0.9 x 0.4 reaches 35 %, 0.8 x 0.4 does not.
    assert_eq!(found.len(), tasks.len() - 1);
}

#[test]
fn what_two_share_is_told() {
    let tasks = [
        wants(&[("src/a.rs", 0.5), ("src/b.rs", 0.9), ("CHANGELOG.md", 0.4)]),
        wants(&[("src/b.rs", 0.5), ("CHANGELOG.md", 0.3), ("docs/", 1.0)]),
        wants(&[("tests/x.rs", 1.0)]),
    ];
    let field = Field::new(&tasks, &tree(), Threshold(THRESHOLD));
    let overlap = field.between(1, 0, 1).unwrap();
    // 0.45 and 0.12, each a chance of its own.
    assert_eq!((overlap.confidence.0, overlap.more), (51, 1));
    let [file] = overlap.files.as_slice() else { panic!("{overlap:?}") };
    assert_eq!((file.path.as_str(), file.first.probability, file.second.probability), ("src/b.rs", 0.5, 0.9));
    assert_eq!(field.between(0, 2, 9), None);
}

#[test]
fn groups_are_what_collisions_connect() {
    assert_eq!(groups(6, [(4, 1), (1, 2), (5, 3)]), [vec![1, 2, 4], vec![3, 5]]);
    assert_eq!(groups(2, []), Vec::<Vec<usize>>::new());
}

/// Tasks with files, folders and patterns of a few names, so that they meet often.
fn plans() -> impl Strategy<Value = Vec<Vec<(&'static str, f64)>>> {
    let path = proptest::sample::select(vec![
        "src/a.rs",
        "src/b.rs",
        "src/x/c.rs",
        "src/x/d.rs",
        "src/",
        "src/x/",
        "src/*.rs",
        "**/*.md",
        "docs/a.md",
        "new",
        "new/x.rs",
        "README.md",
    ]);
    let probability = proptest::sample::select(vec![0.03, 0.1, 0.3, 0.35, 0.5, 0.59, 0.6, 0.7, 0.9, 1.0]);
    proptest::collection::vec(proptest::collection::vec((path, probability), 0..6), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edges_order_whoever_collides_and_nobody_else(
        plan in plans(),
        percent in 1_u8..100,
        seed in any::<u64>(),
    ) {
        let tasks: Vec<Vec<Expected<'_>>> = plan.iter().map(|paths| wants(paths)).collect();
        let mut ranks: Vec<usize> = (0..tasks.len()).collect();
        let mut state = seed;
        for at in (1..ranks.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ranks.swap(at, (state >> 33) as usize % (at + 1));
        }
        let threshold = Threshold::percent(percent);
        let field = Field::new(&tasks, &tree(), threshold);
        let edges = field.edges(&ranks, &HashSet::new());
        // Forward by ranks, each once, and only between those that collide.
        let mut seen = HashSet::new();
        for edge in &edges {
            prop_assert!(ranks[edge.from] < ranks[edge.to]);
            prop_assert!(seen.insert((edge.from, edge.to)));
            prop_assert!(threshold.reached(shared::confidence(&field.items, edge.from, edge.to)));
            prop_assert!(edge.confidence.0 >= percent, "{:?}", edge);
        }
        // Paths of edges reach from each to all that collide with it and come later.
        let count = tasks.len();
        let mut reach = vec![vec![false; count]; count];
        for edge in &edges {
            reach[edge.from][edge.to] = true;
        }
        for middle in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reach[from][to] |= reach[from][middle] && reach[middle][to];
                }
            }
        }
        for a in 0..count {
            for b in (0..count).filter(|b| ranks[a] < ranks[*b]) {
                if threshold.reached(shared::confidence(&field.items, a, b)) {
                    prop_assert!(reach[a][b], "{} and {} of {:?}", a, b, plan);
                }
            }
        }
    }
}
