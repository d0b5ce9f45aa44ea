use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gadugi_core::{Millis, Outcome, Process, RunId, SkipReason, TaskId, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Bytes;
use crate::monitoring::files::Files;
use crate::monitoring::*;

/// 2026-11-21T09:00:00Z
const NINE: Timestamp = Timestamp(1_795_251_600_000);

fn later(seconds: u64) -> Timestamp {
    NINE + Millis::seconds(seconds)
}

fn task(id: &str, state: TaskState) -> TaskView {
    TaskView {
        id: TaskId::new(id),
        name: format!("Title of {id}"),
        command: "claude -p".into(),
        prompt_file: format!("prompts/{id}.md"),
        created_at: NINE,
        state,
        worktree: None,
    }
}

fn running(process: Option<Process>) -> TaskState {
    TaskState::Running {
        started_at: later(10),
        process,
        last_heartbeat: later(69),
        resources: Some(ResourceSample {
            cpu_percent: 12.34,
            memory_mb: 300.06,
            memory_percent: f64::NAN,
            threads: 11,
            pids: 12,
            container: true,
            bytes: Bytes { disk_written: Some(3 << 19), net_in: Some(0), ..Bytes::default() },
            status: "sleeping".into(),
            started_at: later(11),
        }),
    }
}

fn over(outcome: Outcome) -> TaskState {
    let error = Some("it broke".to_owned()).filter(|_| outcome != Outcome::Succeeded);
    TaskState::Finished {
        started_at: Some(later(10)),
        completed_at: later(40),
        outcome,
        exit_code: Some(1),
        error,
    }
}

fn worktree(mut view: TaskView, cleaning: bool) -> TaskView {
    let (path, branch) = (format!("/repo/.worktrees/{}", view.id), format!("b/{}", view.id));
    view.worktree = Some(WorktreeView { path, branch, created_at: later(9), cleaning });
    view
}

fn process(pid: u32) -> Process {
    Process { pid, start_ticks: 1, boot: "boot".into() }
}

fn snapshot(at: Timestamp, run: &str, tasks: Vec<TaskView>) -> Snapshot {
    Snapshot { at, runs: vec![RunView { run: RunId::new(run), tasks, report: None }] }
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn writer(folder: &Path) -> MonitoringWriter {
    MonitoringWriter::new(folder.to_owned(), None, Millis::seconds(30))
}

#[test]
fn each_file_has_the_fields_of_the_contract() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("monitoring");
    let mut view = snapshot(
        later(70),
        "run-1",
        vec![
            worktree(task("a", running(Some(process(42)))), false),
            worktree(task("b", over(Outcome::Succeeded)), true),
            task("c", TaskState::Queued),
        ],
    );
    view.runs[0].report = Some(json!({ "succeeded": 1 }));
    writer(&dir).write_alive(&view, |_| true).unwrap();

    let registry = read(&dir, "process_registry.json");
    assert_eq!(
        registry["processes"][0],
        json!({
            "task_id": "a", "task_name": "Title of a", "status": "running", "command": "claude -p",
            "working_directory": "/repo/.worktrees/a", "created_at": "2026-11-21T09:00:00.000Z",
            "prompt_file": "prompts/a.md", "pid": 42, "started_at": "2026-11-21T09:00:10.000Z",
            "completed_at": null, "last_heartbeat": "2026-11-21T09:01:09.000Z", "exit_code": null,
            "error_message": null,
            "resource_usage": {
                "cpu_percent": 12.3, "memory_mb": 300.1, "memory_percent": 0.0, "num_threads": 11,
                "status": "sleeping", "create_time": "2026-11-21T09:00:11.000Z", "pids": 12, "container": true,
                "disk_read_mb": null, "disk_write_mb": 1.5, "disk_used_mb": null, "net_in_mb": 0.0, "net_out_mb": null
            }
        })
    );
    assert_eq!(keys(&registry), ["timestamp", "processes"]);
    assert_eq!(registry["timestamp"], "2026-11-21T09:01:10.000Z");
    let heartbeats = read(&dir, "heartbeats.json");
    assert_eq!(keys(&heartbeats), ["timestamp", "active_processes"]);
    let fields = ["task_id", "task_name", "status", "pid", "last_heartbeat", "resource_usage"];
    assert_eq!(keys(&heartbeats["active_processes"][0]), fields);
    assert_eq!(heartbeats["active_processes"].as_array().unwrap().len(), 1);
    stats_and_run_files(&dir, &registry);
    let names: BTreeSet<String> =
        fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let expected = [
        "heartbeats.json",
        "process_registry.json",
        "registry.json",
        "registry_stats.json",
        "run-1_final.json",
        "run-1_status.json",
        "worktree_state.json",
    ];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected, "and no temporary file");
}

fn stats_and_run_files(dir: &Path, registry: &Value) {
    assert_eq!(
        read(dir, "registry_stats.json"),
        json!({
            "total_processes": 3, "queued_count": 1, "running_count": 1, "completed_count": 1, "failed_count": 0,
            "average_execution_time": 30.0, "total_cpu_usage": 12.3, "total_memory_usage": 300.1,
            "timestamp": "2026-11-21T09:01:10.000Z"
        })
    );
    assert_eq!(
        read(dir, "run-1_status.json"),
        json!({
            "orchestration_id": "run-1", "timestamp": "2026-11-21T09:01:10.000Z", "total_processes": 3,
            "status_breakdown": {
                "queued": 1, "running": 1, "completed": 1, "failed": 0, "timeout": 0, "cancelled": 0
            },
            "active_processes": [
                { "task_id": "a", "task_name": "Title of a", "status": "running", "runtime_seconds": 60.0 }
            ]
        })
    );
    let last = read(dir, "run-1_final.json");
    assert_eq!(last["report"], json!({ "succeeded": 1 }));
    assert_eq!(last["processes"], registry["processes"]);
    let registry = read(dir, "registry.json");
    assert_eq!(keys(&registry), ["a", "b", "c"]);
    assert_eq!(keys(&registry["a"]), ["pid", "status", "started_at", "last_heartbeat", "worktree"]);
    assert_eq!(
        read(dir, "worktree_state.json")["worktrees"]["b"],
        json!({
            "task_id": "b", "task_name": "Title of b", "worktree_path": "/repo/.worktrees/b",
            "branch_name": "b/b", "status": "cleaning", "created_at": "2026-11-21T09:00:09.000Z", "pid": null
        })
    );
}

#[test]
fn every_outcome_has_its_word() {
    let skipped = Outcome::Skipped { because: SkipReason::Budget };
    let table = [
        (Outcome::Succeeded, "completed", "completed"),
        (Outcome::Failed, "failed", "failed"),
        (Outcome::Lost, "failed", "failed"),
        (Outcome::TimedOut, "timeout", "failed"),
        (Outcome::Cancelled, "cancelled", "failed"),
        (skipped, "cancelled", "failed"),
    ];
    for (outcome, status, tree) in table {
        let view = snapshot(NINE, "r", vec![worktree(task("a", over(outcome.clone())), false)]);
        let files = Files::of(&view, |_| true);
        assert_eq!(json!(files.process_registry.processes[0].status), status, "{outcome}");
        assert_eq!(json!(files.worktree_state.worktrees["a"].status), tree, "{outcome}");
    }
}

/// The original never recorded a pid, and called whatever it had once started `running`.
#[test]
fn a_process_that_is_gone_is_not_running() {
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let alive = gadugi_sys::process::identify(child.id()).unwrap();
    let impostor = Process { start_ticks: alive.start_ticks + 1, ..alive.clone() };
    let other_boot = Process { boot: "another".into(), ..alive };
    let folder = TempDir::new().unwrap();
    let tasks = |process: Process| vec![task("a", running(Some(process)))];
    let status = |process: Process| {
        writer(folder.path()).write(&snapshot(later(70), "r", tasks(process))).unwrap();
        let entry = read(folder.path(), "process_registry.json")["processes"][0].clone();
        (entry["status"].as_str().unwrap().to_owned(), entry["pid"].clone())
    };
    assert_eq!(status(alive.clone()), ("running".into(), json!(child.id())));
    assert_eq!(status(impostor), ("queued".into(), Value::Null));
    assert_eq!(status(other_boot), ("queued".into(), Value::Null));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(status(alive), ("queued".into(), Value::Null));
    assert_eq!(read(folder.path(), "heartbeats.json")["active_processes"], json!([]));
    assert_eq!(read(folder.path(), "r_status.json")["status_breakdown"]["running"], 0);
}

#[test]
fn a_file_is_replaced_when_it_differs_or_grows_old() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    let stamp = |name: &str| read(folder.path(), name)["timestamp"].as_str().unwrap().to_owned();
    let view = |at, state| snapshot(at, "r", vec![task("a", state)]);
    writer.write(&view(later(0), TaskState::Queued)).unwrap();
    writer.write(&view(later(29), TaskState::Queued)).unwrap();
    assert_eq!(stamp("process_registry.json"), "2026-11-21T09:00:00.000Z", "nothing changed");
    writer.write(&view(later(30), TaskState::Queued)).unwrap();
    assert_eq!(stamp("process_registry.json"), "2026-11-21T09:00:30.000Z", "it grew old");
    writer.write(&view(later(31), over(Outcome::Failed))).unwrap();
    assert_eq!(stamp("process_registry.json"), "2026-11-21T09:00:31.000Z", "it differs");
    assert_eq!(stamp("heartbeats.json"), "2026-11-21T09:00:30.000Z", "this one does not");
    fs::remove_file(folder.path().join("heartbeats.json")).unwrap();
    writer.write(&view(later(32), over(Outcome::Failed))).unwrap();
    assert_eq!(stamp("heartbeats.json"), "2026-11-21T09:00:32.000Z", "somebody deleted it");
    writer.write(&view(later(5), over(Outcome::Failed))).unwrap();
    assert_eq!(stamp("heartbeats.json"), "2026-11-21T09:00:05.000Z", "the clock was set back");
    writer.finish(&view(later(6), over(Outcome::Failed))).unwrap();
    assert_eq!(stamp("registry_stats.json"), "2026-11-21T09:00:06.000Z", "at the end, whatever it was");
}

#[test]
fn a_final_file_keeps_the_time_of_the_end() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    for seconds in [50, 100, 200] {
        let mut view = snapshot(later(seconds), "r", vec![task("a", over(Outcome::Succeeded))]);
        view.runs[0].report = Some(json!({ "failed": 0 }));
        writer.write(&view).unwrap();
    }
    assert_eq!(read(folder.path(), "r_final.json")["timestamp"], "2026-11-21T09:00:50.000Z");
    assert_eq!(read(folder.path(), "heartbeats.json")["timestamp"], "2026-11-21T09:03:20.000Z");
}

#[test]
fn the_next_engine_leaves_nothing_running_that_it_does_not_know() {
    let folder = TempDir::new().unwrap();
    let old =
        snapshot(later(70), "old", vec![task("a", running(Some(process(42)))), task("b", TaskState::Queued)]);
    writer(folder.path()).write_alive(&old, |_| true).unwrap();
    fs::write(folder.path().join("foreign_status.json"), "{\"mine\": true}").unwrap();
    assert_eq!(read(folder.path(), "old_status.json")["active_processes"].as_array().unwrap().len(), 1);

    writer(folder.path()).begin(&snapshot(later(500), "new", vec![])).unwrap();
    let status = read(folder.path(), "old_status.json");
    assert_eq!(status["active_processes"], json!([]));
    assert_eq!(status["status_breakdown"]["running"], 0);
    assert_eq!(status["status_breakdown"]["failed"], 1);
    assert_eq!(status["timestamp"], "2026-11-21T09:08:20.000Z");
    assert_eq!(read(folder.path(), "process_registry.json")["processes"], json!([]));
    assert_eq!(read(folder.path(), "registry.json"), json!({}));
    assert_eq!(read(folder.path(), "foreign_status.json"), json!({ "mine": true }));
    // Once more changes nothing: what is quiet already is not touched.
    writer(folder.path()).begin(&snapshot(later(900), "new", vec![])).unwrap();
    assert_eq!(read(folder.path(), "old_status.json")["timestamp"], "2026-11-21T09:08:20.000Z");
}

#[test]
fn two_runs_with_a_task_of_one_name() {
    let mut view = snapshot(NINE, "first", vec![worktree(task("a", over(Outcome::Failed)), false)]);
    view.runs.push(RunView {
        run: RunId::new("second"),
        tasks: vec![worktree(task("a", TaskState::Queued), false)],
        report: None,
    });
    let files = Files::of(&view, |_| true);
    assert_eq!(files.registry["a"].status, ProcessStatus::Queued);
    assert_eq!(files.registry["first/a"].status, ProcessStatus::Failed);
    assert_eq!(files.worktree_state.worktrees.len(), 2);
    assert_eq!(files.process_registry.processes.len(), 2);
}

#[test]
fn the_state_of_worktrees_goes_beside_the_agents_where_that_folder_is() {
    let repository = TempDir::new().unwrap();
    let also = repository.path().join(".claude/orchestrator");
    let dir = repository.path().join(".gadugi/monitoring");
    let mut writer = MonitoringWriter::new(dir.clone(), Some(also.clone()), Millis::seconds(30));
    let view = |at| snapshot(at, "r", vec![worktree(task("a", TaskState::Queued), false)]);
    writer.write(&view(later(0))).unwrap();
    assert!(!also.exists(), "the folder is not made");
    fs::create_dir_all(&also).unwrap();
    writer.write(&view(later(1))).unwrap();
    assert_eq!(read(&also, "worktree_state.json"), read(&dir, "worktree_state.json"));
    assert_eq!(fs::read_dir(&also).unwrap().count(), 1);
}

#[test]
fn one_file_that_cannot_be_written_keeps_no_other_back() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("process_registry.json")).unwrap();
    let error = writer(folder.path()).write(&snapshot(NINE, "r", vec![])).unwrap_err();
    assert!(error.path.ends_with("process_registry.json"), "{error}");
    assert!(folder.path().join("r_status.json").is_file());
    assert!(folder.path().join("worktree_state.json").is_file());
    let left = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "tmp"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("process_registry.json");
    let mut writer = writer(folder.path());
    let view = |turn: u64| {
        let tasks = (0..=turn % 50).map(|number| task(&format!("t{number}"), TaskState::Queued)).collect();
        snapshot(later(turn), "r", tasks)
    };
    writer.write(&view(0)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap();
                reads += 1;
            }
        });
        for turn in 1..300 {
            writer.write(&view(turn)).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn the_files_of_a_forgotten_run_go() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    let mut view = snapshot(NINE, "r", vec![]);
    view.runs[0].report = Some(Value::Null);
    writer.write(&view).unwrap();
    assert!(folder.path().join("r_final.json").exists());
    writer.forget(&RunId::new("r")).unwrap();
    writer.forget(&RunId::new("r")).unwrap();
    assert!(!folder.path().join("r_final.json").exists() && !folder.path().join("r_status.json").exists());
}
