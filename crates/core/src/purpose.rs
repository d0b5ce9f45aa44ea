//! What a task is for: to work on the repository, or to answer a question about it.
//!
//! A question is a task like any other until its agent is done: it has a workspace, steps, a budget, retries. Then its answer is
//! looked at instead of its work: nothing of what its agent may have changed is ever taken. An answer that will not do goes back
//! into the same conversation once, with what is wrong with it.

use serde::{Deserialize, Serialize};

/// What a task is for. Plans of before there were several are for work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To change the repository as the prompt says.
    #[default]
    Work,
    /// To say how the prompt divides into tasks, at most so many.
    Decompose(u32),
}

impl Purpose {
    /// Whether it changes the repository.
    pub fn is_work(&self) -> bool {
        matches!(self, Self::Work)
    }
}

/// What an answer is worth, by whoever looked at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appraisal {
    /// One line for people: what the answer comes to.
    pub gist: String,
    /// What makes it useless, each for itself. With any it is not taken.
    pub faults: Vec<String>,
    /// What could be better, each for itself. It is asked for once, and then done without.
    pub doubts: Vec<String>,
}

/// How often an answer goes back to its agent.
pub(crate) const REPAIRS: u32 = 1;
