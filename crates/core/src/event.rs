//! Facts, in the past tense, durable. The state is what applying them in order gives.

use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, CommitId, Millis, Outcome, Phase, Plan, Process, RunId, RunSettings, SessionId, StepEnd,
    StepId, StepKind, StopCause, TaskId, Verdict,
};

/// Why a run starts nothing new for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseCause {
    /// Somebody asked for a pause; what runs goes on.
    Asked,
    /// Somebody interrupted the run; what ran was stopped and can be taken up again.
    Interrupted,
    /// The engine died and came back; what ran is adopted.
    EngineLost,
}

/// What is known of one phase of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// The phase.
    pub phase: Phase,
    /// What is known of it.
    #[serde(flatten)]
    pub status: PhaseStatus,
}

/// What is known of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum PhaseStatus {
    /// Gadugi itself looked.
    Proved {
        /// At what.
        evidence: String,
    },
    /// The agent said so.
    Claimed,
    /// Nobody said anything about it.
    Unreported,
    /// It was not performed.
    LeftOut {
        /// Why not.
        because: String,
    },
    /// It was tried and did not come off.
    Failed {
        /// Why not.
        because: String,
    },
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Event {
    /// A run was accepted.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Its plan.
        plan: Plan,
        /// Its settings.
        settings: Box<RunSettings>,
    },
    /// The integration branch is there.
    IntegrationOpened {
        /// The run.
        run: RunId,
        /// Its tip.
        commit: CommitId,
    },
    /// The machine's own number of slots was measured.
    CapacityMeasured {
        /// Slots where a run names no number.
        slots: u32,
        /// What was measured, for people.
        reason: String,
    },
    /// The run starts nothing new.
    RunPaused {
        /// The run.
        run: RunId,
        /// Why.
        cause: PauseCause,
    },
    /// The run goes on.
    RunResumed {
        /// The run.
        run: RunId,
    },
    /// A try at a task began.
    AttemptStarted {
        /// Which.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Where its branch begins.
        base: CommitId,
        /// The conversation that its agent will have.
        session: SessionId,
    },
    /// Branch and workspace are there.
    WorkspacePrepared {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Absolute path of the workspace.
        path: String,
        /// The branch.
        branch: String,
    },
    /// A step is about to be started.
    StepIntended {
        /// Which.
        #[serde(flatten)]
        step: StepId,
        /// What for.
        what: StepKind,
    },
    /// The step's process runs.
    StepStarted {
        /// Which.
        #[serde(flatten)]
        step: StepId,
        /// The shim that holds it.
        process: Process,
    },
    /// An agent said that it has reached a phase.
    PhaseReached {
        /// Which step said so.
        #[serde(flatten)]
        step: StepId,
        /// The phase.
        phase: Phase,
    },
    /// A task's current work is to be stopped.
    StopRequested {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        cause: StopCause,
    },
    /// The step's process is over and its output is drained.
    StepEnded {
        /// Which.
        #[serde(flatten)]
        step: StepId,
        /// What it came to.
        end: StepEnd,
    },
    /// The task's work stands on its branch.
    WorkCollected {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The tip of its branch.
        commit: CommitId,
        /// Paths that differ from the base.
        changed: Vec<String>,
        /// Whether gadugi committed what the agent had left uncommitted.
        committed_rest: bool,
    },
    /// Phases of a task were performed, claimed or left out.
    PhasesRecorded {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// What is known now.
        phases: Vec<PhaseRecord>,
    },
    /// The task's merge began.
    MergeStarted {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The tip of the integration branch.
        onto: CommitId,
    },
    /// It merges in memory.
    MergeComposed {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The composed commit, on no branch yet.
        commit: CommitId,
    },
    /// The composed tree passed (or nothing was there to ask); the branch is to move.
    MergeAccepted {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Whether a verify command passed.
        verified: bool,
    },
    /// The integration branch was not where it should be; the task goes back to the queue.
    IntegrationMoved {
        /// Whose merge found it out.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Where the branch is.
        commit: CommitId,
    },
    /// A merge was given up before it came to anything; the task goes back to the queue.
    MergePutBack {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        because: String,
    },
    /// The integration branch holds the task's work.
    TaskMerged {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The new tip.
        commit: CommitId,
    },
    /// The task's process was stopped or lost, to be taken up again when the run goes on.
    AttemptSuspended {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        because: String,
    },
    /// The task is over.
    TaskFinished {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
        /// What its work is worth, where there is any.
        verdict: Option<Verdict>,
        /// One line for people: the error, the conflicting files.
        detail: String,
    },
    /// A task that was over is wanted again.
    TaskRevived {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// What the user said to it.
        with: Option<String>,
    },
    /// All tasks are over; workspaces are being put away.
    RunEnding {
        /// The run.
        run: RunId,
    },
    /// The run is over.
    RunFinished {
        /// The run.
        run: RunId,
        /// From its start to here.
        wall: Millis,
        /// Workspaces that were kept because they hold something: path and reason.
        kept: Vec<(String, String)>,
    },
    /// The work was brought home.
    RunLanded {
        /// The run.
        run: RunId,
        /// The user's branch.
        into: String,
        /// Its new tip.
        commit: CommitId,
    },
}

impl Event {
    /// The run it belongs to, where it belongs to one.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::CapacityMeasured { .. } => None,
            Self::RunStarted { run, .. }
            | Self::IntegrationOpened { run, .. }
            | Self::RunPaused { run, .. }
            | Self::RunResumed { run }
            | Self::TaskFinished { run, .. }
            | Self::TaskRevived { run, .. }
            | Self::RunEnding { run }
            | Self::RunFinished { run, .. }
            | Self::RunLanded { run, .. } => Some(run),
            _ => self.attempt().map(|attempt| &attempt.run),
        }
    }

    /// The task it belongs to, where it belongs to one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::TaskFinished { task, .. } | Self::TaskRevived { task, .. } => Some(task),
            _ => self.attempt().map(|attempt| &attempt.task),
        }
    }

    /// The step it belongs to, where it belongs to one.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepIntended { step, .. }
            | Self::StepStarted { step, .. }
            | Self::PhaseReached { step, .. }
            | Self::StepEnded { step, .. } => Some(step),
            _ => None,
        }
    }

    /// The attempt it belongs to, where it belongs to one.
    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::AttemptStarted { attempt, .. }
            | Self::WorkspacePrepared { attempt, .. }
            | Self::StopRequested { attempt, .. }
            | Self::WorkCollected { attempt, .. }
            | Self::PhasesRecorded { attempt, .. }
            | Self::MergeStarted { attempt, .. }
            | Self::MergeComposed { attempt, .. }
            | Self::MergeAccepted { attempt, .. }
            | Self::IntegrationMoved { attempt, .. }
            | Self::MergePutBack { attempt, .. }
            | Self::TaskMerged { attempt, .. }
            | Self::AttemptSuspended { attempt, .. } => Some(attempt),
            Self::StepIntended { .. }
            | Self::StepStarted { .. }
            | Self::PhaseReached { .. }
            | Self::StepEnded { .. } => self.step().map(|step| &step.attempt),
            _ => None,
        }
    }

    /// Its type, as it stands in the log and in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run-started",
            Self::IntegrationOpened { .. } => "integration-opened",
            Self::CapacityMeasured { .. } => "capacity-measured",
            Self::RunPaused { .. } => "run-paused",
            Self::RunResumed { .. } => "run-resumed",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::WorkspacePrepared { .. } => "workspace-prepared",
            Self::StepIntended { .. } => "step-intended",
            Self::StepStarted { .. } => "step-started",
            Self::PhaseReached { .. } => "phase-reached",
            Self::StopRequested { .. } => "stop-requested",
            Self::StepEnded { .. } => "step-ended",
            Self::WorkCollected { .. } => "work-collected",
            Self::PhasesRecorded { .. } => "phases-recorded",
            Self::MergeStarted { .. } => "merge-started",
            Self::MergeComposed { .. } => "merge-composed",
            Self::MergeAccepted { .. } => "merge-accepted",
            Self::IntegrationMoved { .. } => "integration-moved",
            Self::MergePutBack { .. } => "merge-put-back",
            Self::TaskMerged { .. } => "task-merged",
            Self::AttemptSuspended { .. } => "attempt-suspended",
            Self::TaskFinished { .. } => "task-finished",
            Self::TaskRevived { .. } => "task-revived",
            Self::RunEnding { .. } => "run-ending",
            Self::RunFinished { .. } => "run-finished",
            Self::RunLanded { .. } => "run-landed",
        }
    }
}
