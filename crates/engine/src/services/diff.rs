//! What a task has changed so far, wherever that lies: in a worktree, on its branch, or in a repository that its agent wrote in a
//! container, out of which it is taken as its work will be.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gadugi_core::{CommitId, ExecutorKind, RunId, TaskId};

use super::{blocking, view};
use crate::connection::{Inside, ask};
use crate::driver::{Asked, failure};
use crate::protocol::{Failure, Reply, TaskView};
use crate::sealed;

/// Where what a task changed is found.
enum Place {
    /// In a repository that its agent wrote.
    Sealed,
    /// In one of ours.
    Own(Own),
}

/// Where git may look.
enum Own {
    /// In the worktree at that path, on top of that commit.
    Worktree(PathBuf, CommitId),
    /// On its branch: from the first commit to the second.
    Branch(CommitId, CommitId),
}

/// Writes the patch into a file of the state folder, for whoever asked over the socket.
pub(crate) async fn diff(inside: &Inside, run: RunId, task: TaskId) -> Result<Reply, Failure> {
    Ok(Reply::Patch { path: patch(inside, run, task).await? })
}

/// Writes the patch into a file of its own in the state folder; whoever reads it removes it. Fails with `not-begun` and
/// `nothing-left` where there is nothing to show.
pub(crate) async fn patch(inside: &Inside, run: RunId, task: TaskId) -> Result<PathBuf, Failure> {
    let seen = view(inside, &run).await?;
    let found = seen.tasks.iter().find(|seen| seen.id == task);
    let found = found.ok_or_else(|| failure("unknown-task", format!("{run} has no task {task}")))?;
    let place = place(found)?;
    let patches = inside.world.layout.patches();
    let made = gadugi_sys::files::create_private_dir(&patches);
    made.map_err(|error| failure("store", format!("{}: {error}", patches.display())))?;
    let path = patches.join(uuid::Uuid::new_v4().simple().to_string());
    let written = match place {
        Place::Sealed => exported(inside, run, task, &path).await,
        Place::Own(own) => of_git(inside, own, path.clone()).await,
    };
    if written.is_err() {
        // Half a patch is none.
        let _ = fs::remove_file(&path);
    }
    written.map(|()| path)
}

/// While a task works, what lies in its workspace counts; afterwards what stands on its branch, or, where a bad end left
/// nothing there, what still lies in the workspace that was kept.
fn place(task: &TaskView) -> Result<Place, Failure> {
    let Some(base) = task.base.clone() else {
        return Err(failure("not-begun", "it has not begun"));
    };
    let unfinished = !task.over || task.commit.is_none();
    let workspace = task.workspace.as_ref().filter(|path| unfinished && path.is_dir());
    match (workspace, &task.commit) {
        (Some(_), _) if task.executor == ExecutorKind::Docker.word() => Ok(Place::Sealed),
        (Some(path), _) => Ok(Place::Own(Own::Worktree(path.clone(), base))),
        (None, Some(commit)) => Ok(Place::Own(Own::Branch(base, commit.clone()))),
        (None, None) => Err(failure("nothing-left", "it left nothing on its branch")),
    }
}

async fn exported(inside: &Inside, run: RunId, task: TaskId, path: &Path) -> Result<(), Failure> {
    let begun = ask(inside, |to| Asked::Attempt(run, task, to)).await?;
    let begun = begun.ok_or_else(|| failure("not-begun", "it has not begun"))?;
    let patch = sealed::diff(&inside.world, &begun.context, &begun.attempt, begun.base).await;
    let patch = patch.map_err(|error| failure("export", error))?;
    let written = gadugi_sys::files::write_atomic(path, &patch);
    written.map_err(|error| failure("store", format!("{}: {error}", path.display())))
}

async fn of_git(inside: &Inside, own: Own, path: PathBuf) -> Result<(), Failure> {
    let written = blocking(inside, move |git| {
        let mut file = File::create_new(&path)
            .map_err(|error| failure("store", format!("{}: {error}", path.display())))?;
        let written = match own {
            Own::Worktree(workspace, base) => git.diff_worktree(&workspace, &base, &mut file),
            Own::Branch(base, commit) => git.diff_into(&base, &commit, &mut file),
        };
        written.map_err(|error| failure("git", error.to_string()))
    });
    written.await?
}

/// Reads a patch, at most so many bytes of it, and removes its file; with how many there are.
pub(crate) fn take_patch(path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path);
    // Whatever becomes of the reading: nobody else asks for it.
    let _ = fs::remove_file(path);
    let file = file?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok((bytes, size))
}
