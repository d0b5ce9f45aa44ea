//! What the user asks for by signals: Ctrl-C and SIGTERM mean the same. A terminal that closes (SIGHUP) ends the watcher,
//! and the run goes on.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Problem;

/// The signals that are heard from when this is made.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn new() -> Result<Self, Problem> {
        let listen = |kind| signal(kind).map_err(|error| Problem::internal(&error));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Whether one came since the last look.
    pub(crate) async fn pending(&mut self) -> bool {
        // What came is handed over by the runtime's own turn of the wheel: it gets one before the look.
        tokio::time::timeout(std::time::Duration::from_millis(1), self.next()).await.is_ok()
    }

    /// Waits for one. A wait that is given up loses none.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
