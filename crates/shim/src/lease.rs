//! The lease: a file whose mtime somebody moves for as long as the step is wanted.
//!
//! What counts is the time on the shim's own clock since it last saw the mtime *change*: no clock is compared with
//! another, and the time in which the machine sleeps does not count (`CLOCK_MONOTONIC`, which `Instant` is).

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SHORTEST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(30);

/// A lease and when it was last seen renewed.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    length: Duration,
    mtime: Option<(i64, i64)>,
    renewed: Instant,
    look_at: Instant,
}

impl Lease {
    /// None where the length is nothing: then the step needs no lease.
    pub(crate) fn new(path: PathBuf, length: Duration, now: Instant) -> Option<Self> {
        let mut lease = Self { path, length, mtime: None, renewed: now, look_at: now };
        lease.mtime = lease.read();
        lease.look_at = now + lease.pause();
        (!length.is_zero()).then_some(lease)
    }

    /// When to look next.
    pub(crate) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Looks, where it is time to. Whether the lease has lapsed.
    pub(crate) fn lapsed(&mut self, now: Instant) -> bool {
        if now < self.look_at {
            return false;
        }
        self.look_at = now + self.pause();
        let mtime = self.read();
        // A lease that cannot be read is one that nobody renews.
        if mtime.is_some() && mtime != self.mtime {
            self.mtime = mtime;
            self.renewed = now;
        }
        now.duration_since(self.renewed) >= self.length
    }

    fn pause(&self) -> Duration {
        (self.length / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }

    fn read(&self) -> Option<(i64, i64)> {
        std::fs::metadata(&self.path).ok().map(|data| (data.mtime(), data.mtime_nsec()))
    }
}
