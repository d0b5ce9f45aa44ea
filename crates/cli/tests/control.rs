//! A run that goes on is steered from another terminal: cancelled, paused, taken up again, retried, in part or as a whole.
//! What a command says is so by the time that it says it.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;
use stage::play::state_of;
use stage::{Live, Ran, Stage, until};

/// A script whose descent is as hard to end as it can be: the agent, a daemon, a shell and two sleeps.
const STUBBORN: &str =
    "ignore-term\nspawn-daemon 300\nrun sh -c 'trap \"\" TERM; setsid sleep 300 & exec sleep 300'\nhang";

/// Begins, stands still, and finishes once it is taken up again.
const SLOW: &str = "write $T.begun begun\nfresh hang\nwrite $T.txt done";

fn slow(stage: &Stage, name: &str, front: &str) {
    stage.prompt(name, front, &SLOW.replace("$T", name));
}

/// Waits until the test lets it go on, and finishes.
fn patient(stage: &Stage, name: &str, front: &str) {
    let wait = "run until test -e \"$LEDGER.go\"; do sleep 0.02; done";
    stage.prompt(name, front, &format!("{wait}\nwrite {name}.txt done"));
}

fn let_go(stage: &Stage) {
    fs::write(stage.home.join("ledger.go"), "").unwrap();
}

/// A stage with a ledger, whose agents are killed a second after they were asked to end.
fn quick() -> Stage {
    let mut stage = Stage::new();
    stage.keep_ledger();
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage
}

/// Processes of a task's attempts, the agent's descent and the shim among them.
fn processes_of(stage: &Stage, task: &str) -> Vec<i32> {
    let mark = format!("ORCHESTRATOR_TASK_ID={task}\0");
    let holds = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&mark)
    };
    stage.attempt_processes().into_iter().filter(holds).collect()
}

/// Null where there is no run yet.
fn view(stage: &Stage) -> Value {
    stage.view().unwrap_or_default()
}

fn state(stage: &Stage, task: &str) -> String {
    state_of(&view(stage), task).to_owned()
}

/// The workspace of a task has what its agent wrote first.
fn has_begun(stage: &Stage, task: &str) -> bool {
    let view = view(stage);
    let tasks = view["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = tasks.iter().find(|found| found["id"] == task);
    let workspace = found.and_then(|found| found["workspace"].as_str());
    workspace.is_some_and(|workspace| Path::new(workspace).join(format!("{task}.begun")).exists())
}

fn facts(stage: &Stage) -> Vec<Value> {
    let export = stage.gadugi(&["export", "--output", "-"]).ends_with(0).stdout.clone();
    serde_json::from_str::<Value>(&export).unwrap()["events"].as_array().unwrap().clone()
}

fn of_type(facts: &[Value], word: &str) -> usize {
    facts.iter().filter(|fact| fact["type"] == word).count()
}

/// What follows from what people wish: a busy machine, say, may hold something back meanwhile.
fn wishes(stage: &Stage) -> Vec<Value> {
    let words = ["stop-requested", "task-held", "task-released", "task-revived", "task-finished"];
    let of_runs = ["run-paused", "run-resumed", "run-ending"];
    let wished = |fact: &Value| words.iter().chain(&of_runs).any(|word| fact["type"] == *word);
    facts(stage).into_iter().filter(wished).collect()
}

/// One line that is an error, and the code of a wrong request.
#[track_caller]
fn refused(ran: &Ran, words: &str) {
    ran.ends_with(2);
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{ran:?}");
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(words), "{ran:?}");
}

#[test]
fn cancel_confirms_when_tasks_are_over_and_their_processes_gone() {
    let stage = quick();
    for task in ["ant", "bee", "cat"] {
        stage.prompt(task, "", STUBBORN);
    }
    stage.prompt("after", "depends_on: [ant]", "write after.txt x");
    patient(&stage, "dog", "");
    stage.commit("prompts");
    let run = stage.start_run(&["--max-parallel", "4"]);
    until("all descents are there", || {
        ["ant", "bee", "cat"].iter().all(|task| processes_of(&stage, task).len() >= 4)
    });

    let one = stage.gadugi(&["cancel", "ant"]);
    let left = processes_of(&stage, "ant");
    one.ends_with(0);
    assert_eq!(left, [] as [i32; 0], "gone by the time that the command says so");
    assert!(one.stdout.contains(": 1 task cancelled (ant)"), "{one:?}");
    assert_eq!((state(&stage, "ant"), state(&stage, "after")), ("cancelled".into(), "skipped".into()));
    assert!(processes_of(&stage, "bee").len() >= 4, "others go on");

    let several = stage.gadugi(&["cancel", "bee", "--task-id", "cat"]);
    let left = [processes_of(&stage, "bee"), processes_of(&stage, "cat")].concat();
    several.ends_with(0);
    assert_eq!(left, [] as [i32; 0]);
    assert!(several.stdout.contains(": 2 tasks cancelled (bee and cat)"), "{several:?}");
    assert!(!processes_of(&stage, "dog").is_empty(), "and so does the last one");

    let all = stage.gadugi(&["cancel", "--all"]);
    let left = stage.attempt_processes();
    all.ends_with(0);
    assert_eq!(left, [] as [i32; 0]);
    assert!(all.stdout.contains(": 1 task cancelled (dog)"), "{all:?}");
    let ran = run.end();
    ran.ends_with(1);
    for task in ["ant", "bee", "cat", "dog"] {
        assert_eq!(ran.task(task)["outcome"], "cancelled", "{task}");
    }
    let id = ran.report()["run"].as_str().unwrap().to_owned();
    let again = stage.gadugi(&["cancel", &id]);
    again.ends_with(0);
    assert!(again.stdout.contains("nothing to cancel, it is over"), "{again:?}");
    assert_eq!(stage.left_over(), [] as [String; 0]);
}

#[test]
fn who_cancels_twice_need_not_wait_for_the_grace() {
    let stage = quick();
    stage.write("gadugi.toml", "[run]\ngrace = \"10m\"\n");
    stage.prompt("ant", "", STUBBORN);
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    until("its descent is there", || processes_of(&stage, "ant").len() >= 4);
    let first = stage.spawn(&["cancel", "ant"]);
    run.until_type("stop-requested");
    let second = stage.gadugi(&["cancel", "ant"]);
    let left = stage.attempt_processes();
    assert!(second.ends_with(0).stdout.contains("1 task cancelled (ant)"), "{second:?}");
    assert_eq!(left, [] as [i32; 0]);
    assert!(stage.finish(first).ends_with(0).stdout.contains("1 task cancelled (ant)"));
    run.end().ends_with(1);
}

#[test]
fn a_run_and_what_waits_can_be_cancelled() {
    let stage = quick();
    slow(&stage, "now", "priority: 9");
    slow(&stage, "next", "");
    slow(&stage, "last", "");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "1"]);
    let started = run.until_type("step-started");
    let waiting = stage.gadugi(&["cancel", "last"]);
    waiting.ends_with(0);
    assert!(waiting.stdout.contains("1 task cancelled (last)"), "{waiting:?}");
    let id = started["run"].as_str().unwrap();
    let rest = stage.gadugi(&["cancel", id]);
    assert_eq!(stage.attempt_processes(), [] as [i32; 0]);
    assert!(rest.ends_with(0).stdout.contains("2 tasks cancelled"), "{rest:?}");
    run.end().ends_with(1);
    assert_eq!(of_type(&facts(&stage), "attempt-started"), 1, "what waited never began");
}

#[test]
fn tasks_are_paused_one_by_one_and_the_others_go_on() {
    let stage = quick();
    slow(&stage, "ant", "");
    slow(&stage, "bee", "");
    stage.prompt("after", "depends_on: [ant]", "run cat ant.txt > after.txt");
    patient(&stage, "dog", "");
    stage.commit("prompts");
    let run = stage.start_run(&["--max-parallel", "3"]);
    until("both have begun", || has_begun(&stage, "ant") && has_begun(&stage, "bee"));

    let paused = stage.gadugi(&["pause", "ant", "bee"]);
    let left = [processes_of(&stage, "ant"), processes_of(&stage, "bee")].concat();
    paused.ends_with(0);
    assert_eq!(left, [] as [i32; 0], "they are stopped by the time that the command says so");
    assert!(paused.stdout.contains(": 2 tasks paused (ant and bee)"), "{paused:?}");
    assert!(paused.stderr.contains("gadugi resume ant bee"), "{paused:?}");
    assert!(!processes_of(&stage, "dog").is_empty(), "the other one goes on");
    let shown = stage.gadugi(&["status"]).ends_with(0).stdout.clone();
    assert!(shown.contains("paused (gadugi resume ant)"), "{shown}");

    let_go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    let last: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "paused", "{ran:?}");
    let words = last["error"]["message"].as_str().unwrap();
    assert!(words.contains("ant and bee"), "it says what is paused: {words}");
    assert_eq!(state(&stage, "dog"), "succeeded");

    let on = stage.gadugi(&["resume", "ant"]);
    assert!(on.ends_with(0).stdout.contains(": 1 task goes on"), "{on:?}");
    until("it finishes, with what follows it", || state(&stage, "after") == "succeeded");
    assert_ne!(state(&stage, "bee"), "succeeded", "the other one is still paused");
    let rest = stage.gadugi(&["resume", "--json"]);
    rest.ends_with(0);
    let branch = rest.report()["branch"].as_str().unwrap().to_owned();
    for file in ["ant.txt", "bee.txt", "after.txt", "dog.txt"] {
        assert_eq!(stage.blob(&branch, file), "done", "{file}");
    }
    for task in ["ant", "bee"] {
        assert_eq!(rest.task(task)["attempts"], 1, "{task} was taken up, not begun again");
    }
}

#[test]
fn a_task_that_waits_can_be_paused_before_it_begins() {
    let stage = quick();
    patient(&stage, "first", "priority: 5");
    stage.prompt("held", "", "write held.txt done");
    stage.prompt("last", "", "write last.txt done");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "1"]);
    run.until_type("step-started");
    let paused = stage.gadugi(&["pause", "held"]);
    assert!(paused.ends_with(0).stdout.contains("1 task paused (held)"), "{paused:?}");
    let_go(&stage);
    run.end().ends_with(1);
    assert_eq!((state(&stage, "last"), state(&stage, "held")), ("succeeded".into(), "waiting".into()));
    stage.gadugi(&["resume", "--json"]).ends_with(0);
    assert_eq!(state(&stage, "held"), "succeeded");
}

#[test]
fn a_paused_run_finishes_what_runs_and_begins_nothing() {
    let stage = quick();
    patient(&stage, "first", "priority: 5");
    stage.prompt("next", "", "write next.txt done");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "1"]);
    run.until_type("step-started");
    let paused = stage.gadugi(&["pause", "--all"]);
    assert!(paused.ends_with(0).stdout.contains("is paused: what runs goes on"), "{paused:?}");
    let twice = stage.gadugi(&["pause"]);
    assert!(twice.ends_with(0).stdout.contains("is paused already"), "{twice:?}");
    assert!(!processes_of(&stage, "first").is_empty(), "what runs goes on");
    let_go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    assert!(ran.stderr.contains("\"paused\"") && ran.stderr.contains("gadugi resume"), "{ran:?}");
    assert_eq!((state(&stage, "first"), state(&stage, "next")), ("succeeded".into(), "waiting".into()));
    stage.gadugi(&["resume", "--json"]).ends_with(0);
    assert_eq!(state(&stage, "next"), "succeeded");
}

#[test]
fn what_did_not_succeed_is_retried_while_the_run_goes_on_and_after_it() {
    let stage = quick();
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n[retry]\ncrashes = 0\n");
    for task in ["ant", "bee", "cat"] {
        stage.prompt(task, "", &format!("attempt 1 fail not yet\nwrite {task}.txt done"));
    }
    stage.prompt("after", "depends_on: [ant]", "run cat ant.txt > after.txt");
    patient(&stage, "dog", "");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "4"]);
    for _ in ["ant", "bee", "cat"] {
        run.until("a failure", |event| event["type"] == "task-finished" && event["state"] != "skipped");
    }
    until("what followed it is skipped", || state(&stage, "after") == "skipped");
    let one = stage.gadugi(&["retry", "ant"]);
    assert!(one.ends_with(0).stdout.contains(": 2 tasks taken up again"), "{one:?}");
    until("it succeeds, with what follows it", || state(&stage, "after") == "succeeded");
    let_go(&stage);
    run.end().ends_with(1);

    let fine = stage.gadugi(&["retry", "dog"]);
    refused(&fine, "dog is not a task that failed");
    let all = stage.gadugi(&["retry", "--all", "--with", "now do it"]);
    assert!(all.ends_with(0).stdout.contains(": 2 tasks taken up again"), "{all:?}");
    let ran = stage.gadugi(&["resume", "--json"]);
    until("the run is over", || view(&stage)["status"] == "finished");
    assert!(matches!(ran.code, Some(0)), "{ran:?}");
    for task in ["ant", "bee", "cat", "after", "dog"] {
        assert_eq!(state(&stage, task), "succeeded", "{task}");
    }
}

#[test]
fn a_name_that_is_wrong_does_nothing_at_all() {
    let stage = quick();
    slow(&stage, "alpha", "");
    slow(&stage, "alpine", "");
    stage.prompt("broken", "", "fail at once");
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n[retry]\ncrashes = 0\n");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "3"]);
    run.until_type("task-finished");
    until("both have begun", || has_begun(&stage, "alpha") && has_begun(&stage, "alpine"));
    let before = wishes(&stage);
    for command in ["cancel", "pause", "resume"] {
        refused(&stage.gadugi(&[command, "alpha", "nosuch"]), "no task is called \"nosuch\"");
        refused(&stage.gadugi(&[command, "alpha", "alp"]), "could be alpha, alpine");
        refused(&stage.gadugi(&[command, "orchestration-19990101"]), "orchestration-19990101");
        refused(&stage.gadugi(&[command, "alpha", "orchestration-19990101"]), "orchestration-19990101");
        refused(&stage.gadugi(&[command, "alpha", ""]), "\"\" could be");
    }
    refused(&stage.gadugi(&["retry", "broken", "nosuch"]), "no task is called \"nosuch\"");
    refused(&stage.gadugi(&["retry", "broken", "alp"]), "could be alpha, alpine");
    refused(&stage.gadugi(&["retry", "alpha"]), "alpha");
    refused(&stage.gadugi(&["cancel"]), "say what to cancel");
    assert_eq!(wishes(&stage), before, "nothing was done");
    assert!(!processes_of(&stage, "alpha").is_empty());
    stage.gadugi(&["cancel", "--all"]).ends_with(0);
    run.end().ends_with(1);
}

/// A run in which nothing works any more: one task waits for a retry, one for a limit to be lifted, one for the disk.
fn all_wait(stage: &Stage, wait: &str) -> Live {
    let (settings, script, sign) = match wait {
        "retry" => ("[retry]\nfirst = \"2h\"\ncap = \"2h\"\n", "overloaded", "attempt-suspended"),
        "limit" => ("", "usage-limit +10m", "attempt-suspended"),
        _ => ("[admission]\nmin_disk = \"1000000GiB\"\n", "write x.txt x", "dispatch-held"),
    };
    stage.write("gadugi.toml", &format!("[run]\ngrace = \"1s\"\n{settings}"));
    stage.prompt("waits", "", script);
    stage.prompt("later", "depends_on: [waits]", "write later.txt x");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until(sign, |event| event["type"] == sign && (sign != "dispatch-held" || event["hold"] == "disk"));
    run
}

#[test]
fn who_interrupts_a_run_that_waits_need_not_wait() {
    for (wait, signal) in [("retry", "INT"), ("limit", "TERM"), ("disk", "INT")] {
        let stage = Stage::new();
        let run = all_wait(&stage, wait);
        run.signal(signal);
        let ran = run.end();
        ran.ends_with(130);
        assert!(ran.stderr.contains("gadugi resume"), "{wait}: {ran:?}");
        assert_eq!(stage.left_over(), [] as [String; 0], "{wait}");
        assert_eq!(view(&stage)["paused_because"], "interrupted", "{wait}");
        let cancelled = stage.gadugi(&["cancel", "--all"]);
        assert!(cancelled.ends_with(0).stdout.contains("2 tasks cancelled"), "{wait}: {cancelled:?}");
        until("the run is over", || view(&stage)["status"] == "finished");
    }
}

#[test]
fn sigterm_stops_agents_gracefully_and_keeps_everything() {
    let stage = quick();
    slow(&stage, "ant", "");
    stage.commit("prompts");
    let run = stage.start_run(&[]);
    until("it has begun", || has_begun(&stage, "ant"));
    run.signal("TERM");
    let ran = run.end();
    ran.ends_with(130);
    assert_eq!(stage.left_over(), [] as [String; 0]);
    assert_eq!(state(&stage, "ant"), "suspended");
    stage.gadugi(&["resume", "--json"]).ends_with(0);
    assert_eq!(state(&stage, "ant"), "succeeded");
}

/// Everything below a folder whose mode lets others in, with the mode.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    let data = fs::symlink_metadata(path).unwrap();
    if data.is_symlink() {
        return;
    }
    let mode = data.permissions().mode() & 0o777;
    let private = if data.is_dir() { 0o700 } else { 0o600 };
    if mode & !private != 0 {
        found.push(format!(
            "{} {mode:o}{}",
            path.display(),
            if data.file_type().is_socket() { " socket" } else { "" }
        ));
    }
    if data.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            open_to_others(&entry.path(), found);
        }
    }
}

#[test]
fn state_is_for_its_user_alone() {
    let stage = quick();
    slow(&stage, "ant", "");
    stage.prompt("bee", "", "write bee.txt done");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--verify", "true", "--max-parallel", "2"]);
    run.until("one is merged", |event| event["type"] == "task-merged");
    until("the other works", || has_begun(&stage, "ant"));
    let mut found = Vec::new();
    // The shim is a program that containers are to run, too: it holds no state.
    let state = |found: &mut Vec<String>| found.retain(|path| !path.contains("/.gadugi/bin"));
    open_to_others(&stage.root.join(".gadugi"), &mut found);
    state(&mut found);
    assert!(stage.root.join(".gadugi/engine.sock").exists(), "what is looked at is there");
    assert_eq!(found, [] as [String; 0]);
    stage.gadugi(&["cancel", "ant"]).ends_with(0);
    run.end().ends_with(1);
    stage.engine_leaves();
    open_to_others(&stage.root.join(".gadugi"), &mut found);
    state(&mut found);
    assert_eq!(found, [] as [String; 0], "and after the run");
}
