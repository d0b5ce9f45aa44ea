//! What has been learnt of a repository and stays true, so that git is not asked for it again.
//!
//! A commit's name stands for what it holds: its tree, its parents and its files never change, so that whatever is
//! learnt of it can be kept. The user's configuration and folders do change: what is kept of those comes with the marks
//! by which a change is seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadugi_core::CommitId;

use crate::identity::Names;

/// So many commits are remembered; beyond, all are forgotten and learnt anew.
const MANY: usize = 20_000;

/// What lies at a path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lying {
    /// A regular file, and its object.
    File(String),
    /// A folder, a symlink, a submodule.
    Other,
}

/// All paths of one commit but its folders.
pub(crate) type Listing = BTreeMap<Vec<u8>, Lying>;

/// What one commit is known to be.
#[derive(Clone, Debug, Default)]
struct Commit {
    tree: Option<String>,
    /// All or, where it was not gadugi that made the commit, none.
    parents: Vec<CommitId>,
    /// The how many-eth it is that gadugi made; 0: it made it not.
    made: u64,
    /// Its files can be checked out, as to Git LFS.
    lfs_checked: bool,
}

/// Shared by the clones of a [`crate::Repository`].
#[derive(Debug, Default)]
pub(crate) struct Known {
    commits: Mutex<HashMap<CommitId, Commit>>,
    /// How many commits gadugi has made.
    made: AtomicU64,
    listing: Mutex<Option<(CommitId, Arc<Listing>)>>,
    entries: Mutex<HashMap<(CommitId, String), Option<Lying>>>,
    names: Mutex<Option<Names>>,
    folders: Mutex<HashSet<PathBuf>>,
    /// Held while a commit is searched for Git LFS, so that of several only the first searches.
    pub(crate) lfs: Mutex<()>,
}

impl Known {
    fn learn(&self, commit: &CommitId, what: impl FnOnce(&mut Commit)) {
        let mut commits = held(&self.commits);
        if commits.len() >= MANY {
            commits.clear();
        }
        what(commits.entry(commit.clone()).or_default());
    }

    pub(crate) fn tree(&self, commit: &CommitId) -> Option<String> {
        held(&self.commits).get(commit)?.tree.clone()
    }

    pub(crate) fn learn_tree(&self, commit: &CommitId, tree: &str) {
        self.learn(commit, |known| known.tree = Some(tree.to_owned()));
    }

    /// A commit that gadugi made.
    pub(crate) fn learn_made(&self, commit: &CommitId, tree: &str, parents: &[&CommitId]) {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        self.learn(commit, |known| {
            known.tree = Some(tree.to_owned());
            if known.made == 0 {
                known.made = number;
            }
            known.parents = parents.iter().map(|parent| (*parent).clone()).collect();
        });
    }

    /// Whether `ancestor` is found going back from `descendant` over commits that gadugi made. `false` says nothing.
    pub(crate) fn surely_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> bool {
        let commits = held(&self.commits);
        // A commit is made after those before it: what was made before the ancestor was has no way back to it. Without
        // that, each of thousands of merges would look through all merges before it.
        let since = commits.get(ancestor).map_or(0, |known| known.made);
        let leads_back = |commit: &CommitId| {
            commit == ancestor || commits.get(commit).map_or(0, |known| known.made) >= since
        };
        let (mut seen, mut next) = (HashSet::from([descendant]), vec![descendant]);
        while let Some(commit) = next.pop() {
            if commit == ancestor {
                return true;
            }
            let parents = commits.get(commit).map_or(&[][..], |known| &known.parents);
            next.extend(parents.iter().filter(|parent| leads_back(parent) && seen.insert(parent)));
        }
        false
    }

    pub(crate) fn lfs_checked(&self, commit: &CommitId) -> bool {
        held(&self.commits).get(commit).is_some_and(|known| known.lfs_checked)
    }

    pub(crate) fn learn_lfs_checked(&self, commit: &CommitId) {
        self.learn(commit, |known| known.lfs_checked = true);
    }

    /// The outer none: not known.
    pub(crate) fn entry(&self, commit: &CommitId, path: &str) -> Option<Option<Lying>> {
        if let Some((listed, listing)) = &*held(&self.listing)
            && listed == commit
        {
            return Some(lying(listing, path.as_bytes()));
        }
        held(&self.entries).get(&(commit.clone(), path.to_owned())).cloned()
    }

    pub(crate) fn learn_entry(&self, commit: &CommitId, path: &str, entry: Option<Lying>) {
        let mut entries = held(&self.entries);
        if entries.len() >= MANY {
            entries.clear();
        }
        entries.insert((commit.clone(), path.to_owned()), entry);
    }

    pub(crate) fn learn_listing(&self, commit: &CommitId, listing: Listing) {
        *held(&self.listing) = Some((commit.clone(), Arc::new(listing)));
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, Option<Names>> {
        held(&self.names)
    }

    /// Whether the folder was found fit for worktrees, or made so.
    pub(crate) fn fit_folder(&self, folder: &std::path::Path) -> bool {
        held(&self.folders).contains(folder)
    }

    pub(crate) fn learn_fit_folder(&self, folder: PathBuf) {
        held(&self.folders).insert(folder);
    }
}

fn lying(listing: &Listing, path: &[u8]) -> Option<Lying> {
    if let Some(found) = listing.get(path) {
        return Some(found.clone());
    }
    let below = [path, b"/"].concat();
    let first = listing.range(below.clone()..).next();
    first.is_some_and(|(name, _)| name.starts_with(&below)).then_some(Lying::Other)
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> CommitId {
        CommitId::new(name)
    }

    #[test]
    fn ancestors_are_known_through_made_commits_only() {
        let known = Known::default();
        known.learn_made(&id("work"), "t1", &[&id("base")]);
        known.learn_made(&id("merge"), "t2", &[&id("base"), &id("work")]);
        known.learn_tree(&id("base"), "t0");
        assert!(known.surely_ancestor(&id("work"), &id("merge")));
        assert!(known.surely_ancestor(&id("base"), &id("merge")));
        assert!(!known.surely_ancestor(&id("merge"), &id("work")));
        assert!(!known.surely_ancestor(&id("before"), &id("merge")));
        // Made later, from the same base: on no way back from the merge, but on one from what comes behind it.
        known.learn_made(&id("later work"), "t3", &[&id("base")]);
        assert!(!known.surely_ancestor(&id("later work"), &id("merge")));
        known.learn_made(&id("later merge"), "t4", &[&id("merge"), &id("later work")]);
        for ancestor in ["later work", "merge", "work", "base"] {
            assert!(known.surely_ancestor(&id(ancestor), &id("later merge")), "{ancestor}");
        }
        assert_eq!(known.tree(&id("merge")).as_deref(), Some("t2"));
        assert!(!known.lfs_checked(&id("merge")));
    }

    #[test]
    fn folders_are_told_from_files_by_what_lies_below() {
        let known = Known::default();
        let file = || Lying::File("1".into());
        let listing = ["a", "a.txt", "src/lib.rs"].map(|name| (name.as_bytes().to_vec(), file()));
        known.learn_listing(&id("c"), listing.into_iter().collect());
        assert_eq!(known.entry(&id("c"), "a"), Some(Some(file())));
        assert_eq!(known.entry(&id("c"), "src"), Some(Some(Lying::Other)));
        for none in ["sr", "src/lib", "src/lib.rs/x", "b"] {
            assert_eq!(known.entry(&id("c"), none), Some(None), "{none}");
        }
        assert_eq!(known.entry(&id("other"), "a"), None);
    }
}
