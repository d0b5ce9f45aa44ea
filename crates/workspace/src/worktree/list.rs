//! Which worktrees there are, and mending what git knows of them.

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::{AttemptId, CommitId};

use super::{Stage, Tree, canonical, is_link};
use crate::door::Place;
use crate::repository::Repository;
use crate::{Result, Salvaged, Salvaging};

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
    /// The branch that gadugi made it for, whatever is checked out now; empty: for tests of composed work.
    pub made_for: Option<String>,
    /// Whether it is one of gadugi's that was never finished, or whose removal was broken off.
    pub unfinished: bool,
}

/// What repairing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// What git mended, in its own words.
    pub mended: Vec<String>,
    /// Gadugi's worktrees whose folder is gone: no longer registered.
    pub dropped: Vec<PathBuf>,
    /// What those alone had known of.
    pub salvaged: Vec<Salvaged>,
    /// Those that stay as they are, and why.
    pub failed: Vec<(PathBuf, String)>,
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
            made_for: tree.and_then(Tree::marker).map(|marker| marker.branch),
            unfinished: tree.is_some_and(|tree| {
                tree.ours() && tree.marker().is_none_or(|marker| marker.stage != Stage::Ready)
            }),
        })
    }

    /// Mends the links between the repository and its worktrees after one of them was moved, and forgets those of
    /// gadugi's worktrees whose folder is gone: what they alone knew of (staged files, commits on no branch) is
    /// salvaged first. `dir`: the folder of worktrees, which may have moved along with the repository. `attempt` says whose
    /// a worktree is; none: somebody works with it, and it stays as it is.
    pub fn repair(&self, dir: &Path, attempt: impl Fn(&Path) -> Option<AttemptId>) -> Result<Repair> {
        let trees = self.trees()?;
        let linked = trees.iter().filter(|tree| tree.ours()).map(Tree::path).filter(|path| is_link(path));
        let why = "a symlink stands in its place; no link is mended while it does";
        let failed: Vec<_> = linked.map(|path| (path.to_owned(), why.to_owned())).collect();
        // Git would follow it, and make a worktree of what it leads to.
        let mended = if failed.is_empty() { self.repair_links(dir)? } else { Vec::new() };
        let mut repair = Repair { mended, failed, ..Repair::default() };
        for tree in trees {
            let (Some(marker), Some(attempt)) = (tree.marker(), attempt(tree.path())) else { continue };
            if tree.path().exists() {
                continue;
            }
            match self.drop_gone(&tree, &marker.branch, &attempt) {
                Ok((dropped, salvaged)) => {
                    repair.dropped.extend(dropped.then(|| tree.path().to_owned()));
                    repair.salvaged.extend(salvaged);
                }
                Err(error) => repair.failed.push((tree.path().to_owned(), error.to_string())),
            }
        }
        Ok(repair)
    }

    fn drop_gone(&self, tree: &Tree, branch: &str, attempt: &AttemptId) -> Result<(bool, Option<Salvaged>)> {
        let salvaged = match self.salvage(attempt, tree.path(), branch)? {
            Salvaging::Kept(salvaged) => Some(salvaged),
            Salvaging::Nothing | Salvaging::Gone => None,
        };
        let _lock = self.worktree_lock()?;
        // Somebody may have made it anew meanwhile.
        let gone = !tree.path().exists();
        if gone {
            fs::remove_dir_all(&tree.git_dir).map_err(crate::Error::io(&tree.git_dir))?;
        }
        Ok((gone, salvaged))
    }

    fn repair_links(&self, dir: &Path) -> Result<Vec<String>> {
        let _lock = self.worktree_lock()?;
        let mut moved = Vec::new();
        let inside = |dir: &Path| {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
            entries.filter(|path| !is_link(path))
        };
        // `dir/<task>` and `dir/<run>/<task>`
        for folder in
            inside(dir).flat_map(|folder| inside(&folder).chain([folder.clone()]).collect::<Vec<_>>())
        {
            if folder.join(".git").is_file() && !self.is_sealed(&folder) {
                moved.push(canonical(&folder));
            }
        }
        let mut call = self.main(["worktree", "repair", "--"]);
        for folder in &moved {
            call = call.arg(folder);
        }
        let answer = call.answer()?;
        let said = format!("{}\n{}", String::from_utf8_lossy(&answer.stdout), answer.stderr);
        Ok(said.lines().filter(|line| line.starts_with("repair:")).map(str::to_owned).collect())
    }
}
