//! Being stopped and taken up again by a shell: Ctrl-Z and `fg`; and the terminal that closes.

use std::fs;

use rustix::process::{
    Pid, Signal, getpgid, getpgrp, getpid, getppid, getsid, kill_current_process_group, kill_process,
};
use tokio::signal::unix::{Signal as Heard, SignalKind, signal};

use crate::error::Problem;

/// The signals of a shell's job control, and of a terminal that closes.
pub(super) struct Jobs {
    stop: Heard,
    goes_on: Heard,
    hangup: Heard,
}

/// What a shell or a terminal wants.
pub(super) enum Wanted {
    /// Give the terminal back and stop.
    Stop,
    /// It goes on.
    GoOn,
    /// The terminal is gone.
    HangUp,
}

impl Jobs {
    /// Begins to listen.
    pub(super) fn new() -> Result<Self, Problem> {
        let listen = |number: Signal| {
            signal(SignalKind::from_raw(number.as_raw())).map_err(|error| Problem::internal(&error))
        };
        Ok(Self { stop: listen(Signal::TSTP)?, goes_on: listen(Signal::CONT)?, hangup: listen(Signal::HUP)? })
    }

    /// Waits for one. A wait that is given up loses none.
    pub(super) async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.hangup.recv() => Wanted::HangUp,
            _ = self.stop.recv() => Wanted::Stop,
            _ = self.goes_on.recv() => Wanted::GoOn,
        }
    }
}

/// Asks for what Ctrl-Z asks for: everybody in the job is told, and this process hears it as well. Answers whether there is
/// a shell that can take the job up again.
pub(super) fn ask_to_stop() -> bool {
    has_a_shell() && kill_current_process_group(Signal::TSTP).is_ok()
}

/// Stops this process, until somebody lets it go on.
pub(super) fn stop() {
    // A process can always stop itself.
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Whether somebody in this session is above this job. Without, nobody would take it up again: the kernel itself ignores
/// Ctrl-Z then.
fn has_a_shell() -> bool {
    let (job, session) = (getpgrp(), getsid(None));
    let mut above = getppid();
    while let Some(one) = above {
        if getsid(Some(one)) != session {
            return false;
        }
        if getpgid(Some(one)) != Ok(job) {
            return true;
        }
        above = parent(one);
    }
    false
}

fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // Behind the name, which may hold anything: state, then the parent.
    let parent = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(1)?;
    Pid::from_raw(parent.parse().ok()?)
}
