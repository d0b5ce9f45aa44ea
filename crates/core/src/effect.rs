//! Things to do. Each can be asked for again after a crash: whoever carries it out looks first at what is there.

use crate::{AttemptId, CommitId, RunId, StepId, StepKind, TaskId};

/// How hard a step is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopForce {
    /// TERM to the whole descent, its grace, then KILL.
    Grace,
    /// KILL at once.
    Now,
}

/// Something to do in the world. What it comes to comes back as a [`crate::Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the integration branch at `base` unless it is there.
    OpenIntegration {
        /// The run.
        run: RunId,
        /// The branch, `gadugi/<run>`.
        branch: String,
        /// Where it begins.
        base: CommitId,
    },
    /// Make the attempt's branch and workspace unless they are there.
    PrepareWorkspace {
        /// The attempt.
        attempt: AttemptId,
        /// Where its branch begins.
        base: CommitId,
    },
    /// Start a step whose intent is stored.
    LaunchStep {
        /// The step.
        step: StepId,
        /// What it is for.
        kind: StepKind,
        /// What it may cost, in millionths of a US dollar, where there is a budget.
        budget: Option<u64>,
    },
    /// After a restart: find the step that was intended or running, and follow it; start nothing.
    /// It reports the start (known or not) and the end; a step of which there is no trace ends as
    /// [`crate::StepExit::NeverBegan`].
    AdoptStep {
        /// The step.
        step: StepId,
        /// What it is for.
        kind: StepKind,
    },
    /// Stop a step.
    StopStep {
        /// The step.
        step: StepId,
        /// How hard.
        force: StopForce,
    },
    /// Commit what the agent left uncommitted and say what its branch holds.
    CollectWork {
        /// The attempt.
        attempt: AttemptId,
        /// Where its branch began.
        base: CommitId,
    },
    /// Look at the last words of a question's agent.
    TakeAnswer {
        /// The step that said them.
        step: StepId,
    },
    /// Put what an attempt that did not succeed left uncommitted where it cannot be lost.
    SalvageWork {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Put away the run's workspaces that are merged and hold nothing unsaved, while it goes on: the disk is nearly full, or
    /// many are there. Not reported on: what is left is put away at the end.
    MakeRoom {
        /// The run.
        run: RunId,
    },
    /// Merge in memory.
    Compose {
        /// The run.
        run: RunId,
        /// The task whose work it is.
        task: TaskId,
        /// The tip of its branch.
        work: CommitId,
        /// The tip of the integration branch.
        onto: CommitId,
    },
    /// Move the integration branch, unless it is no longer where it was.
    Advance {
        /// The run.
        run: RunId,
        /// The task that is merged by it.
        task: TaskId,
        /// Where the branch is.
        from: CommitId,
        /// Where it goes.
        to: CommitId,
    },
    /// The run's tasks are all over: put away the workspaces that hold nothing unsaved.
    TidyRun {
        /// The run.
        run: RunId,
    },
}

impl Effect {
    /// The run it belongs to.
    pub fn run(&self) -> &RunId {
        match self {
            Self::OpenIntegration { run, .. }
            | Self::Compose { run, .. }
            | Self::Advance { run, .. }
            | Self::MakeRoom { run }
            | Self::TidyRun { run } => run,
            Self::PrepareWorkspace { attempt, .. }
            | Self::CollectWork { attempt, .. }
            | Self::SalvageWork { attempt } => &attempt.run,
            Self::LaunchStep { step, .. }
            | Self::AdoptStep { step, .. }
            | Self::StopStep { step, .. }
            | Self::TakeAnswer { step } => &step.attempt.run,
        }
    }
}

/// One list for both, so that no variant can be left out of it.
macro_rules! words {
    ($($variant:ident = $word:literal,)*) => {
        impl Effect {
            /// All kinds of effects, each with its word.
            pub const WORDS: &[&str] = &[$($word),*];

            /// Its kind, for logs and tests.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $word,)*
                }
            }
        }
    };
}

words! {
    OpenIntegration = "open-integration",
    PrepareWorkspace = "prepare-workspace",
    LaunchStep = "launch-step",
    AdoptStep = "adopt-step",
    StopStep = "stop-step",
    CollectWork = "collect-work",
    TakeAnswer = "take-answer",
    SalvageWork = "salvage-work",
    MakeRoom = "make-room",
    Compose = "compose",
    Advance = "advance",
    TidyRun = "tidy-run",
}
