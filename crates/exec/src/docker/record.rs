//! What the executor itself writes into a step's folder about its container.
//!
//! | file | what |
//! |---|---|
//! | `container.json` | [`Container`]: written before the container is made, and again when its first process is known |
//! | `witness.json` | [`Witness`]: what the engine said of an end that the shim left no record of, before the container was removed |
//! | `launch.lock` | held (`flock`) for as long as somebody launches or adopts the step |

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use gadugi_core::Process;
use gadugi_shim::Identity;
use gadugi_sys::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::records::open_regular;

const CONTAINER: &str = "container.json";
const WITNESS: &str = "witness.json";
pub(crate) const LAUNCH_LOCK: &str = "launch.lock";

/// Bytes of either that are read.
const LONGEST: u64 = 64 * 1024;

/// Which container a step was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    /// Its name.
    pub(crate) name: String,
    /// Its id; none before it is made. It never means another one, as the name may one day.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// Its labels, by which it is known as this step's.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// To whom the folder was given.
    #[serde(default)]
    pub(crate) owner: Option<(u32, u32)>,
    /// Its first process as this machine sees it; none before the handshake, and where it cannot be seen.
    #[serde(default)]
    pub(crate) process: Option<Identity>,
}

/// What the engine knows of a container's end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witness {
    /// Whether something in it was killed for want of memory.
    #[serde(default)]
    pub(crate) oom_killed: bool,
    /// The exit code of its first process; 137 where that was killed. None: the container is gone, or the engine is.
    #[serde(default)]
    pub(crate) exit_code: Option<i64>,
}

impl Container {
    /// None where there is none, or none that can be read.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        read(&dir.join(CONTAINER))
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        write(&dir.join(CONTAINER), self)
    }

    /// What the engine is to be asked for.
    pub(crate) fn reference(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }

    /// Its first process in our words.
    pub(crate) fn process(&self) -> Option<Process> {
        self.process.as_ref().map(crate::records::process)
    }
}

impl Witness {
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        read(&dir.join(WITNESS))
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        write(&dir.join(WITNESS), self)
    }

    /// Whether the container's first process was killed, and for want of memory.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.oom_killed && self.exit_code == Some(137)
    }
}

/// Forgets what an earlier try left.
pub(crate) fn forget(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(WITNESS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the step in that folder was ordered in a container.
pub fn in_container(dir: &Path) -> bool {
    dir.join(CONTAINER).exists()
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let file = open_regular(path).ok()?;
    serde_json::from_reader(io::Read::take(file, LONGEST)).ok()
}

fn write(path: &Path, record: &impl Serialize) -> io::Result<()> {
    files::write_atomic(path, &serde_json::to_vec(record)?)
}
