//! Claude Code's `stream-json`: one JSON object a line.

mod lines;

use std::collections::{BTreeSet, VecDeque};

use gadugi_core::{AgentEnd, EndClass, Millis, Phase, SessionId, StepExit, Timestamp, Usage};

use crate::AgentEvent;
use crate::class::{Evidence, ResultFacts, classify};
use crate::event::one_line;
use lines::{Block, Content, Line, LineUsage, RateLimitInfo, ResultLine, read};
pub(crate) use lines::{add, mended, sane};

/// Characters of a summary, a detail, a remembered line.
pub(crate) const SUMMARY: usize = 160;
const DETAIL: usize = 500;

/// Characters of an id or another word that is remembered; Claude Code's have some thirty.
const WORD: usize = 200;

/// What says most about a tool's use, the first that is there.
pub(crate) const ABOUT: [&str; 10] = [
    "file_path",
    "notebook_path",
    "command",
    "pattern",
    "path",
    "url",
    "query",
    "description",
    "prompt",
    "skill",
];

/// Messages whose usage may still grow: parallel sub-agents can have some lines of theirs between those of one message.
const OPEN_MESSAGES: usize = 64;

/// Reads one step's output. Its memory is bounded whatever comes: counters, the last words, and [`OPEN_MESSAGES`] ids.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// What messages said, each counted once.
    messages: Usage,
    open: VecDeque<(String, Usage)>,
    /// What the last result said, which counts more.
    total: Option<Usage>,
    result: Option<ResultFacts>,
    /// Whether nothing came behind the last result that begins another turn.
    over: bool,
    /// The client's own word for the failure of its last request, where that failed.
    error_kind: String,
    limit_rejected: bool,
    limit_resets_at: Option<Timestamp>,
    phases: BTreeSet<Phase>,
    no_change: Option<String>,
    last_text: String,
    last_plain: String,
    /// Assistant messages of the main conversation: the turns of a step that left no result.
    turns: u32,
    last_message: String,
}

/// Where the line is a result: its whole text, or none where it is one of a failure.
pub(crate) fn result_of(line: &[u8]) -> Option<Option<String>> {
    read::<Line>(line).filter(|parsed| parsed.kind == "result")?;
    let result = read::<ResultLine>(line)?;
    Some((!result.is_error).then(|| result.text()))
}

impl Parser {
    pub(crate) fn over(&self) -> bool {
        self.over
    }

    pub(crate) fn line(&mut self, line: &[u8]) -> Vec<AgentEvent> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Vec::new();
        }
        let Some(parsed) = read::<Line>(line) else {
            let text = String::from_utf8_lossy(&line[..line.len().min(4 * DETAIL)]);
            if !text.trim_start().starts_with('{') {
                self.last_plain = one_line(&text, DETAIL);
            }
            return vec![AgentEvent::Unknown];
        };
        match (parsed.kind.as_str(), parsed.subtype.as_str()) {
            ("result", _) => self.over = true,
            // The end of a background command is told behind the result, and begins nothing.
            ("system", "init") | ("assistant" | "user" | "stream_event", _) => self.over = false,
            _ => {}
        }
        match (parsed.kind.as_str(), parsed.subtype.as_str()) {
            ("system", "init") => vec![AgentEvent::SessionStarted {
                session: parsed.session_id.map(SessionId::new),
                model: parsed.model,
                version: parsed.claude_code_version,
            }],
            ("system", "api_retry") => vec![AgentEvent::Retry {
                attempt: parsed.attempt.unwrap_or_default(),
                max: parsed.max_retries.unwrap_or_default(),
                delay: Millis(parsed.retry_delay_ms.unwrap_or_default() as u64),
                error: retry_error(parsed.error_status, parsed.error.as_ref()),
            }],
            ("assistant", _) => self.assistant(parsed),
            ("user", _) => tool_results(&parsed),
            ("rate_limit_event", _) => self.rate_limit(parsed.rate_limit_info.unwrap_or_default()),
            // What cannot be read to its end has said nothing: least of all that all went well.
            ("result", _) => match read(line) {
                Some(result) => self.result(&result, &parsed.subtype),
                None => vec![AgentEvent::Unknown],
            },
            // Deltas of messages that come whole a moment later.
            ("stream_event", _) => Vec::new(),
            _ => vec![AgentEvent::Unknown],
        }
    }

    /// The result's word where there is one; it does not count what came behind it, which is next to nothing.
    pub(crate) fn usage(&self) -> Usage {
        self.total.unwrap_or(self.messages)
    }

    pub(crate) fn finish(
        self,
        exit: &StepExit,
        stopped: bool,
        stderr_tail: &str,
        ended_at: Timestamp,
    ) -> AgentEnd {
        let words = format!("{}\n{stderr_tail}", self.last_plain);
        let class = classify(&Evidence {
            exit,
            stopped,
            result: self.result.as_ref(),
            kind: &self.error_kind,
            limit_rejected: self.limit_rejected,
            limit_resets_at: self.limit_resets_at,
            words: &words,
            ended_at,
        });
        let detail = self.detail(&class, exit, stopped, stderr_tail);
        AgentEnd {
            detail,
            usage: self.usage(),
            turns: self.result.as_ref().map_or(self.turns, |result| result.turns),
            no_change: self.no_change,
            claimed_phases: self.phases.iter().map(|phase| phase.number()).collect(),
            class,
        }
    }

    fn assistant(&mut self, line: Line) -> Vec<AgentEvent> {
        let Some(message) = line.message else { return vec![AgentEvent::Unknown] };
        let own = line.parent_tool_use_id.is_none();
        // Claude Code speaks in the model's name where a request failed; that is no turn.
        let synthetic = message.model.as_deref() == Some("<synthetic>");
        if own {
            let kind = line.error.as_ref().and_then(serde_json::Value::as_str).filter(|_| synthetic);
            self.error_kind = one_line(kind.unwrap_or_default(), SUMMARY);
        }
        let id: String = message.id.unwrap_or_default().chars().take(WORD).collect();
        if own && !synthetic && id != self.last_message {
            self.turns = self.turns.saturating_add(1);
            self.last_message.clone_from(&id);
        }
        let mut events = Vec::new();
        for block in message.content.into_blocks() {
            match block.kind.as_str() {
                "text" => {
                    let text = block.text.unwrap_or_default();
                    if own && !synthetic {
                        self.claims(&text, &mut events);
                    }
                    if own {
                        self.last_text = one_line(&without_markers(&text), DETAIL);
                    }
                    events.push(AgentEvent::Text(text));
                }
                "tool_use" | "server_tool_use" => events.push(tool_use(block)),
                "thinking" | "redacted_thinking" => {}
                _ => events.push(AgentEvent::Unknown),
            }
        }
        if let Some(usage) = message.usage
            && self.count(&id, &usage)
        {
            events.push(AgentEvent::Usage(self.usage()));
        }
        events
    }

    /// Markers stand on lines of their own, in the agent's own words: what a tool printed or a sub-agent said claims
    /// nothing. Models like to set such lines in bold or as code.
    fn claims(&mut self, text: &str, events: &mut Vec<AgentEvent>) {
        for mark in text.lines().filter_map(mark) {
            match mark {
                Mark::Phase(phase) => {
                    self.phases.insert(phase);
                    events.push(AgentEvent::Phase(phase));
                }
                Mark::NoChange(reason) => {
                    self.no_change = Some(reason.clone());
                    events.push(AgentEvent::NoChange(reason));
                }
            }
        }
    }

    /// Adds what a message used beyond what its earlier lines said. Whether that is anything.
    fn count(&mut self, id: &str, usage: &LineUsage) -> bool {
        let now = usage.total();
        let at = match self.open.iter().position(|(open, _)| open == id) {
            Some(at) => at,
            None => {
                if self.open.len() == OPEN_MESSAGES {
                    self.open.pop_front();
                }
                self.open.push_back((id.to_owned(), Usage::default()));
                self.open.len() - 1
            }
        };
        let Some((_, known)) = self.open.get_mut(at) else { return false };
        let grown = Usage {
            input_tokens: now.input_tokens.saturating_sub(known.input_tokens),
            output_tokens: now.output_tokens.saturating_sub(known.output_tokens),
            cache_read_tokens: now.cache_read_tokens.saturating_sub(known.cache_read_tokens),
            cache_write_tokens: now.cache_write_tokens.saturating_sub(known.cache_write_tokens),
            cost_microusd: 0,
        };
        add(known, &grown);
        add(&mut self.messages, &grown);
        grown.tokens() > 0
    }

    fn rate_limit(&mut self, info: RateLimitInfo) -> Vec<AgentEvent> {
        let resets_at = info.resets_at();
        // Somebody who pays for more than their limit goes on.
        self.limit_rejected = info.status == "rejected" && !info.is_using_overage;
        self.limit_resets_at = if self.limit_rejected { resets_at } else { None };
        vec![AgentEvent::RateLimit { status: info.status, limit: info.limit_type, resets_at }]
    }

    fn result(&mut self, line: &ResultLine, subtype: &str) -> Vec<AgentEvent> {
        self.total = line.usage_total(&self.messages);
        let turns = u32::try_from(line.num_turns).unwrap_or(u32::MAX);
        let shown = one_line(&without_markers(&line.text()), 4 * DETAIL);
        let facts = ResultFacts {
            subtype: subtype.chars().take(WORD).collect(),
            is_error: line.is_error,
            api_error_status: line.api_error_status,
            turns,
            text: shown.clone(),
        };
        self.result = Some(facts);
        vec![
            AgentEvent::Usage(self.usage()),
            AgentEvent::Result { is_error: line.is_error, text: shown, turns },
        ]
    }

    fn detail(&self, class: &EndClass, exit: &StepExit, stopped: bool, stderr: &str) -> String {
        let said = self.result.as_ref().map(|result| result.text.as_str()).filter(|text| !text.is_empty());
        let ended = exit.describe();
        // The tail may hold the end of the stream, which is no words.
        let is_words = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('{');
        let last_line = stderr.lines().rev().find(is_words).unwrap_or_default();
        let words = said
            .or_else(|| Some(self.last_plain.as_str()).filter(|text| !text.is_empty()))
            .or_else(|| Some(last_line).filter(|text| !text.is_empty()))
            .unwrap_or(&self.last_text);
        let text = match class {
            EndClass::Done => words.to_owned(),
            _ if stopped && self.result.is_none() => format!("stopped ({ended})"),
            EndClass::MaxTurns => format!("its turns were used up; {}", self.last_text),
            EndClass::Budget => format!("its budget was spent; {}", self.last_text),
            EndClass::Silent => format!("{ended}, and no result; {words}"),
            _ => match exit {
                StepExit::Code(_) if said.is_some() => words.to_owned(),
                _ => format!("{ended}; {words}"),
            },
        };
        one_line(text.trim_end_matches([';', ' ']), DETAIL)
    }
}

/// What a line of an agent's words reports.
pub(crate) enum Mark {
    /// It has reached a phase.
    Phase(Phase),
    /// Nothing needs changing, and why.
    NoChange(String),
}

/// The report that a line is, where it is one.
pub(crate) fn mark(line: &str) -> Option<Mark> {
    let line = line.trim().trim_matches(['*', '`']).trim();
    if let Some(number) = line.strip_prefix("GADUGI-PHASE:") {
        let number = number.trim().trim_matches(['*', '`']).trim();
        return number.parse().ok().and_then(Phase::from_number).map(Mark::Phase);
    }
    let reason = line.strip_prefix("GADUGI-NO-CHANGE:")?;
    let reason = one_line(reason.trim().trim_matches(['*', '`']), DETAIL);
    (!reason.is_empty()).then_some(Mark::NoChange(reason))
}

/// What an agent said beside its reports, where that is anything.
pub(crate) fn without_markers(text: &str) -> String {
    let marker = |line: &&str| line.trim().trim_start_matches(['*', '`']).starts_with("GADUGI-");
    let words = text.lines().filter(|line| !marker(line)).collect::<Vec<_>>().join("\n");
    if words.trim().is_empty() { text.to_owned() } else { words }
}

pub(crate) fn retry_error(status: Option<u64>, error: Option<&serde_json::Value>) -> String {
    let error = match error {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let text = status.map_or_else(|| error.clone(), |status| format!("{status} {error}"));
    one_line(&text, SUMMARY)
}

fn tool_results(line: &Line) -> Vec<AgentEvent> {
    let Some(message) = &line.message else { return vec![AgentEvent::Unknown] };
    let Content::Blocks(blocks) = &message.content else { return Vec::new() };
    blocks
        .iter()
        .filter(|block| block.kind == "tool_result")
        .map(|block| AgentEvent::ToolResult { is_error: block.is_error.unwrap_or(false) })
        .collect()
}

fn tool_use(block: Block) -> AgentEvent {
    let name = block.name.unwrap_or_else(|| "tool".into());
    let input = block.input.unwrap_or_default();
    let about = ABOUT.iter().find_map(|key| input.get(key)?.as_str()).unwrap_or_default();
    let summary = one_line(&format!("{name} {about}"), SUMMARY);
    AgentEvent::ToolUse { name, summary }
}
