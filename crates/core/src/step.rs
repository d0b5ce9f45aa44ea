//! One process that an attempt starts, and the ways in which it can end.

use serde::{Deserialize, Serialize};

use crate::{CommitId, Millis, SessionId, Timestamp};

/// What a step is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StepKind {
    /// The repository's `[workspace] setup`, once in a fresh workspace.
    Setup,
    /// A turn of the agent.
    Agent {
        /// The conversation.
        session: SessionId,
        /// Whether it is begun or taken up again.
        mode: SessionMode,
    },
    /// The verify command on a composed tree.
    Verify {
        /// The commit that is checked out for it.
        commit: CommitId,
    },
}

/// Whether a conversation is begun or taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionMode {
    /// Its first step.
    Fresh,
    /// A later one; the agent is told that its last command may have run.
    Resume,
}

impl StepKind {
    /// The word for it in logs and folder listings.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Agent { .. } => "agent",
            Self::Verify { .. } => "verify",
        }
    }
}

/// The identity of a local process. A pid alone is none: pids are reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Clock ticks between boot and its start (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`: ticks and pids begin again at every boot.
    pub boot: String,
}

/// Why gadugi asked a step to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopCause {
    /// The task's time was over.
    Timeout,
    /// Somebody cancelled the task.
    Cancel,
    /// The run was interrupted; the task is to be taken up again later.
    Interrupt,
    /// Somebody paused the task; it is to be taken up again when they release it.
    Held,
    /// It gave no sign of life for too long; it is to be taken up again.
    Hung,
    /// It lived on after its final result: what it said stands.
    Lingered,
    /// Its workspace and home take more of the disk than a task may.
    DiskLimit,
}

/// How the process ended, as the shim or the kernel saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepExit {
    /// It exited with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// It could not be started: what the system said.
    NotStarted(String),
    /// It was intended, and no process of it ever began: an engine died in between.
    NeverBegan,
    /// The shim stopped it because no engine renewed the lease.
    LeaseLapsed,
    /// Shim and process are gone and left no word.
    Lost,
    /// The shim stopped it because it wrote more output than a step may.
    TooMuchOutput,
    /// Its container was ended from outside, and not by gadugi: the container engine was stopped, or somebody did it by hand.
    EndedByEngine,
}

/// How an agent's turn ended, read from its stream and its exit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "class")]
pub enum EndClass {
    /// It finished and said so.
    Done,
    /// It used up its turns.
    MaxTurns,
    /// Its credential was refused.
    Auth,
    /// The model API was overloaded, away, or failing.
    Overloaded,
    /// The account's limit is reached.
    UsageLimit {
        /// When it is lifted, where the agent said so.
        resets_at: Option<Timestamp>,
    },
    /// Its own budget was spent.
    Budget,
    /// The request itself was refused (too long, unknown model or agent) and would be again.
    Refused,
    /// Its conversation is not there to be taken up, or the id of a new one is in use.
    NoSession,
    /// It ended otherwise: an error of its own, a signal, a bad exit.
    Crashed,
    /// It exited with 0 and left no result.
    Silent,
}

impl EndClass {
    /// The word for it in tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::MaxTurns => "max-turns",
            Self::Auth => "auth",
            Self::Overloaded => "overloaded",
            Self::UsageLimit { .. } => "usage-limit",
            Self::Budget => "budget",
            Self::Refused => "refused",
            Self::NoSession => "no-session",
            Self::Crashed => "crashed",
            Self::Silent => "silent",
        }
    }
}

/// Tokens and money, as the agent's own last word of them has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, without those from a cache.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Tokens put into a cache.
    pub cache_write_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_microusd: u64,
}

impl Usage {
    /// All tokens, of whatever kind.
    pub fn tokens(&self) -> u64 {
        self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
    }

    /// Adds what another step used.
    pub fn add(&mut self, other: &Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.cost_microusd += other.cost_microusd;
    }

    /// Cost in US dollars.
    pub fn cost_usd(&self) -> f64 {
        self.cost_microusd as f64 / 1e6
    }
}

/// What an agent's turn came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEnd {
    /// The class of the end.
    #[serde(flatten)]
    pub class: EndClass,
    /// One line for people: the agent's last words, or the error.
    pub detail: String,
    /// What it used, as it said itself.
    pub usage: Usage,
    /// Model turns.
    pub turns: u32,
    /// The reason, where the agent explicitly said that nothing needs changing.
    pub no_change: Option<String>,
    /// Phases that it said it performed (numbers of [`crate::Phase`]): claims.
    pub claimed_phases: Vec<u8>,
}

/// What a step was seen to take of the machine beside memory and processors. None where nobody could see it; what it did
/// after the last look is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The most processes and threads together that it had at a look: what a limit of pids counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids_peak: Option<u32>,
    /// Bytes that it had written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_written_bytes: Option<u64>,
    /// Bytes that it received through the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_in_bytes: Option<u64>,
    /// Bytes that it sent through the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_out_bytes: Option<u64>,
}

impl Taken {
    /// Whether nothing of it is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in what was seen at another look: counts and peaks only grow, and what is known stays known.
    pub fn see(&mut self, other: &Self) {
        self.pids_peak = self.pids_peak.max(other.pids_peak);
        self.disk_written_bytes = self.disk_written_bytes.max(other.disk_written_bytes);
        self.net_in_bytes = self.net_in_bytes.max(other.net_in_bytes);
        self.net_out_bytes = self.net_out_bytes.max(other.net_out_bytes);
    }
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    /// How the process ended.
    pub exit: StepExit,
    /// Whether it was being stopped when it ended: then nothing that it said counts as success.
    pub stopped: bool,
    /// From the start of the process to its end.
    pub wall: Millis,
    /// The largest resident memory of one of its processes, in KiB (`rusage`); 0 where unknown.
    pub max_rss_kib: u64,
    /// The most resident memory that its whole tree was seen to have, in MiB; 0 where nobody looked.
    #[serde(default)]
    pub peak_mib: u64,
    /// Processor time of its whole tree, in milliseconds; 0 where unknown.
    #[serde(default)]
    pub cpu_ms: u64,
    /// What else it was seen to take.
    #[serde(default, skip_serializing_if = "Taken::is_unknown")]
    pub taken: Box<Taken>,
    /// Agent steps: what the turn came to.
    pub agent: Option<AgentEnd>,
    /// The end of what it wrote, for people; at most some 2,000 characters.
    pub tail: String,
}

impl StepEnd {
    /// An end of which no more is known: it took no time that anybody saw, and said nothing.
    pub fn unseen(exit: StepExit) -> Self {
        Self {
            exit,
            stopped: false,
            wall: Millis(0),
            max_rss_kib: 0,
            peak_mib: 0,
            cpu_ms: 0,
            taken: Box::default(),
            agent: None,
            tail: String::new(),
        }
    }

    /// Whether a check (setup, verify) passed.
    pub fn passed(&self) -> bool {
        !self.stopped && self.exit == StepExit::Code(0)
    }
}
