//! What an image is built from, as the engine takes it: a tar archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::digest::{self, SHA256};
use tar::{Archive, EntryType, Header};

use super::ImageError;
use super::ignore::Ignore;

const IGNORE_FILE: &str = ".dockerignore";

/// The most that goes into an image, bytes: a whole large repository fits, a mistaken `/` does not.
const MOST: u64 = 8 << 30;

/// Files that an image is built from: in the order of their names, owned by root, with no times. It lies in a file that has no name.
#[derive(Debug)]
pub struct Context {
    archive: File,
    fingerprint: String,
}

/// Where a file's contents are.
#[derive(Debug)]
pub(super) enum Contents {
    Bytes(Vec<u8>),
    /// A file of this machine.
    Disk(PathBuf),
    /// A part of an archive: where it begins and how long it is.
    Archived {
        at: u64,
        length: u64,
    },
    /// A symbolic link, and where it points.
    Link(PathBuf),
}

impl From<&[u8]> for Contents {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

/// Collects the files.
#[derive(Debug, Default)]
pub(super) struct Builder {
    files: BTreeMap<Vec<u8>, (u32, Contents)>,
    /// What [`Contents::Archived`] is about.
    source: Option<File>,
}

impl Context {
    /// From an archive of files: what `git archive` writes for a commit's folder. Its `.dockerignore` is honoured, but
    /// for the Dockerfile, whose text may be given beside the archive where it lies elsewhere: it is then called
    /// [`Context::DOCKERFILE`].
    ///
    /// # Errors
    /// Where it is no archive, or holds what is neither file, folder nor symbolic link.
    pub fn from_tar(mut archive: impl Read, dockerfile: Option<&str>) -> Result<Self, ImageError> {
        let broken = |error: io::Error| ImageError::Context(error.to_string());
        let mut source = tempfile::tempfile().map_err(broken)?;
        let length = io::copy(&mut (&mut archive).take(MOST + 1), &mut source).map_err(broken)?;
        if length > MOST {
            return Err(ImageError::Context(format!("it is larger than {} GiB", MOST >> 30)));
        }
        let mut files = Builder::default();
        source.seek(SeekFrom::Start(0)).map_err(broken)?;
        for entry in Archive::new(&source).entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            files.archived(&entry).map_err(broken)?;
        }
        files.source = Some(source);
        files.leave_out()?;
        if let Some(text) = dockerfile {
            files.file(Self::DOCKERFILE, 0o644, text.as_bytes().into());
        }
        files.finish()
    }

    /// What a Dockerfile is called that lies elsewhere.
    pub const DOCKERFILE: &str = ".gadugi.Dockerfile";

    /// SHA-256 of all names, modes and contents, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The contents of one of the files, where it is there and is text.
    pub fn text(&self, path: &str) -> Option<String> {
        let mut archive = Archive::new(self.rewound().ok()?);
        for entry in archive.entries().ok()? {
            let mut entry = entry.ok()?;
            if entry.path_bytes() == path.as_bytes() {
                let mut text = String::new();
                entry.read_to_string(&mut text).ok()?;
                return Some(text);
            }
        }
        None
    }

    /// The archive, from its beginning.
    pub(super) fn rewound(&self) -> io::Result<File> {
        let mut file = self.archive.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

impl Builder {
    /// One file; it replaces another of its name.
    pub(super) fn file(&mut self, path: &str, mode: u32, contents: Contents) {
        self.files.insert(path.as_bytes().to_owned(), (mode, contents));
    }

    /// All files of a folder but those that its `.dockerignore` leaves out. The Dockerfile is never left out.
    pub(super) fn folder(&mut self, folder: &Path) -> Result<(), ImageError> {
        let mut of_folder = Self::default();
        of_folder.walk(folder, Path::new(""))?;
        of_folder.leave_out()?;
        self.files.append(&mut of_folder.files);
        Ok(())
    }

    fn walk(&mut self, top: &Path, below: &Path) -> Result<(), ImageError> {
        let folder = top.join(below);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ImageError::File { path, source }
        };
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = below.join(entry.map_err(failed(&folder))?.file_name());
            let full = top.join(&path);
            let metadata = fs::symlink_metadata(&full).map_err(failed(&full))?;
            let contents = if metadata.is_dir() {
                self.walk(top, &path)?;
                continue;
            } else if metadata.is_symlink() {
                Contents::Link(fs::read_link(&full).map_err(failed(&full))?)
            } else if metadata.is_file() {
                Contents::Disk(full)
            } else {
                return Err(ImageError::Context(format!(
                    "{} is neither a file nor a folder",
                    full.display()
                )));
            };
            let key = path.as_os_str().as_bytes().to_owned();
            self.files.insert(key, (metadata.permissions().mode(), contents));
        }
        Ok(())
    }

    fn archived(&mut self, entry: &tar::Entry<'_, &File>) -> io::Result<()> {
        let path = entry.path_bytes();
        let mut path = path.as_ref();
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        let contents = match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => return Ok(()),
            EntryType::Regular | EntryType::Continuous => {
                Contents::Archived { at: entry.raw_file_position(), length: entry.size() }
            }
            EntryType::Symlink => {
                let target =
                    entry.link_name()?.ok_or_else(|| io::Error::other("a link that points nowhere"))?;
                Contents::Link(target.into_owned())
            }
            other => {
                let words =
                    format!("{} is of a kind that no image takes ({other:?})", String::from_utf8_lossy(path));
                return Err(io::Error::other(words));
            }
        };
        self.files.insert(path.to_owned(), (entry.header().mode()?, contents));
        Ok(())
    }

    /// Takes out what the `.dockerignore` among the files leaves out, and the `.dockerignore` itself.
    fn leave_out(&mut self) -> Result<(), ImageError> {
        let Some((_, contents)) = self.files.remove(IGNORE_FILE.as_bytes()) else { return Ok(()) };
        let mut text = Vec::new();
        let read = self.read(&contents).and_then(|mut reader| reader.read_to_end(&mut text));
        read.map_err(|source| ImageError::File { path: IGNORE_FILE.into(), source })?;
        let ignore = Ignore::read(&String::from_utf8_lossy(&text));
        self.files.retain(|path, _| {
            let name = String::from_utf8_lossy(path);
            name == "Dockerfile" || !ignore.leaves_out(&name)
        });
        Ok(())
    }

    fn read<'a>(&'a self, contents: &'a Contents) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match contents {
            Contents::Bytes(bytes) => Box::new(bytes.as_slice()),
            Contents::Disk(path) => Box::new(File::open(path)?),
            Contents::Archived { at, length } => {
                let mut source = self.source.as_ref().ok_or(io::ErrorKind::NotFound)?;
                source.seek(SeekFrom::Start(*at))?;
                Box::new(source.take(*length))
            }
            Contents::Link(_) => Box::new(io::empty()),
        })
    }

    /// Writes the archive.
    pub(super) fn finish(self) -> Result<Context, ImageError> {
        let file = |source| ImageError::File { path: std::env::temp_dir(), source };
        let archive =
            Digesting { file: tempfile::tempfile().map_err(file)?, digest: digest::Context::new(&SHA256) };
        let mut archive = tar::Builder::new(archive);
        for (path, (mode, contents)) in &self.files {
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            self.append(&mut archive, path, *mode, contents)
                .map_err(|source| ImageError::File { path: path.to_owned(), source })?;
        }
        let written = archive.into_inner().map_err(file)?;
        let digest = written.digest.finish();
        let fingerprint = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Context { archive: written.file, fingerprint })
    }

    fn append(
        &self,
        archive: &mut tar::Builder<impl Write>,
        path: &Path,
        mode: u32,
        contents: &Contents,
    ) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        if let Contents::Link(target) = contents {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            return archive.append_link(&mut header, path, target);
        }
        header.set_entry_type(EntryType::Regular);
        // As git has it: a file is executable or it is not.
        header.set_mode(if mode & 0o100 == 0 { 0o644 } else { 0o755 });
        let length = match contents {
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::Disk(path) => fs::metadata(path)?.len(),
            Contents::Archived { length, .. } => *length,
            Contents::Link(_) => 0,
        };
        header.set_size(length);
        // A file that changes meanwhile must not shift what comes behind it.
        let exactly = self.read(contents)?.take(length);
        let mut counted = Counted { inner: exactly, read: 0 };
        archive.append_data(&mut header, path, &mut counted)?;
        if counted.read == length { Ok(()) } else { Err(io::Error::other("it changed while it was read")) }
    }
}

/// Writes into a file and into a digest.
struct Digesting {
    file: File,
    digest: digest::Context,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
