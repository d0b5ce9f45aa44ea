//! An agent's output, read line by line, and what its turn came to.

use std::io::{self, BufRead};

use gadugi_core::{AgentEnd, StepExit, Timestamp, Usage};

use crate::{AgentEvent, AgentKind, claude};

/// Longest line that can be an agent's last word, in bytes. Longer ones (what a tool gave) are passed over.
const LONGEST: u64 = 16 << 20;

/// The text of the last result that a step's output holds: the agent's answer, where it was asked something. None where it
/// holds none, or one of a failure.
///
/// # Errors
/// Where the output cannot be read.
pub fn last_words(kind: AgentKind, mut output: impl BufRead) -> io::Result<Option<String>> {
    let result_of = match kind {
        AgentKind::Claude | AgentKind::Scripted => claude::result_of,
    };
    let (mut last, mut line) = (None, Vec::new());
    loop {
        line.clear();
        io::Read::take(&mut output, LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(last);
        }
        if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
            output.skip_until(b'\n')?;
            continue;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(result) = result_of(line) {
            last = result;
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(output: &str) -> Option<String> {
        last_words(AgentKind::Claude, output.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_result_is_the_answer() {
        let result = |text: &str, is_error: bool| {
            serde_json::json!({"type": "result", "subtype": "success", "is_error": is_error, "result": text})
                .to_string()
        };
        let said = r#"{"type":"assistant","message":{"id":"a","content":[{"type":"text","text":"hm"}]}}"#;
        assert_eq!(words(""), None);
        assert_eq!(words(&format!("{said}\n")), None, "what is said on the way is no answer");
        assert_eq!(words(&format!("{said}\n{}", result("a\nb", false))), Some("a\nb".into()));
        assert_eq!(words(&format!("{}\n{}\n", result("a", false), result("b", false))), Some("b".into()));
        assert_eq!(words(&format!("{}\n{}\n", result("a", false), result("b", true))), None);
        let long = format!("{}\n{}\n", "x".repeat(LONGEST as usize + 5), result("a", false));
        assert_eq!(words(&long), Some("a".into()), "what a tool gave is passed over");
    }
}
