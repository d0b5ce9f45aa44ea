use gadugi_core::{CommitId, Confidence};

use super::*;
use crate::edges::tests::{claim, task};
use crate::render;

fn edge(from: &str, to: &str, reason: EdgeReason, evidence: &str, confidence: u8) -> Edge {
    Edge {
        from: TaskId::new(from),
        to: TaskId::new(to),
        reason,
        evidence: evidence.to_owned(),
        confidence: Confidence(confidence),
    }
}

/// `lexer` before `parser` by the file that both write, `parser` before `client` by an import, `docs` on its own.
fn plan() -> Plan {
    let mut tasks =
        vec![task("lexer", 0), task("parser", 0), task("client", 0), task("docs", 7), task("guide", 0)];
    tasks[0].writes = vec![claim("src/lib.rs", 90), claim("CHANGELOG.md", 40)];
    tasks[1].writes = vec![claim("src/lib.rs", 80), claim("CHANGELOG.md", 30)];
    tasks[3].writes = vec![claim("CHANGELOG.md", 30)];
    Plan {
        base: CommitId::new("0"),
        tasks,
        edges: vec![
            edge("lexer", "parser", EdgeReason::SameFile, "both write src/lib.rs", 72),
            edge(
                "parser",
                "client",
                EdgeReason::Import,
                "“parse” of src/lib.rs, which parser changes, is imported by src/client.rs",
                81,
            ),
            edge("client", "guide", EdgeReason::SameFile, "both write guide.md", 50),
            edge("client", "guide", EdgeReason::Declared, "after `client`", 90),
        ],
        sequential_because: None,
        skipped: Vec::new(),
        warnings: Vec::new(),
    }
}

fn asked(plan: &Plan, slots: usize, a: &str, b: &str) -> Result<Why, WhyError> {
    let request = WhyRequest {
        plan,
        expected: &|task| plan.tasks[task].writes.iter().map(Expected::from).collect(),
        files: &["src/lib.rs", "CHANGELOG.md"],
        policy: OverlapPolicy::Serialize,
        threshold: Threshold::percent(35),
        slots,
    };
    why(&request, a, b)
}

fn words(plan: &Plan, slots: usize, a: &str, b: &str) -> String {
    render::why(&asked(plan, slots, a, b).unwrap())
}

#[test]
fn two_that_share_a_file() {
    // Whichever is named first.
    assert_eq!(asked(&plan(), 4, "lexer", "parser"), asked(&plan(), 4, "prompts/parser.md", "lex"));
    insta::assert_snapshot!(words(&plan(), 4, "lexer", "parser"));
}

#[test]
fn two_with_others_between_them() {
    let why = asked(&plan(), 4, "guide.md", "lexer").unwrap();
    let reasons: Vec<EdgeReason> = why.path.iter().map(|edge| edge.reason).collect();
    assert_eq!(reasons, [EdgeReason::SameFile, EdgeReason::Import, EdgeReason::Declared]);
    insta::assert_snapshot!(render::why(&why));
}

#[test]
fn two_that_nothing_orders() {
    insta::assert_snapshot!("slots", words(&plan(), 2, "lexer", "docs"));
    let few = Plan { tasks: plan().tasks.split_off(3), edges: Vec::new(), ..plan() };
    insta::assert_snapshot!("together", words(&few, 2, "guide", "docs"));
    assert_eq!(asked(&few, 1, "guide", "docs").unwrap().verdict, Verdict::OneSlot);
}

#[test]
fn a_plan_without_analysis_is_one_line() {
    let plan = Plan { sequential_because: Some("the analysis of a.md failed".to_owned()), ..plan() };
    assert!(words(&plan, 4, "lexer", "docs").starts_with(
        "docs and lexer do not run together: all tasks are taken one after another (the analysis of a.md failed)."
    ));
}

#[test]
fn long_paths_show_their_ends() {
    let ids: Vec<String> = (0..100).map(|n| format!("t{n:03}")).collect();
    let edges = ids.windows(2).map(|pair| edge(&pair[0], &pair[1], EdgeReason::SameFile, "both write x", 90));
    let plan = Plan { edges: edges.collect(), tasks: ids.iter().map(|id| task(id, 0)).collect(), ..plan() };
    let why = asked(&plan, 4, "t099", "t000").unwrap();
    assert_eq!((why.path.len(), why.path_more), (10, 89));
    let words = render::why(&why);
    assert!(words.starts_with("t099 waits for t000, by 98 tasks between them"), "{words}");
    assert!(words.contains("… and 89 more …\n"), "{words}");
}

#[test]
fn the_same_as_json() {
    let json = render::why_json(&asked(&plan(), 4, "lexer", "docs").unwrap());
    assert_eq!(json["schema"], 1);
    assert_eq!(json["verdict"], "slots");
    assert_eq!(json["overlap"]["confidence"], 12);
    assert_eq!(json["overlap"]["files"][0]["first"]["source"], "path");
    assert_eq!(json["policy"], "serialize");
    assert!(json["summary"].as_str().unwrap().starts_with("Nothing orders docs and lexer"));
}

#[test]
fn names_that_mean_nothing_are_told() {
    let error = |a, b| asked(&plan(), 4, a, b).unwrap_err().to_string();
    assert_eq!(
        error("lexr", "parser"),
        "\"lexr\" is no task of this plan (there is lexer, parser, client, docs, guide)"
    );
    assert_eq!(error("docs", "docs.md"), "both names mean the task docs");
    let mut many = plan();
    many.tasks.extend((0..20).map(|n| task(&format!("more-{n}"), 0)));
    assert_eq!(
        asked(&many, 4, "lexr", "docs").unwrap_err().to_string(),
        "\"lexr\" is no task of this plan (there is lexer)"
    );
    assert!(matches!(
        asked(&many, 4, "more", "docs"),
        Err(WhyError::Ambiguous { candidates, .. }) if candidates.len() == MOST_CANDIDATES
    ));
}
