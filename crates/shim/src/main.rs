//! `gadugi-shim <step-dir>`: starts the step that `<step-dir>/spec.json` asks for, in the shim's own environment, and
//! stays beside it until nothing of it is left.
//!
//! It owns the step's descent (session leader, subreaper, PID 1 in a container), moves its output into files, watches
//! the lease, and stops all of it when asked:
//!
//! | signal | what |
//! |---|---|
//! | USR1 | stop: TERM to the whole descent, grace, KILL. Asking again changes nothing |
//! | TERM | the same; a second one kills at once |
//! | INT, QUIT | kills at once |
//! | HUP, PIPE | ignored |
//!
//! Exit status: 0 when `exit.json` is written; 75 when another shim is or was at work in the folder; else 1, with one
//! line on standard error. Standard error is closed once `started.json` is there: end of file tells the starter.
//!
//! **Never in here:** an async runtime, other crates of ours, anything of agents, runs or git.

mod descent;
mod lease;
mod memory;
mod moment;
mod platform;
mod record;
mod spawn;
mod stream;
mod supervise;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gadugi_shim::{
    EXIT, Exit, ExitWord, Identity, LEASE, LOCK, Moment, OomKills, ResourceUsage, SPEC, STARTED,
    STATUS_TAKEN, STDERR, STDOUT, Spec, Started,
};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{DumpableBehavior, getpid, set_child_subreaper, set_dumpable_behavior, setsid};

use crate::descent::Descent;
use crate::lease::Lease;
use crate::memory::{OomScore, OomWatch};
use crate::record::{Reserved, private};
use crate::stream::Stream;
use crate::supervise::{Over, Supervisor};

/// Why no step was started and nothing could be recorded.
enum Failure {
    Taken,
    Broken(String),
}

fn main() -> ExitCode {
    platform::close_inherited();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Taken) => ExitCode::from(STATUS_TAKEN),
        Err(Failure::Broken(words)) => {
            // Whoever started the shim may be gone.
            let _ = writeln!(io::stderr(), "{words}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = dir.ok_or_else(|| Failure::Broken("usage: gadugi-shim STEP-DIR".into()))?;
    // Fails where it is one already, in a container.
    let _ = setsid();
    set_child_subreaper(Some(getpid())).map_err(|error| broken("subreaper", error))?;
    let score = OomScore::open();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| broken("dumpable", error))?;
    let signals = platform::take_signals().map_err(|error| broken("signals", error))?;

    let lock_path = dir.join(LOCK);
    let lock = private(&lock_path, OpenOptions::new().write(true)).map_err(|error| broken(LOCK, error))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Failure::Taken)?;
    if dir.join(STARTED).exists() || dir.join(EXIT).exists() {
        return Err(Failure::Taken);
    }
    let spec = std::fs::read(dir.join(SPEC)).map_err(|error| broken(SPEC, error))?;
    let spec: Spec = serde_json::from_slice(&spec).map_err(|error| broken(SPEC, error))?;
    let shim = identity().ok_or_else(|| Failure::Broken("/proc does not say who I am".into()))?;
    supervise(&dir, &spec, shim, signals, score.as_ref()).map_err(|error| broken("step folder", error))
}

fn supervise(
    dir: &Path,
    spec: &Spec,
    shim: Identity,
    signals: OwnedFd,
    score: Option<&OomScore>,
) -> io::Result<()> {
    let exit_file = Reserved::new(dir.join(EXIT))?;
    let started_file = Reserved::new(dir.join(STARTED))?;
    let (stdout, stdout_writer) = Stream::new(&dir.join(STDOUT))?;
    let (stderr, stderr_writer) = Stream::new(&dir.join(STDERR))?;
    let (started, started_at) = (Instant::now(), moment::now());
    let oom = OomWatch::new(started);
    score.into_iter().for_each(OomScore::offer);
    let child = spawn::spawn(spec, stdout_writer, stderr_writer);
    score.into_iter().for_each(OomScore::spare);
    let child = match child {
        Ok(child) => child,
        Err(words) => {
            started_file.discard();
            return exit_file.publish(&not_started(words, shim, started_at));
        }
    };
    let child_pid = child.as_raw_nonzero().get().unsigned_abs();
    let record = Started { shim: shim.clone(), child_pid, started_at: started_at.clone() };
    // Room was taken, so this fails only where the folder itself is gone; then nobody waits for the step, and
    // the death of the shim is the death of its child.
    started_file.publish(&record)?;
    close_standard_error();

    let lease = Lease::new(dir.join(LEASE), Duration::from_millis(spec.lease_ms), started);
    let grace = Duration::from_millis(spec.grace_ms);
    let streams = [stdout, stderr];
    let descent = Descent::new();
    let supervisor = Supervisor { child, started, grace, lease, oom, signals, streams, descent };
    exit_file.publish(&ended(supervisor.run(), shim, started_at))
}

fn ended(over: Over, shim: Identity, started_at: Moment) -> Exit {
    Exit {
        exit: over.main.exit,
        stopped: over.main.stopped,
        shim,
        started_at,
        ended_at: over.main.at,
        wall_ms: u64::try_from(over.main.wall.as_millis()).unwrap_or(u64::MAX),
        rusage: platform::children_usage(),
        left_over: over.left_over,
        output_lost: over.output_lost,
        oom_lately: over.main.oom_lately,
        oom_in_all: over.main.oom_in_all,
    }
}

fn not_started(words: String, shim: Identity, started_at: Moment) -> Exit {
    Exit {
        exit: ExitWord::NotStarted(words),
        stopped: false,
        shim,
        ended_at: moment::now(),
        started_at,
        wall_ms: 0,
        rusage: ResourceUsage::default(),
        left_over: 0,
        output_lost: false,
        oom_lately: OomKills::default(),
        oom_in_all: OomKills::default(),
    }
}

fn identity() -> Option<Identity> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(Identity {
        pid: getpid().as_raw_nonzero().get().unsigned_abs(),
        start_ticks: descent::own_start()?,
        boot: boot.trim().to_owned(),
    })
}

/// End of file tells the starter that `started.json` is there.
fn close_standard_error() {
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        // Descriptor 2 stays taken, so that no file of ours is ever mistaken for standard error.
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

fn broken(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Broken(format!("{what}: {error}"))
}
