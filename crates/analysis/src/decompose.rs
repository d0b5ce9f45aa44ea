//! Splitting a prompt into tasks: what an agent is asked for, what is wrong with what it answers, and the prompt files that
//! a good answer becomes.
//!
//! The answer is one JSON object ([`SCHEMA`]). [`read`] finds it in an agent's last words (alone, in a fence, with prose
//! around it) and looks at everything that the schema and the plan ask of it: each thing that is wrong is a line that the
//! agent can mend by. What makes an answer useless is a fault; what could be better (two tasks that write one file, and
//! neither waits for the other: the plan orders them) is a doubt. [`Parts`] becomes the text of prompt files, which a person
//! reads and changes before they are run; whoever calls writes them.

mod check;
mod find;
mod overlap;
mod prompts;

use gadugi_core::{Appraisal, Kind};

pub use prompts::{PartFile, Whole};

/// The JSON schema of an answer.
pub const SCHEMA: &str = include_str!("decompose/answer.schema.json");

/// The most that an answer may be, in bytes: a hundred tasks of 5 KB each. Models end their turns long before.
pub const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// The most tasks that anybody may allow.
pub const MAX_PARTS: u32 = 100;

/// One task of several that a prompt becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Unique among the parts, safe as a file name.
    pub id: String,
    /// One line.
    pub title: String,
    /// What is to be done: Markdown.
    pub wanted: String,
    /// What one must know for it: Markdown; may be empty.
    pub context: String,
    /// How one knows that it is done, at least one.
    pub done: Vec<String>,
    /// Ids of the parts that it needs.
    pub depends_on: Vec<String>,
    /// Paths and patterns that it will write, from the repository's root.
    pub touches: Vec<String>,
    /// What sort of work.
    pub kind: Option<Kind>,
    /// Higher first.
    pub priority: Option<i64>,
}

/// Several parts: at least two, in an order in which each stands behind those that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts(Vec<Part>);

impl Parts {
    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Part> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: there are two at least.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an agent answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These tasks.
    Parts(Parts),
    /// That there is nothing to split, and why.
    Whole(String),
}

/// An answer that was read, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The answer, where it has no faults.
    pub answer: Option<Answer>,
    /// What makes it useless, a line each.
    pub faults: Vec<String>,
    /// What could be better, a line each.
    pub doubts: Vec<String>,
}

/// Reads an agent's last words; `most` tasks are allowed.
pub fn read(words: &str, most: u32) -> Reading {
    match find::object(words) {
        Ok(object) => check::check(&object, most),
        Err(fault) => Reading { answer: None, faults: vec![fault], doubts: Vec::new() },
    }
}

/// What an agent's last words are worth as an answer; `most` tasks are allowed.
pub fn appraise(words: &str, most: u32) -> Appraisal {
    let Reading { answer, faults, doubts } = read(words, most);
    let gist = match answer {
        Some(Answer::Parts(parts)) => format!("split into {} tasks", parts.len()),
        Some(Answer::Whole(why)) => format!("nothing to split: {}", crate::text::one_line(&why, 200)),
        None => String::new(),
    };
    Appraisal { gist, faults, doubts }
}

#[cfg(test)]
mod tests;
