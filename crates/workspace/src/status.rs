//! What differs in a worktree, and whether it is in the middle of something.

use std::path::Path;

use gadugi_core::CommitId;

use crate::Result;
use crate::door::{Place, fields, lossy};
use crate::objects::unreadable;
use crate::repository::{Repository, is_object_id};

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

/// A worktree as git sees it.
#[derive(Debug)]
pub(crate) struct State {
    /// `HEAD`; none: no commits yet.
    pub(crate) head: Option<CommitId>,
    /// Its branch; none: detached.
    pub(crate) branch: Option<String>,
    /// Every path that differs from `HEAD` or is untracked, without ignored ones.
    pub(crate) entries: Vec<Entry>,
}

impl Repository {
    /// Where `HEAD` is, and what differs from it. Writes nothing, the index included.
    pub(crate) fn state_of(&self, place: &Place) -> Result<State> {
        let args =
            ["status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--untracked-files=all"];
        let listing =
            self.git.call(place, args).arg("--no-renames").arg("--ignore-submodules=none").bytes()?;
        let (mut oid, mut name) = (None, None);
        let mut entries = Vec::new();
        for field in fields(&listing) {
            if let Some(header) = field.strip_prefix(b"# ") {
                let header = lossy(header);
                oid = header.strip_prefix("branch.oid ").map(str::to_owned).or(oid);
                name = header.strip_prefix("branch.head ").map(str::to_owned).or(name);
            } else {
                entries.push(entry(field).ok_or_else(|| unreadable("status"))?);
            }
        }
        let (head, branch) = match (oid, name) {
            // Detached is told by a word that could as well be a branch's name.
            (Some(oid), Some(name)) if is_object_id(&oid) && !name.starts_with('(') => {
                (Some(CommitId::new(oid)), Some(name))
            }
            _ => self.head_of(place)?,
        };
        Ok(State { head, branch, entries })
    }

    /// The paths of [`Self::state_of`].
    pub(crate) fn status_of(&self, place: &Place) -> Result<Vec<Entry>> {
        Ok(self.state_of(place)?.entries)
    }
}

/// `1 .M N... 100644 100644 100644 <id> <id> <path>`, `u UU N... 100644 100644 100644 100644 <id> <id> <id> <path>`,
/// `? <path>`. Renames are not asked for.
fn entry(field: &[u8]) -> Option<Entry> {
    let words = match field.first()? {
        b'?' => 2,
        b'1' => 9,
        b'u' => 11,
        _ => return None,
    };
    let mut parts = field.splitn(words, |byte| *byte == b' ');
    let kind = parts.next()?;
    if kind == b"?" {
        return Some(Entry { code: *b"??", path: parts.next()?.to_vec() });
    }
    let code =
        <[u8; 2]>::try_from(parts.next()?).ok()?.map(|letter| if letter == b'.' { b' ' } else { letter });
    Some(Entry { code, path: parts.nth(words - 3)?.to_vec() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_whatever_is_in_their_names() {
        let id = "0123456789012345678901234567890123456789";
        let changed = format!("1 .M N... 100644 100644 100644 {id} {id} a  b\nc ");
        let unmerged = format!("u UU N... 100644 100644 100644 100644 {id} {id} {id} x y");
        let read = |text: &str| entry(text.as_bytes()).map(|entry| (entry.code, lossy(&entry.path)));
        assert_eq!(read(&changed), Some((*b" M", "a  b\nc ".into())));
        assert_eq!(read(&unmerged), Some((*b"UU", "x y".into())));
        assert_eq!(read("? new file"), Some((*b"??", "new file".into())));
        for bad in ["", "?", "1 .M", &changed[..60], "u UU a b", "2 R. x", "! ignored"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
