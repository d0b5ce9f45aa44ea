//! The files, field by field, and how they are made. Times are RFC 3339, UTC; `null` stands where nothing is known.

use std::collections::BTreeMap;

use gadugi_core::{Outcome, Process, Timestamp};
use gadugi_sys::clock::rfc3339;
use serde::{Deserialize, Serialize};

use super::{ResourceSample, RunView, Snapshot, TaskState, TaskView};

/// How far a task is, in the registry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum ProcessStatus {
    Queued,
    Running,
    Completed,
    Failed,
    Timeout,
    Cancelled,
}

impl ProcessStatus {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Timeout, Self::Cancelled];

    /// A task that nobody began because of another counts as cancelled; one whose end nobody knows, as failed.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Completed,
            Outcome::Failed | Outcome::Lost => Self::Failed,
            Outcome::TimedOut => Self::Timeout,
            Outcome::Cancelled | Outcome::Skipped { .. } => Self::Cancelled,
        }
    }
}

/// How far a worktree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum WorktreeStatus {
    Active,
    Completed,
    Failed,
    Cleaning,
}

/// What a task's process tree uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceUsage {
    /// Processors, in percent of one.
    pub cpu_percent: f64,
    /// Memory in MiB.
    pub memory_mb: f64,
    /// Memory in percent of the machine's.
    pub memory_percent: f64,
    /// Threads.
    pub num_threads: u64,
    /// State of its first process.
    pub status: String,
    /// When its first process started: with `pid`, the process's identity.
    pub create_time: String,
    /// Threads and processes, as a limit of pids counts them.
    #[serde(default)]
    pub pids: u64,
    /// Whether it is a container.
    #[serde(default)]
    pub container: bool,
    /// MiB read from disks since its start; null where that cannot be seen, as for all that follow.
    #[serde(default)]
    pub disk_read_mb: Option<f64>,
    /// MiB written to disks since its start.
    #[serde(default)]
    pub disk_write_mb: Option<f64>,
    /// MiB that its workspace and home take of the disk.
    #[serde(default)]
    pub disk_used_mb: Option<f64>,
    /// MiB received through the gateway since its start.
    #[serde(default)]
    pub net_in_mb: Option<f64>,
    /// MiB sent through the gateway since its start.
    #[serde(default)]
    pub net_out_mb: Option<f64>,
}

/// One entry of `process_registry.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub struct ProcessEntry {
    pub task_id: String,
    pub task_name: String,
    pub status: ProcessStatus,
    pub command: String,
    pub working_directory: Option<String>,
    pub created_at: String,
    pub prompt_file: String,
    pub pid: Option<u32>,
    pub started_at: Option<String>,
    pub completed_at: Option<String>,
    pub last_heartbeat: Option<String>,
    pub exit_code: Option<i32>,
    pub error_message: Option<String>,
    pub resource_usage: Option<ResourceUsage>,
}

/// `process_registry.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRegistry {
    /// When it was written.
    pub timestamp: String,
    /// Tasks of all runs of the snapshot, run by run, in plan order.
    pub processes: Vec<ProcessEntry>,
}

/// One entry of `heartbeats.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub struct Heartbeat {
    pub task_id: String,
    pub task_name: String,
    pub status: ProcessStatus,
    pub pid: Option<u32>,
    pub last_heartbeat: Option<String>,
    pub resource_usage: Option<ResourceUsage>,
}

/// `heartbeats.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeats {
    /// When it was written.
    pub timestamp: String,
    /// Tasks that run.
    pub active_processes: Vec<Heartbeat>,
}

/// `registry_stats.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegistryStats {
    /// All tasks.
    pub total_processes: usize,
    /// Tasks that wait.
    pub queued_count: usize,
    /// Tasks that run.
    pub running_count: usize,
    /// Tasks that succeeded.
    pub completed_count: usize,
    /// Tasks that failed, and those whose time was over.
    pub failed_count: usize,
    /// Seconds from begin to end, over the tasks that succeeded; 0 where none has.
    pub average_execution_time: f64,
    /// Percent of one processor, all running tasks together.
    pub total_cpu_usage: f64,
    /// MiB, all running tasks together.
    pub total_memory_usage: f64,
    /// When it was written.
    pub timestamp: String,
}

/// One running task in `<run>_status.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub struct ActiveProcess {
    pub task_id: String,
    pub task_name: String,
    pub status: ProcessStatus,
    pub runtime_seconds: f64,
}

/// `<run>_status.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStatusFile {
    /// The run.
    pub orchestration_id: String,
    /// When it was written.
    pub timestamp: String,
    /// Tasks of the run.
    pub total_processes: usize,
    /// How many tasks have each status; every status is there.
    pub status_breakdown: BTreeMap<ProcessStatus, usize>,
    /// Tasks that run.
    pub active_processes: Vec<ActiveProcess>,
}

/// `<run>_final.json`: the registry of that run at its end, and the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinalFile {
    /// The run.
    pub orchestration_id: String,
    /// When it was written.
    pub timestamp: String,
    /// Its tasks.
    pub processes: Vec<ProcessEntry>,
    /// What `run-finished` carries in JSON.
    pub report: serde_json::Value,
}

/// One entry of `registry.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub struct RegistryEntry {
    pub pid: Option<u32>,
    pub status: ProcessStatus,
    pub started_at: Option<String>,
    pub last_heartbeat: Option<String>,
    pub worktree: Option<String>,
}

/// `registry.json`: by task id. Where several runs have a task of one id, the latest has the bare id and the
/// earlier ones stand under `<run>/<id>`.
pub type Registry = BTreeMap<String, RegistryEntry>;

/// One entry of `worktree_state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub struct WorktreeEntry {
    pub task_id: String,
    pub task_name: String,
    pub worktree_path: String,
    pub branch_name: String,
    pub status: WorktreeStatus,
    pub created_at: String,
    pub pid: Option<u32>,
}

/// `worktree_state.json`, keyed as `registry.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorktreeState {
    /// The worktrees that are there.
    pub worktrees: BTreeMap<String, WorktreeEntry>,
}

/// All files of a moment.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is named as its file")]
pub struct Files {
    pub process_registry: ProcessRegistry,
    pub heartbeats: Heartbeats,
    pub registry_stats: RegistryStats,
    pub registry: Registry,
    pub worktree_state: WorktreeState,
    pub run_status: Vec<RunStatusFile>,
    pub run_final: Vec<RunFinalFile>,
}

impl Files {
    /// Makes them. `alive` says whether that very process is there.
    pub fn of(snapshot: &Snapshot, alive: impl Fn(&Process) -> bool) -> Self {
        let timestamp = rfc3339(snapshot.at);
        let runs: Vec<(&RunView, Vec<ProcessEntry>)> = snapshot
            .runs
            .iter()
            .map(|run| (run, run.tasks.iter().map(|task| entry(task, &alive)).collect()))
            .collect();
        let (registry, worktree_state) = by_id(&runs);
        let run_status = runs.iter().map(|(run, entries)| run_status(run, entries, snapshot.at)).collect();
        let run_final = runs.iter().filter_map(|(run, entries)| {
            Some(RunFinalFile {
                orchestration_id: run.run.to_string(),
                timestamp: timestamp.clone(),
                processes: entries.clone(),
                report: run.report.clone()?,
            })
        });
        let run_final = run_final.collect();
        let registry_stats = stats(&runs, &timestamp);
        let processes: Vec<ProcessEntry> = runs.into_iter().flat_map(|(_, entries)| entries).collect();
        Self {
            heartbeats: Heartbeats {
                timestamp: timestamp.clone(),
                active_processes: processes.iter().filter(|entry| is_running(entry)).map(heartbeat).collect(),
            },
            process_registry: ProcessRegistry { timestamp, processes },
            registry_stats,
            registry,
            worktree_state,
            run_status,
            run_final,
        }
    }
}

fn is_running(entry: &ProcessEntry) -> bool {
    entry.status == ProcessStatus::Running
}

/// A task whose process is gone waits to be taken up by the engine, whatever it was before: `queued`, with no pid.
fn entry(task: &TaskView, alive: &impl Fn(&Process) -> bool) -> ProcessEntry {
    let mut entry = ProcessEntry {
        task_id: task.id.to_string(),
        task_name: task.name.clone(),
        status: ProcessStatus::Queued,
        command: task.command.clone(),
        working_directory: task.worktree.as_ref().map(|worktree| worktree.path.clone()),
        created_at: rfc3339(task.created_at),
        prompt_file: task.prompt_file.clone(),
        pid: None,
        started_at: None,
        completed_at: None,
        last_heartbeat: None,
        exit_code: None,
        error_message: None,
        resource_usage: None,
    };
    match &task.state {
        TaskState::Queued => {}
        TaskState::Running { started_at, process, last_heartbeat, resources } => {
            entry.started_at = Some(rfc3339(*started_at));
            entry.last_heartbeat = Some(rfc3339(*last_heartbeat));
            if process.as_ref().is_none_or(alive) {
                entry.status = ProcessStatus::Running;
                entry.pid = process.as_ref().map(|process| process.pid);
                entry.resource_usage = resources.as_ref().map(usage);
            }
        }
        TaskState::Finished { started_at, completed_at, outcome, exit_code, error } => {
            entry.status = ProcessStatus::of(outcome);
            entry.started_at = started_at.map(rfc3339);
            entry.completed_at = Some(rfc3339(*completed_at));
            entry.exit_code = *exit_code;
            entry.error_message.clone_from(error);
        }
    }
    entry
}

fn usage(sample: &ResourceSample) -> ResourceUsage {
    ResourceUsage {
        cpu_percent: tenth(sample.cpu_percent),
        memory_mb: tenth(sample.memory_mb),
        memory_percent: tenth(sample.memory_percent),
        num_threads: sample.threads,
        status: sample.status.clone(),
        create_time: rfc3339(sample.started_at),
        pids: sample.pids,
        container: sample.container,
        disk_read_mb: mib(sample.bytes.disk_read),
        disk_write_mb: mib(sample.bytes.disk_written),
        disk_used_mb: mib(sample.bytes.disk_used),
        net_in_mb: mib(sample.bytes.net_in),
        net_out_mb: mib(sample.bytes.net_out),
    }
}

fn mib(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| tenth(bytes as f64 / 1_048_576.0))
}

/// One digit behind the point is all that a reader can use; what is no number becomes 0.
fn tenth(value: f64) -> f64 {
    if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 }
}

fn heartbeat(entry: &ProcessEntry) -> Heartbeat {
    Heartbeat {
        task_id: entry.task_id.clone(),
        task_name: entry.task_name.clone(),
        status: entry.status,
        pid: entry.pid,
        last_heartbeat: entry.last_heartbeat.clone(),
        resource_usage: entry.resource_usage.clone(),
    }
}

fn stats(runs: &[(&RunView, Vec<ProcessEntry>)], timestamp: &str) -> RegistryStats {
    let entries = || runs.iter().flat_map(|(_, entries)| entries);
    let count = |status| entries().filter(|entry| entry.status == status).count();
    let times: Vec<f64> = runs.iter().flat_map(|(run, _)| &run.tasks).filter_map(success_seconds).collect();
    let sum = |of: fn(&ResourceUsage) -> f64| {
        // The sum of nothing is -0.0, which nobody wants to read.
        tenth(entries().filter_map(|entry| entry.resource_usage.as_ref()).map(of).sum::<f64>() + 0.0)
    };
    RegistryStats {
        total_processes: entries().count(),
        queued_count: count(ProcessStatus::Queued),
        running_count: count(ProcessStatus::Running),
        completed_count: count(ProcessStatus::Completed),
        failed_count: count(ProcessStatus::Failed) + count(ProcessStatus::Timeout),
        average_execution_time: match times.len() {
            0 => 0.0,
            many => times.iter().sum::<f64>() / many as f64,
        },
        total_cpu_usage: sum(|usage| usage.cpu_percent),
        total_memory_usage: sum(|usage| usage.memory_mb),
        timestamp: timestamp.to_owned(),
    }
}

fn success_seconds(task: &TaskView) -> Option<f64> {
    match &task.state {
        TaskState::Finished {
            started_at: Some(start), completed_at, outcome: Outcome::Succeeded, ..
        } => Some(completed_at.since(*start).as_seconds()),
        _ => None,
    }
}

fn run_status(run: &RunView, entries: &[ProcessEntry], at: Timestamp) -> RunStatusFile {
    let mut status_breakdown: BTreeMap<_, _> = ProcessStatus::ALL.map(|status| (status, 0)).into();
    for entry in entries {
        *status_breakdown.entry(entry.status).or_insert(0) += 1;
    }
    let active = run.tasks.iter().zip(entries).filter_map(|(task, entry)| match &task.state {
        TaskState::Running { started_at, .. } if is_running(entry) => Some(ActiveProcess {
            task_id: entry.task_id.clone(),
            task_name: entry.task_name.clone(),
            status: entry.status,
            runtime_seconds: at.since(*started_at).as_seconds(),
        }),
        _ => None,
    });
    RunStatusFile {
        orchestration_id: run.run.to_string(),
        timestamp: rfc3339(at),
        total_processes: entries.len(),
        active_processes: active.collect(),
        status_breakdown,
    }
}

fn by_id(runs: &[(&RunView, Vec<ProcessEntry>)]) -> (Registry, WorktreeState) {
    let mut registry = Registry::new();
    let mut worktrees = BTreeMap::new();
    for (run, entries) in runs.iter().rev() {
        for (task, entry) in run.tasks.iter().zip(entries) {
            let bare = entry.task_id.clone();
            let key = if registry.contains_key(&bare) { format!("{}/{bare}", run.run) } else { bare };
            worktrees.extend(worktree(task, entry).map(|worktree| (key.clone(), worktree)));
            let line = RegistryEntry {
                pid: entry.pid,
                status: entry.status,
                started_at: entry.started_at.clone(),
                last_heartbeat: entry.last_heartbeat.clone(),
                worktree: entry.working_directory.clone(),
            };
            registry.insert(key, line);
        }
    }
    (registry, WorktreeState { worktrees })
}

fn worktree(task: &TaskView, entry: &ProcessEntry) -> Option<WorktreeEntry> {
    let view = task.worktree.as_ref()?;
    let status = match entry.status {
        _ if view.cleaning => WorktreeStatus::Cleaning,
        ProcessStatus::Queued | ProcessStatus::Running => WorktreeStatus::Active,
        ProcessStatus::Completed => WorktreeStatus::Completed,
        ProcessStatus::Failed | ProcessStatus::Timeout | ProcessStatus::Cancelled => WorktreeStatus::Failed,
    };
    Some(WorktreeEntry {
        task_id: entry.task_id.clone(),
        task_name: entry.task_name.clone(),
        worktree_path: view.path.clone(),
        branch_name: view.branch.clone(),
        status,
        created_at: rfc3339(view.created_at),
        pid: entry.pid,
    })
}
