//! Container engines that go away under a run, and containers that somebody removes.

use std::fs;
use std::path::Path;
use std::process::Command;

use gadugi_testkit::docker::{BASE_IMAGE, Options, TestEngine, socket};
use serde_json::Value;

use crate::scene::{Scene, complaint, said};
use crate::stage::Ran;

/// Waits for a sign of the test's, and goes on.
const WAITS: &str = "run touch /tmp/ready; while ! test -e /tmp/go; do sleep 0.05; done";
/// Waits for ever, but not where it is taken up again.
const STOPS: &str = "write begun.txt begun\nfresh run touch /tmp/ready\nfresh hang";
/// One fault of a task's own would be its last.
const STRICT: &str = "[retry]\ncrashes = 1\nfirst = \"100ms\"\n";

fn steps(ran: &Ran, task: &str) -> Vec<Value> {
    let of_task = |event: &Value| event["task"] == task && event["type"] == "step-intended";
    let steps = ran.events().into_iter().filter(of_task).map(|event| event["what"].clone());
    steps.filter(|what| what["kind"] == "agent").map(|what| what["mode"].clone()).collect()
}

#[test]
fn an_engine_that_dies_or_is_restarted_loses_no_work() {
    let mut engine = TestEngine::start();
    engine.load(BASE_IMAGE, &socket());
    let scene = Scene::on(&engine.host(), BASE_IMAGE, STRICT);
    scene.prompt("outlives", "", &format!("{WAITS}\nwrite outlived.txt outlived"));
    scene.prompt(
        "restarted",
        "depends_on: [outlives]",
        &format!("{STOPS}\nrun cat begun.txt outlived.txt > both.txt"),
    );
    scene.commit("prompts");
    let run = scene.start_run(&["--verify", "test -f outlived.txt"]);

    // It dies, and containers go on: what ends meanwhile is seen, and its work taken when there is an engine again.
    scene.await_sign("outlives", "ready");
    engine.kill();
    scene.give_sign("outlives", "go");
    crate::stage::until("the step's end is recorded", || {
        scene.steps("outlives", 1)[0].join("exit.json").exists()
    });
    engine.restart();

    // It is shut down, and ends its containers: that is no fault of a task's.
    scene.await_sign("restarted", "ready");
    engine.stop();
    engine.restart();
    let ran = run.end();
    ran.ends_with(0);
    assert_eq!(steps(&ran, "outlives"), ["fresh"]);
    assert_eq!(steps(&ran, "restarted"), ["fresh", "resume"]);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(scene.blob(&branch, "both.txt"), "begun\noutlived");
    scene.nothing_is_left(0);

    // It goes for good: the task is tried again, and then it is over; what it had written is where it was.
    let scene = Scene::on(&engine.host(), BASE_IMAGE, STRICT);
    scene.prompt("left", "", STOPS);
    scene.commit("prompts");
    let run = scene.start_run(&["--verify", ""]);
    scene.await_sign("left", "ready");
    engine.stop();
    let ran = run.end();
    ran.ends_with(1);
    let task = scene.task("left");
    let detail = task["detail"].as_str().unwrap();
    assert!(detail.contains("no container engine") && !detail.contains('\n'), "{task:#}");
    let workspace = task["workspace"].as_str().unwrap();
    assert_eq!(fs::read_to_string(Path::new(workspace).join("begun.txt")).unwrap(), "begun\n");
    let kept = scene.status()["kept"].to_string();
    assert!(kept.contains(workspace), "{kept}");
}

#[test]
fn a_container_that_somebody_removes_is_begun_again() {
    let scene = Scene::new(STRICT);
    scene.prompt("removed", "", &format!("{STOPS}\nrun cat begun.txt > ended.txt"));
    scene.commit("prompts");
    let run = scene.start_run(&["--verify", ""]);
    scene.await_sign("removed", "ready");
    scene.docker(&["rm", "--force", &scene.container("removed")]);
    let ran = run.end();
    ran.ends_with(0);
    assert_eq!(steps(&ran, "removed"), ["fresh", "resume"]);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(scene.blob(&branch, "ended.txt"), "begun");
    scene.nothing_is_left(0);
}

#[test]
fn an_engine_without_room_is_told() {
    // A disk of the engine's own, which it gives back when it ends.
    let dir = tempfile::tempdir().unwrap();
    let data_root = dir.path().join("disk");
    fs::create_dir(&data_root).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=700m", "tmpfs"]).arg(&data_root);
    said(&mount.output().unwrap(), &["mount"]);
    let options = Options { data_root: Some(data_root.clone()), ..Options::default() };
    let engine = TestEngine::start_with(options).unwrap();
    engine.load(BASE_IMAGE, &socket());
    let scene = Scene::on(&engine.host(), BASE_IMAGE, "");
    scene.prompt("one", "", "write one.txt one");
    scene.commit("prompts");
    // Ends as the disk is full.
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", data_root.join("all").display()))
        .output();
    assert!(!filled.unwrap().status.success());

    let ran = scene.gadugi(&["run", "--agent", "scripted", "--no-review"]);
    ran.ends_with(3);
    let lines = complaint(&ran);
    assert!(lines.len() == 1 && lines[0].contains("the container engine has no space left"), "{lines:#?}");
    fs::remove_file(data_root.join("all")).unwrap();
    scene.run(&["--verify", ""]).ends_with(0);
    scene.nothing_is_left(0);
}
