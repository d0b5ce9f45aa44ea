//! Errors as whoever asks over HTTP sees them: a status, and a JSON object with a stable `code`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gadugi_engine::protocol::Failure;

use crate::wire;

/// Why a request is not granted: `{code, message, hint?}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// 400, 401, 403, 404, 405, 408, 409, 413, 415, 500 or 503.
    pub(crate) status: StatusCode,
    /// Stable: that of the engine's [`Failure`], or one of this crate's own: `no-token`, `foreign-host`, `foreign-origin`,
    /// `unknown-path`, `unknown-attempt`, `unknown-step`, `unknown-entry`, `unreadable`, `method`, `bad-request`, `ambiguous-task`,
    /// `body-too-large`, `body-too-slow`, `media-type`, `no-upgrade`, `too-many`, `metrics`.
    pub(crate) code: String,
    /// One line for people.
    pub(crate) message: String,
    /// What mends it, where something does.
    pub(crate) hint: Option<String>,
}

impl ApiError {
    /// One without a hint.
    pub(crate) fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), hint: None }
    }

    /// The same with what mends it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// 500: what could not be done is no fault of who asked.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", message)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let status = status_of(&failure.code);
        Self { status, code: failure.code, message: failure.message, hint: failure.hint }
    }
}

/// What the engine's word for a failure is in HTTP.
fn status_of(code: &str) -> StatusCode {
    match code {
        "unknown-run" | "no-runs" | "unknown-task" | "not-begun" | "records-gone" => StatusCode::NOT_FOUND,
        "bad-request" | "bad-plan" | "ambiguous-task" => StatusCode::BAD_REQUEST,
        "run-over" | "not-paused" | "not-retryable" | "run-exists" | "nothing-to-land" | "land-refused"
        | "busy" => StatusCode::CONFLICT,
        "leaving" | "store-full" | "store-locked" | "store-unwritable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = wire::Failure { code: self.code, message: self.message, hint: self.hint };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_refuses_has_a_status_of_its_own() {
        let of = |code: &str| {
            let failure = Failure { code: code.into(), message: "no".into(), hint: None };
            ApiError::from(failure).status.as_u16()
        };
        let words = ["unknown-task", "bad-request", "land-refused", "store-full", "git"];
        assert_eq!(words.map(of), [404, 400, 409, 503, 500]);
    }
}
