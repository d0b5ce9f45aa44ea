//! Making a sealed workspace, before any agent has touched it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gadugi_core::CommitId;

use super::bare;
use super::disk::{give, remove_tree};
use super::marker::{Marker, Record, Stage};
use super::{Sealed, SealedRequest};
use crate::door::{Git, Place, fields, lossy};
use crate::objects::GITLINK;
use crate::refs::branch_ref;
use crate::repository::{Repository, is_object_id, worktree_place};
use crate::worktree::canonical;
use crate::{Error, Result};

impl Repository {
    /// Makes a sealed workspace on a branch of its own, or gives the one that is there from an earlier call: where that was
    /// broken off it is made anew, else it is as whoever worked in it left it, and not looked at.
    ///
    /// The branch is made in this repository as [`Self::add_worktree`] does it. Fails with [`Error::BranchInUse`] or
    /// [`Error::PathInUse`] where branch or path belong to somebody else, with [`Error::WorktreeDirTracked`], and by name
    /// where submodules or Git LFS cannot work.
    pub fn add_sealed(&self, request: &SealedRequest) -> Result<Sealed> {
        Self::check_branch_name(&request.branch)?;
        if !self.known.lfs_checked(&request.base) && self.uses_lfs(&request.base)? {
            return Err(Error::LfsSealed);
        }
        let in_use = || Error::PathInUse { path: request.path.clone() };
        let parent = request.path.parent().filter(|parent| parent.is_absolute()).ok_or_else(in_use)?;
        self.make_room(parent)?;
        let name = request.path.file_name().ok_or_else(in_use)?;
        let path = canonical(parent).join(name);
        let record = self.record_of(&path);
        let _lock = record.lock()?;
        let known = record.marker();
        match &known {
            Some(marker) if marker.branch != request.branch && marker.stage != Stage::Preparing => {
                return Err(in_use());
            }
            Some(Marker { stage: Stage::Ready | Stage::Taken, .. })
                if fs::symlink_metadata(&path).is_ok() =>
            {
                let tip = self.branch_tip(&request.branch)?;
                let commit = tip.ok_or_else(|| Error::WorktreeGone {
                    path: path.clone(),
                    branch: request.branch.clone(),
                })?;
                return Ok(Sealed { path, branch: request.branch.clone(), commit, not_included: Vec::new() });
            }
            // Its folder was taken away, or nobody has worked in it yet: it is made anew.
            Some(_) => remove_tree(&path).map_err(Error::io(&path))?,
            None => clear_empty(&path)?,
        }
        let commit = self.begin_branch(request)?;
        self.seal_store(&request.store, &[request.base.clone(), commit.clone()])?;
        let last = known.and_then(|marker| marker.last);
        let mut marker =
            Marker { stage: Stage::Preparing, branch: request.branch.clone(), path: path.clone(), last };
        record.mark(&marker)?;
        let not_included = self.fill_sealed(request, &path, &commit, &record)?;
        marker.stage = Stage::Ready;
        record.mark(&marker)?;
        Ok(Sealed { path, branch: request.branch.clone(), commit, not_included })
    }

    /// Makes a workspace of `base` without a branch, for a test of composed work, in place of whatever an earlier test left
    /// there: that held what agents wrote, and nobody on this side looks into it. Nothing is ever taken from it.
    pub fn add_composed(&self, request: &SealedRequest) -> Result<()> {
        let request = SealedRequest { branch: String::new(), ..request.clone() };
        let parent = request.path.parent().filter(|parent| parent.is_absolute());
        self.make_room(parent.ok_or_else(|| Error::PathInUse { path: request.path.clone() })?)?;
        let record = self.record_of(&request.path);
        let _lock = record.lock()?;
        remove_tree(&request.path).map_err(Error::io(&request.path))?;
        self.seal_store(&request.store, std::slice::from_ref(&request.base))?;
        self.fill_sealed(&request, &request.path, &request.base, &record).map(drop)
    }

    /// Removes such a workspace.
    pub fn remove_composed(&self, path: &Path) -> Result<()> {
        let record = self.record_of(path);
        remove_tree(path).map_err(Error::io(path))?;
        match record.remove() {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn begin_branch(&self, request: &SealedRequest) -> Result<CommitId> {
        let _lock = self.worktree_lock()?;
        let commit = self.claim_branch(&request.branch, &request.base)?;
        if let Some(place) = self.places_on(&request.branch)?.first() {
            let by = format!("it is checked out at {}", place.cwd.display());
            return Err(Error::BranchInUse { branch: request.branch.clone(), by });
        }
        Ok(commit)
    }

    fn fill_sealed(
        &self,
        request: &SealedRequest,
        path: &Path,
        commit: &CommitId,
        record: &Record,
    ) -> Result<Vec<String>> {
        let git = self.git.alone();
        let git_dir = path.join(".git");
        let config = self.sealed_config(commit)?;
        let at = format!("{commit}\n");
        if request.branch.is_empty() {
            bare::make(&git_dir, &config, &at)?;
        } else {
            bare::make(&git_dir, &config, &format!("ref: {}\n", branch_ref(&request.branch)))?;
            let branch = git_dir.join(branch_ref(&request.branch));
            fs::create_dir_all(branch.parent().unwrap_or(&git_dir)).map_err(Error::io(&branch))?;
            bare::write(&branch, at.as_bytes())?;
        }
        bare::copy_shallow(&request.store, &git_dir)?;
        bare::copy_if_there(&request.store.join("info/exclude"), &git_dir.join("info/exclude"))?;
        let place = worktree_place(path, &git_dir);
        let objects = request.store.join("objects");
        let reset = |git: &Git| {
            git.call(&place, ["reset", "--hard", "--quiet"]).env("GIT_OBJECT_DIRECTORY", &objects).done()
        };
        {
            let _turn = self.checkouts.enter();
            reset(&git)?;
        }
        self.fill_submodules(&git, &place, path, &objects)?;
        bare::borrow_from(&git_dir, &request.store_inside.join("objects"))?;
        let not_included = self.copy_included(&record.folder, path, &request.include)?;
        if let Some(owner) = request.owner {
            give(path, owner)?;
            // What the index remembers of each file is no longer so: without this, the agent's first look would read
            // them all.
            let refresh = git.call(&place, ["update-index", "-q", "--refresh"]);
            refresh.env("GIT_OBJECT_DIRECTORY", &objects).answer()?;
            give(&git_dir, owner)?;
        }
        Ok(not_included)
    }

    /// The configuration that the agent finds: the user's name and nothing else of his.
    fn sealed_config(&self, commit: &CommitId) -> Result<String> {
        let (name, email, _) = self.identity(None)?.of_author();
        let value = |text: &str| {
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let mut config = bare::format_of(commit, false);
        config.push_str(&format!("[user]\n\tname = {}\n\temail = {}\n", value(&name), value(&email)));
        config.push_str("[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
        Ok(config)
    }

    /// Checks out the submodules that the main worktree has, each as a private repository with the history of its one
    /// commit. Those that it has not stay empty here too.
    fn fill_submodules(&self, git: &Git, place: &Place, path: &Path, objects: &Path) -> Result<()> {
        if !path.join(".gitmodules").is_file() {
            return Ok(());
        }
        let list =
            git.call(place, ["ls-files", "--stage", "-z"]).env("GIT_OBJECT_DIRECTORY", objects).bytes()?;
        for field in fields(&list).filter(|field| field.starts_with(GITLINK.as_bytes())) {
            let Some(tab) = field.iter().position(|byte| *byte == b'\t') else { continue };
            let name = OsStr::from_bytes(&field[tab + 1..]);
            let id = lossy(&field[..tab]).split(' ').nth(1).unwrap_or_default().to_owned();
            let from = self.root().join(name);
            if from.join(".git").exists() && is_object_id(&id) {
                let failed = |detail: String| Error::Submodule { submodule: lossy(name.as_bytes()), detail };
                self.fill_submodule(git, &from, &path.join(name), &CommitId::new(id)).map_err(|error| {
                    match error {
                        Error::Failed { stderr, .. } => failed(stderr),
                        other => failed(other.to_string()),
                    }
                })?;
            }
        }
        Ok(())
    }

    fn fill_submodule(&self, git: &Git, from: &Path, to: &Path, commit: &CommitId) -> Result<()> {
        let source = Place { cwd: from.to_owned(), git_dir: None, work_tree: None };
        let git_dir = to.join(".git");
        let config = self.sealed_config(commit)?;
        bare::make(&git_dir, &config, &format!("{commit}\n"))?;
        self.copy_history(&source, &bare::place(&git_dir), &[commit], &BTreeSet::new())?;
        git.call(&worktree_place(to, &git_dir), ["reset", "--hard", "--quiet"]).done()
    }
}

/// An empty folder may lie where a workspace is to be; anything more belongs to somebody.
fn clear_empty(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(Error::PathInUse { path: path.to_owned() }),
        Ok(()) => Ok(()),
    }
}
