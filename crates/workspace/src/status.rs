//! What differs in a worktree, and whether it is in the middle of something.

use std::path::Path;

use crate::Result;
use crate::door::{Place, fields};
use crate::repository::Repository;

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As `git status --porcelain` has it: index, worktree.
    pub(crate) code: [u8; 2],
    /// Bytes as git has them.
    pub(crate) path: Vec<u8>,
}

impl Entry {
    /// Both sides of a merge want something else.
    pub(crate) fn unmerged(&self) -> bool {
        matches!(&self.code, b"DD" | b"AU" | b"UD" | b"UA" | b"DU" | b"AA" | b"UU")
    }

    /// A repository of its own that git has not been told of: with every untracked file listed by name, only such a
    /// folder is listed as a folder.
    pub(crate) fn nested_repository(&self) -> bool {
        &self.code == b"??" && self.path.ends_with(b"/")
    }

    /// The file is merely gone.
    pub(crate) fn deleted(&self) -> bool {
        &self.code == b" D"
    }
}

impl Repository {
    /// Every path that differs from `HEAD` or is untracked, without ignored ones. Writes nothing, the index included.
    pub(crate) fn status_of(&self, place: &Place) -> Result<Vec<Entry>> {
        let args = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"];
        let listing = self.git.call(place, args).arg("--ignore-submodules=none").bytes()?;
        Ok(fields(&listing)
            .filter(|field| field.len() > 3)
            .map(|field| Entry { code: [field[0], field[1]], path: field[3..].to_vec() })
            .collect())
    }
}

/// What a worktree is in the middle of, read from its git directory.
pub(crate) fn operation(git_dir: &Path) -> Option<&'static str> {
    [
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("BISECT_LOG", "bisect"),
    ]
    .into_iter()
    .find(|(file, _)| git_dir.join(file).exists())
    .map(|(_, operation)| operation)
}
