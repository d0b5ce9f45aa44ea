//! Keeps the terminal from writing `^C` and other keys into what is being redrawn: they would move the cursor to where
//! nobody looks for it. Keys that make signals go on making them, unless a question is asked: it reads a Ctrl-C itself.

use std::io::{IsTerminal, stdin};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// While this is held, keys are not echoed.
pub(crate) struct Unechoed {
    before: Termios,
}

impl Unechoed {
    /// Where standard input is this process's own terminal.
    pub(super) fn begin() -> Option<Self> {
        Self::without(LocalModes::ECHO | LocalModes::ECHOCTL)
    }

    /// The same for a question. A Ctrl-C that comes before the question has begun to read waits in the terminal for it; as
    /// a signal it would be taken by whoever listens for signals, and the question would go on.
    pub(crate) fn asking() -> Option<Self> {
        Self::without(LocalModes::ECHO | LocalModes::ECHOCTL | LocalModes::ISIG)
    }

    fn without(gone: LocalModes) -> Option<Self> {
        let stdin = stdin();
        // One in the background would be stopped for touching the terminal.
        if !stdin.is_terminal() || tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut modes = before.clone();
        modes.local_modes.remove(gone);
        tcsetattr(&stdin, OptionalActions::Now, &modes).ok()?;
        Some(Self { before })
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
