//! Putting worktrees away. Whatever holds something stays.

use std::fmt;
use std::fs;
use std::path::Path;

use gadugi_core::CommitId;

use super::{Marker, Stage, Tree, is_link};
use crate::hidden::may_hide;
use crate::repository::Repository;
use crate::status::{Entry, State, operation};
use crate::{Error, Result};

/// What became of a worktree that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, or was not there.
    Removed,
    /// It is as it was.
    Kept {
        /// Why.
        reason: KeptReason,
    },
}

/// What keeps a worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// So many paths are uncommitted (ignored ones do not count).
    Uncommitted(usize),
    /// It holds commits that are merged nowhere.
    Unmerged,
    /// It is in the middle of a merge, rebase, …
    MidOperation(&'static str),
    /// Gadugi did not make it for this.
    NotOurs,
    /// Its `.git` is not git's any more.
    PointerChanged,
    /// Somebody may have worked in it since what it holds was taken, and nobody on this side can look: it is sealed.
    NotTaken,
    /// It could not be looked at or removed.
    Failed(String),
}

impl fmt::Display for KeptReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncommitted(1) => write!(f, "1 uncommitted file"),
            Self::Uncommitted(files) => write!(f, "{files} uncommitted files"),
            Self::Unmerged => write!(f, "commits that are not merged"),
            Self::MidOperation(operation) => write!(f, "in the middle of a {operation}"),
            Self::NotOurs => write!(f, "not made by gadugi"),
            Self::PointerChanged => write!(f, "another repository lies there"),
            Self::NotTaken => write!(f, "work that was not taken out of it"),
            Self::Failed(why) => write!(f, "{why}"),
        }
    }
}

impl Repository {
    /// Removes the worktree of an attempt whose work `merged_into` holds. Its branch stays. A worktree that holds
    /// anything else is kept, and so is one that cannot be looked at. The attempt's processes must be over.
    pub fn remove_worktree(&self, path: &Path, branch: &str, merged_into: &CommitId) -> Result<Removal> {
        self.remove_registered(path, |tree, marker| {
            if marker.branch != branch {
                return Ok(Some(KeptReason::NotOurs));
            }
            if let Some(operation) = operation(&tree.git_dir) {
                return Ok(Some(KeptReason::MidOperation(operation)));
            }
            // A folder that is gone holds nothing uncommitted.
            let state = if tree.path().exists() {
                self.state_of(&tree.place)?
            } else {
                let (head, branch) = self.head_of(&tree.place)?;
                State { head, branch, entries: Vec::new() }
            };
            let tip = if state.branch.as_deref() == Some(branch) { None } else { self.branch_tip(branch)? };
            let id = state.head.as_ref().map_or(0, |head| head.as_str().len());
            for commit in state.head.into_iter().chain(tip) {
                if !self.is_merged(&commit, merged_into)? {
                    return Ok(Some(KeptReason::Unmerged));
                }
            }
            if let Some(reason) = uncommitted(&state.entries, marker) {
                return Ok(Some(reason));
            }
            let ready = tree.path().exists() && marker.stage == Stage::Ready;
            let hidden = if ready && may_hide(&tree.git_dir.join("index"), id) {
                self.hidden_changes(tree)?
            } else {
                0
            };
            Ok((hidden > 0).then_some(KeptReason::Uncommitted(hidden)))
        })
    }

    /// Removes what is registered for this path unless `keeps` finds a reason not to. Looking and deleting files, which
    /// is what takes time, goes on beside other removals: the worktree is gadugi's and nobody works in it any more. Only
    /// what git reads of all worktrees is changed under the lock.
    pub(super) fn remove_registered(
        &self,
        path: &Path,
        keeps: impl FnOnce(&Tree, &Marker) -> Result<Option<KeptReason>>,
    ) -> Result<Removal> {
        let kept = |reason| Ok(Removal::Kept { reason });
        let Some(tree) = self.tree_at(path)? else {
            // `remove_dir` takes empty folders only: what a removal that was broken off may have left.
            let empty = !path.exists() || fs::remove_dir(path).is_ok();
            return if empty { Ok(Removal::Removed) } else { kept(KeptReason::NotOurs) };
        };
        let Some(marker) = tree.marker() else { return kept(KeptReason::NotOurs) };
        if is_link(tree.path()) {
            return kept(KeptReason::PointerChanged);
        }
        if tree.path().exists() && !tree.pointer_intact() && marker.stage != Stage::Removing {
            return kept(KeptReason::PointerChanged);
        }
        match keeps(&tree, &marker) {
            Ok(None) => {}
            Ok(Some(reason)) => return kept(reason),
            Err(error) => return kept(KeptReason::Failed(error.to_string())),
        }
        tree.mark(Stage::Removing, &marker.branch)?;
        if tree.path().exists() {
            fs::remove_dir_all(tree.path()).map_err(Error::io(tree.path()))?;
        }
        // What `git worktree remove` does last. Git itself would refuse over submodules, or ask the user's
        // configuration what counts as clean.
        let _lock = self.worktree_lock()?;
        fs::remove_dir_all(&tree.git_dir).map_err(Error::io(&tree.git_dir))?;
        Ok(Removal::Removed)
    }
}

/// While it is being removed, files that are gone are gadugi's own doing; before it is ready, all that differs is.
fn uncommitted(status: &[Entry], marker: &Marker) -> Option<KeptReason> {
    let counts = |entry: &&Entry| match marker.stage {
        Stage::Preparing => false,
        Stage::Ready => true,
        Stage::Removing => !entry.deleted(),
    };
    match status.iter().filter(counts).count() {
        0 => None,
        files => Some(KeptReason::Uncommitted(files)),
    }
}
