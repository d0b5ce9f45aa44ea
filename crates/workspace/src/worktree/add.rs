//! Making a worktree.

use std::fs;
use std::io;
use std::path::Path;

use gadugi_core::CommitId;
use gadugi_sys::lock::FileLock;

use super::{LOCK_REASON, Marker, Stage, Tree, Worktree, WorktreeRequest, canonical};
use crate::refs::branch_ref;
use crate::repository::Repository;
use crate::salvage::attempt_at;
use crate::snapshot::remove_if_there;
use crate::{Error, Result};

impl Repository {
    /// Makes a worktree on a branch of its own, or gives the one that is there from an earlier call (also one that was
    /// broken off): then it is as whoever worked in it left it.
    ///
    /// Safe to call from many threads and processes at once. Fails with [`Error::BranchInUse`] or [`Error::PathInUse`]
    /// where branch or path belong to somebody else, with [`Error::WorktreeDirTracked`], and by name where submodules
    /// or Git LFS cannot work.
    pub fn add_worktree(&self, request: &WorktreeRequest) -> Result<Worktree> {
        Self::check_branch_name(&request.branch)?;
        self.check_lfs(&request.base)?;
        let (tree, head) = self.register(&request.path, Some(&request.branch), &request.base)?;
        self.fill(&tree, &request.branch, head, &request.include)
    }

    /// Has git know the worktree, under the lock. Its files come later, outside. Also gives its `HEAD`; none: it was there
    /// before.
    pub(super) fn register(
        &self,
        path: &Path,
        branch: Option<&str>,
        base: &CommitId,
    ) -> Result<(Tree, Option<CommitId>)> {
        let parent = path.parent().filter(|parent| parent.is_absolute());
        let parent = parent.ok_or_else(|| Error::PathInUse { path: path.to_owned() })?;
        let _lock = self.worktree_lock()?;
        self.make_room(parent)?;
        let path = canonical(path);
        let name = branch.unwrap_or_default();
        if let Some(tree) = self.tree_at(&path)? {
            if let Some(tree) = self.reuse(tree, name)? {
                return Ok((tree, None));
            }
        } else {
            clear_remains(&path)?;
        }
        let head = match branch {
            Some(branch) => self.claim_branch(branch, base)?,
            None => base.clone(),
        };
        if let Err(error) = self.git_worktree_add(&path, branch, base) {
            // Over one that was killed in the middle, this very one or another's, git fails for all.
            let mendable = matches!(error, Error::Failed { .. }) && self.clear_half_made()? > 0;
            if !mendable {
                return Err(error);
            }
            self.git_worktree_add(&path, branch, base)?;
        }
        let tree = self.tree_at(&path)?.ok_or_else(|| Error::WorktreeMissing { path: path.clone() })?;
        tree.mark(Stage::Preparing, name)?;
        Ok((tree, Some(head)))
    }

    fn git_worktree_add(&self, path: &Path, branch: Option<&str>, base: &CommitId) -> Result<()> {
        let mut call =
            self.main(["worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", LOCK_REASON]);
        if branch.is_none() {
            call = call.arg("--detach");
        }
        let answer = call.arg("--").arg(path).arg(branch.unwrap_or(base.as_str())).answer()?;
        match answer.code {
            Some(0) => Ok(()),
            // "already checked out at" (2.39), "already used by worktree at" (2.47)
            Some(128)
                if answer.stderr.contains("already checked out")
                    || answer.stderr.contains("already used by") =>
            {
                let by = answer.stderr.trim_start_matches("fatal: ").to_owned();
                Err(Error::BranchInUse { branch: branch.unwrap_or_default().to_owned(), by })
            }
            _ => Err(answer.failed()),
        }
    }

    /// A worktree that is registered already: taken up, or put away so that it can be made anew (none), or somebody
    /// else's.
    fn reuse(&self, tree: Tree, branch: &str) -> Result<Option<Tree>> {
        let in_use = || Error::PathInUse { path: tree.path().to_owned() };
        if !tree.ours() {
            return Err(in_use());
        }
        let marker = tree.marker().unwrap_or(Marker { stage: Stage::Preparing, branch: branch.to_owned() });
        if marker.branch != branch {
            return Err(in_use());
        }
        let there = tree.path().is_dir() && tree.pointer_intact();
        let (mut head, on) = self.head_of(&tree.place).unwrap_or((None, None));
        if there && head.is_none() && marker.stage == Stage::Ready {
            self.restore_branch(&tree, branch)?;
            head = self.branch_tip(branch)?;
        }
        let sound = there && head.is_some();
        match marker.stage {
            Stage::Ready if sound => return Ok(Some(tree)),
            // Nobody has worked in it; it is filled once more.
            Stage::Preparing if sound && on.unwrap_or_default() == branch => {
                tree.mark(Stage::Preparing, branch)?;
                return Ok(Some(tree));
            }
            Stage::Ready if tree.path().exists() => return Err(in_use()),
            // Its folder was taken away. What was staged, and commits on no branch, are known here alone.
            Stage::Ready => drop(self.salvage(&attempt_at(tree.path()), tree.path(), branch)?),
            _ => {}
        }
        clear_remains(tree.path())?;
        fs::remove_dir_all(&tree.git_dir).map_err(Error::io(&tree.git_dir))?;
        Ok(None)
    }

    /// Checks the files out and copies what is to be included, one process at a time for one worktree. `head`: where it
    /// was just made, its `HEAD`.
    pub(super) fn fill(
        &self,
        tree: &Tree,
        branch: &str,
        head: Option<CommitId>,
        include: &[String],
    ) -> Result<Worktree> {
        let lock = tree.git_dir.join("gadugi.lock");
        let _lock = FileLock::acquire(&lock).map_err(Error::io(&lock))?;
        let mut not_included = Vec::new();
        let fresh = tree.marker().is_none_or(|marker| marker.stage == Stage::Preparing);
        if fresh {
            let _turn = self.checkouts.enter();
            // With the lock held, a lock of git's own is a dead process's.
            for name in ["index.lock", "HEAD.lock", "ORIG_HEAD.lock"] {
                remove_if_there(&tree.git_dir.join(name))?;
            }
            let checked_out = self.git.call(&tree.place, ["reset", "--hard", "--quiet"]).done();
            if checked_out.is_err() && !branch.is_empty() && self.free_refs(&[&branch_ref(branch)]) {
                self.git.call(&tree.place, ["reset", "--hard", "--quiet"]).done()?;
            } else {
                checked_out?;
            }
            self.check_out_submodules(tree)?;
            not_included = self.copy_included(&tree.git_dir, tree.path(), include)?;
            tree.mark(Stage::Ready, branch)?;
        }
        let (commit, on) = match head {
            Some(head) if fresh => (Some(head), (!branch.is_empty()).then(|| branch.to_owned())),
            // Somebody may have worked in it.
            _ => self.head_of(&tree.place)?,
        };
        let commit = commit.ok_or_else(|| Error::WorktreeMissing { path: tree.path().to_owned() })?;
        Ok(Worktree { path: tree.path().to_owned(), branch: on, commit, not_included })
    }

    /// Makes a folder for worktrees, kept out of `git status` where it lies in the main worktree. Fails where files of
    /// the folder are tracked.
    pub fn make_room(&self, parent: &Path) -> Result<()> {
        let was_there = parent.is_dir();
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let parent = fs::canonicalize(parent).map_err(Error::io(parent))?;
        let Ok(inside) = parent.strip_prefix(self.root()) else { return Ok(()) };
        let ignore = parent.join(".gitignore");
        // What was found holds for that very folder, with or without a list of its own.
        let mark = || if ignore.exists() { ignore.clone() } else { parent.clone() };
        if was_there && self.known.fit_folder(&mark()) {
            return Ok(());
        }
        if !inside.as_os_str().is_empty() && self.ignores_all_below(inside)? {
            self.known.learn_fit_folder(mark());
            return Ok(());
        }
        let tracked =
            || self.main(["ls-files", "-z", "--"]).env("GIT_LITERAL_PATHSPECS", "1").arg(inside).bytes();
        if inside.as_os_str().is_empty() || !tracked()?.is_empty() {
            return Err(Error::WorktreeDirTracked { dir: parent });
        }
        gadugi_sys::files::create_ignored_dir(&parent).map_err(Error::io(&parent))?;
        self.known.learn_fit_folder(mark());
        Ok(())
    }

    /// Whether git ignores whatever lies in this folder of the main worktree.
    fn ignores_all_below(&self, folder: &Path) -> Result<bool> {
        let probe = folder.join("x");
        self.main(["check-ignore", "--quiet", "--no-index", "--"]).arg(probe).yes()
    }
}

/// Clears what a broken-off call left where a worktree is to be: an empty folder, or one that holds nothing but git's
/// pointer. Anything more belongs to somebody.
fn clear_remains(path: &Path) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Error::PathInUse { path: path.to_owned() });
        }
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    match names.as_slice() {
        [] => {}
        [only] if only == ".git" && path.join(".git").is_file() => remove_if_there(&path.join(".git"))?,
        _ => return Err(Error::PathInUse { path: path.to_owned() }),
    }
    fs::remove_dir(path).map_err(Error::io(path))
}
