//! What comes in: wishes of people, and what effects came to.

use serde::{Deserialize, Serialize};

use crate::{
    Appraisal, AttemptId, CommitId, Millis, Phase, Plan, Process, Reading, RunId, RunSettings, Salvage,
    StepEnd, StepId, TaskId, Timestamp,
};

/// One input of [`crate::decide()`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A wish.
    Command(Command),
    /// What an effect came to.
    Report(Report),
    /// Time has passed, or something changed: see what can be done next.
    Tick,
}

/// Which tasks of a run are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// All of them.
    All,
    /// These.
    Tasks(Vec<TaskId>),
}

/// A wish.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin a run.
    StartRun {
        /// Its id.
        run: RunId,
        /// Its plan.
        plan: Plan,
        /// Its settings.
        settings: Box<RunSettings>,
    },
    /// End tasks.
    Cancel {
        /// The run.
        run: RunId,
        /// Which.
        target: Target,
    },
    /// All tasks: start nothing new; what runs goes on. Single tasks: stop them, so that they can be taken up again.
    Pause {
        /// The run.
        run: RunId,
        /// Which.
        target: Target,
    },
    /// Stop what runs, so that it can be taken up again. Asking again stops it at once.
    Interrupt {
        /// The run.
        run: RunId,
        /// KILL without grace.
        now: bool,
    },
    /// Go on where the run, or single tasks of it, were left.
    Resume {
        /// The run.
        run: RunId,
        /// Which; all: the run, and whatever of it is paused, but for tasks that were paused before an engine died.
        target: Target,
    },
    /// Take up tasks again that did not succeed, and those that were skipped for them.
    Retry {
        /// The run.
        run: RunId,
        /// Which; all: all that did not succeed.
        target: Target,
        /// Words for their agents.
        with: Option<String>,
    },
    /// The engine came back: whatever was under way is interrupted until somebody says `Resume`.
    Restart,
    /// The machine was looked at.
    Measured(Reading),
    /// The clock of the machine differs by that many milliseconds from what a steady clock would say.
    ClockJumped {
        /// Forward, in milliseconds.
        by: i64,
    },
    /// The work was brought home.
    RecordLanding {
        /// The run.
        run: RunId,
        /// The user's branch.
        into: String,
        /// Its new tip.
        commit: CommitId,
    },
}

impl Command {
    /// The run that it is about, where it is about one.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::StartRun { run, .. }
            | Self::Cancel { run, .. }
            | Self::Pause { run, .. }
            | Self::Interrupt { run, .. }
            | Self::Resume { run, .. }
            | Self::Retry { run, .. }
            | Self::RecordLanding { run, .. } => Some(run),
            Self::Restart | Self::Measured(_) | Self::ClockJumped { .. } => None,
        }
    }
}

/// What an effect came to. Reports may come twice, late or for something long over: those are ignored.
#[derive(Clone, Debug)]
pub enum Report {
    /// [`crate::Effect::OpenIntegration`].
    IntegrationOpened {
        /// The run.
        run: RunId,
        /// The branch's tip, or why it could not be made.
        result: Result<CommitId, String>,
    },
    /// [`crate::Effect::PrepareWorkspace`].
    WorkspacePrepared {
        /// Whose.
        attempt: AttemptId,
        /// Path and branch, or why not.
        result: Result<(String, String), String>,
    },
    /// A step's process runs ([`crate::Effect::LaunchStep`], [`crate::Effect::AdoptStep`]).
    StepStarted {
        /// Which.
        step: StepId,
        /// The shim.
        process: Process,
    },
    /// An agent said that it has reached a phase.
    PhaseReached {
        /// Which step said so.
        step: StepId,
        /// The phase.
        phase: Phase,
    },
    /// A step gives no sign of life: no line, no processor time, no file touched. Reported again and again while it lasts.
    StepQuiet {
        /// Which.
        step: StepId,
        /// For how long, by a clock that nobody sets.
        quiet: Millis,
        /// Whether its agent has given a result, and has written nothing since.
        after_result: bool,
    },
    /// A step that was reported as quiet gives signs of life.
    StepAlive {
        /// Which.
        step: StepId,
    },
    /// So much of the disk is taken by the workspace and home of a step's attempt.
    DiskUsed {
        /// Which step was looked at.
        step: StepId,
        /// Bytes.
        bytes: u64,
    },
    /// The account of a step's agent has reached its limit, by the model API's own word.
    AccountLimited {
        /// Whose request met it.
        step: StepId,
        /// When it is lifted, where the API said so.
        until: Option<Timestamp>,
        /// What the API said.
        reason: String,
    },
    /// A step is over, or was never started ([`crate::StepExit::NotStarted`]), or is gone ([`crate::StepExit::Lost`]).
    StepEnded {
        /// Which.
        step: StepId,
        /// What it came to.
        end: StepEnd,
    },
    /// [`crate::Effect::CollectWork`].
    WorkCollected {
        /// Whose.
        attempt: AttemptId,
        /// What is on the branch, or why it could not be told.
        result: Result<Collected, String>,
    },
    /// [`crate::Effect::TakeAnswer`].
    AnswerTaken {
        /// Whose last words.
        step: StepId,
        /// What they are worth, or why they could not be read.
        result: Result<Appraisal, String>,
    },
    /// [`crate::Effect::Compose`].
    Composed {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// The work that was merged; a report about an earlier attempt's is out of date.
        work: CommitId,
        /// Onto what; a report about another tip is out of date.
        onto: CommitId,
        /// What came of it.
        result: Composition,
    },
    /// [`crate::Effect::Advance`].
    Advanced {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// Where it was to go.
        to: CommitId,
        /// Where the branch stands where it was not where it should have been, or why it could not move.
        result: Result<(), AdvanceFailure>,
    },
    /// [`crate::Effect::SalvageWork`].
    WorkSalvaged {
        /// Whose.
        attempt: AttemptId,
        /// What was there.
        salvage: Salvage,
    },
    /// [`crate::Effect::TidyRun`].
    Tidied {
        /// The run.
        run: RunId,
        /// Workspaces that were kept: path and reason.
        kept: Vec<(String, String)>,
    },
}

/// What a finished attempt left on its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The tip.
    pub commit: CommitId,
    /// Paths that differ from the base.
    pub changed: Vec<String>,
    /// Whether gadugi committed what was left uncommitted.
    pub committed_rest: bool,
}

/// What a merge in memory came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composition {
    /// A commit that holds both.
    Clean(CommitId),
    /// Paths that conflict.
    Conflict(Vec<String>),
    /// Git failed.
    Failed(String),
}

/// Why the integration branch did not move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvanceFailure {
    /// It stands elsewhere.
    Moved(CommitId),
    /// Git failed.
    Failed(String),
}

/// The answer to a command, given once its events are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done, or under way: so many tasks are affected.
    Accepted {
        /// Tasks affected.
        tasks: usize,
    },
    /// Not done.
    Refused(Refusal),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// A run of that id is there.
    #[error("there is a run {0} already")]
    RunExists(RunId),
    /// No such task in the run.
    #[error("{run} has no task {task}")]
    UnknownTask {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
    },
    /// The run is over.
    #[error("{0} is over")]
    RunOver(RunId),
    /// The run is not paused.
    #[error("{0} is not paused")]
    NotPaused(RunId),
    /// Only tasks that are over and did not succeed can be tried again.
    #[error("{0} is not a task that failed")]
    NotRetryable(TaskId),
    /// The plan cannot be run.
    #[error(transparent)]
    BadPlan(#[from] crate::PlanError),
}
