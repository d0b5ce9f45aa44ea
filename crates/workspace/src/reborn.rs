//! A task's branch that somebody deleted while its worktree stood on it: git then takes the worktree for one without any
//! commits, and the next commit there would have no past.

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
