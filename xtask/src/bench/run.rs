//! One `gadugi run` of scripted tasks, measured from outside.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::sandbox::Sandbox;
use super::watch::{Engine, Watch};

/// How long the engine may take to leave when its last run is over and its last client gone.
const LEAVES_WITHIN: Duration = Duration::from_secs(20);

/// What a run came to.
pub(super) struct Measured {
    /// From the start of the command to its end.
    pub(super) wall: Duration,
    /// The last event: `run-finished`.
    pub(super) finished: Value,
    /// The engine, as it was seen meanwhile.
    pub(super) engine: Engine,
}

/// Runs every prompt of the repository on so many slots and waits for the engine to leave.
pub(super) fn measure(binary: &Path, sandbox: &Sandbox, slots: usize) -> Result<Measured> {
    let watch = Watch::begin(&sandbox.repository());
    let began = Instant::now();
    let mut child = sandbox
        .command(binary)
        .args(["run", "prompts", "--agent", "scripted", "--no-review", "--json", "--max-parallel"])
        .arg(slots.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let followed = follow(&mut child, &watch);
    if followed.is_err() {
        // Interrupted, it stops its tasks; without it they would go on.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
    }
    let status = child.wait()?;
    let wall = began.elapsed();
    let engine = watch.end(LEAVES_WITHIN);
    let (last, engine) = (followed?, engine?);
    let Some(finished) = last.filter(|event| event["type"] == "run-finished") else {
        bail!("gadugi run ended with {status} and its last line is no run-finished");
    };
    let shown: String = finished.to_string().chars().take(2000).collect();
    ensure!(status.success(), "gadugi run ended with {status}: {shown}");
    Ok(Measured { wall, finished, engine })
}

/// Reads the events to the end and gives the last one.
fn follow(child: &mut Child, watch: &Watch) -> Result<Option<Value>> {
    let mut last = None;
    for line in BufReader::new(child.stdout.take().context("no pipe")?).lines() {
        let event: Value = serde_json::from_str(&line?).context("a line of --json is no JSON")?;
        if event["type"] == "task-finished" {
            watch.finished_tasks().fetch_add(1, Ordering::Relaxed);
        }
        last = Some(event);
    }
    Ok(last)
}

impl Measured {
    /// A number of the last event.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.finished[name].as_f64().with_context(|| format!("run-finished has no number {name}"))
    }

    /// Checks that so many tasks succeeded, by the report and by the files on the integration branch.
    pub(super) fn none_lost(&self, sandbox: &Sandbox, tasks: usize) -> Result<()> {
        let succeeded = self.number("succeeded")?;
        ensure!(succeeded.to_bits() == (tasks as f64).to_bits(), "{succeeded} of {tasks} tasks succeeded");
        let branch = self.finished["branch"].as_str().context("run-finished names no branch")?;
        let listed = sandbox.git(&["ls-tree", "--name-only", branch, "out/"])?;
        let merged = listed.lines().count();
        ensure!(merged == tasks, "the work of {merged} of {tasks} tasks is on {branch}");
        Ok(())
    }
}
