//! An agent's output, read line by line, and what its turn came to.

use gadugi_core::{AgentEnd, StepExit, Timestamp, Usage};

use crate::{AgentEvent, AgentKind, claude};

/// Reads the output of one step. Both agents speak Claude Code's `stream-json`, so there is one parser; an adapter
/// whose CLI speaks otherwise brings its own.
#[derive(Debug)]
pub struct StreamReader {
    parser: claude::Parser,
}

impl StreamReader {
    /// A reader for the output of a step of that agent.
    pub fn new(kind: AgentKind) -> Self {
        match kind {
            AgentKind::Claude | AgentKind::Scripted => Self { parser: claude::Parser::default() },
        }
    }

    /// What one line (without its newline) says. Never fails: a line that is not JSON, not UTF-8, cut off, or of a kind
    /// not known is [`AgentEvent::Unknown`]. A line may say nothing of interest, or several things.
    pub fn line(&mut self, line: &[u8]) -> Vec<AgentEvent> {
        self.parser.line(line)
    }

    /// Whether the agent has said its last word: a result, and nothing behind it that begins another turn. It should end
    /// soon then: Claude Code 2.1.197 holds its result back while sub-agents of its own are at work, and gives commands
    /// in the background 5 s after it. Lines of no interest (the end of such a command) may still come.
    pub fn over(&self) -> bool {
        self.parser.over()
    }

    /// What the step used so far.
    pub fn usage(&self) -> Usage {
        self.parser.usage()
    }

    /// What the turn came to, once the output is read to its end. `stopped`: the step was being stopped when it ended.
    /// `stderr_tail`: the end of what it wrote to stderr. `ended_at`: when it ended, for limits that name a time of day.
    pub fn finish(self, exit: &StepExit, stopped: bool, stderr_tail: &str, ended_at: Timestamp) -> AgentEnd {
        self.parser.finish(exit, stopped, stderr_tail, ended_at)
    }
}
