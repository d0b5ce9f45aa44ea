//! `gadugi land [RUN|TASK]`.

use clap::Args;
use gadugi_core::TaskId;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, RunView};

use crate::args::Global;
use crate::commands::{later, runs};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::short;
use crate::place::{Place, block_on};
use crate::{output, text};

/// What is brought home, and where to.
#[derive(Debug, Args)]
pub(crate) struct LandArgs {
    /// A run, or one task [default: the latest run]
    #[arg(value_name = "RUN|TASK")]
    what: Option<String>,
    /// The branch of yours [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Open a pull request instead
    #[arg(long, hide = true)]
    pr: bool,
}

pub(crate) fn run(global: &Global, args: &LandArgs) -> Done {
    later::unless(args.pr, "--pr", "git push, and open it by hand")?;
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let (view, task) = what(&mut client, args.what.as_deref()).await?;
        if let Some(into) = landed_before(&place, &view).filter(|_| task.is_none() && args.into.is_none()) {
            let words = format!("{}: it is on {into} already, and nothing came after that", view.run);
            output::result(&format!("{}\n", text::line(&words)))?;
            return Ok(Exit::Success);
        }
        let run = view.run;
        let request = Request::Land { run: run.clone(), task: task.clone(), into: args.into.clone() };
        match client.ask(&request).await? {
            Reply::Landed { into, commit, fast_forward, already } => {
                let what = task.map_or_else(|| run.to_string(), |task| task.to_string());
                let how = match (already, fast_forward) {
                    (true, _) => "held it already",
                    (false, true) => "was fast-forwarded",
                    (false, false) => "has a merge commit",
                };
                let words = format!("{what}: {into} {how}, and is at {}", short(commit.as_str()));
                output::result(&format!("{}\n", text::line(&words)))?;
                Ok(Exit::Success)
            }
            other => Err(Problem::unexpected(&other).into()),
        }
    })
}

/// Where a run was landed whose branch went with that.
fn landed_before<'a>(place: &Place, view: &'a RunView) -> Option<&'a str> {
    let branch = place.repository.resolve(&format!("refs/heads/{}", view.branch));
    let gone = matches!(branch, Err(gadugi_workspace::Error::BadRevision { .. }));
    view.landed_into.last().map(String::as_str).filter(|_| gone)
}

async fn what(client: &mut Client, word: Option<&str>) -> Result<(Box<RunView>, Option<TaskId>), Stop> {
    match word {
        Some(word) if !runs::is_run(word) => {
            let (view, task) = runs::task(client, None, word).await?;
            Ok((view, Some(task)))
        }
        run => Ok((runs::status(client, run).await?, None)),
    }
}
