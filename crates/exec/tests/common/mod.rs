//! Steps in a folder of the test's own.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test binary uses a part"
)]
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gadugi_core::{Millis, Process, StepExit};
use gadugi_exec::{Ended, Limits, Line, LocalExecutor, StepFollower, StepNews, StepOrder};
use rustix::process::Signal;

static ATTEMPTS: AtomicU32 = AtomicU32::new(0);

/// Longer than anything here takes on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fixture {
    pub root: tempfile::TempDir,
    pub executor: LocalExecutor,
}

impl Fixture {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let executor = LocalExecutor::new(&root.path().join("state")).unwrap();
        fs::create_dir(root.path().join("work")).unwrap();
        Self { root, executor }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn shim(&self) -> PathBuf {
        let entries = fs::read_dir(self.path("state/bin")).unwrap();
        entries.map(|entry| entry.unwrap().path()).next().unwrap()
    }

    pub fn order(&self, argv: &[&str]) -> StepOrder {
        let number = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        StepOrder {
            dir: self.path(&format!("runs/run/task/{number}/1")),
            argv: argv.iter().map(OsString::from).collect(),
            env: vec![("PATH".into(), path.into()), ("HOME".into(), self.path("work").into())],
            cwd: self.path("work"),
            stdin: None,
            attempt: format!("{}/task/{number}", self.root.path().display()),
            grace: Millis::seconds(20),
            lease: Millis::seconds(600),
            relay: None,
            container: None,
            limits: Limits::default(),
        }
    }

    pub fn script(&self, script: &str) -> StepOrder {
        self.order(&["/bin/sh", "-c", script])
    }

    pub async fn run(&self, order: &StepOrder) -> (Vec<Line>, Ended) {
        to_end(&mut self.executor.launch(order).await.unwrap()).await
    }

    pub async fn run_script(&self, script: &str) -> (Vec<String>, Ended) {
        let (lines, ended) = self.run(&self.script(script)).await;
        (lines.into_iter().map(text).collect(), ended)
    }
}

impl Drop for Fixture {
    /// A test that fails leaves no step running.
    fn drop(&mut self) {
        for task in fs::read_dir(self.path("runs/run/task")).into_iter().flatten().flatten() {
            let started = fs::read(task.path().join("1/started.json")).unwrap_or_default();
            let started: Option<gadugi_shim::Started> = serde_json::from_slice(&started).ok();
            if let Some(shim) = started.map(|started| started.shim) {
                let process = Process { pid: shim.pid, start_ticks: shim.start_ticks, boot: shim.boot };
                gadugi_sys::process::signal(&process, Signal::QUIT);
            }
        }
    }
}

pub fn text(line: Line) -> String {
    String::from_utf8(line.bytes).unwrap()
}

pub async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens within a minute")
}

pub async fn to_end(follower: &mut StepFollower) -> (Vec<Line>, Ended) {
    let mut lines = Vec::new();
    loop {
        match patiently(follower.next()).await.expect("an end comes") {
            StepNews::Line(line) => lines.push(line),
            StepNews::Ended(ended) => {
                assert_eq!(follower.next().await, None, "nothing comes behind the end");
                return (lines, ended);
            }
        }
    }
}

pub async fn next_line(follower: &mut StepFollower) -> String {
    match patiently(follower.next()).await {
        Some(StepNews::Line(line)) => text(line),
        other => panic!("a line was to come, not {other:?}"),
    }
}

/// Live processes that bear the attempt's mark.
pub fn marked(attempt: &str) -> HashSet<u32> {
    let mark = format!("GADUGI_ATTEMPT={attempt}");
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    })
    .collect()
}

pub fn exists(pid: &str) -> bool {
    // A zombie is nobody any more: it waits for whoever became its parent.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

pub fn assert_nothing_left(order: &StepOrder) {
    assert_eq!(marked(&order.attempt), HashSet::new(), "no process of the step is left");
}

pub fn code(code: i32) -> StepExit {
    StepExit::Code(code)
}

pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
