use gadugi_core::ClaimSource;
use gadugi_core::order::{Arc, circle};
use proptest::prelude::*;

use super::*;

/// A task as a test writes it down.
#[derive(Default)]
struct Sketch {
    id: String,
    symbols: Vec<NamedSymbol>,
    writes: Vec<(&'static str, f64)>,
    reads: Vec<PathClaim>,
}

fn sketch(id: &str) -> Sketch {
    Sketch { id: id.to_owned(), ..Sketch::default() }
}

impl Sketch {
    fn names(mut self, name: &str, file: Option<&str>, intent: SymbolIntent) -> Self {
        let file = file.map(str::to_owned);
        self.symbols.push(NamedSymbol { name: name.to_owned(), file, intent, confidence: Confidence(90) });
        self
    }

    fn writes(mut self, path: &'static str, probability: f64) -> Self {
        self.writes.push((path, probability));
        self
    }

    fn reads(mut self, path: &str, confidence: u8) -> Self {
        self.reads.push(PathClaim {
            path: path.to_owned(),
            confidence: Confidence(confidence),
            evidence: String::new(),
            source: ClaimSource::Path,
            stated: None,
        });
        self
    }
}

/// `client.py` and `server.py` import `parse_header` from `http.py`, and `client.py` also `Timeout`.
fn importing(file: &str, name: &str) -> Vec<&'static str> {
    match (file, name) {
        ("src/http.py", "parse_header") => vec!["src/client.py", "src/server.py", "src/http.py"],
        ("src/http.py", "Timeout") => vec!["src/client.py"],
        _ => Vec::new(),
    }
}

fn found(sketches: &[Sketch]) -> Vec<ImportEdge> {
    let writes: Vec<Vec<Expected<'_>>> = sketches
        .iter()
        .map(|sketch| {
            let expected = sketch.writes.iter().map(|(path, probability)| Expected {
                path,
                probability: *probability,
                source: ClaimSource::Path,
                evidence: "",
            });
            expected.collect()
        })
        .collect();
    let tasks: Vec<Task<'_>> = sketches
        .iter()
        .zip(&writes)
        .map(|(sketch, writes)| Task {
            id: &sketch.id,
            symbols: &sketch.symbols,
            writes,
            reads: &sketch.reads,
        })
        .collect();
    edges(&tasks, &|file, name| importing(file, name))
}

fn arrows(edges: &[ImportEdge]) -> Vec<(usize, usize)> {
    edges.iter().map(|edge| (edge.from, edge.to)).collect()
}

const HTTP: Option<&str> = Some("src/http.py");

#[test]
fn who_uses_what_another_changes_comes_second() {
    let edges = found(&[
        sketch("client").writes("src/client.py", 0.9),
        sketch("lexer").names("parse_header", HTTP, SymbolIntent::Change).writes("src/http.py", 0.9),
        sketch("reader").reads("src/server.py", 80),
        sketch("docs").names("parse_header", HTTP, SymbolIntent::Use).writes("docs/http.md", 0.9),
        sketch("other").writes("src/other.py", 0.9),
    ]);
    assert_eq!(arrows(&edges), [(1, 0), (1, 2), (1, 3)]);
    let words: Vec<&str> = edges.iter().map(|edge| edge.evidence.as_str()).collect();
    assert_eq!(
        words,
        [
            "“parse_header” of src/http.py, which lexer changes, is imported by src/client.py",
            "“parse_header” of src/http.py, which lexer changes, is imported by src/server.py",
            "“parse_header” of src/http.py, which lexer changes, is used by docs",
        ]
    );
    assert_eq!(edges[0].confidence, Confidence(81));
}

#[test]
fn an_import_alone_orders_nobody() {
    let uses = sketch("client").writes("src/client.py", 0.9);
    for changer in [
        // It writes the file and changes no name of it.
        sketch("a").writes("src/http.py", 0.9),
        // It only uses it.
        sketch("a").names("parse_header", HTTP, SymbolIntent::Use).writes("src/http.py", 0.9),
        // It changes another name, which nobody imports.
        sketch("a").names("format_header", HTTP, SymbolIntent::Rename).writes("src/http.py", 0.9),
        // Its words want the change, and nothing says that it writes the file.
        sketch("a").names("parse_header", HTTP, SymbolIntent::Change).writes("src/http.py", 0.3),
    ] {
        assert_eq!(
            found(&[changer, Sketch { symbols: Vec::new(), ..sketch("b") }.writes("src/client.py", 0.9)]),
            []
        );
    }
    let changer = || sketch("a").names("parse_header", HTTP, SymbolIntent::Change).writes("src/", 1.0);
    assert_eq!(arrows(&found(&[changer(), uses])), [(0, 1)], "a folder holds its files");
    assert_eq!(found(&[changer(), sketch("b").writes("src/client.py", 0.4)]), [], "not likely enough");
    // Both change it: then it is the file that they share.
    assert_eq!(found(&[changer(), changer()]), []);
}

#[test]
fn what_is_to_be_made_comes_before_what_uses_it() {
    let edges = found(&[
        sketch("user").names("RetryPolicy", None, SymbolIntent::Use),
        sketch("maker").names("RetryPolicy", None, SymbolIntent::Create),
    ]);
    assert_eq!(arrows(&edges), [(1, 0)]);
    assert_eq!(edges[0].evidence, "“RetryPolicy”, which maker creates, is used by user");
}

#[test]
fn several_names_make_one_edge() {
    let edges = found(&[
        sketch("a")
            .names("parse_header", HTTP, SymbolIntent::Rename)
            .names("Timeout", HTTP, SymbolIntent::Remove)
            .writes("src/http.py", 1.0),
        sketch("b").writes("src/client.py", 0.9),
    ]);
    assert_eq!(arrows(&edges), [(0, 1)]);
    assert_eq!(
        edges[0].evidence,
        "“Timeout” of src/http.py, which a removes, is imported by src/client.py, and 1 more"
    );
}

#[test]
fn a_name_that_everybody_changes_and_uses_has_few_edges() {
    let mut sketches = Vec::new();
    for n in 0..2000 {
        let changer = sketch(&format!("c{n}")).writes("src/http.py", 0.9);
        sketches.push(changer.names("parse_header", HTTP, SymbolIntent::Change));
        sketches.push(sketch(&format!("u{n}")).writes("src/client.py", 0.9));
    }
    let edges = found(&sketches);
    assert_eq!(edges.len(), 2000);
    assert!(edges.iter().all(|edge| edge.from == 0));
}

fn edge(from: usize, to: usize, confidence: u8) -> ImportEdge {
    ImportEdge { from, to, confidence: Confidence(confidence), evidence: format!("{from}-{to}") }
}

fn settled(
    declared: &[(usize, usize)],
    found: Vec<ImportEdge>,
    tasks: usize,
) -> (Vec<(usize, usize)>, Vec<String>) {
    let declared: Vec<Arc> = declared.iter().map(|(from, to)| Arc { from: *from, to: *to }).collect();
    let (kept, warnings) = without_circles(&declared, &vec![0; tasks], found, &|task| format!("t{task}"));
    (arrows(&kept), warnings)
}

#[test]
fn of_a_circle_the_weakest_drops() {
    let (kept, warnings) = settled(&[], vec![edge(0, 1, 80), edge(1, 0, 60), edge(1, 2, 50)], 3);
    assert_eq!(kept, [(0, 1), (1, 2)]);
    assert_eq!(warnings, ["t0 does not wait for t1 (1-0): it would close a circle"]);
    // What is declared stands, however weak the others are.
    let (kept, warnings) =
        settled(&[(0, 1), (1, 2)], vec![edge(2, 0, 99), edge(0, 1, 99), edge(0, 2, 60)], 3);
    assert_eq!(kept, [(0, 2)]);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn thousands_of_circles_are_broken_in_bounded_time() {
    const TASKS: usize = 3000;
    let mut found = Vec::new();
    for task in 1..TASKS {
        found.push(edge(task - 1, task, 80));
        found.push(edge(task, task - 1, 60));
    }
    let (kept, warnings) = settled(&[(5, 4)], found, TASKS);
    assert!(kept.len() > TASKS / 2 && kept.len() < TASKS);
    assert!(warnings.len() <= 11 && warnings[10].starts_with("29"), "{warnings:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_a_circle(
        declared in proptest::collection::vec((0_usize..12, 0_usize..12), 0..12),
        inferred in proptest::collection::vec((0_usize..12, 0_usize..12, 50_u8..100), 0..40),
    ) {
        let declared: Vec<Arc> =
            declared.into_iter().filter(|(a, b)| a < b).map(|(from, to)| Arc { from, to }).collect();
        let found: Vec<ImportEdge> =
            inferred.into_iter().filter(|(a, b, _)| a != b).map(|(a, b, sure)| edge(a, b, sure)).collect();
        let asked = found.len();
        let (kept, warnings) = without_circles(&declared, &[0; 12], found.clone(), &|task| task.to_string());
        let arcs: Vec<Arc> = declared
            .iter()
            .copied()
            .chain(kept.iter().map(|edge| Arc { from: edge.from, to: edge.to }))
            .collect();
        prop_assert_eq!(circle(12, &arcs), None);
        // Only what a circle asked for goes, and what is declared already.
        let said = |edge: &ImportEdge| declared.contains(&Arc { from: edge.from, to: edge.to });
        let repeated = found.iter().filter(|edge| said(edge)).count();
        prop_assert_eq!(warnings.is_empty(), kept.len() + repeated == asked);
    }
}
