//! What can keep a step from being started or found.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::docker::DockerError;

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
    /// Somebody holds the folder's lock, and no step ever comes of it.
    #[error("{0}: its lock is held, and no step is begun or recorded there")]
    Held(PathBuf),
    /// The container engine, or what was asked of it.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The runtime was shut down meanwhile.
    #[error("the runtime was shut down")]
    ShutDown,
}

impl ExecError {
    /// Whether it may pass by itself: the system has no descriptors, processes, watches or memory to give right now.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Watch(source) => is_scarce(source) || source.kind() == io::ErrorKind::StorageFull,
            Self::File { source, .. } | Self::Spawn { source, .. } | Self::Handle(source) => {
                is_scarce(source)
            }
            Self::RelativeFolder(_) | Self::Shim(_) | Self::Held(_) | Self::Docker(_) | Self::ShutDown => {
                false
            }
        }
    }
}

fn is_scarce(error: &io::Error) -> bool {
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN];
    error.raw_os_error().is_some_and(|code| scarce.iter().any(|errno| errno.raw_os_error() == code))
}

/// Names the file that an error is about.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ExecError {
    let path = path.into();
    move |source| ExecError::File { path, source }
}
