//! The commits and integration branches of the simulated world, in which every question takes a moment, however long a
//! branch is.

use gadugi_core::{AdvanceFailure, CommitId};

use super::dice::Quick;
use super::names;

#[derive(Default)]
struct Commit {
    parent: Option<usize>,
    /// The task's work that came in with it.
    work: Option<usize>,
    /// The run on whose branch it is, and how many commits of the branch come before it.
    on: Option<(u32, usize)>,
    verified: bool,
    /// Git would not put it on a branch: whoever asks again is told the same.
    refused: bool,
}

#[derive(Default)]
struct Branch {
    tip: usize,
    length: usize,
    /// Where a work came in; where it came in more than once, that is counted.
    works: Quick<u32, usize>,
    merges: usize,
}

/// All repositories' commits.
pub(super) struct Git {
    commits: Vec<Commit>,
    branches: Quick<u32, Branch>,
}

fn place(commit: &CommitId) -> usize {
    names::number(commit) as usize
}

impl Git {
    /// With the one commit that every run is made for.
    pub(super) fn new() -> Self {
        Self { commits: vec![Commit::default()], branches: Quick::default() }
    }

    fn add(&mut self, commit: Commit) -> usize {
        self.commits.push(commit);
        self.commits.len() - 1
    }

    /// A commit that somebody made on a branch of their own.
    pub(super) fn work(&mut self) -> CommitId {
        names::commit(self.add(Commit::default()))
    }

    /// A merge of that work onto that commit, on no branch yet.
    pub(super) fn compose(&mut self, work: &CommitId, onto: &CommitId) -> CommitId {
        let commit = Commit { parent: Some(place(onto)), work: Some(place(work)), ..Commit::default() };
        names::commit(self.add(commit))
    }

    pub(super) fn has_branch(&self, run: u32) -> bool {
        self.branches.contains_key(&run)
    }

    /// Makes the run's branch unless it is there, and says where it stands.
    pub(super) fn open(&mut self, run: u32) -> CommitId {
        let branch = self.branches.entry(run).or_default();
        names::commit(branch.tip)
    }

    fn put(&mut self, run: u32, commit: usize) {
        let Some(branch) = self.branches.get_mut(&run) else { return };
        branch.length += 1;
        branch.tip = commit;
        self.commits[commit].on = Some((run, branch.length));
        if let Some(work) = self.commits[commit].work {
            branch.works.entry(u32::try_from(work).unwrap_or(u32::MAX)).or_insert(branch.length);
            branch.merges += 1;
        }
    }

    /// Moves the branch if it is where it should be, unless git `fails`. Where it holds the commit already, that is as
    /// good.
    pub(super) fn advance(
        &mut self,
        run: u32,
        from: &CommitId,
        to: &CommitId,
        fails: impl FnOnce() -> bool,
    ) -> Result<(), AdvanceFailure> {
        let tip = self.branches.get(&run).map_or(0, |branch| branch.tip);
        let to = place(to);
        if self.commits[to].on.is_some_and(|(on, _)| on == run) {
            return Ok(());
        }
        if tip != place(from) {
            return Err(AdvanceFailure::Moved(names::commit(tip)));
        }
        if self.commits[to].refused || fails() {
            self.commits[to].refused = true;
            return Err(AdvanceFailure::Failed("cannot lock ref".into()));
        }
        self.put(run, to);
        Ok(())
    }

    /// Somebody commits to the integration branch behind the engine's back.
    pub(super) fn intrude(&mut self, run: u32) {
        if let Some(tip) = self.branches.get(&run).map(|branch| branch.tip) {
            let commit = self.add(Commit { parent: Some(tip), ..Commit::default() });
            self.put(run, commit);
        }
    }

    /// Whether a commit of a run's branch, or the one that it began at, holds that work.
    pub(super) fn holds(&self, run: u32, commit: &CommitId, work: &CommitId) -> bool {
        let before = match self.commits.get(place(commit)).and_then(|commit| commit.on) {
            Some((on, before)) if on == run => before,
            _ => 0,
        };
        self.merged_at(run, work).is_some_and(|at| at <= before)
    }

    fn merged_at(&self, run: u32, work: &CommitId) -> Option<usize> {
        self.branches.get(&run)?.works.get(&names::number(work)).copied()
    }

    /// Whether the run's branch holds that work.
    pub(super) fn has_merged(&self, run: u32, work: &CommitId) -> bool {
        self.merged_at(run, work).is_some()
    }

    /// How many merges the run's branch holds, and of how many works.
    pub(super) fn merges(&self, run: u32) -> (usize, usize) {
        self.branches.get(&run).map_or((0, 0), |branch| (branch.merges, branch.works.len()))
    }

    /// Whether it is a merge of that work onto that commit.
    pub(super) fn is_merge(&self, commit: &CommitId, work: &CommitId, onto: &CommitId) -> bool {
        self.commits
            .get(place(commit))
            .is_some_and(|commit| commit.parent == Some(place(onto)) && commit.work == Some(place(work)))
    }

    pub(super) fn verify(&mut self, commit: &CommitId) {
        if let Some(commit) = self.commits.get_mut(place(commit)) {
            commit.verified = true;
        }
    }

    pub(super) fn is_verified(&self, commit: &CommitId) -> bool {
        self.commits.get(place(commit)).is_some_and(|commit| commit.verified)
    }
}
