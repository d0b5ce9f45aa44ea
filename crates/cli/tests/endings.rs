//! How runs end before their time: timeouts, cancellations, interruptions, a dead engine. No process, no lock and no
//! half-written file is left.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;

use serde_json::Value;
use stage::{Stage, until};

/// A script whose descent is as hard to end as it can be.
const STUBBORN: &str =
    "ignore-term\nspawn-daemon 300\nrun sh -c 'trap \"\" TERM; setsid sleep 300 & exec sleep 300'\nhang";

#[track_caller]
fn nothing_is_left(stage: &Stage) {
    until("no process of an attempt is left", || stage.attempt_processes().is_empty());
    let half_written = |dir: &std::path::Path| {
        let names = fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".tmp")).collect::<Vec<_>>()
    };
    let monitoring = stage.root.join(".gadugi/monitoring");
    // An engine that is about to leave may be writing its last.
    until("no file is half-written", || half_written(&monitoring).is_empty());
    for lock in ["index.lock", "HEAD.lock", "packed-refs.lock"] {
        assert!(!stage.root.join(".git").join(lock).exists(), "{lock}");
    }
}

fn quick_to_kill(stage: &Stage) {
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
}

#[test]
fn a_task_whose_time_is_over_is_stopped_with_all_its_descent() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    stage.prompt("stubborn", "timeout: 1s", STUBBORN);
    stage.prompt("fine", "", "write fine.txt fine");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "2"]);
    ran.ends_with(1);
    assert_eq!(ran.task("stubborn")["outcome"], "timed-out");
    assert_eq!(ran.task("fine")["outcome"], "succeeded");
    nothing_is_left(&stage);
}

#[test]
fn a_cancelled_task_ends_and_the_others_go_on() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    stage.prompt("stubborn", "", STUBBORN);
    stage.prompt("follower", "depends_on: [stubborn]", "write follower.txt x");
    stage.prompt("fine", "", "sleep 1s\nwrite fine.txt fine");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    run.until("the stubborn task runs", |event| {
        event["type"] == "step-started" && event["task"] == "stubborn"
    });
    until("its descent is there", || stage.attempt_processes().len() >= 4);
    stage.gadugi(&["cancel", "stubborn"]).ends_with(0);
    let ran = run.end();
    ran.ends_with(1);
    assert_eq!(ran.task("stubborn")["outcome"], "cancelled");
    assert_eq!(ran.task("follower")["outcome"], "skipped");
    assert_eq!(ran.task("fine")["outcome"], "succeeded");
    nothing_is_left(&stage);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    stage.prompt("long", "", "write begun.txt begun\nfresh hang\nwrite done.txt done");
    stage.prompt("later", "depends_on: [long]", "run cat done.txt > later.txt");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let workspace = stage.task("long")["workspace"].as_str().unwrap().to_owned();
    until("the agent has begun", || std::path::Path::new(&workspace).join("begun.txt").exists());
    run.signal("INT");
    let ran = run.end();
    ran.ends_with(130);
    assert!(ran.stderr.contains("gadugi resume"), "{}", ran.stderr);
    nothing_is_left(&stage);
    stage.engine_leaves();
    assert_eq!(stage.task("long")["state"], "suspended");
    assert!(std::path::Path::new(&workspace).join("begun.txt").exists(), "what it did is kept");

    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "later.txt"), "done");
    assert_eq!(resumed.task("long")["attempts"], 1, "it was taken up, not begun again");
    stage.gadugi(&["resume"]).ends_with(0);
}

#[test]
fn asked_twice_it_stops_at_once() {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[run]\ngrace = \"10m\"\n");
    stage.prompt("stubborn", "", STUBBORN);
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    until("its descent is there", || stage.attempt_processes().len() >= 4);
    run.signal("INT");
    run.until_type("stop-requested");
    run.signal("INT");
    run.end().ends_with(130);
    nothing_is_left(&stage);
}

#[test]
fn a_terminal_that_closes_leaves_the_run_going() {
    let stage = Stage::new();
    stage.prompt("one", "", "sleep 1s\nwrite one.txt one");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    run.signal("HUP");
    drop(run);
    until("the run is over", || stage.status()["status"] == "finished");
    assert_eq!(stage.task("one")["state"], "succeeded");
}

#[test]
fn an_agent_outlives_a_killed_engine_and_is_adopted() {
    let stage = Stage::new();
    stage.prompt("long", "", "sleep 3s\nrun echo x >> count.txt\nrun cp count.txt out.txt");
    stage.prompt("next", "depends_on: [long]", "run cat out.txt > next.txt");
    stage.commit("prompts");
    let started = stage.gadugi(&["run", "--agent", "scripted", "--detach"]);
    started.ends_with(0);
    until("the agent runs", || stage.task("long")["state"] == "running");
    stage.kill_engine();
    assert!(!stage.attempt_processes().is_empty(), "the agent goes on without its engine");
    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "next.txt"), "x", "it ran exactly once");
    assert_eq!(resumed.task("long")["attempts"], 1);
    nothing_is_left(&stage);
}

#[test]
fn an_agent_that_finishes_while_the_engine_is_dead_is_recorded_as_succeeded_and_its_task_is_run_exactly_once()
{
    let mut stage = Stage::new();
    stage.keep_ledger();
    let wait = "run until test -e \"$LEDGER.dead\"; do sleep 0.01; done";
    let script =
        format!("run sh tools/begin\n{wait}\nwrite done.txt done\nsay nobody hears this\nrun sh tools/end");
    stage.prompt("long", "", &script);
    stage.prompt("next", "depends_on: [long]", "run cat done.txt > next.txt");
    stage.commit("prompts");
    stage.gadugi(&["run", "--agent", "scripted", "--detach"]).ends_with(0);
    until("the agent works", || stage.ledger() == ["begin long"]);
    stage.kill_engine();
    fs::write(stage.home.join("ledger.dead"), "").unwrap();
    until("the agent is over", || stage.attempt_processes().is_empty());
    assert_eq!((stage.engine(), stage.ledger().len()), (None, 2), "it finished, and no engine lived");

    // Whoever looks next finds what became of it, before anybody takes the run up again.
    until("its end is known", || stage.task("long")["commit"].is_string());
    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let long = resumed.task("long");
    assert_eq!((&long["outcome"], &long["attempts"]), (&Value::from("succeeded"), &Value::from(1)));
    assert_eq!(stage.ledger(), ["begin long", "end long"], "it ran exactly once");
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "next.txt"), "done", "what follows it builds on its work");
    let merges = stage.git(&["log", "--merges", "--format=%s", &branch]);
    assert_eq!(merges, "next: The task next\nlong: The task long", "each once");
    let export = stage.gadugi(&["export", "--output", "-"]).ends_with(0).stdout.clone();
    let events = serde_json::from_str::<Value>(&export).unwrap()["events"].as_array().unwrap().clone();
    let ends: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "step-ended" && event["task"] == "long").collect();
    assert_eq!(ends.len(), 1, "one step, and one end of it: {ends:?}");
    assert_eq!(ends[0]["end"]["exit"], serde_json::json!({ "code": 0 }), "its true exit status");
    let log = stage.gadugi(&["logs", "long"]).ends_with(0).stdout.clone();
    assert!(log.contains("nobody hears this"), "every byte of its output: {log}");
    nothing_is_left(&stage);
}

#[test]
fn a_follower_whose_engine_dies_goes_on_following() {
    let stage = Stage::new();
    stage.prompt("long", "", "sleep 2s\nwrite one.txt one");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    stage.kill_engine();
    // The follower starts an engine anew, and still wants its run.
    let ran = run.end();
    ran.ends_with(0);
    let seqs: Vec<u64> = ran.events().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "none twice: {seqs:?}");
    let started = ran.events().iter().filter(|event| event["type"] == "step-started").count();
    assert_eq!(started, 1, "the agent was adopted");
    assert_eq!(ran.task("long")["outcome"], "succeeded");
}

#[test]
fn a_run_inside_a_task_is_refused() {
    let stage = Stage::new();
    let program = env!("CARGO_BIN_EXE_gadugi");
    let script = format!("run {program} run --agent scripted > nested.txt 2>&1; echo $? >> nested.txt");
    stage.prompt("one", "", &script);
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    let nested = stage.blob(ran.report()["branch"].as_str().unwrap(), "nested.txt");
    assert_eq!(nested.lines().last(), Some("2"), "{nested}");
    assert_eq!(nested.lines().filter(|line| line.starts_with("error:")).count(), 1, "{nested}");
}

#[test]
fn a_frozen_shim_is_stopped_when_its_time_is_over() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    let freeze = "run kill -STOP $(awk '/PPid/{print $2}' /proc/$PPID/status)\nhang";
    stage.prompt("frozen", "timeout: 1s", freeze);
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    assert_eq!(ran.task("frozen")["outcome"], "timed-out");
    nothing_is_left(&stage);
}

#[test]
fn a_deleted_integration_branch_is_made_again() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    let delete = "git for-each-ref --format='delete %(refname)' refs/heads/gadugi | git update-ref --stdin";
    stage.prompt("two", "depends_on: [one]", &format!("run {delete}\nwrite two.txt 2"));
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "one.txt"), "1", "what it held is there again");
    assert_eq!(stage.blob(&branch, "two.txt"), "2");
}

#[test]
fn a_task_that_failed_can_be_retried_after_the_rest_was_landed() {
    let stage = Stage::new();
    stage.prompt("fine", "", "write fine.txt 1");
    stage.prompt(
        "late",
        "",
        "attempt 1 write half.txt x\nattempt 1 fail not yet\nsleep 1s\nwrite late.txt 2",
    );
    stage.commit("prompts");
    stage.run(&[]).ends_with(1);
    stage.gadugi(&["land"]).ends_with(0);
    stage.gadugi(&["retry", "late"]).ends_with(0);
    let ran = stage.gadugi(&["resume", "--json"]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!((stage.blob(&branch, "fine.txt"), stage.blob(&branch, "late.txt")), ("1".into(), "2".into()));
    // The first try's workspace holds what was never merged: it is kept, named, and never forgotten.
    let kept = stage.status()["kept"].to_string();
    assert!(kept.contains("/late\"") && !kept.contains("/late-2\""), "{kept}");
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(cleaned.stdout.contains("/late"), "{cleaned:?}");
    assert_eq!(stage.status()["status"], "finished", "a run with kept work stays on record");
}

#[test]
fn a_run_leaves_no_folder_of_worktrees() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.commit("prompts");
    stage.run(&["--verify", "true"]).ends_with(0);
    let names: Vec<_> =
        fs::read_dir(stage.root.join(".worktrees")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, [".gitignore"]);
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
}

#[test]
fn who_follows_a_task_or_watches_a_run_goes_on_under_the_next_engine() {
    let stage = Stage::new();
    let gate = stage.root.join("../gate");
    let wait = format!("run until test -e {}; do sleep 0.1; done", gate.display());
    stage.prompt("one", "", &format!("say before\n{wait}\nsay after\nwrite one.txt x"));
    stage.commit("a prompt");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let logs = stage.spawn(&["logs", "-f", "one"]);
    let status = stage.spawn(&["status", "--watch", "--json"]);
    // Both are connected: the engine answers each before it hears what comes behind it.
    stage.gadugi(&["status"]).ends_with(0);
    stage.kill_engine();
    run.until_type("run-resumed");
    fs::write(&gate, "").unwrap();
    run.end().ends_with(0);
    let logs = stage.finish(logs);
    logs.ends_with(0);
    assert!(logs.stdout.contains("after"), "{logs:?}");
    let status = stage.finish(status);
    status.ends_with(0);
    let last: Value = serde_json::from_str(status.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "finished", "{last:#}");
}
