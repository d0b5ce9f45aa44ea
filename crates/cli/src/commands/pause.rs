//! `gadugi pause`.

use clap::Args;
use gadugi_core::Target;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, TaskView};

use crate::args::Global;
use crate::commands::runs;
use crate::commands::targets::{self, Meant, everything, meant};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{count, names};
use crate::output;
use crate::place::{Place, block_on};

/// What is paused.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Runs: what runs of them goes on, nothing new begins. Or tasks: they are stopped, and taken up again by
    /// resume [default: the latest run that is not over]
    #[arg(value_name = "RUN|TASK")]
    what: Vec<String>,
    /// All runs
    #[arg(long, conflicts_with = "what")]
    all: bool,
}

pub(crate) fn run(global: &Global, args: &PauseArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let all = match &args.what[..] {
            [] if args.all => everything(&mut client).await?,
            [] => latest(&mut client).await?,
            words => meant(&mut client, words).await?,
        };
        if all.is_empty() {
            output::result("nothing runs\n")?;
        }
        for meant in &all {
            pause(&place, &mut client, meant).await?;
        }
        Ok(Exit::Success)
    })
}

/// The latest that goes on, else the latest that does not.
async fn latest(client: &mut Client) -> Result<Vec<Meant>, Stop> {
    let view = match runs::latest(client, |view| view.status == "active").await? {
        Some(view) => Some(view),
        None => runs::latest(client, |view| view.status == "paused").await?,
    };
    Ok(view.into_iter().map(|view| Meant { view, target: Target::All }).collect())
}

async fn pause(place: &Place, client: &mut Client, meant: &Meant) -> Result<(), Stop> {
    let run = meant.run();
    if meant.target == Target::All && meant.view.status == "paused" {
        return output::result(&format!("{run} is paused already (gadugi resume {run})\n"));
    }
    let request = Request::Pause { run: run.clone(), target: meant.target.clone() };
    let tasks = match client.ask(&request).await? {
        Reply::Accepted { tasks, .. } => tasks,
        other => return Err(Problem::unexpected(&other).into()),
    };
    if meant.target == Target::All {
        output::result(&format!("{run} is paused: what runs goes on, nothing new begins\n"))?;
        output::say(&format!("take it up again: gadugi resume {run}"));
        return Ok(());
    }
    if tasks > 0 {
        output::say(&format!("{run}: stopping {}", count(tasks, "task")));
    }
    let view = targets::settled(place, client, meant, |task| task.over || is_still(task)).await?;
    let (over, paused): (Vec<&TaskView>, Vec<&TaskView>) =
        view.tasks.iter().filter(|task| meant.holds(&task.id)).partition(|task| task.over);
    if !paused.is_empty() {
        output::result(&format!("{run}: {} paused ({})\n", count(paused.len(), "task"), names(&paused)))?;
        let words: Vec<String> = paused.iter().map(|task| task.id.to_string()).collect();
        output::say(&format!("take up again: gadugi resume {}", words.join(" ")));
    }
    for task in over {
        output::result(&format!("{run}: {} is over: {}\n", task.id, task.state))?;
    }
    Ok(())
}

/// Whether no process of its agent runs. What gadugi does with finished work goes on.
fn is_still(task: &TaskView) -> bool {
    !matches!(task.state.as_str(), "preparing" | "ready" | "starting" | "running")
}
