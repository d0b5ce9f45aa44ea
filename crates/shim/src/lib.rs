//! The files of a step's folder: what the shim is asked, and what it leaves behind.
//!
//! | file | who writes it | what |
//! |---|---|---|
//! | `spec.json` | executor | [`Spec`] |
//! | `lease` | executor | its mtime says when somebody last wanted the step to go on |
//! | `stop` | executor | [`STOP_GRACE`] or [`STOP_NOW`]: that a step in a container is to end |
//! | `lock` | shim | held (`flock`) for as long as a shim is at work in the folder |
//! | `stdout.jsonl`, `stderr.log` | shim | the output as it came |
//! | `started.json` | shim | [`Started`], once the process runs |
//! | `exit.json` | shim | [`Exit`], once the whole descent is gone and the output drained |
//!
//! JSON files are written whole or not at all. A reader ignores fields that it does not know, so fields can be
//! added; an old shim goes on beside a new engine for as long as its step runs.
//!
//! **Never in here:** values of environment variables, anything of runs, tasks or agents, an async runtime, other
//! crates of ours (the binary is built apart, for any image).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Serialize};

/// What the shim is asked.
pub const SPEC: &str = "spec.json";
/// The lease.
pub const LEASE: &str = "lease";
/// That a step in a container is to end: written whole, then any signal that the shim takes makes it look, from wherever that
/// comes. (A signal alone can be lost: the kernel keeps one of a kind, and the step's processes can send them, too.)
pub const STOP: &str = "stop";
/// Content of [`STOP`]: TERM to the whole descent, grace, KILL.
pub const STOP_GRACE: &str = "grace\n";
/// Content of [`STOP`]: KILL at once.
pub const STOP_NOW: &str = "now\n";
/// The lock.
pub const LOCK: &str = "lock";
/// Standard output of the step.
pub const STDOUT: &str = "stdout.jsonl";
/// Standard error of the step.
pub const STDERR: &str = "stderr.log";
/// That the step runs.
pub const STARTED: &str = "started.json";
/// How the step ended.
pub const EXIT: &str = "exit.json";

/// The shim's exit status where it did nothing because another shim is, or was, at work in the folder.
pub const STATUS_TAKEN: u8 = 75;

/// Text of the operating system: any bytes. In JSON a string where it is UTF-8, else an array of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AnyText", into = "AnyText")]
pub struct Text(pub OsString);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AnyText {
    Utf8(String),
    Bytes(Vec<u8>),
}

impl From<AnyText> for Text {
    fn from(text: AnyText) -> Self {
        Self(match text {
            AnyText::Utf8(text) => text.into(),
            AnyText::Bytes(bytes) => OsString::from_vec(bytes),
        })
    }
}

impl From<Text> for AnyText {
    fn from(text: Text) -> Self {
        text.0.into_string().map_or_else(|bytes| Self::Bytes(bytes.into_vec()), Self::Utf8)
    }
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        Self(OsStr::from_bytes(text.as_bytes()).to_owned())
    }
}

/// Limits of a step's processes, each set by `setrlimit`: they count for each process on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Data memory of each process, bytes (`RLIMIT_DATA`; address space as such is not bounded, because today's
    /// runtimes reserve far more of it than they use).
    pub memory_bytes: Option<u64>,
    /// Processes and threads that the *user* may have in all (`RLIMIT_NPROC`; does not bind root).
    pub user_processes: Option<u64>,
    /// Processor time of each process, seconds (`RLIMIT_CPU`).
    pub cpu_seconds: Option<u64>,
    /// Open files of each process (`RLIMIT_NOFILE`, soft).
    pub open_files: Option<u64>,
    /// Size of each file that is written, bytes (`RLIMIT_FSIZE`).
    pub file_bytes: Option<u64>,
    /// Bytes of standard output and standard error in all. More of them end the step ([`ExitWord::TooMuchOutput`]).
    pub output_bytes: Option<u64>,
}

/// What the shim is asked. The environment is the shim's own: no value of it is ever written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Program and arguments; a program without a slash is looked for on the environment's `PATH`.
    pub argv: Vec<Text>,
    /// The names of the environment's variables, for readers of the folder.
    pub env_names: Vec<Text>,
    /// Working directory, absolute.
    pub cwd: Text,
    /// The file for standard input; none: `/dev/null`.
    pub stdin: Option<Text>,
    /// The value of `GADUGI_ATTEMPT`, by which the step's processes are recognized.
    pub attempt: String,
    /// Between TERM and KILL, milliseconds.
    pub grace_ms: u64,
    /// How long the step goes on while nobody renews the lease, milliseconds; 0: for ever.
    pub lease_ms: u64,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// The way from a port of the loopback interface to the gateway; none: there is no gateway.
    #[serde(default)]
    pub relay: Option<Relay>,
}

/// What stands for the relay's port in the values of the variables that [`Relay::port_in`] names.
pub const PORT_MARK: &str = "{gadugi-port}";

/// The shim listens on a port of the loopback interface for as long as the step lives, and joins each connection with one
/// to the gateway's socket. While nobody answers there, connections are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The gateway's Unix socket, as the shim sees it; may be longer than a socket's address can be.
    pub socket: Text,
    /// Variables of the environment in whose values [`PORT_MARK`] becomes the port.
    pub port_in: Vec<Text>,
}

/// The identity of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id, in the shim's own pid namespace.
    pub pid: u32,
    /// Clock ticks between boot and its start (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
}

/// A moment, twice: for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// RFC 3339, UTC, milliseconds.
    pub at: String,
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub ms: i64,
}

/// `started.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The shim.
    pub shim: Identity,
    /// The step's main process: session and process group leader.
    pub child_pid: u32,
    /// When it was started.
    pub started_at: Moment,
}

/// How the step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitWord {
    /// The main process exited with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It could not be started: what the system said.
    NotStarted(String),
    /// It was stopped because nobody renewed the lease.
    LeaseLapsed,
    /// It was stopped because it wrote more than [`Limits::output_bytes`].
    TooMuchOutput,
}

/// What the whole descent used, as far as it was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceUsage {
    /// The largest resident memory of one process, KiB.
    pub max_rss_kib: u64,
    /// Processor time in user mode, milliseconds.
    pub user_ms: u64,
    /// Processor time in the kernel, milliseconds.
    pub system_ms: u64,
}

/// How many processes the kernel killed for want of memory, by its own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OomKills {
    /// Of the whole machine (`/proc/vmstat`); none where the kernel does not count.
    pub machine: Option<u64>,
    /// Of the shim's own memory cgroup (`memory.events`; version 1: `memory.oom_control`); none where there is none.
    pub cgroup: Option<u64>,
}

impl OomKills {
    /// The count of the smallest circle that is known: what the cgroup says is about the step, what the machine says may
    /// be about others. 0 where nothing is known.
    pub fn nearest(&self) -> u64 {
        self.cgroup.or(self.machine).unwrap_or(0)
    }
}

/// `exit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How the main process ended.
    pub exit: ExitWord,
    /// Whether stopping had begun before the main process ended.
    pub stopped: bool,
    /// The shim.
    pub shim: Identity,
    /// When the main process was started.
    pub started_at: Moment,
    /// When the main process ended.
    pub ended_at: Moment,
    /// From its start to its end on a clock that nobody sets and that stops while the machine sleeps.
    pub wall_ms: u64,
    /// What it used.
    pub rusage: ResourceUsage,
    /// Processes of the descent that could not be ended (another user's, or stuck in the kernel).
    #[serde(default)]
    pub left_over: u32,
    /// Whether output was given up because there was no room for it and the step was to end.
    #[serde(default)]
    pub output_lost: bool,
    /// What the kernel killed for want of memory in the minute (at least half of it) before the main process ended.
    #[serde(default)]
    pub oom_lately: OomKills,
    /// The same since the step was started.
    #[serde(default)]
    pub oom_in_all: OomKills,
}
