//! What an agent's output says, one line at a time, the same for every CLI.

use gadugi_core::{Millis, Phase, SessionId, Timestamp, Usage};

/// One thing that an agent's output said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// The conversation is there.
    SessionStarted {
        /// Its id.
        session: Option<SessionId>,
        /// The model.
        model: Option<String>,
        /// The CLI's version.
        version: Option<String>,
    },
    /// Words of the agent.
    Text(String),
    /// It uses a tool.
    ToolUse {
        /// The tool.
        name: String,
        /// One line for people: `Edit src/a.rs`.
        summary: String,
    },
    /// A tool is done.
    ToolResult {
        /// Whether it failed.
        is_error: bool,
    },
    /// What it used so far.
    Usage(Usage),
    /// The account's limits.
    RateLimit {
        /// `allowed`, `allowed_warning`, `rejected`.
        status: String,
        /// Which limit: `five_hour`, `seven_day`.
        limit: Option<String>,
        /// When it is lifted.
        resets_at: Option<Timestamp>,
    },
    /// A request to the model API failed and is tried again.
    Retry {
        /// The how-manieth time, from 1.
        attempt: u64,
        /// How often at most.
        max: u64,
        /// After how long.
        delay: Millis,
        /// What failed.
        error: String,
    },
    /// It says that it has reached a phase: a claim.
    Phase(Phase),
    /// It says that nothing needs changing, and why: a claim.
    NoChange(String),
    /// Its last word (the last of them counts).
    Result {
        /// Whether it failed.
        is_error: bool,
        /// Its text, or the error.
        text: String,
        /// Model turns.
        turns: u32,
    },
    /// A line that this version of gadugi does not know. It stays in the step's file.
    Unknown,
}

/// The text as one line of at most `limit` characters, for people.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() > limit {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        // A single word may be megabytes long; what is over the limit is cut below anyway.
        line.extend(word.chars().filter(|c| !c.is_control()).take(limit + 1));
    }
    match line.char_indices().nth(limit) {
        Some(_) => line.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_line() {
        assert_eq!(one_line(" a\n\n b\t\u{1b}[31mc ", 80), "a b [31mc");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line(&"ü".repeat(1_000_000), 3), "üü…");
        assert_eq!(one_line("", 3), "");
    }
}
