//! Names of things. All are text outside and distinct types inside, so that one is never passed for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps text that is already known to be such a name.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// `orchestration-<UTC, %Y%m%d-%H%M%S>-<4 hex>`.
    RunId
}
text_id! {
    /// One task of a plan: unique in its run, safe as one path component (`[A-Za-z0-9._-]`, no leading dot or dash).
    TaskId
}
text_id! {
    /// A full hexadecimal object id of a git commit.
    CommitId
}
text_id! {
    /// An agent's own conversation, a UUID chosen before its first step starts.
    SessionId
}

/// One try at a task. Numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// The how-manieth try, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.task, self.attempt)
    }
}

/// One process of an attempt. Numbers count from 1 within the attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The attempt it belongs to.
    #[serde(flatten)]
    pub attempt: AttemptId,
    /// The how-manieth step of the attempt, from 1.
    pub step: u32,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.attempt, self.step)
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every release, which the standard library's hasher is not. It
/// keeps names apart and is no defence against anybody.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl RunId {
    /// The run's integration branch.
    pub fn branch(&self) -> String {
        format!("gadugi/{self}")
    }
}

impl SessionId {
    /// The session of an attempt: the same whenever it is asked for, so that a crash between choosing and
    /// storing it changes nothing. `ordinal` counts the conversations that one attempt had to begin afresh.
    pub fn derive(attempt: &AttemptId, base: &CommitId, ordinal: u32) -> Self {
        let name = format!("gadugi/{attempt}/{base}/{ordinal}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string())
    }
}
