//! What the scripted agent says: Claude Code's `stream-json`, one object a line.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::actions::Ending;

pub(super) struct Voice<'a> {
    out: &'a mut dyn Write,
    session: String,
    model: String,
    messages: u64,
    turns: u64,
    input: u64,
    output: u64,
    usd: f64,
    last: String,
}

impl<'a> Voice<'a> {
    pub(super) fn new(out: &'a mut dyn Write, session: &str, model: &str) -> Self {
        Self {
            out,
            session: session.to_owned(),
            model: model.to_owned(),
            messages: 0,
            turns: 0,
            input: 0,
            output: 0,
            usd: 0.0,
            last: String::new(),
        }
    }

    /// The output itself, for lines that are none.
    pub(super) fn raw(&mut self) -> &mut dyn Write {
        self.out
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.line(&json!({
            "type": "system",
            "subtype": "init",
            "session_id": self.session,
            "model": self.model,
            "claude_code_version": concat!("scripted ", env!("CARGO_PKG_VERSION")),
        }))
    }

    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        text.clone_into(&mut self.last);
        self.assistant(&json!([{"type": "text", "text": text}]), 0, 0)
    }

    /// A tool call and what came of it.
    pub(super) fn tool(
        &mut self,
        name: &str,
        input: &Value,
        result: &Result<String, String>,
    ) -> io::Result<()> {
        let id = format!("toolu_scripted_{}", self.messages);
        self.assistant(&json!([{"type": "tool_use", "id": id, "name": name, "input": input}]), 0, 0)?;
        let (text, is_error) = match result {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        self.line(&json!({
            "type": "user",
            "message": {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error}
            ]},
            "parent_tool_use_id": null,
            "session_id": self.session,
        }))
    }

    pub(super) fn use_up(&mut self, input: u64, output: u64, usd: f64) -> io::Result<()> {
        self.input = self.input.saturating_add(input);
        self.output = self.output.saturating_add(output);
        self.usd += usd;
        self.assistant(&json!([]), input, output)
    }

    /// An account's limit that is reached.
    pub(super) fn limit(&mut self, resets_at: i64) -> io::Result<()> {
        self.line(&json!({
            "type": "rate_limit_event",
            "rate_limit_info": {"status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour"},
            "session_id": self.session,
        }))
    }

    /// The last word, and the exit code.
    pub(super) fn end(&mut self, ending: &Ending) -> io::Result<i32> {
        let (subtype, status, text, code) = match ending {
            Ending::Exit(code) => {
                self.out.flush()?;
                return Ok(*code);
            }
            Ending::Done => ("success", None, self.last.clone(), 0),
            Ending::Failed(text) => ("success", None, text.clone(), 1),
            Ending::Api(status, text) => ("success", Some(*status), text.clone(), 1),
            Ending::MaxTurns => ("error_max_turns", None, "Reached maximum number of turns".into(), 1),
        };
        let mut result = json!({
            "type": "result",
            "subtype": subtype,
            "is_error": code != 0,
            "api_error_status": status,
            "num_turns": self.turns,
            "session_id": self.session,
            "total_cost_usd": self.usd,
            "usage": {"input_tokens": self.input, "output_tokens": self.output},
        });
        if subtype == "success" {
            result["result"] = text.into();
        } else {
            result["errors"] = json!([text]);
        }
        self.line(&result)?;
        Ok(code)
    }

    fn assistant(&mut self, content: &Value, input: u64, output: u64) -> io::Result<()> {
        self.turns += 1;
        self.messages += 1;
        self.line(&json!({
            "type": "assistant",
            "message": {
                "id": format!("msg_scripted_{}", self.messages),
                "role": "assistant",
                "model": self.model,
                "content": content,
                "usage": {"input_tokens": input, "output_tokens": output},
            },
            "parent_tool_use_id": null,
            "session_id": self.session,
        }))
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}
