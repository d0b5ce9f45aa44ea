//! A step that was admitted: its socket, its token, its account book.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gadugi_core::StepId;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::ledger::Ledger;
use crate::log::Log;
use crate::network::AllowList;
use crate::prices::Prices;
use crate::token::Known;
use crate::traffic::{Notices, Told};
use crate::upstream::Line;

/// Connections of one step: an agent has a few, its tools some dozens.
pub(crate) const STEP_CONNECTIONS: usize = 128;

/// Bodies of requests that are held at once: of one step, and of all. The API takes 32 MiB in one; agents send some
/// hundred KiB.
pub(crate) const STEP_BODIES_KIB: usize = 64 << 10;
pub(crate) const ALL_BODIES_KIB: usize = 256 << 10;

/// What all steps share.
pub(crate) struct Shared {
    pub(crate) prices: Prices,
    pub(crate) notices: Notices,
    pub(crate) log: Log,
    /// Connections of all steps.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) bodies: Arc<Semaphore>,
    /// How long a request waits here for its turn, for a credential, for a refusal to pass.
    pub(crate) patience: Duration,
}

/// A step that was admitted.
pub(crate) struct Step {
    pub(crate) id: StepId,
    pub(crate) token: Known,
    pub(crate) hosts: AllowList,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) told: Told,
    pub(crate) shared: Arc<Shared>,
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) connections: Arc<Semaphore>,
    /// Under whose name its requests leave; none until it is known.
    pub(crate) line: watch::Sender<Option<Arc<Line>>>,
    pub(crate) closed: watch::Sender<bool>,
    tunnels: Mutex<JoinSet<()>>,
}

impl Step {
    pub(crate) fn new(
        id: StepId,
        token: Known,
        hosts: AllowList,
        ledger: Arc<Ledger>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            id,
            token,
            hosts,
            ledger,
            told: Told::default(),
            shared,
            bodies: Arc::new(Semaphore::new(STEP_BODIES_KIB)),
            connections: Arc::new(Semaphore::new(STEP_CONNECTIONS)),
            line: watch::Sender::new(None),
            closed: watch::Sender::new(false),
            tunnels: Mutex::default(),
        }
    }

    /// The account, waited for until then.
    pub(crate) async fn line(&self, latest: Instant) -> Option<Arc<Line>> {
        let mut lines = self.line.subscribe();
        let found = timeout_at(latest, lines.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }

    /// A connection that goes on beside the one that it came from. It ends with the step.
    pub(crate) fn tunnel(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tunnels = self.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
        while tunnels.try_join_next().is_some() {}
        if !*self.closed.borrow() {
            tunnels.spawn(task);
        }
    }

    /// Ends all of them.
    pub(crate) async fn end_tunnels(&self) {
        let mut tunnels = std::mem::take(&mut *self.tunnels.lock().unwrap_or_else(PoisonError::into_inner));
        tunnels.shutdown().await;
    }
}

/// A step's socket in the file system. It goes when this goes, unless another lies in its place by then.
pub(crate) struct Socket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    pub(crate) listener: UnixListener,
}

impl Socket {
    /// Puts a socket at a path, in place of one that is left of an earlier engine. Only its owner can connect.
    pub(crate) fn bind(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let amiss = || io::Error::new(io::ErrorKind::InvalidInput, "the path of a socket has no folder");
        let folder = File::open(path.parent().ok_or_else(amiss)?)?;
        let name = path.file_name().ok_or_else(amiss)?;
        let mut fresh = std::ffi::OsString::from(".new-");
        fresh.push(name);
        // The address of a socket has 108 bytes at most, a path more.
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        match rustix::fs::unlinkat(&folder, &fresh, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let listener = std::os::unix::net::UnixListener::bind(short.join(&fresh))?;
        listener.set_nonblocking(true)?;
        rustix::fs::chmodat(folder.as_fd(), &fresh, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(folder.as_fd(), &fresh, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let listener = UnixListener::from_std(listener)?;
        let meta = fs::symlink_metadata(short.join(&fresh))?;
        rustix::fs::renameat(&folder, &fresh, &folder, name)?;
        Ok(Self { path: path.to_owned(), identity: (meta.dev(), meta.ino()), listener })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let own = |meta: fs::Metadata| (meta.dev(), meta.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(own) {
            // Where it is gone meanwhile, so much the better.
            let _ = fs::remove_file(&self.path);
        }
    }
}
