//! Commits that no ref holds: a detached `HEAD`, what a branch held before it was reset, what a rebase was about to take,
//! and an attempt's stashes, which every `git stash drop` of the user's can end.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use gadugi_core::CommitId;

use super::Source;
use crate::Result;
use crate::door::lossy;
use crate::repository::{Repository, is_object_id};

/// Files of a worktree's administration that may name commits.
const NAMING: &[&str] = &[
    "HEAD",
    "ORIG_HEAD",
    "MERGE_HEAD",
    "MERGE_AUTOSTASH",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "rebase-merge/orig-head",
    "rebase-merge/autostash",
    "rebase-merge/stopped-sha",
    "rebase-apply/orig-head",
    "rebase-apply/autostash",
    "sequencer/head",
];

impl Repository {
    /// The youngest commits that the worktree has known and no ref holds; the others are their ancestors.
    pub(super) fn strays(
        &self,
        source: &Source<'_>,
        branch: &str,
        before: Option<&CommitId>,
    ) -> Result<Vec<CommitId>> {
        let Some(tree) = source.tree else { return Ok(Vec::new()) };
        let mut named: BTreeSet<String> = source.head.iter().map(ToString::to_string).collect();
        for name in NAMING {
            named.extend(ids_in(&fs::read(tree.git_dir.join(name)).unwrap_or_default()));
        }
        let logged: HashSet<String> = logged(&tree.git_dir).into_iter().collect();
        named.extend(logged.iter().cloned());
        // Refs of this worktree alone go with it.
        let own = ["for-each-ref", "--format=%(objectname)", "refs/worktree/", "refs/rewritten/"];
        named.extend(ids_in(&self.git.call(&tree.place, own).answer()?.stdout));
        let mut strays = self.unheld(&named, source.head.as_ref())?;
        for stash in self.stashes(branch, &logged)? {
            let held = match before {
                Some(before) => self.is_ancestor(&stash, before)?,
                None => false,
            };
            if !held && !strays.contains(&stash) {
                strays.push(stash);
            }
        }
        Ok(strays)
    }

    /// Where `HEAD` was last, by its log: for when its branch was deleted.
    pub(crate) fn last_head(&self, git_dir: &Path) -> Result<Option<CommitId>> {
        Ok(self.heads_logged(git_dir)?.into_iter().next())
    }

    /// All commits that `HEAD` was at, by its log, the last one first. Those that are gone are left out.
    pub(crate) fn heads_logged(&self, git_dir: &Path) -> Result<Vec<CommitId>> {
        let ids: String = logged(git_dir).into_iter().rev().map(|id| format!("{id}\n")).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let check = self.main(["cat-file", "--batch-check=%(objecttype) %(objectname)"]).input(ids).text()?;
        let commits = check.lines().filter_map(|line| line.strip_prefix("commit "));
        Ok(commits.map(CommitId::new).collect())
    }

    /// Of these, what is a commit and reached from no ref, without what others of them reach.
    fn unheld(&self, named: &BTreeSet<String>, head: Option<&CommitId>) -> Result<Vec<CommitId>> {
        let list: String = named.iter().map(|id| format!("{id}\n")).collect();
        let check =
            self.main(["cat-file", "--batch-check=%(objecttype) %(objectname)"]).input(list).text()?;
        let commits: String = check
            .lines()
            .filter_map(|line| line.strip_prefix("commit "))
            .map(|id| format!("{id}\n"))
            .collect();
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let walk = [
            "rev-list",
            "--topo-order",
            "--parents",
            "--ignore-missing",
            "--stdin",
            "--not",
            "--glob=refs/*",
        ];
        let listing = self.main(walk).input(commits).text()?;
        let mut parents = HashSet::new();
        let mut found = Vec::new();
        for line in listing.lines() {
            let mut words = line.split(' ');
            found.extend(words.next());
            parents.extend(words);
        }
        let mut young = Vec::new();
        for id in found.into_iter().filter(|id| !parents.contains(id)).map(CommitId::new) {
            // A ref on what is not all there would break every later `git gc`.
            if self.is_whole(&id, head)? {
                young.push(id);
            }
        }
        Ok(young)
    }

    /// The stashes that were made in this worktree: on its branch, or on a commit that only it has known.
    fn stashes(&self, branch: &str, logged: &HashSet<String>) -> Result<Vec<CommitId>> {
        if self.ref_tip("refs/stash")?.is_none() {
            return Ok(Vec::new());
        }
        let listing = self.main(["stash", "list", "--format=%H %P%x09%gs"]).bytes()?;
        let listing = lossy(&listing);
        let own = |line: &str| {
            let (ids, subject) = line.split_once('\t')?;
            let (stash, on) = {
                let mut ids = ids.split(' ');
                (ids.next()?, ids.next()?)
            };
            let subject = subject.strip_prefix("WIP on ").or_else(|| subject.strip_prefix("On "))?;
            let here = subject.strip_prefix(branch).is_some_and(|rest| rest.starts_with(':'));
            let detached = subject.starts_with("(no branch):") && logged.contains(on);
            (here && !branch.is_empty() || detached).then(|| CommitId::new(stash))
        };
        Ok(listing.lines().filter_map(own).collect())
    }
}

/// Every commit that the worktree's `HEAD` was at, by its log, oldest first.
fn logged(git_dir: &Path) -> Vec<String> {
    let text = fs::read(git_dir.join("logs/HEAD")).unwrap_or_default();
    let text = lossy(&text);
    let ids = text.lines().flat_map(|line| line.split(' ').take(2));
    let mut all: Vec<String> = ids.filter(|id| is_commit_id(id)).map(str::to_owned).collect();
    all.dedup();
    all
}

fn ids_in(text: &[u8]) -> Vec<String> {
    lossy(text).split_ascii_whitespace().filter(|word| is_commit_id(word)).map(str::to_owned).collect()
}

/// A whole id, and not the one that stands for nothing.
fn is_commit_id(text: &str) -> bool {
    is_object_id(text) && text.bytes().any(|byte| byte != b'0')
}
