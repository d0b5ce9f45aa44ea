//! An agent's stream for people: words, tools, phases, the end; other output line by line.

use gadugi_agents::{AgentEvent, AgentKind, StreamReader};
use gadugi_core::format_duration;

use crate::follow::{count, tokens};
use crate::text;

/// Columns of a tool's line.
const TOOL_COLUMNS: usize = 160;
/// The most of one line that is kept while its end has not come: 100 MB lines exist, and nobody reads them.
const LONGEST: usize = 1024 * 1024;

/// The two outputs of one step on their way to a person.
pub(super) struct Human {
    headed: bool,
    reader: StreamReader,
    stdout: Lines,
    stderr: Lines,
}

impl Default for Human {
    fn default() -> Self {
        let reader = StreamReader::new(AgentKind::Claude);
        Self { headed: false, reader, stdout: Lines::default(), stderr: Lines::default() }
    }
}

/// Says what a step is called.
type Title<'a> = &'a dyn Fn() -> String;

impl Human {
    /// What further bytes of standard output say.
    pub(super) fn stdout(&mut self, bytes: &[u8], head: Option<Title<'_>>) -> String {
        let mut out = self.head(head);
        for line in self.stdout.take(bytes) {
            self.line(&line, &mut out);
        }
        out
    }

    /// What further bytes of standard error say.
    pub(super) fn stderr(&mut self, bytes: &[u8], head: Option<Title<'_>>) -> String {
        let mut out = self.head(head);
        for line in self.stderr.take(bytes) {
            push(&mut out, "! ", &String::from_utf8_lossy(&line));
        }
        out
    }

    fn head(&mut self, title: Option<Title<'_>>) -> String {
        match title {
            Some(title) if !std::mem::replace(&mut self.headed, true) => format!("── {} ──\n", title()),
            _ => String::new(),
        }
    }

    fn line(&mut self, line: &[u8], out: &mut String) {
        // Checks write what they like; an agent's lines are objects.
        if line.first() != Some(&b'{') {
            push(out, "", &String::from_utf8_lossy(line));
            return;
        }
        let events = self.reader.line(line);
        for event in &events {
            self.event(event, out);
        }
    }

    fn event(&self, event: &AgentEvent, out: &mut String) {
        match event {
            AgentEvent::SessionStarted { session, model, .. } => {
                let session = session.as_ref().map_or("?", |session| session.as_str());
                push(out, "* ", &format!("session {session}, model {}", model.as_deref().unwrap_or("?")));
            }
            AgentEvent::Text(words) => push(out, "", &without_marks(words)),
            AgentEvent::ToolUse { summary, .. } => push(out, "> ", &text::fit(summary, TOOL_COLUMNS)),
            AgentEvent::ToolResult { is_error: true } => push(out, "> ", "that failed"),
            AgentEvent::Phase(phase) => {
                push(out, "* ", &format!("phase {} {}", phase.number(), phase.title()));
            }
            AgentEvent::NoChange(reason) => push(out, "* ", &format!("no change: {reason}")),
            AgentEvent::Retry { attempt, max, delay, error } => {
                let delay = format_duration(*delay);
                push(out, "* ", &format!("model API: {error}; try {attempt} of {max} in {delay}"));
            }
            AgentEvent::RateLimit { status, limit, .. } if status != "allowed" => {
                push(out, "* ", &format!("rate limit {}: {status}", limit.as_deref().unwrap_or_default()));
            }
            AgentEvent::Result { is_error, text, turns } => {
                let word = if *is_error { "failed" } else { "done" };
                let used = tokens(self.reader.usage().tokens());
                let last = without_marks(text);
                let colon = if last.trim().is_empty() { "" } else { ": " };
                let turns = count(usize::try_from(*turns).unwrap_or(usize::MAX), "turn");
                push(out, "= ", &format!("{word} after {turns}, {used} tokens{colon}{last}"));
            }
            AgentEvent::ToolResult { .. }
            | AgentEvent::Usage(_)
            | AgentEvent::RateLimit { .. }
            | AgentEvent::Unknown => {}
        }
    }
}

/// Words without the lines that are meant for gadugi: those come as events of their own.
fn without_marks(words: &str) -> String {
    let lines = words.lines().filter(|line| !line.trim_start().starts_with("GADUGI-PHASE:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Adds clean lines, each behind its sign.
fn push(out: &mut String, sign: &str, words: &str) {
    for line in text::block(words).trim_end().lines() {
        out.push_str(sign);
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Bytes into whole lines. A line that is too long is cut.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = part.ends_with(b"\n");
            let part = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LONGEST.saturating_sub(self.rest.len());
            self.rest.extend(&part[..part.len().min(room)]);
            if whole {
                lines.push(std::mem::take(&mut self.rest));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_s_stream_becomes_words() {
        let stream = concat!(
            r#"{"type":"system","subtype":"init","session_id":"0b4ff6a1-a1a1-4b1b-8c1c-1d1d1d1d1d1d","model":"m"}"#,
            "\n",
            r#"{"type":"assistant","message":{"id":"1","content":[{"type":"text","text":"I look.\nGADUGI-PHASE: 5\nEvil \u001b[2Jword"}]}}"#,
            "\n",
            r#"{"type":"assistant","message":{"id":"2","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"cargo test\nrm x"}}]}}"#,
            "\nplain words\n",
            r#"{"type":"result","subtype":"success","is_error":false,"num_turns":3,"result":"All done."}"#,
            "\n"
        );
        let (mut human, title) = (Human::default(), || "step 2".to_owned());
        let (first, second) = stream.as_bytes().split_at(200);
        let mut out = human.stdout(first, Some(&title));
        out.push_str(&human.stdout(second, Some(&title)));
        out.push_str(&human.stderr(b"warning: x\nhalf", Some(&title)));
        insta::assert_snapshot!(out);
        assert!(!out.contains('\u{1b}'));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.take(&[b'x'; CHUNK]).is_empty());
        }
        assert_eq!(lines.take(b"\n")[0].len(), LONGEST);
        assert_eq!(lines.take(b"a\nb\nc").len(), 2);
    }

    const CHUNK: usize = 64 * 1024;
}
