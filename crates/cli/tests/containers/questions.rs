//! `--decompose` in containers: whoever is asked sees the repository, and can change nothing of it.

use gadugi_testkit::model_api::ModelApi;
use serde_json::{Value, json};

use crate::scene::{Scene, says};

fn tasks() -> Value {
    let part = |id: &str, needs: &[&str]| json!({"id": id, "title": id, "wanted": "w", "done": ["d"], "depends_on": needs, "touches": [format!("{id}.txt")]});
    json!({"tasks": [part("one", &[]), part("two", &["one"])]})
}

#[test]
fn real_claude_is_asked_in_a_container_and_answers() {
    let api = ModelApi::start().unwrap();
    let mut scene = Scene::new("");
    scene.ask(&api);
    let look = json!({"tool": "Read", "input": {"file_path": "/workspace/src/shared.txt"}});
    scene.model_prompt("big", "", &[look, says("I would split it."), says(&tasks().to_string())]);
    scene.commit("a large prompt");
    let ran = scene.gadugi(&["plan", "--decompose", "--json", "prompts/big.md"]);
    ran.ends_with(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["tasks"].as_array().unwrap().len(), 2, "{plan}");
    let requests = api.scripted_requests();
    assert!(requests.len() >= 3, "it looked, answered, and mended its answer");
    assert!(
        requests.iter().any(|request| request.body.to_string().contains("three")),
        "it saw the repository"
    );
    let task = scene.task("big");
    assert_eq!((task["executor"].as_str(), task["steps"].as_u64()), (Some("docker"), Some(2)), "{task}");
    scene.nothing_is_left(0);
    assert_eq!(scene.git(&["branch", "--format=%(refname:short)"]), "main");
}

#[test]
fn who_is_asked_cannot_write_into_the_workspace() {
    let scene = Scene::new("");
    let script = format!("run touch evil.txt 2> /tmp/why\nrun cp /tmp/why /tmp/seen\nsay {}", tasks());
    scene.write("prompts/big.md", &format!("# Big\n\n````script\n{script}\n````\n"));
    scene.commit("a large prompt");
    scene.gadugi(&["plan", "--decompose", "--agent", "scripted", "prompts/big.md"]).ends_with(0);
    let said = scene.gadugi(&["logs", "big", "--raw"]);
    assert!(said.stdout.contains("touch evil.txt"), "{}", said.stdout);
    let line = said.stdout.lines().find(|line| line.contains("tool_result")).unwrap();
    assert!(line.contains("\"is_error\":true"), "{line}");
    scene.nothing_is_left(0);
}
