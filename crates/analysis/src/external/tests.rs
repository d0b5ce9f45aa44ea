use std::cell::RefCell;

use gadugi_core::{ClaimSource, CommitId, Complexity, Confidence, Kind};
use serde_json::json;

use super::*;
use crate::inference::{Inference, ReadPrompt};

const PROMPTS: [ReadPrompt<'static>; 2] = [
    ReadPrompt { id: "lexer", path: "prompts/lexer.md", title: "The lexer", body: "# The lexer\n" },
    ReadPrompt { id: "parser", path: "prompts/parser.md", title: "The parser", body: "# The parser\n" },
];

fn inferred() -> Vec<Inference> {
    let one = || Inference {
        kind: Kind::Feature,
        complexity: Complexity::Medium,
        writes: Vec::new(),
        reads: Vec::new(),
        follows: Vec::new(),
        symbols: Vec::new(),
    };
    vec![one(), one()]
}

/// What comes of an answer to the analyser's question.
fn analysed(answer: &str, fallback: bool) -> Result<(Vec<Inference>, Vec<String>), ExternalError> {
    let mut inferences = inferred();
    let ask = |_: &[u8]| Ok(answer.as_bytes().to_vec());
    let base = CommitId::new("c0ffee");
    let warnings = consult_analyser(&ask, &base, &PROMPTS, &mut inferences, fallback)?;
    Ok((inferences, warnings))
}

#[test]
fn the_analyser_is_asked_once_about_all() {
    let asked = RefCell::new(Vec::new());
    let ask = |question: &[u8]| {
        asked.borrow_mut().push(serde_json::from_slice::<Value>(question).unwrap());
        Err("there is no program x".to_owned())
    };
    let base = CommitId::new("c0ffee");
    let warnings = consult_analyser(&ask, &base, &PROMPTS, &mut inferred(), true).unwrap();
    assert_eq!(
        asked.into_inner(),
        [json!({"schema": 1, "ask": "analyse", "base": "c0ffee", "tasks": [
            {"id": "lexer", "prompt": "prompts/lexer.md", "title": "The lexer", "body": "# The lexer\n"},
            {"id": "parser", "prompt": "prompts/parser.md", "title": "The parser", "body": "# The parser\n"},
        ]})]
    );
    assert_eq!(
        warnings,
        ["the analyser is of no use, and the built-in rules stand in for it: there is no program x"]
    );
    let refused = consult_analyser(&|_| Err("no".to_owned()), &base, &PROMPTS, &mut inferred(), false);
    assert_eq!(refused, Err(ExternalError::NoAnswer("no".to_owned())));
    // Nobody is asked about nothing.
    assert_eq!(consult_analyser(&|_| panic!("asked"), &base, &[], &mut [], false), Ok(Vec::new()));
}

#[test]
fn what_the_analyser_says_stands() {
    let answer = json!({"schema": 1, "new": true, "tasks": [
        {"id": "parser", "kind": "bug-fix", "complexity": "high", "more": 1,
         "writes": [{"path": "./src/b.rs", "confidence": 72.6, "evidence": "it\nsays"}, {"path": "src/**", "confidence": 30},
                    {"path": "src/b.rs", "confidence": 20}, {"path": "x", "confidence": 0}],
         "reads": [{"path": "src/b.rs", "confidence": 90}, {"path": "docs/", "confidence": 90}],
         "follows": [{"task": "lexer", "confidence": 85}]},
        {"id": "lexer"},
    ]});
    let (inferences, warnings) = analysed(&answer.to_string(), false).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(inferences[0], inferred()[0]);
    let parser = &inferences[1];
    assert_eq!((parser.kind, parser.complexity), (Kind::BugFix, Complexity::High));
    let claims: Vec<(&str, u8, &str)> = parser
        .writes
        .iter()
        .chain(&parser.reads)
        .map(|claim| (claim.path.as_str(), claim.confidence.0, claim.evidence.as_str()))
        .collect();
    assert_eq!(
        claims,
        [
            ("src/**", 30, "the analyser says so"),
            ("src/b.rs", 73, "it says"),
            ("docs/", 90, "the analyser says so")
        ]
    );
    assert!(parser.writes.iter().all(|claim| claim.source == ClaimSource::External));
    assert_eq!((parser.follows[0].task.as_str(), parser.follows[0].confidence), ("lexer", Confidence(85)));
}

#[test]
fn each_wrong_part_is_told_and_left_to_the_built_in_rules() {
    let part = |part: Value| json!({"schema": 1, "tasks": [{"id": "lexer"}, part]}).to_string();
    let claim = |path: &str, confidence: Value| {
        part(json!({"id": "parser", "kind": "bug-fix", "writes": [{"path": path, "confidence": confidence}]}))
    };
    for (answer, problem) in [
        (claim("/etc/passwd", json!(50)), "parser: \"/etc/passwd\" leads out of the repository"),
        (claim("a/../../b", json!(50)), "parser: \"a/../../b\" leads out of the repository"),
        (claim("", json!(50)), "parser: \"\" is no path from the repository's root"),
        (claim("a//b", json!(50)), "parser: \"a//b\" is no path from the repository's root"),
        (claim("a\u{0}b", json!(50)), "parser: \"a b\" is no path from the repository's root"),
        (claim(".git/config", json!(50)), "parser: \".git/config\" is git's own"),
        (claim("src/[", json!(50)), "parser: \"src/[\" is no pattern"),
        (claim("a", json!(101)), "parser: the confidence of a is 101, not between 0 and 100"),
        (claim("a", json!(-1)), "parser: the confidence of a is -1, not between 0 and 100"),
        (claim("a", json!("sure")), "parser: invalid type: string \"sure\", expected f64"),
        (
            part(json!({"id": "parser", "follows": [{"task": "parser", "confidence": 90}]})),
            "parser: it follows itself",
        ),
        (
            part(json!({"id": "parser", "follows": [{"task": "x", "confidence": 90}]})),
            "parser: it follows \"x\", which is no task of this plan",
        ),
        (
            part(json!({"id": "parser", "kind": "chore"})),
            "parser: unknown variant `chore`, expected one of `test-coverage`, `bug-fix`, `feature`, `refactoring`, \
             `documentation`, `configuration`",
        ),
    ] {
        let (inferences, warnings) = analysed(&answer, true).unwrap();
        assert_eq!(inferences, inferred(), "{answer}");
        assert_eq!(warnings, [format!("the analyser's answer: {problem}")]);
        assert_eq!(analysed(&answer, false), Err(ExternalError::Wrong(vec![problem.to_owned()])));
    }
}

#[test]
fn tasks_that_are_unknown_missing_or_there_twice_are_told() {
    let answer = json!({"schema": 1, "tasks": [{"id": "other"}, {"kind": "feature"}, {"id": "parser", "kind": "bug-fix"},
        {"id": "parser", "kind": "feature"}]});
    let (inferences, warnings) = analysed(&answer.to_string(), true).unwrap();
    assert_eq!(inferences[1].kind, Kind::BugFix);
    assert_eq!(
        warnings,
        [
            "the analyser's answer: \"other\" is no task of this plan",
            "the analyser's answer: task 2 of it has no id",
            "the analyser's answer: parser is there twice; the first counts",
            "the analyser's answer: it says nothing of lexer",
        ]
    );
    let many: Vec<Value> = (0..1000).map(|n| json!({"id": format!("x{n}")})).collect();
    let (_, warnings) = analysed(&json!({"schema": 1, "tasks": many}).to_string(), true).unwrap();
    assert_eq!(warnings.len(), 11);
    assert_eq!(warnings[10], "the analyser's answer: and 991 more");
}

#[test]
fn what_is_no_answer_leaves_everything_as_it_was() {
    for (answer, error) in [
        ("", "its answer cannot be read: EOF while parsing a value at line 1 column 0"),
        ("I think that…", "its answer cannot be read: expected value at line 1 column 1"),
        ("[]", "its answer cannot be read: it has no schema (a number)"),
        ("{\"schema\": 2, \"tasks\": 7}", "its answer has schema 2, and only 1 is known"),
        ("{\"schema\": 1}", "its answer cannot be read: missing field `tasks`"),
        (
            "{\"schema\": 1, \"tasks\": {}}",
            "its answer cannot be read: invalid type: map, expected a sequence",
        ),
    ] {
        assert_eq!(analysed(answer, false).unwrap_err().to_string(), error);
        let (inferences, warnings) = analysed(answer, true).unwrap();
        assert_eq!(inferences, inferred());
        assert_eq!(warnings.len(), 1);
    }
    // Deeper than anybody writes: an error, and no overflow.
    let deep = "[".repeat(100_000);
    assert!(matches!(analysed(&deep, false), Err(ExternalError::Unreadable(_))));
    assert!(matches!(analysed("\u{0}\u{1}", false), Err(ExternalError::Unreadable(_))));
}

fn estimated(
    answer: &Value,
    fallback: bool,
) -> Result<(Vec<gadugi_core::Estimate>, Vec<String>), ExternalError> {
    let task = |id| AskedTask {
        id,
        prompt: "prompts/x.md",
        kind: Kind::Feature.word(),
        complexity: Complexity::Low.word(),
        agent: "claude",
        model: None,
        prompt_bytes: 7,
        targets: 2,
    };
    let built_in = || crate::estimate::by_table(Kind::Feature, Complexity::Low);
    let mut estimates = vec![built_in(), built_in()];
    let ask = |_: &[u8]| Ok(answer.to_string().into_bytes());
    let base = CommitId::new("c0ffee");
    let tasks = [task("a"), task("b")];
    let warnings = consult_estimator(&ask, &base, &tasks, &mut estimates, fallback)?;
    Ok((estimates, warnings))
}

#[test]
fn what_the_estimator_says_stands() {
    let answer = json!({"schema": 1, "tasks": [
        {"id": "a", "seconds": 90.5, "spread": 1.5, "cpu": 2, "memory_mb": 2048, "disk_mb": 10}, {"id": "b", "seconds": 7},
    ]});
    let (estimates, warnings) = estimated(&answer, false).unwrap();
    let [a, b] = estimates.as_slice() else { panic!("{estimates:?}") };
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((a.seconds, a.spread, a.cpu, a.memory_mb, a.disk_mb), (90.5, 1.5, 2.0, 2048, 10));
    assert_eq!((a.source.as_str(), b.source.as_str()), ("external", "external"));
    let table = crate::estimate::by_table(Kind::Feature, Complexity::Low);
    assert_eq!((b.seconds, b.spread, b.memory_mb), (7.0, 2.0, table.memory_mb));
}

#[test]
fn estimates_that_cannot_be_are_told() {
    for (part, problem) in [
        (json!({"id": "b", "seconds": 0}), "b: seconds is 0, not more than 0"),
        (json!({"id": "b", "seconds": -3.5}), "b: seconds is -3.5, not more than 0"),
        (json!({"id": "b", "seconds": 1e12}), "b: seconds is 1000000000000, not between 0 and 2592000"),
        (json!({"id": "b", "seconds": 5, "spread": 0.5}), "b: spread is 0.5, not between 1 and 100"),
        (json!({"id": "b", "seconds": 5, "cpu": -1}), "b: cpu is -1, not between 0 and 1024"),
        (json!({"id": "b", "seconds": 5, "memory_mb": 1_u64 << 40}), "b: memory_mb is more than 4194304"),
        (json!({"id": "b"}), "b: missing field `seconds`"),
    ] {
        let answer = json!({"schema": 1, "tasks": [{"id": "a", "seconds": 5}, part]});
        let (estimates, warnings) = estimated(&answer, true).unwrap();
        assert_eq!(warnings, [format!("the estimator's answer: {problem}")]);
        assert_eq!((estimates[0].source.as_str(), estimates[1].source.as_str()), ("external", "table"));
        assert_eq!(estimated(&answer, false), Err(ExternalError::Wrong(vec![problem.to_owned()])));
    }
}

#[test]
fn the_schemas_are_as_they_are_checked_in() {
    for (name, schema) in json_schemas() {
        let path = format!("{}/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        assert!(
            std::fs::read_to_string(&path).unwrap() == schema,
            "write it anew: cargo run -p gadugi-analysis --example schemas -- crates/analysis/schemas"
        );
    }
}
