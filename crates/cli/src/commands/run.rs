//! `gadugi run`.

mod interactive;
mod overlaps;

use std::path::PathBuf;

use clap::Args;
use gadugi_analysis::render;
use gadugi_config::{Flags, Resolved};
use gadugi_core::OverlapPolicy;
use gadugi_engine::protocol::{Reply, Request, Submission};
use gadugi_sys::env;

use crate::args::{self, Global};
use crate::commands::later;
use crate::decompose::{self, DecomposeArgs, Named, Outcome};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{self, Board, Signals, Start, ViewArgs, count};
use crate::page::PageArgs;
use crate::place::{Place, block_on};
use crate::planning::{self, Planned};
use crate::{containers, output, text};
use interactive::Asking;

/// What is run, and how.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Prompt files, or folders for every prompt in them [default: prompts/]
    #[arg(value_name = "PROMPT|DIR")]
    prompts: Vec<PathBuf>,
    /// Read the request from standard input
    #[arg(long, conflicts_with_all = ["prompts", "interactive"])]
    stdin: bool,
    /// Choose prompts from a list, and confirm the plan
    #[arg(short, long, conflicts_with = "json")]
    interactive: bool,
    #[command(flatten)]
    how: How,
    /// Start it, and give the terminal back
    #[arg(long, conflicts_with = "watch")]
    detach: bool,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    #[command(flatten)]
    split: DecomposeArgs,
    #[command(flatten)]
    page: PageArgs,
}

/// What decides settings.
#[derive(Debug, Args)]
struct How {
    /// Tasks at a time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = args::slots, allow_negative_numbers = true)]
    max_parallel: Option<u32>,
    /// Time for each task: 90m, 30s; a bare number is hours [default: 2]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    timeout: Option<String>,
    /// Where tasks run: docker (each in a container of its own) or local [default: docker where it can be had]
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Which agent does them: claude, scripted [default: claude]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The model, handed to the agent
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Model turns of one step [default: 50]
    #[arg(long, value_name = "N", value_parser = args::turns, allow_negative_numbers = true)]
    max_turns: Option<u32>,
    /// US dollars that the run may cost
    #[arg(long, value_name = "USD", value_parser = args::dollars, allow_negative_numbers = true)]
    budget: Option<f64>,
    /// US dollars that each task may cost
    #[arg(long, value_name = "USD", value_parser = args::dollars, allow_negative_numbers = true)]
    task_budget: Option<f64>,
    /// Start from this commit [default: HEAD]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// How to test the work; an empty one: not at all [default: from gadugi.toml, else guessed]
    #[arg(long, value_name = "CMD")]
    verify: Option<String>,
    /// Leave out phases 9 and 10
    #[arg(long)]
    no_review: bool,
    /// Fail where the analysis of a prompt fails, instead of taking one task after another
    #[arg(long)]
    no_fallback: bool,
    /// Where two tasks would write one file: serialize, parallel or ask [default: serialize]
    #[arg(long, value_name = "POLICY")]
    overlap: Option<String>,
    /// From how sure that is on, in percent
    #[arg(long, value_name = "PERCENT", value_parser = args::percent, allow_negative_numbers = true)]
    overlap_threshold: Option<u32>,
    /// Keep worktrees of merged tasks
    #[arg(long)]
    keep: bool,
}

impl How {
    fn flags(&self) -> Flags {
        Flags {
            max_parallel: self.max_parallel,
            timeout: self.timeout.clone(),
            executor: self.executor.clone(),
            agent: self.agent.clone(),
            model: self.model.clone(),
            max_turns: self.max_turns,
            budget: self.budget,
            task_budget: self.task_budget,
            base: self.base.clone(),
            verify: self.verify.clone(),
            no_review: self.no_review,
            no_fallback: self.no_fallback,
            overlap: self.overlap.clone(),
            overlap_threshold: self.overlap_threshold,
            keep: self.keep,
            config_file: None,
        }
    }
}

pub(crate) fn run(global: &Global, args: &RunArgs) -> Done {
    refuse(args)?;
    let manner = args.view.manner();
    let place = Place::find(global)?;
    let mut resolved = place.settings(args.how.flags(), manner)?;
    let prompts = match (args.split.decompose, args.stdin) {
        (true, stdin) => decompose::named(&place, &args.prompts, stdin, manner)?,
        (false, true) => Named::all(planning::requested(&place, manner)?),
        (false, false) => Named::all(planning::named(&place, &args.prompts)?),
    };
    let mut asking = args.interactive.then(Asking::begin).transpose()?;
    let prompts = match &asking {
        Some(asking) => asking.choose(prompts)?,
        None => prompts,
    };
    let prompts = match split(&place, &resolved, prompts, args)? {
        Outcome::Prompts(prompts, _) => prompts,
        Outcome::Ended(exit) => return Ok(exit),
    };
    let mut planned = planning::plan(&place, &resolved, &prompts, manner)?;
    if resolved.analysis.overlap == OverlapPolicy::Ask {
        overlaps::settle(&mut planned, asking.as_ref(), manner)?;
    }
    if planned.plan.tasks.is_empty() {
        args.view.manner().tell("nothing is left to do");
        return Ok(Exit::Success);
    }
    let about_executor = block_on(containers::decide(&place, &mut resolved, &planned.plan, manner))?;
    planning::check_runnable(&resolved, &planned.plan)?;
    let (verify, about_verify) = planning::verify_command(&place, &resolved, &planned)?;
    resolved.settings.verify = verify;
    resolved.settings.uv = planning::uv(&place, resolved.settings.uv, &planned);
    announce(&place, args, &resolved, &planned, &[about_executor, Some(about_verify)])?;
    if let Some(asking) = &mut asking
        && !asking.confirm()?
    {
        output::say("nothing was started");
        return Ok(Exit::Success);
    }
    block_on(submit(&place, args, resolved, planned))
}

/// The prompts, or their parts where that is asked for.
fn split(place: &Place, resolved: &Resolved, prompts: Vec<Named>, args: &RunArgs) -> Result<Outcome, Stop> {
    if !args.split.decompose {
        return Ok(Outcome::Prompts(prompts.into_iter().map(|named| named.file).collect(), Vec::new()));
    }
    let outcome = decompose::split(place, resolved, &prompts, &args.split, args.view)?;
    if let (Outcome::Prompts(_, splits), true) = (&outcome, args.view.json) {
        output::result_json(&decompose::event(splits))?;
    }
    Ok(outcome)
}

/// What is refused before anything is looked at.
fn refuse(args: &RunArgs) -> Result<(), Stop> {
    if let Some(attempt) = env::get(env::ATTEMPT) {
        let message =
            format!("gadugi run inside a task of gadugi ({attempt}) is refused: agents start no runs");
        return Err(Problem::request("inside-attempt", message, None).into());
    }
    if args.interactive && !output::can_ask() {
        let message = "--interactive needs a terminal, and standard input is none";
        return Err(Problem::request("no-terminal", message, Some("name the prompts instead")).into());
    }
    if args.how.executor.as_deref() == Some("kubernetes") {
        return Err(later::flag("--executor kubernetes", "--executor docker").into());
    }
    match args.how.agent.as_deref() {
        Some(name) if gadugi_config::RESERVED_AGENTS.contains(&name) => {
            Err(later::flag(&format!("--agent {name}"), "--agent claude").into())
        }
        _ => Ok(()),
    }
}

/// Says what will happen.
fn announce(
    place: &Place,
    args: &RunArgs,
    resolved: &Resolved,
    planned: &Planned,
    about: &[Option<String>],
) -> Result<(), Stop> {
    let dirty = place.repository.uncommitted()?;
    if dirty > 0 {
        let message =
            format!("{} with uncommitted changes: they are not part of the base", count(dirty, "path"));
        args.view.manner().warn(&message);
    }
    let (plan, manner) = (&planned.plan, args.view.manner());
    let slots = planning::slots(resolved);
    if args.interactive || args.view.verbose {
        manner.tell(render::table(plan, slots, output::columns().unwrap_or(100)).trim_end());
    } else {
        let stages = plan.stages().len();
        let tasks = count(plan.tasks.len(), "task");
        manner.tell(&format!("plan: {tasks} in {} (gadugi plan shows it)", count(stages, "stage")));
    }
    about.iter().flatten().for_each(|line| manner.tell(&text::line(line)));
    Ok(())
}

async fn submit(place: &Place, args: &RunArgs, resolved: Resolved, planned: Planned) -> Done {
    // From here on a Ctrl-C is heard: it stops the run as soon as there is one.
    let signals = Signals::new()?;
    let mut client = place.engine().await?;
    // Before the run: where it cannot be had, nothing was begun.
    let page = args.page.open(&mut client).await?;
    let submission = Submission {
        plan: planned.plan,
        settings: resolved.settings,
        prompts: planned.prompts,
        environment: follow::environment(),
    };
    let run = match client.ask(&Request::Submit(Box::new(submission))).await? {
        Reply::Accepted { run, .. } => run,
        other => return Err(Problem::unexpected(&other).into()),
    };
    page.iter().for_each(|page| page.announce(args.view.manner()));
    if args.detach {
        if args.view.json {
            output::result_json(&serde_json::json!({"run": run}))?;
        } else {
            output::result(&format!("{run}\n"))?;
            args.view.manner().tell(&format!("follow it: gadugi status {run} --watch"));
        }
        return Ok(Exit::Success);
    }
    let start = Start { client, run, after: 0, board: Board::default(), signals, page };
    follow::to_the_end(place, start, args.view).await
}
