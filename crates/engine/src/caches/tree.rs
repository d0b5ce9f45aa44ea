//! Copying what a tool left in its cache, by clones where the file system has them.
//!
//! What is copied was written by other people's programs, and nothing of them runs any more: it holds still. All the same no
//! symlink is followed, nothing is opened but folders and regular files, and no privilege of a file's comes along.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, ioctl_ficlone};

/// Copies a folder to where nothing is. All of it belongs to `owner` then; none: to whoever copies. Names that are too long, and
/// files that cannot be read, are left out: a cache may miss anything.
pub(super) fn copy(from: &Path, to: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut folders = vec![(from.to_owned(), to.to_owned(), fs::symlink_metadata(from)?)];
    DirBuilder::new().mode(0o700).create(to)?;
    let mut at = 0;
    while let Some((from, to, _)) = folders.get(at).cloned() {
        at += 1;
        let Some(entries) = passable(fs::read_dir(&from))? else { continue };
        for entry in entries {
            let name = entry?.file_name();
            let (from, to) = (from.join(&name), to.join(&name));
            let Some(meta) = passable(fs::symlink_metadata(&from))? else { continue };
            if meta.is_dir() {
                if passable(DirBuilder::new().mode(0o700).create(&to))?.is_some() {
                    folders.push((from, to, meta));
                }
            } else if meta.is_file() {
                copy_file(&from, &to, &meta, owner)?;
            } else if meta.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
                give(&to, owner)?;
            }
        }
    }
    // From the inside out: what is written into a folder changes its time, and its mode may forbid it.
    for (_, to, meta) in folders.iter().rev() {
        give(to, owner)?;
        let folder = File::open(to)?;
        folder.set_modified(meta.modified()?)?;
        folder.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o777))?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, meta: &Metadata, owner: Option<(u32, u32)>) -> io::Result<()> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let Some(mut source) = passable(OpenOptions::new().read(true).custom_flags(flags).open(from))? else {
        return Ok(());
    };
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    if ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target)?;
    }
    if let Some((uid, gid)) = owner {
        fchown(&target, Some(uid), Some(gid))?;
    }
    target.set_modified(meta.modified()?)?;
    target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o777))
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    owner.map_or(Ok(()), |(uid, gid)| lchown(path, Some(uid), Some(gid)))
}

/// None where the cache can do without.
fn passable<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidFilename, NotFound, PermissionDenied};
    match result {
        Err(error) if matches!(error.kind(), InvalidFilename | NotFound | PermissionDenied) => Ok(None),
        other => other.map(Some),
    }
}

/// Where something can be made that nobody else makes.
pub(super) fn fresh(folder: &Path, mark: &str) -> PathBuf {
    folder.join(format!("{mark}{}", uuid::Uuid::new_v4().simple()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_and_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", from.join("link")).unwrap();
        std::os::unix::fs::symlink(dir.path(), from.join("folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            from.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        fs::set_permissions(from.join("a/b/file"), fs::Permissions::from_mode(0o4755)).unwrap();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::open(from.join("a/b")).unwrap().set_modified(long_ago).unwrap();
        fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o555)).unwrap();

        copy(&from, &to, None).unwrap();
        let meta = fs::metadata(to.join("a/b/file")).unwrap();
        assert_eq!(
            (fs::read_to_string(to.join("a/b/file")).unwrap().as_str(), meta.mode() & 0o7777),
            ("text", 0o755)
        );
        let folder = fs::metadata(to.join("a/b")).unwrap();
        assert_eq!((folder.mode() & 0o777, folder.modified().unwrap()), (0o555, long_ago));
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../secret"));
        assert!(fs::symlink_metadata(to.join("folder")).unwrap().is_symlink());
        assert!(!to.join("pipe").exists());
        let mut names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "folder", "link"]);
        // So that it can be removed.
        for top in [&from, &to] {
            fs::set_permissions(top.join("a/b"), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
