//! Whether the files that an engine lives by are still the ones that lie at their paths: lock, log, journal, socket.
//!
//! Somebody may remove `.gadugi`, or one file of it, under a living engine. What it holds open it keeps, and no system
//! call fails; but another engine finds the place free. What can be put back is put back; an engine whose log is gone
//! is an engine no more.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gadugi_sys::lock::FileLock;
use gadugi_sys::process;

use crate::layout::Layout;

/// A file, whatever it is called: device and inode.
type File = (u64, u64);

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// All is as it should be, or was put right.
    Whole,
    /// Clients do not find the engine: it has to listen anew.
    SocketGone,
    /// What the log holds is in a file that has no name any more.
    JournalGone,
    /// The log is another one, or another engine lives.
    Displaced(String),
}

/// An engine's hold on its place.
#[derive(Debug)]
pub(crate) struct Tenure {
    layout: Layout,
    lock: FileLock,
    database: Option<File>,
    journal_seen: bool,
    socket: Option<File>,
}

impl Tenure {
    /// Takes the lock and signs it with pid and start time; none where another engine holds it.
    pub(crate) fn begin(layout: &Layout) -> io::Result<Option<Self>> {
        let Some(mut lock) = FileLock::try_acquire(&layout.lock())? else { return Ok(None) };
        sign(&mut lock)?;
        let layout = layout.clone();
        Ok(Some(Self { layout, lock, database: None, journal_seen: false, socket: None }))
    }

    /// The log is open.
    pub(crate) fn opened(&mut self) {
        self.database = file(&self.layout.database());
        self.journal_seen = self.journal().exists();
    }

    /// The engine listens.
    pub(crate) fn listens(&mut self) {
        self.socket = file(&self.layout.socket());
    }

    /// Nobody is let in any more. To be called before the lock is let go: who finds no socket finds the lock free. Another
    /// engine's socket stays.
    pub(crate) fn unlisten(&mut self) {
        let path = self.layout.socket();
        if self.socket.is_some() && file(&path) == self.socket.take() {
            let _ = fs::remove_file(path);
        }
    }

    /// Compares what is held with what lies there.
    pub(crate) fn look(&mut self) -> Look {
        let database = self.layout.database();
        if file(&database) != self.database {
            return Look::Displaced(format!("{} was removed or replaced", database.display()));
        }
        match self.keep_lock() {
            Ok(true) => {}
            Ok(false) => {
                return Look::Displaced(format!("another engine holds {}", self.layout.lock().display()));
            }
            // Looked at again in a moment; nobody else can have taken it without making the file.
            Err(error) => tracing::warn!(%error, "the lock was removed and cannot be made again"),
        }
        let journal = self.journal().exists();
        if self.journal_seen && !journal {
            self.journal_seen = false;
            return Look::JournalGone;
        }
        self.journal_seen |= journal;
        if file(&self.layout.socket()) != self.socket { Look::SocketGone } else { Look::Whole }
    }

    /// Takes the lock anew where its file was removed. Whether it is held.
    fn keep_lock(&mut self) -> io::Result<bool> {
        let path = self.layout.lock();
        let held = self.lock.file().metadata()?;
        if file(&path) == Some((held.dev(), held.ino())) {
            return Ok(true);
        }
        let Some(mut lock) = FileLock::try_acquire(&path)? else { return Ok(false) };
        sign(&mut lock)?;
        tracing::warn!(path = %path.display(), "the lock was removed, and is taken anew");
        self.lock = lock;
        Ok(true)
    }

    fn journal(&self) -> PathBuf {
        let mut name = self.layout.database().into_os_string();
        name.push("-wal");
        name.into()
    }
}

/// Who holds the lock: pid and start time.
fn sign(lock: &mut FileLock) -> io::Result<()> {
    let file = lock.file();
    file.set_len(0)?;
    if let Some(this) = process::this() {
        writeln!(file, "{}", serde_json::to_string(&this)?)?;
    }
    Ok(())
}

fn file(path: &Path) -> Option<File> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Layout, Tenure) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir(layout.state_dir()).unwrap();
        let mut tenure = Tenure::begin(&layout).unwrap().unwrap();
        for path in [layout.database(), tenure.journal(), layout.socket()] {
            fs::write(path, "").unwrap();
        }
        tenure.opened();
        tenure.listens();
        assert_eq!(tenure.look(), Look::Whole);
        (folder, layout, tenure)
    }

    #[test]
    fn a_lock_that_was_removed_is_taken_anew() {
        let (_folder, layout, mut tenure) = place();
        fs::remove_file(layout.lock()).unwrap();
        assert_eq!(tenure.look(), Look::Whole);
        assert!(Tenure::begin(&layout).unwrap().is_none(), "it is held");
        let signed = fs::read_to_string(layout.lock()).unwrap();
        assert!(signed.contains(&std::process::id().to_string()), "{signed}");
    }

    #[test]
    fn another_engine_displaces_this_one() {
        let (_folder, layout, mut tenure) = place();
        fs::remove_file(layout.lock()).unwrap();
        let _other = Tenure::begin(&layout).unwrap().unwrap();
        assert!(matches!(tenure.look(), Look::Displaced(_)));
    }

    #[test]
    fn a_log_that_was_removed_or_replaced_displaces() {
        let (_folder, layout, mut tenure) = place();
        fs::write(layout.state_dir().join("other"), "").unwrap();
        fs::rename(layout.state_dir().join("other"), layout.database()).unwrap();
        assert!(matches!(tenure.look(), Look::Displaced(_)));
        fs::remove_dir_all(layout.state_dir()).unwrap();
        assert!(matches!(tenure.look(), Look::Displaced(_)));
    }

    #[test]
    fn a_journal_is_missed_once_and_a_socket_until_it_is_back() {
        let (_folder, layout, mut tenure) = place();
        fs::remove_file(tenure.journal()).unwrap();
        assert_eq!((tenure.look(), tenure.look()), (Look::JournalGone, Look::Whole));
        fs::remove_file(layout.socket()).unwrap();
        assert_eq!((tenure.look(), tenure.look()), (Look::SocketGone, Look::SocketGone));
        fs::write(layout.socket(), "").unwrap();
        tenure.listens();
        assert_eq!(tenure.look(), Look::Whole);
        tenure.unlisten();
        assert!(!layout.socket().exists());
    }

    #[test]
    fn the_socket_of_another_stays() {
        let (_folder, layout, mut tenure) = place();
        let path = layout.state_dir().join("other");
        fs::write(&path, "another's").unwrap();
        fs::rename(path, layout.socket()).unwrap();
        tenure.unlisten();
        assert!(layout.socket().exists());
    }
}
