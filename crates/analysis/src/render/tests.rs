use gadugi_core::{
    ClaimSource, CommitId, Complexity, Confidence, Edge, EdgeReason, Estimate, Kind, PathClaim, Plan,
    PlannedTask, PromptRef, SkippedPrompt, TaskId,
};

use super::*;

fn task(id: &str, name: &str, kind: Kind, writes: &[&str], seconds: f64) -> PlannedTask {
    let claim = |path: &&str| PathClaim {
        path: (*path).to_owned(),
        confidence: Confidence(90),
        evidence: format!("Fix {path}."),
        source: ClaimSource::Path,
        stated: None,
    };
    PlannedTask {
        purpose: gadugi_core::Purpose::Work,
        id: TaskId::new(id),
        name: name.into(),
        prompt: PromptRef { path: format!("prompts/{id}.md"), bytes: 10 },
        kind,
        complexity: Complexity::Medium,
        writes: writes.iter().map(claim).collect(),
        reads: Vec::new(),
        depends_on: Vec::new(),
        estimate: Estimate {
            seconds,
            cpu: 1.0,
            memory_mb: 512,
            disk_mb: 128,
            spread: 2.0,
            source: "table".into(),
        },
        priority: 0,
        timeout: None,
        agent: None,
        model: None,
        budget_microusd: None,
        verify: None,
        done_when: Vec::new(),
        executor: None,
        network: Vec::new(),
    }
}

fn edge(from: &str, to: &str, reason: EdgeReason, evidence: &str) -> Edge {
    Edge {
        from: TaskId::new(from),
        to: TaskId::new(to),
        reason,
        evidence: evidence.into(),
        confidence: Confidence(100),
    }
}

fn sample() -> Plan {
    let mut parser = task(
        "parser",
        "Parse \"it\" & <b>|[x]\\",
        Kind::Feature,
        &["src/parser/mod.rs", "src/ast.rs"],
        1200.0,
    );
    parser.depends_on.push(TaskId::new("lexer"));
    Plan {
        base: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tasks: vec![
            task("lexer", "Write the lexer", Kind::Feature, &["src/lexer.rs"], 1200.0),
            parser,
            task("end", "Fix the tree", Kind::BugFix, &["src/ast.rs"], 600.0),
            task("guide", "Write the guide", Kind::Documentation, &[], 300.0),
        ],
        edges: vec![
            edge("lexer", "parser", EdgeReason::Declared, "depends on `lexer`"),
            edge("parser", "end", EdgeReason::SameFile, "both write src/ast.rs"),
        ],
        sequential_because: None,
        skipped: vec![SkippedPrompt {
            path: "prompts/old.md".into(),
            because: "IMPLEMENTED in its first line".into(),
        }],
        warnings: vec!["prompts/guide.md:2:1: unknown key `kin` is ignored; did you mean `kind`?".into()],
    }
}

#[test]
fn the_plan_as_json() {
    insta::assert_json_snapshot!(plan_json(&sample(), 2));
}

#[test]
fn the_plan_as_a_table() {
    insta::assert_snapshot!("table-100", table(&sample(), 2, 100));
    insta::assert_snapshot!("table-narrow", table(&sample(), 1, 20));
    let sequential =
        Plan { sequential_because: Some("the analysis of x.md failed: no idea".into()), ..sample() };
    insta::assert_snapshot!("table-sequential", table(&sequential, 4, 100));
}

#[test]
fn estimates_say_what_they_go_by() {
    let mut plan = sample();
    for (task, source) in plan.tasks.iter_mut().zip(["history: 14 feature tasks of claude (opus)"; 2]) {
        task.estimate =
            Estimate { seconds: 4000.0, spread: 1.25, source: source.into(), ..task.estimate.clone() };
    }
    plan.tasks[2].estimate.source = "my own words".into();
    insta::assert_snapshot!("table-sources-80", table(&plan, 2, 80));
    insta::assert_snapshot!("table-sources-140", table(&plan, 2, 140));
    for task in &mut plan.tasks {
        task.estimate.source = "history: 1 task of other kinds".into();
    }
    assert!(table(&plan, 2, 80).contains("Estimates by 1 task of other kinds, run before.\n"));
}

#[test]
fn the_plan_as_graphs() {
    insta::assert_snapshot!("mermaid", mermaid(&sample()));
    insta::assert_snapshot!("dot", dot(&sample()));
}

#[test]
fn an_empty_plan_is_shown() {
    let empty = Plan { tasks: Vec::new(), edges: Vec::new(), ..sample() };
    assert!(table(&empty, 1, 80).starts_with("Plan: 0 tasks, 0 stages, base 0123456789ab\n"));
    assert_eq!(plan_json(&empty, 1)["speed_improvement"], 1.0);
}

#[test]
fn lines_keep_to_the_width() {
    let mut plan = sample();
    plan.tasks[0].writes = (0..50)
        .map(|n| PathClaim { path: format!("src/файл{n}.rs"), ..plan.tasks[0].writes[0].clone() })
        .collect();
    for width in [72, 90, 160] {
        for line in table(&plan, 2, width).lines().take_while(|line| !line.starts_with("Longest")) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}
