//! `gadugi pause [RUN]`.

use clap::Args;
use gadugi_core::Target;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem};
use crate::output;
use crate::place::{Place, block_on};

/// What is paused.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The run [default: the latest that is not over]
    run: Option<String>,
}

pub(crate) fn run(global: &Global, args: &PauseArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let view = match &args.run {
            Some(run) => Some(runs::status(&mut client, Some(run)).await?),
            None => runs::latest(&mut client, |view| view.status == "active").await?,
        };
        let Some(view) = view else {
            let paused = runs::latest(&mut client, |view| view.status == "paused").await?;
            let words = paused.map_or_else(
                || "nothing runs".to_owned(),
                |view| format!("{} is paused already (gadugi resume {})", view.run, view.run),
            );
            output::result(&format!("{words}\n"))?;
            return Ok(Exit::Success);
        };
        match client.ask(&Request::Pause { run: view.run, target: Target::All }).await? {
            Reply::Accepted { run, .. } => {
                output::result(&format!("{run} is paused: what runs goes on, nothing new begins\n"))?;
                output::say(&format!("take it up again: gadugi resume {run}"));
                Ok(Exit::Success)
            }
            other => Err(Problem::unexpected(&other).into()),
        }
    })
}
