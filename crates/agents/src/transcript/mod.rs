//! A stream as people read it: each line becomes the entries that it holds.
//!
//! Where [`crate::StreamReader`] keeps what a turn came to, this keeps what was said. It is **stateless by line**: the same line gives
//! the same entries wherever reading began, so that whoever reads can begin at any line. What joins entries of several lines (a
//! tool's use and its result, a sub-agent and the use that called it) is said by ids. Nothing is invented: a line that is not
//! understood is an entry of its own, [`Said::Raw`].
//!
//! Work and memory are bounded by the line's length: JSON is read without making values of what is not looked at, and of what a
//! hostile line could hold by the million (blocks, fields, items) at most a thousand are looked at.

mod json;

pub(crate) use json::{Object, pretty, strings};

use gadugi_core::{Millis, Phase, Timestamp, Usage};

use crate::{AgentKind, claude};

/// Bytes of the longest line that is read as more than text. Longer ones are [`Said::Raw`], cut there.
pub const LONGEST_LINE: usize = 8 << 20;

/// Entries, blocks, fields, items and places of one line that are looked at.
pub(crate) const MOST: usize = 1_000;

/// What a stream is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// An agent's own.
    Agent(AgentKind),
    /// Plain lines: of a check, or of any program's standard error.
    Plain,
}

/// One thing that a line says. Every text in it is what an agent or a program wrote: text, never markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, where the line says so.
    pub at: Option<Timestamp>,
    /// The id of the tool's use within which a sub-agent says it; none: the agent itself.
    pub parent: Option<String>,
    /// What.
    pub said: Said,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Words of the agent, without the lines that report something to gadugi.
    Text(String),
    /// What it thinks, where it shows that.
    Thinking(String),
    /// It uses a tool.
    Tool(Call),
    /// It uses a tool that writes a file: what it means to write. Whether it did, its result says.
    Edit(Call, Edit),
    /// It keeps its list of what is to be done: the whole list, or the one item that it touches.
    Todo(Call, Vec<Todo>),
    /// What the use of a tool came to.
    Outcome(Outcome),
    /// Something failed beside the agent: a request to the model API, a limit.
    Error {
        /// One line.
        title: String,
        /// Words, where there are more.
        text: Option<String>,
    },
    /// Something about the conversation.
    Note {
        /// One line.
        title: String,
        /// Words, where there are more.
        text: Option<String>,
        /// The tool's use that it is about.
        about: Option<String>,
    },
    /// It reports that it has reached a phase: a claim.
    Phase(Phase),
    /// It reports that nothing needs changing, and why: a claim.
    NoChange(String),
    /// Its last word.
    Final(Final),
    /// A line that is none of these, as it came; what is not UTF-8 is replaced.
    Raw(String),
}

/// The use of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its id; empty where it has none.
    pub id: String,
    /// One line for people: `Edit src/a.rs`.
    pub title: String,
    /// What the tool was given, as indented JSON.
    pub input: String,
}

/// What the use of a tool came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The id of the use.
    pub id: String,
    /// What the agent was told.
    pub text: String,
    /// Whether it failed.
    pub is_error: bool,
    /// What the tool gave beside its words, as indented JSON; none where that is nothing more.
    pub structured: Option<String>,
    /// What was written, with the lines around it.
    pub edit: Option<Edit>,
    /// The list of what is to be done, as it is now.
    pub todo: Option<Vec<Todo>>,
    /// An item of that list, with what it is called from then on.
    pub named: Option<Named>,
}

/// What an item of a list is called where its own words are not said again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What stands for it as [`Todo::text`] in entries that come later: `#1`.
    pub name: String,
    /// Its words.
    pub text: String,
}

/// What is written into a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The file, as the agent names it.
    pub path: String,
    /// Of a use: the file is written as a whole. Of an outcome: there was no such file before.
    pub created: bool,
    /// Each place.
    pub hunks: Vec<Hunk>,
}

/// One place of an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// What goes.
    pub old: String,
    /// What comes.
    pub new: String,
    /// The line where it stands in the new file, from 1, where that is known.
    pub line: Option<u64>,
}

/// One item of a list of what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// What.
    pub text: String,
    /// How it stands.
    pub status: TodoStatus,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Done.
    Completed,
}

/// An agent's last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Final {
    /// Whether it failed.
    pub is_error: bool,
    /// The CLI's word for its end: `success`, `error_max_turns`.
    pub word: String,
    /// Its words, or the error.
    pub text: String,
    /// Model turns.
    pub turns: u64,
    /// How long it took by its own clock.
    pub took: Millis,
    /// What it used.
    pub usage: Usage,
}

/// What one line (without its newline) says, in its order. Never fails, whatever the line holds.
pub fn entries(language: Language, line: &[u8]) -> Vec<Entry> {
    if line.len() > LONGEST_LINE {
        return vec![raw(&line[..LONGEST_LINE])];
    }
    match language {
        Language::Plain => vec![raw(line)],
        Language::Agent(_) if line.iter().all(u8::is_ascii_whitespace) => Vec::new(),
        Language::Agent(AgentKind::Claude | AgentKind::Scripted) => claude::entries(line),
    }
}

pub(crate) fn raw(line: &[u8]) -> Entry {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Entry { at: None, parent: None, said: Said::Raw(String::from_utf8_lossy(line).into_owned()) }
}
