//! What is left of a step whose shim was killed: found by `GADUGI_ATTEMPT` in its environment.
//!
//! Processes that have cleared their environment are found by the company they keep: whoever descends from a marked
//! process, or shares a session with one (a session below a shim is made below it, so all of it is the step's).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use gadugi_sys::clock::pause;
use gadugi_sys::process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::procfs::{self, Stat};

/// Passes of STOP before KILL, against what forks behind its back.
const STOP_PASSES: usize = 50;

/// A process that becomes another program (`execve`) shows no environment until it has. That takes less than a
/// millisecond, and longer where the machine has more to do than it can: 4 % of the looks at one that does nothing else
/// met it so.
const BECOMING: Duration = Duration::from_secs(2);

/// One that shows an empty environment for so long was started without any.
const WITHOUT: Duration = Duration::from_millis(50);

/// For so long what was killed is waited for; then it is stuck in the kernel.
const BOUND: Duration = Duration::from_secs(10);

/// Kills whatever bears this attempt's mark, and waits until it is gone. For steps whose shim is dead: a live shim's
/// step bears the same mark. Blocks for as long as the dying takes, at most some 10 s.
///
/// Says how many processes were killed.
pub fn sweep(attempt: &str) -> usize {
    let begun = Instant::now();
    let mut killed = HashSet::new();
    // Whatever was found by its company only is found no more when that company is dead: nobody is forgotten.
    let mut known: HashMap<u32, u64> = HashMap::new();
    while begun.elapsed() < BOUND {
        for _ in 0..STOP_PASSES {
            let fresh: Vec<_> = marked(attempt, &known);
            if fresh.is_empty() {
                break;
            }
            for stat in fresh {
                known.insert(stat.pid, stat.start_ticks);
                if let Some(handle) = open(&stat) {
                    let _ = pidfd_send_signal(&handle, Signal::STOP);
                }
            }
        }
        let alive: Vec<_> = known.iter().filter_map(|(pid, start)| alive(*pid, *start)).collect();
        if alive.is_empty() {
            break;
        }
        let handles: Vec<_> = alive.iter().filter_map(|stat| Some((stat.pid, open(stat)?))).collect();
        for (pid, handle) in &handles {
            if pidfd_send_signal(handle, Signal::KILL).is_ok() {
                killed.insert(*pid);
            }
        }
        wait_for_all(&handles, BOUND.saturating_sub(begun.elapsed()));
    }
    killed.len()
}

/// Wakes what is frozen of an attempt whose shim is beginning: an agent may have frozen its shim before that could write
/// anything down. The shim is found by its mark or, where it is closed to us, as parent of what bears it.
pub(crate) fn wake(attempt: &str) {
    let mark = format!("{}={attempt}", gadugi_sys::env::ATTEMPT).into_bytes();
    let all = procfs::all();
    let marked: Vec<_> = all.iter().filter(|stat| !stat.zombie && bears(stat.pid, &mark)).collect();
    let own: HashSet<u32> = marked.iter().flat_map(|stat| [stat.pid, stat.parent]).collect();
    for stat in all.iter().filter(|stat| stat.stopped && own.contains(&stat.pid)) {
        if let Some(handle) = open(stat) {
            // One that has ended meanwhile needs no waking.
            let _ = pidfd_send_signal(&handle, Signal::CONT);
        }
    }
}

/// Live processes that are the attempt's and not known yet.
fn marked(attempt: &str, known: &HashMap<u32, u64>) -> Vec<Stat> {
    let own = std::process::id();
    let mark = format!("{}={attempt}", gadugi_sys::env::ATTEMPT).into_bytes();
    let all: Vec<_> = procfs::all().into_iter().filter(|stat| !stat.zombie && stat.pid != own).collect();
    let is_known = |stat: &Stat| known.get(&stat.pid) == Some(&stat.start_ticks);
    let mut found: HashSet<u32> = all.iter().filter(|stat| is_known(stat)).map(|stat| stat.pid).collect();
    let mut open: Vec<&Stat> = all.iter().filter(|stat| !is_known(stat)).collect();
    let begun = Instant::now();
    loop {
        open.retain(|stat| {
            let environment = environment(stat.pid);
            if environment.as_ref().is_some_and(|all| has(all, &mark)) {
                found.insert(stat.pid);
            }
            environment.is_some_and(|all| all.is_empty())
                && procfs::has_program(stat.pid)
                && (begun.elapsed() < WITHOUT || !procfs::has_empty_environment(stat.pid))
        });
        if open.is_empty() || begun.elapsed() > BECOMING {
            break;
        }
        // The kernel tells nobody when that is over.
        pause(Duration::from_millis(1));
    }
    let own_session = procfs::look(own).map(|stat| stat.session);
    loop {
        let sessions: HashSet<u32> = all
            .iter()
            .filter(|stat| found.contains(&stat.pid) && Some(stat.session) != own_session)
            .map(|stat| stat.session)
            .collect();
        let before = found.len();
        for stat in &all {
            if found.contains(&stat.parent) || sessions.contains(&stat.session) {
                found.insert(stat.pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    all.into_iter().filter(|stat| found.contains(&stat.pid) && !is_known(stat)).collect()
}

fn bears(pid: u32, mark: &[u8]) -> bool {
    environment(pid).is_some_and(|all| has(&all, mark))
}

/// None where it is gone or closed to us. One read is one moment: of one that becomes another program between two reads
/// the second gives nothing, and the mark may stand there.
fn environment(pid: u32) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 32 * 1024];
    loop {
        let length = File::open(format!("/proc/{pid}/environ")).ok()?.read(&mut bytes).ok()?;
        if length < bytes.len() {
            bytes.truncate(length);
            return Some(bytes);
        }
        bytes.resize(2 * length, 0);
    }
}

fn has(environment: &[u8], mark: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|entry| entry == mark)
}

fn alive(pid: u32, start_ticks: u64) -> Option<Stat> {
    procfs::look(pid).filter(|stat| stat.start_ticks == start_ticks && !stat.zombie)
}

/// A handle on that very process.
fn open(stat: &Stat) -> Option<OwnedFd> {
    let process = process::identify(stat.pid)?;
    if process.start_ticks == stat.start_ticks { process::open(&process) } else { None }
}

fn wait_for_all(handles: &[(u32, OwnedFd)], bound: Duration) {
    let until = Instant::now() + bound;
    for (_, handle) in handles {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        // What is not gone by then is met again by the next round.
        let _ = poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], Some(&timeout));
    }
}
