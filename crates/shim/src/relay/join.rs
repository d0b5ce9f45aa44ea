//! One connection of a client's and its other half to the gateway.
//!
//! Each way goes on by itself: it reads only when what it read before is written (so that a slow reader slows its writer
//! and nothing piles up), and when its source has said all, its destination is told so (half-close).
//!
//! Where the gateway is gone, the client gets what the gateway had said, and then the end; what it still sends is dropped for
//! a moment longer, because closing on unread bytes resets a connection, and a reset takes from the client what it has not
//! yet read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::Shutdown;

/// How long a client may take to notice the end.
const LINGER: Duration = Duration::from_secs(2);

/// One of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Gateway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The source has said all; what is left is to be written.
    Ending,
    /// The destination takes no more: what comes is read and dropped.
    Dropping,
    /// Nothing comes any more, and the destination knows.
    Over,
}

/// One of the two ways.
#[derive(Debug)]
struct Flow {
    state: State,
    /// What was read and not yet written, from `written` on.
    pending: Vec<u8>,
    written: usize,
}

/// What one turn of a flow ran into.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Source,
    Destination,
}

impl Flow {
    const fn new() -> Self {
        Self { state: State::Open, pending: Vec::new(), written: 0 }
    }

    fn waits_to_read(&self) -> bool {
        self.pending.is_empty() && matches!(self.state, State::Open | State::Dropping)
    }

    fn waits_to_write(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Reads once, where nothing is left to be written, and writes what the destination takes.
    fn read(&mut self, from: &OwnedFd, to: &OwnedFd, buffer: &mut [u8]) -> Result<(), Trouble> {
        let length = match rustix::io::read(from, &mut *buffer) {
            Ok(0) if self.state == State::Dropping => {
                self.state = State::Over;
                return Ok(());
            }
            Ok(0) => {
                self.end(to);
                return Ok(());
            }
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => return Err(Trouble::Source),
        };
        if self.state == State::Dropping {
            return Ok(());
        }
        let read = buffer.get(..length).unwrap_or_default();
        let written = write(to, read)?;
        // Only what is left over takes memory.
        self.pending = read.get(written..).unwrap_or_default().to_vec();
        self.written = 0;
        Ok(())
    }

    /// Writes what is left.
    fn flush(&mut self, to: &OwnedFd) -> Result<(), Trouble> {
        self.written += write(to, self.pending.get(self.written..).unwrap_or_default())?;
        if self.written >= self.pending.len() {
            (self.pending, self.written) = (Vec::new(), 0);
            if self.state == State::Ending {
                self.end(to);
            }
        }
        Ok(())
    }

    /// The source has said all.
    fn end(&mut self, to: &OwnedFd) {
        self.state = if self.pending.is_empty() { State::Over } else { State::Ending };
        if self.state == State::Over {
            // Where the other side is gone, it needs not be told.
            let _ = rustix::net::shutdown(to, Shutdown::Write);
        }
    }

    /// From now on what comes is dropped.
    fn drop_all(&mut self) {
        (self.pending, self.written) = (Vec::new(), 0);
        if self.state != State::Over {
            // Of a source that has said all, nothing comes.
            self.state = if self.state == State::Ending { State::Over } else { State::Dropping };
        }
    }
}

fn write(to: &OwnedFd, bytes: &[u8]) -> Result<usize, Trouble> {
    match rustix::io::write(to, bytes) {
        Ok(length) => Ok(length),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(_) => Err(Trouble::Destination),
    }
}

/// The two sockets and the two ways between them.
#[derive(Debug)]
pub(super) struct Join {
    /// None: it is broken, and to be forgotten.
    client: Option<OwnedFd>,
    /// None: it is held.
    gateway: Option<OwnedFd>,
    /// From the client to the gateway.
    up: Flow,
    /// From the gateway to the client.
    down: Flow,
    lingers_until: Option<Instant>,
}

impl Join {
    /// Held, for the time being.
    pub(super) fn new(client: OwnedFd) -> Self {
        Self { client: Some(client), gateway: None, up: Flow::new(), down: Flow::new(), lingers_until: None }
    }

    pub(super) fn is_held(&self) -> bool {
        self.gateway.is_none()
    }

    pub(super) fn join(&mut self, gateway: OwnedFd) {
        self.gateway = Some(gateway);
    }

    /// Until when it is left to a client whose gateway is gone.
    pub(super) fn lingers_until(&self) -> Option<Instant> {
        self.lingers_until
    }

    /// Whether nothing is left to do. A client whose gateway is gone has a moment more.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        match (self.up.state, self.down.state) {
            _ if self.client.is_none() => true,
            (State::Over, State::Over) => true,
            (State::Dropping, State::Over) => now >= *self.lingers_until.get_or_insert(now + LINGER),
            _ => false,
        }
    }

    /// What is waited for, on which socket. Poll tells of hangups whether it is asked or not, and goes on telling: so a socket
    /// is left out where [`Join::turn`] would have nothing to do about one.
    pub(super) fn waits(&self) -> [Option<(Side, BorrowedFd<'_>, PollFlags)>; 2] {
        let Some(client) = &self.client else { return [None, None] };
        let Some(gateway) = &self.gateway else {
            return [Some((Side::Client, client.as_fd(), PollFlags::empty())), None];
        };
        let flags = |reader: &Flow, writer: &Flow| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reader.waits_to_read());
            flags.set(PollFlags::OUT, writer.waits_to_write());
            flags
        };
        let of_client = flags(&self.up, &self.down);
        let of_gateway = flags(&self.down, &self.up);
        // Until we have told the client that all is said, its hangup is a reset. Until the gateway has said all, its hangup
        // is found by reading.
        let said_all = self.down.state == State::Over;
        let listens = said_all && self.up.state == State::Open;
        let client =
            (!of_client.is_empty() || !said_all).then_some((Side::Client, client.as_fd(), of_client));
        let gateway =
            (!of_gateway.is_empty() || listens).then_some((Side::Gateway, gateway.as_fd(), of_gateway));
        [client, gateway]
    }

    /// Does what the side was waited for. A hangup is an answer to reading and to writing.
    pub(super) fn turn(&mut self, side: Side, buffer: &mut [u8]) {
        let (Some(client), Some(gateway)) = (&self.client, &self.gateway) else {
            // Held, and reset.
            self.client = None;
            return;
        };
        let (reader, writer) = match side {
            Side::Client => (&mut self.up, &mut self.down),
            Side::Gateway => (&mut self.down, &mut self.up),
        };
        let (own, other) = if side == Side::Client { (client, gateway) } else { (gateway, client) };
        let (reads, writes) = (reader.waits_to_read(), writer.waits_to_write());
        let wrote = if writes { writer.flush(own) } else { Ok(()) };
        let read = if reads { reader.read(own, other, buffer) } else { Ok(()) };
        let own_gone = wrote.is_err() || read == Err(Trouble::Source) || !(reads || writes);
        let other_gone = read == Err(Trouble::Destination);
        let (client_gone, gateway_gone) =
            if side == Side::Client { (own_gone, other_gone) } else { (other_gone, own_gone) };
        if gateway_gone {
            self.up.drop_all();
            if side == Side::Gateway && read == Err(Trouble::Source) {
                self.down.end(client);
            }
        }
        if client_gone {
            self.client = None;
        }
    }
}
