//! A task's branch that somebody deleted while its worktree stood on it (git then takes the worktree for one without any
//! commits, and the next commit there would have no past), or whose commits went with a `git gc --prune=now` that had looked at the
//! refs a moment before (git then refuses all work in the worktree, and every later `git gc`).

use std::fs;

use gadugi_core::CommitId;

use crate::Result;
use crate::refs::{Expect, branch_ref};
use crate::repository::Repository;
use crate::worktree::Tree;

impl Repository {
    /// Makes the branch again where the worktree last stood, by the log of its `HEAD`, or, without one, where the branch
    /// began. Does nothing where the branch is there, or where `HEAD` is on another one.
    pub(crate) fn restore_branch(&self, tree: &Tree, branch: &str) -> Result<()> {
        let name = branch_ref(branch);
        let head = fs::read_to_string(tree.git_dir.join("HEAD")).unwrap_or_default();
        if branch.is_empty()
            || head.trim_end() != format!("ref: {name}")
            || self.branch_tip(branch)?.is_some()
        {
            return Ok(());
        }
        let last = match self.last_head(&tree.git_dir)? {
            Some(last) => Some(last),
            None => self.claimed_at(branch)?,
        };
        if let Some(last) = last {
            self.move_ref(&self.main, &name, &last, Expect::Absent, "gadugi: made again where it was")?;
        }
        Ok(())
    }

    /// Whether a commit is there with all that it holds beyond `base`: trees, files, and the commits between.
    pub(crate) fn is_whole(&self, commit: &CommitId, base: Option<&CommitId>) -> Result<bool> {
        let mut walk = self.main(["rev-list", "--objects", "--quiet", "--ignore-missing", commit.as_str()]);
        if let Some(base) = base {
            walk = walk.arg("--not").arg(base.as_str());
        }
        let there = self.main(["cat-file", "-e", &format!("{commit}^{{commit}}")]).answer()?.code == Some(0);
        Ok(there && walk.answer()?.code == Some(0))
    }

    /// The youngest commit that the worktree stood on and that is whole: by its `HEAD`, by the log of that, or where its
    /// branch began.
    pub(crate) fn whole_head(&self, tree: &Tree, branch: &str) -> Result<Option<CommitId>> {
        let (head, _) = self.head_of(&tree.place).unwrap_or((None, None));
        let base = self.claimed_at(branch)?;
        let tip = if branch.is_empty() { None } else { self.branch_tip(branch)? };
        for commit in head.into_iter().chain(self.heads_logged(&tree.git_dir)?).chain(tip) {
            if self.is_whole(&commit, base.as_ref())? {
                return Ok(Some(commit));
            }
        }
        Ok(base)
    }

    /// Moves a branch whose commits are not all there back to where they are: the worktree's files say what came since.
    pub(crate) fn mend_branch(&self, tree: &Tree, branch: &str) -> Result<()> {
        let name = branch_ref(branch);
        let head = fs::read_to_string(tree.git_dir.join("HEAD")).unwrap_or_default();
        if branch.is_empty() || head.trim_end() != format!("ref: {name}") {
            return Ok(());
        }
        let raw = self.main(["rev-parse", "--verify", "--quiet", &name]).answer()?;
        let Some(whole) = self.whole_head(tree, branch)? else { return Ok(()) };
        let at = crate::door::lossy(&raw.stdout).trim().to_owned();
        if raw.code == Some(0) && at != whole.as_str() {
            let words = ["update-ref", "-m", "gadugi: what it held is gone", &name, whole.as_str(), &at];
            self.identity(None)?.on(self.main(words)).done()?;
        }
        Ok(())
    }

    /// The youngest commit that the worktree stood on and that descends from `base`.
    pub(crate) fn last_head_from(&self, tree: &Tree, base: &CommitId) -> Result<Option<CommitId>> {
        for commit in self.heads_logged(&tree.git_dir)? {
            if self.is_ancestor(base, &commit)? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }
}
