//! What people ask for between runs: landing, cleaning, looking after worktrees. Git does the work; the loop is told
//! what came of it.

mod clean;
mod diff;
mod processes;
mod worktrees;

use std::path::Path;

use gadugi_core::{Command, RunId, TaskId};
use gadugi_workspace::{BranchRemoval, LandRefusal, Repository};

use crate::connection::{Inside, command, status};
use crate::driver::failure;
use crate::protocol::{Failure, Reply, RunView, TaskView};

pub(crate) use clean::clean;
pub(crate) use diff::{diff, patch, take_patch};
pub(crate) use worktrees::worktrees;

async fn blocking<T: Send + 'static>(
    inside: &Inside,
    work: impl FnOnce(&Repository) -> T + Send + 'static,
) -> Result<T, Failure> {
    let world = inside.world.clone();
    let done = tokio::task::spawn_blocking(move || work(&world.repository)).await;
    done.map_err(|error| failure("git", error.to_string()))
}

async fn view(inside: &Inside, run: &RunId) -> Result<Box<RunView>, Failure> {
    status(inside, Some(run.to_string())).await
}

/// Brings a run's integration branch, or one task's branch, to the user's.
pub(crate) async fn land(
    inside: &Inside,
    run: RunId,
    task: Option<TaskId>,
    into: Option<String>,
) -> Result<Reply, Failure> {
    let seen = view(inside, &run).await?;
    let branch = match &task {
        None if seen.tip.as_ref().is_none_or(|tip| *tip == seen.base) => {
            return Err(failure("nothing-to-land", format!("{run} has merged nothing yet")));
        }
        None => seen.branch.clone(),
        Some(id) => {
            let found = seen.tasks.iter().find(|task| task.id == *id);
            let found = found.ok_or_else(|| failure("unknown-task", format!("{run} has no task {id}")))?;
            let branch = found.branch.clone().filter(|_| found.commit.is_some());
            branch.ok_or_else(|| failure("nothing-to-land", format!("{id} has no finished work")))?
        }
    };
    let source = branch.clone();
    let message = match &task {
        None => format!("Merge gadugi run {run}"),
        Some(task) => format!("Merge task {task} of gadugi run {run}"),
    };
    let landed = blocking(inside, move |git| git.land(&source, into.as_deref(), &message)).await?;
    let landed = landed.map_err(|refusal| land_refused(&refusal))?;
    let record =
        Command::RecordLanding { run: run.clone(), into: landed.into.clone(), commit: landed.commit.clone() };
    command(inside, run, record).await?;
    if task.is_none() {
        tidy_branches(inside, &seen, landed.commit.as_str()).await?;
    }
    Ok(Reply::Landed {
        into: landed.into,
        commit: landed.commit,
        fast_forward: landed.how == gadugi_workspace::LandedHow::FastForward,
        already: landed.how == gadugi_workspace::LandedHow::AlreadyThere,
    })
}

fn land_refused(refusal: &LandRefusal) -> Failure {
    let commands: Vec<String> = refusal.commands().iter().map(|words| words.join(" ")).collect();
    let hint = (!commands.is_empty()).then(|| commands.join(" && "));
    Failure { code: "land-refused".into(), message: refusal.to_string(), hint }
}

/// What is landed needs its branches no longer. Whatever holds more than the landed commit stays.
async fn tidy_branches(inside: &Inside, run: &RunView, landed: &str) -> Result<(), Failure> {
    let over = run.finished_at.is_some();
    let merged =
        run.tasks.iter().filter(|task| task.state == "succeeded").filter_map(|task| task.branch.clone());
    let branches: Vec<String> = merged.chain(over.then(|| run.branch.clone())).collect();
    let landed = gadugi_core::CommitId::new(landed);
    blocking(inside, move |git| {
        for branch in branches {
            match git.delete_branch_if_merged(&branch, &landed) {
                Ok(BranchRemoval::Deleted) => {}
                Ok(BranchRemoval::Kept { reason }) => tracing::info!(branch, %reason, "a branch is kept"),
                Err(error) => tracing::warn!(branch, %error, "a branch is kept"),
            }
        }
    })
    .await
}

/// The task that a worktree was made for, whichever of its attempts: `parser`, or `parser-2` for the second.
fn task_of<'run>(run: &'run RunView, path: &Path) -> Option<&'run TaskView> {
    let current = run.tasks.iter().find(|task| task.workspace.as_deref() == Some(path));
    let folder = run.worktree_dir.join(run.run.as_str());
    let name = path.strip_prefix(folder).ok().and_then(Path::to_str)?;
    current.or_else(|| {
        run.tasks.iter().find(|task| {
            let behind = name.strip_prefix(task.id.as_str());
            behind.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
            })
        })
    })
}
