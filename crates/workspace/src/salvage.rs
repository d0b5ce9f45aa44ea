//! Work that nobody finished, put where nothing deletes it.
//!
//! A salvage is one commit on a ref of gadugi's own. Its tree is the worktree as it lay, ignored files left out; its
//! first parent is the worktree's `HEAD`, so that `git diff REF^ REF` shows what was uncommitted. Further parents hold
//! what a tree cannot: what an earlier salvage of the same attempt held, what was staged where that differs from the files,
//! commits that no ref holds (a detached `HEAD`, a branch that was reset, a rebase or merge under way), and the attempt's
//! stashes. One ref so keeps everything from `git gc`, and nothing of the worktree, its index included, is touched.
//!
//! It is made for the worst day: a broken index, a lock that a killed git left, a `.git` that the agent replaced, a
//! branch that was deleted, an administration that is gone. What cannot be stored is named ([`Salvaged::left_out`])
//! and does not keep the rest from being stored.

mod refs;
mod shot;
mod strays;

use std::path::Path;

use gadugi_core::{AttemptId, CommitId};

use crate::door::Place;
use crate::objects::Change;
use crate::refs::Expect;
use crate::repository::{Repository, worktree_place};
use crate::worktree::{Tree, is_link};
use crate::{Error, Result};
use shot::Shot;
pub(crate) use shot::full;

pub(crate) use refs::message;
pub use refs::{SalvageInfo, attempt_at, salvage_ref};

/// What salvaging came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Salvaging {
    /// Everything is committed, and refs hold it.
    Nothing,
    /// The worktree's folder is gone, and refs hold all that was committed in it.
    Gone,
    /// It is stored.
    Kept(Salvaged),
}

/// Work that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The ref that holds it: `refs/gadugi/salvage/…`.
    pub reference: String,
    /// Where that ref is.
    pub commit: CommitId,
    /// How many paths were uncommitted.
    pub files: usize,
    /// What could not be stored, and why: `dump.bin: larger than 1 GiB`. It lies where it lay.
    pub left_out: Vec<String>,
}

/// Where a worktree's state is read from.
struct Source<'a> {
    place: Place,
    /// Its folder of administration; none: git knows it no longer.
    tree: Option<&'a Tree>,
    head: Option<CommitId>,
}

impl Repository {
    /// Stores what is uncommitted in the worktree at `path`, on `branch`, of an attempt whose processes are over, and the
    /// commits that no ref holds, on [`salvage_ref`]. By plumbing: no hook, no signature, in the user's name.
    ///
    /// It can be asked again: what is stored already is not stored twice, and nothing that the ref held is dropped.
    /// Fails where git or the disk fails; then the ref is as it was.
    pub fn salvage(&self, attempt: &AttemptId, path: &Path, branch: &str) -> Result<Salvaging> {
        let reference = salvage_ref(attempt);
        let before = self.ref_tip(&reference)?;
        let tree = self.tree_at(path)?.filter(Tree::ours);
        // What a symlink in place of the worktree leads to is somebody else's.
        let there = path.is_dir() && !is_link(path);
        let Some(source) = self.source(path, tree.as_ref(), branch, there)? else {
            return self.as_before(&reference, before, there);
        };
        let shot = if there { self.shoot(&source)? } else { self.no_shot(&source)? };
        let strays = self.strays(&source, branch, before.as_ref())?;
        let plain = match &source.head {
            Some(head) => self.tree_of(head)?,
            None => self.empty_tree()?,
        };
        if shot.tree == plain && shot.staged.is_none() && strays.is_empty() {
            return match before {
                None if !shot.left_out.is_empty() => {
                    Err(Error::NotSalvaged { path: path.to_owned(), left_out: shot.left_out })
                }
                before => self.as_before(&reference, before, there),
            };
        }
        let changes = self.changes(&plain, &shot.tree)?;
        let files = changes.len() + shot.staged.as_ref().map_or(0, |staged| staged.only.len());
        let kept = |commit| {
            Salvaging::Kept(Salvaged {
                reference: reference.clone(),
                commit,
                files,
                left_out: shot.left_out.clone(),
            })
        };
        if let Some(before) = &before
            && self.holds(before, &shot, source.head.as_ref(), &strays)?
        {
            return Ok(kept(before.clone()));
        }
        let commit =
            self.salvage_commit(attempt, path, &source, &shot, before.as_ref(), &strays, &changes)?;
        let expect = before.as_ref().map_or(Expect::Absent, Expect::At);
        if self.move_ref(&self.main, &reference, &commit, expect, "gadugi: salvaged")? {
            return Ok(kept(commit));
        }
        Err(Error::BranchMoved { branch: reference.clone(), actual: self.ref_tip(&reference)? })
    }

    /// What an earlier call stored is the answer where there is nothing (more) to store.
    pub(crate) fn as_before(
        &self,
        reference: &str,
        before: Option<CommitId>,
        there: bool,
    ) -> Result<Salvaging> {
        let Some(commit) = before else {
            return Ok(if there { Salvaging::Nothing } else { Salvaging::Gone });
        };
        let info = self.describe_salvage(reference, &commit)?;
        Ok(Salvaging::Kept(Salvaged {
            reference: reference.to_owned(),
            commit,
            files: info.files,
            left_out: Vec::new(),
        }))
    }

    /// None: git knows nothing of the worktree, and there is no folder either.
    fn source<'a>(
        &self,
        path: &Path,
        tree: Option<&'a Tree>,
        branch: &str,
        there: bool,
    ) -> Result<Option<Source<'a>>> {
        let tip = || if branch.is_empty() { Ok(None) } else { self.branch_tip(branch) };
        if let Some(tree) = tree {
            // The branch may have been deleted under it, or what it held: its log tells where it was.
            let head = self.whole_head(tree, branch)?;
            if head.is_some() {
                self.mend_branch(tree, branch)?;
            }
            // `.git` may have been replaced: what git is told is where its own folder of administration lies.
            let place = if there { worktree_place(path, &tree.git_dir) } else { tree.place.clone() };
            return Ok(Some(Source { place, tree: Some(tree), head }));
        }
        if !there || self.is_of_somebody_else(path) {
            return Ok(None);
        }
        let head = match tip()? {
            Some(tip) => Some(tip),
            None => self.claimed_at(branch)?,
        };
        Ok(Some(Source { place: worktree_place(path, self.common_dir()), tree: None, head }))
    }

    /// A folder that git does not know as gadugi's worktree: it may be another of the user's, or the main one.
    fn is_of_somebody_else(&self, path: &Path) -> bool {
        let known = self.tree_at(path).ok().flatten().is_some();
        known || std::fs::canonicalize(path).is_ok_and(|path| self.root().starts_with(path))
    }

    /// Whether what the ref holds is all that is to be stored.
    fn holds(
        &self,
        before: &CommitId,
        shot: &Shot,
        head: Option<&CommitId>,
        strays: &[CommitId],
    ) -> Result<bool> {
        if self.tree_of(before)? != shot.tree {
            return Ok(false);
        }
        for commit in head.into_iter().chain(strays) {
            if !self.is_ancestor(commit, before)? {
                return Ok(false);
            }
        }
        let Some(staged) = &shot.staged else { return Ok(true) };
        for parent in self.parents_of(before)? {
            if self.tree_of(&parent)? == staged.tree {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[expect(clippy::too_many_arguments, reason = "all that goes into the one commit")]
    fn salvage_commit(
        &self,
        attempt: &AttemptId,
        path: &Path,
        source: &Source<'_>,
        shot: &Shot,
        before: Option<&CommitId>,
        strays: &[CommitId],
        changes: &[Change],
    ) -> Result<CommitId> {
        let identity = self.identity(None)?;
        let staged = match &shot.staged {
            Some(staged) => {
                let message = format!("What was staged in {}\n", path.display());
                let parents: Vec<_> = source.head.iter().collect();
                Some(self.commit_tree(&self.main, &staged.tree, &parents, &message, &identity)?)
            }
            None => None,
        };
        let mut parents: Vec<&CommitId> = Vec::new();
        for parent in source.head.iter().chain(before).chain(&staged).chain(strays) {
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let message = message(attempt, path, changes.len(), strays.len(), &shot.left_out);
        self.commit_tree(&self.main, &shot.tree, &parents, &message, &identity)
    }
}
