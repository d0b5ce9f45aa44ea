//! How many descriptors an engine needs, and that it may have them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Whatever runs: the log, the database with its journal and index, lock, socket, clients, signals, timers, inotify, and
/// what the runtime itself needs.
const ALWAYS: u64 = 48;

/// Threads that may block, eight (see [`crate::daemon`]). Each calls git: three pipes to it and one on which its start is
/// told, a lock, and a folder that is being read.
const BLOCKING: u64 = 8 * 6;

/// A step that runs: its output, and a handle on its shim; while it is started, a pipe to that besides.
const EACH: u64 = 3;

/// A step behind the gateway: its socket, and two connections of its agent at once, each with one of the gateway's own behind it.
const GATE: u64 = 1 + 2 * 2;

/// The most that an engine has open while so many steps run or are started, so many of them behind the gateway.
pub(crate) fn needed(steps: u32, gates: u32) -> u64 {
    ALWAYS + BLOCKING + EACH * u64::from(steps) + GATE * u64::from(gates)
}

/// Sees to it that this process may have as many as so many steps need: where its limit is lower, it is raised, as far as
/// the system lets it. Not before they are needed: whatever an agent runs inherits the limit, and there are programs that
/// take long with a high one. Where even that is too little, steps wait for each other's.
pub(crate) fn allow(steps: u32, gates: u32) {
    let wanted = needed(steps, gates);
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.current.is_none_or(|current| current >= wanted);
    if enough || limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: Some(limit.maximum.map_or(wanted, |most| most.min(wanted))), ..limit };
    if limit.maximum.is_some_and(|most| most < wanted) {
        tracing::warn!(steps, wanted, allowed = ?limit.maximum, "there are too few descriptors for so many steps");
    }
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, wanted, "the limit of descriptors could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_steps_and_never_falls() {
        let before = getrlimit(Resource::Nofile);
        let Some(current) = before.current else { return };
        let more = u32::try_from(current / EACH).unwrap();
        if before.maximum.is_some_and(|most| most < needed(more, 0)) {
            allow(more, 0);
            assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
            return;
        }
        allow(more, 0);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(needed(more, 0)));
        allow(1, 0);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(needed(more, 0)));
        assert_eq!(needed(1, 1), needed(1, 0) + GATE);
    }

    #[test]
    fn two_hundred_steps_stay_below_the_usual_limit() {
        assert!(needed(200, 0) < 1024);
    }
}
