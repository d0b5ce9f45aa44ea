//! Commits and trees, made and compared without touching any worktree.

use gadugi_core::CommitId;

use crate::door::{Place, fields};
use crate::identity::Identity;
use crate::repository::{Repository, commit_id};
use crate::{Error, Result};

/// One path that differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The mode before, `000000` where it was not there.
    pub(crate) old_mode: String,
    /// The mode after, `000000` where it is gone.
    pub(crate) new_mode: String,
    /// The object after.
    pub(crate) new_id: String,
    /// Bytes as git has them.
    pub(crate) path: Vec<u8>,
}

/// The mode of a pointer to another repository's commit.
pub(crate) const GITLINK: &str = "160000";

impl Repository {
    /// Whether `ancestor` is `descendant` or one of its ancestors.
    pub(crate) fn is_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> Result<bool> {
        if self.known.surely_ancestor(ancestor, descendant) {
            return Ok(true);
        }
        self.main(["merge-base", "--is-ancestor", ancestor.as_str(), descendant.as_str()]).yes()
    }

    /// Whether the two have any history in common.
    pub(crate) fn related(&self, one: &CommitId, other: &CommitId) -> Result<bool> {
        self.main(["merge-base", one.as_str(), other.as_str()]).yes()
    }

    /// The tree of a commit.
    pub(crate) fn tree_of(&self, commit: &CommitId) -> Result<String> {
        if let Some(tree) = self.known.tree(commit) {
            return Ok(tree);
        }
        let tree = self.main(["rev-parse", "--verify", "--quiet", &format!("{commit}^{{tree}}")]).text()?;
        self.known.learn_tree(commit, &tree);
        Ok(tree)
    }

    /// Its parents, the first one first.
    pub(crate) fn parents_of(&self, commit: &CommitId) -> Result<Vec<CommitId>> {
        let line = self.main(["rev-list", "--parents", "--max-count=1", commit.as_str()]).text()?;
        Ok(line.split(' ').skip(1).map(CommitId::new).collect())
    }

    /// Makes a commit: no hook, no signature, on no branch.
    pub(crate) fn commit_tree(
        &self,
        place: &Place,
        tree: &str,
        parents: &[&CommitId],
        message: &str,
        identity: &Identity,
    ) -> Result<CommitId> {
        let mut call = self.git.call(place, ["commit-tree", tree]);
        for parent in parents {
            call = call.arg("-p").arg(parent.as_str());
        }
        // What git cannot hold in a message, no message says.
        let message = message.replace('\0', "");
        let call = identity.on(call.arg("-F").arg("-").input(message));
        let commit = commit_id(&call.bytes()?);
        self.known.learn_made(&commit, tree, parents);
        Ok(commit)
    }

    /// Every path that differs between two trees or commits, renames as a deletion and an addition.
    pub(crate) fn changes(&self, from: &str, to: &str) -> Result<Vec<Change>> {
        let listing = self.main(["diff-tree", "-r", "-z", "--raw", "--no-renames", from, to]).bytes()?;
        parse_changes(&listing).ok_or_else(|| unreadable("diff-tree"))
    }
}

/// The output of `diff-tree -z --raw --no-renames`.
pub(crate) fn parse_changes(listing: &[u8]) -> Option<Vec<Change>> {
    let mut fields = fields(listing);
    let mut changes = Vec::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        changes.push(change(head, path)?);
    }
    Some(changes)
}

/// `:100644 100755 <old id> <new id> M`
fn change(head: &[u8], path: &[u8]) -> Option<Change> {
    let mut words = std::str::from_utf8(head).ok()?.strip_prefix(':')?.split(' ').map(str::to_owned);
    let old_mode = words.next()?;
    let new_mode = words.next()?;
    let new_id = words.nth(1)?;
    Some(Change { old_mode, new_mode, new_id, path: path.to_vec() })
}

/// Git answered in a way that it is documented not to.
pub(crate) fn unreadable(command: &str) -> Error {
    Error::Failed { command: command.to_owned(), code: Some(0), stderr: "its answer cannot be read".into() }
}
