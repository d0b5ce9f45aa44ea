//! How a task ended, and what its work is worth.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TaskId;

/// How a task ended. Success is only ever observed, never assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The work was seen to be there (or honestly not needed).
    Succeeded,
    /// It ended otherwise; the detail stands beside it.
    Failed,
    /// Its time was over and it was stopped.
    TimedOut,
    /// Somebody asked for its end.
    Cancelled,
    /// It was never begun.
    Skipped {
        /// Why.
        because: SkipReason,
    },
    /// Nobody can say how it ended.
    Lost,
}

/// Why a task was never begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// A task that it depends on did not succeed.
    Dependency(TaskId),
    /// The run's budget was spent.
    Budget,
}

/// What the work of a task is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The verify command passed on the composed tree.
    Verified,
    /// Merged, but no verify command was there to ask.
    Unverified,
    /// The agent said, with a reason, that nothing needed doing.
    NoChange,
    /// The verify command failed on the composed tree.
    Rejected,
    /// It does not merge.
    Conflict,
}

impl Outcome {
    /// The word for it in tables, JSON and flags.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::Skipped { .. } => "skipped",
            Self::Lost => "lost",
        }
    }

    /// Whether tasks that depend on this one may begin.
    pub fn satisfies_dependents(&self) -> bool {
        matches!(self, Self::Succeeded)
    }
}

impl Verdict {
    /// The word for it in tables, JSON and flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::NoChange => "no-change",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
