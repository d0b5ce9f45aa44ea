//! What an engine leaves when it is killed: its containers' processes, their shims, mounts, cgroups.
//!
//! Everything is known by names that are this engine's alone: the cgroup that its containers lie in, and its
//! folders, which are in the command lines of containerd and its shims and in the paths of mounts.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadugi_sys::process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Signal, pidfd_send_signal};

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names of one engine's things.
#[derive(Debug)]
pub(super) struct Leftovers {
    cgroup: String,
    folder: PathBuf,
    data_root: PathBuf,
}

impl Leftovers {
    pub(super) fn new(cgroup: String, folder: PathBuf, data_root: PathBuf) -> Self {
        Self { cgroup, folder, data_root }
    }

    /// The cgroup that the engine's containers lie in.
    pub(super) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Ends all processes in the engine's containers.
    pub(super) fn kill_containers(&self) {
        let mark = format!(":/{}/", self.cgroup);
        kill_all(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(&mark))
        });
    }

    /// Ends the containerd of an engine that was killed. It is about to end by itself; this waits for it.
    pub(super) fn kill_containerd(&self) {
        kill_all(|pid| self.is_named_by(pid, |program| program.ends_with("containerd")));
    }

    /// Ends and removes all that is left behind an engine that has ended.
    pub(super) fn clear(&self) {
        kill_all(|pid| self.is_named_by(pid, |program| program.contains("containerd")));
        self.kill_containers();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
        let ours =
            points.filter(|point| point.starts_with(&self.folder) || point.starts_with(&self.data_root));
        // What was mounted last lies on top.
        for point in ours.collect::<Vec<_>>().into_iter().rev() {
            // Busy or gone meanwhile: the folder's removal is what tells.
            let _ = unmount(point, UnmountFlags::DETACH);
        }
        for line in mounts.lines() {
            if let [_, point, "cgroup" | "cgroup2", ..] = line.split(' ').collect::<Vec<_>>()[..] {
                remove_cgroup(&Path::new(point).join(&self.cgroup));
            }
        }
    }

    /// Whether a process is such a program and has this engine's folder in its command line.
    fn is_named_by(&self, pid: u32, is: impl Fn(&str) -> bool) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split('\0');
        let below = format!("{}/", self.folder.display());
        words.next().is_some_and(is) && words.any(|word| word.starts_with(&below))
    }
}

/// Kills the processes that `is_ours` until there are none, within bounds.
fn kill_all(is_ours: impl Fn(u32) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let ours: Vec<OwnedFd> = pids().filter_map(|pid| handle(pid, &is_ours)).collect();
        if ours.is_empty() {
            return;
        }
        for process in &ours {
            // It may have ended by itself.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        for process in &ours {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout =
                Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout));
        }
    }
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A handle on a process that lives and is ours. A zombie is nobody's to kill.
fn handle(pid: u32, is_ours: impl Fn(u32) -> bool) -> Option<OwnedFd> {
    let identity = process::identify(pid)?;
    fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    is_ours(pid).then(|| process::open(&identity)).flatten()
}

/// A cgroup is removed from its leaves up, and only by `rmdir`.
fn remove_cgroup(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    // Most controllers have none of that name; one with a process that is just ending stays, empty.
    let _ = fs::remove_dir(group);
}
