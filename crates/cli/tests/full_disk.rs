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
