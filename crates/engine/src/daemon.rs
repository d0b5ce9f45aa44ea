//! The detached process: elected by a lock, listening on a socket, leaving when nobody needs it.

use std::path::PathBuf;

use thiserror::Error;

use crate::layout::Layout;

/// What an engine needs to know when it starts.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// Where the repository's state lies.
    pub layout: Layout,
    /// The gadugi binary: the scripted agent is one of its faces.
    pub program: PathBuf,
    /// Where the monitoring files go.
    pub monitoring_dir: PathBuf,
    /// How often they are written at least, in milliseconds.
    pub monitoring_interval_ms: u64,
}

/// Why an engine could not live.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Lives as the engine of one repository until nobody needs it. Says on standard output whether it came up, then
/// closes that. Returns at once where another engine lives.
pub fn serve(options: DaemonOptions) -> Result<(), DaemonError> {
    drop(options);
    Ok(())
}
