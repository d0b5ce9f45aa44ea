//! Finding a step in a container that somebody else launched.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use gadugi_shim::{LOCK, SPEC};
use gadugi_sys::lock::FileLock;
use tokio::time::{Instant, timeout};

use super::executor::DockerExecutor;
use super::give::give;
use super::handle::{ContainerHandle, End};
use super::record::{Container, Witness};
use crate::StepFollower;
use crate::error::{ExecError, at};
use crate::executor::Adoption;
use crate::identity::{Root, ShimHandle};
use crate::records::{self, Record};

/// After so long nothing will come of a shim that holds the folder's lock.
const BEGINNING: Duration = Duration::from_secs(30);

/// While it is waited for; what happens in the folder wakes, and this for the lock, which tells nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A step that has recorded something.
pub(super) struct Found {
    condition: Condition,
    follower: StepFollower,
}

enum Condition {
    Running,
    Ended,
    Lost,
}

impl Found {
    pub(super) fn into_follower(self) -> StepFollower {
        self.follower
    }

    fn into_adoption(self) -> Adoption {
        match self.condition {
            Condition::Running => Adoption::Running(self.follower),
            Condition::Ended => Adoption::Ended(self.follower),
            Condition::Lost => Adoption::Lost(self.follower),
        }
    }
}

impl DockerExecutor {
    pub(super) async fn look_into(&self, dir: &Path, attempt: &str) -> Result<Adoption, ExecError> {
        if !dir.exists() {
            // A container of it that is left is met by its name when the step is launched, or is reaped.
            return Ok(Adoption::NeverStarted);
        }
        let _held = self.lock(dir).await?;
        let until = Instant::now() + BEGINNING;
        loop {
            if let Some(found) = self.find(dir, attempt).await? {
                return Ok(found.into_adoption());
            }
            let container = Container::read(dir);
            let owner = container.as_ref().and_then(|container| container.owner);
            let lock = dir.join(LOCK);
            let Some(held) = FileLock::try_acquire(&lock).map_err(at(&lock))? else {
                // A shim that is just beginning.
                if Instant::now() >= until {
                    return Err(ExecError::Held(dir.to_owned()));
                }
                self.wait_for_records(dir).await?;
                continue;
            };
            give(&lock, owner).map_err(at(&lock))?;
            if records::any(dir) {
                continue;
            }
            // A shim that has its folder and not come so far as to take the lock does nothing without its order.
            let spec = dir.join(SPEC);
            match std::fs::remove_file(&spec) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&spec)(error)),
                _ => {}
            }
            if let Some(container) = container {
                self.free(&container).await?;
            }
            drop(held);
            return Ok(Adoption::NeverStarted);
        }
    }

    async fn wait_for_records(&self, dir: &Path) -> Result<(), ExecError> {
        let mut watch = self.watcher.watch(dir).map_err(ExecError::Watch)?;
        if !records::any(dir) {
            // Either way there is another look.
            let _ = timeout(LOOK_EVERY, watch.changed()).await;
        }
        Ok(())
    }

    /// What the records say; none where there are none.
    pub(super) async fn find(&self, dir: &Path, attempt: &str) -> Result<Option<Found>, ExecError> {
        if !records::any(dir) {
            return Ok(None);
        }
        // Watched before it is looked for: whatever ends from here on wakes the follower.
        let watch = self.watcher.watch(dir).map_err(ExecError::Watch)?;
        let container = Container::read(dir).unwrap_or_default();
        let process = container.process();
        let init =
            process.as_ref().map(ShimHandle::of_process).transpose().map_err(ExecError::Handle)?.flatten();
        let connection = self.connection.clone();
        let recorded = matches!(records::exit(dir)?, Record::There(_));
        let witness = Witness::read(dir);
        let (condition, handle) = if recorded {
            let handle = ContainerHandle::over(connection, container, dir, End::Recorded(witness));
            (Condition::Ended, handle)
        } else if let Some(witness) = witness {
            (Condition::Lost, ContainerHandle::over(connection, container, dir, End::Witnessed(witness)))
        } else {
            // Where its process is known and gone, and where no process is to be seen, the engine is asked from now on.
            let unseen = init.is_none() && process.is_none();
            let known_gone = init.is_none() && process.is_some();
            let handle = ContainerHandle::watch(connection, container, dir, init, known_gone);
            if known_gone {
                handle.ended().await;
            } else if unseen {
                // An engine that answers says within milliseconds whether it is over.
                let _ = timeout(LOOK_EVERY, handle.ended()).await;
            }
            let condition = match handle.end() {
                None => Condition::Running,
                Some(End::Recorded(_)) => Condition::Ended,
                Some(End::Witnessed(_)) => Condition::Lost,
            };
            (condition, handle)
        };
        let follower = StepFollower::new(dir, attempt, Some(Root::Container(handle)), watch)?;
        Ok(Some(Found { condition, follower }))
    }
}
