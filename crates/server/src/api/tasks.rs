//! Tasks.

#![expect(unused_qualifications, reason = "utoipa writes the parameters' type out in full")]

use axum::Json;
use axum::extract::State;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::wire;

/// The most that is given of a patch: more than anybody reads.
const PATCH_MOST: u64 = 20 << 20;

/// Patches that are made and on their way at the same time: they are held in memory.
static PATCHES: Semaphore = Semaphore::const_new(2);

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
    let (view, id) = app.task(run.as_deref(), &task).await?;
    let seen = app.seen(view).await?;
    Ok(Json(app.task_detail(&seen, &id).await?))
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
    let (view, id) = app.task(run.as_deref(), &task).await?;
    let seat = PATCHES.acquire().await.map_err(|error| ApiError::internal(error.to_string()))?;
    let patch = app.handle().diff(view.run.clone(), id, PATCH_MOST).await?;
    drop(seat);
    let cut = patch.size > patch.bytes.len() as u64;
    let headers = [
        (header::CONTENT_TYPE, "text/x-diff; charset=utf-8".to_owned()),
        (HeaderName::from_static("x-gadugi-cut"), cut.to_string()),
        (HeaderName::from_static("x-gadugi-size"), patch.size.to_string()),
    ];
    Ok((headers, patch.bytes).into_response())
}
