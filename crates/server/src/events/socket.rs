//! One page's socket: from its first message to the last.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use gadugi_core::RunId;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Asked;
use super::hub::{EventMessage, Watching};
use super::queue::{Inbox, Lags, Queue, queue, text};
use super::rows::ROWS;
use super::standing::{First, Join, Over};
use crate::app::App;
use crate::convert;
use crate::error::ApiError;
use crate::wire::{self, Say};

/// Between two pings, and how long a page may say nothing at all, not even answer them.
const PINGS: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);

/// How long a page may take to hear why it is cut off.
const FAREWELL: Duration = Duration::from_secs(1);

/// Events that are read from the log at a time while a page catches up.
const PAGE: usize = 500;

/// The page did not keep up.
const LAGGING: u16 = 4008;

/// Why a conversation ends.
enum End {
    /// The page went away.
    Left,
    /// It does not keep up.
    Lags,
    /// The engine leaves.
    Leaving,
    /// It said more at a time than it may.
    TooMuch,
    /// It said something that nobody understands.
    Nonsense,
    /// It gives no sign of life.
    Silent,
    /// The log cannot be read.
    Unreadable,
}

/// Speaks with one page until it goes.
pub(super) async fn converse(app: App, asked: Asked, socket: WebSocket) {
    let (queue, inbox) = queue();
    let (lags, leaving) = (inbox.lags(), app.leaving());
    let mut page = Page { app, socket, queue, lags, leaving, watching: None };
    if let Err(end) = page.run(asked, inbox).await {
        page.close(&end).await;
    }
}

struct Page {
    app: App,
    socket: WebSocket,
    queue: Queue,
    lags: Lags,
    leaving: watch::Receiver<bool>,
    watching: Option<(Watching, Over)>,
}

/// What comes next.
enum Turn {
    Heard(Option<Result<Message, axum::Error>>),
    Say(Option<Utf8Bytes>),
    Ping,
}

impl Page {
    async fn run(&mut self, asked: Asked, mut inbox: Inbox) -> Result<(), End> {
        let joined = self.app.hub().join(self.queue.clone()).await.ok_or(End::Leaving)?;
        match asked.after {
            // A number that the log has not reached is of another log.
            Some(after) if after <= joined => self.resume(after, joined, asked.run).await?,
            _ => self.snapshot(joined, asked.run).await?,
        }
        let mut pings = interval_at(Instant::now() + PINGS, PINGS);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let turn = tokio::select! {
                biased;
                () = self.lags.come() => return Err(End::Lags),
                _ = self.leaving.wait_for(|leaving| *leaving) => return Err(End::Leaving),
                heard = self.socket.recv() => Turn::Heard(heard),
                message = inbox.next() => Turn::Say(message),
                _ = pings.tick() => Turn::Ping,
            };
            match turn {
                Turn::Heard(heard) => {
                    heard_at = Instant::now();
                    self.hear(heard).await?;
                }
                Turn::Say(Some(message)) => self.send(Message::Text(message)).await?,
                Turn::Say(None) => return Err(End::Leaving),
                Turn::Ping if heard_at.elapsed() > SILENCE => return Err(End::Silent),
                Turn::Ping => self.send(Message::Ping(Vec::new().into())).await?,
            }
        }
    }

    /// How everything stands.
    async fn snapshot(&mut self, seq: u64, run: Option<String>) -> Result<(), End> {
        let found = self.app.handle().summaries(ROWS, None).await;
        let runs: Vec<wire::RunRow> = found.unwrap_or_default().runs.iter().map(convert::row).collect();
        let asked = known(&self.app, run.as_deref().unwrap_or("latest")).await;
        let detail = match &asked {
            Ok(run) => self.watch_and_see(run.clone()).await?,
            Err(_) => None,
        };
        let machine = self.app.handle().machine().await.ok().map(|view| convert::machine(&view));
        let repository = self.app.repository();
        self.say(&wire::Message::Snapshot { seq, repository, runs, detail, machine }).await?;
        match (asked, run) {
            (Err(_), Some(run)) => self.say(&wire::Message::Unknown { run }).await,
            _ => Ok(()),
        }
    }

    /// What happened since the number that the page has, up to where its queue begins.
    async fn resume(&mut self, after: u64, joined: u64, run: Option<String>) -> Result<(), End> {
        let repository = self.app.repository();
        self.say(&wire::Message::Resumed { seq: after, repository }).await?;
        let mut at = after;
        while at < joined {
            let page = self.app.handle().events_after(None, at, PAGE).await.map_err(|_| End::Unreadable)?;
            let Some(last) = page.last() else { break };
            at = last.seq;
            for fact in page.iter().filter(|fact| fact.seq <= joined) {
                let message = text(&EventMessage::Event { event: fact }).ok_or(End::Unreadable)?;
                self.send(Message::Text(message)).await?;
            }
        }
        match run {
            Some(run) => self.watch_other(run).await,
            None => Ok(()),
        }
    }

    /// From here on changes of that run go into the queue.
    async fn watch(&mut self, run: RunId, first: First) -> Result<(), End> {
        if let Some((_, over)) = self.watching.take() {
            over.set();
        }
        let over = Over::default();
        let join = Join { queue: self.queue.clone(), first, over: over.clone() };
        let watching = self.app.hub().watch(run, join).await.ok_or(End::Leaving)?;
        self.watching = Some((watching, over));
        Ok(())
    }

    /// The same, and what all is to be said of it first.
    async fn watch_and_see(&mut self, run: RunId) -> Result<Option<Box<wire::RunDetail>>, End> {
        let (answer, answered) = oneshot::channel();
        self.watch(run, First::Answer(answer)).await?;
        match answered.await {
            Ok(Ok(detail)) => Ok(Some(detail)),
            Ok(Err(error)) => {
                tracing::warn!(message = error.message, "a run cannot be shown");
                Ok(None)
            }
            Err(_) => Err(End::Leaving),
        }
    }

    async fn watch_other(&mut self, run: String) -> Result<(), End> {
        match known(&self.app, &run).await {
            Ok(known) => {
                let (there, told) = oneshot::channel();
                self.watch(known, First::Queue(there)).await?;
                // One that cannot be shown is watched all the same.
                let _ = told.await;
                Ok(())
            }
            Err(_) => self.say(&wire::Message::Unknown { run }).await,
        }
    }

    async fn hear(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match heard {
            None | Some(Ok(Message::Close(_))) => Err(End::Left),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(End::Nonsense),
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(Say::Watch { run }) => self.watch_other(run).await,
                Err(_) => Err(End::Nonsense),
            },
            Some(Err(error)) => Err(why(error)),
        }
    }

    async fn say(&mut self, message: &wire::Message) -> Result<(), End> {
        let message = text(message).ok_or(End::Unreadable)?;
        self.send(Message::Text(message)).await
    }

    /// Sends, for as long as there is a reason to.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.lags.come() => Err(End::Lags),
            _ = self.leaving.wait_for(|leaving| *leaving) => Err(End::Leaving),
            sent = self.socket.send(message) => sent.map_err(|_| End::Left),
        }
    }

    /// Says why it ends, to a page that listens.
    async fn close(&mut self, end: &End) {
        let (code, reason) = match end {
            End::Left | End::Silent => return,
            End::Lags => (LAGGING, "lagging"),
            End::Leaving => (close_code::AWAY, "the engine leaves"),
            End::TooMuch => (close_code::SIZE, "a message has at most 64 KiB"),
            End::Nonsense => (close_code::POLICY, "that is no message of this protocol"),
            End::Unreadable => (close_code::ERROR, "the log cannot be read"),
        };
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = timeout(FAREWELL, async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                // It answers in kind; what else it still says is of no interest.
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        })
        .await;
    }
}

/// The run's id, where there is such a run.
async fn known(app: &App, run: &str) -> Result<RunId, ApiError> {
    Ok(app.run(run).await?.view.run)
}

fn why(error: axum::Error) -> End {
    match error.into_inner().downcast::<tungstenite::Error>() {
        Ok(error) if matches!(*error, tungstenite::Error::Capacity(_)) => End::TooMuch,
        Ok(error) if matches!(*error, tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => {
            End::Nonsense
        }
        _ => End::Left,
    }
}
