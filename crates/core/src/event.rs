//! Facts, in the past tense, durable. The state is what applying them in order gives.

use serde::{Deserialize, Serialize};

use crate::{
    AgentName, AttemptId, CommitId, Millis, Outcome, Phase, Plan, Process, RunId, RunSettings, SessionId,
    StepEnd, StepId, StepKind, StopCause, TaskId, Timestamp, Verdict,
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
    /// An agent's credential was refused; what runs goes on as far as it can without beginning anything.
    AuthRefused,
}

/// Why, beside a pause, a run begins less than its slots would let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Little memory is available: attempts begin one at a time.
    Memory,
    /// A task is expected to take more memory than those that run leave: it waits, and those that fit pass it.
    Room,
    /// The processors are busy: none begins beyond the slots that the user named; where they named none, one at a time.
    Cpu,
    /// The disk is nearly full: nothing begins.
    Disk,
    /// What is left of the budget is reserved by steps that run.
    Budget,
    /// A task that was killed for want of memory comes back alone.
    Alone,
    /// The model API is overloaded or refuses requests: attempts begin one at a time.
    Api,
}

impl Hold {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Memory, Self::Room, Self::Cpu, Self::Disk, Self::Budget, Self::Alone, Self::Api];

    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Room => "room",
            Self::Cpu => "cpu",
            Self::Disk => "disk",
            Self::Budget => "budget",
            Self::Alone => "alone",
            Self::Api => "api",
        }
    }
}

/// What became of the uncommitted work of an attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "salvage")]
pub enum Salvage {
    /// There was nothing uncommitted.
    Nothing,
    /// It stands under a ref.
    Kept {
        /// `refs/gadugi/salvage/…`.
        reference: String,
        /// The commit.
        commit: CommitId,
    },
    /// It could not be saved, and is still in the workspace.
    Failed {
        /// Why not.
        because: String,
    },
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
        /// MiB that all attempts together may be expected to take; none where nobody could measure it, and in logs of before
        /// that counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_mib: Option<u64>,
    },
    /// The run starts nothing new.
    RunPaused {
        /// The run.
        run: RunId,
        /// Why.
        cause: PauseCause,
        /// One line for people, where there is more to say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// The run goes on.
    RunResumed {
        /// The run.
        run: RunId,
    },
    /// Less begins than the slots would let.
    DispatchHeld {
        /// The run.
        run: RunId,
        /// Why.
        hold: Hold,
        /// What was measured, for people.
        reason: String,
    },
    /// That reason is over.
    DispatchFreed {
        /// The run.
        run: RunId,
        /// Which.
        hold: Hold,
    },
    /// An agent's account has reached its limit: the run begins no step of that agent until it is lifted.
    AccountLimited {
        /// The run.
        run: RunId,
        /// The agent.
        agent: AgentName,
        /// When it goes on.
        until: Timestamp,
        /// What the agent said.
        reason: String,
    },
    /// The clock of the machine was set, or the machine slept: what is timed by it moves along.
    ClockJumped {
        /// The run.
        run: RunId,
        /// Forward, in milliseconds.
        by: i64,
    },
    /// Somebody paused a task: it begins no step until it is released.
    TaskHeld {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
    },
    /// A paused task may go on.
    TaskReleased {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
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
        /// What it may cost, in millionths of a US dollar, where there is a budget: set aside until it has ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<u64>,
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
    /// A step has given no sign of life for a while.
    StepSuspected {
        /// Which.
        #[serde(flatten)]
        step: StepId,
        /// For how long.
        quiet: Millis,
    },
    /// A suspected step gave a sign of life.
    StepCleared {
        /// Which.
        #[serde(flatten)]
        step: StepId,
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
    /// An agent's answer was looked at. One that is not taken goes back to it, or ends its task.
    AnswerAppraised {
        /// Whose last words it is.
        #[serde(flatten)]
        step: StepId,
        /// Whether it is the task's answer.
        taken: bool,
        /// What is wrong with it, each for itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        wrong: Vec<String>,
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
        /// When it is tried again, where not at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The integration branch holds the task's work.
    TaskMerged {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The new tip.
        commit: CommitId,
    },
    /// The task's process was stopped, failed or was lost, to be taken up again.
    AttemptSuspended {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        because: String,
        /// When it is taken up again at the earliest; else as soon as the run has room for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether nothing else may run beside it then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alone: bool,
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
    /// It was seen to that what an attempt left uncommitted is not lost.
    WorkSalvaged {
        /// Whose.
        #[serde(flatten)]
        attempt: AttemptId,
        /// What was there.
        #[serde(flatten)]
        salvage: Salvage,
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
            | Self::DispatchHeld { run, .. }
            | Self::DispatchFreed { run, .. }
            | Self::AccountLimited { run, .. }
            | Self::ClockJumped { run, .. }
            | Self::TaskHeld { run, .. }
            | Self::TaskReleased { run, .. }
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
            Self::TaskFinished { task, .. }
            | Self::TaskRevived { task, .. }
            | Self::TaskHeld { task, .. }
            | Self::TaskReleased { task, .. } => Some(task),
            _ => self.attempt().map(|attempt| &attempt.task),
        }
    }

    /// The step it belongs to, where it belongs to one.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepIntended { step, .. }
            | Self::StepStarted { step, .. }
            | Self::PhaseReached { step, .. }
            | Self::StepSuspected { step, .. }
            | Self::StepCleared { step }
            | Self::StepEnded { step, .. }
            | Self::AnswerAppraised { step, .. } => Some(step),
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
            | Self::AttemptSuspended { attempt, .. }
            | Self::WorkSalvaged { attempt, .. } => Some(attempt),
            Self::StepIntended { .. }
            | Self::StepStarted { .. }
            | Self::PhaseReached { .. }
            | Self::StepSuspected { .. }
            | Self::StepCleared { .. }
            | Self::StepEnded { .. }
            | Self::AnswerAppraised { .. } => self.step().map(|step| &step.attempt),
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
            Self::DispatchHeld { .. } => "dispatch-held",
            Self::DispatchFreed { .. } => "dispatch-freed",
            Self::AccountLimited { .. } => "account-limited",
            Self::ClockJumped { .. } => "clock-jumped",
            Self::TaskHeld { .. } => "task-held",
            Self::TaskReleased { .. } => "task-released",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::WorkspacePrepared { .. } => "workspace-prepared",
            Self::StepIntended { .. } => "step-intended",
            Self::StepStarted { .. } => "step-started",
            Self::PhaseReached { .. } => "phase-reached",
            Self::StepSuspected { .. } => "step-suspected",
            Self::StepCleared { .. } => "step-cleared",
            Self::StopRequested { .. } => "stop-requested",
            Self::StepEnded { .. } => "step-ended",
            Self::WorkCollected { .. } => "work-collected",
            Self::AnswerAppraised { .. } => "answer-appraised",
            Self::PhasesRecorded { .. } => "phases-recorded",
            Self::MergeStarted { .. } => "merge-started",
            Self::MergeComposed { .. } => "merge-composed",
            Self::MergeAccepted { .. } => "merge-accepted",
            Self::IntegrationMoved { .. } => "integration-moved",
            Self::MergePutBack { .. } => "merge-put-back",
            Self::TaskMerged { .. } => "task-merged",
            Self::AttemptSuspended { .. } => "attempt-suspended",
            Self::WorkSalvaged { .. } => "work-salvaged",
            Self::TaskFinished { .. } => "task-finished",
            Self::TaskRevived { .. } => "task-revived",
            Self::RunEnding { .. } => "run-ending",
            Self::RunFinished { .. } => "run-finished",
            Self::RunLanded { .. } => "run-landed",
        }
    }
}
