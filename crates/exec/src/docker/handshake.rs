//! Handing a step's folder over to the shim in its container.
//!
//! The folder is mounted nowhere. The executor listens on a Unix socket in the step's gate before the container is started;
//! the shim connects, and one message brings it one descriptor. The other end of that connection is the container's first
//! process, and the kernel says which one of this machine that is.

use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use gadugi_core::Process;
use rustix::fs::{Mode, OFlags, chmodat};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

use super::container::LAUNCH_SOCKET;
use super::give::give;

/// A socket that waits for one shim. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Handshake {
    listener: UnixListener,
    path: PathBuf,
    /// Who the shim is outside, where that is known: nobody else is given the folder.
    user: u32,
}

/// A shim that waits for its folder.
#[derive(Debug)]
pub(crate) struct Peer(UnixStream);

impl Handshake {
    /// Listens in the gate, which the shim's user can look into.
    pub(crate) fn listen(gate: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let path = gate.join(LAUNCH_SOCKET);
        remove(&path)?;
        // A socket's address is short, and the path may be long: it is reached through a descriptor of its folder.
        let folder = File::open(gate)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}/{LAUNCH_SOCKET}", folder.as_raw_fd()));
        let listener = StdListener::bind(short)?;
        listener.set_nonblocking(true)?;
        chmodat(&folder, LAUNCH_SOCKET, Mode::RUSR | Mode::WUSR, rustix::fs::AtFlags::empty())?;
        give(&path, owner)?;
        let user = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |(user, _)| user);
        Ok(Self { listener: UnixListener::from_std(listener)?, path, user })
    }

    /// Waits for the shim. Who it is on this machine; none where it cannot be seen from here.
    pub(crate) async fn accept(&self) -> io::Result<(Peer, Option<Process>)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            if peer.uid() != self.user {
                continue;
            }
            // Looked at while it waits for us: its pid is its own until then. It is 0 where it is in no pid namespace of ours.
            let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
            return Ok((Peer(stream), pid.and_then(gadugi_sys::process::identify)));
        }
    }
}

impl Peer {
    /// Hands the folder over.
    pub(crate) async fn hand_over(self, dir: &Path) -> io::Result<()> {
        let folder =
            rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        send(&self.0, &folder).await
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        // What is left is a socket that nobody answers.
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn send(stream: &UnixStream, folder: &impl AsFd) -> io::Result<()> {
    loop {
        stream.writable().await?;
        let sent = stream.try_io(Interest::WRITABLE, || {
            let descriptors = [folder.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
            Ok(sendmsg(stream, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other.map(drop),
        }
    }
}
