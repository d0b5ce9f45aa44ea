//! Workspaces that the host does not open, in whole runs: what becomes of work, wherever its agent leaves it.

use std::fs;

use gadugi_testkit::docker::{BASE_IMAGE, TestEngine, socket};
use gadugi_testkit::model_api::ModelApi;
use serde_json::Value;

use crate::scene::{Scene, bash, says};
use crate::stage::{Live, until, untouched, users_own};

/// Waits for the test's sign.
const WAIT: &str = "touch /tmp/ready; while ! test -e /tmp/go; do sleep 0.05; done";

#[test]
fn work_comes_home_however_its_agent_leaves_it() {
    // Setup and verify say where they run.
    let scene = Scene::new("[workspace]\nsetup = [\"echo $HOME $PWD > .setup\"]\n");
    scene.write(".gitignore", ".setup\n");
    scene.prompt("loose", "", "write loose.txt loose\nrun cp .setup setup.txt");
    scene.prompt(
        "failing",
        "",
        "write done.txt done\ncommit a part of it\nwrite half.txt half\nattempt 1 fail no more\nwrite half.txt whole",
    );
    // A git of this machine that opened the workspace would say so.
    let opened = scene.home.join("opened");
    let trap = format!("run git config core.fsmonitor 'touch {} #'", opened.display());
    scene.prompt(
        "watched",
        "",
        &format!("{trap}\nwrite new.txt new\nappend src/shared.txt four\nrun {WAIT}"),
    );
    scene.commit("prompts");
    let before = users_own(&scene);

    let verify = "test \"$HOME $PWD\" = '/gadugi/home /workspace'";
    let mut run = scene.start_run(&["--max-parallel", "3", "--verify", verify]);
    scene.await_sign("watched", "ready");
    let diff = scene.gadugi(&["diff", "watched"]);
    diff.ends_with(0);
    assert!(diff.stdout.contains("+++ b/new.txt\n") && diff.stdout.contains("\n+four\n"), "{}", diff.stdout);
    run.until("end of the one that fails", |event| {
        event["type"] == "task-finished" && event["task"] == "failing"
    });
    scene.give_sign("watched", "go");
    let ran = run.end();
    ran.ends_with(1);
    untouched(&scene, &before);
    assert!(!opened.exists(), "the host has opened what an agent wrote");
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(scene.blob(&branch, "loose.txt"), "loose");
    assert_eq!(scene.blob(&branch, "setup.txt"), "/gadugi/home /workspace");
    assert_eq!(scene.blob(&branch, "new.txt"), "new");
    assert_eq!(ran.task("loose")["verdict"], "verified");

    // What the one that failed left is not lost.
    let failing = scene.task("failing");
    let kept = failing["salvage"][0].as_str().unwrap();
    assert!(kept.starts_with("refs/gadugi/salvage/"), "{kept}");
    assert_eq!(
        (scene.blob(kept, "half.txt").as_str(), scene.blob(kept, "done.txt").as_str()),
        ("half", "done")
    );
    assert!(scene.gadugi(&["diff", "failing"]).ends_with(0).stdout.contains("+half"));
    scene.nothing_is_left(1);
    // Whoever mends worktrees knows whose that one is, and looks into none.
    let repaired = scene.gadugi(&["worktrees", "--repair", "--json"]);
    repaired.ends_with(0);
    let repaired: Value = serde_json::from_str(&repaired.stdout).unwrap();
    let line = &repaired["worktrees"][0];
    assert_eq!(
        (line["task"][1].as_str(), line["status"].as_str()),
        (Some("failing"), Some("kept")),
        "{line}"
    );
    assert!(line["detail"].as_str().unwrap().starts_with("sealed"), "{line}");
    assert_eq!(repaired["repaired"], serde_json::json!([]));
    scene.nothing_is_left(1);

    scene.gadugi(&["retry", "failing"]).ends_with(0);
    let resumed = scene.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    assert_eq!(resumed.task("failing")["attempts"], 2);
    assert_eq!(scene.blob(&branch, "half.txt"), "whole");
    scene.gadugi(&["land"]).ends_with(0);
    assert_eq!(scene.read("half.txt"), "whole\n");

    // What the first try left is under its ref: with its task merged, its workspace goes, and then all that is known of it.
    scene.nothing_is_left(0);
    scene.gadugi(&["clean", "--older-than", "0"]).ends_with(0);
    let runs = fs::read_dir(scene.root.join(".gadugi/runs")).unwrap();
    assert_eq!(runs.count(), 0, "with its store");
    assert_eq!(scene.blob(kept, "half.txt"), "half");
    assert!(!opened.exists(), "the host has opened what an agent wrote");
}

#[test]
fn what_ctrl_c_stopped_goes_on_in_the_same_conversation_and_workspace() {
    let api = ModelApi::start().unwrap();
    let mut scene = Scene::new("[run]\ngrace = \"2s\"\n");
    scene.ask(&api);
    let wait = "test -e /tmp/ready || { touch /tmp/ready; sleep 100; }";
    let turns = [bash("echo begun > begun.txt"), bash(wait), bash("cat begun.txt > ended.txt"), says("done")];
    scene.model_prompt("long", "", &turns);
    scene.commit("prompts");

    let run = Live::new(scene.spawn(&["run", "--no-review", "--json", "--verify", ""]));
    scene.await_sign("long", "ready");
    run.signal("INT");
    let stopped = run.end();
    stopped.ends_with(130);
    assert!(stopped.stderr.contains("gadugi resume"), "{}", stopped.stderr);
    scene.nothing_is_left(1);

    let resumed = scene.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let task = resumed.task("long");
    assert_eq!((task["outcome"].as_str(), task["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{task}");
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(scene.blob(&branch, "ended.txt"), "begun");
    let session = |events: Vec<Value>| {
        let intended = events.into_iter().find(|event| event["type"] == "step-intended").unwrap();
        intended["what"]["session"].as_str().unwrap().to_owned()
    };
    assert_eq!(session(stopped.events()), session(resumed.events()));
    let last = api.scripted_requests().pop().unwrap();
    assert!(last.user_texts().iter().any(|text| text.contains("may have run")), "it is told");
    scene.nothing_is_left(0);
}

#[test]
fn finished_work_waits_for_a_container_engine_that_is_away() {
    let mut engine = TestEngine::start();
    engine.load(BASE_IMAGE, &socket());
    let scene = Scene::on(&engine.host(), BASE_IMAGE, "");
    scene.prompt("one", "", &format!("run {WAIT}\nwrite one.txt one"));
    scene.commit("prompts");
    let run = scene.start_run(&["--verify", ""]);
    scene.await_sign("one", "ready");
    engine.kill();
    scene.give_sign("one", "go");
    // For longer than a step's start is waited for.
    let log = scene.root.join(".gadugi/engine.log");
    until("its work is to be exported", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("its work cannot be exported yet"))
    });
    engine.restart();
    let ran = run.end();
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(scene.blob(&branch, "one.txt"), "one");
    scene.nothing_is_left(0);

    // Its workspace, where nobody knows whose it is any more: named and left.
    let folder = scene.root.join(".worktrees/orchestration-20260101-000000-dead");
    for name in ["one/.git", ".composed-sealed/.git"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let repaired = scene.gadugi(&["worktrees", "--repair"]);
    let said = &repaired.ends_with(0).stdout;
    assert!(said.contains("no git of this machine looks there"), "{said}");
    assert!(folder.join("one/.git").exists() && !folder.join(".composed-sealed").exists());
}
