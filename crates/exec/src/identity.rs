//! A handle on a shim: its end can be waited for, and signals sent through it reach no other process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gadugi_core::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use crate::docker::ContainerHandle;

/// The handle.
#[derive(Debug)]
pub(crate) struct ShimHandle {
    fd: AsyncFd<OwnedFd>,
}

impl ShimHandle {
    /// On a child of ours that nobody has waited for: its pid is its own until then.
    pub(crate) fn of_child(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Self::new(pidfd_open(pid, PidfdFlags::empty())?)
    }

    /// On that very process; none where it is gone, or its pid is another's by now.
    pub(crate) fn of_process(process: &Process) -> io::Result<Option<Self>> {
        gadugi_sys::process::find(process)?.map(Self::new).transpose()
    }

    fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is an `OwnedFd`, which is open and the same for as long as the `AsyncFd` holds it; it is
        // never taken out.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
        Ok(Self { fd })
    }

    /// Returns once the process has ended. Cancel-safe; any number may wait.
    pub(crate) async fn ended(&self) {
        // Readiness is never cleared, so everybody sees it. An error means that the runtime is being shut down.
        let _ = self.fd.readable().await;
    }

    /// Whether it has ended by now.
    pub(crate) fn is_over(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.fd.get_ref().as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    /// `false` where it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        !self.is_over() && pidfd_send_signal(self.fd.get_ref(), signal).is_ok()
    }
}

/// What a step hangs on: with it the step is over.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// Its shim, a process of this machine.
    Process(Arc<ShimHandle>),
    /// Its container, whose first process the shim is.
    Container(Arc<ContainerHandle>),
}

impl Root {
    /// Returns once it is over. Cancel-safe; any number may wait.
    pub(crate) async fn ended(&self) {
        match self {
            Self::Process(shim) => shim.ended().await,
            Self::Container(container) => container.ended().await,
        }
    }
}

/// Waits for the shim's end so that it leaves no zombie, however its followers fare. Gives its exit status, where it
/// was a child of ours and exited.
pub(crate) fn reap(shim: Arc<ShimHandle>) -> JoinHandle<Option<i32>> {
    tokio::spawn(async move {
        shim.ended().await;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(shim.fd.get_ref().as_fd()), options)
            .ok()
            .flatten()
            .and_then(|end| end.exit_status())
    })
}
