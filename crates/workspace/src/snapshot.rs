//! The state of a worktree as a tree object, made in an index of gadugi's own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::door::lossy;
use crate::repository::Repository;
use crate::status::Entry;
use crate::worktree::Tree;
use crate::{Error, Result};

/// A worktree's whole state, ignored files left out.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The tree.
    pub(crate) tree: String,
    /// The index that it was made in; removed with this value.
    index: PathBuf,
}

impl Snapshot {
    /// Makes this the worktree's own index, so that its `git status` agrees. The attempt's processes are over (whoever
    /// calls this has seen that), so a lock that lies there is a dead process's.
    pub(crate) fn install(&self, tree: &Tree) -> Result<()> {
        let (own, lock) = (tree.git_dir.join("index"), tree.git_dir.join("index.lock"));
        remove_if_there(&lock)?;
        fs::rename(&self.index, &own).map_err(Error::io(&own))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.index);
    }
}

impl Repository {
    /// Writes everything in the worktree into the object store: changed, new and deleted files, whatever its index says
    /// of them; ignored files not. Neither worktree nor index is touched. Fails with [`Error::NestedRepositories`]
    /// where that would leave something out.
    pub(crate) fn snapshot(&self, tree: &Tree, status: &[Entry]) -> Result<Snapshot> {
        let nested: Vec<_> =
            status.iter().filter(|entry| entry.nested_repository()).map(|entry| lossy(&entry.path)).collect();
        if !nested.is_empty() {
            return Err(Error::NestedRepositories { path: tree.path().to_owned(), nested });
        }
        let mut snapshot = Snapshot {
            tree: String::new(),
            index: tree.git_dir.join(format!("gadugi-index.{}", std::process::id())),
        };
        // What a crash left of an earlier try.
        let mut lock = snapshot.index.clone().into_os_string();
        lock.push(".lock");
        remove_if_there(&PathBuf::from(lock))?;
        let on_it = |args: &[&str]| self.git.call(&tree.place, args).env("GIT_INDEX_FILE", &snapshot.index);
        let write = || {
            on_it(&["add", "--all", "--sparse", "."]).done()?;
            on_it(&["write-tree"]).text()
        };
        self.copy_index(tree, &snapshot)?;
        let written = match write() {
            // It may name objects that a `git gc --prune=now` took before anything held them: every file anew.
            Err(Error::Failed { code: Some(_), .. }) => {
                remove_if_there(&snapshot.index)?;
                on_it(&["read-tree", "HEAD"]).done()?;
                write()
            }
            written => written,
        };
        snapshot.tree = written?;
        Ok(snapshot)
    }

    /// An index that cannot be read (the machine lost power, a disk broke) is put aside, and made anew from `HEAD`: all
    /// that differs then counts as not staged.
    pub(crate) fn mend_index(&self, tree: &Tree) -> Result<()> {
        let own = tree.git_dir.join("index");
        let reads = || self.git.call(&tree.place, ["ls-files", "--error-unmatch", "--", "."]).answer();
        if !own.exists() || reads()?.code != Some(128) {
            return Ok(());
        }
        remove_if_there(&tree.git_dir.join("index.lock"))?;
        fs::rename(&own, tree.git_dir.join("gadugi-broken-index")).map_err(Error::io(&own))?;
        self.git.call(&tree.place, ["read-tree", "HEAD"]).done()
    }

    fn copy_index(&self, tree: &Tree, snapshot: &Snapshot) -> Result<()> {
        if copy_index(&tree.git_dir.join("index"), &snapshot.index)? {
            return Ok(());
        }
        let call = self.git.call(&tree.place, ["read-tree", "HEAD"]);
        call.env("GIT_INDEX_FILE", &snapshot.index).done()
    }
}

/// Copies an index file. `false`: there is none.
pub(crate) fn copy_index(own: &Path, to: &Path) -> Result<bool> {
    match fs::copy(own, to) {
        Ok(_) => {
            // Git distrusts entries as young as the index file: a copy that looks younger than the original would
            // hide a change made in the same tick of the clock.
            let when = fs::metadata(own).and_then(|meta| meta.modified()).map_err(Error::io(own))?;
            let copy = File::options().write(true).open(to);
            copy.and_then(|file| file.set_modified(when)).map_err(Error::io(to))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::Io { path: own.to_owned(), source: error }),
    }
}

pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
