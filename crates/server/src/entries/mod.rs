//! What a task's steps wrote: as bytes, as entries, searched, and followed while they are written.
//!
//! The files are the truth and the only buffer. Whoever reads has a place in the file and nothing more: a reader that is slow, or
//! reads never, holds one piece of at most 64 KiB (or one entry) and its own socket, and slows nobody. New bytes are told by
//! inotify; that a step is over, by the engine. Lines become entries only where somebody looks at them.
//!
//! A step's folder can be written by the step itself. Folders and files are opened one by one from the folder of all runs, by ids
//! of the engine's and by numbers, without following a link, and what is no plain file is none.

mod card;
mod file;
mod follow;
mod lines;
mod place;
mod search;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use gadugi_exec::Watcher;
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Views};
use crate::error::ApiError;
use crate::extract::{Path, Query, name, wants_upgrade};
use crate::wire;
use file::CHUNK;
use lines::{Batch, Bounds};
use place::{Opened, Source};

/// Entries in one answer: what is given where nothing is asked for, and the most.
const ENTRIES: usize = 500;
const ENTRIES_MOST: usize = 2_000;

/// Bytes of texts in one answer, about; the entry that passes it is the last.
const ANSWER: usize = 1 << 20;

/// Files that are read or searched at the same time. A line of 8 MiB and what is made of it take some 40 MiB, so all of these take
/// 160 MiB at the very worst.
const READERS: usize = 4;

/// How many of them may be searches: those take longest, and whoever follows a stream is not to wait for them.
const SEARCHERS: usize = 2;

/// Everything that these endpoints need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    source: Arc<dyn Source>,
    watcher: Arc<Watcher>,
    readers: Arc<Semaphore>,
    searchers: Arc<Semaphore>,
    /// Turns true where the server is to end: whoever follows is told.
    leaving: watch::Receiver<bool>,
}

impl Streams {
    /// Of the engine that `app` sees. To be called in the server's runtime.
    ///
    /// # Errors
    /// Where the kernel gives no further inotify instance.
    pub(crate) fn new(app: &App) -> io::Result<Self> {
        Self::of(place::engine(Views::clone(app)), app.leaving())
    }

    fn of(source: Arc<dyn Source>, leaving: watch::Receiver<bool>) -> io::Result<Self> {
        let [readers, searchers] = [READERS, SEARCHERS].map(|seats| Arc::new(Semaphore::new(seats)));
        Ok(Self { source, watcher: Arc::new(Watcher::new()?), readers, searchers, leaving })
    }

    /// Does work that reads files, where it keeps nobody waiting.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let seat = Arc::clone(&self.readers).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _seat = seat;
            work()
        });
        let done = done.await.map_err(|error| ApiError::internal(error.to_string()))?;
        done.map_err(|error| ApiError::internal(format!("the stream cannot be read: {error}")))
    }
}

/// The routes of these endpoints, to be merged behind the guard.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(streams: Streams) -> OpenApiRouter<S> {
    OpenApiRouter::new()
        .routes(routes!(output))
        .routes(routes!(entries))
        .routes(routes!(entry))
        .routes(routes!(search))
        .with_state(streams)
}

/// Which part of which stream is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    run: Option<String>,
    attempt: Option<u32>,
    step: Option<u32>,
    stream: wire::Stream,
    offset: u64,
    index: u32,
    limit: Option<usize>,
    q: Option<String>,
    kinds: Option<String>,
    from: u64,
}

/// `GET /api/tasks/{task}/output`: the bytes of a step's stream from an offset on. With an upgrade, a WebSocket: `begin`, the bytes
/// as they are written, `end`.
#[utoipa::path(
    get, path = "/api/tasks/{task}/output", tag = "streams",
    params(
        ("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"),
        ("run" = Option<String>, Query, description = "Default: the latest that has the task"),
        ("attempt" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("step" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("stream" = Option<wire::Stream>, Query),
        ("offset" = Option<u64>, Query, description = "Bytes"),
    ),
    responses(
        (status = 200, description = "Bytes from the offset, with X-Gadugi-Offset, -Size and -Ended", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = 101, description = "A WebSocket: these as text messages, bytes as binary ones", body = wire::OutputMessage),
        (status = 400, body = wire::Failure), (status = 404, body = wire::Failure),
    )
)]
async fn output(
    State(streams): State<Streams>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Result<Response, ApiError> {
    let opened = open(&streams, &task, &asked, asked.offset).await?;
    if wants_upgrade(request.headers()) {
        return follow::upgrade(streams, opened, follow::Form::Bytes, asked.offset, request).await;
    }
    let (begin, end, ended) = (asked.offset, opened.size, opened.ended);
    let file = Arc::clone(&opened.file);
    let body = stream::try_unfold(begin, move |at| {
        let (streams, file) = (streams.clone(), Arc::clone(&file));
        async move {
            let most = CHUNK.min(usize::try_from(end.saturating_sub(at)).unwrap_or(CHUNK));
            let read = streams.reading(move || file.read(at, most)).await;
            let bytes = read.map_err(|error| io::Error::other(error.message))?;
            // A file that was cut off ends here.
            let next = at + bytes.len() as u64;
            io::Result::Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), next)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (HeaderName::from_static("x-gadugi-offset"), begin.to_string()),
        (HeaderName::from_static("x-gadugi-size"), end.to_string()),
        (HeaderName::from_static("x-gadugi-ended"), ended.to_string()),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// `GET /api/tasks/{task}/entries`: a step's stream as entries, from the first line that begins at the offset or behind it. With an
/// upgrade, a WebSocket: `begin`, `entries` as they come, `end`. Long texts are cut.
#[utoipa::path(
    get, path = "/api/tasks/{task}/entries", tag = "streams",
    params(
        ("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"),
        ("run" = Option<String>, Query, description = "Default: the latest that has the task"),
        ("attempt" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("step" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("stream" = Option<wire::Stream>, Query),
        ("offset" = Option<u64>, Query, description = "Bytes; one within a line means the next line"),
        ("limit" = Option<usize>, Query, description = "Entries at most, 500 by default, 2000 at most"),
    ),
    responses(
        (status = 200, body = wire::Entries),
        (status = 101, description = "A WebSocket: these as text messages", body = wire::OutputMessage),
        (status = 400, body = wire::Failure), (status = 404, body = wire::Failure),
    )
)]
async fn entries(
    State(streams): State<Streams>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Result<Response, ApiError> {
    let limit = asked.limit.unwrap_or(ENTRIES);
    if !(1..=ENTRIES_MOST).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit: 1 to {ENTRIES_MOST}")));
    }
    let opened = open(&streams, &task, &asked, asked.offset).await?;
    if wants_upgrade(request.headers()) {
        return follow::upgrade(streams, opened, follow::Form::Entries, asked.offset, request).await;
    }
    let (size, ended) = (opened.size, opened.ended);
    let bounds = Bounds { size, ended, entries: limit, bytes: ANSWER };
    let batch =
        streams.reading(move || lines::page(&opened.file, opened.language, asked.offset, &bounds)).await?;
    let Batch { entries, next, .. } = batch;
    Ok(Json(wire::Entries { entries, next, size, ended }).into_response())
}

/// `GET /api/tasks/{task}/entry`: one entry whole, up to 8 MiB of it.
#[utoipa::path(
    get, path = "/api/tasks/{task}/entry", tag = "streams",
    params(
        ("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"),
        ("run" = Option<String>, Query, description = "Default: the latest that has the task"),
        ("attempt" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("step" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("stream" = Option<wire::Stream>, Query),
        ("offset" = Option<u64>, Query, description = "Where its line begins"),
        ("index" = Option<u32>, Query, description = "Its place among the entries of that line, from 0"),
    ),
    responses(
        (status = 200, body = wire::Entry),
        (status = 400, body = wire::Failure), (status = 404, body = wire::Failure),
    )
)]
async fn entry(
    State(streams): State<Streams>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<wire::Entry>, ApiError> {
    let opened = open(&streams, &task, &asked, asked.offset).await?;
    let found = streams
        .reading(move || {
            lines::whole(&opened.file, opened.language, asked.offset, asked.index, opened.bounds())
        })
        .await?;
    let message = "there is no such entry, or not yet";
    found.map(Json).ok_or_else(|| ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown-entry", message))
}

/// `GET /api/tasks/{task}/search`: entries that hold the words, whatever their case; at most 500, of at most 64 MiB.
#[utoipa::path(
    get, path = "/api/tasks/{task}/search", tag = "streams",
    params(
        ("task" = String, Path, description = "Id, unique prefix of it, or prompt's name"),
        ("run" = Option<String>, Query, description = "Default: the latest that has the task"),
        ("attempt" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("step" = Option<u32>, Query, description = "From 1; default: the latest"),
        ("stream" = Option<wire::Stream>, Query),
        ("q" = String, Query, description = "Words to be found, 200 characters at most"),
        ("kinds" = Option<String>, Query, description = "Kinds of entries, with commas; default: all"),
        ("from" = Option<u64>, Query, description = "Bytes: `next` of the answer before"),
    ),
    responses(
        (status = 200, body = wire::Hits),
        (status = 400, body = wire::Failure), (status = 404, body = wire::Failure),
    )
)]
async fn search(
    State(streams): State<Streams>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<wire::Hits>, ApiError> {
    let wanted = search::Wanted::new(asked.q.as_deref().unwrap_or_default(), asked.kinds.as_deref())?;
    let opened = open(&streams, &task, &asked, asked.from).await?;
    let bounds = opened.bounds();
    let _seat = streams.searchers.acquire().await;
    let hits = streams
        .reading(move || search::search(&opened.file, opened.language, asked.from, &wanted, bounds))
        .await?;
    Ok(Json(hits))
}

/// Finds the stream that is asked for. An offset beyond its end is refused.
async fn open(streams: &Streams, task: &str, asked: &Asked, offset: u64) -> Result<Opened, ApiError> {
    let run = asked.run.as_deref().map(name).transpose()?.map(str::to_owned);
    let found = streams.source.find(run, name(task)?.to_owned()).await?;
    let (attempt, step, stream) = (asked.attempt, asked.step, asked.stream);
    let mut opened = streams.reading(move || Ok(place::open(&found, attempt, step, stream))).await??;
    if offset > opened.size {
        let message = format!("offset: {offset} is beyond the end of the stream, {}", opened.size);
        return Err(ApiError::bad_request(message));
    }
    opened.language = place::language(&*streams.source, &opened, stream).await?;
    Ok(opened)
}
