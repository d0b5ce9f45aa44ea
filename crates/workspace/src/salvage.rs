//! Uncommitted work, put where nothing deletes it.

use std::path::Path;

use gadugi_core::CommitId;

use crate::refname::well_formed;
use crate::refs::Expect;
use crate::repository::Repository;
use crate::status::State;
use crate::{Error, Result};

impl Repository {
    /// Stores what is uncommitted in the worktree at `path` (ignored files not) as a commit on `ref_name`, a ref below
    /// `refs/gadugi/salvage/`, without touching worktree or index. Where nothing is uncommitted it stores `HEAD` itself
    /// if `HEAD` is detached, and else nothing: then the answer is none. What the ref held before becomes a parent.
    pub fn salvage(&self, path: &Path, ref_name: &str) -> Result<Option<CommitId>> {
        let bad = || Error::BadBranch { branch: ref_name.to_owned() };
        if !ref_name.starts_with("refs/gadugi/salvage/") || !well_formed(ref_name) {
            return Err(bad());
        }
        let tree = self.own_tree(path)?;
        let State { head, branch, entries: status } = self.state_of(&tree.place)?;
        let before = self.ref_tip(ref_name)?;
        let commit = if status.is_empty() {
            match (head, branch) {
                (Some(head), None) => head,
                _ => return Ok(None),
            }
        } else {
            let snapshot = self.snapshot(&tree, &status)?;
            if let Some(before) = &before
                && self.tree_of(before)? == snapshot.tree
            {
                return Ok(Some(before.clone()));
            }
            let parents: Vec<_> = head.iter().chain(&before).collect();
            let identity = self.identity(None)?;
            let message = format!("Salvaged from {}\n", path.display());
            self.commit_tree(&self.main, &snapshot.tree, &parents, &message, &identity)?
        };
        let expect = before.as_ref().map_or(Expect::Absent, Expect::At);
        if self.move_ref(&self.main, ref_name, &commit, expect, "gadugi: salvaged")? {
            Ok(Some(commit))
        } else {
            Err(Error::BranchMoved { branch: ref_name.to_owned(), actual: self.ref_tip(ref_name)? })
        }
    }
}
