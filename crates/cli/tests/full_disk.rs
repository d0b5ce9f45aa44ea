//! A run whose disk is full for a while: nothing is lost, and it goes on when there is room.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use stage::{Stage, until};

/// A small file system of its own, gone with the value.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mounted_on(folder: &Path, mebibytes: u32) -> Self {
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "gadugi-test"])
            .arg(folder)
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        assert!(mounted.status.success(), "this test mounts a tmpfs, which takes root: {why}");
        Self { folder: folder.to_owned() }
    }

    /// Leaves so much less.
    fn take(&self, mebibytes: usize) -> PathBuf {
        let filler = self.folder.join("part");
        fs::write(&filler, vec![0_u8; mebibytes << 20]).unwrap();
        filler
    }

    /// Leaves not a byte.
    fn fill(&self) -> PathBuf {
        let filler = self.folder.join("filler");
        let mut file = File::create(&filler).unwrap();
        for block in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0_u8; block];
            while file.write_all(&bytes).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: an engine that has not left yet keeps nobody from going.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}

#[test]
fn a_run_waits_for_room_and_loses_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mounted_on(outside.path(), 64);
    let stage = Stage::within(tempfile::tempdir_in(outside.path()).unwrap());
    for name in ["a", "b", "c", "d"] {
        stage.prompt(name, "", &format!("sleep 1s\nrun cat README.md > {name}.txt"));
    }
    stage.write("gadugi.toml", "[admission]\nmin_disk = \"1MiB\"\n");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    run.until_type("step-started");
    let filler = disk.fill();
    until("it is said that the disk is full", || {
        let asked = stage.gadugi(&["status", "--json"]);
        asked.code == Some(3) && asked.stderr.contains("store-full")
    });
    fs::remove_file(filler).unwrap();
    let ran = run.end();
    ran.ends_with(0);
    let report = ran.report();
    assert_eq!(report["succeeded"], 4, "{report:#}");
    let files = stage.files_at(report["branch"].as_str().unwrap());
    assert!(
        ["a.txt", "b.txt", "c.txt", "d.txt"].iter().all(|file| files.contains(&(*file).to_owned())),
        "{files:?}"
    );
    stage.engine_leaves();
}

#[test]
fn while_the_disk_is_nearly_full_nothing_begins_and_what_is_merged_goes() {
    let outside = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mounted_on(outside.path(), 96);
    let stage = Stage::within(tempfile::tempdir_in(outside.path()).unwrap());
    let go = outside.path().join("go");
    let wait = format!("run until test -e {}; do sleep 0.1; done", go.display());
    stage.prompt("a", "", &format!("{wait}\nwrite a.txt a"));
    stage.prompt("b", "", "write b.txt b");
    stage.write("gadugi.toml", "[admission]\nmin_disk = \"48MiB\"\n");
    stage.commit("prompts");
    let mut run = stage.start_run(&["--max-parallel", "1"]);
    run.until_type("step-started");
    let filler = disk.take(56);
    let held = run.until("the disk is seen to be nearly full", |event| event["hold"] == "disk");
    assert!(held["reason"].as_str().unwrap().contains("MiB left"), "{held}");
    File::create(&go).unwrap();
    let merged = run.until("the first task is merged", |event| event["type"] == "task-merged");
    let tree = stage.root.join(".worktrees").join(merged["run"].as_str().unwrap()).join("a");
    until("its workspace is put away", || !tree.exists());
    fs::remove_file(filler).unwrap();
    let ran = run.end();
    ran.ends_with(0);
    let words: Vec<String> = ran
        .events()
        .iter()
        .map(|event| {
            let about = event["task"].as_str().or(event["hold"].as_str()).unwrap_or("");
            format!("{} {about}", event["type"].as_str().unwrap())
        })
        .collect();
    let at = |word: &str| {
        words.iter().position(|other| other == word).unwrap_or_else(|| panic!("{word}: {words:#?}"))
    };
    assert!(at("dispatch-freed disk") < at("attempt-started b"), "{words:#?}");
    stage.engine_leaves();
}
