//! Merging in memory: no worktree, no index, no branch is touched.

use std::collections::BTreeSet;

use gadugi_core::{CommitId, Composition, MergeStrategy, Timestamp};

use crate::door::{fields, lossy};
use crate::repository::Repository;
use crate::{Error, Result};

/// The line in a squashed commit's message that names the commit whose changes it holds.
const SQUASHED: &str = "Gadugi-Squashed";

/// What merging two commits' trees came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TreeMerge {
    Clean(String),
    /// Paths, sorted, each once.
    Conflict(Vec<String>),
}

impl Repository {
    /// Merges `work` onto `onto` and makes the commit that holds both, on no branch. With [`MergeStrategy::Merge`] it
    /// has both for parents; with [`MergeStrategy::Squash`] only `onto`, and its message names `work`. Where `onto`
    /// holds `work` already, the answer is `onto`.
    ///
    /// `at` is the time that the commit bears: the same arguments then give the same commit, so that asking again after
    /// a crash changes nothing. Without, it is now.
    pub fn compose(
        &self,
        onto: &CommitId,
        work: &CommitId,
        message: &str,
        strategy: MergeStrategy,
        at: Option<Timestamp>,
    ) -> Composition {
        let attempt = || self.try_compose(onto, work, message, strategy, at);
        let composed = match attempt() {
            // Until a commit holds them, the objects of a merge may go with a `git gc --prune=now`.
            Err(Error::Failed { code: Some(_), .. }) => attempt(),
            composed => composed,
        };
        composed.unwrap_or_else(|error| Composition::Failed(error.to_string()))
    }

    fn try_compose(
        &self,
        onto: &CommitId,
        work: &CommitId,
        message: &str,
        strategy: MergeStrategy,
        at: Option<Timestamp>,
    ) -> Result<Composition> {
        if self.known.surely_ancestor(work, onto) {
            return Ok(Composition::Clean(onto.clone()));
        }
        let tree = match self.merge_trees(onto, work)? {
            TreeMerge::Clean(tree) => tree,
            TreeMerge::Conflict(paths) => return Ok(Composition::Conflict(paths)),
        };
        // What `onto` holds already changes nothing in it, so that only then git need be asked.
        let nothing_new = tree == self.tree_of(onto)?;
        if nothing_new && self.is_ancestor(work, onto)? {
            return Ok(Composition::Clean(onto.clone()));
        }
        let identity = self.identity(at)?;
        let commit = match strategy {
            MergeStrategy::Merge => self.commit_tree(&self.main, &tree, &[onto, work], message, &identity)?,
            // An empty commit would say nothing; a merge says at least that the work is in.
            MergeStrategy::Squash if nothing_new => onto.clone(),
            MergeStrategy::Squash => {
                let message = format!("{}\n\n{SQUASHED}: {work}\n", message.trim_end());
                self.commit_tree(&self.main, &tree, &[onto], &message, &identity)?
            }
        };
        Ok(Composition::Clean(commit))
    }

    /// Merges two commits' trees. Written for git 2.38 and 2.39 too: the merge base is git's own choice.
    pub(crate) fn merge_trees(&self, ours: &CommitId, theirs: &CommitId) -> Result<TreeMerge> {
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", ours.as_str(), theirs.as_str()];
        let answer = self.main(args).answer()?;
        let text = |bytes: &[u8]| lossy(bytes);
        match answer.code {
            Some(0) => {
                let tree = fields(&answer.stdout).next().map(text);
                tree.ok_or_else(|| crate::objects::unreadable("merge-tree"))
            }
            .map(TreeMerge::Clean),
            // Without an answer: one of the two cannot be merged.
            Some(1) if !answer.stdout.is_empty() => {
                // Tree, conflicting paths, an empty field, then messages for people.
                let mut listed = answer.stdout.split(|byte| *byte == 0).skip(1);
                let paths: BTreeSet<_> =
                    listed.by_ref().take_while(|field| !field.is_empty()).map(text).collect();
                if paths.is_empty() {
                    let said: Vec<_> = listed.map(text).filter(|word| word.contains(' ')).collect();
                    return Err(Error::Failed {
                        command: "merge-tree".into(),
                        code: Some(1),
                        stderr: said.join(" ").trim().to_owned(),
                    });
                }
                Ok(TreeMerge::Conflict(paths.into_iter().collect()))
            }
            _ => Err(answer.failed()),
        }
    }

    /// Whether nothing of `work` would be lost with its branch: `into` descends from it, or holds its changes by a
    /// squash (the commit says so, or merging once more changes nothing).
    pub(crate) fn is_merged(&self, work: &CommitId, into: &CommitId) -> Result<bool> {
        if self.is_ancestor(work, into)? {
            return Ok(true);
        }
        if matches!(self.merge_trees(into, work), Ok(TreeMerge::Clean(tree)) if tree == self.tree_of(into)?) {
            return Ok(true);
        }
        let line = format!("{SQUASHED}: {work}");
        let range = format!("{work}..{into}");
        let found = self.main(["rev-list", "-n", "1", "--fixed-strings", "--grep", &line, &range]).text()?;
        Ok(!found.is_empty())
    }
}
