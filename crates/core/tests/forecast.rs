//! When a run is expected to end, and what its end hangs on.

mod common;

use common::*;
use gadugi_core::forecast::Forecast;
use gadugi_core::{Command, EndClass, Estimate, Millis, Plan, RunSettings, StepEnd, Target, Timestamp};

/// Tasks that are expected to take so many seconds, never more nor less.
fn sure(tasks: &[(&str, f64)], edges: &[(&str, &str)]) -> Plan {
    let ids: Vec<&str> = tasks.iter().map(|(id, _)| *id).collect();
    let mut plan = plan(&ids, edges);
    for (task, (_, seconds)) in plan.tasks.iter_mut().zip(tasks) {
        task.estimate = Estimate { seconds: *seconds, spread: 1.0, ..task.estimate.clone() };
    }
    plan
}

fn slots(slots: u32) -> RunSettings {
    RunSettings { max_parallel: Some(slots), ..settings() }
}

/// Seconds until the end, and the path.
fn forecast(story: &Story) -> Option<(f64, Vec<String>)> {
    let Forecast { ends_at, critical_path, .. } = story.state.forecast(story.run(), story.now)?;
    let path = critical_path.iter().map(ToString::to_string).collect();
    // The few hundredths that the story's facts took.
    Some(((ends_at.since(story.now).0 as f64 / 1000.0).round(), path))
}

fn expect(story: &Story, seconds: f64, path: &[&str]) {
    assert_eq!(forecast(story), Some((seconds, path.iter().map(|id| (*id).to_owned()).collect())));
}

fn took(seconds: u64) -> StepEnd {
    StepEnd { wall: Millis::seconds(seconds), ..done() }
}

#[test]
fn the_end_is_that_of_the_longest_chain_or_of_the_slots() {
    let tasks = [("a", 60.0), ("b", 100.0), ("c", 30.0)];
    for (count, edges, end, path) in [
        (3, &[][..], 100.0, &["b"][..]),
        (3, &[("a", "c"), ("b", "c")], 130.0, &["b", "c"]),
        (3, &[("a", "b"), ("b", "c")], 190.0, &["a", "b", "c"]),
        // One after another, the longest first: each gets the slot of the one before.
        (1, &[], 190.0, &["b", "a", "c"]),
        // The third gets the slot of the second.
        (2, &[], 100.0, &["b"]),
        (2, &[("b", "c")], 130.0, &["b", "c"]),
    ] {
        let story = Story::of_agents(sure(&tasks, edges), slots(count));
        expect(&story, end, path);
    }
}

/// Seconds until each task that is open begins and ends.
fn expected(story: &Story) -> Vec<(String, f64, f64)> {
    let Some(Forecast { ends_at, tasks, .. }) = story.state.forecast(story.run(), story.now) else {
        return Vec::new();
    };
    assert_eq!(tasks.iter().map(|task| task.ends_at).max(), Some(ends_at), "the end is that of the last");
    let seconds = |at: Timestamp| (at.since(story.now).0 as f64 / 1000.0).round();
    tasks.iter().map(|task| (task.task.to_string(), seconds(task.begins_at), seconds(task.ends_at))).collect()
}

fn foretold(tasks: &[(&str, f64, f64)]) -> Vec<(String, f64, f64)> {
    tasks.iter().map(|(id, from, to)| ((*id).to_owned(), *from, *to)).collect()
}

#[test]
fn each_task_that_is_open_is_told_its_time_by_the_play_that_the_end_is_from() {
    let tasks = [("a", 100.0), ("b", 60.0), ("c", 30.0), ("d", 20.0)];
    let mut story = Story::of_agents(sure(&tasks, &[("a", "c"), ("b", "c")]), slots(2));
    story.later(Millis::seconds(40));
    let all = [("a", 0.0, 60.0), ("b", 0.0, 20.0), ("c", 60.0, 90.0), ("d", 20.0, 40.0)];
    assert_eq!(expected(&story), foretold(&all));
    // Who only waits to be merged is done; who is over is left out; and who waits for a person is, too.
    story.command(Command::Pause { run: run_id(), target: only("d") });
    story.ends("a", took(100));
    assert_eq!(expected(&story)[0], ("a".to_owned(), 0.0, 0.0));
    story.merges("a");
    let ids: Vec<String> = expected(&story).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["b", "c"]);
}

#[test]
fn what_runs_goes_on_for_what_is_left_of_it() {
    let mut story = Story::of_agents(sure(&[("a", 100.0), ("b", 50.0)], &[("a", "b")]), slots(2));
    story.later(Millis::seconds(40));
    expect(&story, 110.0, &["a", "b"]);
    // Of an estimate that is never wrong nothing is left when its time is over.
    story.later(Millis::seconds(400));
    expect(&story, 50.0, &["a", "b"]);
}

#[test]
fn a_task_that_is_overdue_has_some_time_left() {
    let mut plan = sure(&[("a", 100.0)], &[]);
    plan.tasks[0].estimate.spread = 2.0;
    let mut story = Story::of_agents(plan, slots(1));
    let mut before = 0.0;
    for _ in 0..4 {
        story.later(Millis::seconds(200));
        let (left, _) = forecast(&story).unwrap();
        assert!(left > before && left < 400.0, "{left}");
        before = left;
    }
}

#[test]
fn what_came_of_others_corrects_the_estimates_of_the_same_source() {
    let tasks: Vec<(String, f64)> = (0..9).map(|at| (format!("t{at}"), 100.0)).collect();
    let tasks: Vec<(&str, f64)> = tasks.iter().map(|(id, seconds)| (id.as_str(), *seconds)).collect();
    let mut story = Story::of_agents(sure(&tasks, &[]), slots(1));
    expect(&story, 900.0, &["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]);
    let mut per_task = 100.0;
    for at in 0..8_u8 {
        let id = format!("t{at}");
        story.ends(&id, took(10));
        story.merges(&id);
        story.all_start();
        let (left, path) = forecast(&story).unwrap();
        let each = left / path.len() as f64;
        assert!(each < per_task && each > 10.0, "after {id}: {each} each, {per_task} before");
        per_task = each;
    }
    assert!(per_task < 15.0, "eight say the same: {per_task}");
}

#[test]
fn tasks_wait_for_their_account_and_for_their_next_try() {
    let mut story = Story::of_agents(sure(&[("a", 100.0), ("b", 10.0)], &[]), slots(1));
    let reset = story.now + Millis::seconds(1000);
    story.ends(
        "a",
        StepEnd { wall: Millis(0), ..spoken(EndClass::UsageLimit { resets_at: Some(reset) }, None) },
    );
    expect(&story, 1110.0, &["a", "b"]);
}

#[test]
fn nothing_is_foretold_of_what_waits_for_a_person() {
    let mut story =
        Story::of_agents(sure(&[("a", 100.0), ("b", 10.0), ("c", 70.0)], &[("a", "b")]), slots(3));
    story.command(Command::Pause { run: run_id(), target: only("a") });
    story.ends("a", stopped());
    expect(&story, 70.0, &["c"]);
    story.ends("c", took(70));
    story.merges("c");
    assert_eq!(forecast(&story), None, "nothing goes on");
    story.command(Command::Resume { run: run_id(), target: only("a") });
    assert!(forecast(&story).is_some());
    story.command(Command::Pause { run: run_id(), target: Target::All });
    assert_eq!(forecast(&story), None);
}

#[test]
fn when_all_is_over_nothing_is_foretold() {
    let mut story = Story::of_agents(sure(&[("a", 100.0)], &[]), slots(1));
    story.ends("a", done());
    expect(&story, 0.0, &["a"]);
    story.merges("a");
    assert_eq!(forecast(&story), None);
}
