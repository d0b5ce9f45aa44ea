//! Tasks.

#![expect(unused_qualifications, reason = "utoipa writes the parameters' type out in full")]

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::wire;

/// The most that is given of a patch: more than anybody reads.
const PATCH_MOST: u64 = 20 << 20;

/// Patches that are made and on their way at the same time: they are held in memory, 80 MiB at the very worst.
static PATCHES: Semaphore = Semaphore::const_new(4);

/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What of a patch is sent at a time.
const PIECE: usize = 64 << 10;

/// Which run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InRun {
    /// Its id, or a unique prefix of it; default: the latest that has the task.
    pub(super) run: Option<String>,
}

/// A task: how it stands, its plan, its prompt, its attempts.
#[utoipa::path(
    get, path = "/api/tasks/{task}", tag = "tasks",
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses((status = 200, body = wire::TaskDetail), (status = 400, body = wire::Failure), (status = 404, body = wire::Failure))
)]
pub(super) async fn one(
    State(app): State<App>,
    Path(task): Path<String>,
    Query(InRun { run }): Query<InRun>,
) -> Result<Json<wire::TaskDetail>, ApiError> {
    let located = app.locate(run.as_deref(), &task).await?;
    let seen = app.run(located.run.as_str()).await?;
    Ok(Json(app.task_detail(&seen, &located.task).await?))
}

/// What a task changed so far, as git shows it.
#[utoipa::path(
    get, path = "/api/tasks/{task}/diff", tag = "tasks",
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses(
        (status = 200, description = "The patch, at most 20 MiB of it: X-Gadugi-Cut says whether there is more", body = Vec<u8>,
            content_type = "text/x-diff"),
        (status = 404, body = wire::Failure),
    )
)]
pub(super) async fn diff(
    State(app): State<App>,
    Path(task): Path<String>,
    Query(InRun { run }): Query<InRun>,
) -> Result<Response, ApiError> {
    let located = app.locate(run.as_deref(), &task).await?;
    let busy =
        || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too-many", "too many patches are on their way");
    let seat = timeout(PATIENCE, PATCHES.acquire()).await.ok().and_then(Result::ok).ok_or_else(busy)?;
    let patch = app.handle().diff(located.run, located.task, PATCH_MOST).await?;
    let cut = patch.size > patch.bytes.len() as u64;
    // The seat is held until the last piece is on its way, or whoever asked is gone.
    let pieces = stream::unfold((Bytes::from(patch.bytes), seat), |(mut rest, seat)| async move {
        let piece = rest.split_to(PIECE.min(rest.len()));
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), (rest, seat)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/x-diff; charset=utf-8".to_owned()),
        (HeaderName::from_static("x-gadugi-cut"), cut.to_string()),
        (HeaderName::from_static("x-gadugi-size"), patch.size.to_string()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
