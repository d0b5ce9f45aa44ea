//! The one door to standard output and standard error.
//!
//! Results go to standard output, everything else to standard error. A reader that goes away ends the command
//! quietly ([`Stop::ReaderGone`]); a standard error that cannot be written to changes nothing.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

use gadugi_sys::env;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use crate::error::{Problem, Stop};
use crate::text;

/// Writes a result. Line ends are the caller's.
pub(crate) fn result(text: &str) -> Result<(), Stop> {
    result_bytes(text.as_bytes())
}

/// Writes a result that may be no text: what an agent's process wrote, as it came.
pub(crate) fn result_bytes(bytes: &[u8]) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| stop(&error))
}

/// Writes one line of JSON as a result.
pub(crate) fn result_json(value: &impl serde::Serialize) -> Result<(), Stop> {
    let line = serde_json::to_string(value).map_err(|error| Problem::internal(&error))?;
    result(&text::json(line + "\n"))
}

/// Writes JSON for people as a result.
pub(crate) fn result_json_pretty(value: &impl serde::Serialize) -> Result<(), Stop> {
    result(&pretty(value)?)
}

/// JSON for people, with a line end.
pub(crate) fn pretty(value: &impl serde::Serialize) -> Result<String, Stop> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Problem::internal(&error))?;
    Ok(text::json(text + "\n"))
}

/// Says something beside the result.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell where standard error cannot be written to.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to a standard error that is redrawn, as it is: what moves the cursor is meant.
pub(crate) fn paint(text: &str) {
    let mut stderr = io::stderr().lock();
    // As with [`say`].
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// How things are said beside the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In words.
    Words,
    /// As objects, one a line.
    Json,
    /// Not at all, unless something goes wrong.
    Quiet,
}

impl Manner {
    /// For a command that knows JSON and words.
    pub(crate) fn json(json: bool) -> Self {
        if json { Self::Json } else { Self::Words }
    }

    /// Warns in one line.
    pub(crate) fn warn(self, message: &str) {
        let message = text::line(message);
        match self {
            Self::Words => {
                say(&format!("{} {message}", console::style("warning:").yellow().bold().for_stderr()));
            }
            Self::Json => say(&serde_json::json!({"warning": {"message": message}}).to_string()),
            Self::Quiet => {}
        }
    }

    /// Says something to people only.
    pub(crate) fn tell(self, line: &str) {
        if self == Self::Words {
            say(line);
        }
    }
}

/// Says what went wrong: one line, or one object where JSON is wanted.
pub(crate) fn problem(json: bool, problem: &Problem) {
    say(&problem.render(json, console::colors_enabled_stderr()));
}

/// Whether a person can answer questions here.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether standard error is a terminal that can be redrawn.
pub(crate) fn is_live() -> bool {
    console::Term::stderr().features().is_attended() && env::get(env::TERM).is_none_or(|term| term != "dumb")
}

/// Whether the whole terminal can be taken for a screen: it is there to be written to and read from, it can do more than
/// write lines, and it is this command's own, not one that runs in the background.
pub(crate) fn can_show_a_screen() -> bool {
    let (stdin, is_dumb) = (io::stdin(), env::get(env::TERM).is_none_or(|term| term == "dumb"));
    let ours = || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
    is_terminal() && stdin.is_terminal() && !is_dumb && ours()
}

/// Standard output for a screen, which writes what moves the cursor: a frame at a time.
pub(crate) fn screen() -> BufWriter<Stdout> {
    // Some 20 kB a frame at the most that terminals have; a larger one goes out in parts.
    BufWriter::with_capacity(64 * 1024, io::stdout())
}

/// Whether colours are wanted on standard output.
pub(crate) fn colours() -> bool {
    console::colors_enabled()
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal on standard output; none where it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    is_terminal().then(|| usize::from(console::Term::stdout().size().1))
}

fn stop(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe => Stop::ReaderGone,
        _ => Problem::environment("output", format!("cannot write the result: {error}"), None).into(),
    }
}
