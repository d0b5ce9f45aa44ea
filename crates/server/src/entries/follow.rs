//! A stream as it is written, over a WebSocket.
//!
//! What a reader costs is its place in the file: one piece is read, sent, and dropped before the next is looked at. A socket that
//! takes nothing keeps its own task waiting and nobody else.

use std::sync::Arc;
use std::time::Duration;
use std::{io, mem};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use gadugi_agents::transcript::Language;
use gadugi_core::{AttemptId, StepId};
use gadugi_exec::DirWatch;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::Streams;
use super::file::{CHUNK, Readable};
use super::lines::{self, Bounds};
use super::place::{Ended, Opened};
use crate::error::ApiError;
use crate::extract::Upgrade;
use crate::wire::{Entry, OutputMessage};

/// Between two pieces where lines come fast. The first after a pause goes at once.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);

/// Between two pings: a peer that is gone without a word is noticed by the kernel once it does not answer.
const PINGS: Duration = Duration::from_secs(20);

/// How long a reader may take to hear that the server leaves.
const FAREWELL: Duration = Duration::from_secs(1);

/// Entries in one piece, about.
const ENTRIES: usize = 500;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Bytes,
    Entries,
}

/// Makes a WebSocket of the request that follows the stream from the offset on.
pub(super) async fn upgrade(
    streams: Streams,
    opened: Opened,
    form: Form,
    offset: u64,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Upgrade(upgrade) = Upgrade::from_request_parts(&mut parts, &()).await?;
    let watched = streams.watcher.watch(&opened.folder.path());
    let watch =
        watched.map_err(|error| ApiError::internal(format!("the stream cannot be followed: {error}")))?;
    let endings = Some(streams.source.endings());
    let id = opened.id();
    let Opened { file, language, size, ended, .. } = opened;
    let step = Step { id, file, language, size };
    let (at, scanned, unsure) = (offset, offset, true);
    let follower = Follower { streams, step, watch, endings, unsure, form, at, scanned, ended };
    Ok(upgrade.write_buffer_size(0).on_upgrade(|socket| follower.run(socket)))
}

/// The stream that is followed.
struct Step {
    id: StepId,
    file: Arc<Readable>,
    language: Language,
    /// Bytes when the following began.
    size: u64,
}

/// One reader.
struct Follower {
    streams: Streams,
    step: Step,
    watch: DirWatch,
    /// None once the engine is gone.
    endings: Option<broadcast::Receiver<Ended>>,
    /// Whether the step may be over without that having been told: it ended before the endings were listened to.
    unsure: bool,
    form: Form,
    /// What was sent ends here.
    at: u64,
    /// Up to here there is no newline behind `at`.
    scanned: u64,
    /// Whether the step is over: what is in the file now is all.
    ended: bool,
}

/// What was read at a time.
enum Piece {
    /// The file was cut off or taken away: nothing follows.
    Gone,
    /// There is nothing new.
    Nothing { scanned: u64 },
    /// Bytes or entries, up to there; whether there is more.
    Some { message: Option<Message>, next: u64, more: bool },
}

/// Why a conversation ends early.
enum Over {
    /// The reader went away.
    Left,
    /// The stream cannot be read.
    Unreadable(String),
}

impl From<axum::Error> for Over {
    fn from(_: axum::Error) -> Self {
        Self::Left
    }
}

impl Follower {
    async fn run(mut self, mut socket: WebSocket) {
        let mut leaving = self.streams.leaving.clone();
        let left = async move {
            // Also where whoever would say so is gone.
            let _ = leaving.wait_for(|leaving| *leaving).await;
        };
        let over = tokio::select! {
            over = self.converse(&mut socket) => Some(over),
            () = left => None,
        };
        let Some(over) = over else {
            return close(&mut socket, close_code::AWAY, "the engine leaves").await;
        };
        match over {
            Ok(()) => close(&mut socket, close_code::NORMAL, "").await,
            Err(Over::Left) => {}
            Err(Over::Unreadable(message)) => {
                tracing::warn!(%message, "a stream cannot be followed");
                close(&mut socket, close_code::ERROR, "the stream cannot be read").await;
            }
        }
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> Result<(), Over> {
        let Step { id: StepId { attempt: AttemptId { attempt, .. }, step }, size, .. } = self.step;
        let begin = OutputMessage::Begin { attempt, step, offset: self.at, size, ended: self.ended };
        say(socket, &begin).await?;
        let mut pings = interval_at(Instant::now() + PINGS, PINGS);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            let ended = self.ended;
            match self.piece().await? {
                Piece::Some { message, next, more } => {
                    (self.at, self.scanned) = (next, next);
                    match message {
                        Some(message) => {
                            socket.send(message).await?;
                            last = Some(Instant::now());
                        }
                        // Nothing was sent that would have said that nobody is there any more.
                        None => is_there(socket).await?,
                    }
                    if more {
                        continue;
                    }
                }
                Piece::Gone => return say(socket, &OutputMessage::End { next: self.at }).await,
                Piece::Nothing { scanned } => self.scanned = scanned,
            }
            if ended {
                return say(socket, &OutputMessage::End { next: self.at }).await;
            }
            self.wait(socket, &mut pings).await?;
            if let Some(last) = last {
                sleep_until(last + AT_MOST_EVERY).await;
            }
        }
    }

    /// What is new, as one message.
    async fn piece(&self) -> Result<Piece, Over> {
        let (file, language) = (Arc::clone(&self.step.file), self.step.language);
        let (form, at, scanned, ended) = (self.form, self.at, self.scanned, self.ended);
        let read = self.streams.reading(move || match form {
            Form::Bytes => bytes(&file, at),
            Form::Entries => entries(&file, language, at, scanned, ended),
        });
        read.await.map_err(|error| Over::Unreadable(error.message))
    }

    /// Waits for something that is worth a look at the file.
    async fn wait(&mut self, socket: &mut WebSocket, pings: &mut Interval) -> Result<(), Over> {
        loop {
            if mem::take(&mut self.unsure) && self.is_over().await {
                self.ended = true;
                return Ok(());
            }
            tokio::select! {
                () = self.watch.changed() => return Ok(()),
                told = told(&mut self.endings, &self.step.id) => match told {
                    Told::Over => {
                        self.ended = true;
                        return Ok(());
                    }
                    Told::Perhaps => self.unsure = true,
                },
                heard = socket.recv() => match heard {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return Err(Over::Left),
                    Some(Ok(_)) => {}
                },
                _ = pings.tick() => socket.send(Message::Ping(Vec::new().into())).await?,
            }
        }
    }

    /// Whether the step is over, as the engine has it.
    async fn is_over(&self) -> bool {
        let StepId { attempt: AttemptId { run, task, attempt }, step } = &self.step.id;
        let now = self.streams.source.find(Some(run.to_string()), task.to_string()).await;
        now.is_ok_and(|now| now.is_over(*attempt, *step))
    }
}

/// Fails where the reader has gone.
async fn is_there(socket: &mut WebSocket) -> Result<(), Over> {
    while let Ok(heard) = timeout(Duration::ZERO, socket.recv()).await {
        if let None | Some(Err(_) | Ok(Message::Close(_))) = heard {
            return Err(Over::Left);
        }
    }
    Ok(())
}

/// What was told of the step's end.
enum Told {
    Over,
    Perhaps,
}

/// Waits for word of the step's end. Those of others, however many, ask nothing of the engine.
async fn told(endings: &mut Option<broadcast::Receiver<Ended>>, step: &StepId) -> Told {
    while let Some(told) = endings {
        match told.recv().await {
            Ok(Ended::Step(ended)) if *ended == *step => return Told::Over,
            Ok(Ended::Step(_)) => {}
            Ok(Ended::Some) | Err(RecvError::Lagged(_)) => return Told::Perhaps,
            // None will be told any more.
            Err(RecvError::Closed) => *endings = None,
        }
    }
    std::future::pending().await
}

fn bytes(file: &Readable, at: u64) -> io::Result<Piece> {
    if file.size()? < at {
        return Ok(Piece::Gone);
    }
    let bytes = file.read(at, CHUNK)?;
    if bytes.is_empty() {
        return Ok(if file.is_gone() { Piece::Gone } else { Piece::Nothing { scanned: at } });
    }
    let (next, more) = (at + bytes.len() as u64, bytes.len() == CHUNK);
    Ok(Piece::Some { message: Some(Message::Binary(bytes.into())), next, more })
}

fn entries(file: &Readable, language: Language, at: u64, scanned: u64, ended: bool) -> io::Result<Piece> {
    let size = file.size()?;
    if size < scanned {
        return Ok(Piece::Gone);
    }
    // A line that has no end yet is not read again and again while it grows.
    let rest_counts = ended && at < size;
    // One that is longer than is read at a time is not waited for.
    let waits = !rest_counts && size - at <= lines::READ_MOST;
    if waits && !lines::has_newline(file, scanned, size)? {
        return Ok(if file.is_gone() { Piece::Gone } else { Piece::Nothing { scanned: size } });
    }
    let batch = lines::page(file, language, at, &Bounds { size, ended, entries: ENTRIES, bytes: CHUNK })?;
    let message = (!batch.entries.is_empty()).then(|| message(batch.entries, batch.next));
    Ok(Piece::Some { message: message.transpose()?, next: batch.next, more: batch.full })
}

fn message(entries: Vec<Entry>, next: u64) -> io::Result<Message> {
    Ok(Message::Text(serde_json::to_string(&OutputMessage::Entries { entries, next })?.into()))
}

async fn say(socket: &mut WebSocket, message: &OutputMessage) -> Result<(), Over> {
    let text = serde_json::to_string(message).map_err(|error| Over::Unreadable(error.to_string()))?;
    Ok(socket.send(Message::Text(text.into())).await?)
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    // Who does not listen is not told.
    let _ = timeout(FAREWELL, socket.send(Message::Close(Some(frame)))).await;
}
