//! What tasks came to, for later plans: told from the state, with what was measured, and honest about what is not known.

mod common;

use common::{Story, attempt, commit, done, edge, plan, run_id, settings, task};
use gadugi_core::{
    ClaimSource, Collected, Collisions, Composition, Confidence, EdgeReason, EndClass, Outcome, PathClaim,
    Report, RunSettings, StepEnd,
};

fn claim(path: &str, confidence: u8, stated: Option<u8>) -> PathClaim {
    PathClaim {
        path: path.into(),
        confidence: Confidence(confidence),
        evidence: String::new(),
        source: ClaimSource::Symbol,
        stated: stated.map(Confidence),
    }
}

/// Its agent is done, having written that; the merge goes well.
fn writes(story: &mut Story, id: &str, changed: &[&str]) {
    let onto = story.run().tip.clone().expect("an open branch");
    story.ends(id, StepEnd { peak_mib: 700, cpu_ms: 250, ..done() });
    let (work, composed) = (commit(&format!("work-{id}")), commit(&format!("tip-{id}")));
    let changed = changed.iter().map(|path| (*path).to_owned()).collect();
    let result = Ok(Collected { commit: work.clone(), changed, committed_rest: false });
    story.report(Report::WorkCollected { attempt: attempt(id, story.task(id).attempts), result });
    let result = Composition::Clean(composed.clone());
    story.report(Report::Composed { run: run_id(), task: task(id), work, onto, result });
    story.report(Report::Advanced { run: run_id(), task: task(id), to: composed, result: Ok(()) });
}

#[test]
fn a_task_is_told_with_what_it_took_and_what_its_claims_came_to() {
    let mut plan = plan(&["a", "b", "c"], &[("b", "c")]);
    plan.tasks[0].writes = vec![claim("src/", 90, None), claim("docs/a.md", 40, Some(60))];
    plan.tasks[1].model = Some("opus".into());
    let settings = RunSettings { model: Some("sonnet".into()), ..settings() };
    let mut story = Story::of_agents(plan, settings);
    assert!((0..3).all(|at| story.run().past_task(at).is_none()), "none is over");
    writes(&mut story, "a", &["src/x.rs", "Makefile"]);
    let past = story.run().past_task(0).unwrap();
    assert_eq!((past.work.outcome.clone(), past.work.seconds), (Outcome::Succeeded, 1.0));
    assert_eq!((past.work.memory_mb, past.work.cpu, past.work.disk_mb), (Some(700), Some(0.25), None));
    assert_eq!((past.work.model.as_deref(), past.work.targets), (Some("sonnet"), 2));
    assert_eq!(past.writes.unwrap(), ["src/x.rs", "Makefile"]);
    let claims: Vec<_> = past.predicted.iter().map(|claim| (claim.stated.0, claim.written)).collect();
    assert_eq!(claims, [(90, Some(true)), (60, Some(false))]);
    // One that failed left nothing to compare; one that was never begun is no past task.
    story.ends("b", common::spoken(EndClass::Refused, None));
    let past = story.run().past_task(1).unwrap();
    assert_eq!((past.work.outcome, past.work.model.as_deref()), (Outcome::Failed, Some("opus")));
    assert_eq!(past.writes, None);
    assert!(story.run().past_task(2).is_none());
    assert_eq!(story.word("c"), "skipped");
}

#[test]
fn memory_is_that_of_the_largest_process_where_nobody_looked() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    story.ends("a", StepEnd { max_rss_kib: 300 * 1024, ..common::ended(gadugi_core::StepExit::Code(1)) });
    assert_eq!((story.task("a").peak_mib, story.task("a").cpu_ms), (300, 0));
}

#[test]
fn a_run_that_is_over_says_how_well_it_was_foreseen() {
    let mut plan = plan(&["a", "b", "c", "d", "e"], &[("a", "e")]);
    let writes_of = [
        vec![claim("shared.rs", 80, None)],
        vec![claim("shared.rs", 80, None), claim("vain.rs", 80, None)],
        vec![claim("vain.rs", 80, None)],
        vec![claim("shared.rs", 20, None)],
        vec![claim("shared.rs", 80, None)],
    ];
    for (planned, writes) in plan.tasks.iter_mut().zip(writes_of) {
        planned.writes = writes;
    }
    plan.edges.push(edge("a", "b", EdgeReason::SameFile));
    let mut story = Story::of_agents(plan, settings());
    for id in ["a", "b", "c", "d", "e"] {
        story.all_start();
        let own = format!("{id}.rs");
        let changed = ["shared.rs", &own];
        writes(&mut story, id, if id == "c" { &changed[1..] } else { &changed });
    }
    assert_eq!(story.run().report(story.now).foresight, None, "not before it is over");
    story.report(Report::Tidied { run: run_id(), kept: vec![] });
    let foresight = story.run().report(story.now).foresight.unwrap();
    // a-b was foreseen, b-e too; d was not expected there, and a-e was in order anyway.
    assert_eq!(foresight.collisions, Collisions { foreseen: 2, unforeseen: 3, in_vain: 1 });
    assert_eq!((foresight.right(), foresight.claims()), (4, 6));
    assert_eq!((foresight.found(), foresight.written()), (4, 9));
}
