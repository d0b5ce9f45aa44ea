//! `gadugi-shim STEP-DIR`: starts the step that `STEP-DIR/spec.json` asks for, in the shim's own environment, and
//! stays beside it until nothing of it is left.
//!
//! `gadugi-shim --from SOCKET`: the same as PID 1 of a container, where the step's folder is mounted nowhere. The shim connects
//! to the Unix socket (for 30 s, while nobody answers there), receives the folder's descriptor, closes the connection, and
//! works in the folder as its working directory. The step's processes have its uid, and yet no way to it: the shim is not
//! dumpable, so that its descriptors, memory and working directory are closed to them; they get its pipes and a sealed copy of
//! their input, none of its files; the kernel keeps what they send it of KILL and STOP from the init of their pid namespace; and
//! of other signals it believes those from outside alone. There standard input is the name of a file in the folder.
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
//! In a container the file `stop` in the folder and any of these signals, from whomever, do the same (see [`signals`]).
//!
//! Exit status: 0 when `exit.json` is written; 75 when another shim is or was at work in the folder; else 1, with one
//! line on standard error (in a container its log). Standard error is closed once `started.json` is there: end of file tells
//! the starter.
//!
//! **Never in here:** an async runtime, other crates of ours, anything of agents, runs or git.

mod descent;
mod filter;
mod folder;
mod lease;
mod memory;
mod moment;
mod platform;
mod record;
mod relay;
mod signals;
mod spawn;
mod stream;
mod supervise;
mod unix;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gadugi_shim::{
    EXIT, Exit, ExitWord, Identity, LEASE, LOCK, Moment, OomKills, ResourceUsage, SPEC, STARTED,
    STATUS_TAKEN, STDERR, STDOUT, Spec, Started,
};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{DumpableBehavior, Pid, getpid, set_child_subreaper, set_dumpable_behavior, setsid};

use crate::descent::Descent;
use crate::folder::Folder;
use crate::lease::Lease;
use crate::memory::{OomScore, OomWatch};
use crate::record::{Reserved, fitting, private};
use crate::relay::Relay;
use crate::signals::Signals;
use crate::stream::{Room, Stream};
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
    let folder = Folder::of_arguments(std::env::args_os().skip(1));
    let folder =
        folder.ok_or_else(|| Failure::Broken("usage: gadugi-shim STEP-DIR | --from SOCKET".into()))?;
    let handed = folder.is_handed();
    // Fails where it is one already, in a container.
    let _ = setsid();
    set_child_subreaper(Some(getpid())).map_err(|error| broken("subreaper", error))?;
    let score = OomScore::open();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| broken("dumpable", error))?;
    let signals = Signals::take(handed).map_err(|error| broken("signals", error))?;
    // Not before this process is closed to others of its uid.
    let dir = folder.reach(&signals).map_err(Failure::Broken)?;

    let lock_path = dir.join(LOCK);
    let lock = private(&lock_path, OpenOptions::new().write(true)).map_err(|error| broken(LOCK, error))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Failure::Taken)?;
    if dir.join(STARTED).exists() || dir.join(EXIT).exists() {
        return Err(Failure::Taken);
    }
    let spec = std::fs::read(dir.join(SPEC)).map_err(|error| broken(SPEC, error))?;
    let spec: Spec = serde_json::from_slice(&spec).map_err(|error| broken(SPEC, error))?;
    let shim = identity().ok_or_else(|| Failure::Broken("/proc does not say who I am".into()))?;
    let step = Step { dir, spec, handed, shim, signals, score };
    supervise(step).map_err(|error| broken("step folder", error))
}

/// All that is known before the step is started.
struct Step {
    dir: PathBuf,
    spec: Spec,
    /// Whether the folder was handed over, as in a container.
    handed: bool,
    shim: Identity,
    signals: Signals,
    score: Option<OomScore>,
}

fn supervise(step: Step) -> io::Result<()> {
    let Step { dir, spec, handed, shim, signals, score } = step;
    let exit_file = Reserved::new(dir.join(EXIT))?;
    let started_file = Reserved::new(dir.join(STARTED))?;
    let (stdout, stdout_writer) = Stream::new(&dir.join(STDOUT))?;
    let (stderr, stderr_writer) = Stream::new(&dir.join(STDERR))?;
    let (started, started_at) = (Instant::now(), moment::now());
    let oom = OomWatch::new(started);
    score.iter().for_each(OomScore::offer);
    // Found before there is a step that could put something else there.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let begun = begin(&spec, handed, stdout_writer, stderr_writer);
    score.iter().for_each(OomScore::spare);
    let (child, relay) = match begun {
        Ok(begun) => begun,
        Err(words) => {
            started_file.discard();
            return exit_file.publish(&not_started(&words, shim, started_at));
        }
    };
    let child_pid = child.as_raw_nonzero().get().unsigned_abs();
    let record = Started { shim: shim.clone(), child_pid, started_at: started_at.clone() };
    // Room was taken, so this fails only where the folder itself is gone; then nobody waits for the step, and
    // the death of the shim is the death of its child.
    started_file.publish(&record)?;
    if let Ok(null) = null {
        // End of file tells the starter that `started.json` is there. Descriptor 2 stays taken, so that no file of ours is ever
        // mistaken for standard error.
        let _ = rustix::stdio::dup2_stderr(&null);
    }

    let lease = Lease::new(dir.join(LEASE), Duration::from_millis(spec.lease_ms), started);
    let grace = Duration::from_millis(spec.grace_ms);
    let streams = [stdout, stderr];
    let (room, descent) = (Room::new(spec.limits.output_bytes), Descent::new());
    let supervisor = Supervisor { child, started, grace, lease, oom, signals, streams, room, descent, relay };
    exit_file.publish(&ended(supervisor.run(), shim, started_at))
}

/// Opens the way to the gateway, where there is to be one, and starts the main process.
fn begin(
    spec: &Spec,
    handed: bool,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Result<(Pid, Option<Relay>), String> {
    let relay = spec.relay.as_ref().map(Relay::start).transpose()?;
    let child = spawn::spawn(spec, handed, relay.as_ref().map(Relay::port), stdout, stderr)?;
    Ok((child, relay))
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

fn not_started(words: &str, shim: Identity, started_at: Moment) -> Exit {
    Exit {
        exit: ExitWord::NotStarted(fitting(words)),
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

fn broken(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Broken(format!("{what}: {error}"))
}
