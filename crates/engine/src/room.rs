//! A full disk is waited out: the log waits for room, and so do the effects that cannot do without it. A run would
//! otherwise fail all its tasks one after another for what is no fault of theirs.

use std::path::Path;
use std::time::Duration;

use crate::world::World;

/// A minute of trying again. Not for ever: what is being prepared cannot be cancelled meanwhile.
const TRIES: u32 = 60;
/// Work that is finished waits as the log does, until there is room: a day is for ever.
const TRIES_FOR_WORK: u32 = 24 * 60 * 60;
const BETWEEN: Duration = Duration::from_secs(1);

/// What the system says of a full disk.
const FULL: &str = "No space left on device";
/// With less than this, a container that needs room for a copy of an agent's work may have had none.
const SHORT: u64 = 1 << 30;

/// How the words of a git that somebody killed (the kernel, for want of memory) begin, and how often it gets another try.
const KILLED: &str = "failed (signal)";
const KILLED_TRIES: u32 = 3;

/// Does what can be done again, and does so while it fails for want of room, or because git was killed.
pub(crate) async fn with_room<T, F>(world: &World, work: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    try_with_room(world, TRIES, work).await
}

/// The same for what an agent has finished: nothing is gained by giving it up.
pub(crate) async fn work_with_room<T, F>(world: &World, work: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    try_with_room(world, TRIES_FOR_WORK, work).await
}

async fn try_with_room<T, F>(world: &World, tries: u32, work: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let root = world.repository.root();
    let mut killed = 0;
    for _ in 0..tries {
        match work().await {
            Err(error) if error.contains(KILLED) && killed < KILLED_TRIES => {
                tracing::warn!(%error, "git was killed; it is tried again");
                killed += 1;
            }
            Err(error) if wants_room(root, &error) => {
                tracing::warn!(%error, "the disk is full; it is tried again");
                tokio::time::sleep(BETWEEN).await;
            }
            other => return other,
        }
    }
    let last = work().await;
    last.map_err(|error| if wants_room(root, &error) { format!("the disk is full: {error}") } else { error })
}

/// Whether that failed because the disk under `root` is full. Git does not always say so, and by the time that it has
/// failed it may have given back the room for one large file.
fn wants_room(root: &Path, error: &str) -> bool {
    const HARDLY_ROOM: u64 = 1 << 20;
    const LITTLE_ROOM: u64 = 64 << 20;
    const HARDLY_FILES: u64 = 16;
    if error.contains(FULL) {
        return true;
    }
    let Some((room, files)) = room_at(root) else { return false };
    room < HARDLY_ROOM || files < HARDLY_FILES || room < LITTLE_ROOM && error.contains("unable to write")
}

/// Bytes and files that the disk under a path has room for.
fn room_at(path: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(path).ok()?;
    // A file system that counts no files says that it has none at all.
    let files = if disk.f_files > 0 { disk.f_favail } else { u64::MAX };
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), files))
}

/// Whether the disk has so little room that work which is copied may not have found any. By the time that this is asked, what
/// had no room has given back what it had taken.
pub(crate) fn is_short(path: &Path) -> bool {
    const FEW_FILES: u64 = 10_000;
    room_at(path).is_some_and(|(room, files)| room < SHORT || files < FEW_FILES)
}

/// An error that is waited out, as that of a full disk.
pub(crate) fn no_room(error: &str) -> String {
    format!("{error} ({FULL})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_wants_room() {
        let root = tempfile::tempdir().unwrap();
        assert!(wants_room(root.path(), "fatal: could not write 'HEAD': No space left on device"));
        assert!(!wants_room(root.path(), "fatal: not a git repository"));
        // What an export says of it counts with a look at the disk alone.
        let said = "the export failed: there is no room for temporary files";
        assert!(!wants_room(root.path(), said) && wants_room(root.path(), &no_room(said)));
    }
}
