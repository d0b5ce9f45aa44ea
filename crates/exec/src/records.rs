//! What a step's folder says.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gadugi_core::{Millis, Process, StepExit, Timestamp};
use gadugi_shim::{EXIT, Exit, ExitWord, Identity, SPEC, STARTED, Spec, Started};
use rustix::fs::OFlags;
use serde::de::DeserializeOwned;

use crate::Ended;
use crate::error::{ExecError, at};

/// Bytes of a record that are read: far more than any has. The longest is the order, which holds the arguments, of which the
/// kernel takes 2 MiB in all.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A record of the shim's.
#[derive(Debug)]
pub(crate) enum Record<T> {
    /// Not written (yet).
    Absent,
    /// There, but not what the shim writes: a power cut, or somebody's hand.
    Unreadable,
    /// There.
    There(T),
}

impl<T> Record<T> {
    pub(crate) fn there(self) -> Option<T> {
        if let Self::There(record) = self { Some(record) } else { None }
    }
}

/// `started.json`.
pub(crate) fn started(dir: &Path) -> Result<Record<Started>, ExecError> {
    read(&dir.join(STARTED))
}

/// `exit.json`.
pub(crate) fn exit(dir: &Path) -> Result<Record<Exit>, ExecError> {
    read(&dir.join(EXIT))
}

/// `spec.json`, where it can be read.
pub(crate) fn spec(dir: &Path) -> Option<Spec> {
    read(&dir.join(SPEC)).ok()?.there()
}

/// Whether a shim has recorded anything.
pub(crate) fn any(dir: &Path) -> bool {
    dir.join(STARTED).exists() || dir.join(EXIT).exists()
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Record<T>, ExecError> {
    let mut bytes = Vec::new();
    match open_regular(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
        Ok(_) => Ok(serde_json::from_slice(&bytes).map_or(Record::Unreadable, Record::There)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::Absent),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Record::Unreadable),
        Err(error) => Err(at(path)(error)),
    }
}

/// Opens a file of a step's folder for reading. A step can write there: what is no plain file (a pipe would keep whoever
/// opens it waiting) is refused as [`io::ErrorKind::InvalidInput`].
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The shim's identity in our words.
pub(crate) fn process(identity: &Identity) -> Process {
    Process { pid: identity.pid, start_ticks: identity.start_ticks, boot: identity.boot.clone() }
}

/// The shim's word for the end in ours, whatever the memory did.
pub(crate) fn plain_exit(word: &ExitWord) -> StepExit {
    match word {
        ExitWord::Code(code) => StepExit::Code(*code),
        ExitWord::Signal(signal) => StepExit::Signal(*signal),
        ExitWord::NotStarted(words) => StepExit::NotStarted(words.clone()),
        ExitWord::LeaseLapsed => StepExit::LeaseLapsed,
        ExitWord::TooMuchOutput => StepExit::TooMuchOutput,
    }
}

/// The shim's record of the end in our words.
pub(crate) fn ended(exit: &Exit) -> Ended {
    // A shell tells its child's death by a signal as 128 and the signal.
    let killed = matches!(exit.exit, ExitWord::Signal(9) | ExitWord::Code(137));
    let out_of_memory = killed && !exit.stopped && exit.oom_lately.nearest() > 0;
    Ended {
        exit: if out_of_memory { StepExit::OutOfMemory } else { plain_exit(&exit.exit) },
        stopped: exit.stopped,
        wall: Millis(exit.wall_ms),
        cpu: Millis(exit.rusage.user_ms.saturating_add(exit.rusage.system_ms)),
        max_rss_kib: exit.rusage.max_rss_kib,
        ended_at: Timestamp(exit.ended_at.ms),
        left_over: exit.left_over,
        output_lost: exit.output_lost,
        oom_kills: exit.oom_in_all.nearest(),
        by_engine: false,
    }
}

/// Who the step's shim is, or was, and when the step began. A process that never was where nothing legible says so.
pub(crate) fn origin(dir: &Path) -> Result<(Process, Timestamp), ExecError> {
    if let Some(started) = started(dir)?.there() {
        return Ok((process(&started.shim), Timestamp(started.started_at.ms)));
    }
    if let Some(exit) = exit(dir)?.there() {
        return Ok((process(&exit.shim), Timestamp(exit.started_at.ms)));
    }
    Ok((Process { pid: 0, start_ticks: 0, boot: String::new() }, Timestamp::default()))
}
