//! Processes of attempts that are over: they carry their attempt in their environment.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadugi_sys::process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

/// What is asked to end gets so long to do it.
const GRACE: Duration = Duration::from_secs(2);

/// One process that a step left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) pid: u32,
    /// `run/task/number`
    pub(super) attempt: String,
    /// The worktree that its step was started in.
    pub(super) worktree: PathBuf,
    /// Its program and arguments, for people.
    pub(super) command: String,
}

/// All processes of this machine that carry an attempt, as far as this user may look.
pub(super) fn marked() -> Vec<Marked> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Marked> = entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            look(pid, &entry.path())
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn look(pid: u32, folder: &Path) -> Option<Marked> {
    let environment = fs::read(folder.join("environ")).ok()?;
    let value = |name: &str| {
        let start = format!("{name}=");
        let mut entries = environment.split(|byte| *byte == 0);
        let found = entries.find_map(|entry| entry.strip_prefix(start.as_bytes()))?;
        Some(String::from_utf8_lossy(found).into_owned())
    };
    let attempt = value(gadugi_sys::env::ATTEMPT)?;
    let worktree = value("ORCHESTRATOR_WORKTREE").map(PathBuf::from)?;
    let words = fs::read(folder.join("cmdline")).unwrap_or_default();
    let words: Vec<_> =
        words.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    Some(Marked { pid, attempt, worktree, command: gadugi_agents::one_line(&words.join(" "), 100) })
}

/// Ends these very processes and no others: not their sessions or groups, which may be a user's terminal. Says how many
/// it ended. Blocks for twice the grace at most.
pub(super) fn end(processes: &[Marked]) -> usize {
    let handles: Vec<OwnedFd> = processes.iter().filter_map(handle).collect();
    for signal in [Signal::TERM, Signal::KILL] {
        for handle in &handles {
            // One that is gone already needs none.
            let _ = pidfd_send_signal(handle, signal);
        }
        let until = Instant::now() + GRACE;
        for handle in &handles {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let _ = poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], Some(&left));
        }
    }
    handles.len()
}

/// A handle on that very process, with its mark seen once more while the handle is held: a pid may be another's by now.
fn handle(found: &Marked) -> Option<OwnedFd> {
    let handle = process::open(&process::identify(found.pid)?)?;
    let again = look(found.pid, Path::new(&format!("/proc/{}", found.pid)))?;
    (again.attempt == found.attempt).then_some(handle)
}
