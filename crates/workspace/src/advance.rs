//! The integration branch: opened once, moved from where it is known to be.

use gadugi_core::{AdvanceFailure, CommitId};

use crate::compose::TreeMerge;
use crate::refs::{Expect, branch_ref};
use crate::repository::Repository;
use crate::{Error, Result};

impl Repository {
    /// Makes the branch at `base` unless it is there, and gives its tip: what is there already (it may have moved on
    /// before a crash) is taken up where it stands. Fails with [`Error::BranchInUse`] where a branch of that name does
    /// not descend from `base`.
    pub fn open_integration(&self, branch: &str, base: &CommitId) -> Result<CommitId> {
        Self::check_branch_name(branch)?;
        let opened = self.move_ref(
            &self.main,
            &branch_ref(branch),
            base,
            Expect::Absent,
            "gadugi: integration opened",
        )?;
        if opened {
            return Ok(base.clone());
        }
        let in_use = |by: &str| Error::BranchInUse { branch: branch.to_owned(), by: by.to_owned() };
        match self.branch_tip(branch)? {
            Some(tip) if self.is_ancestor(base, &tip)? => Ok(tip),
            Some(_) => Err(in_use("it holds something else")),
            None => Err(in_use("another branch's name is a part of it")),
        }
    }

    /// Moves the branch from `from` to `to`, and only from there. Where it holds `to` already, that is well: it was asked
    /// for before a crash, and somebody may have built on it since.
    ///
    /// Where somebody has deleted the branch, or moved it back, it goes to `to`, which holds all that it held. Where somebody
    /// has moved it to commits of their own, those stay: [`AdvanceFailure::Moved`] says where it is, with what it held
    /// before merged in, so that `to` can be made anew on top. Where that conflicts nothing moves, and the failure says
    /// what to do.
    ///
    /// It moves the ref and nothing else, also where a worktree of the user's has the branch checked out: that worktree
    /// keeps its files and index (they are the user's) and shows the difference in its `git status`.
    pub fn advance(&self, branch: &str, from: &CommitId, to: &CommitId) -> Result<(), AdvanceFailure> {
        let failed = |error: Error| AdvanceFailure::Failed(error.to_string());
        let moves = |expect| {
            self.move_ref(&self.main, &branch_ref(branch), to, expect, "gadugi: merged").map_err(failed)
        };
        if moves(Expect::At(from))? {
            return Ok(());
        }
        match self.branch_tip(branch).map_err(failed)? {
            // A `git gc --prune=now` took what no ref held yet: it is made once more.
            Some(actual) if actual == *from && !self.has_commit(to).map_err(failed)? => {
                Err(AdvanceFailure::Moved(actual))
            }
            Some(actual) if actual == *from => {
                Err(AdvanceFailure::Failed(format!("{branch} cannot be moved")))
            }
            Some(actual) if self.is_ancestor(to, &actual).map_err(failed)? => Ok(()),
            Some(actual) if self.is_ancestor(from, &actual).map_err(failed)? => {
                Err(AdvanceFailure::Moved(actual))
            }
            Some(actual)
                if self.has_commit(to).map_err(failed)?
                    && self.is_ancestor(&actual, to).map_err(failed)? =>
            {
                if moves(Expect::At(&actual))? {
                    return Ok(());
                }
                Err(AdvanceFailure::Failed(format!("{branch} is moved again and again by somebody else")))
            }
            Some(actual) => Err(self.rejoin(branch, from, &actual).unwrap_or_else(failed)),
            None if moves(Expect::Absent)? => Ok(()),
            None => Err(AdvanceFailure::Failed(format!("there is no branch {branch}, and none can be made"))),
        }
    }

    /// Somebody has moved the branch to where it no longer holds what was merged: both come together again.
    fn rejoin(&self, branch: &str, held: &CommitId, actual: &CommitId) -> Result<AdvanceFailure> {
        let TreeMerge::Clean(tree) = self.merge_trees(actual, held)? else {
            return Ok(AdvanceFailure::Failed(format!(
                "{branch} was moved to {actual}, which conflicts with what it held: bring them together, or move it \
                 back with `git branch --force {branch} {held}`"
            )));
        };
        let message = format!("Merge what {branch} held before it was moved\n");
        let joined = self.commit_tree(&self.main, &tree, &[actual, held], &message, &self.identity(None)?)?;
        let name = branch_ref(branch);
        let moved = self.move_ref(&self.main, &name, &joined, Expect::At(actual), "gadugi: joined again")?;
        Ok(match self.branch_tip(branch)? {
            _ if moved => AdvanceFailure::Moved(joined),
            Some(elsewhere) => AdvanceFailure::Moved(elsewhere),
            None => AdvanceFailure::Moved(held.clone()),
        })
    }

    fn has_commit(&self, commit: &CommitId) -> Result<bool> {
        Ok(self.main(["cat-file", "-e", &format!("{commit}^{{commit}}")]).answer()?.code == Some(0))
    }
}
