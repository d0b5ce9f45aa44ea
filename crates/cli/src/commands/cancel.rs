//! `gadugi cancel`.

use clap::Args;
use gadugi_core::{RunId, Target, TaskId};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::count;
use crate::output;
use crate::place::{Place, block_on};

/// What is ended.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// A task (id, unique prefix or prompt name), or a run
    #[arg(value_name = "TASK|RUN")]
    what: Option<String>,
    /// A task, by its id
    #[arg(long, value_name = "ID")]
    task_id: Vec<String>,
    /// Every task of the run, or of all runs where none is named
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(global: &Global, args: &CancelArgs) -> Done {
    if args.what.is_none() && args.task_id.is_empty() && !args.all {
        let hint = Some("gadugi cancel TASK, gadugi cancel RUN, or gadugi cancel --all");
        return Err(Problem::request("missing-argument", "say what to cancel", hint).into());
    }
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let targets = targets(&mut client, args).await?;
        if targets.is_empty() {
            output::result("nothing runs\n")?;
        }
        for (run, target) in targets {
            match client.ask(&Request::Cancel { run, target }).await? {
                Reply::Accepted { run, tasks } => {
                    output::result(&format!("{run}: {} being cancelled\n", count(tasks, "task")))?;
                }
                other => return Err(Problem::unexpected(&other).into()),
            }
        }
        Ok(Exit::Success)
    })
}

async fn targets(client: &mut Client, args: &CancelArgs) -> Result<Vec<(RunId, Target)>, Stop> {
    let (run, words): (Option<&str>, Vec<&str>) = match args.what.as_deref() {
        Some(word) if runs::is_run(word) => (Some(word), args.task_id.iter().map(String::as_str).collect()),
        other => (None, other.into_iter().chain(args.task_id.iter().map(String::as_str)).collect()),
    };
    if words.is_empty() {
        let views = match run {
            Some(run) => vec![runs::status(client, Some(run)).await?],
            None => runs::unfinished(client).await?,
        };
        return Ok(views.into_iter().map(|view| (view.run, Target::All)).collect());
    }
    let mut targets: Vec<(RunId, Vec<TaskId>)> = Vec::new();
    for word in words {
        let (view, task) = runs::task(client, run, word).await?;
        match targets.iter_mut().find(|(run, _)| *run == view.run) {
            Some((_, tasks)) => tasks.push(task),
            None => targets.push((view.run, vec![task])),
        }
    }
    Ok(targets.into_iter().map(|(run, tasks)| (run, Target::Tasks(tasks))).collect())
}
