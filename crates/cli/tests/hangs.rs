//! Agents that fall silent, agents that will not end, and agents that only seem to. The engine looks every two seconds,
//! so limits here are a few seconds where by default they are many minutes.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use serde_json::Value;
use stage::{Ran, Stage, until};

fn of_task<'r>(events: &'r [Value], task: &str) -> Vec<&'r Value> {
    events.iter().filter(|event| event["task"] == task).collect()
}

fn of_type<'r>(events: &[&'r Value], word: &str) -> Vec<&'r Value> {
    events.iter().filter(|event| event["type"] == word).copied().collect()
}

fn with_limits(suspect: &str, stop: &str, after_result: &str) -> Stage {
    let stage = Stage::new();
    let hang =
        format!("[hang]\nsuspect = \"{suspect}\"\nstop = \"{stop}\"\nafter_result = \"{after_result}\"\n");
    stage.write("gadugi.toml", &format!("[run]\ngrace = \"1s\"\n[retry]\nfirst = \"100ms\"\n{hang}"));
    stage
}

fn file(ran: &Ran, stage: &Stage, name: &str) -> String {
    stage.blob(ran.report()["branch"].as_str().unwrap(), name)
}

#[test]
fn an_agent_that_falls_silent_is_suspected_then_stopped_and_taken_up_again() {
    let stage = with_limits("2s", "8s", "8s");
    stage.prompt(
        "mute",
        "",
        "write begun.txt begun\nfresh ignore-term\nfresh hang\nrun cat begun.txt > done.txt",
    );
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    let suspected = run.until_type("step-suspected");
    assert!(suspected["quiet"].as_u64().unwrap() >= 2000, "{suspected}");
    let shown = stage.gadugi(&["status"]).ends_with(0).stdout.clone();
    assert!(shown.contains("no sign of life for"), "it is shown: {shown}");
    let ran = run.end();
    ran.ends_with(0);
    let events = ran.events();
    let mute = of_task(&events, "mute");
    let stops = of_type(&mute, "stop-requested");
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert_eq!(stops[0]["cause"], "hung");
    let steps: Vec<&Value> =
        of_type(&mute, "step-intended").into_iter().map(|event| &event["what"]).collect();
    let modes: Vec<&Value> = steps.iter().map(|what| &what["mode"]).collect();
    assert_eq!(modes, ["fresh", "resume"], "{steps:?}");
    assert_eq!(steps[0]["session"], steps[1]["session"], "the same conversation");
    assert_eq!(ran.task("mute")["attempts"], 1);
    assert_eq!(file(&ran, &stage, "done.txt"), "begun", "in the same workspace");
    assert_eq!(stage.left_over(), [] as [String; 0]);
}

#[test]
fn an_agent_that_lives_on_after_its_result_is_stopped_and_its_result_stands() {
    let stage = with_limits("10m", "30m", "3s");
    stage.prompt("lingers", "", "write lingers.txt done\nignore-term\nspawn-daemon 300\nlinger");
    stage.prompt("after", "depends_on: [lingers]", "run cat lingers.txt > after.txt");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    let events = ran.events();
    let lingers = of_task(&events, "lingers");
    let stops = of_type(&lingers, "stop-requested");
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert_eq!(stops[0]["cause"], "lingered");
    assert_eq!(of_type(&lingers, "step-intended").len(), 1, "nothing is repeated");
    assert_eq!(of_type(&lingers, "attempt-suspended").len(), 0);
    assert_eq!(ran.task("lingers")["outcome"], "succeeded");
    assert_eq!(file(&ran, &stage, "after.txt"), "done");
    assert_eq!(stage.left_over(), [] as [String; 0]);
}

/// The limits are as those by default, a hundred and more times shorter: a second of processor time within the limit is
/// enough, as are two lines.
#[test]
fn who_works_for_many_times_the_limit_is_never_suspected() {
    let stage = with_limits("6s", "8s", "8s");
    // Not a line for all that time: the shell works, and what it says comes at the end.
    let busy = "run end=$(($(date +%s) + 30)); work() { while test $(date +%s) -lt $end; do :; done; }; work & work & wait";
    stage.prompt("compiles", "", &format!("{busy}\nwrite compiles.txt done"));
    stage.prompt("talks", "", "lines 60 2\nwrite talks.txt done");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "2"]);
    ran.ends_with(0);
    let events = ran.events();
    for task in ["compiles", "talks"] {
        let events = of_task(&events, task);
        for word in ["step-suspected", "stop-requested", "attempt-suspended"] {
            assert_eq!(of_type(&events, word), [] as [&Value; 0], "{task}");
        }
        let ends = of_type(&events, "step-ended");
        assert!(ends[0]["end"]["wall"].as_u64().unwrap() > 4 * 6000, "many times the limit: {ends:?}");
    }
}

#[test]
fn who_is_suspected_and_gives_a_sign_of_life_is_cleared() {
    let mut stage = with_limits("2s", "10m", "10m");
    stage.keep_ledger();
    let wait = "run until test -e \"$LEDGER.go\"; do sleep 0.5; done";
    stage.prompt("thinks", "", &format!("{wait}\nwrite thinks.txt done\nlines 12 2"));
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-suspected");
    std::fs::write(stage.home.join("ledger.go"), "").unwrap();
    run.until_type("step-cleared");
    let ran = run.end();
    ran.ends_with(0);
    assert_eq!(ran.task("thinks")["attempts"], 1);
    until("nothing of it is left", || stage.attempt_processes().is_empty());
}
