//! How much of the disk folders take, also where somebody who must not be trusted changes them at the same time.
//!
//! Everything is reached through descriptors of folders, one level at a time, and no link is followed: whatever a folder is
//! replaced by, the walk stays below its roots. What appears or goes away meanwhile is in the sum or is not. What is
//! mounted in there is not looked into. A file that was deleted and is still held open takes room that no walk can see.

use std::collections::HashSet;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, Statx, StatxAttributes, StatxFlags, openat, statx,
};
use rustix::io::Errno;

/// What folders take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Allocated blocks, in bytes: a sparse file takes what was written of it. What has several names counts once.
    pub bytes: u64,
    /// Files, folders, links and whatever else has a name; the roots among them.
    pub entries: u64,
    /// Folders that could not be read, or were not: what is below them is not in the sum.
    pub unreadable: u64,
}

/// Descriptors that are open at a time, at most: those of the innermost folders. The way back up to one whose descriptor
/// was closed leads through `..`, and is taken only where that is still the same folder.
const OPEN: usize = 32;

/// Names of folders still to be looked into that are kept, in bytes. Beyond that folders are not looked into: 250,000 of
/// the longest names, or millions as people give them.
const NAMES: usize = 64 << 20;

/// What one walk looks at, at most: somebody could make new folders before it as fast as it looks. Takes some 20 s.
const ENTRIES: u64 = 10_000_000;

/// How much the files and folders below those roots take, and the roots. A root that is not there takes nothing; one that
/// is a link is not looked into. Roots may lie in one another. Takes some 2 µs for each entry that the kernel has in memory, and
/// blocks for so long.
pub fn disk_use(roots: &[PathBuf]) -> DiskUse {
    let mut walk = Walk::default();
    for root in roots {
        match open(CWD, root) {
            Ok(folder) => walk.descend(folder),
            Err(error) => walk.refused(error),
        }
    }
    walk.sum
}

/// Which file it is, whatever it is called.
type Identity = (u32, u32, u64);

#[derive(Default)]
struct Walk {
    sum: DiskUse,
    /// Folders that were looked into, and files with several names that were counted.
    known: HashSet<Identity>,
    /// Bytes of names in all open frames.
    names: usize,
}

/// A folder on the way from the root to where the walk is.
struct Frame {
    identity: Identity,
    /// None where it was closed: there are too many.
    folder: Option<OwnedFd>,
    /// Folders in it that are still to be looked into.
    below: Vec<CString>,
}

impl Walk {
    fn descend(&mut self, root: OwnedFd) {
        let mut path = Vec::new();
        self.enter(root, &mut path);
        while let Some(frame) = path.last_mut() {
            let Some(name) = frame.below.pop() else {
                self.leave(&mut path);
                continue;
            };
            self.names -= name.as_bytes().len();
            let Some(folder) = &frame.folder else {
                self.sum.unreadable += 1;
                continue;
            };
            match open(folder.as_fd(), &name) {
                Ok(folder) => self.enter(folder, &mut path),
                Err(error) => self.refused(error),
            }
        }
    }

    /// Counts a folder and all that lies in it, and makes it the innermost one.
    fn enter(&mut self, folder: OwnedFd, path: &mut Vec<Frame>) {
        let Ok(found) = look(folder.as_fd(), c"", AtFlags::EMPTY_PATH) else {
            self.sum.unreadable += 1;
            return;
        };
        let identity = identity(&found);
        if !self.known.insert(identity) {
            return;
        }
        self.sum.entries += 1;
        self.sum.bytes += found.stx_blocks * 512;
        let below = self.list(&folder);
        if let Some(outer) = path.len().checked_sub(OPEN) {
            path[outer].folder = None;
        }
        path.push(Frame { identity, folder: Some(folder), below });
    }

    /// Goes back to the folder around the innermost one.
    fn leave(&mut self, path: &mut Vec<Frame>) {
        let left = path.pop();
        let Some(frame) = path.last_mut().filter(|frame| frame.folder.is_none()) else { return };
        let up = left.and_then(|left| left.folder).and_then(|folder| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(folder, c"..", flags, Mode::empty()).ok()
        });
        let same = |folder: &OwnedFd| {
            look(folder.as_fd(), c"", AtFlags::EMPTY_PATH)
                .is_ok_and(|found| identity(&found) == frame.identity)
        };
        // Somebody moved what the walk was in: the rest of this folder cannot be reached.
        frame.folder = up.filter(same);
    }

    /// Counts what lies in a folder but for folders, whose names it gives.
    fn list(&mut self, folder: &OwnedFd) -> Vec<CString> {
        let mut below = Vec::new();
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut entries = RawDir::new(folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let Ok(entry) = entry else {
                self.sum.unreadable += 1;
                break;
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if self.sum.entries >= ENTRIES {
                self.sum.unreadable += 1;
                break;
            }
            // Gone by now, where that fails.
            let Ok(found) = look(folder.as_fd(), name, AtFlags::empty()) else { continue };
            let mounted = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
            if FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory && !mounted {
                // Counted when it is entered.
                self.names += name.to_bytes().len();
                if self.names <= NAMES {
                    below.push(name.to_owned());
                } else {
                    self.names -= name.to_bytes().len();
                    self.sum.unreadable += 1;
                }
                continue;
            }
            self.sum.entries += 1;
            if !mounted && (found.stx_nlink < 2 || self.known.insert(identity(&found))) {
                self.sum.bytes += found.stx_blocks * 512;
            }
        }
        below
    }

    /// A folder that could not be opened. What is not there any more, or is no folder any more, is nothing.
    fn refused(&mut self, error: Errno) {
        if !matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) {
            self.sum.unreadable += 1;
        }
    }
}

fn open(at: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn look(at: BorrowedFd<'_>, name: &std::ffi::CStr, flags: AtFlags) -> Result<Statx, Errno> {
    let flags = flags | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(at, name, flags, StatxFlags::TYPE | StatxFlags::INO | StatxFlags::NLINK | StatxFlags::BLOCKS)
}

fn identity(found: &Statx) -> Identity {
    (found.stx_dev_major, found.stx_dev_minor, found.stx_ino)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn blocks(path: &Path) -> u64 {
        fs::symlink_metadata(path).unwrap().blocks() * 512
    }

    #[test]
    fn it_says_what_du_says() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/file"), vec![1; 100_000]).unwrap();
        fs::hard_link(root.join("a/file"), root.join("a/b/again")).unwrap();
        File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        // What a link leads to is somebody else's.
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/large"), vec![1; 1_000_000]).unwrap();
        symlink("../outside", root.join("folder")).unwrap();
        symlink("../outside/large", root.join("large")).unwrap();
        let found = disk_use(&[root.clone(), root.join("a"), root.join("not there"), root.join("folder")]);
        let du = Command::new("du").args(["-s", "-B1"]).arg(&root).output().unwrap().stdout;
        let du: u64 = String::from_utf8(du).unwrap().split('\t').next().unwrap().parse().unwrap();
        assert_eq!(found, DiskUse { bytes: du, entries: 9, unreadable: 0 });
        let file = blocks(&root.join("a/file"));
        assert!(found.bytes >= file && found.bytes < 2 * file, "a second name takes nothing: {found:?}");
    }

    #[test]
    fn depth_costs_no_descriptors_and_no_stack() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut folder = open(CWD, &root).unwrap();
        for level in 0..3000 {
            // A file on each level, which is only reached again on the way back.
            rustix::fs::mkdirat(&folder, "aside", Mode::from_raw_mode(0o700)).unwrap();
            rustix::fs::mkdirat(&folder, "down", Mode::from_raw_mode(0o700)).unwrap();
            folder = open(folder.as_fd(), "down").unwrap_or_else(|error| panic!("{level}: {error}"));
        }
        drop(folder);
        let found = disk_use(&[root]);
        assert_eq!((found.entries, found.unreadable), (6001, 0));
    }

    #[test]
    fn what_is_changed_meanwhile_leads_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("trap")).unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("large"), vec![1; 10_000_000]).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::rename(root.join("trap"), root.join("away")).unwrap();
                    symlink(&outside, root.join("trap")).unwrap();
                    fs::remove_file(root.join("trap")).unwrap();
                    fs::rename(root.join("away"), root.join("trap")).unwrap();
                }
            });
            for _ in 0..2000 {
                let found = disk_use(std::slice::from_ref(&root));
                assert!(found.bytes < 1_000_000, "{found:?}");
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn folders_that_are_closed_to_us_are_counted_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        fs::create_dir_all(closed.join("below")).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let found = disk_use(&[dir.path().to_owned()]);
        // Nothing is closed to root.
        let expected = if rustix::process::geteuid().is_root() { (3, 0) } else { (1, 1) };
        assert_eq!((found.entries, found.unreadable), expected);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
