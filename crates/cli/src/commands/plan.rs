//! `gadugi plan`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gadugi_analysis::render;
use gadugi_config::Flags;

use crate::args::{self, Global};
use crate::decompose::{self, DecomposeArgs, Outcome};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::ViewArgs;
use crate::output::Manner;
use crate::place::Place;
use crate::{output, planning};

/// Columns of the table where standard output is no terminal.
const COLUMNS: usize = 120;

/// What is planned, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Prompt files, or folders for every prompt in them [default: prompts/]
    #[arg(value_name = "PROMPT|DIR")]
    prompts: Vec<PathBuf>,
    /// Read the request from standard input
    #[arg(long, conflicts_with = "prompts")]
    stdin: bool,
    /// Show it as JSON
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Write it into a file: JSON, or what --format says
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show it as a graph
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Say why two tasks do or don't run together
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "format")]
    why: Option<Vec<String>>,
    /// Slots to plan for [default: by the machine]
    #[arg(long, value_name = "N", value_parser = args::slots, allow_negative_numbers = true)]
    max_parallel: Option<u32>,
    /// Plan for this commit [default: HEAD]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// Fail where the analysis of a prompt fails, instead of planning one task after another
    #[arg(long)]
    no_fallback: bool,
    /// Where two tasks would write one file: serialize, parallel or ask [default: serialize]
    #[arg(long, value_name = "POLICY")]
    overlap: Option<String>,
    /// From how sure that is on, in percent
    #[arg(long, value_name = "PERCENT", value_parser = args::percent, allow_negative_numbers = true)]
    overlap_threshold: Option<u32>,
    #[command(flatten)]
    split: DecomposeArgs,
    #[command(flatten)]
    asked: Asked,
}

/// Who is asked how prompts divide.
#[derive(Debug, Args)]
struct Asked {
    /// With --decompose, which agent is asked: claude, scripted [default: claude]
    #[arg(long, value_name = "NAME", requires = "decompose")]
    agent: Option<String>,
    /// With --decompose, the model, handed to the agent
    #[arg(long, value_name = "NAME", requires = "decompose")]
    model: Option<String>,
    /// With --decompose, where the agent runs: docker or local [default: docker where it can be had]
    #[arg(long, value_name = "NAME", requires = "decompose")]
    executor: Option<String>,
    /// With --decompose, US dollars that asking may cost
    #[arg(long, value_name = "USD", value_parser = args::dollars, allow_negative_numbers = true, requires = "decompose")]
    budget: Option<f64>,
    /// With --decompose, time for each answer: 30m, 90s; a bare number is hours [default: 2]
    #[arg(long, value_name = "T", allow_negative_numbers = true, requires = "decompose")]
    timeout: Option<String>,
}

/// Graphs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A Mermaid flowchart
    Mermaid,
    /// A Graphviz digraph
    Dot,
}

pub(crate) fn run(global: &Global, args: &PlanArgs) -> Done {
    args.split.refuse("gadugi plan --decompose")?;
    let place = Place::find(global)?;
    let manner = Manner::json(args.json);
    let flags = Flags {
        max_parallel: args.max_parallel,
        base: args.base.clone(),
        no_fallback: args.no_fallback,
        overlap: args.overlap.clone(),
        overlap_threshold: args.overlap_threshold,
        agent: args.asked.agent.clone(),
        model: args.asked.model.clone(),
        executor: args.asked.executor.clone(),
        budget: args.asked.budget,
        timeout: args.asked.timeout.clone(),
        ..Flags::default()
    };
    let resolved = place.settings(flags, manner)?;
    let (prompts, splits) = if args.split.decompose {
        let prompts = decompose::named(&place, &args.prompts, args.stdin, manner)?;
        let view = ViewArgs { json: args.json, ..ViewArgs::default() };
        match decompose::split(&place, &resolved, &prompts, &args.split, view)? {
            Outcome::Prompts(prompts, splits) => (prompts, Some(splits)),
            Outcome::Ended(exit) => return Ok(exit),
        }
    } else if args.stdin {
        (planning::requested(&place, manner)?, None)
    } else {
        (planning::named(&place, &args.prompts)?, None)
    };
    let planned = planning::plan(&place, &resolved, &prompts, manner)?;
    if let Some(why) = &planned.forgotten {
        manner.warn(&format!("nothing is learnt from earlier runs: {why}"));
    }
    let (plan, slots) = (&planned.plan, planning::slots(&resolved));
    let text = match args.format {
        None if let Some([a, b]) = args.why.as_deref() => {
            let why = planned.why(&resolved, a, b)?;
            if args.json { output::pretty(&render::why_json(&why))? } else { render::why(&why) }
        }
        Some(Format::Mermaid) => render::mermaid(plan),
        Some(Format::Dot) => render::dot(plan),
        None if args.json || args.output.is_some() => {
            let mut json = render::plan_json(plan, slots);
            if let Some(splits) = &splits {
                json["decomposed"] = decompose::json(splits);
            }
            output::pretty(&json)?
        }
        None => render::table(plan, slots, output::columns().unwrap_or(COLUMNS)),
    };
    match &args.output {
        Some(file) => write(&place.cwd.join(file), &text)?,
        None => output::result(&text)?,
    }
    Ok(Exit::Success)
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    std::fs::write(path, text).map_err(|error| Problem::io("write", path, &error))?;
    output::say(&format!("written to {}", crate::text::line(&path.to_string_lossy())));
    Ok(())
}
