//! What an end comes to in a container: the shim's record, and the engine's word where that is needed.

use std::fs;
use std::path::Path;

use gadugi_core::{Process, StepExit};
use gadugi_shim::{Exit, ExitWord, STOP};

use super::handle::End;
use crate::{Ended, records};

/// The end that the shim recorded.
pub(crate) fn recorded_end(dir: &Path, exit: &Exit, known: Option<End>) -> Ended {
    // A container's first process is sent TERM by an engine that shuts down, and by `docker stop`. gadugi leaves its wish in
    // the folder before it asks.
    let by_itself = matches!(exit.exit, ExitWord::LeaseLapsed | ExitWord::TooMuchOutput);
    let by_engine = exit.stopped && !by_itself && !dir.join(STOP).exists();
    let own_counter = exit.oom_lately.cgroup.is_some();
    let killed = matches!(exit.exit, ExitWord::Signal(9) | ExitWord::Code(137)) && !exit.stopped;
    let mut ended = Ended { by_engine, ..records::ended(exit) };
    if let Some(End::Recorded(Some(witness))) = known
        && killed
        && !own_counter
    {
        // The machine's counter, which the shim went by, counts what died elsewhere, too; the engine counts this container.
        ended.exit = if witness.oom_killed { StepExit::OutOfMemory } else { records::plain_exit(&exit.exit) };
        ended.oom_kills = u64::from(witness.oom_killed);
    }
    ended
}

/// The end of a step whose shim left no record.
pub(crate) fn witnessed_end(dir: &Path, lost: Ended, known: Option<End>) -> Ended {
    let Some(End::Witnessed(witness)) = known else { return lost };
    let asked = dir.join(STOP).exists();
    let out_of_memory = witness.is_out_of_memory();
    Ended {
        exit: if out_of_memory { StepExit::OutOfMemory } else { StepExit::Lost },
        stopped: asked,
        oom_kills: u64::from(witness.oom_killed),
        // Nobody inside can kill the first process, and only the kernel does for want of memory.
        by_engine: !asked && !out_of_memory,
        ..lost
    }
}

/// The process that has that pid inside the container whose first process this is.
pub(crate) fn child_of(init: &Process, inner: u32) -> Option<Process> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", init.pid)).ok()?;
    let is_it = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        pids.and_then(|pids| pids.split_ascii_whitespace().last()?.parse().ok()) == Some(inner)
    };
    let child = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).find(is_it)?;
    gadugi_sys::process::identify(child).filter(|_| gadugi_sys::process::exists(init))
}
