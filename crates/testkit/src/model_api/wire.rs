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

/// An answer as server-sent events, each with its empty line.
pub(super) fn events(id: &str, request: &Value, answer: &Answer) -> Vec<String> {
    let mut events = vec![
        event(&json!({"type": "message_start", "message": opening(id, request)})),
        event(&json!({"type": "ping"})),
    ];
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
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": start})));
        events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        events.push(event(&json!({"type": "content_block_stop", "index": index})));
    }
    events.push(event(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": usage(USAGE_PER_TURN.output_tokens),
    })));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// Events as the body of an answer.
pub(super) fn stream(body: Body) -> Response {
    respond(StatusCode::OK, "text/event-stream", body)
}

/// An error within a stream.
pub(super) fn overloaded_event() -> String {
    event(&error("overloaded_error", "Overloaded"))
}

/// An error's body.
fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

/// A refusal, as the API words it for that status.
pub(super) fn refusal(status: u16, retry_after: Option<u32>, message: Option<&str>) -> Response {
    let (kind, usual) = match status {
        400 => ("invalid_request_error", "messages: nothing of this kind"),
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: no-such-model"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed your organization's rate limit"),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, &error(kind, message.unwrap_or(usual)));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The refusal of a subscription whose limit is reached, lifted at that second since 1970.
pub(super) fn limit_reached(resets_at: i64) -> Response {
    let mut response = refusal(429, None, Some("This request would exceed your account's rate limit."));
    let said = [
        ("status", "rejected".to_owned()),
        ("reset", resets_at.to_string()),
        ("representative-claim", "five_hour".to_owned()),
    ];
    for (name, value) in said {
        let name = header::HeaderName::from_bytes(format!("anthropic-ratelimit-unified-{name}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, header::HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Any JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    respond(status, "application/json", Body::from(value.to_string()))
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
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
