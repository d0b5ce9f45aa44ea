//! The server's port and its connections: opened, closed for a while, opened again; and a connection that is reset.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use futures_core::Stream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// Between the last bytes and the end of a connection, so that a client reads the former before it is told of the latter.
const BEFORE_THE_END: Duration = Duration::from_millis(100);

/// What is asked of the server's thread.
#[derive(Debug)]
pub(super) enum Order {
    /// Down for so long: every connection is gone, and the port is closed.
    Down(Duration),
    Stop,
}

/// Serves until it is told to stop, or nobody is left who could tell it. `wake` says that an order has come.
pub(super) fn run(first: TcpListener, router: &Router, orders: &Receiver<Order>, wake: &Arc<Notify>) {
    let Ok(address) = first.local_addr() else { return };
    let mut listener = Some(first);
    loop {
        let Some(open) = listener.take().or_else(|| open_again(address)) else { return };
        // With its runtime go all connections that it served.
        if serve(open, router.clone(), wake).is_err() {
            return;
        }
        let Ok(Order::Down(length)) = orders.recv() else { return };
        match orders.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody is connected who could ask for anything else.
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn open_again(address: SocketAddr) -> Option<TcpListener> {
    // The port may be in the hands of another for a moment; ephemeral ports come round slowly.
    for _ in 0..100 {
        match TcpListener::bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true).ok()?;
                return Some(listener);
            }
            Err(_) => gadugi_sys::clock::pause(Duration::from_millis(50)),
        }
    }
    None
}

fn serve(listener: TcpListener, router: Router, wake: &Notify) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            // Not gracefully: a client may hold its connection for as long as it likes.
            () = wake.notified() => Ok(()),
            served = axum::serve(listener, router.into_make_service_with_connect_info::<Connection>()) => served,
        }
    })
}

/// A client's connection, by a descriptor of its own.
#[derive(Clone, Debug)]
pub(super) struct Connection(Option<Arc<OwnedFd>>);

impl Connected<IncomingStream<'_, tokio::net::TcpListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, tokio::net::TcpListener>) -> Self {
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}

impl Connection {
    /// When it is closed, it is reset.
    pub(super) fn reset_at_close(&self) {
        if let Some(socket) = &self.0 {
            // Where that fails the connection is closed all the same, only more politely.
            let _ = rustix::net::sockopt::set_socket_linger(socket.as_fd(), Some(Duration::ZERO));
        }
    }
}

/// The body of an answer that does not come as it should.
pub(super) struct Broken {
    first: Option<Bytes>,
    then: Then,
}

enum Then {
    Silence,
    Pause { wait: Pin<Box<Sleep>>, rest: Option<Bytes> },
    End { connection: Option<Connection>, wait: Option<Pin<Box<Sleep>>> },
}

impl Broken {
    /// So much, and then nothing.
    pub(super) fn silent(text: String) -> Self {
        Self { first: some(text), then: Then::Silence }
    }

    /// So much, and the rest after a while.
    pub(super) fn paused(text: String, length: Duration, rest: String) -> Self {
        let wait = Box::pin(tokio::time::sleep(length));
        Self { first: some(text), then: Then::Pause { wait, rest: some(rest) } }
    }

    /// So much, and then the connection is closed.
    pub(super) fn truncated(text: String) -> Self {
        Self::ending(text, None)
    }

    /// So much, and then the connection is reset.
    pub(super) fn cut(text: String, connection: Connection) -> Self {
        Self::ending(text, Some(connection))
    }

    fn ending(text: String, connection: Option<Connection>) -> Self {
        let first = some(text);
        // Where nothing is to be read first, not even the head need come.
        let wait = first.is_some().then(|| Box::pin(tokio::time::sleep(BEFORE_THE_END)));
        Self { first, then: Then::End { connection, wait } }
    }
}

fn some(text: String) -> Option<Bytes> {
    if text.is_empty() { None } else { Some(text.into()) }
}

impl Stream for Broken {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match &mut self.then {
            // Nobody wakes it; it ends with its connection.
            Then::Silence => Poll::Pending,
            Then::Pause { wait, rest } => {
                if rest.is_some() {
                    ready!(wait.as_mut().poll(context));
                }
                Poll::Ready(rest.take().map(Ok))
            }
            Then::End { connection, wait } => {
                if let Some(wait) = wait {
                    ready!(wait.as_mut().poll(context));
                }
                if let Some(connection) = connection {
                    connection.reset_at_close();
                }
                // An error of the body ends the connection without the end of the answer.
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
        }
    }
}
