//! Gadugi's engine dies under agents in containers.

use std::fs;

use gadugi_testkit::model_api::{ModelApi, USAGE_PER_TURN};
use serde_json::{Value, json};

use crate::scene::{KEY, Scene, bash, says};
use crate::stage::until;

/// The last result that real Claude Code wrote in that step.
fn result(step: &std::path::Path) -> Value {
    let text = fs::read_to_string(step.join("stdout.jsonl")).unwrap();
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.rfind(|line| line["type"] == "result").unwrap_or_else(|| panic!("no result: {text}"))
}

/// What real Claude Code says itself that its steps used, by their last results.
fn own_tokens(steps: &[std::path::PathBuf]) -> u64 {
    const KINDS: [&str; 4] =
        ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"];
    let of_model = |model: &Value| KINDS.iter().map(|kind| model[kind].as_u64().unwrap()).sum::<u64>();
    let results = steps.iter().map(|step| result(step)["modelUsage"].clone());
    results.map(|used| used.as_object().unwrap().values().map(of_model).sum::<u64>()).sum()
}

/// What gadugi says that a task used.
fn metered(scene: &Scene, task: &str) -> u64 {
    const KINDS: [&str; 4] = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];
    let usage = scene.task(task)["usage"].clone();
    KINDS.iter().map(|kind| usage[kind].as_u64().unwrap()).sum()
}

/// Of each task's steps what they were for.
fn kinds(events: &[Value], task: &str) -> Vec<String> {
    let intended = events.iter().filter(|event| event["task"] == task && event["type"] == "step-intended");
    let what = intended.map(|event| match event["what"]["mode"].as_str() {
        Some(mode) => mode.to_owned(),
        None => event["what"]["kind"].as_str().unwrap().to_owned(),
    });
    what.collect()
}

/// One agent waits for an answer as the engine dies, the next is in the midst of one: both ask again by themselves, and the
/// relay holds their requests until there is a gateway. The third has heard a whole block of its answer: there Claude Code ends its
/// turn, and its conversation goes on in another step.
#[test]
fn agents_in_the_middle_of_requests_survive_the_engine() {
    let api = ModelApi::start().unwrap();
    let mut scene = Scene::new("[retry]\nfirst = \"100ms\"\n");
    scene.ask(&api);
    let silent = |events: Option<u32>| json!({"kind": "silent", "events": events});
    // A stream begins with two events; a block has three.
    let whose = [("waiting", silent(None)), ("streaming", silent(Some(4))), ("saying", silent(Some(6)))];
    for (name, fault) in whose {
        let line = |word: &str| bash(&format!("echo {word} >> {name}.txt"));
        let mut saying = says("I go on.");
        saying["fault"] = fault;
        let second = json!([saying, line("second")]);
        scene.model_prompt(name, "", &[line("first"), second, line("third"), says("done")]);
    }
    scene.commit("prompts");
    scene.gadugi(&["run", "--no-review", "--verify", "true", "--max-parallel", "3", "--detach"]).ends_with(0);
    until("all have asked", || {
        api.scripted_requests().iter().filter(|request| request.met_fault).count() == 3
    });
    let tasks = ["waiting", "streaming", "saying"];
    let containers = tasks.map(|task| scene.container(task));
    let started = || tasks.map(|task| fs::read(scene.steps(task, 1)[0].join("started.json")).unwrap());
    let before = started();

    scene.kill_engine();
    for container in &containers {
        let running = scene.docker(&["inspect", "--format", "{{.State.Running}}", container]);
        assert_eq!(running, "true", "nobody ends what runs");
    }
    // Somebody who only looks starts an engine under another key, which pays for nothing here.
    let mut look = scene.command(&["status"]);
    let looked = scene.finish(look.env("ANTHROPIC_API_KEY", "sk-of-another-shell").spawn().unwrap());
    looked.ends_with(0);
    let resumed = scene.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let keys: Vec<_> = api.requests().into_iter().map(|request| request.key).collect();
    assert!(keys.iter().all(|key| key.as_deref() == Some(KEY)), "{keys:?}");

    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    let events = all_events(&scene);
    assert_eq!(kinds(&events, "waiting"), ["fresh", "verify"]);
    assert_eq!(kinds(&events, "streaming"), ["fresh", "verify"]);
    assert_eq!(kinds(&events, "saying"), ["fresh", "resume", "verify"]);
    assert_eq!(started(), before, "the same processes");
    for (name, agents) in [("waiting", 1), ("streaming", 1), ("saying", 2)] {
        let task = resumed.task(name);
        assert_eq!(
            (task["outcome"].as_str(), task["attempts"].as_u64()),
            (Some("succeeded"), Some(1)),
            "{task}"
        );
        assert_eq!(scene.blob(&branch, &format!("{name}.txt")), "first\nsecond\nthird", "each once");
        let merges = scene.git(&["log", "--merges", "--format=%s", &format!("main..{branch}")]);
        assert_eq!(merges.lines().filter(|line| line.starts_with(name)).count(), 1, "{merges}");
        let own = own_tokens(&scene.steps(name, 1)[..agents]);
        // An answer that broke off with the gateway, and that is asked for no more, nobody may have metered.
        let lost = if agents == 1 { 0 } else { USAGE_PER_TURN.tokens() };
        let metered = metered(&scene, name);
        assert!((own.saturating_sub(lost)..=own).contains(&metered), "{name}: {metered} of {own}");
    }
    scene.nothing_is_left(0);
}

fn all_events(scene: &Scene) -> Vec<Value> {
    let export = scene.gadugi(&["export", "--output", "-"]);
    let export: Value = serde_json::from_str(&export.ends_with(0).stdout).unwrap();
    export["events"].as_array().unwrap().clone()
}
