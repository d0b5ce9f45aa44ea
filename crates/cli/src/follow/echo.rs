//! Keeps the terminal from writing `^C` and other keys into what is being redrawn: they would move the cursor to where
//! nobody looks for it. Keys that make signals go on making them.

use std::io::{IsTerminal, stdin};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// While this is held, keys are not echoed.
pub(super) struct Unechoed {
    before: Termios,
}

impl Unechoed {
    /// Where standard input is this process's own terminal.
    pub(super) fn begin() -> Option<Self> {
        let stdin = stdin();
        // One in the background would be stopped for touching the terminal.
        if !stdin.is_terminal() || tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOCTL);
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
