//! Giving files to the user that a step runs as, where gadugi is root.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};

/// Gives one file or folder away, never what a link points to. Nothing where there is nobody to give it to.
pub(crate) fn give(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((user, group)) = owner else { return Ok(()) };
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    Ok(chownat(CWD, path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// A folder and the files that lie directly in it.
pub(crate) fn give_folder(dir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if owner.is_none() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        give(&entry?.path(), owner)?;
    }
    give(dir, owner)
}
