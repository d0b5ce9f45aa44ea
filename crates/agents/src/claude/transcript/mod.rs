//! Claude Code's `stream-json` as entries: what each kind of line says.
//!
//! Shapes are those of version 2.1.197, as its lines in `fixtures/claude/` and its own `sdk-tools.d.ts` have them; tools of older
//! versions (`MultiEdit`, `TodoWrite`) are known, too.

mod tools;

use gadugi_core::{Millis, Timestamp, Usage};
use gadugi_sys::clock;
use serde_json::value::RawValue;

use super::parser::{Mark, SUMMARY, add, mark, mended, retry_error, sane, without_markers};
use crate::event::one_line;
use crate::transcript::{Entry, Final, LONGEST_LINE, MOST, Object, Outcome, Said, pretty, raw, strings};

/// What one line says.
pub(crate) fn entries(line: &[u8]) -> Vec<Entry> {
    let mend;
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(_) => {
            mend = mended(line);
            &mend
        }
    };
    let mut said =
        Object::read(text).and_then(|parsed| Reader::new(&parsed).line()).unwrap_or_else(|| vec![raw(line)]);
    said.truncate(MOST);
    said
}

/// Reads one line.
struct Reader<'a> {
    line: &'a Object<'a>,
    at: Option<Timestamp>,
    parent: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(line: &'a Object<'a>) -> Self {
        let at = line.text("timestamp").as_deref().and_then(clock::parse_rfc3339);
        Self { line, at, parent: line.text("parent_tool_use_id") }
    }

    /// None where the line is of no kind that is known.
    fn line(&self) -> Option<Vec<Entry>> {
        let subtype = self.line.text("subtype").unwrap_or_default();
        match self.line.text("type")?.as_str() {
            "assistant" => self.assistant(),
            "user" => self.user(),
            "system" => self.system(&subtype).map(|said| vec![self.entry(said)]),
            "rate_limit_event" => Some(vec![self.entry(rate_limit(&self.line.object("rate_limit_info")?))]),
            "result" => Some(vec![self.entry(Said::Final(last_word(self.line, &subtype)))]),
            // Deltas of messages that come whole a moment later.
            "stream_event" => Some(Vec::new()),
            _ => None,
        }
    }

    fn entry(&self, said: Said) -> Entry {
        Entry { at: self.at, parent: self.parent.clone(), said }
    }

    fn assistant(&self) -> Option<Vec<Entry>> {
        let message = self.line.object("message")?;
        // Claude Code speaks in the model's name where a request failed; that is no turn.
        let synthetic = message.text("model").as_deref() == Some("<synthetic>");
        let mut said = Vec::new();
        for block in blocks(&message)? {
            match block {
                Block::Text(text) if synthetic => said.push(self.synthetic(text)),
                Block::Text(text) if self.parent.is_none() => reports(&text, &mut said),
                Block::Text(text) => said.push(Said::Text(text)),
                Block::Other(kind, block, whole) => said.push(assistant_block(&kind, &block, whole)),
            }
        }
        Some(said.into_iter().map(|said| self.entry(said)).collect())
    }

    fn synthetic(&self, text: String) -> Said {
        match self.line.text("error") {
            Some(error) => Said::Error { title: one_line(&error, SUMMARY), text: Some(text) },
            None => Said::Note { title: "Claude Code".into(), text: Some(text), about: None },
        }
    }

    fn user(&self) -> Option<Vec<Entry>> {
        let message = self.line.object("message")?;
        // What a tool gave stands beside the message, which holds one result then.
        let mut structured = self.line.raw("tool_use_result");
        let mut said = Vec::new();
        for block in blocks(&message)? {
            said.push(match block {
                Block::Text(text) => {
                    let title = if self.parent.is_some() { "asked" } else { "told" };
                    Said::Note { title: title.into(), text: Some(text), about: None }
                }
                Block::Other(kind, block, _) if kind == "tool_result" => {
                    Said::Outcome(outcome(&block, structured.take()))
                }
                Block::Other(kind, _, whole) => unknown_block(&kind, whole),
            });
        }
        Some(said.into_iter().map(|said| self.entry(said)).collect())
    }

    fn system(&self, subtype: &str) -> Option<Said> {
        let line = self.line;
        let word = |name: &str| line.text(name).unwrap_or_default();
        let note = |title: String| Said::Note {
            title: one_line(&title, SUMMARY),
            text: None,
            about: line.text("tool_use_id"),
        };
        Some(match subtype {
            "init" => note(format!(
                "session {}, model {}, version {}",
                word("session_id"),
                word("model"),
                word("claude_code_version")
            )),
            "api_retry" => Said::Error { title: self.retry(), text: None },
            "task_started" => note(format!("began: {} {}", word("subagent_type"), word("description"))),
            "task_progress" => note(format!("goes on: {} {}", word("description"), word("last_tool_name"))),
            "task_updated" => {
                let status = line.object("patch").and_then(|patch| patch.text("status")).unwrap_or_default();
                note(format!("background task {} {status}", word("task_id")))
            }
            "task_notification" => note(format!("{}: {}", word("status"), word("summary"))),
            "compact_boundary" => note("the conversation was made shorter".into()),
            "status" => note(format!("status {}", word("status"))),
            _ => return None,
        })
    }

    fn retry(&self) -> String {
        let line = self.line;
        // Read as a value where it is short: one of millions of parts takes far more memory than the line.
        let error = line.raw("error").filter(|error| error.get().len() <= 1 << 16);
        let error = error.and_then(|error| serde_json::from_str(error.get()).ok());
        let whole = |name: &str| line.whole(name).unwrap_or_default();
        let seconds = line.number("retry_delay_ms").unwrap_or_default() / 1e3;
        let error = retry_error(line.whole("error_status"), error.as_ref());
        let title =
            format!("retry {} of {} in {seconds:.1} s: {error}", whole("attempt"), whole("max_retries"));
        one_line(&title, SUMMARY)
    }
}

/// A block of a message.
enum Block<'a> {
    Text(String),
    /// Its kind, its fields, all of it.
    Other(String, Object<'a>, &'a RawValue),
}

/// The blocks of a message; plain text is one.
fn blocks<'a>(message: &Object<'a>) -> Option<Vec<Block<'a>>> {
    if let Some(text) = message.text("content") {
        return Some(vec![Block::Text(text)]);
    }
    let list = message.list("content").unwrap_or_default();
    let block = |whole: &'a RawValue| {
        let fields = Object::read(whole.get()).unwrap_or_default();
        let kind = fields.text("type").unwrap_or_default();
        match fields.text("text") {
            Some(text) if kind == "text" => Block::Text(text),
            _ => Block::Other(kind, fields, whole),
        }
    };
    Some(list.into_iter().map(block).collect())
}

fn assistant_block(kind: &str, block: &Object<'_>, whole: &RawValue) -> Said {
    match kind {
        "thinking" => Said::Thinking(block.text("thinking").unwrap_or_default()),
        "redacted_thinking" => Said::Note { title: "thinking, not shown".into(), text: None, about: None },
        "tool_use" | "server_tool_use" | "mcp_tool_use" => tools::call(block),
        // Of tools that the model's vendor runs.
        _ if kind.ends_with("_tool_result") => Said::Outcome(outcome(block, None)),
        _ => unknown_block(kind, whole),
    }
}

fn unknown_block(kind: &str, whole: &RawValue) -> Said {
    match kind {
        "image" | "document" => Said::Note { title: format!("[{kind}]"), text: None, about: None },
        _ => Said::Raw(whole.get().to_owned()),
    }
}

/// Words of the agent itself: what it reports to gadugi stands apart, in its place among them.
fn reports(text: &str, said: &mut Vec<Said>) {
    let mut words = String::new();
    let take = |words: &mut String, said: &mut Vec<Said>| {
        let between = std::mem::take(words);
        if !between.trim().is_empty() {
            said.push(Said::Text(between.trim_matches('\n').to_owned()));
        }
    };
    for line in text.split_inclusive('\n') {
        match mark(line).filter(|_| said.len() < MOST) {
            Some(report) => {
                take(&mut words, said);
                said.push(match report {
                    Mark::Phase(phase) => Said::Phase(phase),
                    Mark::NoChange(reason) => Said::NoChange(reason),
                });
            }
            None => words.push_str(line),
        }
    }
    take(&mut words, said);
}

/// What a tool's use came to. `structured`: what Claude Code tells beside the words.
fn outcome(block: &Object<'_>, structured: Option<&RawValue>) -> Outcome {
    let mut outcome = Outcome {
        id: block.text("tool_use_id").unwrap_or_default(),
        text: block.text("content").unwrap_or_else(|| result_text(block)),
        is_error: block.flag("is_error"),
        ..Outcome::default()
    };
    // A string says the same words again.
    if let Some((whole, fields)) = structured.and_then(|whole| Some((whole, Object::read(whole.get())?))) {
        outcome.edit = tools::written(&fields);
        outcome.todo = tools::listed(&fields);
        outcome.named = tools::named(&fields);
        outcome.structured = Some(pretty(whole.get(), LONGEST_LINE));
    }
    outcome
}

/// The words of a result that is a list of blocks.
fn result_text(block: &Object<'_>) -> String {
    let mut parts = Vec::new();
    for part in block.objects("content").unwrap_or_default() {
        parts.push(match part.text("type").as_deref() {
            Some("text") => part.text("text").unwrap_or_default(),
            Some(kind) => format!("[{}]", one_line(kind, SUMMARY)),
            None => continue,
        });
    }
    parts.join("\n")
}

fn rate_limit(info: &Object<'_>) -> Said {
    let status = info.text("status").unwrap_or_default();
    let resets_at = info.number("resetsAt").map(|seconds| Timestamp((seconds * 1e3) as i64));
    let until = resets_at.map(|at| format!(", until {}", clock::rfc3339(at))).unwrap_or_default();
    let limit = info.text("rateLimitType").unwrap_or_default();
    let title = one_line(&format!("rate limit {limit}: {status}{until}"), SUMMARY);
    // Somebody who pays for more than their limit goes on.
    if status == "rejected" && !info.flag("isUsingOverage") {
        Said::Error { title, text: None }
    } else {
        Said::Note { title, text: None, about: None }
    }
}

/// The last word. Errors carry `errors` where successes carry `result`.
fn last_word(line: &Object<'_>, subtype: &str) -> Final {
    let errors = || strings(line.list("errors").unwrap_or_default()).join("; ");
    let text = line.text("result").unwrap_or_else(errors);
    Final {
        is_error: line.flag("is_error"),
        word: one_line(subtype, SUMMARY),
        text: without_markers(&text).trim_matches('\n').to_owned(),
        turns: line.whole("num_turns").unwrap_or_default(),
        took: Millis(line.whole("duration_ms").unwrap_or_default()),
        usage: used(line),
    }
}

/// All models of the process together where they are named (side calls count), else the main conversation.
fn used(line: &Object<'_>) -> Usage {
    let tokens = |of: &Object<'_>, names: [&str; 4]| {
        let [input, output, read, write] = names.map(|name| sane(of.whole(name).unwrap_or_default()));
        Usage {
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: read,
            cache_write_tokens: write,
            cost_microusd: 0,
        }
    };
    let mut total = Usage::default();
    for model in line.object("modelUsage").iter().flat_map(Object::objects_within) {
        let names = ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"];
        add(&mut total, &tokens(&model, names));
    }
    if total.tokens() == 0 {
        let names =
            ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
        total = line.object("usage").map(|usage| tokens(&usage, names)).unwrap_or_default();
    }
    // A float cast saturates: nonsense becomes 0 or the largest number.
    total.cost_microusd = sane((line.number("total_cost_usd").unwrap_or_default() * 1e6).round() as u64);
    total
}
