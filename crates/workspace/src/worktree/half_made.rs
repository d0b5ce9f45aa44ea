//! What a `git worktree add` (or a removal) leaves that was killed in the middle, by the kernel or with the machine's power: a folder of
//! administration over which every later `git worktree add` or `list` fails, the user's own too.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LOCK_REASON, path_of};
use crate::repository::Repository;
use crate::{Error, Result};

impl Repository {
    /// Forgets what broken-off making and removing of gadugi's worktrees left. Gives where the worktrees lie, or lay, that
    /// are registered now.
    pub fn clear_remains(&self) -> Result<Vec<PathBuf>> {
        let _lock = self.worktree_lock()?;
        self.clear_half_made()?;
        Ok(self.trees()?.iter().map(|tree| tree.path().to_owned()).collect())
    }

    /// Forgets those that gadugi had begun. Says how many. Call it with the lock on worktrees held: then whoever began
    /// one is gone.
    pub(super) fn clear_half_made(&self) -> Result<usize> {
        let Ok(entries) = fs::read_dir(self.common_dir().join("worktrees")) else { return Ok(0) };
        let mut cleared = 0;
        for git_dir in entries.map_while(|entry| Some(entry.ok()?.path())) {
            if !half_made(&git_dir) {
                continue;
            }
            remove_pointer(&git_dir);
            fs::remove_dir_all(&git_dir).map_err(Error::io(&git_dir))?;
            cleared += 1;
        }
        Ok(cleared)
    }
}

/// Git writes the lock's reason first, so that what is gadugi's can be told; gadugi's own files tell of one that was
/// half removed.
fn half_made(git_dir: &Path) -> bool {
    let text = |name: &str| fs::read_to_string(git_dir.join(name)).unwrap_or_default();
    let has = |name: &str| git_dir.join(name).exists();
    let marker = text("gadugi");
    if !has("gitdir") && (has("gadugi") || has("gadugi.lock")) {
        // One that was ready lost that file in another way; what else lies there is all that is known of its work.
        return !marker.starts_with("ready");
    }
    let lacks = ["gitdir", "commondir", "HEAD"].into_iter().any(|name| text(name).trim().is_empty());
    lacks && text("locked").trim() == LOCK_REASON && !git_dir.join("gadugi").exists()
}

/// The worktree's own folder holds nothing yet but git's pointer to what is being removed.
fn remove_pointer(git_dir: &Path) {
    let Ok(bytes) = fs::read(git_dir.join("gitdir")) else { return };
    let pointer = git_dir.join(path_of(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));
    let (Some(name), Ok(text)) = (git_dir.file_name(), fs::read_to_string(&pointer)) else { return };
    if text.is_empty() || Path::new(text.trim()).file_name() == Some(name) {
        let _ = fs::remove_file(&pointer);
        // It takes empty folders only.
        let _ = pointer.parent().map(fs::remove_dir);
    }
}
