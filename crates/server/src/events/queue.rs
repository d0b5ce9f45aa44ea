//! What waits to be sent to one page.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

/// Messages that wait for one page at most: of 64 tasks that each say what they do four times a second, what comes in eight seconds.
const MESSAGES: usize = 2048;

/// What tells of a moment only is left out for a page that has so many of them, or so many bytes, to read.
const FOR_MOMENTS: usize = MESSAGES / 4;

/// Bytes that wait for one page at most. All pages hold the same bytes of the same events, so this is no sum.
const BYTES: usize = 8 << 20;
const BYTES_FOR_MOMENTS: usize = BYTES / 4;

/// The end at which messages go in.
#[derive(Clone)]
pub(super) struct Queue {
    sender: mpsc::Sender<Utf8Bytes>,
    state: Arc<State>,
}

/// The end at which they come out.
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Utf8Bytes>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    bytes: AtomicUsize,
    /// Told once something that must not be lost did not fit.
    lags: Notify,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("free", &self.sender.capacity()).finish_non_exhaustive()
    }
}

pub(super) fn queue() -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let state = Arc::new(State::default());
    (Queue { sender, state: Arc::clone(&state) }, Inbox { receiver, state })
}

/// A message as it goes over the wire: made once, shared by all.
pub(super) fn text(message: &impl Serialize) -> Option<Utf8Bytes> {
    match serde_json::to_string(message) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a message does not become JSON");
            None
        }
    }
}

impl Queue {
    /// A message that the page must get. False where it is gone, or lags too far behind: then it is told, and gets nothing more.
    pub(super) fn push(&self, message: &Utf8Bytes) -> bool {
        let waiting = self.state.bytes.fetch_add(message.len(), Ordering::Relaxed);
        // One that is larger than all that may wait goes where nothing does.
        let fits = waiting == 0 || waiting + message.len() <= BYTES;
        if fits && self.sender.try_send(message.clone()).is_ok() {
            return true;
        }
        self.state.lags.notify_one();
        false
    }

    /// One that tells of a moment only: left out where much waits. Nobody is cut off for it.
    pub(super) fn offer(&self, message: &Utf8Bytes) {
        let few = self.sender.capacity() > MESSAGES - FOR_MOMENTS;
        if few && self.state.bytes.load(Ordering::Relaxed) + message.len() <= BYTES_FOR_MOMENTS {
            self.push(message);
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_over(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Inbox {
    /// The next message; none where nobody will say anything more.
    pub(super) async fn next(&mut self) -> Option<Utf8Bytes> {
        let message = self.receiver.recv().await?;
        self.state.bytes.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }

    /// Told once it lags.
    pub(super) fn lags(&self) -> Lags {
        Lags(Arc::clone(&self.state))
    }
}

/// Whether a page lags.
pub(super) struct Lags(Arc<State>);

impl Lags {
    /// Returns once it does.
    pub(super) async fn come(&self) {
        self.0.lags.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_told_and_holds_little() {
        let (queue, mut inbox) = queue();
        let small = Utf8Bytes::from_static("x");
        assert!((0..MESSAGES).all(|_| queue.push(&small)));
        assert!(!queue.push(&small));
        inbox.lags().come().await;
        assert_eq!(inbox.next().await.unwrap().as_str(), "x");
        let (queue, inbox) = super::queue();
        let large = Utf8Bytes::from("x".repeat(BYTES / 4));
        let fitted = (0..100).take_while(|_| queue.push(&large)).count();
        assert_eq!(fitted, 4);
        inbox.lags().come().await;
    }

    #[tokio::test]
    async fn what_tells_of_a_moment_leaves_room_and_cuts_nobody_off() {
        let (queue, mut inbox) = queue();
        let small = Utf8Bytes::from_static("x");
        for _ in 0..2 * MESSAGES {
            queue.offer(&small);
        }
        assert!((0..MESSAGES - FOR_MOMENTS).all(|_| queue.push(&small)));
        for _ in 0..MESSAGES {
            inbox.next().await.unwrap();
        }
        assert!(queue.push(&small), "there is room again");
        drop(inbox);
        assert!(queue.is_over() && !queue.push(&small));
        let (queue, mut inbox) = super::queue();
        let large = Utf8Bytes::from("x".repeat(BYTES));
        assert!(queue.push(&large));
        queue.offer(&small);
        assert_eq!(inbox.next().await.unwrap().len(), BYTES);
        assert!(queue.push(&small), "bytes that wait for it are much, too");
        assert!(inbox.lags().0.lags.notified().now_or_never().is_none(), "it was not cut off");
    }
}
