//! What the model says next, read out of the conversation.

use serde_json::Value;

use super::fault::Scripted;

/// One turn of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its blocks, at least one.
    pub blocks: Vec<Block>,
}

/// One block of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Words.
    Text(String),
    /// A tool call.
    Tool {
        /// Unique in the conversation; holds the script line's number.
        id: String,
        /// The tool.
        name: String,
        /// Its input.
        input: Value,
    },
}

impl Answer {
    /// Whether the client is to run a tool and ask again.
    pub fn calls_tools(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Tool { .. }))
    }

    fn text(text: impl Into<String>) -> Self {
        Self { blocks: vec![Block::Text(text.into())] }
    }
}

const TOOL_ID: &str = "toolu_scripted_";

/// What the model says next, and which line of its script that is (none where the conversation has no script).
#[derive(Debug)]
pub(super) struct Next {
    pub(super) answer: Answer,
    pub(super) line: Option<usize>,
    /// The fault that the line asks for.
    pub(super) fault: Option<Scripted>,
}

/// The answer to a request of the Messages API.
pub(super) fn next(request: &Value) -> Next {
    let Some(script) = find(request) else {
        return Next { answer: Answer::text("ok"), line: None, fault: None };
    };
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim().is_empty()).collect();
    let cwd = working_directory(request).unwrap_or_default();
    let parse = |at: usize| turn(at, lines[at], &cwd);
    let mut next = 0;
    for message in request["messages"].as_array().into_iter().flatten() {
        if message["role"] != "assistant" {
            continue;
        }
        if let Some(line) = line_of_tool(&message["content"]) {
            next = line + 1;
        } else if next < lines.len()
            && parse(next).is_ok_and(|answer| says(&answer, &text_of(&message["content"])))
        {
            // The client can have put in messages of its own; only what the script says counts.
            next += 1;
        }
    }
    let amiss = |error: String| Answer::text(format!("model script, line {}: {error}", next + 1));
    let line = Some(next);
    if next >= lines.len() {
        return Next { answer: Answer::text("done"), line, fault: None };
    }
    match fault_of(lines[next]) {
        Ok(fault) => Next { answer: parse(next).unwrap_or_else(amiss), line, fault },
        Err(error) => Next { answer: amiss(error), line, fault: None },
    }
}

/// The fault that a line asks for, in its only or its first block.
fn fault_of(line: &str) -> Result<Option<Scripted>, String> {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let first = if value.is_array() { &value[0] } else { &value };
    match first.get("fault") {
        None => Ok(None),
        Some(fault) => {
            serde_json::from_value(fault.clone()).map(Some).map_err(|error| format!("`fault`: {error}"))
        }
    }
}

/// Whether a request belongs to a scripted conversation.
pub(super) fn has_script(request: &Value) -> bool {
    find(request).is_some()
}

/// The texts of all user messages.
pub(super) fn user_texts(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().into_iter().flatten();
    messages
        .filter(|message| message["role"] == "user")
        .flat_map(|message| match &message["content"] {
            Value::String(text) => vec![text.clone()],
            Value::Array(blocks) => {
                blocks.iter().filter_map(|b| Some(b["text"].as_str()?.to_owned())).collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

/// A string, or the texts of a list of blocks.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn find(request: &Value) -> Option<String> {
    user_texts(request).iter().find_map(|text| fenced(text))
}

/// The lines of the first fenced block that is marked `model`.
fn fenced(text: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find(|line| line.trim() == "```model")?;
    let inside: Vec<_> = lines.take_while(|line| line.trim() != "```").collect();
    Some(inside.join("\n"))
}

/// The script line that a turn with a tool call came from.
fn line_of_tool(content: &Value) -> Option<usize> {
    content.as_array()?.iter().find_map(|block| {
        let rest = block["id"].as_str()?.strip_prefix(TOOL_ID)?;
        rest.split('_').next()?.parse().ok()
    })
}

fn says(answer: &Answer, text: &str) -> bool {
    answer.blocks.iter().all(|block| match block {
        Block::Text(words) => text.contains(words.trim()),
        Block::Tool { .. } => false,
    })
}

fn turn(at: usize, line: &str, cwd: &str) -> Result<Answer, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let list = match value {
        Value::Array(list) if !list.is_empty() => list,
        value => vec![value],
    };
    let blocks = list.into_iter().enumerate().map(|(number, mut value)| {
        fill_in(&mut value, cwd);
        if let Some(text) = value["text"].as_str() {
            return Ok(Block::Text(text.to_owned()));
        }
        let name = value["tool"].as_str().ok_or("neither `text` nor `tool`")?.to_owned();
        Ok(Block::Tool { id: format!("{TOOL_ID}{at:04}_{number:02}"), name, input: value["input"].take() })
    });
    Ok(Answer { blocks: blocks.collect::<Result<_, String>>()? })
}

fn fill_in(value: &mut Value, cwd: &str) {
    match value {
        Value::String(text) if text.contains("$CWD") => *text = text.replace("$CWD", cwd),
        Value::Array(list) => list.iter_mut().for_each(|value| fill_in(value, cwd)),
        Value::Object(map) => map.values_mut().for_each(|value| fill_in(value, cwd)),
        _ => {}
    }
}

/// Where the client works: Claude Code's own system prompt has a line `… working directory: PATH`; an agent's body that
/// replaces it has none, but gadugi's header has `- Workspace: PATH (…)`.
fn working_directory(request: &Value) -> Option<String> {
    let texts = std::iter::once(text_of(&request["system"])).chain(user_texts(request));
    texts.into_iter().find_map(|text| {
        text.lines().find_map(|line| {
            let (label, path) = line.split_once(": ")?;
            let path = path.split(" (").next()?.trim();
            let label = label.to_lowercase();
            let names = label.ends_with("working directory") || label == "- workspace";
            (names && path.starts_with('/')).then(|| path.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(request: &Value) -> Answer {
        next(request).answer
    }

    const SCRIPT: &str = "Words\n```model\n{\"tool\":\"Bash\",\"input\":{\"command\":\"ls $CWD\"}}\n\n\
        {\"text\":\"half\"}\n[{\"text\":\"a\"},{\"tool\":\"Bash\",\"input\":{}}]\nbroken\n```\n";

    fn request(turns: &[Value]) -> Value {
        let mut messages = vec![json!({"role": "user", "content": [
            {"type": "text", "text": "reminder"}, {"type": "text", "text": SCRIPT}]})];
        for turn in turns {
            messages.push(json!({"role": "assistant", "content": turn}));
            messages.push(json!({"role": "user", "content": "next"}));
        }
        json!({"system": [{"type": "text", "text": "x\n - Primary working directory: /w/t\n"}], "messages": messages})
    }

    fn tool(line: usize, number: usize, input: Value) -> Block {
        Block::Tool { id: format!("toolu_scripted_{line:04}_{number:02}"), name: "Bash".into(), input }
    }

    #[test]
    fn the_conversation_says_which_line_is_next() {
        let first =
            json!([{"type": "tool_use", "id": "toolu_scripted_0000_00", "name": "Bash", "input": {}}]);
        let half = json!([{"type": "text", "text": "half"}]);
        let third =
            json!([{"type": "text", "text": "a"}, {"type": "tool_use", "id": "toolu_scripted_0002_01"}]);
        assert_eq!(answer(&request(&[])).blocks, [tool(0, 0, json!({"command": "ls /w/t"}))]);
        assert_eq!(answer(&request(std::slice::from_ref(&first))), Answer::text("half"));
        let blocks = answer(&request(&[first.clone(), half.clone()])).blocks;
        assert_eq!(blocks, [Block::Text("a".into()), tool(2, 1, json!({}))]);
        let broken = answer(&request(&[first, half, third]));
        assert!(
            matches!(&broken.blocks[..], [Block::Text(text)] if text.starts_with("model script, line 4:"))
        );
    }

    #[test]
    fn what_the_client_put_in_itself_does_not_count() {
        let own = json!([{"type": "text", "text": "No response requested."}]);
        assert_eq!(answer(&request(std::slice::from_ref(&own))), answer(&request(&[])));
        let first =
            json!([{"type": "tool_use", "id": "toolu_scripted_0000_00", "name": "Bash", "input": {}}]);
        assert_eq!(answer(&request(&[first, own])), Answer::text("half"));
    }

    #[test]
    fn a_line_may_ask_for_a_fault() {
        let ask = |line: &str| {
            next(&json!({"messages": [{"role": "user", "content": format!("```model\n{line}\n```")}]}))
        };
        let asked = ask(r#"[{"text": "a", "fault": {"kind": "silent"}}, {"text": "b"}]"#);
        assert!(asked.fault.is_some() && asked.answer.blocks.len() == 2 && asked.line == Some(0));
        let amiss = ask(r#"{"text": "a", "fault": {"kind": "nonsense"}}"#);
        assert!(amiss.fault.is_none(), "{amiss:?}");
        assert!(matches!(&amiss.answer.blocks[..], [Block::Text(text)] if text.contains("`fault`")));
    }

    #[test]
    fn a_conversation_without_a_script_gets_a_short_text() {
        assert_eq!(
            answer(&json!({"messages": [{"role": "user", "content": "a title please"}]})),
            Answer::text("ok")
        );
        assert_eq!(answer(&Value::Null), Answer::text("ok"));
    }
}
