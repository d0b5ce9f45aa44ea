//! What the user asks for by signals: Ctrl-C and SIGTERM mean the same. A terminal that closes (SIGHUP) ends the watcher,
//! and the run goes on.

use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use gadugi_sys::program;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Exit, Problem, Stop};
use crate::place::block_on;

/// How many listen.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// The signals that are heard from when this is made.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn new() -> Result<Self, Problem> {
        let listen = |kind| signal(kind).map_err(|error| Problem::internal(&error));
        let heard =
            Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? };
        LISTENERS.fetch_add(1, Ordering::SeqCst);
        Ok(heard)
    }

    /// Whether one came since the last look.
    pub(crate) async fn pending(&mut self) -> bool {
        // What came is handed over by the runtime's own turn of the wheel: it gets one before the look.
        tokio::time::timeout(std::time::Duration::from_millis(1), self.next()).await.is_ok()
    }

    /// Waits for one. A wait that is given up loses none.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// From here on a signal does not leave the user's own programs behind, which are asked in process groups of their own: where
/// one is being asked, it is killed and this process ends; and so it does, as ever, where nobody listens.
pub(crate) fn heed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || block_on(mind(ready)));
        // Without it, a signal ends the process as it always does.
        let _ = is_ready.recv();
    });
}

async fn mind(ready: Sender<()>) -> Result<(), Stop> {
    let mut signals = Signals::new()?;
    // It is none of those who hear for the rest of the command.
    LISTENERS.fetch_sub(1, Ordering::SeqCst);
    // Who asked waits for it.
    let _ = ready.send(());
    loop {
        signals.next().await;
        let killed = program::kill_asked();
        if killed.is_some() || LISTENERS.load(Ordering::SeqCst) == 0 {
            end();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "main waits for a program that was just killed, or computes")]
fn end() -> ! {
    process::exit(Exit::Interrupted.code().into())
}
