//! What can go wrong with the database, and how SQLite's many codes become few.

use std::path::Path;

use rusqlite::ffi;
use thiserror::Error;

/// Why the store could not do what was asked. Whatever it is, nothing that was stored before is lost by it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database was written by a later gadugi. It was left as it is.
    #[error("the database is of version {found}, this gadugi knows versions up to {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// Another process holds the database.
    #[error("another process holds the database")]
    Locked,
    /// The file is no readable database. It was left as it is.
    #[error("the database is damaged: {detail}")]
    Damaged {
        /// What SQLite said of it, or what was seen.
        detail: String,
    },
    /// The file is a database, but none of gadugi's. It was left as it is.
    #[error("the file is a database of another program")]
    Foreign,
    /// There is no room on the disk. Nothing of what was to be stored is there.
    #[error("the disk is full")]
    Full,
    /// The file or its folder cannot be written: rights, a read-only file system, a folder that is missing.
    #[error("the database cannot be written: {detail}")]
    Unwritable {
        /// What the system said.
        detail: String,
    },
    /// One stored event cannot be understood by this program.
    #[error("event {} cannot be read: {}", .0.seq, .0.detail)]
    BadRow(crate::BadRow),
    /// SQLite refused something that it should not have refused: a defect of gadugi.
    #[error("the database refused: {detail}")]
    Unexpected {
        /// What SQLite said.
        detail: String,
    },
}

/// Below this much free space an input/output error of SQLite is taken for a full disk: its shared-memory file
/// grows by 32 KiB at a time, and that failure has a code of its own without a reason.
const FULL_BELOW: u64 = 64 * 1024;

impl StoreError {
    /// Sorts an error of SQLite. `path` is the database, to see whether its disk is full.
    pub(crate) fn from_sqlite(error: &rusqlite::Error, path: &Path) -> Self {
        let detail = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, _) = error else {
            return Self::Unexpected { detail };
        };
        match failure.extended_code & 0xff {
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Self::Locked,
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Self::Damaged { detail },
            ffi::SQLITE_FULL => Self::Full,
            ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN if is_full(path) => Self::Full,
            ffi::SQLITE_IOERR if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
                Self::Damaged { detail }
            }
            ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM => {
                Self::Unwritable { detail }
            }
            _ => Self::Unexpected { detail },
        }
    }

    /// Sorts an error of the file system.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        if gadugi_sys::files::is_disk_full(error) {
            Self::Full
        } else {
            Self::Unwritable { detail: error.to_string() }
        }
    }
}

fn is_full(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(folder).is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) < FULL_BELOW)
}
