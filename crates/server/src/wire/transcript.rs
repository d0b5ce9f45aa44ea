//! What a step wrote, as bytes and as entries.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::Moment;

/// Which of a step's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// Entries of a step's stream, in order.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct Entries {
    /// Those that begin at the offset that was asked for, or after it.
    pub entries: Vec<Entry>,
    /// The offset to ask for next.
    pub next: u64,
    /// Bytes of the stream so far.
    pub size: u64,
    /// Whether the step is over: nothing follows beyond `size`.
    pub ended: bool,
}

/// One thing that an agent or a check said or did. Everything in it is text, and is to be shown as text.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Entry {
    /// Where its line begins in the stream, bytes.
    pub offset: u64,
    /// Where the next line begins.
    pub end: u64,
    /// Its place among the entries of that line, from 0.
    pub index: u32,
    /// What it is.
    pub kind: EntryKind,
    /// When, where the line says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The id of a tool's use, and of its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's use within which a sub-agent said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// One line.
    pub title: String,
    /// All of its words, or their beginning where `cut` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it is a failure.
    pub is_error: bool,
    /// What a tool's use writes into a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// The whole list, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<Vec<Todo>>,
    /// An item of the list, with what it is called from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// What a tool was given, as indented JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Whether something of it was cut: `/entry` gives it whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub cut: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Words of the agent.
    Text,
    /// What it thinks.
    Thinking,
    /// It uses a tool.
    Tool,
    /// It uses a tool that writes a file.
    Edit,
    /// Its list of what is to be done.
    Todo,
    /// What a tool's use came to.
    Result,
    /// Something failed.
    Error,
    /// Something about the conversation: its beginning, a retry, a limit.
    Note,
    /// It reports a phase of the workflow.
    Phase,
    /// Its last word, with what it used.
    Final,
    /// A line that is none of these: of a check, or unknown.
    Raw,
}

/// What a tool's use writes into a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Edit {
    /// The file, as the agent names it.
    pub path: String,
    /// Whether it writes the file anew.
    pub created: bool,
    /// Each place.
    pub hunks: Vec<Hunk>,
}

/// One place of an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Hunk {
    /// What goes.
    pub old: String,
    /// What comes.
    pub new: String,
    /// The line of the new file where what comes begins, from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// One item of a list of what is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Todo {
    /// What.
    pub text: String,
    /// How it stands.
    pub status: TodoStatus,
}

/// What an item of a list is called where its own words are not said again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Named {
    /// What stands for it as the text of an item in later entries.
    pub name: String,
    /// Its words.
    pub text: String,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Done.
    Completed,
}

/// Where words were found in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Hits {
    /// In order.
    pub hits: Vec<Hit>,
    /// What to ask `from=` to search on; none where all was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One place where words were found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Hit {
    /// Where the entry's line begins in the stream, bytes.
    pub offset: u64,
    /// The entry's place among those of that line.
    pub index: u32,
    /// What it is.
    pub kind: EntryKind,
    /// The words with some around them.
    pub excerpt: String,
}

/// What is said over the WebSocket forms of `/output` and `/entries`, as JSON text messages. The bytes of `/output` are binary
/// messages between them.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum OutputMessage {
    /// The first.
    Begin {
        /// The attempt that is read.
        attempt: u32,
        /// Its step.
        step: u32,
        /// Where reading begins: a line's beginning, for entries.
        offset: u64,
        /// Bytes of the stream so far.
        size: u64,
        /// Whether the step is over.
        ended: bool,
    },
    /// Entries, in order.
    Entries {
        /// They.
        entries: Vec<Entry>,
        /// Where to go on after them.
        next: u64,
    },
    /// The step is over, and all was said.
    End {
        /// The stream's end.
        next: u64,
    },
}
