//! Which run, which task: what commands about them have in common.

use gadugi_core::{RunId, TaskId};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, RunLine, RunView, TaskNotFound};

use crate::error::{Problem, Stop};
use crate::place::Place;
use crate::{output, text};

/// How every run's id begins.
const RUN_PREFIX: &str = "orchestration-";
/// Runs that are looked through for a task: beyond so many, name the run.
const LOOKED_THROUGH: usize = 20;

/// How a run stands; no name means the latest.
pub(crate) async fn status(client: &mut Client, run: Option<&str>) -> Result<Box<RunView>, Stop> {
    match client.ask(&Request::Status { run: run.map(str::to_owned) }).await? {
        Reply::Run(view) => Ok(view),
        other => Err(Problem::unexpected(&other).into()),
    }
}

/// The same while an engine may go away in between: the next one is asked.
pub(crate) async fn status_of_any(
    place: &Place,
    client: &mut Client,
    run: &RunId,
) -> Result<Box<RunView>, Stop> {
    match status(client, Some(run.as_str())).await {
        Ok(view) => Ok(view),
        Err(_) => {
            *client = place.engine().await?;
            status(client, Some(run.as_str())).await
        }
    }
}

/// All runs, latest first.
pub(crate) async fn all(client: &mut Client) -> Result<Vec<RunLine>, Stop> {
    match client.ask(&Request::Runs).await? {
        Reply::Runs { runs } => Ok(runs),
        other => Err(Problem::unexpected(&other).into()),
    }
}

/// All runs that are not over, latest first.
pub(crate) async fn unfinished(client: &mut Client) -> Result<Vec<Box<RunView>>, Stop> {
    let mut views = Vec::new();
    for line in all(client).await?.into_iter().filter(|line| line.finished_at.is_none()) {
        views.extend(legible(status(client, Some(line.run.as_str())).await)?);
    }
    Ok(views)
}

/// One run whose record is damaged keeps nobody from the others: it is named and left out.
fn legible(view: Result<Box<RunView>, Stop>) -> Result<Option<Box<RunView>>, Stop> {
    match view {
        Ok(view) => Ok(Some(view)),
        Err(Stop::Problems(problems)) if problems.iter().all(|problem| problem.code == "store") => {
            problems.iter().for_each(|problem| output::say(&text::line(&problem.message)));
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The latest run that is not over and is as wanted.
pub(crate) async fn latest(
    client: &mut Client,
    wanted: impl Fn(&RunView) -> bool,
) -> Result<Option<Box<RunView>>, Stop> {
    Ok(unfinished(client).await?.into_iter().find(|view| wanted(view)))
}

/// The task that a person means, in that run, else in the latest run that has it.
pub(crate) async fn task(
    client: &mut Client,
    run: Option<&str>,
    wanted: &str,
) -> Result<(Box<RunView>, TaskId), Stop> {
    if let Some(run) = run {
        let view = status(client, Some(run)).await?;
        let id = view.find(wanted)?.id.clone();
        return Ok((view, id));
    }
    let mut first: Option<TaskNotFound> = None;
    for line in all(client).await?.into_iter().take(LOOKED_THROUGH) {
        let Some(view) = legible(status(client, Some(line.run.as_str())).await)? else { continue };
        match view.find(wanted) {
            Ok(task) => {
                let id = task.id.clone();
                return Ok((view, id));
            }
            Err(ambiguous @ TaskNotFound::Ambiguous { .. }) => return Err(ambiguous.into()),
            Err(unknown) => first = first.or(Some(unknown)),
        }
    }
    Err(first.map_or_else(no_runs, Stop::from))
}

/// Whether a word names a run rather than a task.
pub(crate) fn is_run(word: &str) -> bool {
    word.starts_with(RUN_PREFIX)
}

/// That there is no run at all.
pub(crate) fn no_runs() -> Stop {
    Problem::request("no-runs", "no run is on record in this repository", Some("gadugi run")).into()
}
