//! The commands, one file each.

mod cancel;
mod clean;
mod completions;
mod dashboard;
mod demo;
mod diff;
mod doctor;
mod engine;
mod export;
mod image;
mod init;
mod land;
pub(crate) mod later;
mod logs;
mod man;
mod pause;
mod plan;
mod resume;
mod retry;
mod run;
mod runs;
mod scripted_agent;
mod status;
mod targets;
mod worktrees;

use clap::Subcommand;
use gadugi_sys::env;

pub(crate) use logs::{Attempt, Watch};
pub(crate) use runs::{latest as latest_run, no_runs};

use crate::args::Invocation;
use crate::error::{Done, Problem};

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run prompts: plan them, do them side by side, test and merge what they come to
    Run(Box<run::RunArgs>),
    /// Show the plan for prompts; nothing is run
    Plan(plan::PlanArgs),
    /// Show how a run stands
    #[command(alias = "ps")]
    Status(status::StatusArgs),
    /// Show what a task's agent says and does
    Logs(logs::LogsArgs),
    /// Show what a task changed
    Diff(diff::DiffArgs),
    /// End tasks that run or wait
    Cancel(cancel::CancelArgs),
    /// Begin nothing new of a run, what runs goes on; or stop single tasks until they are resumed
    Pause(pause::PauseArgs),
    /// Take up a paused or interrupted run where it was, and follow it to its end; or let paused tasks go on
    Resume(resume::ResumeArgs),
    /// Take up tasks again that did not succeed, and those that were skipped for them
    Retry(retry::RetryArgs),
    /// Bring the integration branch, or one task's, home to a branch of yours
    Land(land::LandArgs),
    /// Show runs on a page of the browser, also when nothing runs, until Ctrl-C
    Dashboard(dashboard::DashboardArgs),
    /// Write everything about a run as JSON
    Export(export::ExportArgs),
    /// Put away finished workspaces and old records; never what holds unsaved work
    Clean(clean::CleanArgs),
    /// List gadugi's worktrees, and mend what is wrong with them
    Worktrees(worktrees::WorktreesArgs),
    /// Say what is there, what is missing, and how to mend it
    Doctor(doctor::DoctorArgs),
    /// Write gadugi.toml, the agents and what goes with them into this repository
    Init(init::InitArgs),
    /// Make the image that agents run in, where tasks run in containers
    Image(image::ImageArgs),
    /// Watch a sample repository go from prompts to one merged branch
    Demo(demo::DemoArgs),
    /// Write completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(man::ManArgs),
    /// Open a shell in a task's workspace
    #[command(hide = true)]
    Shell(later::LaterArgs),
    /// Speak the Model Context Protocol
    #[command(hide = true)]
    Mcp(later::LaterArgs),
    /// Say something to a running agent
    #[command(hide = true)]
    Tell(later::LaterArgs),
    /// Be the engine of a repository
    #[command(hide = true)]
    Engine(engine::EngineArgs),
    /// Be the scripted agent
    #[command(hide = true, disable_help_flag = true, name = gadugi_agents::scripted::SUBCOMMAND)]
    ScriptedAgent(scripted_agent::ScriptedAgentArgs),
}

impl Command {
    /// Whether it changes what becomes of runs or of their work. (That `run` and `resume` are refused inside a task they say
    /// themselves.)
    fn steers(&self) -> bool {
        match self {
            Self::Worktrees(args) => args.mends(),
            Self::Cancel(_)
            | Self::Pause(_)
            | Self::Retry(_)
            | Self::Land(_)
            | Self::Clean(_)
            | Self::Image(_) => true,
            _ => false,
        }
    }

    /// Whether what goes wrong is said as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Run(args) => args.view.json,
            Self::Plan(args) => args.json,
            Self::Status(args) => args.json,
            Self::Resume(args) => args.view.json,
            Self::Worktrees(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Dashboard(args) => args.json,
            _ => false,
        }
    }
}

/// Does what was asked for.
pub(crate) fn dispatch(invocation: Invocation) -> Done {
    let Invocation { global, command } = invocation;
    if command.steers() && env::get(env::ATTEMPT).is_some() {
        let message = "inside a task of gadugi this is refused: agents look at runs and do not steer them";
        return Err(Problem::request("inside-attempt", message, None).into());
    }
    match command {
        Command::Run(args) => run::run(&global, &args),
        Command::Plan(args) => plan::run(&global, &args),
        Command::Status(args) => status::run(&global, &args),
        Command::Logs(args) => logs::run(&global, &args),
        Command::Diff(args) => diff::run(&global, &args),
        Command::Cancel(args) => cancel::run(&global, &args),
        Command::Pause(args) => pause::run(&global, &args),
        Command::Resume(args) => resume::run(&global, &args),
        Command::Retry(args) => retry::run(&global, &args),
        Command::Land(args) => land::run(&global, &args),
        Command::Export(args) => export::run(&global, &args),
        Command::Clean(args) => clean::run(&global, &args),
        Command::Worktrees(args) => worktrees::run(&global, &args),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Init(args) => init::run(&global, &args),
        Command::Image(args) => image::run(&global, &args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Shell(_) => later::refuse("shell", "gadugi logs TASK -f shows what its agent does"),
        Command::Dashboard(args) => dashboard::run(&global, &args),
        Command::Mcp(_) => later::refuse("mcp", "agents hand over prompts by gadugi run --stdin"),
        Command::Tell(_) => later::refuse("tell", "gadugi retry TASK --with TEXT speaks to a task's agent"),
        Command::Engine(args) => engine::run(&global, &args),
        Command::ScriptedAgent(args) => scripted_agent::run(&args),
    }
}
