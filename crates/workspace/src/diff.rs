//! What a task changed, for people and reviewers.

use std::io::Write;
use std::path::Path;

use gadugi_core::CommitId;

use crate::Result;
use crate::door::{Call, Git, Place, fields, lossy};
use crate::repository::Repository;

/// How much changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffStat {
    /// File by file, in git's order.
    pub files: Vec<FileStat>,
}

/// How much one file changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Its path (a renamed file counts as a deleted and a new one).
    pub path: String,
    /// Lines added and removed; none: a binary file.
    pub lines: Option<(u64, u64)>,
}

impl DiffStat {
    /// Lines added in all files.
    pub fn added(&self) -> u64 {
        self.files.iter().filter_map(|file| file.lines).map(|(added, _)| added).sum()
    }

    /// Lines removed in all files.
    pub fn removed(&self) -> u64 {
        self.files.iter().filter_map(|file| file.lines).map(|(_, removed)| removed).sum()
    }
}

impl Repository {
    /// The patch from one commit to another, in git's own format and without colours, whatever the user's diff settings.
    pub fn diff(&self, from: &CommitId, to: &CommitId) -> Result<Vec<u8>> {
        self.patch(from.as_str(), to.as_str()).bytes()
    }

    /// The same, handed on as it comes: patches can be large.
    pub fn diff_into(&self, from: &CommitId, to: &CommitId, into: &mut dyn Write) -> Result<()> {
        self.patch(from.as_str(), to.as_str()).stream(into)
    }

    /// The patch from a commit to what lies in one of gadugi's worktrees now, uncommitted and new files included. Neither
    /// worktree nor index is touched.
    pub fn diff_worktree(&self, path: &Path, from: &CommitId, into: &mut dyn Write) -> Result<()> {
        let tree = self.own_tree(path)?;
        let status = self.status_of(&tree.place)?;
        let snapshot = self.snapshot(&tree, &status)?;
        self.patch(from.as_str(), &snapshot.tree).stream(into)
    }

    /// How much changed from one commit to another.
    pub fn diff_stat(&self, from: &CommitId, to: &CommitId) -> Result<DiffStat> {
        let args = ["diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let listing = self.main(args).arg(from.as_str()).arg(to.as_str()).bytes()?;
        let files = fields(&listing)
            .filter_map(|field| {
                let mut words = field.splitn(3, |byte| *byte == b'\t');
                let mut number = || lossy(words.next()?).parse::<u64>().ok();
                let (added, removed) = (number(), number());
                Some(FileStat { path: lossy(words.next()?), lines: added.zip(removed) })
            })
            .collect();
        Ok(DiffStat { files })
    }

    fn patch<'a>(&'a self, from: &str, to: &str) -> Call<'a> {
        patch(&self.git, &self.main, from, to)
    }
}

/// A patch in git's own format, whatever the user's settings.
pub(crate) fn patch<'a>(git: &'a Git, place: &'a Place, from: &str, to: &str) -> Call<'a> {
    let args = ["diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", "--no-color"];
    git.call(place, args).arg("--src-prefix=a/").arg("--dst-prefix=b/").arg(from).arg(to)
}
