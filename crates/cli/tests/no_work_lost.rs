//! However a run ends, what its agents did and did not commit is there: under a ref of salvaged work, or in a worktree that
//! is kept and named. Nothing that puts things away takes it along.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stage::{Ran, Stage, signal, until};

fn workspace(stage: &Stage, id: &str) -> PathBuf {
    PathBuf::from(stage.task(id)["workspace"].as_str().unwrap())
}

/// The refs that hold salvaged work of a task.
fn salvaged(stage: &Stage, id: &str) -> Vec<String> {
    let refs = stage.git(&["for-each-ref", "--format=%(refname)", &format!("refs/gadugi/salvage/{id}")]);
    refs.lines().map(str::to_owned).collect()
}

/// The one ref of a task's salvaged work, after everything went that git takes for garbage.
#[track_caller]
fn the_ref(stage: &Stage, id: &str) -> String {
    until("its work is salvaged", || !salvaged(stage, id).is_empty());
    stage.git(&["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
    stage.git(&["gc", "--quiet", "--prune=now"]);
    let refs = salvaged(stage, id);
    let [one] = &refs[..] else { panic!("{refs:?}") };
    let named = stage.task(id)["salvage"].to_string();
    assert!(named.contains(one), "status names it: {named}");
    one.clone()
}

fn quick_to_kill(stage: &Stage) {
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
}

/// Waits until the agent of this task has written that file.
fn wrote(stage: &Stage, id: &str, name: &str) -> PathBuf {
    until("its agent runs", || stage.task(id)["state"] == "running");
    let path = workspace(stage, id).join(name);
    until("its agent has written", || path.exists());
    path
}

const HALF: &str = "write half.txt mine\nrun printf 'two\\nlines\\n' > src/shared.txt\nhang";

#[track_caller]
fn half_is_kept(stage: &Stage, id: &str) {
    let reference = the_ref(stage, id);
    assert_eq!(stage.blob(&reference, "half.txt"), "mine");
    assert_eq!(stage.blob(&reference, "src/shared.txt"), "two\nlines");
    assert_eq!(stage.git(&["log", "-1", "--format=%an", &reference]), "A Tester");
    let place = workspace(stage, id);
    assert!(place.join("half.txt").exists(), "and it lies where it lay");
    let listed = stage.gadugi(&["worktrees"]);
    assert!(
        listed.stdout.contains(&reference) && listed.stdout.contains(place.to_str().unwrap()),
        "{listed:?}"
    );
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(cleaned.ends_with(0).stdout.contains(place.to_str().unwrap()), "{cleaned:?}");
    assert!(place.join("half.txt").exists() && salvaged(stage, id) == [reference]);
}

#[test]
fn after_a_failure() {
    let stage = Stage::new();
    stage.prompt("one", "", &HALF.replace("hang", "fail no more"));
    stage.commit("prompts");
    stage.run(&[]).ends_with(1);
    half_is_kept(&stage, "one");
}

#[test]
fn after_a_timeout() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    stage.prompt("one", "timeout: 2s", HALF);
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    assert_eq!(ran.task("one")["outcome"], "timed-out");
    half_is_kept(&stage, "one");
}

#[test]
fn after_a_cancellation() {
    let stage = Stage::new();
    quick_to_kill(&stage);
    stage.prompt("one", "", HALF);
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    wrote(&stage, "one", "half.txt");
    stage.gadugi(&["cancel", "one"]).ends_with(0);
    let ran = run.end();
    ran.ends_with(1);
    assert_eq!(ran.task("one")["outcome"], "cancelled");
    half_is_kept(&stage, "one");
}

#[test]
fn after_ctrl_c_twice_it_lies_there_and_is_salvaged_when_the_run_is_given_up() {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[run]\ngrace = \"10m\"\n");
    stage.prompt("one", "", &format!("ignore-term\n{HALF}"));
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let half = wrote(&stage, "one", "half.txt");
    run.signal("INT");
    run.until_type("stop-requested");
    run.signal("INT");
    run.end().ends_with(130);
    until("no process is left", || stage.attempt_processes().is_empty());
    assert!(
        half.exists() && workspace(&stage, "one").join("half.txt") == half,
        "it is where it was, and named"
    );
    stage.gadugi(&["clean", "--older-than", "0"]).ends_with(0);
    stage.gadugi(&["worktrees", "--repair"]).ends_with(0);
    assert!(half.exists(), "a run that can be taken up again is nobody's to tidy");
    stage.gadugi(&["cancel", "--all"]).ends_with(0);
    until("the run is over", || stage.status()["status"] == "finished");
    half_is_kept(&stage, "one");
}

#[test]
fn after_engine_shim_and_agent_were_killed_at_once() {
    let stage = Stage::new();
    stage.prompt("one", "", HALF);
    stage.commit("prompts");
    stage.gadugi(&["run", "--agent", "scripted", "--no-review", "--detach"]).ends_with(0);
    let half = wrote(&stage, "one", "half.txt");
    // With the index half-written, as a power cut may leave it.
    let admin = stage.root.join(".git/worktrees/one");
    stage.kill_engine();
    until("nothing of it is left", || {
        let left = stage.attempt_processes();
        left.iter().for_each(|pid| signal(*pid, "KILL"));
        left.is_empty()
    });
    fs::write(admin.join("index.lock"), "half").unwrap();
    fs::write(admin.join("index"), "half").unwrap();
    assert!(half.exists());
    stage.gadugi(&["cancel", "--all"]).ends_with(0);
    until("the run is over", || stage.status()["status"] == "finished");
    let reference = the_ref_of_broken(&stage);
    assert_eq!(stage.blob(&reference, "half.txt"), "mine");
}

/// As [`the_ref`], where git itself can put nothing away: an index is broken.
fn the_ref_of_broken(stage: &Stage) -> String {
    until("its work is salvaged", || !salvaged(stage, "one").is_empty());
    salvaged(stage, "one").remove(0)
}

#[test]
fn whatever_the_agent_did_with_git() {
    let stage = Stage::new();
    let git = [
        "write committed.txt 1\ncommit committed",
        "write reset.txt 2\ncommit reset\nrun git reset -q --hard HEAD^",
        "write stashed.txt 3\nrun git add -A && git stash -q",
        "run git checkout -q --detach\nwrite detached.txt 4\ncommit detached",
        "write staged.txt 5\nrun git add staged.txt && rm staged.txt",
        "run git init -q nested && echo 6 > nested/inside.txt",
        "write loose.txt 7\nfail and then it failed",
    ];
    stage.prompt("one", "", &git.join("\n"));
    stage.commit("prompts");
    stage.run(&[]).ends_with(1);
    until("its work is salvaged", || !salvaged(&stage, "one").is_empty());
    stage.git(&["stash", "clear"]);
    let reference = the_ref(&stage, "one");
    let history = stage.git(&["log", "--format=%H", &reference]);
    let somewhere = |path: &str, text: &str| {
        let found = history.lines().any(|commit| {
            stage.files_at(commit).iter().any(|file| file == path) && stage.blob(commit, path) == text
        });
        assert!(found, "{path} is in none of the commits that {reference} holds");
    };
    for (path, text) in [
        ("committed.txt", "1"),
        ("reset.txt", "2"),
        ("stashed.txt", "3"),
        ("detached.txt", "4"),
        ("staged.txt", "5"),
        ("nested/inside.txt", "6"),
        ("loose.txt", "7"),
    ] {
        somewhere(path, text);
    }
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_a_first_try_left_outlives_the_second() {
    let stage = Stage::new();
    stage.prompt("one", "", "attempt 1 write half.txt first\nattempt 1 fail not yet\nwrite done.txt done");
    stage.commit("prompts");
    stage.run(&[]).ends_with(1);
    let reference = the_ref(&stage, "one");
    stage.gadugi(&["retry", "one"]).ends_with(0);
    stage.gadugi(&["resume", "--json"]).ends_with(0);
    stage.gadugi(&["land"]).ends_with(0);
    stage.gadugi(&["clean", "--older-than", "0"]).ends_with(0);
    stage.gadugi(&["worktrees", "--repair"]).ends_with(0);
    assert_eq!(
        salvaged(&stage, "one"),
        [reference.as_str()],
        "success salvages nothing, and takes nothing away"
    );
    assert_eq!(stage.blob(&reference, "half.txt"), "first");
}

#[test]
fn a_run_takes_no_other_runs_salvaged_work() {
    let stage = Stage::new();
    stage.prompt("one", "", "run cat $HOME/what > half.txt\nfail no");
    stage.commit("prompts");
    for what in ["first", "second"] {
        fs::write(stage.home.join("what"), what).unwrap();
        stage.run(&[]).ends_with(1);
    }
    until("both are salvaged", || salvaged(&stage, "one").len() == 2);
    let texts: Vec<_> = salvaged(&stage, "one").iter().map(|one| stage.blob(one, "half.txt")).collect();
    assert!(texts.contains(&"first".to_owned()) && texts.contains(&"second".to_owned()), "{texts:?}");
}

/// A run of two tasks: the first is merged and its worktree kept; the second waits for a word.
fn with_kept_worktrees(stage: &Stage) -> Ran {
    stage.prompt("one", "", "write one.txt 1");
    stage.prompt("two", "", "write two.txt 2\ncommit two\nfail no");
    stage.commit("prompts");
    let ran = stage.run(&["--keep"]);
    ran.ends_with(1);
    ran
}

#[test]
fn cleaning_keeps_what_is_dirty_or_unmerged_and_says_where() {
    let stage = Stage::new();
    let ran = with_kept_worktrees(&stage);
    let (one, two) = (workspace(&stage, "one"), workspace(&stage, "two"));
    fs::write(one.join("src/shared.txt"), "the user looked in and changed it\n").unwrap();
    stage.gadugi(&["land"]).ends_with(0);
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    let said = &cleaned.ends_with(0).stdout;
    assert!(said.contains(&format!("kept: {} (1 uncommitted file)", one.display())), "{said}");
    assert!(said.contains(&format!("kept: {} (commits that are not merged)", two.display())), "{said}");
    assert!(said.contains("records of 0 runs, 0 worktrees"), "{said}");
    assert!(one.join("one.txt").exists() && two.join("two.txt").exists());
    // Also what git itself was told not to see.
    stage.git(&["-C", one.to_str().unwrap(), "update-index", "--assume-unchanged", "src/shared.txt"]);
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(cleaned.stdout.contains("(1 uncommitted file)"), "{cleaned:?}");
    // A worktree that its user removed leaves a branch that holds its commits: named, and the records stay.
    stage.git(&["worktree", "remove", "--force", "--force", two.to_str().unwrap()]);
    stage.git(&["-C", one.to_str().unwrap(), "update-index", "--no-assume-unchanged", "src/shared.txt"]);
    stage.git(&["-C", one.to_str().unwrap(), "checkout", "-q", "--", "."]);
    let branch = ran.task("two")["branch"].as_str().unwrap().to_owned();
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(cleaned.stdout.contains(&format!("kept: {branch} (commits that are not merged)")), "{cleaned:?}");
    assert!(!one.exists(), "what holds nothing goes");
    stage.git(&["merge", "-q", "--no-edit", &branch]);
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(cleaned.stdout.contains("records of 1 run"), "{cleaned:?}");
    assert!(
        !stage.root.join(".gadugi/runs").read_dir().unwrap().flatten().any(|_| true),
        "no folder is left"
    );
}

/// While a task's composed work is verified, its worktree is still there.
const VERIFY: &str = "touch $HOME/verifying; until [ -e $HOME/go ]; do sleep 0.05; done";

#[test]
fn tidying_keeps_what_somebody_touched_and_says_where() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.prompt("two", "depends_on: [one]", "write two.txt 2");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--verify", VERIFY]);
    until("its work is verified", || stage.home.join("verifying").exists());
    let place = workspace(&stage, "one");
    fs::write(place.join("mine.txt"), "the user's idea\n").unwrap();
    fs::write(stage.home.join("go"), "").unwrap();
    run.until_type("run-ending");
    let ran = run.end();
    ran.ends_with(0);
    assert_eq!(fs::read_to_string(place.join("mine.txt")).unwrap(), "the user's idea\n");
    let kept = stage.status()["kept"].to_string();
    assert!(kept.contains(place.to_str().unwrap()) && kept.contains("1 uncommitted file"), "{kept}");
    assert!(!place.with_file_name("two").exists(), "what holds nothing goes");
}

#[test]
fn landing_keeps_branches_that_hold_more_than_what_was_landed() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.prompt("two", "", "write two.txt 2");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    let branch = |id: &str| ran.task(id)["branch"].as_str().unwrap().to_owned();
    let head = stage.git(&["rev-parse", "HEAD"]);
    stage.git(&["switch", "-q", &branch("one")]);
    stage.write("more.txt", "more\n");
    stage.commit("the user goes on from there");
    stage.git(&["switch", "-q", "main"]);
    assert_eq!(stage.git(&["rev-parse", "HEAD"]), head);
    stage.gadugi(&["land"]).ends_with(0);
    assert_eq!(stage.blob(&branch("one"), "more.txt"), "more");
    let left = stage.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert!(!left.contains(&branch("two")), "{left}");
}

#[test]
fn cleaning_leaves_young_runs_and_live_ones_alone() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.commit("prompts");
    stage.run(&["--keep"]).ends_with(0);
    stage.gadugi(&["land"]).ends_with(0);
    let kept = workspace(&stage, "one");
    let cleaned = stage.gadugi(&["clean"]);
    assert!(cleaned.ends_with(0).stdout.contains("records of 0 runs, 0 worktrees"), "{cleaned:?}");
    assert!(kept.exists(), "it is not a day old");
    stage.prompt("two", "", "run until [ -e $HOME/go ]; do sleep 0.05; done\nwrite two.txt 2");
    stage.commit("another");
    let mut run = stage.start_run(&["prompts/two.md"]);
    run.until_type("step-started");
    stage.gadugi(&["clean", "--older-than", "0"]).ends_with(0);
    assert!(!kept.exists() && workspace(&stage, "two").exists());
    stage.gadugi(&["worktrees", "--repair"]).ends_with(0);
    fs::write(stage.home.join("go"), "").unwrap();
    run.end().ends_with(0);
}

#[test]
fn a_clean_up_that_was_broken_off_goes_on() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt 1");
    stage.commit("prompts");
    let run = stage.run(&[]).report()["run"].as_str().unwrap().to_owned();
    let runs = stage.root.join(".gadugi/runs");
    // Killed before the run was forgotten: its records come back. Killed after: they go.
    fs::rename(runs.join(&run), runs.join(format!("{run}.leaving"))).unwrap();
    fs::create_dir_all(runs.join("orchestration-20200101-000000-dead.leaving/one")).unwrap();
    stage.gadugi(&["clean", "--older-than", "24"]).ends_with(0);
    let names: Vec<_> = runs.read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, [run.as_str()]);
    stage.gadugi(&["logs", "one"]).ends_with(0);
}

/// Everything on record is gone, as when somebody deletes the state folder: no run is known any more.
fn forget_all(stage: &Stage) {
    stage.engine_leaves();
    for name in ["gadugi.db", "gadugi.db-wal", "gadugi.db-shm"] {
        let _ = fs::remove_file(stage.root.join(".gadugi").join(name));
    }
}

fn json(stage: &Stage, args: &[&str]) -> Value {
    serde_json::from_str(&stage.gadugi(args).stdout).unwrap()
}

fn found(listed: &Value, kind: &str, status: &str) -> Vec<String> {
    let all = listed[kind].as_array().unwrap().iter();
    all.filter(|line| line["status"] == status)
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_dead_runs_left_is_found_and_mended_without_loss() {
    let stage = Stage::new();
    stage.prompt("clean", "", "write clean.txt 1");
    stage.prompt("dirty", "", "write dirty.txt 2\nfail no");
    stage.prompt("ahead", "", "write ahead.txt 3\ncommit ahead\nfail no");
    stage.prompt("lost", "", "write lost.txt 4\nfail no");
    stage.commit("prompts");
    let run = stage.run(&["--keep"]).report()["run"].as_str().unwrap().to_owned();
    stage.gadugi(&["land"]).ends_with(0);
    let folder = stage.root.join(".worktrees").join(&run);
    for reference in salvaged(&stage, "") {
        stage.git(&["update-ref", "-d", &reference]);
    }
    forget_all(&stage);
    // Git forgets one of the worktrees, a git that was killed long ago left its locks, and a process lives on.
    fs::remove_dir_all(stage.root.join(".git/worktrees/lost")).unwrap();
    let lock = stage.root.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(long_ago).unwrap();
    let mut left = left_over(&stage, &run, &folder.join("dirty"));

    let listed = json(&stage, &["worktrees", "--json"]);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    assert_eq!(found(&listed, "worktrees", "orphaned"), ["ahead", "clean", "dirty"].map(path), "{listed}");
    assert_eq!(found(&listed, "leftovers", "unknown"), [path("lost")], "{listed}");
    assert_eq!(found(&listed, "leftovers", "lock"), [lock.to_str().unwrap()], "{listed}");
    assert_eq!(found(&listed, "leftovers", "process"), [path("dirty")], "{listed}");
    stage.gadugi(&["worktrees", "validate"]).ends_with(1);
    assert!(lock.exists() && left.try_wait().unwrap().is_none(), "looking changes nothing");

    let mended = stage.gadugi(&["worktrees", "--repair"]);
    mended.ends_with(0);
    left.wait().unwrap();
    assert!(!lock.exists() && !folder.join("clean").exists(), "{mended:?}");
    for (name, text) in [("dirty", "2"), ("lost", "4")] {
        let [reference] = &salvaged(&stage, name)[..] else { panic!("{name}: {mended:?}") };
        assert_eq!(stage.blob(reference, &format!("{name}.txt")), text);
        assert!(folder.join(name).join(format!("{name}.txt")).exists(), "{name} lies where it lay");
    }
    assert!(folder.join("ahead/ahead.txt").exists(), "commits that are merged nowhere keep their worktree");
    assert!(mended.stdout.contains("ahead: kept (commits that are not merged)"), "{}", mended.stdout);
    let branches = stage.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert!(branches.contains("parallel-ahead") && branches.contains("parallel-dirty"), "{branches}");
    // Twice is as good as once.
    let again = stage.gadugi(&["worktrees", "--repair"]);
    assert_eq!(salvaged(&stage, "").len(), 2, "{again:?}");
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
}

/// A process that carries the mark of an attempt that is over.
fn left_over(stage: &Stage, run: &str, worktree: &Path) -> std::process::Child {
    let mut command = std::process::Command::new("setsid");
    command.args(["sleep", "600"]).env_clear().envs(stage.environment());
    command.env("GADUGI_ATTEMPT", format!("{run}/dirty/1")).env("ORCHESTRATOR_WORKTREE", worktree);
    command.spawn().unwrap()
}

#[test]
fn branches_of_dead_runs_go_only_where_another_holds_them() {
    let stage = Stage::new();
    let ran = with_kept_worktrees(&stage);
    let (one, two) = (workspace(&stage, "one"), workspace(&stage, "two"));
    let branch = |id: &str| ran.task(id)["branch"].as_str().unwrap().to_owned();
    let integration = ran.report()["branch"].as_str().unwrap().to_owned();
    forget_all(&stage);
    for path in [&one, &two] {
        stage.git(&["worktree", "remove", "--force", "--force", path.to_str().unwrap()]);
    }
    let listed = json(&stage, &["worktrees", "--json"]);
    let mut wanted = vec![branch("one"), branch("two"), integration.clone()];
    wanted.sort();
    assert_eq!(found(&listed, "leftovers", "branch"), wanted, "{listed}");
    let mended = stage.gadugi(&["worktrees", "--repair"]);
    let left = stage.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert!(!left.contains(&branch("one")), "the integration branch holds it: {mended:?}");
    assert!(left.contains(&branch("two")) && left.contains(&integration), "{mended:?}");
    assert_eq!(stage.blob(&integration, "one.txt"), "1");
}
