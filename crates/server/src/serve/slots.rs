//! Who may be connected at once.
//!
//! Somebody without the token must not be able to shut out those who have it: where all places are taken, the oldest connection
//! that has shown none yet makes room, and only where every one has is a new one refused.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The places.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    inner: Mutex<Inner>,
    /// Told once no place is taken.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    taken: usize,
    next: u64,
    /// Those that were upgraded to WebSockets.
    sockets: BTreeSet<u64>,
    /// Those that have shown no token yet, the oldest first.
    strangers: BTreeMap<u64, Arc<Notify>>,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, inner: Mutex::default(), empty: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place; none where all are taken by those who showed the token.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut inner = self.lock();
        if inner.taken >= self.most {
            let (_, oldest) = inner.strangers.pop_first()?;
            oldest.notify_one();
        }
        // Those that are put out have their descriptors a moment longer: no more of them than places.
        if inner.taken >= self.most * 2 {
            return None;
        }
        inner.taken += 1;
        inner.next += 1;
        let (id, put_out) = (inner.next, Arc::new(Notify::new()));
        inner.strangers.insert(id, Arc::clone(&put_out));
        Some(Seat { visitor: Arc::new(Visitor { id, slots: Arc::clone(self), put_out }) })
    }

    /// WebSockets that are open.
    pub(crate) fn sockets(&self) -> usize {
        self.lock().sockets.len()
    }

    /// Returns once no place is taken.
    pub(crate) async fn empty(&self) {
        loop {
            let told = self.empty.notified();
            if self.lock().taken == 0 {
                return;
            }
            told.await;
        }
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.lock().taken
    }
}

/// One connection, as its requests know it.
#[derive(Debug)]
pub(crate) struct Visitor {
    id: u64,
    slots: Arc<Slots>,
    put_out: Arc<Notify>,
}

impl Visitor {
    /// It has shown the token.
    pub(crate) fn is_known(&self) {
        self.slots.lock().strangers.remove(&self.id);
    }

    /// It is a WebSocket from here on.
    pub(crate) fn is_socket(&self) {
        self.slots.lock().sockets.insert(self.id);
    }

    /// Returns once it is to make room.
    pub(crate) async fn put_out(&self) {
        self.put_out.notified().await;
    }
}

/// A taken place. It is held for as long as the connection's socket is open, whether it speaks HTTP or was upgraded.
#[derive(Debug)]
pub(crate) struct Seat {
    visitor: Arc<Visitor>,
}

impl Seat {
    pub(crate) fn visitor(&self) -> &Arc<Visitor> {
        &self.visitor
    }

    pub(crate) fn of(self, stream: TcpStream) -> Seated {
        Seated { stream, _seat: self }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.visitor.slots.lock();
        inner.taken -= 1;
        inner.strangers.remove(&self.visitor.id);
        inner.sockets.remove(&self.visitor.id);
        if inner.taken == 0 {
            self.visitor.slots.empty.notify_waiters();
        }
    }
}

/// A connection with its place.
#[derive(Debug)]
pub(crate) struct Seated {
    stream: TcpStream,
    _seat: Seat,
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_make_room_and_the_known_do_not() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take().unwrap(), slots.take().unwrap());
        first.visitor.is_known();
        let third = slots.take().unwrap();
        drop(second);
        assert_eq!(slots.taken(), 2);
        third.visitor.is_known();
        assert!(slots.take().is_none(), "both are known");
        drop(first);
        assert!(slots.take().is_some());
    }

    #[test]
    fn those_that_are_put_out_are_bounded_too() {
        let slots = Slots::new(2);
        let seats: Vec<Seat> = std::iter::from_fn(|| slots.take()).take(100).collect();
        assert_eq!(seats.len(), 4);
        drop(seats);
        assert_eq!(slots.taken(), 0);
    }
}
