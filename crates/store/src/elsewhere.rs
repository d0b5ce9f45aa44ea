//! What tasks of all the user's repositories took: a file of lines in the user's state folder, for plans of a repository in which
//! nothing was run yet.
//!
//! A line is a task that was measured: JSON, with a mark of its repository, and without a word of its prompt and without any path.
//! Any number of engines append to it: each line is written with one call at the file's end, which the kernel does not mix. Who finds it
//! larger than [`LARGEST`] puts the later half in its place; a line that is appended by another one in that very moment is lost, and
//! no line is ever torn. A line that nobody understands (of a later gadugi, or half of one, where the disk was full) is passed over.
//! Nothing depends on this file: who removes it loses estimates.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gadugi_core::PastWork;
use gadugi_sys::lock::FileLock;
use gadugi_sys::{env, files};
use serde::{Deserialize, Serialize};

/// Bytes: some 4,000 lines of 250.
const LARGEST: u64 = 1 << 20;
/// Bytes that are read at most, where somebody else made it larger: the last ones.
const MOST: u64 = 4 * LARGEST;

/// The file of all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Line<W> {
    /// Of which repository.
    repository: String,
    #[serde(flatten)]
    work: W,
}

impl Elsewhere {
    /// The user's own: `gadugi/tasks.jsonl` in `$XDG_STATE_HOME`, else in `~/.local/state`. None where neither is known.
    pub fn of_user() -> Option<Self> {
        let absolute = |path: String| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        let state = env::get(env::XDG_STATE_HOME).and_then(absolute);
        let home = || Some(env::get(env::HOME).and_then(absolute)?.join(".local/state"));
        Some(Self::at(state.or_else(home)?.join("gadugi/tasks.jsonl")))
    }

    /// One at that place.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a task of that repository. The folder is made where there is none.
    pub fn add(&self, repository: &str, work: &PastWork) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { repository: repository.to_owned(), work })?;
        line.push(b'\n');
        if let Some(folder) = self.path.parent() {
            files::create_private_dir(folder)?;
        }
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        if is_torn(&mut file)? {
            line.insert(0, b'\n');
        }
        // One call: what others append comes before or behind it.
        let written = file.write(&line)?;
        if written < line.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if file.metadata()?.len() > LARGEST { self.halve() } else { Ok(()) }
    }

    /// What tasks of other repositories took, in the order in which they ended. Nothing where there is no file; an error only where there is one
    /// and it cannot be read.
    pub fn read(&self, except: &str) -> io::Result<Vec<PastWork>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice::<Line<PastWork>>(line).ok());
        Ok(lines.filter(|line| line.repository != except).map(|line| line.work).collect())
    }

    /// Keeps the later half. One engine does it; the others go on.
    fn halve(&self) -> io::Result<()> {
        let Some(_lock) = FileLock::try_acquire(&self.path.with_extension("lock"))? else { return Ok(()) };
        let bytes = std::fs::read(&self.path)?;
        if bytes.len() as u64 <= LARGEST {
            return Ok(());
        }
        let half = bytes.len() / 2;
        let begin = bytes[half..].iter().position(|byte| *byte == b'\n').map_or(half, |at| half + at + 1);
        files::write_atomic(&self.path, &bytes[begin..])
    }
}

/// Whether somebody could not write the end of a line.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
