//! What can keep a step from being started or found.

use std::io;
use std::path::PathBuf;

/// Why the executor could not do what it was asked. How a *step* ended is never here: see [`crate::Ended`].
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A file or folder of the step, or of the executor itself.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder of a step must be named by an absolute path.
    #[error("{0} is not an absolute path")]
    RelativeFolder(PathBuf),
    /// The kernel gives no (further) inotify watch.
    #[error("file watching (inotify): {0}")]
    Watch(io::Error),
    /// The shim itself could not be started.
    #[error("the shim {shim} could not be started: {source}")]
    Spawn {
        /// The shim.
        shim: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A handle on the shim's process was refused.
    #[error("process handle (pidfd): {0}")]
    Handle(io::Error),
    /// The shim ended before it could record anything: a full disk, above all.
    #[error("the shim could not begin: {0}")]
    Shim(String),
    /// A shim is at work in the folder, and its record of itself cannot be read.
    #[error("{0}: a shim is at work there whose records cannot be read")]
    BadRecord(PathBuf),
    /// The runtime was shut down meanwhile.
    #[error("the runtime was shut down")]
    ShutDown,
}

/// Names the file that an error is about.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ExecError {
    let path = path.into();
    move |source| ExecError::File { path, source }
}
