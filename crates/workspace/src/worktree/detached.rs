//! A worktree in which composed trees are tested, one after another.

use std::fs;
use std::path::Path;

use gadugi_core::CommitId;

use super::{Removal, Worktree};
use crate::repository::Repository;
use crate::snapshot::remove_if_there;
use crate::{Error, Result};

impl Repository {
    /// Makes the worktree at `path` hold exactly this commit, with `HEAD` detached: made where it is missing, else
    /// cleaned of whatever an earlier test left, but for ignored files (build outputs, which make the next test fast).
    /// `include` as in [`super::WorktreeRequest`], for when it is made. Nobody else may be working in it.
    pub fn checkout_detached(&self, path: &Path, commit: &CommitId, include: &[String]) -> Result<Worktree> {
        self.check_lfs(commit)?;
        let (tree, _) = self.register(path, None, commit)?;
        // The ref itself, first: a test may have switched to a branch, which `reset` would move.
        remove_if_there(&tree.git_dir.join("HEAD.lock"))?;
        let aim = ["update-ref", "--no-deref", "-m", "gadugi: to be tested", "HEAD", commit.as_str()];
        self.git.call(&tree.place, aim).done()?;
        for state in ["rebase-merge", "rebase-apply"] {
            let state = tree.git_dir.join(state);
            if state.is_dir() {
                fs::remove_dir_all(&state).map_err(Error::io(&state))?;
            }
        }
        let made = self.fill(&tree, "", Some(commit.clone()), include)?;
        remove_if_there(&tree.git_dir.join("index.lock"))?;
        let reset = || self.git.call(&tree.place, ["reset", "--hard", "--quiet"]).done();
        if reset().is_err() {
            // An index that cannot be read is made anew; a git that was killed just now left its lock.
            for name in ["index", "index.lock", "HEAD.lock"] {
                remove_if_there(&tree.git_dir.join(name))?;
            }
            reset()?;
        }
        // Twice `--force`: also repositories that a test made for itself.
        self.git.call(&tree.place, ["clean", "-d", "--force", "--force", "--quiet"]).done()?;
        self.check_out_submodules(&tree)?;
        Ok(Worktree { commit: commit.clone(), branch: None, ..made })
    }

    /// Removes such a worktree with all that is in it: it holds nothing but what a test left.
    pub fn remove_detached(&self, path: &Path) -> Result<Removal> {
        self.remove_registered(path, |_, marker| {
            Ok(if marker.branch.is_empty() { None } else { Some(super::KeptReason::NotOurs) })
        })
    }
}
