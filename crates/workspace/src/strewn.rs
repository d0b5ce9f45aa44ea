//! What lies about of gadugi's that nothing on record accounts for: branches, and folders that git knows no longer.

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

use crate::refs::{BranchRemoval, branch_ref, claim_ref};
use crate::repository::Repository;
use crate::worktree::canonical;
use crate::{Error, Result};

/// Gadugi's branches: those of its worktrees, and those that it merges onto.
const CLAIMS: &str = "refs/gadugi/branches/";
const INTEGRATION: &str = "refs/heads/gadugi/";

/// The name of the folder in which composed work of containers is tested, in a run's. No task is called so.
pub const COMPOSED: &str = ".composed-sealed";

/// A branch that gadugi made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBranch {
    /// Its name.
    pub branch: String,
    /// Its tip; none: it is gone, and only gadugi's note of it is left.
    pub tip: Option<CommitId>,
    /// Whether a worktree has it checked out.
    pub checked_out: bool,
}

impl Repository {
    /// All branches that gadugi made, by name. Reads only.
    pub fn own_branches(&self) -> Result<Vec<OwnBranch>> {
        let listing = self.main(["for-each-ref", "--format=%(refname)", CLAIMS, INTEGRATION]).text()?;
        let name = |line: &str| {
            let own = line.strip_prefix(CLAIMS).or_else(|| line.strip_prefix("refs/heads/"))?;
            Some(own.to_owned())
        };
        let mut names: Vec<String> = listing.lines().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|branch| {
                let tip = self.branch_tip(&branch)?;
                let checked_out = tip.is_some() && !self.places_on(&branch)?.is_empty();
                Ok(OwnBranch { branch, tip, checked_out })
            })
            .collect()
    }

    /// Deletes a branch of gadugi's whose commits another branch, a remote one or a tag holds. Any other stays, and so does one
    /// that is checked out.
    pub fn delete_branch_if_held(&self, branch: &str) -> Result<BranchRemoval> {
        Self::check_branch_name(branch)?;
        let kept = |reason: &str| Ok(BranchRemoval::Kept { reason: reason.to_owned() });
        let _lock = self.worktree_lock()?;
        let (name, claim) = (branch_ref(branch), claim_ref(branch));
        if !name.starts_with(INTEGRATION) && self.ref_tip(&claim)?.is_none() {
            return kept("gadugi did not make it");
        }
        if let Some(tip) = self.branch_tip(branch)? {
            let list = ["for-each-ref", "--format=%(refname)", &format!("--contains={tip}")];
            let holders = self.main(list).arg("refs/heads").arg("refs/remotes").arg("refs/tags").text()?;
            if !holders.lines().any(|holder| holder != name) {
                return kept("it holds commits that no other branch holds");
            }
            if !self.places_on(branch)?.is_empty() {
                return kept("it is checked out");
            }
            if self.main(["update-ref", "-d", &name, tip.as_str()]).answer()?.code != Some(0) {
                return kept("it was moved meanwhile");
            }
        }
        self.main(["update-ref", "-d", &claim]).done()?;
        Ok(BranchRemoval::Deleted)
    }

    /// Whether a branch is there and holds commits that `into` lacks. Where that cannot be told, it does.
    pub fn is_unmerged(&self, branch: &str, into: &CommitId) -> bool {
        match self.branch_tip(branch) {
            Ok(None) => false,
            Ok(Some(tip)) => !self.is_merged(&tip, into).unwrap_or(false),
            Err(_) => true,
        }
    }

    /// Whether a folder is what is left of a sealed workspace, or may be: an agent owns the repository in it, and no git of
    /// this machine is to look there. Such are those on record, those that hold a repository of their own, and all that lies
    /// beside one of them; git's own worktrees never are.
    pub fn is_sealed(&self, path: &Path) -> bool {
        let path = &canonical(path);
        let Some((run, name)) = path.parent().and_then(|run| Some((run, run.file_name()?))) else {
            return false;
        };
        let trees = self.trees().unwrap_or_default();
        let known = |path: &Path| trees.iter().any(|tree| tree.path() == path);
        let private = |path: &Path| path.join(".git").is_dir() && !known(path);
        if known(path) {
            return false;
        }
        let mut beside = fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
        self.sealed_workspaces().iter().any(|sealed| sealed.path.parent() == Some(run))
            || self.state_dir().join("runs").join(name).join("store.git").exists()
            || beside.any(|other| is_composed(&other) || private(&other))
    }

    /// Folders below `dir/<run>/` that hold something and that git does not know as worktrees; `run` says which names are
    /// runs'. Empty ones of runs are left out. Reads only.
    pub fn unknown_folders(&self, dir: &Path, run: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
        let mut known: Vec<PathBuf> = self.trees()?.iter().map(|tree| tree.path().to_owned()).collect();
        known.extend(self.sealed_workspaces().into_iter().map(|sealed| sealed.path));
        let mut found = Vec::new();
        for folder in folders(dir)? {
            if !folder.file_name().is_some_and(|name| run(&name.to_string_lossy())) {
                continue;
            }
            for inner in folders(&folder)? {
                if !known.contains(&canonical(&inner)) {
                    found.push(inner);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Whether composed work of containers was tested in a folder ([`Repository::add_composed`]).
pub fn is_composed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == COMPOSED)
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(source) => return Err(Error::Io { path: dir.to_owned(), source }),
    };
    let paths = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(paths.map(|entry| entry.path()).collect())
}
