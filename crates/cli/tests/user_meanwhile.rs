//! The user goes on working while a run is under way: commits, rebases, tidies up, deletes what they should not. Each has a
//! defined end: the run goes on as if nothing had been, or one task fails with one clear line; nothing is lost.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;
use std::path::PathBuf;

use stage::{Live, Stage, until};

fn workspace(stage: &Stage, id: &str) -> PathBuf {
    PathBuf::from(stage.task(id)["workspace"].as_str().unwrap())
}

/// Where an agent waits for a word of the test's.
const WAIT: &str = "run until [ -e $HOME/go ]; do sleep 0.05; done";

fn go(stage: &Stage) {
    fs::write(stage.home.join("go"), "").unwrap();
}

/// A run in which the agent of `id` has come so far as to write `begun.txt`.
fn begun(stage: &Stage, id: &str, more: &[&str]) -> Live {
    stage.commit("prompts");
    let run = stage.start_run(more);
    until("its agent runs", || stage.status()["tasks"].to_string().contains("\"running\""));
    until("its agent has begun", || {
        stage.task(id)["workspace"]
            .as_str()
            .is_some_and(|path| PathBuf::from(path).join("begun.txt").exists())
    });
    run
}

#[test]
fn commits_switches_rebases_and_stashes() {
    let stage = Stage::new();
    stage.prompt("one", "", &format!("write begun.txt 1\n{WAIT}\nwrite one.txt 1"));
    stage.prompt("two", "depends_on: [one]", "run cat one.txt > two.txt");
    let run = begun(&stage, "one", &[]);
    let base = stage.git(&["rev-parse", "HEAD"]);
    stage.git(&["switch", "-q", "-c", "mine"]);
    stage.write("mine.txt", "1\n");
    stage.commit("mine");
    stage.git(&["switch", "-q", "main"]);
    stage.write("README.md", "# Changed\n");
    stage.commit("on main");
    stage.git(&["rebase", "-q", "main", "mine"]);
    stage.write("README.md", "# Stashed\n");
    stage.git(&["stash", "-q"]);
    stage.git(&["commit", "-q", "--amend", "-m", "amended"]);
    stage.write("src/shared.txt", "under way\n");
    stage.git(&["add", "src/shared.txt"]);
    let before = stage::users_own(&stage);
    go(&stage);
    let ran = run.end();
    ran.ends_with(0);
    stage::untouched(&stage, &before);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "two.txt"), "1");
    assert_eq!(stage.git(&["merge-base", &branch, &base]), base, "the run began where it began");
    stage.git(&["commit", "-q", "-m", "mine too"]);
    stage.gadugi(&["land", "--into", "main"]).ends_with(0);
    assert!(stage.files_at("main").contains(&"two.txt".to_owned()));
    stage.git(&["stash", "pop", "-q"]);
    assert_eq!(stage.read("README.md"), "# Stashed\n");
}

/// What `git gc` can take is gone after it.
fn collect_garbage(stage: &Stage) {
    stage.git(&["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
    stage.git(&["gc", "--quiet", "--prune=now"]);
    stage.git(&["worktree", "prune", "--expire=now"]);
}

/// A verification that waits for the test: its first argument is where it says that it has begun.
const VERIFY: &str = "touch $HOME/verifying; until [ -e $HOME/verified ]; do sleep 0.05; done";

#[test]
fn collects_garbage_and_prunes_worktrees() {
    let stage = Stage::new();
    let script = format!("write begun.txt 1\ncommit begun\nwrite staged.txt 1\nrun git add -A\n{WAIT}");
    stage.prompt("one", "", &script);
    let detached = "run git checkout -q --detach\nwrite begun.txt 2\ncommit far";
    stage.prompt("two", "depends_on: [one]", &format!("{detached}\n{WAIT}\nfail with a detached head"));
    let run = begun(&stage, "one", &["--verify", VERIFY]);
    let place = workspace(&stage, "one");
    let inside = |args: &[&str]| stage.git(&[&["-C", place.to_str().unwrap()], args].concat());
    until("it has staged", || inside(&["status", "--porcelain"]).starts_with("A "));
    // An agent under way: a commit on its branch, staged files.
    collect_garbage(&stage);
    go(&stage);
    until("its composed work is verified", || stage.home.join("verifying").exists());
    // What is composed is on no branch yet.
    collect_garbage(&stage);
    fs::remove_file(stage.home.join("go")).unwrap();
    fs::write(stage.home.join("verified"), "").unwrap();
    until("the second one is far", || {
        stage.task("two")["workspace"].as_str().is_some_and(|place| {
            fs::read_to_string(PathBuf::from(place).join("begun.txt")).is_ok_and(|text| text == "2\n")
                && stage.git(&["-C", place, "log", "-1", "--format=%s"]) == "far"
        })
    });
    // A commit that only the worktree's HEAD holds.
    collect_garbage(&stage);
    go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    collect_garbage(&stage);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(
        (stage.blob(&branch, "begun.txt"), stage.blob(&branch, "staged.txt")),
        ("1".into(), "1".into())
    );
    let salvaged = stage.task("two")["salvage"][0].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&salvaged, "begun.txt"), "2");
    stage.git(&["fsck", "--no-dangling"]);
}

#[test]
fn deletes_the_branch_of_a_task_that_runs() {
    let stage = Stage::new();
    stage.prompt("one", "", &format!("write begun.txt 1\ncommit begun\n{WAIT}\nwrite rest.txt 2"));
    stage.prompt(
        "two",
        "",
        &format!("write other.txt 1\ncommit other\n{WAIT}\nwrite more.txt 2\ncommit after it was gone"),
    );
    let run = begun(&stage, "one", &["--max-parallel", "2"]);
    until("both have committed", || {
        let logs = stage.git(&["log", "--branches", "--format=%s"]);
        logs.contains("begun") && logs.contains("other")
    });
    for id in ["one", "two"] {
        let branch = stage.task(id)["branch"].as_str().unwrap().to_owned();
        stage.git(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    }
    go(&stage);
    let ran = run.end();
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    let files = stage.files_at(&branch);
    for name in ["begun.txt", "rest.txt", "other.txt", "more.txt", "README.md"] {
        assert!(files.iter().any(|file| file == name), "{name}: {files:?}");
    }
    let history = stage.git(&["log", "--format=%s", &branch]);
    assert!(
        history.contains("begun") && history.contains("other"),
        "what was committed before is in its history"
    );
}

/// One line says why the task failed, and the run's end says it too.
#[track_caller]
fn failed_in_one_line(stage: &Stage, id: &str, words: &str) {
    let detail = stage.task(id)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(words) && !detail.contains('\n'), "{detail}");
}

#[test]
fn deletes_the_worktree_of_a_task_that_runs() {
    let stage = Stage::new();
    stage.prompt("one", "", &format!("write begun.txt 1\ncommit begun\nwrite loose.txt 2\n{WAIT}"));
    stage.prompt("fine", "", "write fine.txt 1");
    let run = begun(&stage, "one", &["--max-parallel", "2"]);
    let place = workspace(&stage, "one");
    until("it has committed", || stage.git(&["log", "--branches", "--format=%s"]).contains("begun"));
    until("it has written", || place.join("loose.txt").exists());
    fs::remove_dir_all(&place).unwrap();
    go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    assert_eq!(ran.task("fine")["outcome"], "succeeded");
    assert_eq!(ran.task("one")["outcome"], "failed");
    failed_in_one_line(&stage, "one", "was deleted");
    let branch = stage.task("one")["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "begun.txt"), "1", "what it committed is on its branch");
    let listed = stage.gadugi(&["worktrees", "--repair"]);
    listed.ends_with(0);
    assert_eq!(stage.blob(&branch, "begun.txt"), "1", "and stays there");
    // A second try begins anew.
    stage.gadugi(&["retry", "one"]).ends_with(0);
    let again = stage.gadugi(&["resume", "--json"]);
    again.ends_with(0);
    assert_eq!(stage.blob(again.report()["branch"].as_str().unwrap(), "loose.txt"), "2");
}

#[test]
fn removes_the_folder_of_all_worktrees() {
    let stage = Stage::new();
    stage.prompt("one", "", &format!("write begun.txt 1\n{WAIT}"));
    stage.prompt("two", "", &format!("write begun.txt 1\ncommit two\n{WAIT}"));
    stage.prompt("three", "depends_on: [one]", "write three.txt 3");
    let run = begun(&stage, "one", &["--max-parallel", "2"]);
    until("the other has committed", || stage.git(&["log", "--branches", "--format=%s"]).contains("two"));
    fs::remove_dir_all(stage.root.join(".worktrees")).unwrap();
    go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    for id in ["one", "two"] {
        failed_in_one_line(&stage, id, "was deleted");
    }
    assert_eq!(ran.task("three")["outcome"], "skipped");
    let branch = stage.task("two")["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "begun.txt"), "1");
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
    // The next run is as good as ever, and what is gone can be forgotten.
    stage.gadugi(&["worktrees", "--repair"]).ends_with(0);
    let again = stage.run(&["prompts/one.md"]);
    again.ends_with(0);
    assert_eq!(stage.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn takes_away_a_worktree_that_waits_to_be_taken_up_again() {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage.prompt("one", "", "write begun.txt 1\ncommit begun\nrun git checkout -q --detach\nwrite far.txt 1\ncommit far\nfresh hang\nwrite done.txt 1");
    let run = begun(&stage, "one", &[]);
    let place = workspace(&stage, "one");
    let inside = |args: &[&str]| stage.git(&[&["-C", place.to_str().unwrap()], args].concat());
    until("it has committed on no branch", || inside(&["log", "-1", "--format=%s"]) == "far");
    run.signal("INT");
    run.end().ends_with(130);
    let far = inside(&["rev-parse", "HEAD"]);
    fs::remove_dir_all(&place).unwrap();
    let resumed = stage.gadugi(&["resume", "--json"]);
    // Taken up again or failed: what was committed there is held by a ref.
    let refs = stage.git(&["for-each-ref", "--contains", &far, "--format=%(refname)"]);
    assert!(!refs.is_empty(), "{resumed:?}");
    if resumed.code == Some(1) {
        let detail = stage.task("one")["detail"].to_string();
        assert!(detail.len() > 2 && !detail.contains("\\n"), "{detail}");
    } else {
        resumed.ends_with(0);
    }
}

#[test]
fn moves_the_integration_branch() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.prompt("two", "depends_on: [one]", &format!("write begun.txt 1\n{WAIT}\nwrite two.txt 2"));
    let run = begun(&stage, "two", &[]);
    let branch = stage.status()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "one.txt"), "1");
    // To a commit of the user's own, which lacks what was merged.
    stage.write("mine.txt", "mine\n");
    stage.commit("mine");
    stage.git(&["branch", "--force", &branch, "main"]);
    go(&stage);
    let ran = run.end();
    ran.ends_with(0);
    for (name, text) in [("one.txt", "1"), ("two.txt", "2"), ("mine.txt", "mine")] {
        assert_eq!(stage.blob(&branch, name), text);
    }
    stage.gadugi(&["land"]).ends_with(0);
    assert_eq!(stage.read("one.txt"), "1\n");
}

#[test]
fn moves_the_integration_branch_to_what_conflicts() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.prompt("two", "depends_on: [one]", &format!("write begun.txt 1\n{WAIT}\nwrite two.txt 2"));
    let run = begun(&stage, "two", &[]);
    let branch = stage.status()["branch"].as_str().unwrap().to_owned();
    let held = stage.git(&["rev-parse", &branch]);
    stage.write("one.txt", "something else\n");
    stage.commit("against it");
    stage.git(&["branch", "--force", &branch, "main"]);
    go(&stage);
    let ran = run.end();
    ran.ends_with(1);
    failed_in_one_line(&stage, "two", &format!("git branch --force {branch} {held}"));
    let work = stage.task("two")["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&work, "two.txt"), "2", "its work is on its branch");
    assert_eq!(
        stage.git(&["rev-parse", &branch]),
        stage.git(&["rev-parse", "main"]),
        "what the user did stays"
    );
}
