//! What tasks came to is in the report of their run, and the next plan goes by it.

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use stage::{Ran, Stage, until};

/// A repository whose plans are for the scripted agent, which learns from itself alone.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.variables.push(("GADUGI_AGENT".into(), "scripted".into()));
    stage
}

fn plan(stage: &Stage) -> (Value, Ran) {
    let ran = stage.gadugi(&["plan", "--json"]);
    ran.ends_with(0);
    (serde_json::from_str(&ran.stdout).expect("a plan"), ran)
}

fn source(plan: &Value, at: usize) -> &str {
    plan["tasks"][at]["estimate"]["source"].as_str().expect("a source")
}

#[test]
fn a_run_says_how_well_it_was_foreseen_and_the_next_plan_goes_by_it() {
    let mut stage = stage();
    // Its times are told in hundredths of a second: it takes several, so that they differ.
    let script = "sleep 50ms\nwrite a.txt 1\nwrite b.txt 1";
    stage.prompt("one", "kind: bug-fix\ntouches: [a.txt, missing.txt]", script);
    stage.prompt("two", "kind: feature\ntouches: [c/**]", "write c/d.txt 2");
    stage.commit("prompts");
    assert_eq!(source(&plan(&stage).0, 0), "table");

    let ran = stage.run(&[]);
    ran.ends_with(0);
    let (report, one) = (ran.report(), ran.task("one"));
    let prediction = json!({"precision": 0.5, "recall": 0.5, "beyond": ["b.txt"], "missed": ["missing.txt"]});
    assert_eq!(one["prediction"], prediction);
    let sum = &report["prediction"];
    let numbers = ["claims", "right", "written", "found"].map(|key| sum[key].as_u64().unwrap());
    assert_eq!(numbers, [3, 2, 3, 2]);
    assert_eq!(sum["collisions"], json!({"foreseen": 0, "unforeseen": 0, "in_vain": 0}));
    assert_eq!(stage.status()["prediction"], *sum, "whoever asks later hears the same");
    let shown = stage.gadugi(&["status"]);
    assert!(shown.stdout.contains("Files written: 3, 2 of them expected"), "{shown:?}");

    let (learnt, _) = plan(&stage);
    assert_eq!(source(&learnt, 0), "history: 1 bug-fix task of scripted");
    let estimate = &learnt["tasks"][0]["estimate"];
    let (low, seconds, high) = (&estimate["low_seconds"], &estimate["seconds"], &estimate["high_seconds"]);
    assert!(low.as_f64() <= seconds.as_f64() && seconds.as_f64() < high.as_f64(), "{estimate}");
    assert!(seconds.as_f64() < Some(300.0), "the table says 300: {estimate}");

    // What was learnt stays when the records go.
    stage.gadugi(&["clean", "--older-than", "0"]).ends_with(0);
    assert_eq!(source(&plan(&stage).0, 0), "history: 1 bug-fix task of scripted");
    // Played work says nothing of any other, nor to any other repository.
    assert!(!stage.home.join(".local").exists());
    stage.variables.retain(|(name, _)| name != "GADUGI_AGENT");
    assert_eq!(source(&plan(&stage).0, 0), "table");
}

#[test]
fn a_record_that_cannot_be_read_is_in_no_plans_way() {
    let stage = stage();
    stage.prompt("one", "kind: bug-fix", "write a.txt 1");
    stage.commit("prompts");
    fs::create_dir_all(stage.root.join(".gadugi")).unwrap();
    let database = stage.root.join(".gadugi/gadugi.db");
    fs::write(&database, "no database at all".repeat(400)).unwrap();
    let (plan, ran) = plan(&stage);
    assert_eq!(source(&plan, 0), "table");
    assert_eq!(ran.stderr.matches("nothing is learnt").count(), 1, "{}", ran.stderr);
    assert!(fs::read_to_string(&database).unwrap().starts_with("no database"), "it stays as it is");
}

#[test]
fn where_nothing_was_run_the_users_other_repositories_tell() {
    let mut stage = Stage::new();
    stage.variables.push(("GADUGI_AGENT".into(), "claude".into()));
    stage.prompt("one", "kind: bug-fix", "write a.txt 1");
    stage.commit("prompts");
    let line = json!({
        "repository": "0123456789abcdef", "finished_at": 1, "kind": "bug-fix", "complexity": "low", "agent": "claude",
        "prompt_bytes": 100, "targets": 1, "outcome": "succeeded", "seconds": 40.0, "memory_mb": 300,
    });
    let folder = stage.home.join("state/gadugi");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("tasks.jsonl"), format!("{line}\nhalf a li\n").repeat(20)).unwrap();
    assert_eq!(source(&plan(&stage).0, 0), "table", "it lies elsewhere");
    stage.variables.push(("XDG_STATE_HOME".into(), stage.home.join("state").to_str().unwrap().into()));
    let (plan, _) = plan(&stage);
    assert_eq!(source(&plan, 0), "history: 20 tasks of other repositories");
    assert!(plan["tasks"][0]["estimate"]["seconds"].as_f64() < Some(100.0), "{plan}");
}

/// A program that speaks as Claude Code does, and writes one file.
const AGENT: &str = r#"#!/bin/sh
cat > /dev/null
echo done > written.txt
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","num_turns":1,"session_id":"s"}'
"#;

#[test]
fn what_work_took_is_told_to_the_users_other_repositories_unless_they_say_no() {
    let stage = Stage::new();
    let agent = stage.home.join("agent.sh");
    fs::write(&agent, AGENT).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!("[agents.claude]\ncommand = \"{}\"\n", agent.display());
    stage.write("gadugi.toml", &format!("{config}[estimates]\nshared = false\n"));
    stage.prompt("one", "kind: bug-fix\nagent: claude", "nothing");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    stage.write("gadugi.toml", &config);
    stage.run(&[]).ends_with(0);
    let file = stage.home.join(".local/state/gadugi/tasks.jsonl");
    // It is written beside the loop, which ends its run without waiting for it.
    until("the task is told", || fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let text = fs::read_to_string(&file).unwrap();
    let line: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("one line, of the second run: {text}"));
    assert_eq!(
        (&line["kind"], &line["agent"], &line["outcome"]),
        (&"bug-fix".into(), &"claude".into(), &"succeeded".into())
    );
    assert!(line["seconds"].as_f64() > Some(0.0), "{line}");
    let root = stage.root.to_str().unwrap();
    assert!(!text.contains(root) && !text.contains("written.txt") && !text.contains("one"), "{text}");
    // Its own repository knows it already, and counts it once.
    assert_eq!(source(&plan(&stage).0, 0), "history: 2 bug-fix tasks of claude");
}
