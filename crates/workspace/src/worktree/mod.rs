//! Gadugi's worktrees: each is registered with git under a lock, filled outside it, and marked as ready only then.
//!
//! A file `gadugi` in the worktree's folder of administration (`.git/worktrees/<id>/`, which no agent needs to write
//! to) says that the worktree is gadugi's, for which branch, and how far it has come. A crash at any point leaves a
//! marker that says what to do about it: before `ready` nobody has worked in it, and it is made anew or filled again;
//! at `removing` it was found to hold nothing, and its removal goes on.

mod add;
mod detached;
mod half_made;
mod include;
mod list;
mod outside;
mod remove;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use gadugi_core::CommitId;

use crate::door::Place;
use crate::repository::{Repository, worktree_place};
use crate::{Error, Result};

pub use list::{Repair, WorktreeInfo};
pub use remove::{KeptReason, Removal};

/// What git says of a worktree that `prune` must not take.
const LOCK_REASON: &str = "gadugi: its task needs it";

/// Which worktree is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeRequest {
    /// Where: an absolute path. The folder that holds it gets a `.gitignore` of `*` where it lies inside the main
    /// worktree.
    pub path: PathBuf,
    /// The branch, made at `base` unless it is there from an earlier try.
    pub branch: String,
    /// Where the branch begins.
    pub base: CommitId,
    /// Patterns, as in a `.gitignore`, of ignored files to copy from the main worktree, beside those of its
    /// `.worktreeinclude`.
    pub include: Vec<String>,
}

/// A worktree that is ready to be worked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Where it is, without symlinks.
    pub path: PathBuf,
    /// Its branch; none: detached.
    pub branch: Option<String>,
    /// Where its `HEAD` is.
    pub commit: CommitId,
    /// Files that the patterns name but that git does not ignore: not copied, since they would be committed with the
    /// task's work. Always empty where the worktree was there already.
    pub not_included: Vec<String>,
}

/// How far one of gadugi's worktrees has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Registered; its files are not all there.
    Preparing,
    /// Somebody may have worked in it.
    Ready,
    /// It held nothing and is being removed.
    Removing,
}

/// One linked worktree and its folder of administration.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// `<common>/worktrees/<id>`.
    pub(crate) git_dir: PathBuf,
    top: PathBuf,
    /// For calls: names the git directory, so that the worktree's own `.git` file is not followed. Where the worktree's
    /// folder is gone, calls that need no files still work.
    pub(crate) place: Place,
}

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marker {
    stage: Stage,
    /// Empty: detached.
    branch: String,
}

impl Tree {
    pub(crate) fn path(&self) -> &Path {
        &self.top
    }

    fn marker_path(&self) -> PathBuf {
        self.git_dir.join("gadugi")
    }

    /// None: not gadugi's, or git made it for gadugi and the marker did not come to be written.
    fn marker(&self) -> Option<Marker> {
        let text = fs::read_to_string(self.marker_path()).ok()?;
        let mut lines = text.lines();
        let stage = match lines.next()? {
            "preparing" => Stage::Preparing,
            "ready" => Stage::Ready,
            "removing" => Stage::Removing,
            _ => return None,
        };
        Some(Marker { stage, branch: lines.next().unwrap_or_default().to_owned() })
    }

    fn mark(&self, stage: Stage, branch: &str) -> Result<()> {
        let word = match stage {
            Stage::Preparing => "preparing",
            Stage::Ready => "ready",
            Stage::Removing => "removing",
        };
        let path = self.marker_path();
        gadugi_sys::files::write_atomic(&path, format!("{word}\n{branch}\n").as_bytes())
            .map_err(Error::io(&path))
    }

    /// What `git worktree lock` was told.
    fn lock_reason(&self) -> Option<String> {
        fs::read_to_string(self.git_dir.join("locked")).ok().map(|text| text.trim().to_owned())
    }

    /// Whether gadugi made it. Between git's registering it and the marker, the lock's reason tells.
    pub(crate) fn ours(&self) -> bool {
        self.marker().is_some() || self.lock_reason().as_deref() == Some(LOCK_REASON)
    }

    /// Whether the worktree's `.git` is still the file that git wrote.
    fn pointer_intact(&self) -> bool {
        let Ok(bytes) = fs::read(self.path().join(".git")) else { return false };
        let Some(target) = bytes.strip_prefix(b"gitdir: ") else { return false };
        let target = path_of(target.strip_suffix(b"\n").unwrap_or(target));
        same_place(&self.path().join(target), &self.git_dir)
    }
}

/// Whether git takes the name of a worktree for its folder of administration as it is, but for a number behind it.
fn is_plain(name: &OsStr) -> bool {
    name.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn begins_with(git_dir: &Path, name: &OsStr) -> bool {
    git_dir.file_name().is_some_and(|found| found.as_bytes().starts_with(name.as_bytes()))
}

/// Where the `.git` of the worktree is whose folder of administration this is.
fn pointer_of(git_dir: &Path) -> Option<PathBuf> {
    let pointer = fs::read(git_dir.join("gitdir")).ok()?;
    Some(git_dir.join(path_of(pointer.strip_suffix(b"\n").unwrap_or(&pointer))))
}

/// The worktree whose folder of administration this is. None without the file that says where it is: then it is another
/// process's half-made or half-removed one.
fn tree_of(git_dir: PathBuf) -> Option<Tree> {
    let pointer = pointer_of(&git_dir)?;
    let top = place_of(pointer.parent().unwrap_or(&pointer));
    let place = if top.is_dir() && !is_link(&top) {
        worktree_place(&top, &git_dir)
    } else {
        Place { cwd: git_dir.clone(), git_dir: Some(git_dir.clone()), work_tree: None }
    };
    Some(Tree { git_dir, top, place })
}

impl Repository {
    /// The linked worktree that is registered for this path.
    pub(crate) fn tree_at(&self, path: &Path) -> Result<Option<Tree>> {
        let wanted = place_of(path);
        let is_it = |tree: &Tree| tree.path() == wanted;
        let Some(name) = wanted.file_name() else { return Ok(None) };
        // Git names the folder of administration as the worktree: where there are thousands, that is one look. One to
        // whose name git had to add a number, or that was moved, is found among all.
        if let Some(tree) = tree_of(self.common_dir().join("worktrees").join(name)).filter(is_it) {
            return Ok(Some(tree));
        }
        let named_so = !wanted.exists() && is_plain(name);
        for git_dir in self.registered()? {
            let git_dir = git_dir?;
            // One that was moved here is here; else it begins with that name, and no other has to be opened.
            if named_so && !begins_with(&git_dir, name) {
                continue;
            }
            // Git writes paths without symlinks: of another name is another worktree, and is looked at no further.
            if pointer_of(&git_dir).and_then(|pointer| Some(pointer.parent()?.file_name()? == name))
                != Some(true)
            {
                continue;
            }
            if let Some(tree) = tree_of(git_dir).filter(is_it) {
                return Ok(Some(tree));
            }
        }
        Ok(None)
    }

    /// All linked worktrees, also those that are not there at the moment.
    pub(crate) fn trees(&self) -> Result<Vec<Tree>> {
        self.registered()?.filter_map(|git_dir| git_dir.map(tree_of).transpose()).collect()
    }

    /// The folders of administration of all of them, one by one: there may be thousands, and whoever looks for one keeps only
    /// that.
    fn registered(&self) -> Result<impl Iterator<Item = Result<PathBuf>>> {
        let folder = self.common_dir().join("worktrees");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::Io { path: folder, source: error }),
        };
        let path = move |entry: io::Result<fs::DirEntry>| Ok(entry.map_err(Error::io(&folder))?.path());
        Ok(entries.into_iter().flatten().map(path))
    }

    /// One of gadugi's own worktrees, there and intact.
    pub(crate) fn own_tree(&self, path: &Path) -> Result<Tree> {
        let missing = || Error::WorktreeMissing { path: path.to_owned() };
        let tree = self.tree_at(path)?.filter(Tree::ours).ok_or_else(missing)?;
        if !tree.path().is_dir() || is_link(tree.path()) {
            let branch = tree.marker().map(|marker| marker.branch).unwrap_or_default();
            return Err(Error::WorktreeGone { path: path.to_owned(), branch });
        }
        if tree.pointer_intact() { Ok(tree) } else { Err(Error::PointerChanged { path: path.to_owned() }) }
    }

    /// The worktrees, the main one included, that have this branch checked out and are there.
    pub(crate) fn places_on(&self, branch: &str) -> Result<Vec<Place>> {
        let wanted = format!("ref: {}", crate::refs::branch_ref(branch));
        let linked = self.trees()?.into_iter().filter(|tree| tree.top.is_dir()).map(|tree| tree.place);
        Ok(std::iter::once(self.main.clone())
            .chain(linked)
            .filter(|place| {
                let head = place.git_dir.as_ref().and_then(|dir| fs::read_to_string(dir.join("HEAD")).ok());
                head.is_some_and(|head| head.trim_end() == wanted)
            })
            .collect())
    }
}

/// Lets so many checkouts run at once: beyond the page cache four in parallel are slower than one after another, and
/// each has workers of its own.
#[derive(Debug)]
pub(crate) struct Turnstile {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turnstile {
    pub(crate) fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { free: Mutex::new((cores / 2).clamp(2, 4)), freed: Condvar::new() }
    }

    /// Waits for a turn; dropped, it is the next one's.
    pub(crate) fn enter(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn { turnstile: self }
    }
}

pub(crate) struct Turn<'a> {
    turnstile: &'a Turnstile,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.turnstile.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.turnstile.freed.notify_one();
    }
}

/// The path without symlinks and dots, as far as it exists.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The same, but what stands at the very end is not followed: an agent may have put a symlink in place of its worktree, and
/// what that leads to is somebody else's.
fn place_of(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => path.to_owned(),
    }
}

pub(crate) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink())
}

fn same_place(one: &Path, other: &Path) -> bool {
    canonical(one) == canonical(other)
}

pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}
