//! The hub: it watches the engine once, and gives every page the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use gadugi_core::RunId;
use gadugi_engine::handle::{Fact, News, Watch};
use gadugi_engine::protocol::Failure;
use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot};

use super::queue::{Queue, text};
use super::rows::Rows;
use super::standing::{self, Join};
use crate::app::Views;
use crate::convert;
use crate::serve::CONNECTIONS;
use crate::wire;

/// Wishes that wait for the hub; a page has one at a time.
const WISHES: usize = 64;

/// Events that are read from the log at a time where the hub itself fell behind.
const PAGE: usize = 500;

/// Before a log that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(200);

/// What pages ask of the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    wishes: mpsc::Sender<Wish>,
}

#[derive(Debug)]
enum Wish {
    /// Every event from here on. Answered by the number of the last one before.
    Join(Queue, oneshot::Sender<u64>),
    /// How a run stands, from here on.
    Watch(RunId, Join, oneshot::Sender<Watching>),
    /// A message for all.
    Tell(Utf8Bytes),
}

/// Holds a watched run watched.
#[derive(Debug)]
pub(super) struct Watching(Arc<AtomicUsize>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An event as it goes over the wire.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum EventMessage<'a> {
    Event { event: &'a Fact },
}

impl Hub {
    /// Starts it; it ends when the engine leaves, and with it what it would say.
    pub(crate) fn start(views: Views) -> Self {
        let (wishes, wished) = mpsc::channel(WISHES);
        let hub = Self { wishes };
        let rows = Rows::start(views.clone(), hub.clone());
        let live = Live { views, rows, pages: Vec::new(), runs: HashMap::new(), seq: 0 };
        tokio::spawn(live.run(wished));
        hub
    }

    /// Every event after the number that is answered goes into that queue. None where the engine leaves.
    pub(super) async fn join(&self, queue: Queue) -> Option<u64> {
        let (to, answer) = oneshot::channel();
        self.wishes.send(Wish::Join(queue, to)).await.ok()?;
        answer.await.ok()
    }

    /// How that run stands, for as long as what is answered is held.
    pub(super) async fn watch(&self, run: RunId, join: Join) -> Option<Watching> {
        let (to, answer) = oneshot::channel();
        self.wishes.send(Wish::Watch(run, join, to)).await.ok()?;
        answer.await.ok()
    }

    /// A message for all pages.
    pub(super) async fn tell(&self, message: Utf8Bytes) {
        let _ = self.wishes.send(Wish::Tell(message)).await;
    }
}

/// A run that somebody watches.
struct Watched {
    joins: mpsc::Sender<Join>,
    changed: Arc<Notify>,
    pages: Arc<AtomicUsize>,
}

struct Live {
    views: Views,
    rows: Rows,
    pages: Vec<Queue>,
    runs: HashMap<RunId, Watched>,
    /// The last event that was told.
    seq: u64,
}

impl Live {
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) {
        let mut first = true;
        // The channel closes where this hub lagged, and where the engine leaves: then it cannot be watched again.
        while let Ok(Watch { up_to, mut news, .. }) = self.views.handle().watch().await {
            if first {
                (self.seq, first) = (up_to, false);
            } else if let Err(failure) = self.catch_up(up_to).await {
                tracing::warn!(message = failure.message, "the log cannot be read");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            loop {
                tokio::select! {
                    heard = news.recv() => match heard {
                        Some(heard) => self.hear(heard),
                        None => break,
                    },
                    Some(wish) = wishes.recv() => self.grant(wish),
                }
            }
        }
    }

    /// Tells what was stored while nobody watched.
    async fn catch_up(&mut self, up_to: u64) -> Result<(), Failure> {
        while self.seq < up_to {
            let page = self.views.handle().events_after(None, self.seq, PAGE).await?;
            // What is missing was deleted with its run.
            let Some(last) = page.last() else { break };
            let last = last.seq;
            page.iter().filter(|fact| fact.seq <= up_to).for_each(|fact| self.tell_event(fact));
            self.seq = last.min(up_to);
        }
        self.seq = up_to.max(self.seq);
        Ok(())
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Event(fact) => {
                // What was read from the log already is not told again.
                if fact.seq > self.seq {
                    self.seq = fact.seq;
                    self.tell_event(&fact);
                }
            }
            News::Activity { run, activity } => {
                let said = wire::Message::Activity {
                    run: run.to_string(),
                    task: activity.task.to_string(),
                    phase: activity.phase,
                    action: activity.action,
                    usage: convert::usage(&activity.usage),
                };
                self.offer(&said);
            }
            News::Machine(view) => {
                let limits = self.views.handle().limits().iter().map(convert::limit).collect();
                self.offer(&wire::Message::Machine { machine: convert::machine(&view), limits });
                self.pages.retain(|page| !page.is_over());
                // Whoever stopped watching is gone from the count by now.
                self.runs.retain(|_, watched| watched.pages.load(Ordering::Relaxed) > 0);
                self.runs.values().for_each(|watched| watched.changed.notify_one());
                self.rows.look(!self.pages.is_empty());
            }
        }
    }

    fn tell_event(&mut self, fact: &Fact) {
        let run = fact.event.run();
        if let Some(watched) = run.and_then(|run| self.runs.get(run)) {
            watched.changed.notify_one();
        }
        // Whoever comes later is shown all rows first.
        if self.pages.is_empty() {
            return;
        }
        if let Some(run) = run {
            self.rows.changed(run);
        }
        if let Some(message) = text(&EventMessage::Event { event: fact }) {
            self.pages.retain(|page| page.push(&message));
        }
    }

    fn offer(&self, message: &wire::Message) {
        if self.pages.is_empty() {
            return;
        }
        if let Some(message) = text(message) {
            self.pages.iter().for_each(|page| page.offer(&message));
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Join(queue, answer) => {
                self.pages.push(queue);
                let _ = answer.send(self.seq);
            }
            Wish::Tell(message) => self.pages.retain(|page| page.push(&message)),
            Wish::Watch(run, join, answer) => {
                let watched = self.runs.entry(run.clone()).or_insert_with(|| {
                    let (joins, joining) = mpsc::channel(CONNECTIONS);
                    let changed = Arc::new(Notify::new());
                    tokio::spawn(standing::follow(self.views.clone(), run, joining, Arc::clone(&changed)));
                    Watched { joins, changed, pages: Arc::default() }
                });
                watched.pages.fetch_add(1, Ordering::Relaxed);
                let watching = Watching(Arc::clone(&watched.pages));
                // A page waits until it is shown the run before it asks again: there is room for as many as there are pages.
                if watched.joins.try_send(join).is_ok() {
                    let _ = answer.send(watching);
                }
            }
        }
    }
}
