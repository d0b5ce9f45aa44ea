//! What the earlier project of this name got wrong, seen from outside. Each test is named after the defect. (Those that
//! concern the analysis alone are tests of `gadugi-analysis`; a live task that is silent for two minutes is one of the
//! core's, where time is virtual.)

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use stage::Stage;

fn place(events: &[Value], kind: &str, task: &str) -> usize {
    let found = events.iter().position(|event| event["type"] == kind && event["task"] == task);
    found.unwrap_or_else(|| panic!("no {kind} of {task}"))
}

/// The folder of the first step of a task of the latest run.
fn first_step(stage: &Stage, task: &str) -> std::path::PathBuf {
    let status: Value =
        serde_json::from_str(&stage.gadugi(&["status", "--json"]).ends_with(0).stdout).unwrap();
    let found = status["tasks"].as_array().unwrap().iter().find(|one| one["id"] == task).cloned().unwrap();
    Path::new(found["attempt_dir"].as_str().unwrap()).join("1")
}

#[test]
fn no_pid_was_ever_recorded_so_heartbeats_failed_live_tasks() {
    let stage = Stage::new();
    stage.prompt("quiet", "", "run sleep 4\nwrite a a");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let registry = stage.root.join(".gadugi/monitoring/process_registry.json");
    let entry = || -> Option<Value> {
        let all: Value = serde_json::from_slice(&fs::read(&registry).ok()?).ok()?;
        all["processes"]
            .as_array()?
            .iter()
            .find(|one| one["task_id"] == "quiet" && !one["pid"].is_null())
            .cloned()
    };
    stage::until("the silent task's pid is on record", || entry().is_some());
    let recorded = entry().unwrap();
    assert_eq!(recorded["status"], "running");
    assert!(Path::new(&format!("/proc/{}", recorded["pid"])).exists(), "{recorded}");
    run.end().ends_with(0);
}

#[test]
fn plan_and_dependencies_were_computed_and_never_consulted() {
    let stage = Stage::new();
    stage.prompt("a-second", "depends_on: [z-first]", "run cat first.txt > second.txt");
    stage.prompt("z-first", "", "sleep 300ms\nwrite first.txt first");
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "4"]);
    ran.ends_with(0);
    let events = ran.events();
    assert!(place(&events, "task-merged", "z-first") < place(&events, "step-started", "a-second"));
}

#[test]
fn dash_p_got_a_path_instead_of_the_prompt() {
    let stage = Stage::new();
    let words = "# Wörter\n\nword for word: \"quotes\", $(nothing), \\ and\ttabs\n\n```script\nwrite a a\n```\n\n  trailing  \n\n";
    stage.write("prompts/one.md", words);
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    let step = first_step(&stage, "one");
    let heard = fs::read_to_string(step.join("stdin.md")).unwrap();
    assert!(heard.ends_with(words), "{heard}");
    let spec = fs::read_to_string(step.join("spec.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert!(!spec["argv"].to_string().contains("one.md"), "{spec}");
}

#[test]
fn the_prompt_file_was_overwritten_with_an_error() {
    let stage = Stage::new();
    stage.prompt("fails", "", "fail it broke");
    stage.prompt("crashes", "", "exit 9");
    stage.commit("prompts");
    let before = (stage.read("prompts/fails.md"), stage.read("prompts/crashes.md"));
    stage.run(&[]).ends_with(1);
    assert_eq!((stage.read("prompts/fails.md"), stage.read("prompts/crashes.md")), before);
    assert_eq!(stage.git(&["status", "--porcelain"]), "");
}

#[test]
fn clean_up_without_force_deleted_branches_that_held_work() {
    let stage = Stage::new();
    stage.prompt("committed", "", "write kept.txt kept\ncommit work\nfail and then this");
    stage.prompt("dirty", "", "write uncommitted.txt mine\nfail and then this");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    let branch = ran.task("committed")["branch"].as_str().unwrap().to_owned();
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(
        cleaned.stdout.contains("dirty") && cleaned.stdout.contains("committed"),
        "both are named: {cleaned:?}"
    );
    assert_eq!(stage.blob(&branch, "kept.txt"), "kept");
    let run = ran.report()["run"].as_str().unwrap().to_owned();
    assert_eq!(stage.read(&format!(".worktrees/{run}/dirty/uncommitted.txt")), "mine\n");
    assert!(stage.root.join(format!(".worktrees/{run}/committed/kept.txt")).exists());
}

#[test]
fn clean_up_forgets_no_work_that_is_not_home() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt one");
    stage.commit("prompts");
    let branch = stage.run(&[]).report()["branch"].as_str().unwrap().to_owned();
    let kept = stage.gadugi(&["clean", "--older-than", "0"]);
    assert!(kept.ends_with(0).stdout.contains(&branch), "{kept:?}");
    stage.gadugi(&["land"]).ends_with(0);
    assert_eq!(stage.read("one.txt"), "one\n");
    let gone = stage.gadugi(&["clean", "--older-than", "0"]);
    gone.ends_with(0);
    assert!(!gone.stdout.contains(&branch), "{gone:?}");
    let status = stage.gadugi(&["status"]);
    assert!(!status.stdout.contains(&branch), "{status:?}");
}

#[test]
fn the_dashboard_listened_to_everybody_and_broadcast_the_api_key() {
    const KEY: &str = "sk-test-a-key-that-nobody-may-see";
    let mut stage = Stage::new();
    stage.variables.push(("ANTHROPIC_API_KEY".into(), KEY.into()));
    stage.prompt("one", "", "sleep 2s\nwrite a a");
    stage.commit("prompts");
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    let engine = stage.engine().expect("an engine lives");
    assert_eq!(listening_sockets(engine), 0, "it listens on no network");
    let socket = fs::metadata(stage.root.join(".gadugi/engine.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let ran = run.end();
    ran.ends_with(0);
    stage.engine_leaves();
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY));
    for entry in walk(&stage.root.join(".gadugi")) {
        let bytes = fs::read(&entry).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", entry.display());
    }
}

/// TCP sockets in the listening state that a process holds, in any family.
fn listening_sockets(pid: i32) -> usize {
    const LISTEN: &str = "0A";
    let links = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    let held: BTreeSet<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let tables =
        ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default());
    let listening = tables.iter().flat_map(|table| table.lines().skip(1)).filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&LISTEN) && held.contains(&format!("socket:[{}]", words[9]))
    });
    listening.count()
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn the_speed_up_was_invented() {
    let stage = Stage::new();
    for name in ["a", "b", "c"] {
        stage.prompt(name, "", &format!("sleep 1s\nwrite {name}.txt {name}"));
    }
    stage.commit("prompts");
    let began = std::time::Instant::now();
    let ran = stage.run(&["--max-parallel", "3"]);
    let whole = began.elapsed().as_secs_f64();
    ran.ends_with(0);
    let report = ran.report();
    let (sum, wall) = (report["task_seconds"].as_f64().unwrap(), report["wall_seconds"].as_f64().unwrap());
    assert!((report["speedup"].as_f64().unwrap() - sum / wall).abs() < 0.01, "{report}");
    let tasks = report["tasks"].as_array().unwrap();
    let measured: f64 = tasks.iter().map(|task| task["seconds"].as_f64().unwrap()).sum();
    assert!((measured - sum).abs() < 0.01, "{report}");
    assert!(sum >= 3.0 && wall >= 1.0 && wall <= whole, "{sum} of work in {wall}, seen from outside {whole}");
}

#[test]
fn exit_codes_of_what_ended_were_lost() {
    let stage = Stage::new();
    stage.prompt("three", "", "exit 3");
    stage.prompt("killed", "", "run kill -9 $PPID");
    stage.commit("prompts");
    let ran = stage.run(&[]);
    ran.ends_with(1);
    let exit = |task: &str| {
        let events = ran.events();
        events.into_iter().find(|event| event["type"] == "step-ended" && event["task"] == task).unwrap()["end"]["exit"].clone()
    };
    assert_eq!(exit("three"), serde_json::json!({"code": 3}));
    assert_eq!(exit("killed"), serde_json::json!({"signal": 9}));
    stage.engine_leaves();
    let registry: Value =
        serde_json::from_str(&stage.read(".gadugi/monitoring/process_registry.json")).unwrap();
    let entry =
        registry["processes"].as_array().unwrap().iter().find(|one| one["task_id"] == "three").unwrap();
    assert_eq!((entry["exit_code"].as_i64(), entry["status"].as_str()), (Some(3), Some("failed")), "{entry}");
}

#[test]
fn overload_was_printed_and_never_acted_on() {
    let stage = Stage::new();
    for number in 0..6 {
        stage.prompt(&format!("t{number}"), "", &format!("sleep 300ms\nwrite t{number}.txt x"));
    }
    stage.commit("prompts");
    let most = |more: &[&str]| {
        let ran = stage.run(more);
        ran.ends_with(0);
        let mut running = 0_i64;
        ran.events().iter().fold(0, |most, event| {
            match event["type"].as_str() {
                Some("step-started") => running += 1,
                Some("step-ended") => running -= 1,
                _ => {}
            }
            most.max(running)
        })
    };
    assert_eq!(
        most(&["--max-parallel", "2"]),
        2,
        "never more than was asked for, and no less where there is work"
    );
    let cpus = i64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let by_the_machine = most(&[]);
    assert!((1..=(cpus - 1).clamp(1, 4)).contains(&by_the_machine), "{by_the_machine} on {cpus} processors");
}
