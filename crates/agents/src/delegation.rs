//! The one door through which an agent is started.
//!
//! An [`AgentLaunch`] has private fields and one maker, [`Delegation::launch`]; a [`Delegation`] has private fields
//! and one maker, which takes a task's brief. So whatever starts an agent started it as one of two, by what its brief is:
//! for work as WorkflowManager, for a question as TaskAnalyzer ([`Role`]), with the generated header in front of the prompt,
//! or it does not compile:
//!
//! ```compile_fail
//! let launch = gadugi_agents::AgentLaunch {
//!     program: "claude".into(), args: vec![], env: Default::default(), env_removed: &[], stdin: String::new(),
//! };
//! ```
//!
//! What users configure (program, arguments, environment) is looked at here, and refused by name where it would
//! change who is started or what it is told. `check.rs` looks at the shell commands of setup and verify steps.

use std::collections::BTreeMap;
use std::path::Path;

use gadugi_core::{AgentSettings, SessionId, SessionMode};

use crate::brief::{TaskBrief, stdin_text};
use crate::kind::is_agent_program;
use crate::{AgentKind, Role, Whose, claude, scripted};

/// A task, told to whoever does tasks of its purpose.
#[derive(Clone, Debug)]
pub struct Delegation {
    stdin: String,
    role: Role,
    whose: Whose,
}

/// How the agent is started.
#[derive(Clone, Copy, Debug)]
pub struct LaunchOptions<'a> {
    /// Which agent.
    pub kind: AgentKind,
    /// The user's settings for it.
    pub settings: &'a AgentSettings,
    /// The conversation, chosen beforehand.
    pub session: &'a SessionId,
    /// Whether the conversation is begun or taken up again.
    pub mode: SessionMode,
    /// The model, where one was named.
    pub model: Option<&'a str>,
    /// Model turns of this step.
    pub max_turns: u32,
    /// What this step may cost, in millionths of a US dollar.
    pub budget_microusd: Option<u64>,
    /// Whether `uv run` stands in front.
    pub uv: bool,
    /// Whether the step runs as root: Claude Code then wants to be told that this is a sandbox.
    pub as_root: bool,
    /// Whether its requests go through gadugi's gateway, which meets most of what an API does amiss before the agent sees it.
    pub gated: bool,
    /// The gadugi program, which is the scripted agent too.
    pub own_program: &'a Path,
}

/// What to start: a program, its arguments, what is added to and taken from the environment, and the text for stdin,
/// which is closed behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentLaunch {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    env_removed: &'static [&'static str],
    stdin: String,
}

/// Why a launch is no delegation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationRefused {
    /// An argument that would change who is started or what it is told.
    #[error("agents.{agent}.args: `{argument}` is refused: {because}")]
    Argument {
        /// The agent.
        agent: &'static str,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        because: &'static str,
    },
    /// A variable that would change who is started or what it is told.
    #[error("agents.{agent}.env: `{variable}` is refused: {because}")]
    Variable {
        /// The agent.
        agent: &'static str,
        /// The variable.
        variable: String,
        /// What is wrong with it.
        because: &'static str,
    },
    /// A program that is not one program, or another agent's.
    #[error("agents.{agent}.command: `{command}` is refused: {because}")]
    Command {
        /// The agent.
        agent: &'static str,
        /// The program.
        command: String,
        /// What is wrong with it.
        because: &'static str,
    },
    /// A model's name that is none.
    #[error("`{0}` is no name of a model")]
    Model(String),
    /// A conversation's id that is none.
    #[error("`{0}` is no session id")]
    Session(String),
    /// A setup or verify command that starts an agent.
    #[error("`{word}` in `{command}` would start an agent outside the workflow")]
    ShellCommand {
        /// The command.
        command: String,
        /// The word that names an agent.
        word: String,
    },
}

/// What an adapter adds to the common part of a launch.
pub(crate) struct CommandLine {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// Set where the user's settings do not say otherwise.
    pub(crate) env_defaults: &'static [(&'static str, &'static str)],
    /// Set whatever the user's settings say.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) env_removed: &'static [&'static str],
}

impl Delegation {
    /// The delegation of a task. There is no other way to one.
    pub fn new(brief: &TaskBrief, whose: Whose) -> Self {
        Self { stdin: stdin_text(brief), role: brief.role(), whose }
    }

    /// The text for stdin: the generated header, and the prompt word for word.
    pub fn stdin(&self) -> &str {
        &self.stdin
    }

    /// What to start.
    ///
    /// # Errors
    /// Where the user's settings would get round the delegation.
    pub fn launch(&self, options: &LaunchOptions<'_>) -> Result<AgentLaunch, DelegationRefused> {
        check_command(options)?;
        check_names(options)?;
        check_env(options)?;
        let line = match options.kind {
            AgentKind::Claude => claude::command_line(options, self.role, self.whose)?,
            AgentKind::Scripted => scripted::command_line(options, self.role)?,
        };
        let (program, args) =
            if options.uv { behind_uv(line.program, line.args) } else { (line.program, line.args) };
        let defaults =
            line.env_defaults.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env: BTreeMap<_, _> = defaults.collect();
        env.extend(options.settings.env.clone());
        env.extend(line.env);
        Ok(AgentLaunch { program, args, env, env_removed: line.env_removed, stdin: self.stdin.clone() })
    }
}

impl AgentLaunch {
    /// The program: a path, or a name to be looked for on `PATH`.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments, without the program itself.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// The program and its arguments.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(&self.args).cloned().collect()
    }

    /// Variables that are set, whatever the user's environment says.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Variables of the user's environment that the agent must not see (before [`Self::env`] is added): left-overs of
    /// an agent that gadugi itself was started by, and switches that would turn the delegation off.
    pub fn env_removed(&self) -> &'static [&'static str] {
        self.env_removed
    }

    /// The text for stdin.
    pub fn stdin(&self) -> &str {
        &self.stdin
    }
}

fn behind_uv(program: String, args: Vec<String>) -> (String, Vec<String>) {
    ("uv".into(), ["run".into(), program].into_iter().chain(args).collect())
}

fn check_command(options: &LaunchOptions<'_>) -> Result<(), DelegationRefused> {
    let Some(command) = &options.settings.command else { return Ok(()) };
    let refuse = |because| {
        Err(DelegationRefused::Command { agent: options.kind.name(), command: command.clone(), because })
    };
    let name = command.rsplit('/').next().unwrap_or(command);
    if name.is_empty() || command.chars().any(char::is_control) {
        return refuse("it names no program");
    }
    if command.starts_with('-') {
        return refuse("it is an option");
    }
    // A path may hold spaces; a command line may not stand here, since its words would not be looked at.
    let mut words = command.split_whitespace();
    if words.next() != Some(command) && (!command.contains('/') || words.any(|word| word.starts_with('-'))) {
        return refuse("it must be one program; arguments belong into `args`");
    }
    if is_agent_program(name) && name != options.kind.name() {
        return refuse("it is another agent's program");
    }
    Ok(())
}

fn check_names(options: &LaunchOptions<'_>) -> Result<(), DelegationRefused> {
    if let Some(model) = options.model {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@[]".contains(c);
        if model.is_empty() || model.len() > 200 || model.starts_with('-') || !model.chars().all(plain) {
            return Err(DelegationRefused::Model(model.to_owned()));
        }
    }
    let session = options.session.as_str();
    let groups: Vec<_> = session.split('-').map(str::len).collect();
    if groups != [8, 4, 4, 4, 12] || !session.chars().all(|c| c == '-' || c.is_ascii_hexdigit()) {
        return Err(DelegationRefused::Session(session.to_owned()));
    }
    Ok(())
}

/// Variables that say who the task is belong to gadugi alone, whatever the adapter.
fn check_env(options: &LaunchOptions<'_>) -> Result<(), DelegationRefused> {
    let refuse = |variable: &str, because| {
        Err(DelegationRefused::Variable {
            agent: options.kind.name(),
            variable: variable.to_owned(),
            because,
        })
    };
    for name in options.settings.env.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return refuse(name, "it is no name of a variable");
        }
        if name.starts_with("ORCHESTRATOR_") || name.starts_with("GADUGI_") {
            return refuse(name, "gadugi sets it for each task");
        }
    }
    Ok(())
}
