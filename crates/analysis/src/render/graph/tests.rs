use gadugi_core::{CommitId, Confidence, Edge, TaskId};

use super::*;
use crate::edges::tests::task;

fn plan(tasks: usize, edges: &[(usize, usize)]) -> Plan {
    let id = |task: &usize| TaskId::new(format!("t{task}"));
    Plan {
        base: CommitId::new("0"),
        tasks: (0..tasks).map(|at| task(&format!("t{at}"), 0)).collect(),
        edges: edges
            .iter()
            .map(|(from, to)| Edge {
                from: id(from),
                to: id(to),
                reason: EdgeReason::SameFile,
                evidence: "both may write x".to_owned(),
                confidence: Confidence(40),
            })
            .collect(),
        sequential_because: None,
        skipped: Vec::new(),
        warnings: Vec::new(),
    }
}

fn lines_with(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn a_small_plan_is_drawn_whole() {
    let plan = plan(3, &[(0, 1), (1, 2), (0, 2)]);
    let mermaid = mermaid(&plan);
    assert_eq!(lines_with(&mermaid, "-.->|\"same-file 40 #37;: both may write x\"|"), 3);
    assert!(
        mermaid.contains("linkStyle 0,1 stroke-width") && mermaid.contains("class t0,t1,t2 critical"),
        "{mermaid}"
    );
    let dot = dot(&plan);
    assert_eq!(lines_with(&dot, "-> "), 3);
    assert_eq!(lines_with(&dot, "style=dashed, penwidth=3"), 2);
    assert!(!dot.contains("not drawn"));
}

#[test]
fn a_large_plan_can_be_seen() {
    // A fan: one before 300 others before one; and each pair of the ends.
    let mut edges: Vec<(usize, usize)> = (1..=300).flat_map(|at| [(0, at), (at, 301)]).collect();
    edges.push((0, 301));
    let fan = plan(302, &edges);
    for graph in [mermaid(&fan), dot(&fan)] {
        assert!(graph.lines().count() < 20, "{graph}");
        assert!(graph.contains("and 296 more"), "{graph}");
        assert!(graph.contains("1 edge is not drawn"), "{graph}");
        assert!(graph.contains("\"same-file 40 "), "{graph}");
    }
}

#[test]
fn a_huge_plan_is_bounded_for_mermaid_and_whole_for_graphviz() {
    let edges: Vec<(usize, usize)> = (1..5000).map(|at| (at - 1, at)).collect();
    let chain = plan(5000, &edges);
    let (mermaid, dot) = (mermaid(&chain), dot(&chain));
    assert_eq!(lines_with(&mermaid, "-.->"), MOST_IN_MERMAID - 1);
    assert!(mermaid.contains("note0[/\"4850 tasks are not drawn, but --json has them\"/]"), "{mermaid}");
    assert_eq!((lines_with(&dot, "-> "), lines_with(&dot, "[label=")), (4999, 5000));
}

#[test]
fn tasks_that_wait_for_nobody_are_one_box() {
    // And the one that takes longest, which is the first of them.
    assert_eq!(lines_with(&dot(&plan(5000, &[])), "[label="), 2);
}
