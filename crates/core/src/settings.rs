//! What a run was asked to be, resolved once when it was submitted: what changes in files or variables later
//! does not change a run that is under way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Millis, PlannedTask};

/// The name of an agent adapter: `claude`, `scripted`.
pub type AgentName = String;

/// Names of agents that there is an adapter for, the default first.
pub const AGENTS: [&str; 2] = ["claude", SCRIPTED];

/// The agent of demonstrations and tests, that only plays: what its tasks take says nothing of any other one's.
pub const SCRIPTED: &str = "scripted";

/// Names of agents that are kept for adapters to come.
pub const RESERVED_AGENTS: [&str; 3] = ["codex", "gemini", "opencode"];

/// Where steps run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutorKind {
    /// A process of this machine.
    #[default]
    Local,
    /// A container of its own for each step.
    Docker,
}

impl ExecutorKind {
    /// Its name in flags, files and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

/// Whose home directory an agent sees under the local executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HomePolicy {
    /// The user's: the agent CLI that they are logged in to just works.
    #[default]
    User,
    /// One of the task's own.
    Own,
}

/// Whether `uv run` stands in front of an agent's command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UvPolicy {
    /// Where the repository uses uv.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// A tool's cache that tasks in containers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// uv, Python's package manager.
    Uv,
    /// npm.
    Npm,
    /// Cargo: what it downloads, not what it builds.
    Cargo,
    /// pip.
    Pip,
}

impl CacheKind {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Uv, Self::Npm, Self::Cargo, Self::Pip];

    /// Its name in files, paths and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Npm => "npm",
            Self::Cargo => "cargo",
            Self::Pip => "pip",
        }
    }
}

/// How a task's branch becomes part of the integration branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStrategy {
    /// A merge commit with both parents.
    #[default]
    Merge,
    /// One commit that holds all of the task's changes.
    Squash,
}

/// How one agent is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentSettings {
    /// The program, looked for on `PATH` where it has no slash; none: the adapter's own.
    pub command: Option<String>,
    /// Further arguments, behind gadugi's.
    pub args: Vec<String>,
    /// Further environment variables.
    pub env: BTreeMap<String, String>,
}

/// How often, and how soon, a step that did not come to a good end is tried again. Counts in a row begin anew
/// after an agent's step that lasted for more than five minutes: it was getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetrySettings {
    /// Tries in a row while the model API is overloaded, away or failing. With the pauses below, about half an hour.
    pub transient: u32,
    /// Tries in a row after crashes, losses, hangs and failures to start.
    pub crashes: u32,
    /// How often a conversation that used up its turns is continued.
    pub continuations: u32,
    /// Tries in a row after a failure of the task's own; none unless asked for.
    pub failures: u32,
    /// The longest that the first pause can be. Each further one may be twice as long.
    pub first: Millis,
    /// The longest that any pause can be.
    pub cap: Millis,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            transient: 20,
            crashes: 3,
            continuations: 3,
            failures: 0,
            first: Millis::seconds(2),
            cap: Millis::seconds(5 * 60),
        }
    }
}

/// When a step that gives no sign of life (no line, no processor time, no file touched) is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HangSettings {
    /// Quiet for so long, it is shown as suspect.
    pub suspect: Millis,
    /// Quiet for so long, it is stopped and taken up again. A model may think for 20 minutes without a word.
    pub stop: Millis,
    /// How long an agent may live on in silence after its final result.
    pub after_result: Millis,
}

impl Default for HangSettings {
    fn default() -> Self {
        Self {
            suspect: Millis::seconds(10 * 60),
            stop: Millis::seconds(30 * 60),
            after_result: Millis::seconds(30),
        }
    }
}

/// What the machine must have left for another attempt to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdmissionSettings {
    /// With less available memory (MiB), attempts begin one at a time.
    pub min_memory_mib: u64,
    /// With less room on the disk of the worktrees (MiB), nothing begins.
    pub min_disk_mib: u64,
    /// With the processors busier than this (percent), none begins beyond the slots that the user named.
    pub max_cpu_percent: u32,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self { min_memory_mib: 1024, min_disk_mib: 512, max_cpu_percent: 90 }
    }
}

/// Disk that a task in containers may take where nobody says another number: 20 GiB.
pub const CONTAINER_DISK: u64 = 20 << 30;

/// What one task may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitSettings {
    /// Memory of its container, bytes, swap included; none: as much as there is.
    pub memory_bytes: Option<u64>,
    /// Processors of its container, in thousandths; none: all.
    pub cpus_permille: Option<u32>,
    /// Processes and threads of its container.
    pub pids: u32,
    /// Disk that its workspace, home, caches and temporary files take, bytes; none: [`CONTAINER_DISK`] in containers, and no
    /// limit on this machine.
    pub disk_bytes: Option<u64>,
    /// What one step may write to its standard output and standard error, bytes: they are kept on the disk.
    pub output_bytes: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            memory_bytes: None,
            cpus_permille: None,
            // Enough for builds on many processors; a fork bomb meets it within a second.
            pids: 4096,
            disk_bytes: None,
            output_bytes: 1 << 30,
        }
    }
}

/// How containers are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSettings {
    /// The image; none: the repository's development container, else the one that `gadugi image build` makes.
    pub image: Option<String>,
    /// Further variables of the user's environment that steps in containers see.
    pub env: Vec<String>,
    /// Caches that steps in containers share, each named once.
    pub caches: Vec<CacheKind>,
    /// Variables that the repository's development container asks for, and their values.
    pub variables: BTreeMap<String, String>,
    /// The user of the image that work is done as, a name or a number, where agents can be somebody else than whoever runs
    /// gadugi.
    pub user: Option<String>,
}

/// What stands between agents and the model API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewaySettings {
    /// The model API; none: the user's own `ANTHROPIC_BASE_URL`, else the vendor's.
    pub upstream: Option<String>,
    /// Hosts that all tasks may reach beside it, `host:port`.
    pub network: Vec<String>,
    /// Whether agents of the local executor go through it too, where their credential is a key or token of the environment.
    pub local: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { upstream: None, network: Vec::new(), local: true }
    }
}

/// Everything that a run needs to know beside its plan. What a log of an earlier version does not name has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    /// Slots, where the user named a number; else the machine's.
    pub max_parallel: Option<u32>,
    /// How long one task may take, where its prompt names nothing else.
    pub timeout: Millis,
    /// Where steps run.
    pub executor: ExecutorKind,
    /// The agent, where a prompt names no other.
    pub agent: AgentName,
    /// The model, where a prompt names no other.
    pub model: Option<String>,
    /// Model turns that one agent step may take.
    pub max_turns: u32,
    /// What all tasks together may cost, in millionths of a US dollar.
    pub budget_microusd: Option<u64>,
    /// What one task may cost, in millionths of a US dollar.
    pub task_budget_microusd: Option<u64>,
    /// The shell command that tests a composed tree.
    pub verify: Option<String>,
    /// Whether phases 9 and 10 are wanted.
    pub review: bool,
    /// Keep the worktrees of merged tasks.
    pub keep: bool,
    /// Folder of worktrees, relative to the repository's main worktree or absolute.
    pub worktree_dir: String,
    /// Branch name of an attempt: `{name}`, `{id}`, `{run}`, `{attempt}` are filled in.
    pub branch_template: String,
    /// Patterns of untracked files that are copied into each workspace, beside `.worktreeinclude`.
    pub include: Vec<String>,
    /// Shell commands that run once in a fresh workspace, before the agent.
    pub setup: Vec<String>,
    /// Home directory of agents.
    pub home: HomePolicy,
    /// `uv run` in front of the agent.
    pub uv: UvPolicy,
    /// Variables of the user's environment that no step sees. A `*` at the end stands for any rest.
    pub env_deny: Vec<String>,
    /// How branches are merged.
    pub merge: MergeStrategy,
    /// Between asking a step to end and ending it.
    pub grace: Millis,
    /// How long a step outlives an engine that does not come back.
    pub lease: Millis,
    /// Which ends are tried again, how often and how soon.
    pub retry: RetrySettings,
    /// When silence is taken for a hang.
    pub hang: HangSettings,
    /// What the machine must have left.
    pub admission: AdmissionSettings,
    /// What one task may use.
    pub limits: LimitSettings,
    /// How containers are made.
    pub container: ContainerSettings,
    /// What stands between agents and the model API.
    pub gateway: GatewaySettings,
    /// Each agent's own settings, by name.
    pub agents: BTreeMap<AgentName, AgentSettings>,
    /// Whether what tasks took is kept for the user's other repositories too.
    pub share_past: bool,
}

impl RunSettings {
    /// Where a task's steps run: as its prompt says, else as the run does.
    pub fn executor_of(&self, task: &PlannedTask) -> ExecutorKind {
        task.executor.unwrap_or(self.executor)
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            max_parallel: None,
            timeout: Millis::seconds(2 * 60 * 60),
            executor: ExecutorKind::Local,
            agent: "claude".into(),
            model: None,
            max_turns: 50,
            budget_microusd: None,
            task_budget_microusd: None,
            verify: None,
            review: true,
            keep: false,
            worktree_dir: ".worktrees".into(),
            branch_template: "feature/parallel-{name}-{id}".into(),
            include: Vec::new(),
            setup: Vec::new(),
            home: HomePolicy::User,
            uv: UvPolicy::Auto,
            env_deny: Vec::new(),
            merge: MergeStrategy::Merge,
            grace: Millis::seconds(10),
            lease: Millis::seconds(600),
            retry: RetrySettings::default(),
            hang: HangSettings::default(),
            admission: AdmissionSettings::default(),
            limits: LimitSettings::default(),
            container: ContainerSettings::default(),
            gateway: GatewaySettings::default(),
            agents: BTreeMap::new(),
            share_past: true,
        }
    }
}
