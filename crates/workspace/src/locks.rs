//! Locks of git's own that lie about: files by which one git keeps others from writing. Git never removes one that a
//! killed git left; it refuses to work until somebody does.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadugi_core::Millis;

use crate::Result;
use crate::repository::Repository;
use crate::stale::identity;
use crate::worktree::Tree;

/// No git holds a lock for so long without being seen at it.
const YOUNG: Duration = Duration::from_secs(60);
/// Folders below `refs` are looked through so deep.
const DEPTH: usize = 32;

/// A lock that lies in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockInfo {
    /// Where.
    pub path: PathBuf,
    /// The linked worktree that it locks; none: it locks what is shared, or the main worktree.
    pub worktree: Option<PathBuf>,
    /// For how long it has not been written to.
    pub age: Millis,
    /// Whether it is nobody's: it is older than a minute, and no git works here.
    pub stale: bool,
}

impl Repository {
    /// All locks of git's on what worktrees share, on the main worktree and on the linked ones. Reads only.
    pub fn locks(&self) -> Vec<LockInfo> {
        let mut found = Vec::new();
        locks_in(self.common_dir(), &mut found);
        locks_below(&self.common_dir().join("refs"), DEPTH, &mut found);
        for entry in entries(&self.common_dir().join("worktrees")) {
            locks_in(&entry, &mut found);
        }
        found.sort();
        if found.is_empty() {
            return Vec::new();
        }
        let trees = self.trees().unwrap_or_default();
        let busy = self.git_works_here(&trees, &found);
        let now = gadugi_sys::clock::now();
        let describe = |path: PathBuf| {
            let modified = fs::metadata(&path).ok()?.modified().ok()?;
            let modified = modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
            let age = now.0.saturating_sub(i64::try_from(modified).ok()?).max(0);
            let age = Millis(age.unsigned_abs());
            let of = |tree: &&Tree| path.starts_with(&tree.git_dir);
            let worktree = trees.iter().find(of).map(|tree| tree.path().to_owned());
            Some(LockInfo { path, worktree, age, stale: !busy && u128::from(age.0) >= YOUNG.as_millis() })
        };
        found.into_iter().filter_map(describe).collect()
    }

    /// Removes a lock that is nobody's. `false`: it is somebody's, or gone.
    pub fn remove_stale_lock(&self, path: &Path) -> Result<bool> {
        let before = identity(path);
        let stale = self.locks().iter().any(|lock| lock.path == path && lock.stale);
        // One that was made anew meanwhile has another identity.
        let same = before.is_some() && identity(path) == before;
        Ok(stale && same && fs::remove_file(path).is_ok())
    }

    /// Whether a git process works in one of the worktrees, or has one of the locks open.
    fn git_works_here(&self, trees: &[Tree], locks: &[PathBuf]) -> bool {
        let tops: Vec<&Path> =
            trees.iter().map(|tree| tree.path()).chain([self.root(), self.common_dir()]).collect();
        entries(Path::new("/proc")).into_iter().any(|process| {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            let here = |link: &Path| fs::read_link(link).unwrap_or_default();
            let cwd = here(&process.join("cwd"));
            let git = name.starts_with("git") && tops.iter().any(|top| cwd.starts_with(top));
            git || entries(&process.join("fd")).iter().any(|fd| locks.contains(&here(fd)))
        })
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn is_lock(path: &Path) -> bool {
    // Gadugi's own are flocks: the kernel lets go of them.
    let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gadugi"));
    path.extension().is_some_and(|end| end == "lock") && !own && path.is_file()
}

fn locks_in(folder: &Path, found: &mut Vec<PathBuf>) {
    found.extend(entries(folder).into_iter().filter(|path| is_lock(path)));
}

fn locks_below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    locks_in(folder, found);
    if depth > 0 {
        for deeper in entries(folder).iter().filter(|path| path.is_dir() && !path.is_symlink()) {
            locks_below(deeper, depth - 1, found);
        }
    }
}
