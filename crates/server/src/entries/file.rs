//! A stream's file, which the step that writes it may do anything to.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 64 << 10;

/// A folder that was reached without following a link.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// The folder below `base` whose way is `names`. Only `base` may be behind a link.
    pub(super) fn open(base: &Path, names: &[&str]) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::openat(CWD, base, flags, Mode::empty())?;
        for name in names {
            folder = rustix::fs::openat(&folder, plain(name)?, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(Self(folder))
    }

    /// A plain file in it.
    pub(super) fn file(&self, name: &str) -> io::Result<Readable> {
        // A pipe would keep whoever opens it waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.0, plain(name)?, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Readable(file))
    }

    /// The largest number that names something in it.
    pub(super) fn last_number(&self) -> io::Result<Option<u32>> {
        let mut last = None;
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let number = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok());
            last = last.max(number);
        }
        Ok(last)
    }

    /// A path to this very folder, whatever has become of its names.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// One name and no way.
fn plain(name: &str) -> io::Result<&str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// A plain file, open for reading.
#[derive(Debug)]
pub(super) struct Readable(File);

impl Readable {
    /// Bytes of it now.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Whether it has no name any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Where bytes that somebody wrote begin, from there on: the place itself, the end of the hole that it is in, or the file's end.
    pub(super) fn data_from(&self, at: u64) -> io::Result<u64> {
        match rustix::fs::seek(&self.0, SeekFrom::Data(at)) {
            Ok(data) => Ok(data),
            Err(Errno::NXIO) => Ok(self.size()?.max(at)),
            // Not every file system knows its holes.
            Err(_) => Ok(at),
        }
    }

    /// At most so many bytes from there on; none at the end.
    pub(super) fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.size()?.saturating_sub(at)).unwrap_or(most);
        let mut bytes = vec![0; most.min(left)];
        let read = self.read_into(at, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Fills the buffer from there on, as far as there is anything; the number of bytes.
    pub(super) fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < buffer.len() {
            match self.0.read_at(&mut buffer[length..], at + length as u64) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }
}
