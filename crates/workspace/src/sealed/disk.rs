//! Folders that an agent wrote, walked by descriptors: no symlink is followed, nothing is opened but folders, and what
//! changes meanwhile is no error.
//!
//! One folder is open at a time, however deep it lies (an agent can nest folders deeper than descriptors, stack or the
//! length of paths reach). The way back is `..`, and it is taken only where it leads to the folder that was left.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chmod, chownat, fstat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use crate::{Error, Result};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Gives a folder and all below it to somebody. Symlinks are given, never followed.
pub(super) fn give(path: &Path, owner: (u32, u32)) -> Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    let failed = |error: Errno| Error::Io { path: path.to_owned(), source: error.into() };
    let mut walk = Walk::begin(path, false).map_err(failed)?;
    rustix::fs::fchown(&walk.folder, uid, gid).map_err(failed)?;
    let mut take = |folder: &OwnedFd, name: &CStr| {
        let meta = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(is_folder(&meta))
    };
    while walk.step(&mut take, &mut |_, _| Ok(())).map_err(failed)? {}
    Ok(())
}

/// Deletes a folder and all below it, whatever an agent did to it: folders that nobody may read or write are opened for it
/// where they are this process's user's. No symlink is followed; one in place of the folder itself is an error. `Ok` where
/// there is nothing.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let mut walk = match Walk::begin(path, true) {
        Err(Errno::NOENT) => return Ok(()),
        walk => walk?,
    };
    let mut take = |folder: &OwnedFd, name: &CStr| match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        // A folder, by the word of Linux and of POSIX.
        Err(Errno::ISDIR | Errno::PERM) => Ok(true),
        Err(error) => Err(error),
    };
    let mut leave = |parent: &OwnedFd, name: &CStr| match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    };
    while walk.step(&mut take, &mut leave)? {}
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}

/// One walk through a folder and all below it.
struct Walk {
    /// Where it is.
    folder: OwnedFd,
    /// The folders from the top to here.
    levels: Vec<Level>,
    /// Modes of folders are changed where they are in the way.
    force: bool,
}

struct Level {
    identity: (u64, u64),
    name: CString,
    /// Folders in it that are still to be walked through; none: it is not read yet.
    pending: Option<Vec<CString>>,
}

type Visit<'a, T> = &'a mut dyn FnMut(&OwnedFd, &CStr) -> rustix::io::Result<T>;

impl Walk {
    fn begin(path: &Path, force: bool) -> rustix::io::Result<Self> {
        let name = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
            .map_err(|_| Errno::INVAL)?;
        let folder = open(CWD, &name, force)?;
        let top = fstat(&folder)?;
        let level = Level { identity: (top.st_dev, top.st_ino), name, pending: None };
        Ok(Self { folder, levels: vec![level], force })
    }

    /// Goes one folder on: reads it, goes down into one, or up again. `enter` is told of each entry, and says whether
    /// it is a folder to be walked through; `leave` of each folder that was. `Ok(false)`: the walk is over.
    fn step(&mut self, enter: Visit<'_, bool>, leave: Visit<'_, ()>) -> rustix::io::Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        let Some(pending) = &mut level.pending else {
            let mut folders = Vec::new();
            for entry in Dir::read_from(&self.folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if !matches!(name.to_bytes(), b"." | b"..") && enter(&self.folder, name)? {
                    folders.push(name.to_owned());
                }
            }
            level.pending = Some(folders);
            return Ok(true);
        };
        if let Some(name) = pending.pop() {
            match open(self.folder.as_fd(), &name, self.force) {
                Ok(inner) => {
                    let meta = fstat(&inner)?;
                    self.folder = inner;
                    self.levels.push(Level { identity: (meta.st_dev, meta.st_ino), name, pending: None });
                }
                // It is gone or another by now, or cannot be opened: whoever deletes finds that out in the end.
                Err(error) if self.force && error != Errno::NOENT => return Err(error),
                Err(_) => {}
            }
            return Ok(true);
        }
        let Some(done) = self.levels.pop() else { return Ok(false) };
        let Some(above) = self.levels.last() else { return Ok(false) };
        let parent = openat(&self.folder, c"..", FOLDER, Mode::empty())?;
        let meta = fstat(&parent)?;
        if (meta.st_dev, meta.st_ino) != above.identity {
            // It was moved while it was walked through.
            return Err(Errno::STALE);
        }
        self.folder = parent;
        leave(&self.folder, &done.name)?;
        Ok(true)
    }
}

fn is_folder(meta: &Stat) -> bool {
    FileType::from_raw_mode(meta.st_mode) == FileType::Directory
}

/// Opens a folder, never by way of a symlink. `force`: where it cannot be read and written, its mode is changed first, by way
/// of a descriptor of that very folder, so that nothing that takes its place is.
fn open(parent: impl AsFd, name: &CStr, force: bool) -> rustix::io::Result<OwnedFd> {
    if force {
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(&parent, name, path, Mode::empty())?;
        if fstat(&handle)?.st_mode & 0o700 != 0o700 {
            // Whoever is not its owner cannot: then opening says why.
            let _ = chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::from_raw_mode(0o700));
        }
    }
    openat(&parent, name, FOLDER, Mode::empty())
}
