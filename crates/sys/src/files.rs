//! Files that others read while gadugi writes them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;

static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Replaces a file as a whole, mode 0600: a reader sees the old text or the new one. Not forced to disk:
/// what must survive a power cut belongs into the event log.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = create_private(&temporary).and_then(|mut file| file.write_all(bytes));
    match written.and_then(|()| fs::rename(&temporary, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // What could not be finished is not left lying about; the first error is the one that counts.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// A new file that only its owner can read and write; an old one of that name is emptied.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// What a file of gadugi's own holds, which anybody may have put something else in place of: at most `most` bytes. Fails where
/// it is no file (a link is none, wherever it leads; a pipe is not waited for), or holds more.
pub fn read_own(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
    }
    if meta.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    // What grows meanwhile is read no further.
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a folder is one itself, not a link to one.
pub fn is_own_dir(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Makes a folder that only its owner can look into, and those above it that are missing. One that is there stays as it is.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder for gadugi's own things, for its owner alone, with a `.gitignore` that keeps it out of `git status`.
pub fn create_ignored_dir(path: &Path) -> io::Result<()> {
    create_private_dir(path)?;
    let ignore = path.join(".gitignore");
    if ignore.exists() { Ok(()) } else { write_atomic(&ignore, b"*\n") }
}

/// Whether the file system under `path` is full for ordinary users, as an error says it.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let count = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{count}.tmp", std::process::id()))
}
