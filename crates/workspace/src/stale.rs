//! Locks on refs that a killed git left. Git never removes them by itself: a run whose integration branch has one could
//! merge nothing any more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::repository::Repository;

/// A ref's lock is held for the time of one small write; one that is there so long is nobody's.
const STALE_AFTER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Repository {
    /// Waits until none of these refs, which are gadugi's own, is locked: a lock that does not go is removed. Whether
    /// there was one, so that it is worth trying again.
    pub(crate) fn free_refs(&self, names: &[&str]) -> bool {
        let locks = names.iter().map(|name| self.common_dir().join(format!("{name}.lock")));
        // Each is looked at: `any` would stop at the first.
        locks.filter(|lock| free(lock)).count() > 0
    }
}

fn free(lock: &Path) -> bool {
    let found = identity(lock);
    let mut waited = Duration::ZERO;
    while found.is_some() && identity(lock) == found {
        if waited >= STALE_AFTER {
            let _ = fs::remove_file(lock);
            break;
        }
        gadugi_sys::clock::pause(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    found.is_some()
}

/// Tells one lock from the next of that name.
pub(crate) fn identity(lock: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(lock).ok().map(|data| (data.ino(), data.mtime(), data.mtime_nsec()))
}
