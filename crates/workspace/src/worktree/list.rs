//! Which worktrees there are, and mending what git knows of them.

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

use super::{Stage, Tree, canonical};
use crate::Result;
use crate::door::Place;
use crate::repository::Repository;

/// One worktree of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is the main one.
    pub main: bool,
    /// Its `HEAD`; none: on a branch without commits, or unreadable.
    pub commit: Option<CommitId>,
    /// Its branch; none: detached.
    pub branch: Option<String>,
    /// Whether `git worktree prune` leaves it alone.
    pub locked: bool,
    /// Whether its folder is gone or is no longer a worktree of this repository.
    pub missing: bool,
    /// How many paths are uncommitted; none: it could not be looked at.
    pub uncommitted: Option<usize>,
    /// Whether gadugi made it.
    pub ours: bool,
    /// Whether it is one of gadugi's that was never finished, or whose removal was broken off.
    pub unfinished: bool,
}

/// What repairing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// What git mended, in its own words.
    pub mended: Vec<String>,
    /// Gadugi's worktrees whose folder is gone and that held nothing: no longer registered.
    pub dropped: Vec<PathBuf>,
}

impl Repository {
    /// All worktrees: the main one first, the others by path. Reads only.
    pub fn worktrees(&self) -> Result<Vec<WorktreeInfo>> {
        let mut trees = self.trees()?;
        trees.sort_by(|one, other| one.path().cmp(other.path()));
        let mut all = vec![self.describe(&self.main, None)?];
        for tree in &trees {
            all.push(self.describe(&tree.place, Some(tree))?);
        }
        Ok(all)
    }

    fn describe(&self, place: &Place, tree: Option<&Tree>) -> Result<WorktreeInfo> {
        let missing = tree.is_some_and(|tree| !tree.path().is_dir() || !tree.pointer_intact());
        let state = if missing { None } else { self.state_of(place).ok() };
        let uncommitted = state.as_ref().map(|state| state.entries.len());
        let (commit, branch) = match state {
            Some(state) => (state.head, state.branch),
            None => self.head_of(place).unwrap_or((None, None)),
        };
        Ok(WorktreeInfo {
            path: tree.map_or(self.root(), Tree::path).to_owned(),
            main: tree.is_none(),
            commit,
            branch,
            locked: tree.is_some_and(|tree| tree.lock_reason().is_some()),
            missing,
            uncommitted,
            ours: tree.is_some_and(Tree::ours),
            unfinished: tree.is_some_and(|tree| {
                tree.ours() && tree.marker().is_none_or(|marker| marker.stage != Stage::Ready)
            }),
        })
    }

    /// Mends the links between the repository and its worktrees after one of them was moved, and forgets those of
    /// gadugi's worktrees whose folder is gone and whose commits are all on their branch. `dir`: the folder of worktrees, which
    /// may have moved along with the repository.
    pub fn repair(&self, dir: &Path) -> Result<Repair> {
        let _lock = self.worktree_lock()?;
        let mut repair = Repair::default();
        let mut moved = Vec::new();
        if let Ok(entries) = fs::read_dir(dir) {
            let folders = entries.filter_map(|entry| Some(canonical(&entry.ok()?.path())));
            moved.extend(folders.filter(|folder| folder.join(".git").is_file()));
        }
        let mut call = self.main(["worktree", "repair", "--"]);
        for folder in &moved {
            call = call.arg(folder);
        }
        let answer = call.answer()?;
        let said = format!("{}\n{}", String::from_utf8_lossy(&answer.stdout), answer.stderr);
        repair.mended = said.lines().filter(|line| line.starts_with("repair:")).map(str::to_owned).collect();
        for tree in self.trees()? {
            let Some(marker) = tree.marker() else { continue };
            let (head, _) = self.head_of(&tree.place).unwrap_or((None, None));
            let tip = if marker.branch.is_empty() { head.clone() } else { self.branch_tip(&marker.branch)? };
            let held = match (&head, &tip) {
                (Some(head), Some(tip)) => self.is_ancestor(head, tip)?,
                (head, _) => head.is_none(),
            };
            if !tree.path().exists() && held {
                fs::remove_dir_all(&tree.git_dir).map_err(crate::Error::io(&tree.git_dir))?;
                repair.dropped.push(tree.path().to_owned());
            }
        }
        Ok(repair)
    }
}
