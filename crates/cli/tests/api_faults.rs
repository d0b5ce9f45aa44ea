//! Whole runs with real Claude Code whose model API misbehaves, or which is itself killed or falls silent: every
//! transient fault mends itself, in the same conversation, and what the task was to do is done once.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what is not as it should be fails the test"
)]

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use gadugi_testkit::claude;
use gadugi_testkit::model_api::{Fault, Meets, ModelApi};
use serde_json::{Value, json};
use stage::{Ran, Stage};

/// Pauses that a test can wait for. Agents speak to the API themselves here: much of what they meet the gateway would mend
/// before they saw it.
const QUICK: &str = "[retry]\nfirst = \"200ms\"\ncap = \"1s\"\n[gateway]\nlocal = false\n";
/// A Claude Code that waits for no silent server.
const IMPATIENT: &str = "[agents.claude.env]\nAPI_TIMEOUT_MS = \"1500\"\nCLAUDE_CODE_MAX_RETRIES = \"1\"\n";

/// A stage on which `claude` is on `PATH` and talks to `api` alone.
fn stage_with(api: &ModelApi) -> Stage {
    let mut stage = Stage::new();
    let program = claude::program().unwrap_or_else(|missing| panic!("{missing}"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    stage.variables.push(("PATH".into(), path));
    stage.variables.extend(claude::environment(&api.base_url(), &stage.home));
    stage.write("gadugi.toml", QUICK);
    stage
}

fn model_prompt(stage: &Stage, name: &str, turns: &[Value]) {
    let turns: Vec<String> = turns.iter().map(Value::to_string).collect();
    let text = format!("# The task {name}\n\n```model\n{}\n```\n", turns.join("\n"));
    stage.write(&format!("prompts/{name}.md"), &text);
}

fn bash(command: &str) -> Value {
    json!({"tool": "Bash", "input": {"command": command, "description": "as told"}})
}

fn says(text: &str) -> Value {
    json!({"text": text})
}

fn with(mut turn: Value, fault: Value) -> Value {
    turn["fault"] = fault;
    turn
}

/// A task of three commands and a last word, each of which writes a line of its own.
fn three_steps(name: &str) -> [Value; 4] {
    let add = |line: &str| bash(&format!("echo {line} >> {name}.txt"));
    [add("one"), add("two"), add("three"), says("done")]
}

fn run(stage: &Stage, more: &[&str]) -> Ran {
    stage.commit("prompts");
    stage.gadugi(&[&["run", "--no-review", "--json"], more].concat())
}

/// The agent's steps of a task: session, how it was begun, how it ended.
fn steps(ran: &Ran, task: &str) -> Vec<(String, String, String)> {
    let events: Vec<Value> = ran.events().into_iter().filter(|event| event["task"] == task).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    of("step-intended")
        .filter(|event| event["what"]["kind"] == "agent")
        .map(|event| {
            let end = of("step-ended").find(|end| end["step"] == event["step"]);
            let class = end.map(|end| text(&end["end"]["agent"]["class"])).unwrap_or_default();
            (text(&event["what"]["session"]), text(&event["what"]["mode"]), class)
        })
        .collect()
}

/// The task succeeded in one attempt and one conversation, which ended so often in `class` before, and every command of
/// [`three_steps`] ran once.
#[track_caller]
fn recovered(stage: &Stage, ran: &Ran, class: &str) {
    ran.ends_with(0);
    let task = ran.task("work");
    assert_eq!((&task["outcome"], &task["attempts"]), (&json!("succeeded"), &json!(1)), "{task}");
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "work.txt"), "one\ntwo\nthree");
    let steps = steps(ran, "work");
    let (last, failed) = steps.split_last().unwrap();
    assert!(!failed.is_empty(), "the engine had nothing to mend: {steps:?}");
    assert!(failed.iter().all(|(_, _, ended)| ended == class), "{steps:?}");
    assert_eq!(last.2, "done", "{steps:?}");
    assert!(steps.iter().all(|(session, ..)| *session == steps[0].0), "one conversation: {steps:?}");
    let modes: Vec<&str> = steps.iter().map(|(_, mode, _)| mode.as_str()).collect();
    assert_eq!(modes[0], "fresh");
    assert!(modes[1..].iter().all(|mode| *mode == "resume"), "{modes:?}");
}

/// The second command of a task meets the fault.
#[track_caller]
fn fault_in_the_middle(fault: Value, settings: &str, class: &str) {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    stage.write("gadugi.toml", &format!("{QUICK}{settings}"));
    let [one, two, three, last] = three_steps("work");
    model_prompt(&stage, "work", &[one, with(two, fault), three, last]);
    let ran = run(&stage, &[]);
    recovered(&stage, &ran, class);
    let told = api.scripted_requests().pop().unwrap().user_texts();
    assert!(told.iter().any(|text| text.contains("The last command that you gave may have run")));
}

#[test]
fn too_many_requests_without_a_word_of_when() {
    // Four of them for the first process, one for the second.
    fault_in_the_middle(json!({"kind": "status", "status": 429, "times": 5}), "", "overloaded");
}

#[test]
fn too_many_requests_with_retry_after() {
    fault_in_the_middle(
        json!({"kind": "status", "status": 429, "retry_after": 1, "times": 5}),
        "",
        "overloaded",
    );
}

#[test]
fn too_many_requests_with_a_retry_after_that_claude_code_does_not_wait_for() {
    fault_in_the_middle(json!({"kind": "status", "status": 429, "retry_after": 120}), "", "overloaded");
}

#[test]
fn an_overload_is_met_by_the_gateway_and_no_agent_hears_of_it() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    stage.write("gadugi.toml", "[gateway]\nlocal = true\n");
    let [one, two, three, last] = three_steps("work");
    let fault = json!({"kind": "status", "status": 529, "times": 3});
    model_prompt(&stage, "work", &[one, with(two, fault), three, last]);
    let ran = run(&stage, &[]);
    ran.ends_with(0);
    assert_eq!(steps(&ran, "work").len(), 1, "one step, in which nothing went wrong");
    let log = stage.read(".gadugi/gateway.log");
    assert!(log.contains("\"sent\":4"), "the request was sent four times: {log}");
    assert!(!log.contains("sk-test-local"), "no secret stands in the log");
}

#[test]
fn an_overloaded_api() {
    fault_in_the_middle(json!({"kind": "status", "status": 529, "times": 5}), "", "overloaded");
}

#[test]
fn an_overload_within_the_stream() {
    fault_in_the_middle(json!({"kind": "error-event", "events": 3}), "", "overloaded");
}

#[test]
fn a_failing_api() {
    fault_in_the_middle(json!({"kind": "status", "status": 500, "times": 5}), "", "overloaded");
}

#[test]
fn an_api_that_is_away() {
    fault_in_the_middle(json!({"kind": "down", "seconds": 7}), "", "overloaded");
}

#[test]
fn connections_that_are_cut_before_an_answer() {
    fault_in_the_middle(json!({"kind": "cut", "events": 0, "times": 5}), "", "overloaded");
}

#[test]
fn a_stream_that_is_cut_in_the_middle() {
    fault_in_the_middle(json!({"kind": "cut", "events": 4}), "", "overloaded");
}

#[test]
fn a_stream_that_ends_in_the_middle() {
    fault_in_the_middle(json!({"kind": "truncated", "events": 4}), "", "overloaded");
}

#[test]
fn an_api_that_says_nothing() {
    fault_in_the_middle(json!({"kind": "silent", "times": 3}), IMPATIENT, "overloaded");
}

#[test]
fn a_stream_that_is_cut_behind_words_that_sound_like_the_end() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    let [one, two, three, last] = three_steps("work");
    let said = json!([with(says("All of it is done."), json!({"kind": "cut", "events": 5})), two]);
    model_prompt(&stage, "work", &[one, said, three, last]);
    recovered(&stage, &run(&stage, &[]), "overloaded");
}

#[test]
fn a_hiccup_costs_no_process() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    model_prompt(&stage, "work", &three_steps("work"));
    api.misbehave(Fault::Status { status: 529, retry_after: None, message: None }, Meets::First(1));
    let ran = run(&stage, &[]);
    ran.ends_with(0);
    assert_eq!(steps(&ran, "work").len(), 1);
}

/// A program that does `first` the first time that it is called, and is Claude Code from then on.
fn wrapper(stage: &Stage, first: &str, settings: &str) {
    let path = stage.home.join("once.sh");
    let once = stage.home.join("once");
    let (once, real) = (once.display(), claude::program().unwrap());
    let real = real.display();
    let text = format!("#!/bin/sh\nif mkdir '{once}' 2>/dev/null; then\n{first}\nfi\nexec '{real}' \"$@\"\n");
    fs::write(&path, text.replace("REAL", &format!("'{real}'"))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let setting = format!("{QUICK}{settings}[agents.claude]\ncommand = \"{}\"\n", path.display());
    stage.write("gadugi.toml", &setting);
}

#[test]
fn an_agent_that_is_killed_in_the_middle_of_a_tool() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    let once = stage.home.join("once");
    // Claude Code writes its transcript a moment after what it tells: what came just before the kill would be forgotten.
    let killed = bash(&format!(
        "if mkdir '{}'; then sleep 2; kill -9 $PPID; exec sleep 60; fi; echo two >> work.txt",
        once.display()
    ));
    let [one, _, three, last] = three_steps("work");
    model_prompt(&stage, "work", &[one, killed, three, last]);
    let ran = run(&stage, &[]);
    recovered(&stage, &ran, "crashed");
    assert!(stage.attempt_processes().is_empty(), "the tool of the killed agent is gone");
}

#[test]
fn an_agent_that_exits_with_0_before_it_says_anything() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    wrapper(&stage, "cat > /dev/null\nexit 0", "");
    model_prompt(&stage, "work", &three_steps("work"));
    let ran = run(&stage, &[]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "work.txt"), "one\ntwo\nthree");
    let steps = steps(&ran, "work");
    let classes: Vec<&str> = steps.iter().map(|(.., class)| class.as_str()).collect();
    assert_eq!((classes.first(), classes.last()), (Some(&"silent"), Some(&"done")), "{steps:?}");
    // There is no such conversation, which is found out by asking for it, and it is begun afresh.
    assert!(classes[1..classes.len() - 1].iter().all(|class| *class == "no-session"), "{steps:?}");
    assert_eq!(ran.task("work")["attempts"], 1);
}

#[test]
fn an_agent_whose_result_never_comes() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    wrapper(&stage, "REAL \"$@\" | grep -v '\"type\":\"result\"'\nexit 0", "");
    model_prompt(&stage, "work", &three_steps("work"));
    recovered(&stage, &run(&stage, &[]), "silent");
}

#[test]
fn an_agent_that_lives_on_after_its_result_is_stopped_and_what_it_said_stands() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    // Claude Code tells of the end of a background command behind its result.
    let told = json!({"type": "system", "subtype": "task_notification", "status": "stopped"});
    wrapper(
        &stage,
        &format!("REAL \"$@\"\necho '{told}'\nexec sleep 600"),
        "[hang]\nafter_result = \"2s\"\n",
    );
    model_prompt(&stage, "work", &three_steps("work"));
    let ran = run(&stage, &[]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "work.txt"), "one\ntwo\nthree");
    let steps = steps(&ran, "work");
    assert_eq!(steps.iter().map(|(.., class)| class.as_str()).collect::<Vec<_>>(), ["done"]);
    let events = ran.events();
    let stop = events.iter().find(|event| event["type"] == "stop-requested").expect("it was stopped");
    assert_eq!(stop["cause"], "lingered");
}

#[test]
fn a_stream_that_falls_silent_is_given_up_by_the_engine_where_claude_code_waits_on() {
    fault_in_the_middle(
        json!({"kind": "silent", "events": 3}),
        "[hang]\nsuspect = \"3s\"\nstop = \"6s\"\n",
        "crashed",
    );
}

#[test]
fn a_request_that_is_refused_fails_its_task_alone_and_is_not_sent_again() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    let [one, two, ..] = three_steps("bad");
    let refused = json!({"kind": "status", "status": 400, "times": 99});
    model_prompt(&stage, "bad", &[one, with(two, refused)]);
    model_prompt(&stage, "work", &three_steps("work"));
    let ran = run(&stage, &["--max-parallel", "2"]);
    ran.ends_with(1);
    assert_eq!(ran.task("work")["outcome"], "succeeded");
    assert_eq!(ran.task("bad")["outcome"], "failed");
    let steps = steps(&ran, "bad");
    assert_eq!(steps.iter().map(|(.., class)| class.as_str()).collect::<Vec<_>>(), ["refused"]);
}

/// Milliseconds since 1970 of an event's `at`.
fn at(event: &Value) -> i64 {
    gadugi_sys::clock::parse_rfc3339(event["at"].as_str().unwrap()).unwrap().0
}

/// The same of a moment in an event, whichever way it is written.
fn moment(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| gadugi_sys::clock::parse_rfc3339(value.as_str().unwrap()).unwrap().0)
}

#[test]
fn a_usage_limit_holds_the_account_until_its_reset_and_then_each_conversation_goes_on() {
    let api = ModelApi::start().unwrap();
    let mut stage = stage_with(&api);
    // Limits of a subscription are told only to those who have one. This token is none.
    stage.variables.retain(|(name, _)| name != "ANTHROPIC_API_KEY");
    stage.variables.push(("CLAUDE_CODE_OAUTH_TOKEN".into(), "sk-test-local".into()));
    let [one, two, three, last] = three_steps("work");
    let limit = json!({"kind": "usage-limit", "resets_in": 20});
    model_prompt(&stage, "work", &[one, with(two, limit), three, last]);
    // Works until the other has met the limit, and then meets it too.
    let met = stage.home.join("met");
    let wait = format!("for i in $(seq 600); do test -e '{}' && break; sleep 0.1; done", met.display());
    model_prompt(&stage, "beside", &[bash(&wait), bash("echo beside > beside.txt"), says("done")]);
    model_prompt(&stage, "later", &[bash("echo later > later.txt"), says("done")]);
    stage.commit("prompts");
    let args = ["run", "--no-review", "--json", "--max-parallel", "2"];
    let order = ["prompts/work.md", "prompts/beside.md", "prompts/later.md"];
    let mut live = stage::Live::new(stage.spawn(&[&args[..], &order].concat()));
    let limited = live.until_type("account-limited");
    fs::write(&met, "").unwrap();
    let ran = live.end();
    recovered(&stage, &ran, "usage-limit");
    let reset = moment(&limited["until"]);
    let begun = at(&limited);
    assert!((15_000..25_000).contains(&(reset - begun)), "the reset is known: {limited}");
    for event in ran.events().iter().filter(|event| event["type"] == "step-intended") {
        let when = at(event);
        assert!(when <= begun || when >= reset, "{when} is between {begun} and {reset}: {event}");
    }
    for request in
        api.scripted_requests().iter().filter(|request| request.at.0 > begun && request.at.0 < reset)
    {
        assert_eq!(
            request.met_fault,
            request.user_texts().concat().contains("# The task beside"),
            "{request:?}"
        );
    }
    for task in ["beside", "later"] {
        let steps = steps(&ran, task);
        assert_eq!(ran.task(task)["outcome"], "succeeded");
        assert!(steps.iter().all(|(session, ..)| *session == steps[0].0), "{steps:?}");
    }
    assert_eq!(steps(&ran, "later").len(), 1, "it was not begun to no purpose");
}

#[test]
fn a_refused_credential_stops_the_run_at_once_and_resume_goes_on_when_it_is_mended() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    let names = ["work", "b", "c", "d", "e", "f"];
    for name in names {
        model_prompt(&stage, name, &three_steps(name));
    }
    api.misbehave(Fault::Status { status: 401, retry_after: None, message: None }, Meets::Every);
    let ran = run(&stage, &["--max-parallel", "2"]);
    ran.ends_with(3);
    let events = ran.events();
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(count("task-finished"), 0, "no task has failed by it");
    let begun = count("step-intended");
    assert!((1..=2).contains(&begun), "nothing more than had its slot: {events:#?}");
    let paused: Vec<&Value> = events.iter().filter(|event| event["type"] == "run-paused").collect();
    assert!((1..=begun).contains(&paused.len()), "{paused:?}");
    assert!(paused.iter().all(|event| event["cause"] == "auth-refused"), "{paused:?}");
    let said: Vec<Value> = ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(said.len(), 1, "one clear message: {}", ran.stderr);
    assert_eq!(said[0]["error"]["code"], "auth-refused");
    assert!(said[0]["error"]["hint"].as_str().unwrap().contains("gadugi resume"), "{said:?}");

    api.behave();
    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    assert_eq!(resumed.report()["succeeded"], names.len());
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    for name in names {
        assert_eq!(stage.blob(&branch, &format!("{name}.txt")), "one\ntwo\nthree");
        assert_eq!(resumed.task(name)["attempts"], 1);
    }
}

#[test]
fn every_task_meets_a_fault_of_its_own_and_all_are_merged() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    let faults = [
        json!({"kind": "status", "status": 429, "retry_after": 1, "times": 5}),
        json!({"kind": "status", "status": 529, "times": 5}),
        json!({"kind": "cut", "events": 3}),
        json!({"kind": "truncated", "events": 3}),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let name = format!("task-{number}");
        let [one, two, three, last] = three_steps(&name);
        model_prompt(&stage, &name, &[one, two, with(three, fault.clone()), last]);
    }
    let ran = run(&stage, &["--max-parallel", "4"]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    for number in 0..faults.len() {
        assert_eq!(stage.blob(&branch, &format!("task-{number}.txt")), "one\ntwo\nthree");
    }
}
