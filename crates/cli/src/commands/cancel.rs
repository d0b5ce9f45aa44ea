//! `gadugi cancel`.

use clap::Args;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, TaskView};

use crate::args::Global;
use crate::commands::targets::{self, Meant, everything, meant};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{count, names};
use crate::output;
use crate::place::{Place, block_on};

/// What is ended.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Tasks (id, unique prefix or prompt name), or runs
    #[arg(value_name = "TASK|RUN")]
    what: Vec<String>,
    /// A task, by its id
    #[arg(long, value_name = "ID")]
    task_id: Vec<String>,
    /// Every task of the run, or of all runs where none is named
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(global: &Global, args: &CancelArgs) -> Done {
    let words: Vec<String> = args.what.iter().chain(&args.task_id).cloned().collect();
    if words.is_empty() && !args.all {
        let hint = Some("gadugi cancel TASK, gadugi cancel RUN, or gadugi cancel --all");
        return Err(Problem::request("missing-argument", "say what to cancel", hint).into());
    }
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let all = if words.is_empty() {
            everything(&mut client).await?
        } else {
            meant(&mut client, &words).await?
        };
        if all.is_empty() {
            output::result("nothing runs\n")?;
        }
        // All are asked before any is waited for.
        for meant in all.iter().filter(|meant| meant.tasks().any(|task| !task.over)) {
            ask(&mut client, meant).await?;
        }
        for meant in &all {
            confirm(&place, &mut client, meant).await?;
        }
        Ok(Exit::Success)
    })
}

async fn ask(client: &mut Client, meant: &Meant) -> Result<(), Stop> {
    match client.ask(&Request::Cancel { run: meant.run(), target: meant.target.clone() }).await? {
        Reply::Accepted { run, tasks } if tasks > 0 => {
            output::say(&format!("{run}: stopping {}", count(tasks, "task")));
            Ok(())
        }
        Reply::Accepted { .. } => Ok(()),
        other => Err(Problem::unexpected(&other).into()),
    }
}

/// Says what is cancelled once it is: the task is over and its processes are gone.
async fn confirm(place: &Place, client: &mut Client, meant: &Meant) -> Result<(), Stop> {
    let run = meant.run();
    let open: Vec<_> = meant.tasks().filter(|task| !task.over).map(|task| task.id.clone()).collect();
    if open.is_empty() {
        return output::result(&format!("{run}: nothing to cancel, it is over\n"));
    }
    let view = targets::settled(place, client, meant, |task| task.over).await?;
    let ended = |task: &&TaskView| open.contains(&task.id);
    let (cancelled, other): (Vec<&TaskView>, Vec<&TaskView>) =
        view.tasks.iter().filter(ended).partition(|task| task.state == "cancelled");
    if !cancelled.is_empty() {
        let number = count(cancelled.len(), "task");
        output::result(&format!("{run}: {number} cancelled ({})\n", names(&cancelled)))?;
    }
    for task in other {
        let words = if task.over { "before it could be cancelled" } else { "and could not be cancelled" };
        output::result(&format!("{run}: {} {} {words}\n", task.id, task.state))?;
    }
    Ok(())
}
