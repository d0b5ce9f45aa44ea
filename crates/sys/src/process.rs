//! Who a process is. A pid alone says nothing: pids are reused.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use gadugi_core::Process;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// This process.
pub fn this() -> Option<Process> {
    identify(std::process::id())
}

/// The process that has this pid now.
pub fn identify(pid: u32) -> Option<Process> {
    look(pid).ok().flatten()
}

/// The same, where "there is none" has to be told from "it cannot be found out" (no descriptors left, above all).
fn look(pid: u32) -> io::Result<Option<Process>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(error) if is_gone(&error) => return Ok(None),
        other => other?,
    };
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let process = |start_ticks| Process { pid, start_ticks, boot: boot.trim().to_owned() };
    Ok(start_ticks(&stat).map(process))
}

/// No such file; or no such process, where it ended between being opened and being read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Field 22 of `/proc/PID/stat`. The command name in field 2 may hold spaces and parentheses: what counts begins
/// behind the last one.
pub fn start_ticks(stat: &str) -> Option<u64> {
    let rest = &stat[stat.rfind(')')? + 1..];
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether that very process still exists (a zombie counts as existing).
pub fn exists(process: &Process) -> bool {
    identify(process.pid).as_ref() == Some(process)
}

/// A handle on that very process: it becomes readable when the process ends, and signals sent through it reach no
/// other. None where the process is gone.
pub fn open(process: &Process) -> Option<OwnedFd> {
    find(process).ok().flatten()
}

/// The same, where a process that is gone has to be told from one that cannot be asked about.
pub fn find(process: &Process) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        other => other?,
    };
    // The pid may have been given to another between the look and the opening: look again with the handle held.
    Ok((look(process.pid)?.as_ref() == Some(process)).then_some(handle))
}

/// Sends a signal to that very process. `false` where it is gone.
pub fn signal(process: &Process, signal: Signal) -> bool {
    open(process).is_some_and(|handle| pidfd_send_signal(&handle, signal).is_ok())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_its_pid_its_start_and_its_boot() {
        let own = this().unwrap();
        assert!(exists(&own) && find(&own).unwrap().is_some());
        for other in [
            Process { start_ticks: own.start_ticks + 1, ..own.clone() },
            Process { boot: "another".into(), ..own.clone() },
            Process { pid: 0, ..own.clone() },
            Process { pid: u32::MAX, ..own },
        ] {
            assert!(!exists(&other) && find(&other).unwrap().is_none(), "{other:?}");
            assert!(!signal(&other, Signal::KILL));
        }
    }

    #[test]
    fn one_that_has_ended_is_there_until_it_was_waited_for() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let process = identify(child.id()).unwrap();
        assert!(signal(&process, Signal::KILL));
        while !fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(exists(&process));
        child.wait().unwrap();
        assert!(!exists(&process) && find(&process).unwrap().is_none());
    }
}
