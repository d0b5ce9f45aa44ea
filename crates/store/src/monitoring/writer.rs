//! Replaces the files, each as a whole, and only where there is a reason to.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gadugi_core::{Millis, Process, RunId, Timestamp};
use gadugi_sys::clock::rfc3339;
use gadugi_sys::files::write_atomic;
use serde::Serialize;
use thiserror::Error;

use super::files::{Files, ProcessStatus, RunStatusFile};
use super::{Due, Pace, Snapshot};

const STATUS: &str = "_status.json";
const FINAL: &str = "_final.json";
const WORKTREES: &str = "worktree_state.json";

/// A file that could not be written. The others were.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct MonitoringError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes the files, and remembers what it wrote.
#[derive(Debug)]
pub struct MonitoringWriter {
    dir: PathBuf,
    also: Option<PathBuf>,
    interval: Millis,
    pace: Pace,
    written: HashMap<PathBuf, Written>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    contents: u64,
    at: Timestamp,
}

impl MonitoringWriter {
    /// A writer into `dir`, which is made when it is first needed. `worktree_state.json` goes into `also` too, where
    /// that folder exists (`.claude/orchestrator` of the repository).
    pub fn new(dir: PathBuf, also: Option<PathBuf>, interval: Millis) -> Self {
        Self { dir, also, interval, pace: Pace::new(interval), written: HashMap::new() }
    }

    /// Whether it is time to make a snapshot and write it; `changed` says that something happened since the last.
    pub fn due(&self, now: Timestamp, changed: bool) -> Due {
        self.pace.due(now, changed)
    }

    /// Writes what differs from what was written last, and what is older than the interval. A failure keeps no other
    /// file from being written; the first one is told.
    pub fn write(&mut self, snapshot: &Snapshot) -> Result<(), MonitoringError> {
        self.write_alive(snapshot, gadugi_sys::process::exists)
    }

    /// At the engine's start: writes everything anew, and sees to it that no file of a run that the snapshot does
    /// not hold goes on speaking of running tasks.
    pub fn begin(&mut self, snapshot: &Snapshot) -> Result<(), MonitoringError> {
        self.written.clear();
        let retired = self.retire_others(snapshot);
        self.write(snapshot).and(retired)
    }

    /// At the engine's end: writes everything anew, whatever was written last.
    pub fn finish(&mut self, snapshot: &Snapshot) -> Result<(), MonitoringError> {
        self.written.clear();
        self.write(snapshot)
    }

    /// Removes the files of a run that is forgotten.
    pub fn forget(&mut self, run: &RunId) -> Result<(), MonitoringError> {
        for end in [STATUS, FINAL] {
            let path = self.dir.join(format!("{run}{end}"));
            self.written.remove(&path);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(MonitoringError { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn write_alive(
        &mut self,
        snapshot: &Snapshot,
        alive: impl Fn(&Process) -> bool,
    ) -> Result<(), MonitoringError> {
        self.pace.wrote(snapshot.at);
        let made = gadugi_sys::files::create_private_dir(&self.dir);
        made.map_err(|source| MonitoringError { path: self.dir.clone(), source })?;
        let files = Files::of(snapshot, alive);
        let at = snapshot.at;
        let mut first = Ok(());
        let mut keep = |result: Result<(), MonitoringError>| {
            if first.is_ok() {
                first = result;
            }
        };
        keep(self.replace(self.dir.join("process_registry.json"), at, &files.process_registry));
        keep(self.replace(self.dir.join("heartbeats.json"), at, &files.heartbeats));
        keep(self.replace(self.dir.join("registry_stats.json"), at, &files.registry_stats));
        keep(self.replace(self.dir.join("registry.json"), at, &files.registry));
        keep(self.replace(self.dir.join(WORKTREES), at, &files.worktree_state));
        if let Some(also) = self.also.clone().filter(|folder| folder.is_dir()) {
            keep(self.replace(also.join(WORKTREES), at, &files.worktree_state));
        }
        for file in &files.run_status {
            keep(self.replace(self.dir.join(format!("{}{STATUS}", file.orchestration_id)), at, file));
        }
        for file in &files.run_final {
            keep(self.replace(self.dir.join(format!("{}{FINAL}", file.orchestration_id)), at, file));
        }
        first
    }

    fn replace<T: Serialize>(
        &mut self,
        path: PathBuf,
        at: Timestamp,
        file: &T,
    ) -> Result<(), MonitoringError> {
        let failed = |path: &Path, source: io::Error| MonitoringError { path: path.to_owned(), source };
        let mut bytes = serde_json::to_vec_pretty(file).map_err(|error| failed(&path, error.into()))?;
        bytes.push(b'\n');
        let contents = fingerprint(&bytes);
        // A final file's time is that of the end: it does not grow old.
        let ages = !path.as_os_str().as_encoded_bytes().ends_with(FINAL.as_bytes());
        let fresh = self.written.get(&path).is_some_and(|last| {
            let young = at >= last.at && at.since(last.at) < self.interval;
            last.contents == contents && (young || !ages)
        });
        // Deleted by somebody, it is written again.
        if fresh && path.exists() {
            return Ok(());
        }
        write_atomic(&path, &bytes).map_err(|error| failed(&path, error))?;
        self.written.insert(path, Written { contents, at });
        Ok(())
    }

    /// Status files of other runs: whoever wrote them is gone, and what they call running is not.
    fn retire_others(&self, snapshot: &Snapshot) -> Result<(), MonitoringError> {
        let failed = |path: &Path, source: io::Error| MonitoringError { path: path.to_owned(), source };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&self.dir, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| failed(&self.dir, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(run) = name.strip_suffix(STATUS) else { continue };
            if snapshot.runs.iter().any(|known| known.run.as_str() == run) {
                continue;
            }
            // What is no file of ours is not ours to mend.
            let read = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let Some(retired) = read.and_then(|file| retire(file, snapshot.at)) {
                let text =
                    serde_json::to_vec_pretty(&retired).map_err(|error| failed(&path, error.into()))?;
                write_atomic(&path, &text).map_err(|error| failed(&path, error))?;
            }
        }
        Ok(())
    }
}

/// The file with its running tasks counted as failed: none where it has none.
fn retire(mut file: RunStatusFile, at: Timestamp) -> Option<RunStatusFile> {
    let running = file.status_breakdown.insert(ProcessStatus::Running, 0).unwrap_or(0);
    if running == 0 && file.active_processes.is_empty() {
        return None;
    }
    *file.status_breakdown.entry(ProcessStatus::Failed).or_insert(0) += running;
    file.active_processes.clear();
    file.timestamp = rfc3339(at);
    Some(file)
}

/// Says whether two texts differ in more than the line of their timestamp.
fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let stamp = |line: &&[u8]| !line.starts_with(b"  \"timestamp\": ");
    text.split(|byte| *byte == b'\n').filter(stamp).for_each(|line| {
        hasher.write(line);
        hasher.write_u8(b'\n');
    });
    hasher.finish()
}
