//! Files that are there whole or not at all, with room taken beforehand: a full disk must not keep the shim from
//! saying how a step ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use serde::Serialize;

/// Bytes that are taken for each: more than the longest record, whose one text of unknown length is cut to
/// [`LONGEST_WORDS`].
const ROOM: usize = 4096;

/// Bytes of a system's message that are kept.
const LONGEST_WORDS: usize = 1500;

/// Words as a record takes them.
pub(crate) fn fitting(words: &str) -> String {
    // A control character takes six bytes in JSON, for which there may be no room.
    let mut words = words.replace(|character: char| character.is_control(), "?");
    let mut end = words.len().min(LONGEST_WORDS);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    words.truncate(end);
    words
}

/// A file to be.
#[derive(Debug)]
pub(crate) struct Reserved {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Reserved {
    /// Takes room beside `path`.
    pub(crate) fn new(path: PathBuf) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.tmp"));
        let mut file = private(&temporary, OpenOptions::new().write(true).truncate(true))?;
        if fallocate(&file, FallocateFlags::empty(), 0, ROOM as u64).is_err() {
            // File systems that cannot take room without writing; a full one fails here too.
            file.write_all(&[b' '; ROOM])?;
        }
        Ok(Self { file, temporary, path })
    }

    /// Fills the room and gives the file its name.
    pub(crate) fn publish(self, record: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(record)?;
        bytes.push(b'\n');
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(bytes.len() as u64)?;
        std::fs::rename(&self.temporary, &self.path)
    }

    /// Gives the room back.
    pub(crate) fn discard(self) {
        // What stays behind is a file that nobody reads.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Opens or makes a file that only its owner can read and write.
pub(crate) fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use gadugi_shim::{Exit, ExitWord, Identity, Moment, OomKills, ResourceUsage};

    use super::{LONGEST_WORDS, ROOM};

    #[test]
    fn the_longest_record_fits_the_room_that_was_taken() {
        let moment = || Moment { at: "2026-11-21T09:45:50.123Z".into(), ms: i64::MIN };
        let most = Some(u64::MAX);
        let kills = OomKills { machine: most, cgroup: most };
        let exit = Exit {
            // Each of them takes two bytes; control characters, which would take six, are taken out beforehand.
            exit: ExitWord::NotStarted("\"".repeat(LONGEST_WORDS)),
            stopped: false,
            shim: Identity { pid: u32::MAX, start_ticks: u64::MAX, boot: "x".repeat(36) },
            started_at: moment(),
            ended_at: moment(),
            wall_ms: u64::MAX,
            rusage: ResourceUsage { max_rss_kib: u64::MAX, user_ms: u64::MAX, system_ms: u64::MAX },
            left_over: u32::MAX,
            output_lost: false,
            oom_lately: kills,
            oom_in_all: kills,
        };
        let length = serde_json::to_vec(&exit).unwrap().len() + 1;
        assert!(length <= ROOM, "{length} bytes");
    }
}
