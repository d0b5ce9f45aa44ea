//! The ways home that are not the straight one, and what is said of work that left nothing to bring home.

mod stage;

use serde_json::Value;
use stage::Stage;

/// One task merged, and nothing landed.
fn merged() -> Stage {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt one");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    stage
}

#[test]
fn a_branch_that_is_not_there_is_no_place_to_land() {
    let stage = merged();
    let before = stage.git(&["for-each-ref"]);
    let ran = stage.gadugi(&["land", "--into", "nowhere"]);
    ran.ends_with(2);
    assert!(ran.stderr.contains("there is no branch \"nowhere\""), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!(stage.git(&["for-each-ref"]), before);
}

#[test]
fn landing_on_a_detached_head_says_what_to_do() {
    let stage = merged();
    let branch = stage.git(&["symbolic-ref", "--short", "HEAD"]).trim().to_owned();
    stage.git(&["checkout", "-q", "--detach"]);
    let ran = stage.gadugi(&["land"]);
    ran.ends_with(1);
    assert!(ran.stderr.contains("gadugi land --into BRANCH"), "{}", ran.stderr);
    stage.gadugi(&["land", "--into", &branch]).ends_with(0);
    assert!(stage.files_at(&branch).contains(&"one.txt".to_owned()));
}

#[test]
fn work_that_went_elsewhere_is_not_said_to_be_here() {
    let stage = merged();
    let branch = stage.git(&["symbolic-ref", "--short", "HEAD"]).trim().to_owned();
    stage.git(&["branch", "other"]);
    stage.gadugi(&["land", "--into", "other"]).ends_with(0);
    for what in [&["land"][..], &["land", "one"]] {
        let ran = stage.gadugi(what);
        ran.ends_with(1);
        assert!(ran.stderr.contains("was landed on other"), "{what:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("git merge other"), "{what:?}: {}", ran.stderr);
    }
    stage.gadugi(&["land", "--into", "other"]).ends_with(0);
    stage.git(&["merge", "-q", "other"]);
    assert!(stage.files_at(&branch).contains(&"one.txt".to_owned()));
}

#[test]
fn a_task_that_is_home_already_is_said_to_be() {
    let stage = merged();
    stage.gadugi(&["land"]).ends_with(0);
    for what in [&["land"][..], &["land", "one"]] {
        let ran = stage.gadugi(what);
        ran.ends_with(0);
        assert!(ran.stdout.contains("already"), "{what:?}: {}", ran.stdout);
    }
}

#[test]
fn what_a_task_left_uncommitted_is_shown_and_no_change_is_said() {
    let stage = Stage::new();
    stage.prompt("broken", "", "write half.txt half\nfail cannot go on");
    stage.prompt("fine", "", "no-change all is there");
    stage.prompt("idle", "timeout: 1s", "hang");
    stage.commit("prompts");
    stage.run(&[]).ends_with(1);
    let broken = stage.gadugi(&["diff", "broken"]);
    broken.ends_with(0);
    assert!(broken.stdout.contains("+half"), "{broken:?}");
    for id in ["fine", "idle"] {
        let ran = stage.gadugi(&["diff", id]);
        ran.ends_with(0);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("changed nothing"), "{id}: {ran:?}");
    }
    let status: Value = serde_json::from_str(&stage.gadugi(&["status", "--json"]).stdout).unwrap();
    for at in [&status["started_at"], &status["tasks"][0]["finished_at"]] {
        assert!(at.as_str().is_some_and(|at| at.starts_with("20") && at.ends_with('Z')), "{status:#}");
    }
}

#[test]
fn pausing_twice_says_so() {
    let stage = Stage::new();
    stage.prompt("one", "", "hang");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    stage.gadugi(&["pause"]).ends_with(0);
    let again = stage.gadugi(&["pause"]);
    again.ends_with(0);
    assert!(again.stdout.contains("is paused already"), "{}", again.stdout);
    stage.gadugi(&["cancel", "--all"]).ends_with(0);
}
