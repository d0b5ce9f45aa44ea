//! Each way in which a step can end badly, on real processes: what is taken up again and when, what holds others back, and
//! what a budget lets begin.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use stage::{Live, Ran, Stage, until};

fn of_task<'r>(events: &'r [Value], task: &str, word: &str) -> Vec<&'r Value> {
    events.iter().filter(|event| event["task"] == task && event["type"] == word).collect()
}

/// How the conversations of a task's agent steps were begun; all of them are one.
#[track_caller]
fn modes(events: &[Value], task: &str) -> Vec<String> {
    let steps = of_task(events, task, "step-intended");
    let agents: Vec<&Value> =
        steps.into_iter().map(|event| &event["what"]).filter(|what| what["kind"] == "agent").collect();
    assert!(
        agents.iter().all(|what| what["session"] == agents[0]["session"]),
        "one conversation: {agents:?}"
    );
    agents.iter().map(|what| what["mode"].as_str().unwrap().to_owned()).collect()
}

fn class(events: &[Value], task: &str) -> String {
    let ends = of_task(events, task, "step-ended");
    ends[0]["end"]["agent"]["class"].as_str().unwrap_or_default().to_owned()
}

/// With pauses that are hardly any.
fn quick(more: &str) -> Stage {
    let stage = Stage::new();
    stage.write("gadugi.toml", &format!("[run]\ngrace = \"1s\"\n[retry]\nfirst = \"100ms\"\n{more}"));
    stage
}

#[track_caller]
fn all_succeeded(ran: &Ran, tasks: &[&str]) {
    ran.ends_with(0);
    for task in tasks {
        assert_eq!(
            (&ran.task(task)["outcome"], &ran.task(task)["attempts"]),
            (&"succeeded".into(), &1.into())
        );
    }
}

#[test]
fn what_passes_is_taken_up_again_in_the_same_conversation() {
    let stage = quick("");
    let ways = [
        ("crashes", "fresh exit 3", "crashed"),
        ("kills-itself", "fresh run kill -9 $PPID", "crashed"),
        ("says-nothing", "fresh no-result", "silent"),
        ("overloaded", "fresh overloaded", "overloaded"),
        ("turns", "fresh max-turns", "max-turns"),
    ];
    for (task, way, _) in ways {
        stage.prompt(task, "", &format!("write {task}.1 begun\n{way}\nrun cat {task}.1 > {task}.2"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "5"]);
    all_succeeded(&ran, &ways.map(|(task, ..)| task));
    let (events, branch) = (ran.events(), ran.report()["branch"].as_str().unwrap().to_owned());
    for (task, _, wanted) in ways {
        assert_eq!(
            (modes(&events, task), class(&events, task)),
            (vec!["fresh".into(), "resume".into()], wanted.into())
        );
        assert_eq!(stage.blob(&branch, &format!("{task}.2")), "begun", "{task}");
        // What used up its turns did nothing wrong: it goes on at once.
        let pauses = of_task(&events, task, "attempt-suspended");
        assert_eq!(pauses.len(), usize::from(task != "turns"), "{task}: {pauses:?}");
    }
    assert_eq!(stage.left_over(), [] as [String; 0]);
}

#[test]
fn tries_are_counted_and_come_to_an_end() {
    let stage = quick("crashes = 2\ntransient = 1\ncontinuations = 2\n");
    stage.prompt("crashes", "", "exit 3");
    stage.prompt("overloaded", "", "overloaded");
    stage.prompt("turns", "", "max-turns");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "3"]);
    ran.ends_with(1);
    let events = ran.events();
    for (task, steps) in [("crashes", 2), ("overloaded", 1), ("turns", 3)] {
        assert_eq!(ran.task(task)["outcome"], "failed", "{task}");
        assert_eq!(modes(&events, task).len(), steps, "{task}");
    }
}

#[test]
fn an_agent_that_somebody_killed_is_taken_up_again() {
    let stage = quick("");
    stage.prompt("victim", "", "write begun.txt begun\nfresh hang\nrun cat begun.txt > done.txt");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let mut pid = 0;
    until("its agent has begun", || {
        let task = stage.view().unwrap()["tasks"][0].clone();
        pid = i32::try_from(task["pid"].as_i64().unwrap_or(0)).unwrap();
        let workspace = task["workspace"].as_str().unwrap_or_default();
        pid != 0 && std::path::Path::new(workspace).join("begun.txt").exists()
    });
    stage::signal(pid, "KILL");
    let ran = run.end();
    all_succeeded(&ran, &["victim"]);
    let events = ran.events();
    assert_eq!(modes(&events, "victim"), ["fresh", "resume"]);
    assert_eq!(
        of_task(&events, "victim", "step-ended")[0]["end"]["exit"],
        serde_json::json!({ "signal": 9 })
    );
}

#[test]
fn an_agent_that_is_not_there_for_a_while_is_tried_again() {
    let mut stage = quick("crashes = 50\ncap = \"200ms\"\n");
    stage.keep_ledger();
    let program = stage.home.join("agent");
    let place = || {
        fs::write(&program, format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_gadugi"))).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    place();
    let settings = stage.read("gadugi.toml");
    stage.write("gadugi.toml", &format!("{settings}[agents.scripted]\ncommand = {program:?}\n"));
    stage.prompt("first", "", &format!("run rm {}\nwrite first.txt 1", program.display()));
    stage.prompt("second", "depends_on: [first]", "write second.txt 2");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    let failed = run.until("a step that could not start", |event| {
        event["type"] == "step-ended" && event["end"]["exit"].get("not-started").is_some()
    });
    assert_eq!(failed["task"], "second");
    place();
    all_succeeded(&run.end(), &["first", "second"]);
}

#[test]
fn a_failure_of_the_tasks_own_is_tried_again_where_that_is_asked_for() {
    for (failures, code) in [("", 1), ("failures = 1\n", 0)] {
        let mut stage =
            quick(&format!("{failures}[workspace]\nsetup = ['mkdir \"$LEDGER.setup\" && exit 7 || true']\n"));
        stage.keep_ledger();
        stage.prompt("one", "", "write one.txt 1");
        stage.commit("prompts");
        let ran = stage.run(&[]);
        ran.ends_with(code);
        let setups = of_task(&ran.events(), "one", "step-intended").len();
        assert_eq!(setups, if code == 0 { 3 } else { 1 }, "{ran:?}");
    }
}

/// Spent and set aside together, after each event; and the most that it came to.
#[track_caller]
fn never_over(events: &[Value], budget: u64) -> u64 {
    let (mut spent, mut reserved, mut most) = (0, BTreeMap::new(), 0);
    for event in events {
        let step = || format!("{}/{}/{}", event["task"], event["attempt"], event["step"]);
        match event["type"].as_str().unwrap() {
            "step-intended" if event["what"]["kind"] == "agent" => {
                let part = event["reserved"].as_u64().expect("each step has its part");
                reserved.insert(step(), part);
            }
            "step-ended" => {
                reserved.remove(&step());
                spent += event["end"]["agent"]["usage"]["cost_microusd"].as_u64().unwrap_or(0);
            }
            _ => {}
        }
        let now = spent + reserved.values().sum::<u64>();
        assert!(now <= budget, "{now} of {budget} at {event}");
        most = most.max(now);
    }
    most
}

#[test]
fn a_budget_is_set_aside_before_steps_begin_so_that_they_cannot_overshoot_together() {
    // Less than two cents for four that could begin at once: each must be given a cent.
    let stage = quick("");
    let tasks = ["ant", "bee", "cat", "dog"];
    for task in tasks {
        stage.prompt(task, "", &format!("usage 10 10 0.001\nsleep 0.5\nwrite {task}.txt 1"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "4", "--budget", "0.02"]);
    ran.ends_with(0);
    let events = ran.events();
    assert!(never_over(&events, 20_000) >= 19_000, "it is made use of");
    // A busy machine may hold something back, too.
    let budget = |word: &str| events.iter().any(|event| event["type"] == word && event["hold"] == "budget");
    assert!(budget("dispatch-held"), "somebody had to wait");
    assert!(budget("dispatch-freed"), "and not for ever");
    assert_eq!(ran.report()["cost_usd"], 0.004);
}

#[test]
fn a_budget_that_is_spent_ends_what_is_left() {
    let stage = quick("");
    for task in ["ant", "bee", "cat"] {
        stage.prompt(task, "", &format!("usage 10 10 0.5\nwrite {task}.txt 1"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "1", "--budget", "1"]);
    ran.ends_with(1);
    never_over(&ran.events(), 1_000_000);
    assert_eq!((&ran.report()["succeeded"], &ran.report()["cost_usd"]), (&2.into(), &1.0.into()), "{ran:?}");
}

/// Waits until a limit is met, and gives when it is lifted, as RFC 3339: those texts sort as the moments do.
fn lifted(run: &mut Live) -> String {
    run.until_type("account-limited")["until"].to_string()
}

fn limited_stage(seconds: u32) -> Stage {
    let stage = quick("");
    stage.prompt("ant", "priority: 9", &format!("fresh usage-limit +{seconds}s\nwrite ant.txt 1"));
    stage.prompt("bee", "", "write bee.txt 1");
    stage.commit("prompts");
    stage
}

/// Agent steps that began at that event or later, and when.
fn begun(events: &[Value], after: u64) -> Vec<i64> {
    let agents = events.iter().filter(|event| {
        event["type"] == "step-intended"
            && event["what"]["kind"] == "agent"
            && event["seq"].as_u64() > Some(after)
    });
    agents.map(|event| millis(event["at"].as_str().unwrap())).collect()
}

fn millis(text: &str) -> i64 {
    gadugi_sys::clock::parse_rfc3339(text).unwrap().0
}

fn limit_of(events: &[Value]) -> (u64, i64) {
    let limit = events.iter().find(|event| event["type"] == "account-limited").expect("a limit");
    (limit["seq"].as_u64().unwrap(), limit["until"].as_i64().unwrap())
}

#[test]
fn nothing_begins_until_a_usage_limit_is_lifted() {
    let stage = limited_stage(3);
    let mut run = stage.start_run(&["--max-parallel", "1"]);
    lifted(&mut run);
    let shown = stage.gadugi(&["status"]).ends_with(0).stdout.clone();
    assert!(shown.contains("the limit of scripted's account is reached; it goes on in"), "{shown}");
    let ran = run.end();
    all_succeeded(&ran, &["ant", "bee"]);
    let events = ran.events();
    let (seq, until) = limit_of(&events);
    let begun = begun(&events, seq);
    assert!(begun.len() == 2 && begun.iter().all(|at| *at >= until), "{begun:?} {until}");
    assert_eq!(modes(&events, "ant"), ["fresh", "resume"]);
}

#[test]
fn a_limit_outlives_the_engine() {
    let stage = limited_stage(12);
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    lifted(&mut run);
    stage.kill_engine();
    // The follower starts another, and says that the run is to go on.
    let ran = run.end();
    all_succeeded(&ran, &["ant", "bee"]);
    let events = ran.events();
    let (seq, until) = limit_of(&events);
    let resumed = events.iter().find(|event| event["type"] == "run-resumed").expect("it was taken up again");
    assert!(millis(resumed["at"].as_str().unwrap()) < until, "while the limit held: {resumed}");
    let begun = begun(&events, seq);
    assert!(!begun.is_empty() && begun.iter().all(|at| *at >= until), "{begun:?} {until}");
}

#[test]
fn a_refused_credential_stops_dispatch_with_one_clear_message() {
    let stage = quick("");
    stage.prompt("ant", "priority: 9", "fresh auth-error\nwrite ant.txt 1");
    for task in ["bee", "cat", "dog"] {
        stage.prompt(task, "", &format!("write {task}.txt 1"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "1"]);
    ran.ends_with(3);
    assert_eq!(ran.stderr.matches("auth-refused").count(), 1, "{ran:?}");
    let started = ran.events().iter().filter(|event| event["type"] == "attempt-started").count();
    assert_eq!(started, 1, "the others were not tried");
    let resumed = stage.gadugi(&["resume", "--json"]);
    all_succeeded(&resumed, &["ant", "bee", "cat", "dog"]);
}

#[test]
fn with_little_memory_attempts_begin_one_at_a_time() {
    let stage = quick("[admission]\nmin_memory = \"1000000GiB\"\n");
    for task in ["ant", "bee", "cat"] {
        stage.prompt(task, "", &format!("sleep 0.3\nwrite {task}.txt 1"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "3"]);
    all_succeeded(&ran, &["ant", "bee", "cat"]);
    let events = ran.events();
    let held = |event: &&Value| event["type"] == "dispatch-held" && event["hold"] == "memory";
    let held = events.iter().find(held).expect("it says so");
    assert!(held["reason"].as_str().unwrap().contains("MiB of memory available"), "{held}");
    let mut running = 0;
    for event in &events {
        match event["type"].as_str().unwrap() {
            "step-intended" => running += 1,
            "step-ended" => running -= 1,
            _ => {}
        }
        assert!(running <= 1, "{event}");
    }
}
