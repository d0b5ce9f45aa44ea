//! What a finished agent left, put on its task's branch.

use std::path::Path;

use gadugi_core::{Collected, CommitId};

use crate::door::lossy;
use crate::objects::{Change, GITLINK};
use crate::refs::{Expect, branch_ref};
use crate::repository::Repository;
use crate::status::{Entry, State, operation};
use crate::worktree::Tree;
use crate::{Error, Result};

/// What stands on a task's branch now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// The tip, the paths that differ from the base, and whether gadugi committed something.
    pub work: Collected,
    /// What the agent did with `HEAD` that had to be put right; none: it stayed on its branch.
    pub stray: Option<Stray>,
}

/// Where the worktree's `HEAD` was found instead of on the task's branch, descending from its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Detached, with work that the branch now holds.
    Detached,
    /// On another branch, with work that the task's branch now holds too.
    OtherBranch(String),
    /// The base was rewritten (amended, rebased), or the branch was deleted and begun anew: a commit joins the two
    /// histories, with the worktree's state as it was.
    Rewritten,
}

/// Where to put the work.
struct Plan {
    /// Where the branch is.
    branch_tip: CommitId,
    /// `HEAD` is on it.
    at_home: bool,
    /// The parents of what is committed, or, where nothing is left to commit, the one new tip.
    parents: Vec<CommitId>,
    stray: Option<Stray>,
}

impl Repository {
    /// Commits what is uncommitted in the worktree at `path` (new files too, ignored ones not) on `branch` and says what
    /// the branch holds beyond `base`. By plumbing: no hook, no signature, in the user's name. Afterwards the worktree is on the branch and
    /// clean. The attempt's processes must be over.
    ///
    /// An agent may have committed by itself, detached `HEAD` or switched branches: what it made is taken where it
    /// descends from the branch. A branch that somebody deleted is made again where the worktree last stood. Fails, and
    /// changes nothing else, with [`Error::MidOperation`], [`Error::Strayed`],
    /// [`Error::NestedRepositories`], [`Error::PointerChanged`] or [`Error::WorktreeMissing`].
    pub fn collect(&self, path: &Path, branch: &str, base: &CommitId, message: &str) -> Result<Collection> {
        match self.try_collect(path, branch, base, message) {
            // What had no ref yet may have gone with a `git gc --prune=now`; an index may be broken.
            Err(Error::Failed { code: Some(_), .. }) => {
                let tree = self.own_tree(path)?;
                self.mend_branch(&tree, branch)?;
                self.mend_index(&tree)?;
                self.try_collect(path, branch, base, message)
            }
            collected => collected,
        }
    }

    fn try_collect(&self, path: &Path, branch: &str, base: &CommitId, message: &str) -> Result<Collection> {
        let tree = self.own_tree(path)?;
        if let Some(operation) = operation(&tree.git_dir) {
            return Err(Error::MidOperation { path: path.to_owned(), operation });
        }
        let mut state = self.state_of(&tree.place)?;
        if state.head.is_none() {
            self.restore_branch(&tree, branch)?;
            state = self.state_of(&tree.place)?;
        }
        let status = &state.entries;
        if status.iter().any(Entry::unmerged) {
            return Err(Error::MidOperation { path: path.to_owned(), operation: "merge" });
        }
        let plan = self.plan_collection(&tree, branch, base, &state)?;
        let head = plan.parents[0].clone();
        let (commit, changed, committed_rest) = if !status.is_empty() || plan.parents.len() > 1 {
            self.commit_rest(&tree, &plan, status, base, message)?
        } else if head == *base {
            (head, Vec::new(), false)
        } else {
            let changed = self.changed_without_nested(path, base, head.as_str())?;
            (head, changed, false)
        };
        self.settle(&tree, branch, &plan, &commit)?;
        let work = Collected { commit, changed, committed_rest };
        Ok(Collection { work, stray: plan.stray })
    }

    /// Commits the worktree's state on top of the plan's parents; the worktree's index agrees with it afterwards.
    fn commit_rest(
        &self,
        tree: &Tree,
        plan: &Plan,
        status: &[Entry],
        base: &CommitId,
        message: &str,
    ) -> Result<(CommitId, Vec<String>, bool)> {
        let snapshot = self.snapshot(tree, status)?;
        let changed = self.changed_without_nested(tree.path(), base, &snapshot.tree)?;
        let head = plan.parents[0].clone();
        let nothing_left = match plan.parents.as_slice() {
            [only] if only == base => changed.is_empty(),
            [only] => self.tree_of(only)? == snapshot.tree,
            _ => false,
        };
        let (commit, committed) = if nothing_left {
            (head, false)
        } else {
            let identity = self.identity(None)?;
            let parents: Vec<_> = plan.parents.iter().collect();
            (self.commit_tree(&self.main, &snapshot.tree, &parents, message, &identity)?, !status.is_empty())
        };
        // Before the branch moves: a crash in between leaves everything staged, and the next try finds it again.
        snapshot.install(tree)?;
        Ok((commit, changed, committed))
    }

    /// Decides where the work goes from where `HEAD` and the branch are.
    fn plan_collection(&self, tree: &Tree, branch: &str, base: &CommitId, state: &State) -> Result<Plan> {
        let State { head, branch: on, entries } = state;
        let strayed = |head: Option<&CommitId>, reason| Error::Strayed {
            path: tree.path().to_owned(),
            branch: branch.to_owned(),
            head: head.cloned(),
            reason,
        };
        let head = head.clone().ok_or_else(|| strayed(None, "it is on a branch without commits"))?;
        let at_home = on.as_deref() == Some(branch);
        let tip = if at_home { Some(head.clone()) } else { self.branch_tip(branch)? };
        let tip = tip.ok_or_else(|| strayed(Some(&head), "the branch is gone"))?;
        let plan = |parents, stray| Ok(Plan { branch_tip: tip.clone(), at_home, parents, stray });
        let elsewhere = || match &on {
            _ if at_home => None,
            None => Some(Stray::Detached),
            Some(other) => Some(Stray::OtherBranch(other.clone())),
        };
        if !self.is_ancestor(&tip, &head)? {
            // Nothing here that the branch lacks: the agent only looked at something older.
            let looked =
                entries.is_empty() && (self.is_ancestor(&head, &tip)? || self.is_ancestor(&head, base)?);
            if looked && self.is_ancestor(base, &tip)? {
                return plan(vec![tip.clone()], elsewhere());
            }
            return Err(strayed(Some(&head), "both hold commits that the other lacks"));
        }
        if self.is_ancestor(base, &head)? {
            return plan(vec![head], elsewhere());
        }
        if self.related(base, &head)? {
            return plan(vec![base.clone(), head], Some(Stray::Rewritten));
        }
        // The branch was deleted under it, and a commit began it anew.
        if at_home && let Some(last) = self.last_head_from(tree, base)? {
            return plan(vec![last, head], Some(Stray::Rewritten));
        }
        Err(strayed(Some(&head), "its history has nothing in common with the base"))
    }

    /// The paths that differ from the base. A pointer to another repository's commit that the base does not have is no
    /// work that anybody else could check out, unless it is a submodule whose commit the main worktree's copy has.
    fn changed_without_nested(&self, path: &Path, base: &CommitId, to: &str) -> Result<Vec<String>> {
        let changes = self.changes(base.as_str(), to)?;
        let nested: Vec<_> = changes
            .iter()
            .filter(|change| change.new_mode == GITLINK && !self.known_submodule_commit(change))
            .map(|change| lossy(&change.path))
            .collect();
        if !nested.is_empty() {
            return Err(Error::NestedRepositories { path: path.to_owned(), nested });
        }
        Ok(changes.iter().map(|change| lossy(&change.path)).collect())
    }

    pub(crate) fn known_submodule_commit(&self, change: &Change) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let folder = self.root().join(std::ffi::OsStr::from_bytes(&change.path));
        change.old_mode == GITLINK
            && folder.join(".git").exists()
            && self.submodule_has_commit(&folder, &change.new_id)
    }

    /// Branch, `HEAD` and index of the worktree agree on `commit`.
    fn settle(&self, tree: &Tree, branch: &str, plan: &Plan, commit: &CommitId) -> Result<()> {
        let (name, from) = (branch_ref(branch), &plan.branch_tip);
        if from != commit
            && !self.move_ref(&tree.place, &name, commit, Expect::At(from), "gadugi: work collected")?
        {
            return Err(Error::BranchMoved { branch: branch.to_owned(), actual: self.branch_tip(branch)? });
        }
        if plan.at_home {
            return Ok(());
        }
        let (head, _) = self.head_of(&tree.place)?;
        let same_files = head.as_ref() == Some(commit) || self.status_of(&tree.place)?.is_empty();
        let differs =
            head.as_ref().map(|head| self.tree_of(head)).transpose()? != Some(self.tree_of(commit)?);
        self.git
            .call(&tree.place, ["symbolic-ref", "-m", "gadugi: back on the branch", "HEAD", &name])
            .done()?;
        if same_files && differs {
            // The worktree shows an older commit, untouched: bring it to the branch's.
            self.git.call(&tree.place, ["reset", "--hard", "--quiet"]).done()?;
        }
        Ok(())
    }
}
