//! Branches: made, moved and removed only from where they are known to be.

use gadugi_core::CommitId;

use crate::door::Place;
use crate::refname::well_formed;
use crate::repository::{Repository, commit_id};
use crate::{Error, Result};

/// What became of a branch that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchRemoval {
    /// It is gone, or was not there.
    Deleted,
    /// It holds commits that are nowhere else, or a worktree has it checked out.
    Kept {
        /// Why, in few words.
        reason: String,
    },
}

/// What a ref is expected to be before it moves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect<'a> {
    /// Not there.
    Absent,
    /// There, at this commit.
    At(&'a CommitId),
}

pub(crate) fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Says that a branch is gadugi's own, and where it began. Made in one transaction with the branch.
pub(crate) fn claim_ref(branch: &str) -> String {
    format!("refs/gadugi/branches/{branch}")
}

impl Repository {
    /// Fails unless git takes the name for a branch.
    pub(crate) fn check_branch_name(branch: &str) -> Result<()> {
        let bad = || Error::BadBranch { branch: branch.to_owned() };
        let fine = !branch.starts_with('-') && branch != "HEAD" && well_formed(&branch_ref(branch));
        if fine { Ok(()) } else { Err(bad()) }
    }

    /// The commit of a branch.
    pub(crate) fn branch_tip(&self, branch: &str) -> Result<Option<CommitId>> {
        self.ref_tip(&branch_ref(branch))
    }

    /// The commit of a ref.
    pub(crate) fn ref_tip(&self, name: &str) -> Result<Option<CommitId>> {
        let answer =
            self.main(["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).answer()?;
        Ok((answer.code == Some(0)).then(|| commit_id(&answer.stdout)))
    }

    /// Whether nobody but gadugi and its agents moves this ref.
    fn is_own(&self, name: &str) -> bool {
        let claimed = |branch: &str| self.common_dir().join(claim_ref(branch)).exists();
        name.starts_with("refs/heads/gadugi/")
            || name.starts_with("refs/gadugi/")
            || name.strip_prefix("refs/heads/").is_some_and(claimed)
    }

    /// Moves a ref from where it is expected. `Ok(false)`: it is elsewhere, or cannot move.
    pub(crate) fn move_ref(
        &self,
        place: &Place,
        name: &str,
        to: &CommitId,
        expect: Expect<'_>,
        log: &str,
    ) -> Result<bool> {
        // The empty string says that the ref must not be there yet.
        let old = match expect {
            Expect::Absent => "",
            Expect::At(commit) => commit.as_str(),
        };
        let update = || {
            let words = ["update-ref", "--create-reflog", "-m", log, name, to.as_str(), old];
            self.identity(None)?.on(self.git.call(place, words)).answer()
        };
        let mut answer = update()?;
        if answer.code != Some(0) && self.is_own(name) && self.free_refs(&[name]) {
            answer = update()?;
        }
        match answer.code {
            Some(0) => Ok(true),
            Some(_) if self.ref_tip(name)?.as_ref() == Some(to) => Ok(true),
            Some(128 | 1) => Ok(false),
            _ => Err(answer.failed()),
        }
    }

    /// Where a branch of gadugi's own began, also where it is gone.
    pub(crate) fn claimed_at(&self, branch: &str) -> Result<Option<CommitId>> {
        if branch.is_empty() { Ok(None) } else { self.ref_tip(&claim_ref(branch)) }
    }

    /// Makes a branch of gadugi's own at `base`, or finds the one that it made before: then it may hold more than
    /// `base`, but what it holds descends from it. Gives its tip. Fails where somebody else's branch has that name.
    pub(crate) fn claim_branch(&self, branch: &str, base: &CommitId) -> Result<CommitId> {
        let (name, claim) = (branch_ref(branch), claim_ref(branch));
        let transaction = format!("create {name}\0{base}\0update {claim}\0{base}\0\0");
        let create = || {
            let call = self.main(["update-ref", "-m", "gadugi: branch made", "-z", "--stdin"]);
            self.identity(None)?.on(call.input(transaction.clone())).answer()
        };
        let mut created = create()?;
        if created.code != Some(0) && self.free_refs(&[&name, &claim]) {
            created = create()?;
        }
        if created.code == Some(0) {
            return Ok(base.clone());
        }
        let in_use = |by: &str| Error::BranchInUse { branch: branch.to_owned(), by: by.to_owned() };
        let Some(tip) = self.branch_tip(branch)? else {
            // `a` is a branch, so that `a/b` cannot be one; or the other way round.
            if created.stderr.contains("cannot create") || created.stderr.contains("exists") {
                return Err(in_use("another branch's name is a part of it"));
            }
            return Err(created.failed());
        };
        match self.ref_tip(&claim)? {
            None => Err(in_use("it was there before")),
            Some(_) if self.is_ancestor(base, &tip)? => Ok(tip),
            Some(began) if began == tip => {
                // It holds nothing yet: it can begin elsewhere.
                let moved = self.move_ref(&self.main, &name, base, Expect::At(&tip), "gadugi: new base")?;
                self.main(["update-ref", &claim, base.as_str()]).done()?;
                if moved { Ok(base.clone()) } else { Err(in_use("somebody moved it")) }
            }
            Some(_) => Err(in_use("it holds work that began elsewhere")),
        }
    }

    /// Deletes a branch whose work `into` holds and that no worktree has checked out. What is not merged stays.
    pub fn delete_branch_if_merged(&self, branch: &str, into: &CommitId) -> Result<BranchRemoval> {
        Self::check_branch_name(branch)?;
        let kept = |reason: &str| Ok(BranchRemoval::Kept { reason: reason.to_owned() });
        // Under the lock, so that no worktree of gadugi's takes the branch meanwhile.
        let _lock = self.worktree_lock()?;
        let Some(tip) = self.branch_tip(branch)? else {
            self.main(["update-ref", "-d", &claim_ref(branch)]).done()?;
            return Ok(BranchRemoval::Deleted);
        };
        if !self.is_merged(&tip, into)? {
            return kept("it holds commits that are not merged");
        }
        if !self.places_on(branch)?.is_empty() {
            return kept("it is checked out");
        }
        let deleted = self.main(["update-ref", "-d", &branch_ref(branch), tip.as_str()]).answer()?;
        if deleted.code != Some(0) {
            return kept("it was moved meanwhile");
        }
        self.main(["update-ref", "-d", &claim_ref(branch)]).done()?;
        Ok(BranchRemoval::Deleted)
    }
}
