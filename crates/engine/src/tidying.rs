//! Putting away workspaces: those of merged tasks, and whatever else a run that is over leaves. What holds anything is kept
//! and named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_core::{AttemptId, CommitId, ExecutorKind, RunId, RunState};
use gadugi_workspace::{BranchRemoval, Removal, Repository};
use tokio::sync::Semaphore;

use crate::effects::git;
use crate::sealed;
use crate::world::{RunContext, World, branch_name};

/// Where everything of the run is that was merged.
pub(crate) fn tip(run: &RunState) -> CommitId {
    run.tip.clone().unwrap_or_else(|| run.plan.base.clone())
}

/// A workspace that is left at the end of a run.
pub(crate) struct Leftover {
    attempt: AttemptId,
    path: PathBuf,
    branch: String,
    merged: bool,
    /// Whether it was a container's: then no git looks into it.
    sealed: bool,
    /// Whether it was a question's: then there is no work in it, and its branch is nobody's.
    asked: bool,
    state: String,
}

/// Those of all attempts: one that failed is there beside that of the retry which succeeded.
pub(crate) fn workspaces_left(world: &World, run: &RunState) -> Vec<Leftover> {
    let mut left = Vec::new();
    for (planned, task) in run.plan.tasks.iter().zip(&run.tasks) {
        let asked = !planned.purpose.is_work();
        // What a question left is wanted by nobody, however it ended.
        let merged = asked || task.outcome().is_some_and(gadugi_core::Outcome::satisfies_dependents);
        for number in 1..=task.attempts {
            let attempt = AttemptId { run: run.id.clone(), task: planned.id.clone(), attempt: number };
            let path = world.workspace_path(&attempt, &run.settings);
            let branch = branch_name(&attempt, &run.settings);
            let sealed = run.settings.executor_of(planned) == ExecutorKind::Docker;
            left.push(Leftover { attempt, path, branch, merged, sealed, asked, state: task.word() });
        }
    }
    left
}

/// Workspaces that are put away side by side. Each looks through all that are registered: a few hundred bytes for each of
/// what may be thousands, which more at once would multiply.
const REMOVALS: usize = 2;

/// Puts away what is merged while the run goes on.
pub(crate) async fn make_room(
    world: &Arc<World>,
    run: &RunContext,
    id: &RunId,
    left: Vec<Leftover>,
    merged_into: CommitId,
) {
    let Ok(_turn) = world.making_room.try_lock() else { return };
    let merged: Vec<Leftover> = left.into_iter().filter(|leftover| leftover.merged).collect();
    for (path, because) in put_away(world, run, merged, merged_into).await {
        tracing::info!(run = %id, path, because, "kept for now");
    }
    #[cfg(feature = "faults")]
    crate::fault::after_effect("make-room");
}

/// Puts away the workspaces of a run that is over. What holds anything is kept and named.
pub(crate) async fn tidy(
    world: &Arc<World>,
    run: &RunContext,
    id: &RunId,
    left: Vec<Leftover>,
    merged_into: CommitId,
) -> Vec<(String, String)> {
    // Whoever still makes room is at the same workspaces: one that is half removed would be told as kept.
    drop(world.making_room.lock().await);
    // A run that only asked leaves nothing that could be landed.
    let asked = run.plan.tasks.iter().all(|task| !task.purpose.is_work());
    let mut kept = put_away(world, run, left, merged_into.clone()).await;
    if asked {
        remove_branch(world, id.branch(), merged_into).await;
    }
    let composed = world.composed_path(id, &run.settings, ExecutorKind::Local);
    if composed.exists() {
        let shown = composed.to_string_lossy().into_owned();
        if let Err(error) = git(world, move |git| git.remove_detached(&composed)).await {
            kept.push((shown, error));
        }
    }
    kept.extend(sealed::tidy(world, run, id).await);
    remove_if_empty(&world.worktrees_of(id, &run.settings));
    kept
}

/// Puts away what is merged and clean and still there.
async fn put_away(
    world: &Arc<World>,
    run: &RunContext,
    left: Vec<Leftover>,
    merged_into: CommitId,
) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    let mut removals = Vec::new();
    let turnstile = Arc::new(Semaphore::new(REMOVALS));
    let registered = git(world, Repository::clear_remains).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what broken-off work left in git's folder is kept for now");
        Vec::new()
    });
    for leftover in left {
        // Whose folder is gone git may still know: an engine died as it was putting it away, or somebody deleted it.
        let known = || leftover.merged && registered.contains(&leftover.path);
        if !leftover.path.exists() && !known() {
            continue;
        }
        let path = leftover.path.to_string_lossy().into_owned();
        if !leftover.merged {
            kept.push((path, format!("its task {}", leftover.state)));
        } else if !run.settings.keep {
            let (world, tip, turnstile) = (Arc::clone(world), merged_into.clone(), Arc::clone(&turnstile));
            let removal = tokio::spawn(async move {
                let _turn = turnstile.acquire().await;
                let Leftover { attempt, path, branch, sealed, asked, .. } = leftover;
                let (of, into) = (branch.clone(), tip.clone());
                let removal = match sealed {
                    true => sealed::put_away(&world, attempt, (path, branch), tip, asked).await,
                    false => git(&world, move |git| git.remove_worktree(&path, &branch, &tip)).await,
                };
                if asked && removal == Ok(Removal::Removed) {
                    remove_branch(&world, of, into).await;
                }
                removal
            });
            removals.push((path, removal));
        }
    }
    for (path, removal) in removals {
        match removal.await.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(Removal::Removed) => {}
            Ok(Removal::Kept { reason }) => kept.push((path, reason.to_string())),
            Err(error) => kept.push((path, error)),
        }
    }
    kept
}

/// Removes a branch that holds nothing.
async fn remove_branch(world: &Arc<World>, branch: String, into: CommitId) {
    let shown = branch.clone();
    match git(world, move |git| git.delete_branch_if_merged(&branch, &into)).await {
        Ok(BranchRemoval::Deleted) => {}
        Ok(BranchRemoval::Kept { reason }) => tracing::info!(branch = shown, reason, "a branch is kept"),
        Err(error) => tracing::warn!(branch = shown, error, "a branch is kept"),
    }
}

/// Removes a run's own folder of worktrees, where nothing is left in it but the list that kept it out of `git status`.
fn remove_if_empty(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut names = entries.map_while(Result::ok).map(|entry| entry.file_name());
    if names.all(|name| name == ".gitignore") {
        let _ = std::fs::remove_file(folder.join(".gitignore"));
    }
    // It takes empty folders only.
    let _ = std::fs::remove_dir(folder);
}
