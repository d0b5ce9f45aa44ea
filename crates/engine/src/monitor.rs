//! The monitoring files: what the state and the running processes say, at the pace that the contract sets.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadugi_core::{Attempt, Millis, RunState, Stage, State, StepExit, TaskState, TaskStatus, Timestamp};
use gadugi_exec::Figures;
use gadugi_store::monitoring::{self, Due, MonitoringWriter, ResourceSample, Snapshot, WorktreeView};

use crate::view::{Live, report_json};

/// After a write it rests for so many times as long as that took, so that it never takes more than a hundredth of one
/// processor: thousands of tasks are megabytes of JSON.
const RESTS: u32 = 99;

/// Writes the monitoring files when it is time.
#[derive(Debug)]
pub(crate) struct Monitor {
    writer: MonitoringWriter,
    interval: Duration,
    changed: bool,
    begun: bool,
    /// Until when it rests.
    rests_until: Option<Instant>,
}

impl Monitor {
    /// A writer into `dir`, relative to the repository's `root` or absolute.
    pub(crate) fn new(root: &Path, dir: &Path, interval: Millis) -> Self {
        let also: PathBuf = root.join(".claude/orchestrator");
        let dir = root.join(dir);
        [&dir, &also].into_iter().for_each(|dir| remove_half_written(dir));
        Self {
            writer: MonitoringWriter::new(dir, Some(also), interval),
            interval: Duration::from_millis(interval.0),
            changed: false,
            begun: false,
            rests_until: None,
        }
    }

    /// Something happened that the files should show.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Writes if it is time: at the engine's start, after changes, when the files would become too old.
    pub(crate) fn write_if_due(&mut self, state: &State, live: &Live, now: Timestamp) {
        if self.begun && self.writer.due(now, self.changed || !live.figures.is_empty()) != Due::Now {
            return;
        }
        let began = Instant::now();
        if self.rests_until.is_some_and(|until| began < until) {
            return;
        }
        let snapshot = snapshot(state, live, now);
        let written = if self.begun { self.writer.write(&snapshot) } else { self.writer.begin(&snapshot) };
        self.begun = true;
        self.changed = false;
        // Never for so long that the files grow too old.
        self.rests_until = Some(Instant::now() + (began.elapsed() * RESTS).min(self.interval / 2));
        warn(written);
    }

    /// Writes everything once more, at the end of a run or of the engine.
    pub(crate) fn write_last(&mut self, state: &State, live: &Live, now: Timestamp) {
        self.changed = false;
        warn(self.writer.finish(&snapshot(state, live, now)));
    }

    /// A run's files are wanted no longer.
    pub(crate) fn forget(&mut self, run: &gadugi_core::RunId) {
        warn(self.writer.forget(run));
    }
}

/// What an engine that was killed had only half written, `.NAME.json.PID.COUNT.tmp`: no other engine lives now.
fn remove_half_written(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.map_while(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.contains(".json.") && name.ends_with(".tmp") {
            // One that stays is a file that nobody reads.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// These files are made from what is known: one that cannot be written loses nothing.
fn warn(written: Result<(), monitoring::MonitoringError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "a monitoring file could not be written");
    }
}

fn snapshot(state: &State, live: &Live, at: Timestamp) -> Snapshot {
    let runs = state.runs.values().map(|run| monitoring::RunView {
        run: run.id.clone(),
        tasks: (0..run.tasks.len()).map(|place| task(run, place, live, at)).collect(),
        report: run.is_finished().then(|| report_json(&run.report(at))),
    });
    Snapshot { at, runs: runs.collect() }
}

fn task(run: &RunState, place: usize, live: &Live, now: Timestamp) -> monitoring::TaskView {
    let (task, planned) = (&run.tasks[place], &run.plan.tasks[place]);
    let agent = planned.agent.as_deref().unwrap_or(&run.settings.agent);
    let seen = task.active().and_then(|attempt| {
        let step = attempt.step()?.id(run.attempt_id(place, attempt.number));
        live.seen.get(&step).map(|seen| seen.command.to_string())
    });
    let tidied = run.is_finished() && task.merged && !run.settings.keep;
    monitoring::TaskView {
        id: planned.id.clone(),
        name: planned.name.clone(),
        command: seen.unwrap_or_else(|| agent.to_owned()),
        prompt_file: planned.prompt.path.clone(),
        created_at: run.started_at,
        state: progress(run, place, live, now),
        worktree: task.workspace.as_ref().filter(|_| !tidied).map(|(path, branch)| WorktreeView {
            path: path.clone(),
            branch: branch.clone(),
            created_at: task.began_at.unwrap_or(run.started_at),
            cleaning: run.status == gadugi_core::RunStatus::Ending && task.merged,
        }),
    }
}

fn progress(run: &RunState, place: usize, live: &Live, now: Timestamp) -> monitoring::TaskState {
    let task = &run.tasks[place];
    match &task.status {
        TaskStatus::Waiting => monitoring::TaskState::Queued,
        TaskStatus::Active(attempt) if matches!(attempt.stage, Stage::Suspended { .. }) => {
            monitoring::TaskState::Queued
        }
        TaskStatus::Active(attempt) => running(run, place, attempt, live, now),
        TaskStatus::Finished { at, outcome, detail, .. } => monitoring::TaskState::Finished {
            started_at: task.began_at,
            completed_at: *at,
            outcome: outcome.clone(),
            exit_code: exit_code(task),
            error: (!outcome.satisfies_dependents()).then(|| detail.clone()),
        },
    }
}

fn exit_code(task: &TaskState) -> Option<i32> {
    match task.last_exit {
        Some(StepExit::Code(code)) => Some(code),
        // As a shell says it.
        Some(StepExit::Signal(signal)) => Some(128 + signal),
        Some(StepExit::OutOfMemory) => Some(128 + 9),
        Some(
            StepExit::NotStarted(_)
            | StepExit::NeverBegan
            | StepExit::LeaseLapsed
            | StepExit::Lost
            | StepExit::TooMuchOutput
            | StepExit::EndedByEngine,
        )
        | None => None,
    }
}

fn running(
    run: &RunState,
    place: usize,
    attempt: &Attempt,
    live: &Live,
    now: Timestamp,
) -> monitoring::TaskState {
    let step = attempt.step().map(|step| step.id(run.attempt_id(place, attempt.number)));
    let seen = step.as_ref().and_then(|step| live.seen.get(step));
    let figures = step.as_ref().and_then(|step| live.figures.get(step));
    let started = attempt.step().and_then(|step| step.running.as_ref()).map(|(_, at)| *at);
    monitoring::TaskState::Running {
        started_at: attempt.started_at,
        process: seen.and_then(|seen| seen.process.clone()),
        // Between steps gadugi itself is at work, and it lives.
        last_heartbeat: step
            .as_ref()
            .map_or(now, |step| live.heartbeat(step).or(started).unwrap_or(attempt.started_at)),
        resources: figures.map(|figures| resources(figures, started.unwrap_or(attempt.started_at))),
    }
}

fn resources(figures: &Figures, started_at: Timestamp) -> ResourceSample {
    ResourceSample {
        cpu_percent: figures.cpu_percent,
        memory_mb: figures.memory_mib,
        memory_percent: figures.memory_percent,
        threads: u64::from(figures.threads),
        pids: u64::from(figures.pids),
        container: figures.container,
        bytes: crate::figures::bytes(figures),
        status: "running".to_owned(),
        started_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_engine_had_half_written_goes() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".registry.json.28119.23.tmp", "registry.json", ".mine.tmp", "x.json.tmp"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        Monitor::new(dir.path(), Path::new(""), Millis(1000));
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".mine.tmp", "registry.json", "x.json.tmp"]);
    }
}
