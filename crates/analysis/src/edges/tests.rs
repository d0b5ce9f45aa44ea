use gadugi_core::{ClaimSource, CommitId, PathClaim};

use super::*;
use crate::imports::SymbolIntent;

/// A task as it could be stored: what it does not say is as it is by default.
pub(crate) fn task(id: &str, priority: i64) -> PlannedTask {
    let task = serde_json::json!({
        "id": id, "name": id, "prompt": {"path": format!("prompts/{id}.md"), "bytes": 1},
        "kind": "feature", "complexity": "medium", "writes": [], "reads": [], "depends_on": [],
        "estimate": {"seconds": 60.0, "cpu": 1.0, "memory_mb": 512, "disk_mb": 128, "source": "table"},
        "priority": priority, "timeout": null, "agent": null, "model": null, "budget_microusd": null,
        "verify": null, "done_when": [], "executor": null, "network": [],
    });
    serde_json::from_value(task).unwrap()
}

pub(crate) fn claim(path: &str, confidence: u8) -> PathClaim {
    PathClaim {
        path: path.to_owned(),
        confidence: Confidence(confidence),
        evidence: format!("Fix {path}."),
        source: ClaimSource::Path,
        stated: None,
    }
}

/// Tasks by their ids, with a priority, what they write, and what of `src/lib.rs` they name.
type Sketch<'a> = (&'a str, i64, &'a [(&'a str, u8)], Option<(&'a str, SymbolIntent)>);

fn joined(
    sketches: &[Sketch<'_>],
    declared: &[(usize, usize)],
    policy: OverlapPolicy,
) -> (Vec<String>, Joined) {
    let mut tasks: Vec<PlannedTask> = sketches.iter().map(|sketch| task(sketch.0, sketch.1)).collect();
    for (task, sketch) in tasks.iter_mut().zip(sketches) {
        task.writes = sketch.2.iter().map(|(path, confidence)| claim(path, *confidence)).collect();
    }
    let named = |(name, intent): (&str, SymbolIntent)| NamedSymbol {
        name: name.to_owned(),
        file: Some("src/lib.rs".to_owned()),
        intent,
        confidence: Confidence(90),
    };
    let symbols: Vec<Vec<NamedSymbol>> =
        sketches.iter().map(|sketch| sketch.3.map(named).into_iter().collect()).collect();
    let declared: Vec<Declared> = declared
        .iter()
        .map(|(from, to)| Declared {
            arc: Arc { from: *from, to: *to },
            confidence: Confidence(100),
            evidence: "depends_on".to_owned(),
        })
        .collect();
    let expected: Vec<Vec<Expected<'_>>> =
        tasks.iter().map(|task| task.writes.iter().map(Expected::from).collect()).collect();
    let joined = join(&Given {
        tasks: &tasks,
        declared: &declared,
        expected: &expected,
        symbols: &symbols,
        importing: &|_, _| Vec::new(),
        tree: &Tree::new(["src/lib.rs"]),
        policy,
        threshold: Threshold::percent(35),
    });
    let arrows =
        joined.edges.iter().map(|edge| format!("{} > {} {}", edge.from, edge.to, edge.reason.word()));
    (arrows.collect(), joined)
}

const LIB: &[(&str, u8)] = &[("src/lib.rs", 90)];
const CHANGE: Option<(&str, SymbolIntent)> = Some(("parse", SymbolIntent::Change));
const USE: Option<(&str, SymbolIntent)> = Some(("parse", SymbolIntent::Use));

#[test]
fn an_import_decides_who_of_two_that_write_one_file_is_first() {
    let sketches: [Sketch<'_>; 2] = [("user", 5, LIB, USE), ("changer", 0, LIB, CHANGE)];
    let (arrows, _) = joined(&sketches, &[], OverlapPolicy::Serialize);
    assert_eq!(arrows, ["changer > user import"]);
    // But not against what is declared.
    let (arrows, joined) = joined(&sketches, &[(0, 1)], OverlapPolicy::Serialize);
    assert_eq!(arrows, ["user > changer declared"]);
    assert_eq!(joined.warnings.len(), 1);
}

#[test]
fn the_policy_decides_about_shared_files_and_about_nothing_else() {
    let sketches: [Sketch<'_>; 4] =
        [("user", 0, &[], USE), ("changer", 0, LIB, CHANGE), ("other", 0, LIB, None), ("last", 0, &[], None)];
    let (arrows, serial) = joined(&sketches, &[(0, 3)], OverlapPolicy::Serialize);
    let same_file = "changer > other same-file".to_owned();
    assert_eq!(arrows, ["user > last declared", "changer > user import", &same_file]);
    let (asked, _) = joined(&sketches, &[(0, 3)], OverlapPolicy::Ask);
    assert_eq!(asked, arrows);
    let (arrows, side_by_side) = joined(&sketches, &[(0, 3)], OverlapPolicy::Parallel);
    assert!(!arrows.contains(&same_file) && arrows.len() == 2);
    assert_eq!(side_by_side.collisions, serial.collisions);
    let [pair] = serial.collisions.pairs.as_slice() else { panic!("{:?}", serial.collisions) };
    assert_eq!(
        (pair.a.as_str(), pair.b.as_str(), pair.overlap.confidence),
        ("changer", "other", Confidence(81))
    );
    assert_eq!(pair.overlap.files[0].first.evidence, "Fix src/lib.rs.");
    assert_eq!(serial.collisions.likeliest(0), Some(pair));
}

#[test]
fn what_is_ordered_already_is_no_question() {
    let sketches: [Sketch<'_>; 4] =
        [("a", 0, LIB, None), ("b", 0, &[], None), ("c", 0, LIB, None), ("d", 0, LIB, None)];
    let (arrows, joined) = joined(&sketches, &[(0, 1), (1, 2)], OverlapPolicy::Ask);
    assert_eq!(arrows[2..], ["a > c same-file", "c > d same-file"]);
    assert_eq!(joined.collisions.groups, [vec![TaskId::new("c"), TaskId::new("d")]]);
    assert_eq!(joined.collisions.pairs.len(), 1);
}

#[test]
fn a_group_that_is_released_runs_side_by_side() {
    let sketches: [Sketch<'_>; 4] = [
        ("a", 0, LIB, None),
        ("b", 0, LIB, None),
        ("c", 0, &[("x.md", 90)], None),
        ("d", 0, &[("x.md", 90)], None),
    ];
    let (_, joined) = joined(&sketches, &[], OverlapPolicy::Ask);
    let mut plan = Plan {
        base: CommitId::new("0"),
        tasks: sketches.iter().map(|sketch| task(sketch.0, 0)).collect(),
        edges: joined.edges,
        sequential_because: None,
        skipped: Vec::new(),
        warnings: Vec::new(),
    };
    assert_eq!(joined.collisions.groups.len(), 2);
    release(&mut plan, &joined.collisions.groups[0]);
    let left: Vec<&str> = plan.edges.iter().map(|edge| edge.from.as_str()).collect();
    assert_eq!(left, ["c"]);
}
