//! Who a process is. A pid alone says nothing: pids are reused.

use std::fs;
use std::os::fd::OwnedFd;

use gadugi_core::Process;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// This process.
pub fn this() -> Option<Process> {
    identify(std::process::id())
}

/// The process that has this pid now.
pub fn identify(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(Process { pid, start_ticks: start_ticks(&stat)?, boot: boot.trim().to_owned() })
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
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The pid may have been given to another between the look and the opening: look again with the handle held.
    exists(process).then_some(handle)
}

/// Sends a signal to that very process. `false` where it is gone.
pub fn signal(process: &Process, signal: Signal) -> bool {
    open(process).is_some_and(|handle| pidfd_send_signal(&handle, signal).is_ok())
}
