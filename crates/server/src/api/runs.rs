//! Runs.

#![expect(unused_qualifications, reason = "utoipa writes the parameters' type out in full")]

use axum::Json;
use axum::extract::State;
use gadugi_core::{Millis, Timestamp};
use gadugi_engine::handle::Whose;
use gadugi_sys::clock;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::convert;
use crate::error::ApiError;
use crate::extract::{Path, Query, name};
use crate::wire;

/// Runs on one page of the list: what is given where nothing is asked for, and the most.
const LISTED: usize = 50;
const LISTED_MOST: usize = 500;

/// Points of each step where nothing is asked for, and the most.
const POINTS: u64 = 300;
const POINTS_MOST: u64 = 5000;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Runs at most; 50 by default, 500 at most.
    limit: Option<usize>,
    /// Those before this run: `next` of the page before.
    before: Option<String>,
}

/// All runs, newest first.
#[utoipa::path(
    get, path = "/api/runs", tag = "runs", params(Page),
    responses((status = 200, body = wire::Runs), (status = 400, body = wire::Failure), (status = 404, body = wire::Failure))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Result<Json<wire::Runs>, ApiError> {
    let limit = page.limit.unwrap_or(LISTED);
    if !(1..=LISTED_MOST).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit: 1 to {LISTED_MOST}")));
    }
    let before = page.before.as_deref().map(name).transpose()?.map(gadugi_core::RunId::new);
    let found = app.handle().summaries(limit, before.as_ref()).await?;
    let runs: Vec<wire::RunRow> = found.runs.iter().map(convert::row).collect();
    let next = runs.last().filter(|_| found.more).map(|row| row.id.clone());
    Ok(Json(wire::Runs { runs, next }))
}

/// A run: how it stands, its tasks, its plan, its steps over time.
#[utoipa::path(
    get, path = "/api/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`")),
    responses((status = 200, body = wire::RunDetail), (status = 400, body = wire::Failure), (status = 404, body = wire::Failure))
)]
pub(super) async fn one(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Json<wire::RunDetail>, ApiError> {
    let seen = app.run(&run).await?;
    Ok(Json(app.detail(&seen).await?))
}

/// Which part of the figures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// From this moment on (RFC 3339); the run's start by default.
    from: Option<String>,
    /// Up to this one, left out itself; the run's end, or now, by default.
    to: Option<String>,
    /// Points of each step at most; 300 by default, 5000 at most.
    points: Option<u64>,
}

/// What the run's steps were measured to use.
#[utoipa::path(
    get, path = "/api/runs/{run}/figures", tag = "runs",
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`"), Span),
    responses((status = 200, body = wire::Figures), (status = 400, body = wire::Failure), (status = 404, body = wire::Failure))
)]
pub(super) async fn figures(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(span): Query<Span>,
) -> Result<Json<wire::Figures>, ApiError> {
    let view = app.run(&run).await?.view;
    let from = parse("from", span.from.as_deref())?.unwrap_or(view.started_at);
    // The look at its end belongs to it.
    let end = || Timestamp(view.finished_at.unwrap_or_else(clock::now).0 + 1);
    let to = parse("to", span.to.as_deref())?.unwrap_or_else(end);
    let resolution = resolution(from, to, span.points)?;
    let found = app.handle().figures(Whose::Run(view.run.clone()), from, to, resolution).await?;
    Ok(Json(wire::Figures { series: found.iter().map(convert::series).collect() }))
}

/// Spans that are as long as it takes for there to be so many points.
pub(super) fn resolution(from: Timestamp, to: Timestamp, points: Option<u64>) -> Result<Millis, ApiError> {
    let points = points.unwrap_or(POINTS);
    if !(1..=POINTS_MOST).contains(&points) {
        return Err(ApiError::bad_request(format!("points: 1 to {POINTS_MOST}")));
    }
    Ok(Millis(to.since(from).0.div_ceil(points).max(1)))
}

pub(super) fn parse(what: &str, moment: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let parsed = moment.map(|text| {
        let wrong = || ApiError::bad_request(format!("{what}: a moment as in 2026-11-21T22:15:04.120Z"));
        clock::parse_rfc3339(text).ok_or_else(wrong)
    });
    parsed.transpose()
}
