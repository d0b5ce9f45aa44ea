//! What of a run wants a person, and in what order work is merged.

mod common;

use common::stages::at;
use common::*;
use gadugi_core::needs::{NeedKind, Remedial};
use gadugi_core::{
    Collected, Command, Composition, EndClass, Event, Millis, Report, RunSettings, StepExit, Target,
};

fn story(ids: &[&str]) -> Story {
    Story::of_agents(plan(ids, &[]), settings())
}

/// Kind and task of each need.
fn needs(story: &Story) -> Vec<(NeedKind, Option<String>)> {
    let needs = story.run().needs(story.now);
    needs.into_iter().map(|need| (need.kind, need.task.map(|task| task.to_string()))).collect()
}

fn of(kind: NeedKind, task: &str) -> (NeedKind, Option<String>) {
    (kind, Some(task.to_owned()))
}

fn finished(story: &mut Story, kept: &[(&str, &str)]) {
    let kept = kept.iter().map(|(path, why)| ((*path).to_owned(), (*why).to_owned())).collect();
    story.report(Report::Tidied { run: run_id(), kept });
}

#[test]
fn a_run_that_goes_well_wants_nobody_until_its_work_is_to_be_landed() {
    let mut story = story(&["a", "b"]);
    for id in ["a", "b"] {
        assert_eq!(needs(&story), []);
        story.ends(id, done());
        story.merges(id);
    }
    assert_eq!(needs(&story), [], "workspaces are still being put away");
    finished(&mut story, &[]);
    assert_eq!(needs(&story), [(NeedKind::Land, None)]);
    let need = &story.run().needs(story.now)[0];
    assert!(need.detail.contains("2 tasks") && need.since.is_some());
    assert_eq!(need.remedies(), [Remedial::Land]);
    story.fact(&Event::RunLanded { run: run_id(), into: "main".into(), commit: commit("landed") });
    assert_eq!(needs(&story), []);
}

#[test]
fn what_is_merged_after_a_landing_is_to_be_landed_too() {
    let mut story = story(&["a", "b"]);
    story.ends("a", done());
    story.merges("a");
    story.ends("b", spoken(EndClass::Refused, None));
    story.salvaged("b");
    finished(&mut story, &[]);
    story.fact(&Event::RunLanded { run: run_id(), into: "main".into(), commit: commit("landed") });
    assert_eq!(needs(&story), [of(NeedKind::Failed, "b")]);
    story.command(Command::Retry { run: run_id(), target: only("b"), with: None });
    assert_eq!(needs(&story), []);
    story.all_start();
    story.ends("b", done());
    story.merges("b");
    finished(&mut story, &[]);
    assert_eq!(needs(&story), [(NeedKind::Land, None)]);
}

#[test]
fn bad_ends_are_told_apart_and_what_was_left_out_for_them_is_not_told() {
    let mut story = Story::of_agents(
        plan(&["fails", "waits", "spends", "cancelled"], &[("fails", "waits")]),
        RunSettings { max_parallel: Some(9), task_budget_microusd: Some(1000), ..settings() },
    );
    story.ends("fails", spoken(EndClass::Refused, None));
    story.ends("spends", spoken(EndClass::Budget, None));
    story.command(Command::Cancel { run: run_id(), target: only("cancelled") });
    story.ends("cancelled", stopped());
    assert_eq!(story.word("waits"), "skipped");
    assert_eq!(needs(&story), [of(NeedKind::Budget, "spends"), of(NeedKind::Failed, "fails")]);
    assert_eq!(story.run().needs(story.now)[1].remedies(), [Remedial::Retry]);
}

#[test]
fn what_does_not_merge_and_what_does_not_pass() {
    for (result, kind) in [
        (Composition::Conflict(vec!["a.rs".into()]), NeedKind::Conflict),
        (Composition::Clean(commit("composed")), NeedKind::Rejected),
    ] {
        let mut story = at("composing");
        let onto = story.run().tip.clone().unwrap();
        let work = story.task("a").commit.clone().unwrap();
        story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
        if kind == NeedKind::Rejected {
            story.started("a");
            story.ends("a", ended(StepExit::Code(1)));
        }
        assert!(needs(&story).contains(&of(kind, "a")), "{kind:?}: {:?}", needs(&story));
    }
}

#[test]
fn the_budget_of_a_run_is_told_once_however_many_tasks_it_leaves_out() {
    let plan = plan(&["a", "b", "c", "d"], &[]);
    let budget = RunSettings { max_parallel: Some(1), budget_microusd: Some(1000), ..settings() };
    let mut story = Story::of_agents(plan, budget);
    story.ends("a", spoken(EndClass::Done, None));
    let told = needs(&story);
    assert_eq!(told, [(NeedKind::Budget, None)]);
    assert_eq!(story.run().needs(story.now)[0].detail, "the run's budget is spent: 3 tasks were left out");
}

#[test]
fn a_quiet_step_is_told_with_since_when_until_it_gives_a_sign() {
    let mut story = story(&["a"]);
    story.later(Millis::seconds(3600));
    let step = story.current("a");
    let quiet = Millis::seconds(15 * 60);
    story.report(Report::StepQuiet { step: step.clone(), quiet, after_result: false });
    let need = story.run().needs(story.now).remove(0);
    assert_eq!(need.kind, NeedKind::Suspect);
    assert_eq!(need.since, Some(story.now - quiet));
    story.report(Report::StepAlive { step });
    assert_eq!(needs(&story), []);
}

#[test]
fn limits_are_told_while_they_hold_somebody_back() {
    let mut story = story(&["a"]);
    let reset = story.now + Millis::seconds(3600);
    story.ends("a", spoken(EndClass::UsageLimit { resets_at: Some(reset) }, None));
    assert_eq!(needs(&story), [(NeedKind::Limit, None)]);
    assert_eq!(story.run().needs(story.now)[0].until, Some(reset));
    story.now = reset;
    assert_eq!(needs(&story), []);
    story.now = reset - Millis(1);
    story.command(Command::Cancel { run: run_id(), target: Target::All });
    assert_eq!(needs(&story), [], "nobody waits for it any more");
}

#[test]
fn pauses_are_told_by_who_brought_them_about() {
    let mut story = story(&["a", "b"]);
    story.command(Command::Pause { run: run_id(), target: only("a") });
    story.ends("a", stopped());
    assert_eq!(needs(&story), [of(NeedKind::Held, "a")]);
    story.command(Command::Pause { run: run_id(), target: Target::All });
    assert_eq!(needs(&story), [(NeedKind::Paused, None), of(NeedKind::Held, "a")]);
    story.command(Command::Resume { run: run_id(), target: Target::All });
    assert_eq!(needs(&story), []);
    story.all_start();
    story.ends("b", spoken(EndClass::Auth, None));
    let need = story.run().needs(story.now).remove(0);
    assert_eq!(need.kind, NeedKind::Auth);
    assert!(need.detail.contains("said"), "{}", need.detail);
    assert_eq!(need.remedies(), [Remedial::Resume, Remedial::Cancel]);
}

#[test]
fn a_workspace_that_was_kept_is_told_with_its_task() {
    let mut story = story(&["a", "b"]);
    story.ends("a", done());
    story.merges("a");
    story.ends("b", spoken(EndClass::Refused, None));
    story.salvaged("b");
    finished(&mut story, &[("/w/b", "it holds uncommitted changes"), ("/w/.composed", "no idea")]);
    let told = needs(&story);
    let kept = (NeedKind::Kept, None);
    assert_eq!(told, [of(NeedKind::Failed, "b"), of(NeedKind::Kept, "b"), kept, (NeedKind::Land, None)]);
    assert_eq!(story.run().needs(story.now)[1].path.as_deref(), Some("/w/b"));
}

#[test]
fn the_merge_queue_is_taken_in_plan_order_behind_the_one_at_its_head() {
    let mut story = story(&["a", "b", "c"]);
    assert_eq!(story.run().merge_queue(story.now), []);
    for id in ["c", "b", "a"] {
        story.ends(id, done());
        let result =
            Ok(Collected { commit: commit(id), changed: vec![format!("{id}.rs")], committed_rest: false });
        story.report(Report::WorkCollected { attempt: attempt(id, 1), result });
    }
    assert_eq!(story.run().merge_queue(story.now), [2, 0, 1], "the first that came is at the head");
    let put_back = |id: &str, until| {
        let because = "its check was lost".into();
        Event::MergePutBack { attempt: attempt(id, 1), because, until }
    };
    story.fact(&put_back("c", None));
    assert_eq!(story.run().merge_queue(story.now), [0, 1, 2]);
    story.fact(&Event::MergeStarted { attempt: attempt("a", 1), onto: commit("base") });
    let until = story.now + Millis::seconds(60);
    story.fact(&put_back("a", Some(until)));
    assert_eq!(story.run().merge_queue(story.now), [1, 2, 0], "it waits until it is tried again");
    assert_eq!(story.run().merge_queue(until), [0, 1, 2]);
}
