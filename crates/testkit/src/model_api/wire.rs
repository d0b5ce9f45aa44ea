//! The Messages API's own shapes.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::USAGE_PER_TURN;
use super::script::{Answer, Block};

/// An answer as one object.
pub(super) fn whole(id: &str, request: &Value, answer: &Answer) -> Response {
    let mut message = opening(id, request);
    message["content"] = answer.blocks.iter().map(content).collect();
    message["stop_reason"] = stop_reason(answer).into();
    message["usage"] = usage(USAGE_PER_TURN.output_tokens);
    json(StatusCode::OK, &message)
}

/// An answer as server-sent events.
pub(super) fn stream(id: &str, request: &Value, answer: &Answer) -> Response {
    let mut text = String::new();
    let mut event = |data: Value| {
        let name = data["type"].as_str().unwrap_or_default();
        text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    };
    event(json!({"type": "message_start", "message": opening(id, request)}));
    event(json!({"type": "ping"}));
    for (index, block) in answer.blocks.iter().enumerate() {
        let (start, delta) = match block {
            Block::Text(text) => {
                (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}))
            }
            Block::Tool { id, name, input } => (
                json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                json!({"type": "input_json_delta", "partial_json": input.to_string()}),
            ),
        };
        event(json!({"type": "content_block_start", "index": index, "content_block": start}));
        event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        event(json!({"type": "content_block_stop", "index": index}));
    }
    event(json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": usage(USAGE_PER_TURN.output_tokens),
    }));
    event(json!({"type": "message_stop"}));
    respond(StatusCode::OK, "text/event-stream", text)
}

/// Any JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    respond(status, "application/json", value.to_string())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A message before its first block: one token is written so far.
fn opening(id: &str, request: &Value) -> Value {
    json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(1),
    })
}

fn content(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Tool { id, name, input } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    if answer.calls_tools() { "tool_use" } else { "end_turn" }
}

fn usage(output_tokens: u64) -> Value {
    json!({
        "input_tokens": USAGE_PER_TURN.input_tokens,
        "output_tokens": output_tokens,
        "cache_read_input_tokens": USAGE_PER_TURN.cache_read_tokens,
        "cache_creation_input_tokens": USAGE_PER_TURN.cache_write_tokens,
    })
}
