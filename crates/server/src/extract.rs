//! What a request says, taken apart; what cannot be understood is a JSON error like any other.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The largest body: what is sent here is a sentence or two for an agent.
pub(crate) const BODY_MAX: usize = 1 << 20;

/// The largest message over a WebSocket: it says which run is watched, if anything.
const HEARD_MOST: usize = 64 << 10;

/// How long a body may take: 1 MiB in this time is 35 kB a second.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The longest id or name that is looked up. Ids are made of file names, which have 255 bytes at most, and paths of them.
const ID_MAX: usize = 4096;

/// The parts of the path.
#[derive(Clone, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<_, PathRejection> = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(inner) =
            path.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self(inner))
    }
}

/// What stands behind the question mark.
#[derive(Clone, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<_, QueryRejection> = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(inner) =
            query.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self(inner))
    }
}

/// A WebSocket, where the client asks for one. What it says is bounded by [`HEARD_MOST`].
#[derive(Debug)]
pub(crate) struct Upgrade(pub(crate) WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let upgrade: Result<_, WebSocketUpgradeRejection> =
            WebSocketUpgrade::from_request_parts(parts, state).await;
        match upgrade {
            Ok(upgrade) => Ok(Self(upgrade.max_message_size(HEARD_MOST).max_frame_size(HEARD_MOST))),
            Err(rejection) => {
                Err(ApiError::new(StatusCode::BAD_REQUEST, "no-upgrade", rejection.body_text())
                    .hint("this address is a WebSocket"))
            }
        }
    }
}

/// Whether the client asks for a WebSocket.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// A JSON body of at most [`BODY_MAX`]; an empty one is `T`'s default. Any other type than `application/json` is refused: a
/// form of a foreign page cannot send it.
#[derive(Clone, Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json(&parts.headers) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(
                status,
                "media-type",
                "a body is JSON, with Content-Type: application/json",
            ));
        }
        let parsed = serde_json::from_slice(&bytes);
        Ok(Self(parsed.map_err(|error| ApiError::bad_request(format!("the body: {error}")))?))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, ApiError> {
    let too_large = || {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        ApiError::new(status, "body-too-large", format!("a body has at most {BODY_MAX} bytes"))
    };
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_MAX as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let message = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", message))
        }
    }
}

/// A run's or task's name as somebody wrote it, where it can be one at all. It is looked up among those that there are, and never
/// becomes part of a path.
pub(crate) fn name(written: &str) -> Result<&str, ApiError> {
    if written.is_empty() || written.len() > ID_MAX || written.contains(char::is_control) {
        return Err(ApiError::bad_request("that is no name of a run or a task"));
    }
    Ok(written)
}
