//! What clients hear while the log cannot be written.

use gadugi_store::StoreError;
use tokio::sync::oneshot;

use super::{Asked, Driver, failure};
use crate::protocol::Failure;

impl Driver {
    /// Nothing can be promised and nothing new is true until the log takes it: whoever asks is told why instead of being
    /// kept waiting. An engine that is there says so, and what the loop itself must know is kept.
    pub(super) fn refuse(&mut self, asked: Asked, error: &StoreError) {
        match asked {
            Asked::Command(_, to) => refuse(to, error),
            Asked::Status(_, to) => refuse(to, error),
            Asked::Task(_, _, to) => refuse(to, error),
            Asked::Attempt(_, _, to) => refuse(to, error),
            Asked::Runs(to) => refuse(to, error),
            Asked::Follow(_, to) => refuse(to, error),
            Asked::Watch(to) => refuse(to, error),
            Asked::Machine(to) => refuse(to, error),
            Asked::Plan(_, to) => refuse(to, error),
            Asked::Summaries(_, to) => refuse(to, error),
            Asked::Export(_, to) => refuse(to, error),
            Asked::Forget(_, to) => refuse(to, error),
            // Nobody waiting for it any more is no failure.
            Asked::Hello(to) => drop(to.send(Ok(()))),
            // The next look sees what there is then.
            Asked::Seen(_) => {}
            Asked::ClientCame => self.client_came(),
            Asked::ClientGone => self.clients = self.clients.saturating_sub(1),
            Asked::Terminate | Asked::JournalGone | Asked::Displaced(_) => self.put_off.push(asked),
        }
    }
}

fn refuse<T>(to: oneshot::Sender<Result<T, Failure>>, error: &StoreError) {
    let words = format!("the engine waits until its log can be written: {error}");
    let (code, mend) = match error {
        StoreError::Locked => ("store-locked", "end what holds .gadugi/gadugi.db"),
        StoreError::Unwritable { .. } => ("store-unwritable", "make .gadugi writable"),
        _ => ("store-full", "make room on the disk"),
    };
    let hint = Some(format!("{mend}; everything goes on by itself then"));
    drop(to.send(Err(Failure { hint, ..failure(code, words) })));
}
