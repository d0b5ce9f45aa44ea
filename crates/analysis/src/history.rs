//! The past of the base: which commits changed which files, and what they were said to be about.
//!
//! Nobody here asks git. The caller names the commits before the base, newest first, asks the [`HistoryCache`] which of
//! them it does not know, has those read ([`HistoryCache::learn`]), and gets a [`History`]: the same commits with their
//! files under the names that those have at the base, so that a file's past goes on before it was renamed. What git
//! tells of a commit never changes; the cache is kept from one plan to the next, and a plan of tomorrow has only the
//! commits of a day to read.

mod cache;

use std::collections::HashMap;
use std::sync::Arc;

use gadugi_core::{CommitId, Outcome, PastTask};

pub use cache::HistoryCache;

/// So many commits are looked back: some years of most projects. Beyond, what is learnt of files grows little, and what
/// a plan costs grows with it.
pub const MOST_COMMITS: usize = 4_000;

/// What changes more files went through the whole repository.
const MOST_FILES: usize = 50;

/// A file of the history, by its place in the history's table of paths. Means nothing in another history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u32);

impl PathId {
    /// For tables with an entry for each path.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One commit of the past, without merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCommit {
    /// The commit.
    pub id: CommitId,
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// Its whole message.
    pub message: Arc<str>,
    /// What it changed, each once, under the names of the base; files that are gone, under their last.
    pub files: Vec<PathId>,
}

/// The commits before the base, the newest first. Those that went through the whole repository are left out, and so are
/// those that changed no file.
#[derive(Clone, Debug, Default)]
pub struct History {
    commits: Vec<PastCommit>,
    paths: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, PathId>,
}

/// What a commit did with one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed<'a> {
    /// Its path after the commit (of a file that is gone, before it), from the repository's root.
    pub path: &'a str,
    /// Its path before, where that was another.
    pub from: Option<&'a str>,
}

impl History {
    /// The commits, newest first.
    pub fn commits(&self) -> &[PastCommit] {
        &self.commits
    }

    /// All paths that a commit changed; a [`PathId`] is a place in it.
    pub fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// The path of a file.
    pub fn path(&self, file: PathId) -> &str {
        self.paths.get(file.index()).map_or("", |path| path)
    }

    /// The file of that path, where a commit changed it.
    pub fn file(&self, path: &str) -> Option<PathId> {
        self.ids.get(path).copied()
    }

    /// Adds a commit behind those that are there: an older one. Nobody follows renames here.
    pub fn push<'a>(
        &mut self,
        id: CommitId,
        seconds: i64,
        message: Arc<str>,
        files: impl IntoIterator<Item = &'a str>,
    ) {
        let mut files: Vec<PathId> = files.into_iter().map(|path| self.intern(path)).collect();
        files.sort_unstable();
        files.dedup();
        if !files.is_empty() {
            self.commits.push(PastCommit { id, seconds, message, files });
        }
    }

    /// Puts finished tasks among the commits, by their time: each is as good as a commit, with its prompt for a message.
    /// Tasks that did not succeed, or whose work is not known, say nothing.
    pub fn learn_tasks<'a>(&mut self, tasks: impl IntoIterator<Item = &'a PastTask>) {
        let mut learnt: Vec<PastCommit> = Vec::new();
        for task in tasks {
            let Some(writes) = &task.writes else { continue };
            if writes.is_empty() || writes.len() > MOST_FILES || task.work.outcome != Outcome::Succeeded {
                continue;
            }
            let mut files: Vec<PathId> = writes.iter().map(|path| self.intern(path)).collect();
            files.sort_unstable();
            files.dedup();
            learnt.push(PastCommit {
                id: CommitId::new(format!("{}/{}", task.run, task.task)),
                seconds: task.work.finished_at.0 / 1000,
                message: format!("{}\n\n{}", task.title, task.text).into(),
                files,
            });
        }
        if learnt.is_empty() {
            return;
        }
        learnt.sort_by_key(|task| std::cmp::Reverse(task.seconds));
        let mut learnt = learnt.into_iter().peekable();
        let mut all = Vec::with_capacity(self.commits.len() + learnt.len());
        for commit in self.commits.drain(..) {
            while let Some(task) = learnt.next_if(|task| task.seconds >= commit.seconds) {
                all.push(task);
            }
            all.push(commit);
        }
        all.extend(learnt);
        self.commits = all;
    }

    fn intern(&mut self, path: &str) -> PathId {
        if let Some(known) = self.ids.get(path) {
            return *known;
        }
        let id = PathId(u32::try_from(self.paths.len()).unwrap_or(u32::MAX));
        let path: Arc<str> = path.into();
        self.paths.push(Arc::clone(&path));
        self.ids.insert(path, id);
        id
    }
}

/// What files of the past are called at the base, while one walks from the newest commit to the oldest.
#[derive(Debug, Default)]
struct Names {
    /// A name of before, and the name at the base.
    now: HashMap<u32, u32>,
}

impl Names {
    /// The name at the base of what is called so at the moment.
    fn now(&self, path: u32) -> u32 {
        self.now.get(&path).copied().unwrap_or(path)
    }

    /// Before it was renamed, there was nothing of that name, or something else.
    fn forget(&mut self, to: u32) {
        self.now.remove(&to);
    }

    /// Before, it was called `from`.
    fn before(&mut self, from: u32, now: u32) {
        self.now.insert(from, now);
    }
}

#[cfg(test)]
mod tests;
