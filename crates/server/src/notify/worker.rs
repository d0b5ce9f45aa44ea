//! One way to tell, and whoever goes it: reads the log, delivers, remembers how far it is.

use std::collections::BTreeSet;
use std::time::Duration;

use gadugi_sys::clock;
use tokio::sync::watch;

use super::Kind;
use super::command::Command;
use super::cursor::Cursor;
use super::message::{Message, Stage};
use super::reader::{Log, Reader};
use super::webhook::Webhook;

/// How often something is told before it is given up.
const TRIES: u32 = 6;

/// The pause before the second try; each further one is twice as long: 31 seconds in all.
const PAUSE: Duration = Duration::from_secs(1);

/// Before a log is read again that could not be.
const LOG_AGAIN: Duration = Duration::from_secs(1);

/// How old the word of how far it is may get while there is nothing to tell, milliseconds.
const REMEMBER_EVERY: u64 = 30_000;

/// What a worker is woken by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wake {
    /// Counts up with whatever is stored.
    pub(super) facts: u64,
    /// The engine has left: what the log holds is all there is.
    pub(super) leaving: bool,
}

/// A way to tell.
#[derive(Debug)]
pub(super) enum Sink {
    /// A program.
    Command(Command),
    /// An address.
    Webhook(Box<Webhook>),
}

/// Why it was not told. One line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// Another try may help.
    NotNow(String),
    /// None would.
    Never(String),
}

impl Sink {
    async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        match self {
            Self::Command(command) => command.tell(message).await,
            Self::Webhook(webhook) => webhook.tell(message).await,
        }
    }
}

/// Whoever goes one way to tell.
#[derive(Debug)]
pub(super) struct Worker {
    sink: Sink,
    cursor: Cursor,
    stage: Stage,
    on: BTreeSet<Kind>,
    woken: watch::Receiver<Wake>,
    pause: Duration,
    /// The last one was given up: until one arrives again, each has one try. A receiver that is away costs little then.
    gave_up: bool,
}

impl Worker {
    pub(super) fn new(
        sink: Sink,
        cursor: Cursor,
        stage: Stage,
        on: BTreeSet<Kind>,
        woken: watch::Receiver<Wake>,
    ) -> Self {
        Self { sink, cursor, stage, on, woken, pause: PAUSE, gave_up: false }
    }

    #[cfg(test)]
    pub(super) fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Tells of everything behind its cursor, and of what comes, until the engine has left. `log_end` is the log's last number.
    pub(super) async fn work(mut self, log: impl Log, log_end: u64) {
        let begin = self.cursor.read(log_end);
        let mut reader = Reader::new(self.stage.clone(), begin);
        self.remember(begin);
        let mut remembered = clock::now();
        loop {
            let woken = *self.woken.borrow_and_update();
            match reader.next(&log).await {
                Ok(None) if woken.leaving => break,
                // A sender that is gone has left.
                Ok(None) => match self.woken.changed().await {
                    Ok(()) => {}
                    Err(_) => break,
                },
                Ok(Some(messages)) => {
                    let told = messages.iter().filter(|message| self.on.contains(&message.of));
                    let told: Vec<&Message> = told.collect();
                    let due = clock::now().since(remembered).0 >= REMEMBER_EVERY;
                    for message in &told {
                        self.deliver(message).await;
                    }
                    if !told.is_empty() || due {
                        self.remember(reader.seq());
                        remembered = clock::now();
                    }
                }
                Err(_) if woken.leaving => break,
                Err(error) => {
                    tracing::debug!(error, "the log cannot be read to notify anybody");
                    tokio::time::sleep(LOG_AGAIN).await;
                }
            }
        }
        self.remember(reader.seq());
    }

    /// Until it is told, or given up.
    async fn deliver(&mut self, message: &Message) {
        let mut pause = self.pause;
        let tries = if self.gave_up { 1 } else { TRIES };
        for number in 1.. {
            let reason = match self.sink.tell(message).await {
                Ok(()) => {
                    self.gave_up = false;
                    return;
                }
                Err(Undelivered::NotNow(_)) if number < tries => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    continue;
                }
                Err(Undelivered::NotNow(reason)) => {
                    self.gave_up = true;
                    reason
                }
                Err(Undelivered::Never(reason)) => reason,
            };
            let (id, kind) = (&message.id, message.kind);
            tracing::warn!(id, kind, tries = number, reason, "a notification was given up");
            return;
        }
    }

    fn remember(&self, seq: u64) {
        if let Err(error) = self.cursor.write(seq) {
            tracing::warn!(%error, "how far was notified cannot be remembered: some of it will be told again");
        }
    }
}
