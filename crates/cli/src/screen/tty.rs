//! The terminal while it is a screen, and giving it back as it was found, whatever happens.
//!
//! Whether it is taken is one flag of the process, so that whoever comes first gives it back, once: the end of the screen,
//! an error that drops it, a stop by Ctrl-Z, or a panic anywhere, whose words would else be lost with the screen.

use std::io::{self, ErrorKind, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::{cursor, execute, style, terminal};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

use crate::error::{Problem, Stop};
use crate::output;

/// Whether the terminal is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal that is a screen while this lives.
pub(super) struct Tty {
    terminal: ratatui::Terminal<CrosstermBackend<io::BufWriter<Stdout>>>,
    /// Whether it was given back for a while, to be taken again.
    away: bool,
}

impl Tty {
    /// Takes the terminal.
    pub(super) fn take() -> Result<Self, Stop> {
        give_back_in_a_panic();
        let terminal =
            ratatui::Terminal::new(CrosstermBackend::new(output::screen())).map_err(|error| lost(&error))?;
        take().map_err(|error| lost(&error))?;
        Ok(Self { terminal, away: false })
    }

    /// Draws what has changed since the last time.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> Result<(), Stop> {
        match (TAKEN.load(Ordering::SeqCst), self.away) {
            (true, _) => self.terminal.draw(render).map(drop).map_err(|error| lost(&error)),
            (false, true) => Ok(()),
            // Whoever panicked has said so where the user reads it: nothing is to be drawn over that.
            (false, false) => Err(Problem::internal(&"a part of it panicked").into()),
        }
    }

    /// Whether it is given back for a while.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// Gives the terminal back for a while.
    pub(super) fn step_aside(&mut self) {
        self.away = true;
        give_back();
    }

    /// Takes it again and draws everything anew. Where a shell had it meanwhile, nothing is as it was left.
    pub(super) fn come_back(&mut self) -> Result<(), Stop> {
        give_back();
        take().map_err(|error| lost(&error))?;
        self.away = false;
        self.redraw()
    }

    /// Everything is to be drawn anew: somebody else wrote over it.
    pub(super) fn redraw(&mut self) -> Result<(), Stop> {
        // Terminal::clear would ask the terminal where its cursor is, and wait for the answer among the keys.
        let size = self.terminal.size().map_err(|error| lost(&error))?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size))).map_err(|error| lost(&error))
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    // A stop and a continuation in the middle of it are no failure.
    while let Err(error) = terminal::enable_raw_mode() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
    TAKEN.store(true, Ordering::SeqCst);
    // The macro names its writer twice.
    let mut out = output::screen();
    execute!(out, terminal::EnterAlternateScreen, cursor::Hide, EnableBracketedPaste)
}

/// Gives the terminal back, where it is taken. What cannot be written to any more needs nothing put back.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // The modes come first: they need nobody who reads what is written.
    let _ = terminal::disable_raw_mode();
    let mut out = output::screen();
    let _ =
        execute!(out, style::ResetColor, DisableBracketedPaste, cursor::Show, terminal::LeaveAlternateScreen);
    let _ = out.flush();
}

/// From here on a panic's words come where they can be read.
fn give_back_in_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

/// The terminal cannot be read from or written to: whoever looked on is gone.
fn lost(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe => Stop::ReaderGone,
        // EIO: the other side of the terminal is gone.
        _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Stop::ReaderGone,
        _ => Problem::environment("terminal", format!("the terminal failed: {error}"), None).into(),
    }
}
