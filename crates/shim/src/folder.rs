//! The step's folder: a path, or what the executor hands over through a socket.
//!
//! In a container the folder is mounted nowhere. The executor listens on a Unix socket, the shim connects to it, and one
//! message brings one descriptor: the folder, which becomes the shim's working directory. No path inside the container
//! leads there, and what `/proc` says of a process that is not dumpable (its working directory, its descriptors) is closed
//! to others of its uid. The shim closes the connection once it has the folder.

use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::fchdir;

use crate::signals::Signals;
use crate::{platform, unix};

/// An engine that restarts is back by then; one that is not wants no more of this step.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(50);

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Folder {
    /// This one.
    At(PathBuf),
    /// The one that comes through this socket.
    From(PathBuf),
}

impl Folder {
    /// Reads the arguments behind the program's name. None: they make no sense.
    pub(crate) fn of_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let first = arguments.next()?;
        let folder =
            if first == "--from" { Self::From(arguments.next()?.into()) } else { Self::At(first.into()) };
        arguments.next().is_none().then_some(folder)
    }

    /// Whether it is handed over, as it is in a container.
    pub(crate) fn is_handed(&self) -> bool {
        matches!(self, Self::From(_))
    }

    /// The path under which this process reaches it from now on.
    pub(crate) fn reach(self, signals: &Signals) -> Result<PathBuf, String> {
        match self {
            Self::At(path) => Ok(path),
            Self::From(socket) => {
                receive(&socket, signals).map_err(|words| format!("{}: {words}", socket.display()))?;
                Ok(PathBuf::from("."))
            }
        }
    }
}

fn receive(socket: &Path, signals: &Signals) -> Result<(), String> {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        let tried = unix::connect(socket).and_then(|peer| take(&peer, signals, give_up_at));
        let error = match tried {
            Ok(folder) => return fchdir(folder).map_err(|error| format!("what came is no folder: {error}")),
            Err(error) => error,
        };
        let now = Instant::now();
        if now >= give_up_at {
            return Err(format!("nobody handed a step's folder over: {error}"));
        }
        platform::poll_until(&mut [signals.pollable()], Some(give_up_at.min(now + RETRY)));
        if signals.any_stop() {
            return Err("stopped before a step's folder was handed over".into());
        }
    }
}

/// Waits for the message.
fn take(peer: &OwnedFd, signals: &Signals, give_up_at: Instant) -> io::Result<OwnedFd> {
    loop {
        let mut fds = [platform::pollable(peer.as_fd(), PollFlags::IN), signals.pollable()];
        platform::poll_until(&mut fds, Some(give_up_at));
        let [answer, signal] = fds.map(|fd| !fd.revents().is_empty());
        if answer {
            return read(peer);
        }
        if signal || Instant::now() >= give_up_at {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn read(peer: &OwnedFd) -> io::Result<OwnedFd> {
    let mut byte = [0_u8];
    // Room for one: the kernel closes whatever else may have been sent.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(peer, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let folder = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    folder.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer without a descriptor"))
}
