use std::sync::Arc;

use gadugi_core::{ClaimSource, CommitId, Confidence, PathClaim};
use proptest::prelude::*;

use super::*;

/// A small project: a parser and a server, each with its tests, and what is about both.
const FILES: [(&str, &str); 9] = [
    ("README.md", ""),
    ("CHANGELOG.md", ""),
    ("docs/routes.md", ""),
    ("src/parser.py", "def parse_header(text):\n    pass\n"),
    ("src/server.py", "class Server:\n    def serve_forever(self):\n        pass\n"),
    ("src/router.py", "def find_route(path):\n    pass\n"),
    ("tests/test_parser.py", ""),
    ("tests/test_server.py", ""),
    ("tests/test_router.py", ""),
];

fn map() -> RepositoryMap {
    RepositoryMap::of_texts(&FILES).unwrap()
}

/// Commits, the newest first.
fn history(commits: &[(&str, &[&str])]) -> History {
    let mut history = History::default();
    for (at, (message, files)) in commits.iter().enumerate() {
        let id = CommitId::new(format!("{at:040x}"));
        history.push(id, -(at as i64), Arc::from(*message), files.iter().copied());
    }
    history
}

/// Some work on everything, again and again.
fn usual() -> History {
    let round: [(&str, &[&str]); 5] = [
        ("Reject headers that are folded", &["src/parser.py", "tests/test_parser.py", "CHANGELOG.md"]),
        ("Close idle sockets", &["src/server.py", "tests/test_server.py", "CHANGELOG.md"]),
        ("Sort routes by their length", &["src/router.py", "tests/test_router.py", "docs/routes.md"]),
        ("docs: mention redirects of routes", &["docs/routes.md", "README.md"]),
        ("Parse headers without a value", &["src/parser.py", "tests/test_parser.py"]),
    ];
    history(&round.repeat(8))
}

fn prompt<'a>(title: &'a str, body: &'a str) -> PromptWords<'a> {
    PromptWords { title, body, explicit: &[] }
}

fn of<'a>(likely: &'a [Likely], path: &str) -> Option<&'a Likely> {
    likely.iter().find(|one| one.path == path)
}

fn claim(path: &str, confidence: u8) -> PathClaim {
    PathClaim {
        path: path.to_owned(),
        confidence: Confidence(confidence),
        evidence: "create it".to_owned(),
        source: ClaimSource::Path,
        stated: None,
    }
}

#[test]
fn commits_with_like_words_say_what_is_written() {
    let (map, history) = (map(), usual());
    let predictor = Predictor::new(&map, &history);
    let likely = predictor.predict(&prompt("Reject folded headers with a clear error", ""));
    assert_eq!(likely[0].path, "src/parser.py", "{likely:#?}");
    let (subject, other) = (of(&likely, "src/parser.py").unwrap(), of(&likely, "src/server.py"));
    assert!(subject.probability > 0.5, "{likely:#?}");
    assert!(other.is_none_or(|other| other.probability < subject.probability / 3.0), "{likely:#?}");
    assert!(of(&likely, "tests/test_parser.py").unwrap().probability > 0.3, "{likely:#?}");
    assert_eq!(subject.source, ClaimSource::History);
    assert!(
        subject.evidence.contains("changed it") && subject.evidence.contains('“'),
        "{}",
        subject.evidence
    );
}

#[test]
fn kinds_of_work_are_told_apart() {
    let (map, history) = (map(), usual());
    let predictor = Predictor::new(&map, &history);
    let likely = predictor.predict(&prompt("docs: explain redirects", ""));
    assert_eq!(likely[0].path, "docs/routes.md", "{likely:#?}");
}

#[test]
fn without_a_past_names_and_symbols_say_something() {
    let (map, history) = (map(), History::default());
    let predictor = Predictor::new(&map, &history);
    let likely = predictor.predict(&prompt("Make `parse_header` faster", ""));
    assert_eq!(likely[0].path, "src/parser.py", "{likely:#?}");
    assert_eq!(likely[0].source, ClaimSource::Symbol);
    assert_eq!(likely[0].evidence, "named “parse_header”, which it defines");
    let likely = predictor.predict(&prompt("Rework src/router.py", ""));
    assert_eq!((likely[0].path.as_str(), likely[0].source), ("src/router.py", ClaimSource::Path));
}

#[test]
fn what_the_prompt_names_keeps_its_confidence() {
    let (map, history) = (map(), usual());
    let predictor = Predictor::new(&map, &history);
    let explicit = [claim("src/new.py", 95), claim("src/router.py", 90), claim("docs/", 70)];
    let words = PromptWords { title: "Something else", body: "", explicit: &explicit };
    let likely = predictor.predict(&words);
    let (new, router) = (of(&likely, "src/new.py").unwrap(), of(&likely, "src/router.py").unwrap());
    assert!((new.probability - 0.95).abs() < 1e-9 && new.evidence == "create it");
    assert!(router.probability >= 0.9 && of(&likely, "docs/").unwrap().probability >= 0.7);
}

#[test]
fn words_that_say_nothing_give_what_changes_always_at_little() {
    let (map, history) = (map(), usual());
    let predictor = Predictor::new(&map, &history);
    for nonsense in ["", "xyzzy plugh", "何かを直してください", "!!! ??? 12345"] {
        let likely = predictor.predict(&prompt(nonsense, ""));
        assert!(likely.iter().all(|one| one.probability < 0.5), "{nonsense}: {likely:#?}");
        assert!(likely.iter().map(|one| one.probability).sum::<f64>() < 4.0, "{nonsense}: {likely:#?}");
    }
}

#[test]
fn nothing_is_foretold_of_nothing() {
    let empty = RepositoryMap::of_texts(&[]).unwrap();
    for history in [History::default(), usual()] {
        let predictor = Predictor::new(&empty, &history);
        assert_eq!(predictor.predict(&prompt("Reject folded headers", "src/parser.py")), []);
        let explicit = [claim("src/new.py", 95)];
        let words = PromptWords { title: "Create src/new.py", body: "", explicit: &explicit };
        assert_eq!(predictor.predict(&words).len(), 1);
    }
    let one = RepositoryMap::of_texts(&[("main.py", "")]).unwrap();
    let likely = Predictor::new(&one, &History::default()).predict(&prompt("Change main", ""));
    assert!(likely.len() <= 1);
}

#[test]
fn files_that_are_gone_are_not_written() {
    let map = map();
    let commit: (&str, &[&str]) = ("Fold headers in the lexer", &["src/lexer.py", "src/parser.py"]);
    let history = history(&[commit; 9]);
    let likely = Predictor::new(&map, &history).predict(&prompt("Fold headers in the lexer", ""));
    assert!(of(&likely, "src/parser.py").is_some() && of(&likely, "src/lexer.py").is_none(), "{likely:#?}");
}

#[test]
fn the_answer_is_the_same_each_time_and_on_many_threads() {
    let (map, history) = (map(), usual());
    let titles: Vec<String> =
        (0..50).map(|at| format!("{} number {at}", usual().commits()[at % 40].message)).collect();
    let prompts: Vec<PromptWords<'_>> = titles.iter().map(|title| prompt(title, "some text")).collect();
    let predictor = Predictor::new(&map, &history);
    let all = predictor.predict_all(&prompts);
    let again = Predictor::new(&map, &history);
    for (prompt, known) in prompts.iter().zip(&all) {
        assert_eq!(again.predict(prompt), *known);
    }
}

#[test]
fn companions_and_what_changes_together_are_said_to_be() {
    let map = map();
    let pairs: [(&str, &[&str]); 2] =
        [("Alpha beta gamma", &["src/server.py", "docs/routes.md"]), ("Delta epsilon", &["src/router.py"])];
    let history = history(&pairs.repeat(12));
    let likely = Predictor::new(&map, &history).predict(&prompt("Change src/server.py", ""));
    let (tests, docs) = (of(&likely, "tests/test_server.py"), of(&likely, "docs/routes.md"));
    assert!(tests.is_some_and(|tests| tests.source == ClaimSource::Companion), "{likely:#?}");
    assert!(
        docs.is_some_and(|docs| docs.evidence == "changes with src/server.py in 12 of 12 commits"),
        "{likely:#?}"
    );
}

#[test]
fn collisions_grow_with_what_both_write() {
    let likely = |files: &[(&str, f64)]| -> Vec<Likely> {
        let one = |(path, probability): &(&str, f64)| Likely {
            path: (*path).to_owned(),
            probability: *probability,
            source: ClaimSource::History,
            evidence: String::new(),
        };
        files.iter().map(one).collect()
    };
    let (one, other) = (likely(&[("a", 0.5), ("b", 0.4)]), likely(&[("b", 0.5), ("c", 1.0), ("a", 0.5)]));
    assert!((collision(&one, &other) - (1.0 - 0.75 * 0.8)).abs() < 1e-12);
    assert!((collision(&other, &one) - collision(&one, &other)).abs() < 1e-12);
    assert_eq!(collision(&one, &[]), 0.0);
}

proptest! {
    #[test]
    fn any_text_gives_sound_probabilities(title in ".{0,80}", body in "\\PC{0,400}") {
        let (map, history) = (map(), history(&[(title.as_str(), &["src/parser.py"]), (body.as_str(), &["README.md"])]));
        let likely = Predictor::new(&map, &history).predict(&prompt(&title, &body));
        prop_assert!(likely.len() <= MOST_FILES);
        prop_assert!(likely.iter().all(|one| (0.0..=1.0).contains(&one.probability)));
        prop_assert!(likely.iter().all(|one| one.evidence.chars().count() <= 101 && !one.evidence.is_empty()));
        prop_assert!(likely.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
    }
}
