//! What a task in containers has changed so far: taken out of its workspace as its work will be, and shown.

use gadugi_core::{RunId, TaskId};

use crate::connection::{Inside, ask};
use crate::driver::{Asked, failure};
use crate::protocol::{Failure, Reply};
use crate::sealed;

/// Writes the patch into a file of the state folder.
pub(crate) async fn diff(inside: &Inside, run: RunId, task: TaskId) -> Result<Reply, Failure> {
    let begun = ask(inside, |to| Asked::Attempt(run, task, to)).await?;
    let begun = begun.ok_or_else(|| failure("not-begun", "the task has not begun"))?;
    let patch = sealed::diff(&inside.world, &begun.context, &begun.attempt, begun.base).await;
    let patch = patch.map_err(|error| failure("export", error))?;
    let path = inside.world.layout.patches().join(uuid::Uuid::new_v4().simple().to_string());
    let written = gadugi_sys::files::create_private_dir(&inside.world.layout.patches())
        .and_then(|()| gadugi_sys::files::write_atomic(&path, &patch));
    written.map_err(|error| failure("store", format!("{}: {error}", path.display())))?;
    Ok(Reply::Patch { path })
}
