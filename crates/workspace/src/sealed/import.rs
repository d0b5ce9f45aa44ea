//! Taking what came out of a sealed workspace.

use std::io::Write;

use gadugi_core::{Collected, CommitId};

use super::marker::Stage;
use super::plan::plan;
use super::quarantine::Quarantine;
use super::refusal::{ImportError, ImportRefusal};
use super::{Import, Imported};
use crate::collect::Collection;
use crate::door::lossy;
use crate::objects::GITLINK;
use crate::refs::{Expect, branch_ref};
use crate::repository::Repository;
use crate::salvage::{Salvaged, Salvaging, message, salvage_ref};
use crate::{Error, Result};

/// Packs of so few objects are unpacked, as `git fetch` does it: thousands of small packs would slow every look-up.
const UNPACKED: u64 = 100;
/// A commit has at most so many parents beside its first two.
const MOST_STRAYS: usize = 64;

impl Repository {
    /// Takes an export ([`Self::export_command`] with [`super::ExportKind::Collect`]) as the work of its task: what [`Self::collect`] is
    /// for worktrees. Only what is reachable from the one new commit comes into this repository, and one ref moves, from
    /// where it was known to be. Repeatable after a crash at any point.
    ///
    /// Commits that the agent left on other branches or in stashes go to its salvage ref. Fails with [`ImportRefusal`]
    /// where the export is not taken, and with [`Error::MidOperation`], [`Error::Strayed`],
    /// [`Error::NestedRepositories`] or [`Error::BranchMoved`] as collecting does; then no ref has moved.
    pub fn import(&self, import: &Import<'_>) -> Result<Imported, ImportError> {
        let before = self.branch_tip(import.branch)?;
        let quarantine = Quarantine::take(&self.git, import)?;
        self.refuse_unfinished(&quarantine, import)?;
        let header = &quarantine.header;
        let tree = quarantine.tree_of(&header.tip)?;
        let clean = match &header.head {
            Some(head) => {
                if quarantine.parents_of(&header.tip)?.first() != Some(head) {
                    return Err(ImportRefusal::Header("its HEAD is not the commit's").into());
                }
                quarantine.tree_of(head)? == tree
            }
            None => false,
        };
        let plan = plan(&quarantine, import.workspace, import.branch, import.base, clean)?;
        let (commit, committed) = match plan.parents.as_slice() {
            [only] if !plan.takes_tree || quarantine.tree_of(only)? == tree => (only.clone(), false),
            parents => {
                let identity = self.identity(None)?;
                let made = quarantine.commit_tree(&tree, parents, import.message, &identity)?;
                (made, !clean)
            }
        };
        let changed = if plan.takes_tree {
            quarantine.changes.iter().map(|change| lossy(&change.path)).collect()
        } else {
            let changes = quarantine.changes_between(import.base, &commit)?;
            changes.iter().map(|change| lossy(&change.path)).collect()
        };
        let apart = apart(&quarantine, &commit)?;
        self.bring(&quarantine, import.base, &commit, &apart)?;
        self.put_branch(import, before.as_ref(), &commit)?;
        let kept = self.keep_apart(import, &commit, &apart)?;
        self.note_sealed(import.workspace, |marker| {
            marker.stage = Stage::Taken;
            marker.last = Some(commit.clone());
        })?;
        let work = Collected { commit, changed, committed_rest: committed || header.committed };
        Ok(Imported { collection: Collection { work, stray: plan.stray }, kept, left_out: Vec::new() })
    }

    /// Work that nobody would take for whole.
    fn refuse_unfinished(&self, quarantine: &Quarantine, import: &Import<'_>) -> Result<(), ImportError> {
        let header = &quarantine.header;
        let path = import.workspace.to_owned();
        if let Some(operation) = header.operation {
            return Err(Error::MidOperation { path, operation }.into());
        }
        let mut nested = header.nested.clone();
        let links = quarantine.changes.iter().filter(|change| change.new_mode == GITLINK);
        nested.extend(links.filter(|link| !self.known_submodule_commit(link)).map(|link| lossy(&link.path)));
        if !nested.is_empty() {
            return Err(Error::NestedRepositories { path, nested }.into());
        }
        if !header.large.is_empty() {
            return Err(ImportRefusal::FilesTooLarge { paths: header.large.clone() }.into());
        }
        if !header.unreadable.is_empty() {
            return Err(ImportRefusal::FilesUnreadable { paths: header.unreadable.clone() }.into());
        }
        Ok(())
    }

    /// Brings what these commits have beyond the base into this repository, and nothing else of the quarantine. Objects
    /// are there, whole and under their names, before any ref names them: git itself writes them.
    fn bring(
        &self,
        quarantine: &Quarantine,
        base: &CommitId,
        commit: &CommitId,
        apart: &[CommitId],
    ) -> Result<()> {
        let commits: Vec<_> = std::iter::once(commit).chain(apart).collect();
        if commits == [base] {
            return Ok(());
        }
        let take: &[&str] = if quarantine.weight.objects <= UNPACKED {
            &["unpack-objects", "-q"]
        } else {
            &["index-pack", "--stdin"]
        };
        quarantine.pack(&commits, base).pipe(self.main(take)).map(drop)
    }

    /// Moves the task's branch. It moves on from what it holds, or from where an earlier import put it (the agent rewrote
    /// its own work); anybody else's commits stay.
    fn put_branch(&self, import: &Import<'_>, before: Option<&CommitId>, commit: &CommitId) -> Result<()> {
        let moved = |actual| Error::BranchMoved { branch: import.branch.to_owned(), actual };
        if let Some(before) = before {
            let own = self.last_of(import.workspace).as_ref() == Some(before);
            if !own && !self.is_ancestor(before, commit)? {
                return Err(moved(Some(before.clone())));
            }
        }
        let expect = before.map_or(Expect::Absent, Expect::At);
        let name = branch_ref(import.branch);
        if before == Some(commit)
            || self.move_ref(&self.main, &name, commit, expect, "gadugi: work collected")?
        {
            return Ok(());
        }
        Err(moved(self.branch_tip(import.branch)?))
    }

    fn keep_apart(
        &self,
        import: &Import<'_>,
        commit: &CommitId,
        apart: &[CommitId],
    ) -> Result<Option<Salvaged>> {
        if apart.is_empty() {
            return Ok(None);
        }
        self.salvage_imported(import, Some(commit), &self.tree_of(commit)?, apart, 0, Vec::new()).map(Some)
    }

    /// Takes an export ([`super::ExportKind::Look`]) of an attempt that did not succeed: what [`Self::salvage`] is for
    /// worktrees. What is uncommitted, and all commits that the task's branch does not hold, go to [`salvage_ref`]. Fails as
    /// [`Self::import`] does; then the ref is as it was.
    pub fn import_salvage(&self, import: &Import<'_>) -> Result<Salvaging, ImportError> {
        let quarantine = Quarantine::take(&self.git, import)?;
        let header = &quarantine.header;
        let left_out = left_out(&quarantine);
        let tree = quarantine.tree_of(&header.tip)?;
        // Whatever the header says of them: these are the commits that came along.
        let mut commits = quarantine.parents_of(&header.tip)?;
        commits.truncate(MOST_STRAYS);
        let head = header.head.clone().filter(|head| commits.first() == Some(head));
        let from = head.unwrap_or_else(|| import.base.clone());
        let files = quarantine.changes_between(&from, &header.tip)?.len();
        let tip = self.branch_tip(import.branch)?;
        self.bring(&quarantine, import.base, &header.tip, &[])?;
        let mut apart = Vec::new();
        for commit in commits {
            let held = self.is_ancestor(&commit, import.base)?
                || tip.as_ref().is_some_and(|tip| self.is_ancestor(&commit, tip).unwrap_or(false));
            if !held {
                apart.push(commit);
            }
        }
        let reference = salvage_ref(import.attempt);
        let clean = self.tree_of(&from)? == tree;
        let salvaging = if clean && apart.is_empty() {
            if !left_out.is_empty() && self.ref_tip(&reference)?.is_none() {
                return Err(Error::NotSalvaged { path: import.workspace.to_owned(), left_out }.into());
            }
            self.as_before(&reference, self.ref_tip(&reference)?, true)?
        } else {
            let apart: Vec<_> = apart.into_iter().filter(|commit| *commit != from).collect();
            Salvaging::Kept(self.salvage_imported(
                import,
                Some(&from),
                &tree,
                &apart,
                files,
                left_out.clone(),
            )?)
        };
        if left_out.is_empty() {
            self.note_sealed(import.workspace, |marker| marker.stage = Stage::Taken)?;
        }
        Ok(salvaging)
    }

    /// One commit on the attempt's salvage ref; nothing that the ref held is dropped.
    fn salvage_imported(
        &self,
        import: &Import<'_>,
        head: Option<&CommitId>,
        tree: &str,
        apart: &[CommitId],
        files: usize,
        left_out: Vec<String>,
    ) -> Result<Salvaged> {
        let reference = salvage_ref(import.attempt);
        let before = self.ref_tip(&reference)?;
        if let Some(before) = &before {
            let mut held = self.tree_of(before)? == tree;
            for commit in head.into_iter().chain(apart) {
                held = held && self.is_ancestor(commit, before)?;
            }
            if held {
                return Ok(Salvaged { reference, commit: before.clone(), files, left_out });
            }
        }
        let mut parents: Vec<&CommitId> = Vec::new();
        for parent in head.into_iter().chain(&before).chain(apart) {
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let text = message(import.attempt, import.workspace, files, apart.len(), &left_out);
        let commit = self.commit_tree(&self.main, tree, &parents, &text, &self.identity(None)?)?;
        let expect = before.as_ref().map_or(Expect::Absent, Expect::At);
        if self.move_ref(&self.main, &reference, &commit, expect, "gadugi: salvaged")? {
            return Ok(Salvaged { reference, commit, files, left_out });
        }
        let actual = self.ref_tip(&reference)?;
        Err(Error::BranchMoved { branch: reference, actual })
    }

    /// The patch from the base to what an export holds ([`super::ExportKind::Look`]), uncommitted and new files included.
    /// Nothing comes into this repository.
    pub fn diff_exported(&self, import: &Import<'_>, into: &mut dyn Write) -> Result<(), ImportError> {
        let quarantine = Quarantine::take(&self.git, import)?;
        Ok(quarantine.patch(import.base).stream(into)?)
    }
}

/// The commits that came along and that the new tip does not hold.
fn apart(quarantine: &Quarantine, commit: &CommitId) -> Result<Vec<CommitId>> {
    let mut apart = Vec::new();
    for other in quarantine.parents_of(&quarantine.header.tip)?.into_iter().take(MOST_STRAYS) {
        if !quarantine.is_ancestor(&other, commit)? {
            apart.push(other);
        }
    }
    Ok(apart)
}

/// What lies in the workspace still.
fn left_out(quarantine: &Quarantine) -> Vec<String> {
    let header = &quarantine.header;
    let say =
        |names: &[String], why: &str| names.iter().map(|name| format!("{name}: {why}")).collect::<Vec<_>>();
    let mut all = say(&header.large, "larger than 1 GiB");
    all.extend(say(&header.unreadable, "it cannot be read"));
    all.extend(say(&header.nested, "a repository of its own; its files are stored, its history is not"));
    if header.history_lost {
        all.push(".git: it is gone or broken; the files are stored, what was committed is not".to_owned());
    }
    all
}
