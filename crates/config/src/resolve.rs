//! The layers, one over the other: flag, variable, the repository's file, the user's file, default.

mod layers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gadugi_core::{
    AGENTS, AdmissionSettings, AgentSettings, ExecutorKind, HangSettings, Kind, LimitSettings, Millis,
    OverlapPolicy, RetrySettings, RunSettings,
};
use gadugi_sys::env;

use crate::error::{ConfigError, Source, Warning};
use crate::model::ConfigFile;
use crate::values::{
    AgentChoice, Arguments, BranchTemplate, CacheNames, DEFAULT_ENV_DENY, EnvDeny, EnvMap, Folder,
    HomeChoice, HostPorts, Lease, Length, NotifyKind, NotifyKinds, OverlapChoice, Parts, Percent, Pids,
    ShellCommands, Size, StrategyChoice, Switch, TaskTimeout, Texts, Tries, Turns, UvChoice,
};
use layers::{Key, Layers};

/// Tasks that one prompt may be split into where nobody says: more are hard for a person to look through.
const MAX_PARTS: u32 = 12;

/// How the file is called, in a repository and in the user's own folder.
pub const FILE_NAME: &str = "gadugi.toml";

/// What the command line said, as far as it decides settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    /// `--max-parallel`
    pub max_parallel: Option<u32>,
    /// `--timeout`: a bare number is hours.
    pub timeout: Option<String>,
    /// `--executor`
    pub executor: Option<String>,
    /// `--agent`
    pub agent: Option<String>,
    /// `--model`
    pub model: Option<String>,
    /// `--max-turns`
    pub max_turns: Option<u32>,
    /// `--budget`, in US dollars.
    pub budget: Option<f64>,
    /// `--task-budget`, in US dollars.
    pub task_budget: Option<f64>,
    /// `--base`
    pub base: Option<String>,
    /// `--verify`; an empty one means none.
    pub verify: Option<String>,
    /// `--no-review`
    pub no_review: bool,
    /// `--no-fallback`
    pub no_fallback: bool,
    /// `--overlap`
    pub overlap: Option<String>,
    /// `--overlap-threshold`, in percent.
    pub overlap_threshold: Option<u32>,
    /// `--keep`
    pub keep: bool,
    /// `--config`: this file in place of the repository's.
    pub config_file: Option<PathBuf>,
}

/// What everything came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// What a run is told. `verify` is set where a command was named; see [`Self::verify`] for the rest.
    pub settings: RunSettings,
    /// How work is tested.
    pub verify: VerifyChoice,
    /// The commit that runs start from; none: `HEAD`.
    pub base: Option<String>,
    /// Whether tasks are taken one after another when the analysis fails.
    pub fallback_to_sequential: bool,
    /// How plans are made.
    pub analysis: AnalysisSettings,
    /// The files for other programs.
    pub monitoring: Monitoring,
    /// Where tasks run, where somebody said it; else it is seen what is there.
    pub executor: Option<ExecutorKind>,
    /// Who is told of what.
    pub notify: NotifySettings,
    /// `[[classify]]`: the repository's rules before the user's. The first that fits a prompt decides.
    pub classify: Vec<(Kind, Vec<String>)>,
    /// Each value and where it came from, in the order of the file's sections.
    pub sources: Vec<Setting>,
    /// What stops nothing and should be known.
    pub warnings: Vec<Warning>,
}

/// How work is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyChoice {
    /// By this shell command.
    Command(String),
    /// Not at all: somebody said so, by an empty command.
    Off,
    /// Nobody said: [`crate::verify::guess`].
    Guess,
}

/// How plans are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisSettings {
    /// What is done where two tasks are expected to write one file.
    pub overlap: OverlapPolicy,
    /// From how sure an expectation on, in percent. None: from where the analysis itself was measured to be best.
    pub overlap_threshold: Option<u32>,
    /// The user's own analyser: a program and its arguments.
    pub command: Option<Vec<String>>,
    /// Tasks that one prompt may be split into.
    pub max_parts: u32,
    /// The user's own estimator: a program and its arguments.
    pub estimates_command: Option<Vec<String>>,
    /// Whether what tasks took is shared between the user's repositories.
    pub shared: bool,
}

/// Who is told of what. Nobody, where there is neither a command nor a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// What is told.
    pub on: Vec<NotifyKind>,
    /// The user's own program and its arguments.
    pub command: Option<Vec<String>>,
    /// Where it is posted.
    pub webhook: Option<String>,
    /// The variable that holds the secret of the webhook.
    pub webhook_secret_env: Option<String>,
}

/// The files for other programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// Their folder, absolute.
    pub dir: PathBuf,
    /// How old they may get while nothing changes.
    pub interval: Millis,
}

/// One value, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key, dotted, as in the file.
    pub key: String,
    /// The value as a file would say it; none where there is none. Variables of agents are named and not shown.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// Resolves the settings for the repository whose main worktree is `root`, with this process's environment.
pub fn resolve(root: &Path, flags: &Flags) -> Result<Resolved, ConfigError> {
    resolve_with(root, flags, &env::get)
}

/// As [`resolve`], with another environment.
pub fn resolve_with(
    root: &Path,
    flags: &Flags,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, ConfigError> {
    let mut layers = Layers::open(root, flags, variable)?;
    let defaults = RunSettings::default();
    let (mut settings, executor) = run_section(&mut layers, flags, &defaults)?;
    let base = layers.text(Key::run("base", "--base", env::BASE), flags.base.as_deref(), |f| &f.run.base)?;
    let fallback = layers.switched_off(
        Key::run("fallback_to_sequential", "--no-fallback", env::NO_FALLBACK),
        flags.no_fallback,
        |f| &f.run.fallback_to_sequential,
    )?;
    settings.limits = limits(&mut layers, &defaults.limits)?;
    settings.retry = retry(&mut layers, &defaults.retry)?;
    settings.hang = hang(&mut layers, &defaults.hang)?;
    settings.admission = admission(&mut layers, &defaults.admission)?;
    workspace_section(&mut layers, &defaults, &mut settings)?;
    let dir =
        layers.or(Key::file("monitoring.dir"), Folder(".gadugi/monitoring".into()), |f| &f.monitoring.dir)?;
    let interval = Length(Millis::seconds(30));
    let interval = layers.or(Key::file("monitoring.interval"), interval, |f| &f.monitoring.interval)?;
    gateway(&mut layers, &mut settings)?;
    settings.container.image = layers.text(Key::file("container.image"), None, |f| &f.container.image)?;
    settings.container.env =
        layers.or(Key::file("container.env"), EnvDeny(Vec::new()), |f| &f.container.env)?.0;
    let none = CacheNames(Vec::new());
    settings.container.caches = layers.or(Key::file("container.caches"), none, |f| &f.container.caches)?.0;
    settings.agents = agents(&mut layers)?;
    let analysis = analysis(&mut layers, flags)?;
    settings.share_past = analysis.shared;
    let strategy = StrategyChoice(defaults.merge);
    settings.merge = layers.or(Key::file("merge.strategy"), strategy, |f| &f.merge.strategy)?.0;
    let verify = verify(&mut layers, flags)?;
    if let VerifyChoice::Command(command) = &verify {
        settings.verify = Some(command.clone());
    }
    let classify = layers.files().flat_map(|file| &file.classify);
    let classify = classify.map(|rule| (rule.kind.0, rule.any.0.clone())).collect();
    let notify = notify(&mut layers)?;
    if let Some(secret) = &notify.webhook_secret_env
        && !settings.env_deny.contains(secret)
    {
        settings.env_deny.push(secret.clone());
    }
    let (sources, warnings) = layers.finish();
    Ok(Resolved {
        settings,
        verify,
        base,
        fallback_to_sequential: fallback,
        analysis,
        monitoring: Monitoring { dir: root.join(dir.0), interval: interval.0 },
        executor,
        notify,
        classify,
        sources,
        warnings,
    })
}

fn run_section(
    layers: &mut Layers<'_>,
    flags: &Flags,
    defaults: &RunSettings,
) -> Result<(RunSettings, Option<ExecutorKind>), ConfigError> {
    let mut settings = defaults.clone();
    let words = |number: Option<u32>| number.map(|number| number.to_string());
    let money = |amount: Option<f64>| amount.map(|amount| amount.to_string());
    let key = Key::run("max_parallel", "--max-parallel", env::MAX_PARALLEL);
    settings.max_parallel =
        layers.pick(key, words(flags.max_parallel).as_deref(), |f| &f.run.max_parallel)?.map(|v| v.0);
    let key = Key::run("timeout", "--timeout", env::TIMEOUT);
    let timeout = TaskTimeout(defaults.timeout);
    settings.timeout = layers.pick_or(key, flags.timeout.as_deref(), timeout, |f| &f.run.timeout)?.0;
    let key = Key::run("executor", "--executor", env::EXECUTOR);
    let executor = layers.pick(key, flags.executor.as_deref(), |f| &f.run.executor)?.map(|v| v.0);
    settings.executor = executor.unwrap_or(defaults.executor);
    let key = Key::run("agent", "--agent", env::AGENT);
    let agent = AgentChoice(defaults.agent.clone());
    settings.agent = layers.pick_or(key, flags.agent.as_deref(), agent, |f| &f.run.agent)?.0;
    settings.model =
        layers.text(Key::run("model", "--model", env::MODEL), flags.model.as_deref(), |f| &f.run.model)?;
    let key = Key::run("max_turns", "--max-turns", env::MAX_TURNS);
    let turns = Turns(defaults.max_turns);
    settings.max_turns =
        layers.pick_or(key, words(flags.max_turns).as_deref(), turns, |f| &f.run.max_turns)?.0;
    let key = Key::run("budget", "--budget", env::BUDGET);
    settings.budget_microusd =
        layers.pick(key, money(flags.budget).as_deref(), |f| &f.run.budget)?.map(|v| v.0);
    let key = Key::run("task_budget", "--task-budget", env::TASK_BUDGET);
    settings.task_budget_microusd =
        layers.pick(key, money(flags.task_budget).as_deref(), |f| &f.run.task_budget)?.map(|v| v.0);
    let key = Key::run("review", "--no-review", env::NO_REVIEW);
    settings.review = layers.switched_off(key, flags.no_review, |f| &f.run.review)?;
    let key = Key::run("keep", "--keep", env::KEEP);
    let keep = flags.keep.then_some("true");
    settings.keep = layers.pick_or(key, keep, Switch(defaults.keep), |f| &f.run.keep)?.0;
    settings.grace = layers.or(Key::file("run.grace"), Length(defaults.grace), |f| &f.run.grace)?.0;
    settings.lease = layers.or(Key::file("run.lease"), Lease(defaults.lease), |f| &f.run.lease)?.0;
    Ok((settings, executor))
}

fn retry(layers: &mut Layers<'_>, defaults: &RetrySettings) -> Result<RetrySettings, ConfigError> {
    let key = |name: &str| Key::file(format!("retry.{name}"));
    Ok(RetrySettings {
        transient: layers.or(key("transient"), Tries(defaults.transient), |f| &f.retry.transient)?.0,
        crashes: layers.or(key("crashes"), Tries(defaults.crashes), |f| &f.retry.crashes)?.0,
        continuations: layers
            .or(key("continuations"), Tries(defaults.continuations), |f| &f.retry.continuations)?
            .0,
        failures: layers.or(key("failures"), Tries(defaults.failures), |f| &f.retry.failures)?.0,
        first: layers.or(key("first"), Length(defaults.first), |f| &f.retry.first)?.0,
        cap: layers.or(key("cap"), Length(defaults.cap), |f| &f.retry.cap)?.0,
    })
}

fn hang(layers: &mut Layers<'_>, defaults: &HangSettings) -> Result<HangSettings, ConfigError> {
    let key = |name: &str| Key::file(format!("hang.{name}"));
    Ok(HangSettings {
        suspect: layers.or(key("suspect"), Length(defaults.suspect), |f| &f.hang.suspect)?.0,
        stop: layers.or(key("stop"), Length(defaults.stop), |f| &f.hang.stop)?.0,
        after_result: layers
            .or(key("after_result"), Length(defaults.after_result), |f| &f.hang.after_result)?
            .0,
    })
}

fn admission(
    layers: &mut Layers<'_>,
    defaults: &AdmissionSettings,
) -> Result<AdmissionSettings, ConfigError> {
    const MIB: u64 = 1 << 20;
    let key = |name: &str| Key::file(format!("admission.{name}"));
    let (memory, disk) = (Size(defaults.min_memory_mib * MIB), Size(defaults.min_disk_mib * MIB));
    let cpu = Percent(defaults.max_cpu_percent);
    Ok(AdmissionSettings {
        min_memory_mib: layers.or(key("min_memory"), memory, |f| &f.admission.min_memory)?.0 / MIB,
        min_disk_mib: layers.or(key("min_disk"), disk, |f| &f.admission.min_disk)?.0 / MIB,
        max_cpu_percent: layers.or(key("max_cpu"), cpu, |f| &f.admission.max_cpu)?.0,
    })
}

fn limits(layers: &mut Layers<'_>, defaults: &LimitSettings) -> Result<LimitSettings, ConfigError> {
    let key = |name: &str| Key::file(format!("limits.{name}"));
    let permille = |cpus: f64| (cpus * 1000.0).round() as u32;
    Ok(LimitSettings {
        memory_bytes: layers.pick(key("memory"), None, |f| &f.limits.memory)?.map(|v| v.0),
        cpus_permille: layers.pick(key("cpus"), None, |f| &f.limits.cpus)?.map(|v| permille(v.0)),
        pids: layers.or(key("pids"), Pids(defaults.pids), |f| &f.limits.pids)?.0,
        disk_bytes: layers.pick(key("disk"), None, |f| &f.limits.disk)?.map(|v| v.0),
        output_bytes: layers.or(key("output"), Size(defaults.output_bytes), |f| &f.limits.output)?.0,
    })
}

fn workspace_section(
    layers: &mut Layers<'_>,
    defaults: &RunSettings,
    settings: &mut RunSettings,
) -> Result<(), ConfigError> {
    let dir = Folder(defaults.worktree_dir.clone());
    settings.worktree_dir = layers.or(Key::file("workspace.dir"), dir, |f| &f.workspace.dir)?.0;
    let branch = BranchTemplate(defaults.branch_template.clone());
    settings.branch_template = layers.or(Key::file("workspace.branch"), branch, |f| &f.workspace.branch)?.0;
    settings.include =
        layers.or(Key::file("workspace.include"), Texts::default(), |f| &f.workspace.include)?.0;
    settings.setup =
        layers.or(Key::file("workspace.setup"), ShellCommands::default(), |f| &f.workspace.setup)?.0;
    let home = HomeChoice(defaults.home);
    settings.home = layers.or(Key::file("workspace.home"), home, |f| &f.workspace.home)?.0;
    settings.uv = layers.or(Key::file("workspace.uv"), UvChoice(defaults.uv), |f| &f.workspace.uv)?.0;
    let deny = EnvDeny(DEFAULT_ENV_DENY.map(str::to_owned).to_vec());
    settings.env_deny = layers.or(Key::file("workspace.env_deny"), deny, |f| &f.workspace.env_deny)?.0;
    Ok(())
}

fn gateway(layers: &mut Layers<'_>, settings: &mut RunSettings) -> Result<(), ConfigError> {
    let gateway = &mut settings.gateway;
    gateway.upstream = layers.text(Key::file("gateway.upstream"), None, |f| &f.gateway.upstream)?;
    gateway.network =
        layers.or(Key::file("gateway.network"), HostPorts::default(), |f| &f.gateway.network)?.0;
    gateway.local = layers.or(Key::file("gateway.local"), Switch(gateway.local), |f| &f.gateway.local)?.0;
    let most = layers.pick(Key::file("gateway.budget"), None, |f| &f.gateway.budget)?.map(|v| v.0);
    settings.budget_microusd = settings.budget_microusd.into_iter().chain(most).min();
    Ok(())
}

fn analysis(layers: &mut Layers<'_>, flags: &Flags) -> Result<AnalysisSettings, ConfigError> {
    let key = Key::of("analysis.overlap", "--overlap", env::OVERLAP);
    let overlap = OverlapChoice(OverlapPolicy::default());
    let overlap = layers.pick_or(key, flags.overlap.as_deref(), overlap, |f| &f.analysis.overlap)?.0;
    let key = Key::of("analysis.overlap_threshold", "--overlap-threshold", env::OVERLAP_THRESHOLD);
    let threshold = flags.overlap_threshold.map(|percent| percent.to_string());
    let threshold = layers.pick(key, threshold.as_deref(), |f| &f.analysis.overlap_threshold)?;
    let key = |name: &str| Key::file(format!("analysis.{name}"));
    let command = layers.pick_owned(key("command"), |f| f.analysis.command.clone());
    let parts = layers.or(key("max_parts"), Parts(MAX_PARTS), |f| &f.analysis.max_parts)?;
    let estimates = layers.pick_owned(Key::file("estimates.command"), |f| f.estimates.command.clone());
    let shared = layers.or(Key::file("estimates.shared"), Switch(true), |f| &f.estimates.shared)?;
    Ok(AnalysisSettings {
        overlap,
        overlap_threshold: threshold.map(|percent| percent.0),
        command: command.map(|Arguments(command)| command).filter(|command| !command.is_empty()),
        max_parts: parts.0,
        estimates_command: estimates.map(|Arguments(command)| command).filter(|command| !command.is_empty()),
        shared: shared.0,
    })
}

fn notify(layers: &mut Layers<'_>) -> Result<NotifySettings, ConfigError> {
    let all = NotifyKinds(NotifyKind::ALL.to_vec());
    let on = layers.or(Key::file("notify.on"), all, |f| &f.notify.on)?.0;
    let command = layers.pick_owned(Key::file("notify.command"), |f| f.notify.command.clone());
    Ok(NotifySettings {
        on,
        command: command.map(|Arguments(command)| command).filter(|command| !command.is_empty()),
        webhook: layers.text(Key::file("notify.webhook"), None, |f| &f.notify.webhook)?,
        webhook_secret_env: layers
            .text(Key::file("notify.webhook_secret_env"), None, |f| &f.notify.webhook_secret_env)?,
    })
}

/// The repository's settings of an agent win over the user's one by one, and so do single variables.
fn agents(layers: &mut Layers<'_>) -> Result<BTreeMap<String, AgentSettings>, ConfigError> {
    let mut names: Vec<String> = layers.files().flat_map(|file| file.agents.keys().cloned()).collect();
    names.sort();
    names.dedup();
    let mut agents = BTreeMap::new();
    for name in names {
        if !AGENTS.contains(&name.as_str()) {
            layers.warn_unknown_agent(&name);
        }
        let key = |part: &str| Key::file(format!("agents.{name}.{part}"));
        let command = layers.pick_owned(key("command"), |f| f.agents.get(&name)?.command.clone());
        let args = layers.pick_owned(key("args"), |f| f.agents.get(&name)?.args.clone());
        let all: Vec<EnvMap> =
            layers.files().filter_map(|file| file.agents.get(&name)?.env.clone()).collect();
        let merged = all.into_iter().rev().flat_map(|env| env.0).collect();
        layers.pick_owned(key("env"), |f| {
            let said = f.agents.get(&name)?.env.is_some();
            said.then(|| EnvMap(BTreeMap::clone(&merged)))
        });
        let settings = AgentSettings {
            command: command.map(|program| program.0),
            args: args.map(|Arguments(args)| args).unwrap_or_default(),
            env: merged,
        };
        agents.insert(name, settings);
    }
    Ok(agents)
}

/// What tests a composed tree: flag and variable, then `[merge] verify`, then `[run] verify`.
fn verify(layers: &mut Layers<'_>, flags: &Flags) -> Result<VerifyChoice, ConfigError> {
    let key = Key::run("verify", "--verify", env::VERIFY);
    let run = layers.pick(key, flags.verify.as_deref(), |f: &ConfigFile| &f.run.verify)?;
    let asked = matches!(layers.last_source(), Some(Source::Flag(_) | Source::Variable(_)));
    let merge = layers.pick(Key::file("merge.verify"), None, |f| &f.merge.verify)?;
    let choice = if asked { run } else { merge.or(run) };
    Ok(match choice {
        None => VerifyChoice::Guess,
        Some(command) if command.0.trim().is_empty() => VerifyChoice::Off,
        Some(command) => VerifyChoice::Command(command.0),
    })
}
