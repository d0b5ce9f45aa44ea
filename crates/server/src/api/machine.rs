//! The machine.

#![expect(unused_qualifications, reason = "utoipa writes the parameters' type out in full")]

use axum::Json;
use axum::extract::State;
use gadugi_core::Timestamp;
use gadugi_sys::clock;
use serde::Deserialize;
use utoipa::IntoParams;

use super::runs::{parse, resolution};
use crate::app::App;
use crate::convert;
use crate::error::ApiError;
use crate::extract::Query;
use crate::wire;

/// How far back its history goes where nothing is asked for: an hour.
const HISTORY: i64 = 3_600_000;

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// From this moment on (RFC 3339); an hour ago by default.
    from: Option<String>,
    /// Up to this one, left out itself; now by default.
    to: Option<String>,
    /// Points at most; 300 by default, 5000 at most.
    points: Option<u64>,
}

/// What the machine has and had, and what model APIs said of their limits.
#[utoipa::path(
    get, path = "/api/machine", tag = "machine", params(Span),
    responses((status = 200, body = wire::Machine), (status = 400, body = wire::Failure))
)]
pub(super) async fn machine(
    State(app): State<App>,
    Query(span): Query<Span>,
) -> Result<Json<wire::Machine>, ApiError> {
    let to = parse("to", span.to.as_deref())?.unwrap_or_else(clock::now);
    let from = parse("from", span.from.as_deref())?.unwrap_or(Timestamp(to.0.saturating_sub(HISTORY)));
    let resolution = resolution(from, to, span.points)?;
    let now = app.handle().machine().await?;
    let history = app.handle().machine_figures(from, to, resolution).await?;
    Ok(Json(wire::Machine {
        now: convert::machine(&now),
        history: history.iter().map(|point| convert::machine_point(point, &now)).collect(),
        limits: app.handle().limits().iter().map(convert::limit).collect(),
    }))
}
