//! The local executor: steps as processes of this machine.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadugi_shim::{LEASE, LOCK, SPEC};
use gadugi_sys::lock::FileLock;
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, flock, utimensat};

use crate::error::{ExecError, at};
use crate::follow::StepFollower;
use crate::identity::{Root, ShimHandle, reap};
use crate::launch::{Launched, launch};
use crate::records::{self, Record};
use crate::sweep::{sweep, wake};
use crate::watch::Watcher;
use crate::{StepOrder, shim};

/// Starts, finds and follows steps as processes of this machine. Clones share one inotify instance.
#[derive(Clone, Debug)]
pub struct LocalExecutor {
    shim: Arc<PathBuf>,
    watcher: Arc<Watcher>,
}

/// A shim records something within milliseconds; one that has not by then may have been frozen by its own step.
const WAKE_AFTER: Duration = Duration::from_secs(1);

/// After so long nothing will come of whoever holds a folder's lock.
const BEGINNING: Duration = Duration::from_secs(30);

/// What the system has none of right now (descriptors, above all) is waited for: a minute in all. No event tells of it.
const SCARCE_TRIES: u32 = 240;
const SCARCE_PAUSE: Duration = Duration::from_millis(250);

/// How often a shim that was killed at its very beginning is started again.
const KILLED_TRIES: u32 = 3;

/// What a step's folder was found to be.
#[derive(Debug)]
pub enum Adoption {
    /// Its shim is at work.
    Running(StepFollower),
    /// It has ended; the follower gives every line and the end.
    Ended(StepFollower),
    /// No shim ever began, and none that is still on its way will: it can be launched afresh.
    NeverStarted,
    /// Its shim is gone without a word. What it left running was killed; the follower gives every line that was written
    /// and [`gadugi_core::StepExit::Lost`].
    Lost(StepFollower),
}

/// What is found where something was recorded.
enum Condition {
    Running,
    Ended,
    Lost,
}

impl LocalExecutor {
    /// Puts the shim into `state_dir/bin` and begins to watch. Must be called inside a tokio runtime.
    pub fn new(state_dir: &Path) -> Result<Self, ExecError> {
        let bin = std::path::absolute(state_dir).map_err(at(state_dir))?.join("bin");
        let shim = shim::install(&bin).map_err(at(bin))?;
        let watcher = Watcher::new().map_err(ExecError::Watch)?;
        Ok(Self { shim: Arc::new(shim), watcher: Arc::new(watcher) })
    }

    /// Starts a step, unless it has been started: then it is adopted. Returns when its process runs, or its end is
    /// known. A step that could not be started is not an error here but ends with `NotStarted`.
    ///
    /// The launch runs to its end even where the caller stops waiting for it. Where it fails, nothing of the step runs.
    pub async fn launch(&self, order: &StepOrder) -> Result<StepFollower, ExecError> {
        let (this, order) = (self.clone(), order.clone());
        let launch = async move { finally(&order.attempt, || this.launch_to_its_end(&order)).await };
        match tokio::spawn(launch).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ExecError::ShutDown),
        }
    }

    async fn launch_to_its_end(&self, order: &StepOrder) -> Result<StepFollower, ExecError> {
        if !order.dir.is_absolute() {
            return Err(ExecError::RelativeFolder(order.dir.clone()));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&order.dir).map_err(at(&order.dir))?;
        let mut killed = 0;
        loop {
            if let Some((_, follower)) = self.find(&order.dir, &order.attempt).await? {
                return Ok(follower);
            }
            let watch = self.watcher.watch(&order.dir).map_err(ExecError::Watch)?;
            match launch(&self.shim, order).await? {
                Launched::Recorded(shim) => {
                    return StepFollower::new(&order.dir, &order.attempt, Some(Root::Process(shim)), watch);
                }
                // It is another's step then: found by its records or, where that shim fails, launched once more.
                Launched::Taken => self.wait_for_records(&order.dir, &order.attempt).await?,
                // By the kernel for want of memory, most likely. What it may have begun dies with it.
                Launched::Killed if killed < KILLED_TRIES => {
                    killed += 1;
                    blocking(&order.attempt, sweep).await?;
                }
                Launched::Killed => return Err(ExecError::Shim("it was killed again and again".into())),
            }
        }
    }

    /// Finds out what became of a step that an earlier engine (or an earlier executor) launched. Starts nothing. Where it
    /// cannot be found out, nothing of the step runs any more: it never runs unseen beside another try.
    pub async fn adopt(&self, dir: &Path, attempt: &str) -> Result<Adoption, ExecError> {
        finally(attempt, || self.look_into(dir, attempt)).await
    }

    async fn look_into(&self, dir: &Path, attempt: &str) -> Result<Adoption, ExecError> {
        loop {
            match self.find(dir, attempt).await? {
                Some((Condition::Running, follower)) => return Ok(Adoption::Running(follower)),
                Some((Condition::Ended, follower)) => return Ok(Adoption::Ended(follower)),
                Some((Condition::Lost, follower)) => return Ok(Adoption::Lost(follower)),
                None if !dir.exists() => {
                    // Somebody may have deleted the folder of a step that runs: it must not run twice.
                    blocking(attempt, sweep).await?;
                    return Ok(Adoption::NeverStarted);
                }
                None => {}
            }
            let lock = dir.join(LOCK);
            let Some(held) = FileLock::try_acquire(&lock).map_err(at(&lock))? else {
                // A shim that is just beginning.
                self.wait_for_records(dir, attempt).await?;
                continue;
            };
            if records::any(dir) {
                continue;
            }
            // A shim may have been started and not have come so far as to take the lock: without its order it
            // will do nothing, and whoever launches the step again writes the order anew.
            let spec = dir.join(SPEC);
            match std::fs::remove_file(&spec) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&spec)(error)),
                _ => {}
            }
            // Nor does one go on whose lock and records somebody has deleted.
            blocking(attempt, sweep).await?;
            drop(held);
            return Ok(Adoption::NeverStarted);
        }
    }

    /// What the records say; none where there are none.
    async fn find(&self, dir: &Path, attempt: &str) -> Result<Option<(Condition, StepFollower)>, ExecError> {
        if !records::any(dir) {
            return Ok(None);
        }
        // Watched before it is looked for: whatever ends from here on wakes the follower.
        let watch = self.watcher.watch(dir).map_err(ExecError::Watch)?;
        let started = records::started(dir)?.there();
        let process = started.as_ref().map(|started| records::process(&started.shim));
        let shim =
            process.as_ref().map(ShimHandle::of_process).transpose().map_err(ExecError::Handle)?.flatten();
        let shim = shim.map(Arc::new);
        if let Some(shim) = &shim {
            // Where an executor before this one, in this very process, was its parent.
            drop(reap(shim.clone()));
        }
        let condition = if matches!(records::exit(dir)?, Record::There(_)) {
            Condition::Ended
        } else if shim.is_some() {
            Condition::Running
        } else {
            // Or a shim is at work there whose record of itself cannot be read: nobody could stop it, nor know it again.
            blocking(attempt, sweep).await?;
            Condition::Lost
        };
        Ok(Some((condition, StepFollower::new(dir, attempt, shim.map(Root::Process), watch)?)))
    }

    /// Waits until the shim that holds the folder's lock has recorded something or let go.
    async fn wait_for_records(&self, dir: &Path, attempt: &str) -> Result<(), ExecError> {
        let mut watch = self.watcher.watch(dir).map_err(ExecError::Watch)?;
        let path = dir.join(LOCK);
        // Opened once: closing it is itself an event of the folder.
        let lock = OpenOptions::new().write(true).open(&path).map_err(at(&path))?;
        let begun = Instant::now();
        while !records::any(dir) && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if begun.elapsed() >= BEGINNING {
                return Err(ExecError::Held(dir.to_owned()));
            }
            if tokio::time::timeout(WAKE_AFTER, watch.changed()).await.is_err() {
                blocking(attempt, wake).await?;
            }
        }
        Ok(())
    }

    /// Says that the step is still wanted. Works on a full disk.
    pub fn renew_lease(&self, dir: &Path) -> io::Result<()> {
        touch_lease(dir)
    }
}

/// Says that the step of that folder is still wanted.
pub(crate) fn touch_lease(dir: &Path) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    Ok(utimensat(CWD, dir.join(LEASE), &times, AtFlags::empty())?)
}

/// Does that, again where it fails for what may pass; and where it fails in the end, ends whatever runs of the step.
async fn finally<T, F>(attempt: &str, work: impl Fn() -> F) -> Result<T, ExecError>
where
    F: Future<Output = Result<T, ExecError>>,
{
    let mut tries = 0;
    loop {
        match work().await {
            Err(error) if error.may_pass() && tries < SCARCE_TRIES => {
                tries += 1;
                tokio::time::sleep(SCARCE_PAUSE).await;
            }
            Err(error) => {
                blocking(attempt, sweep).await?;
                return Err(error);
            }
            done => return done,
        }
    }
}

/// Does what blocks for some milliseconds elsewhere.
async fn blocking<T: Send + 'static>(
    attempt: &str,
    work: impl FnOnce(&str) -> T + Send + 'static,
) -> Result<T, ExecError> {
    let attempt = attempt.to_owned();
    tokio::task::spawn_blocking(move || work(&attempt)).await.map_err(|_| ExecError::ShutDown)
}
