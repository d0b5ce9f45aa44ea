//! How a watched run stands: asked of the engine when something happened to it, at most five times a second, and told as what
//! changed since it was told last.
//!
//! Whoever comes is told all of it, as of a view that the others are told the changes of at the same moment: what changes and
//! changes back between two views is missed by nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gadugi_core::RunId;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::queue::{Queue, text};
use crate::app::{Seen, Views};
use crate::error::ApiError;
use crate::wire;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(200);

/// Somebody who wants to know.
#[derive(Debug)]
pub(super) struct Join {
    /// Where changes go.
    pub(super) queue: Queue,
    /// Where all of it goes first.
    pub(super) first: First,
    /// Closed once they watch another run.
    pub(super) over: Over,
}

/// Where all that is to be said of a run goes first.
#[derive(Debug)]
pub(super) enum First {
    /// To whoever asks.
    Answer(oneshot::Sender<Result<Box<wire::RunDetail>, ApiError>>),
    /// Into the queue, as a message; whoever asks is told that it is there.
    Queue(oneshot::Sender<()>),
}

/// Whether somebody watches another run by now.
#[derive(Clone, Debug, Default)]
pub(super) struct Over(Arc<std::sync::atomic::AtomicBool>);

impl Over {
    pub(super) fn set(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

struct Standing {
    views: Views,
    run: RunId,
    pages: Vec<(Queue, Over)>,
    /// What was told last.
    run_told: Option<wire::Run>,
    tasks_told: HashMap<String, wire::Task>,
}

/// Tells how a run stands until nobody can ask any more.
pub(super) async fn follow(views: Views, run: RunId, mut joins: mpsc::Receiver<Join>, changed: Arc<Notify>) {
    let mut standing = Standing { views, run, pages: Vec::new(), run_told: None, tasks_told: HashMap::new() };
    let mut looked = None::<Instant>;
    loop {
        let due = looked.map_or_else(Instant::now, |looked| looked + EVERY);
        let join = tokio::select! {
            join = joins.recv() => match join {
                Some(join) => Some(join),
                None => return,
            },
            () = async {
                changed.notified().await;
                tokio::time::sleep_until(due).await;
            } => None,
        };
        standing.look(join).await;
        looked = Some(Instant::now());
    }
}

impl Standing {
    async fn look(&mut self, join: Option<Join>) {
        self.pages.retain(|(queue, over)| !over.is_set() && !queue.is_over());
        if join.is_none() && self.pages.is_empty() {
            return;
        }
        let seen = match self.views.run(self.run.as_str()).await {
            Ok(seen) => seen,
            Err(error) => {
                if let Some(Join { first: First::Answer(answer), .. }) = join {
                    let _ = answer.send(Err(error));
                }
                return;
            }
        };
        self.tell_changes(&seen);
        if let Some(join) = join {
            self.welcome(join, &seen).await;
        }
    }

    /// Tells those who watch already what changed, and takes note of it.
    fn tell_changes(&mut self, seen: &Seen) {
        let run = seen.run();
        let changed: Vec<wire::Task> = seen
            .tasks()
            .into_iter()
            .filter(|task| !self.tasks_told.get(&task.id).is_some_and(|told| is_same_task(told, task)))
            .collect();
        let same = self.run_told.as_ref().is_some_and(|told| is_same_run(told, &run));
        if changed.is_empty() && same {
            return;
        }
        self.tasks_told.extend(changed.iter().map(|task| (task.id.clone(), task.clone())));
        self.run_told = Some(run.clone());
        if self.pages.is_empty() {
            return;
        }
        let state = wire::Message::State { seq: seen.view.seq, run: Box::new(run), tasks: changed };
        if let Some(message) = text(&state) {
            self.pages.retain(|(queue, _)| queue.push(&message));
        }
    }

    /// Tells somebody who comes all of it.
    async fn welcome(&mut self, join: Join, seen: &Seen) {
        let detail = self.views.detail(seen).await.map(Box::new);
        match (join.first, detail) {
            (First::Answer(answer), detail) => drop(answer.send(detail)),
            (First::Queue(there), Ok(detail)) => {
                if let Some(message) = text(&wire::Message::Detail { detail }) {
                    join.queue.push(&message);
                }
                let _ = there.send(());
            }
            (First::Queue(_), Err(error)) => tracing::warn!(message = error.message, "a run cannot be shown"),
        }
        self.pages.push((join.queue, join.over));
    }
}

/// The time that a step takes goes on by itself: pages have a clock of their own.
fn is_same_task(told: &wire::Task, now: &wire::Task) -> bool {
    told == now || wire::Task { elapsed_seconds: now.elapsed_seconds, ..told.clone() } == *now
}

fn is_same_run(told: &wire::Run, now: &wire::Run) -> bool {
    let timeless = wire::Run {
        wall_seconds: now.wall_seconds,
        task_seconds: now.task_seconds,
        speedup: now.speedup,
        ..told.clone()
    };
    timeless == *now
}
