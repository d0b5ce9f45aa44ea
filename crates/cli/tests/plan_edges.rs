//! Why tasks of a plan are ordered, and programs of the user's own that say what the plan is made from.

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use stage::{Ran, Stage};

/// Three prompts: two change one function and what uses it, one writes something else.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("src/http.py", "def parse_header(line):\n    return line\n");
    stage.write(
        "src/client.py",
        "from http import parse_header\n\n\ndef get():\n    return parse_header('x')\n",
    );
    stage.write("prompts/header.md", "# Header\n\nFix `src/http.py`: it must strip blanks.\n");
    stage.write("prompts/status.md", "# Status\n\nFix `src/http.py`: it must read the status line.\n");
    stage.write("prompts/notes.md", "---\ntouches: [NOTES.md]\n---\n# Notes\n\nWrite notes.\n");
    stage.commit("prompts");
    stage
}

#[expect(clippy::unwrap_used, reason = "a plan that is no JSON is a failed test")]
fn json_of(ran: &Ran) -> Value {
    ran.ends_with(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn plan_says_why_two_tasks_do_or_do_not_run_together() {
    let stage = stage();
    let shared = stage.gadugi(&["plan", "--why", "header", "prompts/status.md"]);
    shared.ends_with(0);
    assert!(
        shared.stdout.starts_with("status waits for header: they do not run together.\n"),
        "{}",
        shared.stdout
    );
    assert!(shared.stdout.contains("src/http.py: "), "{}", shared.stdout);
    let free = json_of(&stage.gadugi(&["plan", "--why", "notes", "header", "--max-parallel", "3", "--json"]));
    assert_eq!((&free["verdict"], &free["path"]), (&json!("together"), &json!([])));
    // What it says would change the answer does.
    let weaker =
        ["plan", "--why", "header", "status", "--overlap", "parallel", "--max-parallel", "3", "--json"];
    assert_eq!(json_of(&stage.gadugi(&weaker))["verdict"], "together");

    let unknown = stage.gadugi(&["plan", "--why", "headr", "status"]);
    unknown.ends_with(2);
    assert!(unknown.stderr.contains("\"headr\" is no task of this plan (there is "), "{}", unknown.stderr);
    let same = stage.gadugi(&["plan", "--why", "status", "status.md", "--json"]);
    same.ends_with(2);
    assert_eq!(serde_json::from_str::<Value>(&same.stderr).unwrap()["error"]["code"], "same-task");
    stage.gadugi(&["plan", "--why", "status"]).ends_with(2);
}

/// Writes a program of the user's own and names it for the key.
#[expect(clippy::unwrap_used, reason = "a stage that cannot be set up is a failed test")]
fn own_program(stage: &Stage, table: &str, script: &str) {
    let path = stage.home.join("program");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    stage.write("gadugi.toml", &format!("[{table}]\ncommand = [\"{}\", \"argument\"]\n", path.display()));
}

#[test]
fn a_program_of_the_users_own_says_what_prompts_are_about() {
    let stage = stage();
    own_program(
        &stage,
        "analysis",
        r#"#!/usr/bin/env python3
import json, os, sys
question = json.load(sys.stdin)
assert question["schema"] == 1 and question["ask"] == "analyse" and sys.argv[1:] == ["argument"]
assert os.path.exists("src/http.py")
writes = {"header": "docs/a.md", "status": "docs/b.md", "notes": "docs/a.md"}
json.dump({"schema": 1, "tasks": [
    {"id": task["id"], "writes": [{"path": writes[task["id"]], "confidence": 90, "evidence": task["title"]}]}
    for task in question["tasks"]
]}, sys.stdout)
"#,
    );
    let plan = json_of(&stage.gadugi(&["plan", "--json"]));
    let writes = |id: &str| {
        let tasks = plan["tasks"].as_array().unwrap();
        tasks.iter().find(|task| task["id"] == id).unwrap()["writes"][0].clone()
    };
    assert_eq!(
        (&writes("header")["path"], &writes("header")["evidence"]),
        (&json!("docs/a.md"), &json!("Header"))
    );
    // What a prompt says itself goes before.
    assert_eq!(writes("notes")["path"], "NOTES.md");
    assert_eq!(plan["edges"], json!([]));
}

#[test]
fn a_program_that_fails_leaves_the_plan_to_the_built_in_rules() {
    let stage = stage();
    let plain = json_of(&stage.gadugi(&["plan", "--json"]));
    for (script, words) in [
        ("#!/bin/sh\necho Sure! Here is your plan:\n", "its answer cannot be read: expected value at line 1"),
        ("#!/bin/sh\necho no model >&2\nexit 1\n", "ended with 1: no model"),
        ("#!/bin/sh\nhead -c 200000000 /dev/zero\n", "answered more than"),
        ("#!/no/such/interpreter\n", "there is no program"),
        ("#!/bin/sh\necho '{\"schema\": 2, \"tasks\": []}'\n", "has schema 2"),
        ("#!/bin/sh\necho '{\"schema\": 1, \"tasks\": []}'\n", "it says nothing of header and 2 more"),
    ] {
        own_program(&stage, "analysis", script);
        let ran = stage.gadugi(&["plan", "--json"]);
        assert_eq!(json_of(&ran)["edges"], plain["edges"], "{script}");
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        let strict = stage.gadugi(&["plan", "--json", "--no-fallback"]);
        strict.ends_with(3);
        assert!(strict.stderr.contains(words) && strict.stdout.is_empty(), "{words}: {}", strict.stderr);
    }
}

#[test]
fn a_program_of_the_users_own_says_what_tasks_take() {
    let stage = stage();
    own_program(
        &stage,
        "estimates",
        r#"#!/usr/bin/env python3
import json, sys
question = json.load(sys.stdin)
tasks = [{"id": task["id"], "seconds": 60 + 60 * place} for place, task in enumerate(question["tasks"])]
json.dump({"schema": 1, "tasks": tasks}, sys.stdout)
"#,
    );
    let plan = json_of(&stage.gadugi(&["plan", "--json"]));
    assert_eq!(plan["sequential_seconds"], 360.0);
    assert!(plan["tasks"].as_array().unwrap().iter().all(|task| task["estimate"]["source"] == "external"));
}
