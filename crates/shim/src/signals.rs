//! The signals that the shim takes, and whom it believes.
//!
//! Beside a local step everybody of its uid may stop it. In a container the step's own processes have the shim's uid, and
//! are not to be its judges: there a signal counts that was sent from outside, and any other one is at most a reason to look
//! whether the executor has put its wish into the folder ([`gadugi_shim::STOP`]). That wish is the sure way: the kernel keeps
//! one pending signal of a kind, so that a flood of signals from inside can swallow the one from outside, but each of the
//! flood makes the shim look.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gadugi_shim::{STOP, STOP_NOW};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, getpid};

use crate::platform::{self, Sent};

/// Where signals come from.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    /// Whether only what comes from outside the pid namespace counts.
    guarded: bool,
}

impl Signals {
    /// Takes the signals from now on. `handed`: the folder is handed over, as in a container.
    pub(crate) fn take(handed: bool) -> io::Result<Self> {
        Ok(Self { fd: platform::take_signals()?, guarded: handed && getpid() == Pid::INIT })
    }

    /// To be waited for.
    pub(crate) fn pollable(&self) -> PollFd<'_> {
        platform::pollable(self.fd.as_fd(), PollFlags::IN)
    }

    /// Those that count and have come since the last call.
    pub(crate) fn read(&self) -> Vec<Signal> {
        let sent = platform::read_signals(&self.fd);
        let (believed, doubted): (Vec<_>, Vec<_>) =
            sent.into_iter().partition(|sent| !self.guarded || from_outside(*sent));
        let mut signals: Vec<_> =
            believed.into_iter().filter_map(|sent| Signal::from_named_raw(sent.number)).collect();
        if doubted.iter().any(|sent| sent.number != Signal::CHILD.as_raw()) {
            signals.extend(written());
        }
        signals
    }

    /// Whether one that stops has come since the last call.
    pub(crate) fn any_stop(&self) -> bool {
        self.read().into_iter().any(|signal| signal != Signal::CHILD)
    }
}

/// The kernel sets the sender to 0 where that is in no pid namespace of the receiver's. A sender can forge a 0, but none of
/// those that can has `SI_USER` for a code (`kill`, `pidfd_send_signal`): `sigqueue` has -1, a file's owner (`F_SETOWN`) more
/// than 0.
fn from_outside(sent: Sent) -> bool {
    sent.code == libc::SI_USER && sent.sender == 0
}

/// What the executor has put into the folder, which is the working directory.
fn written() -> Option<Signal> {
    match std::fs::read(Path::new(STOP)) {
        Ok(wish) if wish.starts_with(STOP_NOW.as_bytes()) => Some(Signal::QUIT),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // It is there, whatever it says.
        Ok(_) | Err(_) => Some(Signal::USR1),
    }
}
