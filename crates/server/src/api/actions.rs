//! What can be wished: the same wishes that `gadugi cancel`, `retry`, `pause`, `resume` and `land` have, and the same answers.
//!
//! A browser has no environment of its own that agents could see: what is begun from here sees the one that its run was last begun
//! with, and after a restart of the engine the engine's own.

use axum::Json;
use axum::extract::State;
use gadugi_core::{RunId, Target};
use gadugi_engine::protocol::{Reply, Request};

use super::tasks::InRun;
use crate::app::{App, unexpected};
use crate::error::ApiError;
use crate::extract::{JsonBody, Path, Query};
use crate::wire;

/// Nothing is said beside the address.
type Nothing = JsonBody<Option<serde::de::IgnoredAny>>;

async fn accepted(app: &App, request: Request) -> Result<Json<wire::Accepted>, ApiError> {
    match app.handle().ask(request).await? {
        Reply::Accepted { run, tasks } => {
            Ok(Json(wire::Accepted { run: run.to_string(), tasks: tasks as u64 }))
        }
        other => Err(unexpected(&other)),
    }
}

async fn task(app: &App, run: Option<&str>, task: &str) -> Result<(RunId, Target), ApiError> {
    let located = app.locate(run, task).await?;
    Ok((located.run, Target::Tasks(vec![located.task])))
}

async fn run(app: &App, run: &str) -> Result<RunId, ApiError> {
    Ok(app.run(run).await?.view.run)
}

/// Ends a task. What it did is kept.
#[utoipa::path(
    post, path = "/api/tasks/{task}/cancel", tag = "tasks",
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn cancel_task(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(InRun { run }): Query<InRun>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let (run, target) = task(&app, run.as_deref(), &name).await?;
    accepted(&app, Request::Cancel { run, target }).await
}

/// Takes a task up again, with words for its agent where there are any.
#[utoipa::path(
    post, path = "/api/tasks/{task}/retry", tag = "tasks", request_body = Option<wire::Retry>,
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn retry_task(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(InRun { run }): Query<InRun>,
    JsonBody(retry): JsonBody<wire::Retry>,
) -> Result<Json<wire::Accepted>, ApiError> {
    let (run, target) = task(&app, run.as_deref(), &name).await?;
    let with = retry.with.filter(|words| !words.trim().is_empty());
    accepted(&app, Request::Retry { run, target, with, environment: None }).await
}

/// Stops a task, so that it can be taken up again.
#[utoipa::path(
    post, path = "/api/tasks/{task}/pause", tag = "tasks",
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn pause_task(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(InRun { run }): Query<InRun>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let (run, target) = task(&app, run.as_deref(), &name).await?;
    accepted(&app, Request::Pause { run, target }).await
}

/// Takes a paused task up again.
#[utoipa::path(
    post, path = "/api/tasks/{task}/resume", tag = "tasks",
    params(("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"), InRun),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn resume_task(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(InRun { run }): Query<InRun>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let (run, target) = task(&app, run.as_deref(), &name).await?;
    accepted(&app, Request::Resume { run, target, environment: None }).await
}

/// Ends all of a run's tasks.
#[utoipa::path(
    post, path = "/api/runs/{run}/cancel", tag = "runs",
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`")),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn cancel_run(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let run = run(&app, &name).await?;
    accepted(&app, Request::Cancel { run, target: Target::All }).await
}

/// Begins nothing new.
#[utoipa::path(
    post, path = "/api/runs/{run}/pause", tag = "runs",
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`")),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn pause_run(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let run = run(&app, &name).await?;
    accepted(&app, Request::Pause { run, target: Target::All }).await
}

/// Goes on.
#[utoipa::path(
    post, path = "/api/runs/{run}/resume", tag = "runs",
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`")),
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn resume_run(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Nothing,
) -> Result<Json<wire::Accepted>, ApiError> {
    let run = run(&app, &name).await?;
    accepted(&app, Request::Resume { run, target: Target::All, environment: None }).await
}

/// Brings a run's work, or one task's, home to a branch of the user's.
#[utoipa::path(
    post, path = "/api/runs/{run}/land", tag = "runs", request_body = Option<wire::Land>,
    params(("run" = String, Path, description = "Id, unique prefix of it, or `latest`")),
    responses((status = 200, body = wire::Landed), (status = 404, body = wire::Failure), (status = 409, body = wire::Failure))
)]
pub(super) async fn land_run(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(land): JsonBody<wire::Land>,
) -> Result<Json<wire::Landed>, ApiError> {
    let (run, task) = match &land.task {
        None => (run(&app, &name).await?, None),
        Some(task) => {
            let located = app.locate(Some(&name), task).await?;
            (located.run, Some(located.task))
        }
    };
    match app.handle().ask(Request::Land { run, task, into: land.into }).await? {
        Reply::Landed { into, commit, fast_forward, already } => {
            Ok(Json(wire::Landed { into, commit: commit.to_string(), fast_forward, already }))
        }
        other => Err(unexpected(&other)),
    }
}
