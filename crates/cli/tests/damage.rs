//! What happens to gadugi's own files from outside, while an engine lives and while none does: each has a defined end.
//! It is recovered from, or it is said in one line with the right exit code, and nothing is lost.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use stage::{Live, Ran, Stage, until, untouched, users_own};

/// An agent at work until [`open_gate`].
const GATE: &str = "run while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done";

fn open_gate(stage: &Stage) {
    fs::write(stage.home.join("go"), "").unwrap();
}

/// Two tasks that write a file each and then wait at the gate.
fn two_tasks() -> Stage {
    let stage = Stage::new();
    for name in ["a", "b"] {
        stage.prompt(name, "", &format!("run cat README.md > {name}.txt\n{GATE}"));
    }
    stage.commit("prompts");
    stage
}

/// A run of [`two_tasks`] whose agents are at work.
fn at_work(stage: &Stage) -> Live {
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    run.until_type("step-started");
    run.until_type("step-started");
    until("both have written", || {
        ["a", "b"]
            .iter()
            .all(|name| worktree(stage, name).is_some_and(|dir| dir.join(format!("{name}.txt")).exists()))
    });
    run
}

fn worktree(stage: &Stage, task: &str) -> Option<PathBuf> {
    let runs = fs::read_dir(stage.root.join(".worktrees")).ok()?;
    runs.flatten().map(|run| run.path().join(task)).find(|dir| dir.exists())
}

/// The folder of a task's first step.
fn step_dir(stage: &Stage, task: &str) -> PathBuf {
    let runs = fs::read_dir(stage.root.join(".gadugi/runs")).unwrap();
    let run = runs.flatten().next().expect("a run");
    run.path().join(task).join("1/1")
}

fn database(stage: &Stage) -> PathBuf {
    stage.root.join(".gadugi/gadugi.db")
}

/// A run of one task, over, and its engine gone.
fn one_run_on_record() -> Stage {
    let stage = Stage::new();
    stage.prompt("a", "", "run cat README.md > a.txt");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    stage.engine_leaves();
    assert!(!stage.root.join(".gadugi/gadugi.db-wal").exists(), "an engine that leaves leaves no journal");
    stage
}

/// One line for people, one object for programs, exit 3. Answers the line.
#[track_caller]
fn refused(stage: &Stage, args: &[&str]) -> String {
    let line = one_line(&stage.gadugi(args));
    let json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let object: Value = serde_json::from_str(&one_line(&stage.gadugi(&json))).expect("an object");
    assert!(line.contains(object["error"]["message"].as_str().unwrap()), "{line}\n{object}");
    line
}

#[track_caller]
fn one_line(ran: &Ran) -> String {
    ran.ends_with(3);
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{ran:?}");
    ran.stderr.clone()
}

/// The run came to a good end.
#[track_caller]
fn all_succeeded(stage: &Stage, ran: &Ran, names: &[&str]) {
    ran.ends_with(0);
    let report = ran.report();
    assert_eq!(report["succeeded"], names.len(), "{report:#}");
    let files = stage.files_at(report["branch"].as_str().unwrap());
    for name in names {
        assert!(files.contains(&format!("{name}.txt")), "{files:?}");
        assert_eq!(ran.task(name)["attempts"], 1, "{report:#}");
    }
}

/// Every kind of file that is no log of this version. Each is said, and stays as it is; and with the file as it was
/// everything is there again.
#[test]
fn a_log_that_cannot_be_used_is_said_and_left_alone() {
    let stage = one_run_on_record();
    let path = database(&stage);
    let sound = fs::read(&path).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (what, bytes, words) in [
        ("newer", with(60, &9999_u32.to_be_bytes()), "version 9999"),
        ("another program's", with(68, b"cake"), "another program"),
        ("garbage", vec![7; 5000], "damaged"),
        ("its head alone", sound[..50].to_vec(), "only 50 bytes"),
        ("truncated", sound[..sound.len() / 2].to_vec(), "damaged"),
    ] {
        fs::write(&path, &bytes).unwrap();
        for args in [&["status"][..], &["run", "--agent", "scripted", "-q"]] {
            let line = refused(&stage, args);
            assert!(line.contains(words), "{what}: {line}");
        }
        let doctor = stage.gadugi(&["doctor"]);
        doctor.ends_with(3);
        assert!(doctor.stdout.contains("✗ records") && doctor.stdout.contains(words), "{what}: {doctor:?}");
        assert!(fs::read(&path).unwrap() == bytes, "{what}: it was changed");
        stage.engine_leaves();
    }
    fs::write(&path, &sound).unwrap();
    let status = stage.gadugi(&["status", "--json"]);
    status.ends_with(0);
    assert!(status.stdout.contains("\"succeeded\""), "{status:?}");
}

#[test]
fn a_log_that_another_process_holds_is_said_and_used_once_it_is_free() {
    let stage = one_run_on_record();
    let other = Connection::open(database(&stage)).unwrap();
    // In another mode than WAL an exclusive transaction lets nobody read.
    other.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let line = refused(&stage, &["status"]);
    assert!(line.contains("another process holds"), "{line}");
    other.execute_batch("ROLLBACK").unwrap();
    stage.gadugi(&["status"]).ends_with(0);
}

#[test]
fn a_log_that_is_held_while_a_run_goes_on_is_waited_for() {
    let stage = two_tasks();
    let run = at_work(&stage);
    let other = Connection::open(database(&stage)).unwrap();
    other.busy_timeout(stage::PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    open_gate(&stage);
    until("it is said that the log is held", || {
        // Who asks in the very turn that cannot be stored is answered once it is.
        let (mut child, asked) = (stage.spawn(&["status", "--json"]), Instant::now());
        until("it is answered, or not in time", || {
            child.try_wait().unwrap().is_some() || asked.elapsed() > Duration::from_secs(5)
        });
        let _ = child.kill();
        let told = stage.finish(child);
        told.code == Some(3) && told.stderr.contains("store-locked")
    });
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    all_succeeded(&stage, &run.end(), &["a", "b"]);
    stage.engine_leaves();
}

/// A file or folder that nobody can write to, gone with the value.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mounted_over(path: &Path) -> Self {
        for options in ["bind", "remount,bind,ro"] {
            let mounted = Command::new("mount").args(["-o", options]).args([path, path]).output().unwrap();
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            assert!(mounted.status.success(), "this test mounts, which takes root: {why}");
        }
        Self(path.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_log_or_a_state_folder_that_cannot_be_written_to_is_said() {
    let stage = one_run_on_record();
    let before = fs::read(database(&stage)).unwrap();
    for path in [database(&stage), stage.root.join(".gadugi")] {
        let _read_only = ReadOnly::mounted_over(&path);
        let line = refused(&stage, &["run", "--agent", "scripted", "-q"]);
        assert!(line.contains("written"), "{line}");
        stage.engine_leaves();
    }
    assert!(fs::read(database(&stage)).unwrap() == before);
    stage.run(&[]).ends_with(0);
}

/// One row of one run cannot be read: that run is said to be damaged, every other goes on.
#[test]
fn an_event_that_cannot_be_read_costs_no_other_run_anything() {
    let stage = one_run_on_record();
    let damaged = stage.gadugi(&["status", "--json"]);
    let view: Value = serde_json::from_str(&damaged.stdout).unwrap();
    let damaged = view["run"].as_str().unwrap().to_owned();
    stage.engine_leaves();
    let log = Connection::open(database(&stage)).unwrap();
    let third = "SELECT seq FROM events WHERE run = ?1 ORDER BY seq LIMIT 1 OFFSET 2";
    let row: i64 = log.query_row(third, [&damaged], |row| row.get(0)).unwrap();
    log.execute("UPDATE events SET body = '{\"type\":\"no' WHERE seq = ?1", [row]).unwrap();
    drop(log);
    let said = format!("event {row}");
    let line = refused(&stage, &["status"]);
    assert!(line.contains(&said) && line.contains(&damaged), "{line}");
    stage.engine_leaves();
    let doctor = stage.gadugi(&["doctor"]);
    doctor.ends_with(3);
    assert!(doctor.stdout.contains("✗ records") && doctor.stdout.contains(&said), "{doctor:?}");
    let again = stage.run(&[]);
    again.ends_with(0);
    stage.gadugi(&["status"]).ends_with(0);
    stage.engine_leaves();
}

/// Its socket, its lock or its journal is removed under an engine: it puts them back, and the run takes no notice.
#[test]
fn what_an_engine_can_put_back_it_puts_back() {
    let stage = two_tasks();
    let run = at_work(&stage);
    let engine = stage.engine().unwrap();
    let state = stage.root.join(".gadugi");
    fs::remove_file(state.join("engine.lock")).unwrap();
    until("the lock is back", || stage.engine() == Some(engine));
    fs::remove_file(state.join("engine.sock")).unwrap();
    until("the socket is back", || state.join("engine.sock").exists());
    stage.gadugi(&["status"]).ends_with(0);
    let written = fs::metadata(database(&stage)).unwrap().len();
    fs::remove_file(state.join("gadugi.db-wal")).unwrap();
    until("the log is whole", || fs::metadata(database(&stage)).unwrap().len() > written);
    assert_eq!(stage.engine(), Some(engine), "it is still the same");
    open_gate(&stage);
    let ran = run.end();
    all_succeeded(&stage, &ran, &["a", "b"]);
    stage.engine_leaves();
    let exported = stage.home.join("export.json");
    stage.gadugi(&["export", "--output", exported.to_str().unwrap()]).ends_with(0);
    let exported: Value = serde_json::from_str(&fs::read_to_string(exported).unwrap()).unwrap();
    let told = ran.events().iter().filter(|event| event["run"].is_string()).count();
    assert!(exported["events"].as_array().unwrap().len() >= told, "an event is lost");
}

/// The whole state folder, or the log alone, is removed under an engine: nothing that it says would be on record.
#[test]
fn an_engine_whose_records_are_removed_stops_its_agents_and_says_so() {
    for only_the_log in [false, true] {
        let stage = two_tasks();
        let before = users_own(&stage);
        let run = at_work(&stage);
        let engine = stage.engine().unwrap();
        if only_the_log {
            fs::remove_file(database(&stage)).unwrap();
        } else {
            fs::remove_dir_all(stage.root.join(".gadugi")).unwrap();
        }
        let ran = run.end();
        ran.ends_with(3);
        let object: Value = serde_json::from_str(&ran.stderr).expect("one object");
        assert_eq!(object["error"]["code"], "records-gone", "{object}");
        until("the engine has left", || !Path::new(&format!("/proc/{engine}")).exists());
        until("no agent is left", || stage.attempt_processes().is_empty());
        for name in ["a", "b"] {
            let kept = worktree(&stage, name).expect("its workspace is kept");
            assert!(kept.join(format!("{name}.txt")).exists(), "its work is kept");
        }
        untouched(&stage, &before);
        let journal = stage.root.join(".gadugi/gadugi.db-wal");
        if journal.exists() {
            // It still holds what the log held: nobody but a person throws it away.
            let line = refused(&stage, &["run", "--agent", "scripted", "-q"]);
            assert!(line.contains("-wal") && line.contains("mv .gadugi/gadugi.db*"), "{line}");
            stage.engine_leaves();
            fs::rename(journal, stage.home.join("journal")).unwrap();
        }
        open_gate(&stage);
        all_succeeded(&stage, &stage.run(&[]), &["a", "b"]);
        stage.engine_leaves();
    }
}

/// What an agent's output may have become while nobody looked: garbage, a line of a gigabyte, a torn line.
#[test]
fn a_step_is_adopted_whatever_its_output_holds() {
    let stage = two_tasks();
    let run = at_work(&stage);
    let outputs = ["a", "b"].map(|task| step_dir(&stage, task).join("stdout.jsonl"));
    run.signal("KILL");
    stage.kill_engine();
    let open = |path: &Path| OpenOptions::new().append(true).open(path).unwrap();
    open(&outputs[0])
        .write_all(b"\xff\xfe\0garbage\n{\"type\":\"assistant\",\"message\":7}\n\n[]\n{\"type\":\"assi")
        .unwrap();
    let huge = File::options().write(true).open(&outputs[1]).unwrap();
    let end = huge.metadata().unwrap().len() + (1 << 30);
    // A hole: a gigabyte that takes no room.
    huge.write_all_at(b"\n", end).unwrap();
    let mut resumed = Live::new(stage.spawn(&["resume", "--json"]));
    until("an engine lives", || stage.engine().is_some());
    let engine = stage.engine().unwrap();
    let action = |task: &str| {
        let told = stage.gadugi(&["status", "--json"]);
        let view: Value = serde_json::from_str(&told.stdout).unwrap();
        let found = view["tasks"].as_array().unwrap().iter().find(|one| one["id"] == task).cloned();
        found.unwrap()["action"].as_str().unwrap().to_owned()
    };
    until("what the outputs say is shown", || ["a", "b"].iter().all(|task| action(task).starts_with("Bash")));
    open_gate(&stage);
    resumed.until_type("run-ending");
    let peak = peak_mib(engine);
    all_succeeded(&stage, &resumed.end(), &["a", "b"]);
    assert!((1..256).contains(&peak), "the engine took {peak} MiB");
    stage.engine_leaves();
}

/// The largest resident memory that a process had, MiB; 0 once it is gone.
fn peak_mib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// The shim's own records are overwritten while no engine lives, those of one step while it runs, those of the other
/// after it ended. Neither stops anything: the run comes to its end, and each task's work is there once.
#[test]
fn records_that_became_garbage_cost_a_step_at_the_most() {
    for record in ["spec.json", "started.json", "exit.json"] {
        for garbage in ["", "{\"shim\":\0"] {
            let stage = two_tasks();
            stage.prompt("b", "", "run cat README.md > b.txt\nsleep 200ms");
            stage.commit("one that ends by itself");
            let mut run = stage.start_run(&["--max-parallel", "2"]);
            run.until_type("step-started");
            run.until_type("step-started");
            run.signal("KILL");
            stage.kill_engine();
            until("one of them is over", || step_dir(&stage, "b").join("exit.json").exists());
            for task in ["a", "b"] {
                let path = step_dir(&stage, task).join(record);
                if path.exists() {
                    fs::write(path, garbage).unwrap();
                }
            }
            open_gate(&stage);
            let ran = Live::new(stage.spawn(&["resume", "--json"])).end();
            ran.ends_with(0);
            let report = ran.report();
            assert_eq!(report["succeeded"], 2, "{record} {garbage:?}: {report:#}");
            until("no agent is left", || stage.attempt_processes().is_empty());
            stage.engine_leaves();
        }
    }
}

/// A step's folder is removed while it runs.
#[test]
fn a_step_whose_folder_is_removed_is_taken_up_again() {
    let stage = two_tasks();
    let run = at_work(&stage);
    fs::remove_dir_all(step_dir(&stage, "a").parent().unwrap()).unwrap();
    open_gate(&stage);
    let ran = run.end();
    ran.ends_with(0);
    let report = ran.report();
    assert_eq!(report["succeeded"], 2, "{report:#}");
    until("no agent is left", || stage.attempt_processes().is_empty());
    stage.engine_leaves();
}
