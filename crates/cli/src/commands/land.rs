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
        let target = target(&place, args.into.as_deref())?;
        if let Some(words) = landed_before(&place, &view, task.as_ref(), &target)? {
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

/// The branch that is landed on.
fn target(place: &Place, into: Option<&str>) -> Result<String, Stop> {
    if let Some(into) = into {
        if is_gone(place, into) {
            let message = format!("--into: there is no branch {into:?}");
            let hint = format!("git branch {}", text::shell_word(into));
            return Err(Problem::request("no-such-branch", message, Some(&hint)).into());
        }
        return Ok(into.to_owned());
    }
    let branch = place.repository.head()?.branch;
    branch.ok_or_else(|| {
        let hint = "git switch BRANCH, or gadugi land --into BRANCH";
        Problem::failure("land-refused", "HEAD is detached: there is no branch to land on", Some(hint)).into()
    })
}

fn is_gone(place: &Place, branch: &str) -> bool {
    let found = place.repository.resolve(&format!("refs/heads/{branch}"));
    matches!(found, Err(gadugi_workspace::Error::BadRevision { .. }))
}

/// What is said of work that came home before, so that its branch is gone; an error where it went elsewhere.
fn landed_before(
    place: &Place,
    view: &RunView,
    task: Option<&TaskId>,
    target: &str,
) -> Result<Option<String>, Stop> {
    let of_task =
        |id: &TaskId| view.tasks.iter().find(|task| task.id == *id).and_then(|task| task.branch.as_ref());
    let branch = task.map_or(Some(&view.branch), of_task);
    let gone = branch.is_some_and(|branch| is_gone(place, branch));
    let Some(last) = view.landed_into.last().filter(|_| gone) else { return Ok(None) };
    let what = task.map_or_else(|| view.run.to_string(), ToString::to_string);
    if view.landed_into.iter().any(|into| into == target) {
        return Ok(Some(format!("{what}: it is on {target} already, and nothing came after that")));
    }
    let message = format!("{what} was landed on {last}, not on {target}, and its branch went with that");
    let hint = format!("git merge {}", text::shell_word(last));
    Err(Problem::failure("landed-elsewhere", message, Some(&hint)).into())
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
