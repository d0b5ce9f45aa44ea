//! Who is told of what (`[notify]`): a run that is over, a task that failed for good, what wants a person, a limit that is reached.
//!
//! Notifications are made from the log, by one worker for each way to tell (a command, a webhook), in a thread of their own: nothing
//! of the engine waits for them, and the log itself is the queue. How far a worker has come stands in a file of its own
//! (`cursor.rs`), moved on once what came before was delivered or given up: an engine that dies in between tells again, under the
//! same id. What wants a person is the core's own judgement (`RunState::needs`) of the state that the log gives.
//!
//! A command is run as other commands of `gadugi.toml` are: without asking, and with a line in the engine's log that says so.

mod command;
mod cursor;
mod message;
mod reader;
#[cfg(test)]
mod tests;
mod webhook;
mod worker;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gadugi_engine::Handle;
use gadugi_engine::handle::News;
use gadugi_sys::program;
use tokio::sync::watch;

use command::Command;
use cursor::Cursor;
use message::Stage;
use webhook::Webhook;
use worker::{Sink, Wake, Worker};

/// What somebody can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A run is over, and every task of it succeeded.
    Done,
    /// A task failed for good, or a run is over of which not every task succeeded.
    Failed,
    /// Something wants a person.
    NeedsPerson,
    /// An account has reached its limit.
    Limit,
}

impl Kind {
    /// The word for it in the configuration and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NeedsPerson => "needs-person",
            Self::Limit => "limit",
        }
    }
}

/// Who is told of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What is told.
    pub on: BTreeSet<Kind>,
    /// A program and its arguments.
    pub command: Option<Vec<String>>,
    /// Where it is posted.
    pub webhook: Option<String>,
    /// The variable of the engine's environment that holds the webhook's secret.
    pub secret_env: Option<String>,
}

/// How long what is under way may take once the engine has left.
const LINGER: Duration = Duration::from_secs(10);

/// Tells. Begun with the engine.
pub struct Notifier {
    settings: Settings,
    running: Mutex<Option<Running>>,
}

struct Running {
    wake: watch::Sender<Wake>,
    over: Receiver<()>,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A webhook's address can be its only secret.
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

impl Notifier {
    /// One that tells nobody yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, running: Mutex::default() }
    }

    /// Begins, where there is somebody to tell. What cannot be begun is told in the engine's log.
    pub fn begin(&self, handle: Handle) {
        let sinks = self.sinks(&handle);
        if sinks.is_empty() || self.settings.on.is_empty() {
            return;
        }
        let (wake, woken) = watch::channel(Wake::default());
        let (ended, over) = channel();
        let (waker, on) = (wake.clone(), self.settings.on.clone());
        let thread = std::thread::Builder::new().name("notify".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(tell(&handle, sinks, &on, &waker, woken)),
                Err(error) => tracing::error!(%error, "nobody is notified"),
            }
            // Nobody waits for it before the engine leaves.
            let _ = ended.send(());
        });
        match thread {
            Ok(_) => *self.lock() = Some(Running { wake, over }),
            Err(error) => tracing::error!(%error, "nobody is notified"),
        }
    }

    /// The engine has left: waits for what is under way, for some seconds. What is not delivered by then is delivered under the
    /// next engine.
    pub fn finish(&self) {
        let Some(running) = self.lock().take() else { return };
        running.wake.send_modify(|wake| wake.leaving = true);
        if running.over.recv_timeout(LINGER).is_err() {
            tracing::warn!("notifications that are not delivered yet wait for the next engine");
            // Whatever command hangs is not left behind.
            let _ = program::kill_asked();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sinks(&self, handle: &Handle) -> Vec<(Sink, Cursor, Stage)> {
        let layout = handle.layout();
        let folder: PathBuf = layout.state_dir().join("notify");
        let stage = Stage::at(layout.root());
        let mut sinks = Vec::new();
        if let Some(argv) = &self.settings.command {
            tracing::info!(
                command = argv.join(" "),
                "notifications are given to a program ([notify] command)"
            );
            let command = Command::new(argv.clone(), layout.root());
            sinks.push((Sink::Command(command), Cursor::at(&folder, "command"), stage.clone()));
        }
        if let Some(address) = &self.settings.webhook {
            match Webhook::new(address, self.settings.secret_env.as_deref()) {
                Ok(webhook) => {
                    tracing::info!(host = webhook.host(), "notifications are posted ([notify] webhook)");
                    sinks.push((Sink::Webhook(Box::new(webhook)), Cursor::at(&folder, "webhook"), stage));
                }
                Err(error) => tracing::error!(%error, "nothing is posted to [notify] webhook"),
            }
        }
        sinks
    }
}

/// Wakes the workers whenever a fact is stored, until the engine leaves; then sees them to their end.
async fn tell(
    handle: &Handle,
    sinks: Vec<(Sink, Cursor, Stage)>,
    on: &BTreeSet<Kind>,
    waker: &watch::Sender<Wake>,
    woken: watch::Receiver<Wake>,
) {
    let Ok(mut first) = handle.watch().await else { return };
    let mut workers = tokio::task::JoinSet::new();
    for (sink, cursor, stage) in sinks {
        let worker = Worker::new(sink, cursor, stage, on.clone(), woken.clone());
        workers.spawn(worker.work(handle.clone(), first.up_to));
    }
    let mut leaving = woken.clone();
    let watching = async {
        loop {
            while let Some(news) = first.news.recv().await {
                if matches!(news, News::Event(_)) {
                    waker.send_modify(|wake| wake.facts += 1);
                }
            }
            // It lagged, or the engine leaves: then nobody is let in any more.
            waker.send_modify(|wake| wake.facts += 1);
            tokio::time::sleep(Duration::from_millis(100)).await;
            match handle.watch().await {
                Ok(again) => first = again,
                Err(_) => break,
            }
        }
        waker.send_modify(|wake| wake.facts += 1);
        // A sender that is gone would say the same.
        let _ = leaving.wait_for(|wake| wake.leaving).await;
    };
    watching.await;
    while workers.join_next().await.is_some() {}
}
