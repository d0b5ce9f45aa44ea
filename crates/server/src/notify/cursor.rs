//! Up to which event somebody was told: a small file for each way to tell, in `.gadugi/notify/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gadugi_sys::files;
use serde::{Deserialize, Serialize};

/// A file that says how far it is.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Said {
    seq: u64,
}

impl Cursor {
    pub(super) fn at(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(format!("{name}.json")) }
    }

    /// How far it is: no further than the log itself, which may have been put away. Without a file nothing of what is in the log is
    /// told: whoever names a command today does not want to hear of last week.
    pub(super) fn read(&self, log: u64) -> u64 {
        /// One line.
        const MOST: u64 = 1000;
        let said = files::read_own(&self.path, MOST).ok();
        let said: Option<Said> = said.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        said.map_or(log, |said| said.seq.min(log))
    }

    /// Everything up to there was told, or given up.
    pub(super) fn write(&self, seq: u64) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        files::write_atomic(&self.path, format!("{}\n", serde_json::to_string(&Said { seq })?).as_bytes())
    }
}
