//! What a `gadugi.toml` may say. Everything is optional; what is there has been checked by its kind.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::values::{
    AgentChoice, Arguments, BranchTemplate, CacheNames, Cpus, Dollars, EnvDeny, EnvMap, ExecutorChoice,
    Folder, HomeChoice, HostPorts, KindChoice, Lease, Length, NotifyKinds, OverlapChoice, Parallel, Parts,
    Percent, Pids, Program, ShellCommand, ShellCommands, Size, StrategyChoice, Switch, TaskTimeout, Texts,
    Tries, Turns, Url, UvChoice, Variable, Webhook, Word,
};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table")]
#[schemars(deny_unknown_fields, title = "gadugi.toml")]
pub struct ConfigFile {
    /// How tasks are run.
    pub run: RunSection,
    /// What is tried again when it ends badly, how often and how soon.
    pub retry: RetrySection,
    /// When silence is taken for a hang.
    pub hang: HangSection,
    /// What the machine must have left for another task to begin.
    pub admission: AdmissionSection,
    /// What one task may use.
    pub limits: LimitsSection,
    /// How containers are made.
    pub container: ContainerSection,
    /// Where tasks work.
    pub workspace: WorkspaceSection,
    /// The files for other programs.
    pub monitoring: MonitoringSection,
    /// What stands between agents and the model API.
    pub gateway: GatewaySection,
    /// Each agent's own settings, by name.
    pub agents: BTreeMap<String, AgentSection>,
    /// How it is found out which tasks can run side by side.
    pub analysis: AnalysisSection,
    /// How long tasks are expected to take.
    pub estimates: EstimatesSection,
    /// How work is brought together.
    pub merge: MergeSection,
    /// Who is told of what.
    pub notify: NotifySection,
    /// Rules that say what kind of task a prompt is.
    pub classify: Vec<ClassifyRule>,
}

/// `[run]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [run]")]
#[schemars(deny_unknown_fields)]
pub struct RunSection {
    /// Tasks at a time. Unset: what the machine can bear.
    pub max_parallel: Option<Parallel>,
    /// How long a task may take: a number of hours, or 90m, 30s, 1h30m.
    pub timeout: Option<TaskTimeout>,
    /// Where tasks run.
    pub executor: Option<ExecutorChoice>,
    /// Which agent does them.
    pub agent: Option<AgentChoice>,
    /// Which model the agent uses. Unset: the agent's own choice.
    pub model: Option<Word>,
    /// Model turns that one step of an agent may take.
    pub max_turns: Option<Turns>,
    /// US dollars that a run may cost.
    pub budget: Option<Dollars>,
    /// US dollars that one task may cost.
    pub task_budget: Option<Dollars>,
    /// The commit that runs start from. Unset: HEAD.
    pub base: Option<Word>,
    /// The shell command that tests the work. Unset: guessed from the repository; empty: none.
    pub verify: Option<ShellCommand>,
    /// Whether work is reviewed.
    pub review: Option<Switch>,
    /// Whether worktrees of merged tasks are kept.
    pub keep: Option<Switch>,
    /// Whether tasks are taken one after another when the analysis fails.
    pub fallback_to_sequential: Option<Switch>,
    /// Between asking a step to end and ending it.
    pub grace: Option<Length>,
    /// How long a step outlives an engine that does not come back.
    pub lease: Option<Lease>,
}

/// `[retry]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [retry]")]
#[schemars(deny_unknown_fields)]
pub struct RetrySection {
    /// Tries in a row while the model API is overloaded, away or failing.
    pub transient: Option<Tries>,
    /// Tries in a row after crashes, losses, hangs and failures to start.
    pub crashes: Option<Tries>,
    /// How often a conversation that used up its turns is continued.
    pub continuations: Option<Tries>,
    /// Tries after a failure of the task's own.
    pub failures: Option<Tries>,
    /// The longest that the first pause can be; each further one may be twice as long.
    pub first: Option<Length>,
    /// The longest that any pause can be.
    pub cap: Option<Length>,
}

/// `[hang]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [hang]")]
#[schemars(deny_unknown_fields)]
pub struct HangSection {
    /// A step without a sign of life for so long is shown as suspect.
    pub suspect: Option<Length>,
    /// A step without a sign of life for so long is stopped and taken up again.
    pub stop: Option<Length>,
    /// How long an agent may live on in silence after its final result.
    pub after_result: Option<Length>,
}

/// `[admission]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [admission]")]
#[schemars(deny_unknown_fields)]
pub struct AdmissionSection {
    /// With less memory available, tasks begin one at a time.
    pub min_memory: Option<Size>,
    /// With less room on the disk, nothing begins.
    pub min_disk: Option<Size>,
    /// With the processors busier than so many percent, none begins beyond the slots that were named.
    pub max_cpu: Option<Percent>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [limits]")]
#[schemars(deny_unknown_fields)]
pub struct LimitsSection {
    /// Memory of one task, as in 4GiB.
    pub memory: Option<Size>,
    /// Processors of one task.
    pub cpus: Option<Cpus>,
    /// Processes and threads of one task.
    pub pids: Option<Pids>,
    /// Disk of one task: workspace, home, caches and temporary files together, as in 10GiB. Unset: 20GiB in containers.
    pub disk: Option<Size>,
    /// What one step may write to its standard output and standard error, as in 1GiB.
    pub output: Option<Size>,
}

/// `[container]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [container]")]
#[schemars(deny_unknown_fields)]
pub struct ContainerSection {
    /// The image of the docker executor. Unset: the repository's development container, else the one that `gadugi image
    /// build` makes.
    pub image: Option<Word>,
    /// Further variables of your environment that steps in containers see; a * at the end stands for any rest.
    pub env: Option<EnvDeny>,
    /// Caches that setup fills once for all tasks: uv, npm, cargo, pip.
    pub caches: Option<CacheNames>,
}

/// `[workspace]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [workspace]")]
#[schemars(deny_unknown_fields)]
pub struct WorkspaceSection {
    /// Folder of the worktrees, relative to the repository or absolute.
    pub dir: Option<Folder>,
    /// How branches are called: {name}, {id}, {run} and {attempt} are filled in.
    pub branch: Option<BranchTemplate>,
    /// Patterns of untracked files that are copied into each workspace, beside .worktreeinclude.
    pub include: Option<Texts>,
    /// Shell commands that run once in a fresh workspace, before the agent.
    pub setup: Option<ShellCommands>,
    /// Whose home directory agents see under the local executor.
    pub home: Option<HomeChoice>,
    /// Whether `uv run` stands in front of an agent.
    pub uv: Option<UvChoice>,
    /// Variables that no step sees, in place of the default list; a * at the end stands for any rest.
    pub env_deny: Option<EnvDeny>,
}

/// `[monitoring]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [monitoring]")]
#[schemars(deny_unknown_fields)]
pub struct MonitoringSection {
    /// Folder of the files, relative to the repository or absolute.
    pub dir: Option<Folder>,
    /// How old the files may get while nothing changes.
    pub interval: Option<Length>,
}

/// `[gateway]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [gateway]")]
#[schemars(deny_unknown_fields)]
pub struct GatewaySection {
    /// The model API. Unset: the user's own ANTHROPIC_BASE_URL, else the vendor's.
    pub upstream: Option<Url>,
    /// Further hosts that tasks may reach, as in api.example.com:443.
    pub network: Option<HostPorts>,
    /// US dollars that everything of one run through the gateway may cost; the lower of this and of `[run] budget` holds.
    pub budget: Option<Dollars>,
    /// Whether agents of the local executor go through the gateway, where their credential is a key or token of the
    /// environment.
    pub local: Option<Switch>,
}

/// `[agents.NAME]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [agents.claude]")]
#[schemars(deny_unknown_fields)]
pub struct AgentSection {
    /// The program, looked for on PATH where it has no slash.
    pub command: Option<Program>,
    /// Further arguments, behind gadugi's.
    pub args: Option<Arguments>,
    /// Further variables.
    pub env: Option<EnvMap>,
}

/// `[analysis]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [analysis]")]
#[schemars(deny_unknown_fields)]
pub struct AnalysisSection {
    /// What is done where two tasks are expected to write one file.
    pub overlap: Option<OverlapChoice>,
    /// From how sure an expectation on, in percent.
    pub overlap_threshold: Option<Percent>,
    /// A program, with its arguments, that says what prompts are about, in place of the built-in analysis.
    pub command: Option<Arguments>,
    /// Tasks that one prompt may be split into by `--decompose`.
    pub max_parts: Option<Parts>,
}

/// `[estimates]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [estimates]")]
#[schemars(deny_unknown_fields)]
pub struct EstimatesSection {
    /// A program, with its arguments, that says what tasks will take, in place of the built-in estimator.
    pub command: Option<Arguments>,
    /// Whether what tasks took is kept for your other repositories too, and theirs used here.
    pub shared: Option<Switch>,
}

/// `[merge]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [merge]")]
#[schemars(deny_unknown_fields)]
pub struct MergeSection {
    /// How branches are merged.
    pub strategy: Option<StrategyChoice>,
    /// The shell command that tests what was merged. Unset: the one of `[run]`.
    pub verify: Option<ShellCommand>,
}

/// `[notify]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, expecting = "a table, as in [notify]")]
#[schemars(deny_unknown_fields)]
pub struct NotifySection {
    /// What is told: done, failed, needs-person, limit. Unset: all of it.
    pub on: Option<NotifyKinds>,
    /// A program, with its arguments, that gets each notification as a JSON object on its standard input.
    pub command: Option<Arguments>,
    /// Where each notification is posted as a JSON object: an https:// address, or an http:// one on this machine.
    pub webhook: Option<Webhook>,
    /// The variable that holds the secret with which what is posted is signed. No agent sees it.
    pub webhook_secret_env: Option<Variable>,
}

/// `[[classify]]`
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(expecting = "a table, as in [[classify]]")]
#[schemars(deny_unknown_fields)]
pub struct ClassifyRule {
    /// The kind that a prompt is of.
    pub kind: KindChoice,
    /// Words of which one must be in it.
    pub any: Texts,
}
