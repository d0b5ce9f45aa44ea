//! Processes that the tests left behind. A test that starts an engine, a shim or an agent has to see it end; here is
//! who looks.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::names;

/// Marks, by its presence in their environment, the processes that the tests start.
pub(crate) const MARK: &str = "GADUGI_XTASK_TEST_RUN";

/// How long what is about to end may take: an engine leaves a moment after its last client.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process by pid and start time; a pid alone is given to others later.
type Identity = (u32, u64);

/// The processes that ran before the tests did.
pub(crate) struct Before {
    processes: BTreeSet<Identity>,
    /// Where test programs and the binaries that they call are built and installed.
    built: [PathBuf; 2],
    /// The variable that marks what the tests start.
    mark: &'static str,
    /// How long what is about to end may take.
    patience: Duration,
}

/// Looks at what runs now.
pub(crate) fn before() -> Result<Before> {
    let processes = pids()?.filter_map(identify).collect();
    Ok(Before { processes, built: [names::target()?, names::tools()], mark: MARK, patience: PATIENCE })
}

impl Before {
    /// Stops what the tests started and did not stop, and describes each. What ends by itself in time is
    /// left out.
    pub(crate) fn stop_what_is_left(&self) -> Result<Vec<String>> {
        let deadline = Instant::now() + self.patience;
        let mut left = Vec::new();
        for pid in pids()? {
            let Some(identity) = identify(pid).filter(|found| !self.processes.contains(found)) else {
                continue;
            };
            let Some(handle) = self.is_of_the_tests(pid).then(|| open(pid)).flatten() else { continue };
            // The pid may have changed hands before the handle was there.
            if identify(pid) == Some(identity) && !ends_by(&handle, deadline) {
                left.push(describe(pid));
                // It may end just now: then there is nothing to stop.
                let _ = pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        Ok(left)
    }

    fn is_of_the_tests(&self, pid: u32) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let marked = fs::read(process.join("environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(self.mark.as_bytes()))
        });
        marked
            || fs::read_link(process.join("exe"))
                .is_ok_and(|program| self.built.iter().any(|folder| program.starts_with(folder)))
    }
}

/// All processes.
pub(crate) fn pids() -> Result<impl Iterator<Item = u32>> {
    let entries = fs::read_dir("/proc").context("cannot list processes")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// Whether that very process lives; one that has ended and is not collected yet does not.
pub(crate) fn is_alive(pid: u32, start: u64) -> bool {
    let ended = fs::read_link(format!("/proc/{pid}/exe")).is_err();
    !ended && identify(pid) == Some((pid, start))
}

/// Field 22 of `/proc/PID/stat` is the start time; the command name in field 2 may hold spaces and parentheses.
pub(crate) fn identify(pid: u32) -> Option<Identity> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = &stat[stat.rfind(')')? + 1..];
    Some((pid, behind_name.split_ascii_whitespace().nth(19)?.parse().ok()?))
}

fn open(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()
}

/// Whether the process ends before the deadline; waits for it.
fn ends_by(process: &OwnedFd, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

fn describe(pid: u32) -> String {
    let words = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&words).replace('\0', " ");
    format!("{pid}: {}", line.chars().take(200).collect::<String>().trim())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A `cat` that has said its first word: its environment can be seen only when it is well under way. It then
    /// waits for input until it is told otherwise.
    fn waiting(cat: &mut Command) -> Child {
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    }

    #[test]
    fn a_marked_process_that_stays_is_stopped_and_told_and_a_stranger_is_not() {
        // A mark of its own: other tests run beside this one and are none of its business.
        let mark = "GADUGI_XTASK_STRAYS_OWN_TEST";
        let processes = pids().unwrap().filter_map(identify).collect();
        let built = [PathBuf::from("/nonexistent"), PathBuf::from("/nonexistent")];
        let before = Before { processes, built, mark, patience: Duration::ZERO };
        let mut stranger = waiting(&mut Command::new("cat"));
        let mut marked = waiting(Command::new("cat").env(mark, "1"));
        let left = before.stop_what_is_left().unwrap();
        assert_eq!(left, [format!("{}: cat", marked.id())]);
        assert_eq!(marked.wait().unwrap().signal(), Some(9));
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger goes on");
        drop(stranger.stdin.take());
        stranger.wait().unwrap();
        assert_eq!(before.stop_what_is_left().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn this_process_is_known_by_pid_and_start() {
        let own = std::process::id();
        assert_eq!(identify(own), identify(own));
        assert!(identify(own).is_some_and(|(pid, start)| pid == own && start > 0));
        assert!(describe(own).starts_with(&format!("{own}: ")));
    }
}
