//! Paths as words: nobody looks whether they are there.

use std::path::{Component, Path, PathBuf};

/// A path without `.` and `..`, taken by its words alone.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
