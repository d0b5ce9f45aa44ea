//! What the gateway says itself, in the API's own shapes.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// What can go wrong with a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body, wherever it comes from.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
/// An answer.
pub(crate) type Answer = Response<Body>;

/// Says whether Claude Code, and the vendor's libraries, try again.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Whether the client should try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    No,
    Yes,
}

/// An error in the API's shape.
pub(crate) fn error(status: StatusCode, kind: &str, message: &str, retry: Retry) -> Answer {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    let mut answer = full(status, body.to_string());
    let retry = if retry == Retry::Yes { "true" } else { "false" };
    answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static(retry));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Any text.
pub(crate) fn full(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// For tools that speak to a proxy.
pub(crate) fn plain(status: StatusCode, message: &str) -> Answer {
    let mut answer = full(status, format!("{message}\n"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// No such token.
pub(crate) fn unauthorized() -> Answer {
    error(StatusCode::UNAUTHORIZED, "authentication_error", "invalid x-api-key", Retry::No)
}

/// Headers that are between two neighbours and go no further, besides those that `connection` names.
pub(crate) const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Takes off what goes no further.
pub(crate) fn without_hops(headers: &mut hyper::HeaderMap) {
    let values = headers.get_all("connection").into_iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in named {
        headers.remove(name);
    }
}
