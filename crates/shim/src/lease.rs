//! The lease: a file whose mtime somebody moves for as long as the step is wanted.
//!
//! What counts is the time on the shim's own clock in which it looked and did not see the mtime *change*: no clock is
//! compared with another, and the time in which the machine sleeps does not count (`CLOCK_MONOTONIC`, which `Instant` is).
//! Nor does time in which nobody could look: a virtual machine that was frozen, or the whole session stopped, shim and
//! engine alike. A gap between two looks counts as two pauses at most.

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
    /// Time without a renewal.
    unrenewed: Duration,
    looked: Instant,
    look_at: Instant,
}

impl Lease {
    /// None where the length is nothing: then the step needs no lease.
    pub(crate) fn new(path: PathBuf, length: Duration, now: Instant) -> Option<Self> {
        let mut lease =
            Self { path, length, mtime: None, unrenewed: Duration::ZERO, looked: now, look_at: now };
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
        self.unrenewed += now.duration_since(self.looked).min(2 * self.pause());
        self.looked = now;
        let mtime = self.read();
        // A lease that cannot be read is one that nobody renews.
        if mtime.is_some() && mtime != self.mtime {
            self.mtime = mtime;
            self.unrenewed = Duration::ZERO;
        }
        self.unrenewed >= self.length
    }

    fn pause(&self) -> Duration {
        (self.length / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }

    fn read(&self) -> Option<(i64, i64)> {
        std::fs::metadata(&self.path).ok().map(|data| (data.mtime(), data.mtime_nsec()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes, remove_file};
    use std::time::SystemTime;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    struct Scene {
        path: PathBuf,
        lease: Lease,
        now: Instant,
    }

    impl Scene {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("gadugi-lease-{}-{name}", std::process::id()));
            File::create(&path).unwrap();
            let now = Instant::now();
            Self { lease: Lease::new(path.clone(), LENGTH, now).unwrap(), path, now }
        }

        /// As `utimensat` by an engine whose clock says so many seconds since 1970.
        fn renew(&self, clock: u64) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(clock);
            let file = File::options().write(true).open(&self.path).unwrap();
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        }

        fn lapsed_after(&mut self, seconds: u64) -> bool {
            self.now += Duration::from_secs(seconds);
            self.lease.lapsed(self.now)
        }

        /// Looks as the shim does, until it has lapsed: for how many seconds.
        fn lives(&mut self) -> u64 {
            (1..).find(|_| self.lapsed_after(30)).unwrap() * 30
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            // One of the tests has removed it.
            let _ = remove_file(&self.path);
        }
    }

    #[test]
    fn nobody_renews_it() {
        assert_eq!(Scene::new("nobody").lives(), 600);
        let now = Instant::now();
        assert!(Lease::new("/no/such/file".into(), Duration::ZERO, now).is_none(), "no length, no lease");
    }

    #[test]
    fn the_clock_of_whoever_renews_it_may_say_what_it_likes() {
        let mut scene = Scene::new("clock");
        // In the far future, set back to the beginning, a second on, years on.
        for clock in [9_000_000_000, 0, 1, 2_000_000_000] {
            assert!(!scene.lapsed_after(540));
            assert!(!scene.lapsed_after(30));
            scene.renew(clock);
            assert!(!scene.lapsed_after(30), "{clock}");
        }
        assert_eq!(scene.lives(), 600, "also from the future it is one renewal only");
    }

    #[test]
    fn time_in_which_nobody_could_look_does_not_count() {
        let mut scene = Scene::new("frozen");
        assert!(!scene.lapsed_after(30));
        // Engine and shim were frozen for a day and wake in any order.
        assert!(!scene.lapsed_after(24 * 3600));
        scene.renew(1);
        assert!(!scene.lapsed_after(30));
        assert_eq!(scene.lives(), 600);
    }

    #[test]
    fn one_that_was_deleted_lapses() {
        let mut scene = Scene::new("deleted");
        scene.renew(5);
        assert!(!scene.lapsed_after(30));
        remove_file(&scene.path).unwrap();
        assert_eq!(scene.lives(), 600);
    }
}
