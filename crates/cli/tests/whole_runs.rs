//! Whole runs with the scripted agent: a folder of prompts becomes merged commits, or it is said why not.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;

use serde_json::Value;
use stage::{Stage, untouched, users_own};

fn order_of(events: &[Value], kind: &str) -> Vec<String> {
    events
        .iter()
        .filter(|event| event["type"] == kind)
        .map(|event| event["task"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_folder_of_prompts_becomes_merged_commits() {
    let stage = Stage::new();
    stage.prompt("alpha", "", "phase 4\nsay a plan\nphase 5\nwrite src/alpha.txt alpha\nusage 100 20 0.01");
    stage.prompt("beta", "", "write src/beta.txt beta\ncommit beta by hand");
    stage.prompt("lexer", "", "write src/lexer.txt lexer");
    stage.prompt("parser", "depends_on: [lexer]", "run cat src/lexer.txt > src/parser.txt");
    stage.prompt("printer", "depends_on: [parser.md]", "run cat src/parser.txt > src/printer.txt");
    stage.prompt("first", "touches: [src/shared.txt]", "append src/shared.txt first");
    stage.prompt("second", "touches: [src/shared.txt]", "append src/shared.txt second");
    stage.commit("prompts");
    let before = users_own(&stage);

    let ran = stage.run(&["--max-parallel", "4"]);
    ran.ends_with(0);
    untouched(&stage, &before);

    let events = ran.events();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "none missing, none twice: {seqs:?}");
    let report = ran.report();
    assert_eq!((report["succeeded"].as_u64(), report["failed"].as_u64()), (Some(7), Some(0)));
    assert!(report["tokens"].as_u64().unwrap() >= 120 && report["cost_usd"].as_f64().unwrap() >= 0.01);
    let branch = report["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "src/printer.txt"), "lexer", "each began where the work before it was");
    let shared = stage.blob(&branch, "src/shared.txt");
    assert_eq!(
        shared, "one\ntwo\nthree\nfirst\nsecond",
        "same file: one after the other, without a conflict"
    );
    for name in ["alpha", "beta", "lexer", "parser"] {
        assert!(stage.files_at(&branch).contains(&format!("src/{name}.txt")), "{name}");
    }
    let merged = order_of(&events, "task-merged");
    let place = |name: &str| merged.iter().position(|task| task == name).unwrap();
    assert!(place("lexer") < place("parser") && place("parser") < place("printer"));
    let alpha = ran.task("alpha");
    assert_eq!(
        (alpha["outcome"].as_str(), alpha["verdict"].as_str()),
        (Some("succeeded"), Some("unverified"))
    );
    assert_eq!(alpha["actual_writes"], serde_json::json!(["src/alpha.txt"]));

    assert_eq!(
        stage.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(),
        1,
        "worktrees are put away"
    );
    stage.gadugi(&["land"]).ends_with(0);
    assert_eq!(stage.read("src/printer.txt"), "lexer\n");
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
    assert_eq!(
        stage.git(&["branch", "--format=%(refname:short)"]),
        "main",
        "what is landed needs no branches"
    );
    stage.engine_leaves();
}

#[test]
fn all_eleven_phases_are_on_record_and_none_is_called_done_that_was_not() {
    let stage = Stage::new();
    stage.prompt("one", "", "phase 4\nphase 5\nwrite a.txt a\nphase 7");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    let status: Value =
        serde_json::from_str(&stage.gadugi(&["status", "--json"]).ends_with(0).stdout).unwrap();
    let phases = status["tasks"][0]["phases"].as_array().unwrap();
    let words: Vec<String> = phases
        .iter()
        .map(|phase| format!("{}: {}", phase["phase"].as_str().unwrap(), phase["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        words,
        [
            "initial-setup: proved",
            "issue-creation: left-out",
            "branch-management: proved",
            "research-and-planning: claimed",
            "implementation: proved",
            "testing: left-out",
            "documentation: claimed",
            "pull-request: proved",
            "review: left-out",
            "review-response: left-out",
            "settings-update: proved",
        ]
    );
}

#[test]
fn a_conflict_is_told_with_its_files_and_the_others_go_on() {
    let stage = Stage::new();
    stage.prompt("left", "", "sleep 300ms\nrun sed -i 2s/.*/left/ src/shared.txt");
    stage.prompt("right", "", "sleep 300ms\nrun sed -i 2s/.*/right/ src/shared.txt");
    stage.prompt("other", "", "sleep 600ms\nwrite other.txt other");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "3"]);
    ran.ends_with(1);
    let verdicts: Vec<Value> = ["left", "right", "other"].map(|id| ran.task(id)["verdict"].clone()).into();
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "conflict").count(), 1, "{verdicts:?}");
    let loser = if verdicts[0] == "conflict" { "left" } else { "right" };
    assert!(ran.task(loser)["detail"].as_str().unwrap().contains("src/shared.txt"));
    assert_eq!(ran.task("other")["outcome"], "succeeded");
    let branch = ran.task(loser)["branch"].as_str().unwrap().to_owned();
    assert!(stage.blob(&branch, "src/shared.txt").contains(loser), "its work is on its branch");
    let workspaces = stage.gadugi(&["worktrees"]).ends_with(0).stdout.clone();
    assert!(workspaces.contains(loser), "its workspace is kept: {workspaces}");

    let told = stage.gadugi(&["status"]).ends_with(0).stdout.clone();
    assert!(told.contains("src/shared.txt"), "{told}");
    // Taken up again, it begins where the other's work is.
    stage.gadugi(&["retry", loser]).ends_with(0);
    let resumed = stage.gadugi(&["resume", "--json"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
}

#[test]
fn what_fails_on_the_composed_tree_is_not_merged() {
    let stage = Stage::new();
    stage.prompt("good", "", "write good.txt fine");
    stage.prompt("bad", "", "write broken.txt oh");
    stage.commit("prompts");
    let ran = stage.run(&["--verify", "test ! -e broken.txt"]);
    ran.ends_with(1);
    assert_eq!(ran.task("good")["verdict"], "verified");
    assert_eq!(
        (&ran.task("bad")["outcome"], &ran.task("bad")["verdict"]),
        (&"failed".into(), &"rejected".into())
    );
    let files = stage.files_at(ran.report()["branch"].as_str().unwrap());
    assert!(files.contains(&"good.txt".into()) && !files.contains(&"broken.txt".into()));
}

#[test]
fn no_change_counts_only_where_the_agent_says_so_with_a_reason() {
    let stage = Stage::new();
    stage.prompt("honest", "", "no-change the flag is there already");
    stage.prompt("idle", "", "say all done!");
    stage.prompt("after", "depends_on: [honest]", "write after.txt after");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    let honest = ran.task("honest");
    assert_eq!(
        (honest["outcome"].as_str(), honest["verdict"].as_str()),
        (Some("succeeded"), Some("no-change"))
    );
    assert_eq!(ran.task("idle")["outcome"], "failed");
    assert_eq!(ran.task("after")["outcome"], "succeeded");
}

#[test]
fn dependents_of_a_failure_are_skipped_and_a_retry_revives_them() {
    let stage = Stage::new();
    stage.prompt("base", "", "attempt 1 fail not today\nwrite base.txt base");
    stage.prompt("middle", "depends_on: [base]", "run cat base.txt > middle.txt");
    stage.prompt("top", "depends_on: [middle]", "run cat middle.txt > top.txt");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    assert_eq!(ran.task("base")["outcome"], "failed");
    assert_eq!(
        (&ran.task("middle")["outcome"], &ran.task("top")["outcome"]),
        (&"skipped".into(), &"skipped".into())
    );
    let retried = stage.gadugi(&["retry", "base", "--with", "try harder"]);
    assert_eq!(retried.code, Some(0), "{retried:?}");
    let resumed = stage.gadugi(&["resume", "--json"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    let status: Value = serde_json::from_str(&stage.gadugi(&["status", "--json"]).stdout).unwrap();
    assert!(
        status["tasks"].as_array().unwrap().iter().all(|task| task["state"] == "succeeded"),
        "{status:#}"
    );
    assert_eq!(stage.blob(status["branch"].as_str().unwrap(), "top.txt"), "base");
}

#[test]
fn agents_that_end_badly_each_have_their_end() {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[retry]\ncrashes = 2\ncontinuations = 1\nfirst = \"100ms\"\n");
    stage.prompt("garbage", "", "garbage 100000\nwrite garbage.txt x");
    stage.prompt("huge-line", "", "line 100000000\nwrite huge.txt x");
    stage.prompt("not-utf8", "", "invalid-utf8\nwrite utf8.txt x");
    stage.prompt("silent", "", "write silent.txt x\nno-result");
    stage.prompt("exits", "", "exit 3");
    stage.prompt("fails", "", "fail I cannot");
    stage.prompt("turns", "", "max-turns");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "4"]);
    ran.ends_with(1);
    for id in ["garbage", "huge-line", "not-utf8"] {
        assert_eq!(ran.task(id)["outcome"], "succeeded", "{id}: {}", ran.task(id));
    }
    for (id, word) in
        [("silent", "silent"), ("exits", "crashed"), ("fails", "I cannot"), ("turns", "max-turns")]
    {
        let task = ran.task(id);
        assert_eq!(task["outcome"], "failed", "{id}");
        assert!(task["detail"].as_str().unwrap().contains(word), "{id}: {task}");
    }
    let files = stage.files_at(ran.report()["branch"].as_str().unwrap());
    assert!(!files.contains(&"silent.txt".into()), "exit 0 without a result is no success");
}

#[test]
fn a_refused_credential_stops_the_run_once_instead_of_failing_every_task() {
    let stage = Stage::new();
    for number in 1..=20 {
        let name = format!("task-{number:02}");
        stage.prompt(&name, "", &format!("fresh auth-error\nwrite {name}.txt x"));
    }
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "2"]);
    ran.ends_with(3);
    assert!(ran.stderr.contains("auth-refused") && ran.stderr.contains("gadugi resume"), "{}", ran.stderr);
    let events = ran.events();
    let of = |word: &str| events.iter().filter(|event| event["type"] == word).count();
    let begun = of("attempt-started");
    assert!((1..=4).contains(&begun), "{begun} tasks were begun with a credential that is refused");
    assert_eq!((of("run-paused"), of("task-finished")), (1, 0), "one message, and no task has failed for it");
}

#[test]
fn a_workspace_is_set_up_once_before_its_agent() {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[workspace]\nsetup = [\"echo set-up >> made.log\", \"mkdir -p cache\"]\n");
    stage.write(".gitignore", "made.log\ncache/\n");
    stage.prompt("one", "", "run test -d cache && cp made.log seen.txt");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    assert_eq!(stage.blob(ran.report()["branch"].as_str().unwrap(), "seen.txt"), "set-up");

    stage.write("gadugi.toml", "[workspace]\nsetup = [\"exit 7\", \"touch never\"]\n");
    stage.commit("a setup that fails");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    assert!(ran.task("one")["detail"].as_str().unwrap().contains("exit status 7"), "{}", ran.task("one"));
}

#[test]
fn an_agent_sees_what_the_contract_says_and_not_what_is_denied() {
    let mut stage = Stage::new();
    stage.variables.push(("GITHUB_TOKEN".into(), "secret".into()));
    stage.variables.push(("MY_OWN".into(), "kept".into()));
    stage.prompt("one", "", "run env > seen.env\nrun pwd > seen.pwd\nrun cat > seen.stdin");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(0);
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    let seen = stage.blob(&branch, "seen.env");
    let value =
        |name: &str| seen.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned);
    assert_eq!(value("ORCHESTRATOR_TASK_ID").as_deref(), Some("one"));
    assert_eq!(value("ORCHESTRATOR_WORKTREE"), Some(stage.blob(&branch, "seen.pwd")));
    assert_eq!(value("MY_OWN").as_deref(), Some("kept"));
    assert_eq!(value("GITHUB_TOKEN"), None);
    assert_eq!(value("HOME"), Some(stage.home.to_string_lossy().into_owned()));
    assert!(value("GADUGI_PORT_BASE").unwrap().parse::<u16>().unwrap() >= 1024);
    assert!(value("GADUGI_ATTEMPT").unwrap().ends_with("/one/1"));
}

#[test]
fn tasks_of_a_second_run_go_to_the_engine_that_lives() {
    let stage = Stage::new();
    stage.prompt("slow", "", "sleep 2s\nwrite slow.txt slow");
    stage.prompt("quick", "", "write quick.txt quick");
    stage.commit("prompts");
    let mut first = stage.start_run(&["prompts/slow.md"]);
    first.until_type("step-started");
    let engine = stage.engine().expect("an engine lives");
    let second = stage.run(&["prompts/quick.md", "--max-parallel", "2"]);
    second.ends_with(0);
    assert_eq!(stage.engine(), Some(engine), "one engine for the repository");
    first.end().ends_with(0);
    let runs = stage.gadugi(&["export", "--output", "-"]);
    runs.ends_with(0);
    stage.engine_leaves();
}

#[test]
fn a_detached_run_goes_on_by_itself() {
    let stage = Stage::new();
    stage.prompt("one", "", "sleep 500ms\nwrite one.txt one");
    stage.commit("prompts");
    let ran = stage.gadugi(&["run", "--agent", "scripted", "--detach"]);
    ran.ends_with(0);
    stage.engine_leaves();
    let status: Value = serde_json::from_str(&stage.gadugi(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["status"], "finished");
    assert_eq!(status["tasks"][0]["state"], "succeeded");
}

#[test]
fn a_request_on_standard_input_names_the_prompts() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt one");
    stage.prompt("two", "", "write two.txt two");
    stage.prompt("three", "", "write three.txt three");
    stage.commit("prompts");
    let request = "Please execute these prompts in parallel:\n- one.md\n* `two` and be quick\n- missing.md\n";
    let args = ["run", "--agent", "scripted", "--no-review", "--json", "--stdin"];
    let ran = stage.gadugi_with_stdin(&args, request);
    ran.ends_with(0);
    assert_eq!(ran.report()["tasks"].as_array().unwrap().len(), 2);
    assert!(ran.stderr.contains("missing.md"), "{}", ran.stderr);
    stage.gadugi_with_stdin(&args, "execute these:\n- nothing-here.md\n").ends_with(2);
}

#[test]
fn a_detached_head_and_a_dirty_checkout_do_not_matter() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt one");
    stage.commit("prompts");
    stage.git(&["switch", "-q", "--detach"]);
    stage.write("README.md", "changed and not committed\n");
    stage.write("untracked.txt", "mine\n");
    stage.git(&["add", "untracked.txt"]);
    let before = users_own(&stage);
    let ran = stage.run(&[]);
    ran.ends_with(0);
    assert!(
        ran.stderr.contains("uncommitted"),
        "it is said that they are not part of the base: {}",
        ran.stderr
    );
    untouched(&stage, &before);
    assert!(!stage.files_at(ran.report()["branch"].as_str().unwrap()).contains(&"untracked.txt".into()));
    stage.git(&["switch", "-q", "main"]);
    stage.gadugi(&["land"]).ends_with(0);
    assert_eq!(stage.read("README.md"), "changed and not committed\n");
    assert_eq!(stage.read("one.txt"), "one\n");
}

#[test]
fn landing_refuses_where_uncommitted_changes_touch_the_same_files() {
    let stage = Stage::new();
    stage.prompt("one", "", "append README.md more");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    stage.write("README.md", "mine\n");
    let before = users_own(&stage);
    let refused = stage.gadugi(&["land"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("README.md"), "{}", refused.stderr);
    untouched(&stage, &before);
}

#[test]
fn the_monitoring_files_are_true_while_tasks_run() {
    let stage = Stage::new();
    stage.prompt(
        "busy",
        "",
        "run sh -c 'end=$(($(date +%s)+6)); while [ $(date +%s) -lt $end ]; do :; done'\nwrite a a",
    );
    stage.prompt("later", "depends_on: [busy]", "write b b");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let file = |name: &str| -> Value {
        let text = fs::read_to_string(stage.root.join(".gadugi/monitoring").join(name)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let entry = || {
        let registry = file("process_registry.json");
        registry["processes"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["task_id"] == "busy").cloned())
    };
    stage::until("the busy task is measured", || {
        entry().is_some_and(|entry| {
            entry["resource_usage"]["cpu_percent"].as_f64().unwrap_or(0.0) > 20.0
                && entry["status"] == "running"
        })
    });
    let entry = entry().unwrap();
    let pid = entry["pid"].as_i64().unwrap();
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(command.contains("scripted-agent"), "the pid is the agent's own: {command}");
    assert!(entry["resource_usage"]["memory_mb"].as_f64().unwrap() > 0.5);
    let stats = file("registry_stats.json");
    assert_eq!(
        (stats["running_count"].as_u64(), stats["queued_count"].as_u64()),
        (Some(1), Some(1)),
        "{stats}"
    );
    assert_eq!(file("heartbeats.json")["active_processes"][0]["task_id"], "busy");
    run.end().ends_with(0);
    stage.engine_leaves();
    let stats = file("registry_stats.json");
    assert_eq!(
        (stats["running_count"].as_u64(), stats["completed_count"].as_u64()),
        (Some(0), Some(2)),
        "{stats}"
    );
}

#[test]
fn where_the_repository_uses_uv_it_stands_in_front_of_the_agent() {
    let mut stage = Stage::new();
    let bin = stage.home.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let uv = bin.join("uv");
    fs::write(&uv, "#!/bin/sh\n[ \"$1\" = run ] || exit 9\nshift\nUV_WAS_HERE=yes exec \"$@\"\n").unwrap();
    fs::set_permissions(&uv, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), stage.environment()[0].1);
    stage.variables.push(("PATH".into(), path));
    stage.prompt("one", "", "run echo ${UV_WAS_HERE:-no} > seen.txt");
    stage.commit("prompts");
    let seen = |stage: &Stage| {
        let ran = stage.run(&[]);
        ran.ends_with(0);
        stage.blob(ran.report()["branch"].as_str().unwrap(), "seen.txt")
    };
    assert_eq!(seen(&stage), "no");
    stage.write("uv.lock", "version = 1\n");
    stage.commit("uv");
    assert_eq!(seen(&stage), "yes");
    stage.write("gadugi.toml", "[workspace]\nuv = \"off\"\n");
    assert_eq!(seen(&stage), "no", "the user's word counts");
}
