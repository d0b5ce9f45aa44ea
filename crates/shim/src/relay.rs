//! The way from a port of the loopback interface to the gateway's Unix socket, for as long as the step lives.
//!
//! It has a thread and a loop of its own, so that no amount of traffic delays the loop that stops the step. Memory: a
//! connection holds nothing but what its slower side has not taken, at most [`CHUNK`] each way; 256 of them, all stuck both
//! ways, 8 MiB.
//!
//! While nobody answers at the socket, connections are held: accepted, unread, joined when somebody does. An engine that
//! restarts costs the agent no connection that is new, and those that it had break, which the agent's own retries bridge.

mod join;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::platform::{poll_until, pollable};
use crate::unix;
use join::{Join, Side};

/// Connections at once, two descriptors each, of the usual 1,024. More of them wait in the queue of the kernel.
const MOST_JOINS: usize = 256;

/// Bytes that are moved at a time, and that a connection holds each way at most.
const CHUNK: usize = 16 * 1024;

/// Between two tries to reach the gateway, and to accept where there are no descriptors. No event tells of either.
const RETRY: Duration = Duration::from_millis(150);

/// How long the first connection, to itself, may take.
const PROOF: Duration = Duration::from_secs(5);

/// The thread's stack: some calls deep, no recursion.
const STACK: usize = 128 * 1024;

/// A relay at work. Dropping it ends it with all its connections.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    /// The thread sees it close.
    _alive: OwnedFd,
}

impl Relay {
    /// Listens from now on. The error says what is wanting, in words.
    pub(crate) fn start(order: &gadugi_shim::Relay) -> Result<Self, String> {
        let start = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            // A port can be had where the interface is down, too. What proves it is a connection.
            let client = TcpStream::connect_timeout(&address, PROOF)?;
            drop((listener.accept()?, client));
            listener.set_nonblocking(true)?;
            let port = address.port();
            let (stop, alive) = pipe_with(PipeFlags::CLOEXEC)?;
            let gateway = PathBuf::from(&order.socket.0);
            let hub = Hub { listener, gateway, joins: Vec::new(), connect_at: None, accept_at: None };
            let thread = thread::Builder::new().name("relay".into()).stack_size(STACK);
            thread.spawn(move || hub.run(&stop))?;
            Ok(Self { port, _alive: alive })
        };
        start().map_err(|error: io::Error| format!("a port of the loopback interface: {error}"))
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

#[derive(Debug)]
struct Hub {
    listener: TcpListener,
    gateway: PathBuf,
    joins: Vec<Join>,
    /// When to try again to reach the gateway; none: the last try went well.
    connect_at: Option<Instant>,
    /// When to try again to accept.
    accept_at: Option<Instant>,
}

impl Hub {
    fn run(mut self, stop: &OwnedFd) {
        let mut buffer = vec![0; CHUNK].into_boxed_slice();
        loop {
            let (stopped, knock, ready) = self.wait(stop);
            if stopped {
                return;
            }
            for (index, side) in ready {
                if let Some(join) = self.joins.get_mut(index) {
                    join.turn(side, &mut buffer);
                }
            }
            let now = Instant::now();
            self.joins.retain_mut(|join| !join.is_over(now));
            if self.accept_at.is_some_and(|at| now >= at) {
                self.accept_at = None;
            }
            if knock {
                self.accept(now);
            }
            if self.connect_at.is_none_or(|at| now >= at) {
                self.connect(now);
            }
        }
    }

    /// Waits for something to do: whether to stop, whether somebody wants to connect, and which sides of which connections
    /// are ready for what they wait for.
    fn wait(&self, stop: &OwnedFd) -> (bool, bool, Vec<(usize, Side)>) {
        let mut fds = vec![pollable(stop.as_fd(), PollFlags::IN)];
        let accepting = self.joins.len() < MOST_JOINS && self.accept_at.is_none();
        if accepting {
            fds.push(pollable(self.listener.as_fd(), PollFlags::IN));
        }
        let first = fds.len();
        let mut sides = Vec::new();
        for (index, join) in self.joins.iter().enumerate() {
            // What nobody waits for is left out: poll tells of a hangup whether it is asked or not, again and again.
            for (side, fd, flags) in join.waits().into_iter().flatten() {
                sides.push((index, side));
                fds.push(pollable(fd, flags));
            }
        }
        let held = self.joins.iter().any(Join::is_held);
        let lingering = self.joins.iter().filter_map(Join::lingers_until).min();
        let deadlines = [self.connect_at.filter(|_| held), self.accept_at, lingering];
        poll_until(&mut fds, deadlines.into_iter().flatten().min());
        let is_ready = |fd: &rustix::event::PollFd<'_>| !fd.revents().is_empty();
        let stopped = fds.first().is_some_and(is_ready);
        let knock = accepting && fds.get(1).is_some_and(is_ready);
        let ready = fds.iter().skip(first).zip(sides).filter(|(fd, _)| is_ready(fd)).map(|(_, side)| side);
        (stopped, knock, ready.collect())
    }

    fn accept(&mut self, now: Instant) {
        while self.joins.len() < MOST_JOINS {
            match self.listener.accept() {
                Ok((client, _)) => {
                    // Events of a stream are small, and each is waited for. Without these options it would work, but
                    // a socket that blocks would hold up all others.
                    let _ = client.set_nodelay(true);
                    if client.set_nonblocking(true).is_ok() {
                        self.joins.push(Join::new(client.into()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.accept_at = Some(now + RETRY);
                    return;
                }
            }
        }
    }

    /// Joins what is held with the gateway, the oldest first, for as long as that answers.
    fn connect(&mut self, now: Instant) {
        self.connect_at = None;
        for join in self.joins.iter_mut().filter(|join| join.is_held()) {
            match unix::connect(&self.gateway) {
                Ok(gateway) => join.join(gateway),
                Err(_) => {
                    self.connect_at = Some(now + RETRY);
                    return;
                }
            }
        }
    }
}
