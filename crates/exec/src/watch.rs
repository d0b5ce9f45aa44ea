//! One inotify instance for all steps of an executor, and one task that wakes whoever follows a folder.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Output that is appended; a record that gets its name; a lock that is let go; a file that is taken away. Not the lease: its
/// renewal is ATTRIB.
const INTEREST: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Bytes that are read of the kernel's queue at a time: some 200 events.
const BUFFER: usize = 8 * 1024;

/// The kernel's queue is read once in so long at most, at once where it was quiet before: the first line of a pause is
/// not kept waiting, and a thousand lines a second cost a hundred turns. The queue holds 16,384 events, and one that runs
/// over wakes everybody.
const AT_MOST_EVERY: Duration = Duration::from_millis(10);

/// Between two turns where the kernel refuses to say when there are events.
const WITHOUT_WAITING: Duration = Duration::from_secs(1);

type Watched = Mutex<HashMap<i32, Entry>>;

#[derive(Debug)]
struct Entry {
    /// Holds one value: that something happened. Ten thousand events are one.
    wake: watch::Sender<()>,
    /// Two followers of one folder share the kernel's watch of it.
    users: usize,
}

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    watched: Watched,
}

/// An inotify instance and its task: one for all folders that somebody follows.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// One folder that is watched, for as long as this lives.
#[derive(Debug)]
pub struct DirWatch {
    watcher: Arc<Watcher>,
    descriptor: i32,
    woken: watch::Receiver<()>,
}

impl Watcher {
    /// An instance of its own, whose task runs in this runtime.
    ///
    /// # Errors
    /// Where the kernel gives no further instance (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { fd, watched: Mutex::default() });
        let task = tokio::spawn(wake_followers(shared.clone())).abort_handle();
        Ok(Self { shared, task })
    }

    /// Watches a folder: whatever happens in it from now on is not missed.
    ///
    /// # Errors
    /// Where there is no such folder, or the kernel gives no further watch.
    pub fn watch(self: &Arc<Self>, dir: &Path) -> io::Result<DirWatch> {
        let mut watched = lock(&self.shared.watched);
        let descriptor = inotify::add_watch(&self.shared.fd, dir, INTEREST)?;
        let entry =
            watched.entry(descriptor).or_insert_with(|| Entry { wake: watch::Sender::new(()), users: 0 });
        entry.users += 1;
        let woken = entry.wake.subscribe();
        Ok(DirWatch { watcher: self.clone(), descriptor, woken })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl DirWatch {
    /// Returns once something happened since the last return (or since the watch began). Cancel-safe.
    pub async fn changed(&mut self) {
        if self.woken.changed().await.is_err() {
            // Cannot be: the sender lives in the map for as long as this watch does. If it could, waking is harmless.
        }
    }
}

impl Drop for DirWatch {
    fn drop(&mut self) {
        let mut watched = lock(&self.watcher.shared.watched);
        let Some(entry) = watched.get_mut(&self.descriptor) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            watched.remove(&self.descriptor);
            // Fails where the folder is gone, and the kernel's watch with it.
            let _ = inotify::remove_watch(&self.watcher.shared.fd, self.descriptor);
        }
    }
}

async fn wake_followers(shared: Arc<Shared>) {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    loop {
        let waited = readable(&shared.fd).await;
        // An error means that the runtime is being shut down, or that the kernel has no memory for the wait: then all are
        // woken every now and then until it has.
        let next = Instant::now() + if waited.is_ok() { AT_MOST_EVERY } else { WITHOUT_WAITING };
        let (descriptors, overflow) = drain(&shared.fd, &mut buffer);
        wake(&lock(&shared.watched), &descriptors, overflow || waited.is_err());
        sleep_until(next).await;
    }
}

/// Waits until there are events. Registered for as long as that takes only: else the runtime would be woken for each event
/// that comes in the time when nobody wants to know.
async fn readable(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed from an `OwnedFd` that outlives the `AsyncFd`, and so is open and the same for
    // as long as that is.
    let fd = unsafe { AsyncFd::register_with_interest(fd.as_fd(), Interest::READABLE)? };
    fd.readable().await.map(drop)
}

fn wake(watched: &HashMap<i32, Entry>, descriptors: &HashSet<i32>, overflow: bool) {
    if overflow {
        watched.values().for_each(|entry| entry.wake.send_replace(()));
    } else {
        let entries = descriptors.iter().filter_map(|descriptor| watched.get(descriptor));
        entries.for_each(|entry| entry.wake.send_replace(()));
    }
}

/// Which watches have news, and whether the kernel's queue ran over.
fn drain(fd: &OwnedFd, buffer: &mut [MaybeUninit<u8>]) -> (HashSet<i32>, bool) {
    let (mut descriptors, mut overflow) = (HashSet::new(), false);
    let mut reader = Reader::new(fd, buffer);
    while let Ok(event) = reader.next() {
        overflow |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
        descriptors.insert(event.wd());
    }
    (descriptors, overflow)
}

fn lock(watched: &Watched) -> MutexGuard<'_, HashMap<i32, Entry>> {
    // No code panics while it holds the map half changed.
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}
