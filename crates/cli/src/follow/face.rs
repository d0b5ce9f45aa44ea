//! The faces of a followed run: JSON lines, silence, plain lines, a terminal that is redrawn.

use std::time::{Duration, Instant};

use gadugi_core::{Event, Timestamp, format_duration};
use gadugi_sys::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::board::Board;
use super::echo::Unechoed;
use super::lines;
use super::words::{Level, describe};
use crate::error::Stop;
use crate::{output, text};

/// Redraws a second at most.
const HZ: u8 = 10;
/// Between two redraws.
const BETWEEN: Duration = Duration::from_millis(1000 / HZ as u64);
/// Lines of the terminal that are left to what was there before.
const LINES_LEFT: usize = 4;

/// How a run is shown.
pub(crate) enum Face {
    /// Events as they come, on standard output.
    Json,
    /// Nothing until the end.
    Silent,
    /// A line for each thing that happens.
    Plain(Level),
    /// One line for each running task, redrawn.
    Live(Live),
}

/// A terminal that is redrawn: one block of lines, the overall one last.
pub(crate) struct Live {
    level: Level,
    block: ProgressBar,
    drawn: Option<Instant>,
    _unechoed: Option<Unechoed>,
}

impl Face {
    /// The face that fits what was asked for and where standard error leads.
    pub(crate) fn choose(view: super::ViewArgs) -> Self {
        let verbose = view.verbose;
        match (view.json, view.quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Silent,
            (false, false) if output::is_live() => {
                Self::Live(Live::new(if verbose { Level::Verbose } else { Level::Important }))
            }
            (false, false) => Self::Plain(if verbose { Level::Verbose } else { Level::Normal }),
        }
    }

    /// Whether time alone changes it.
    pub(crate) fn ticks(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Shows a fact. The board does not hold it yet.
    pub(crate) fn event(
        &mut self,
        raw: &Value,
        event: Option<&Event>,
        at: Timestamp,
        board: &Board,
    ) -> Result<(), Stop> {
        let wanted = match self {
            Self::Json => return output::result_json(raw),
            Self::Silent => return Ok(()),
            Self::Plain(level) => *level,
            Self::Live(live) => live.level,
        };
        let Some((level, words)) = event.and_then(|event| describe(event, board)) else { return Ok(()) };
        if level <= wanted {
            let since = at.since(board.started_at.unwrap_or(at));
            self.say(&format!("[{:>7}] {}", format_duration(since), text::line(&words)));
        }
        Ok(())
    }

    /// Shows that something happened or that time has passed.
    pub(crate) fn draw(&mut self, board: &Board) {
        if let Self::Live(live) = self {
            live.draw(board);
        }
    }

    /// Says something that stays, where people look on.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Silent => {}
            Self::Json => output::Manner::Json.warn(line),
            Self::Plain(_) => output::say(line),
            Self::Live(live) => live.block.suspend(|| output::say(line)),
        }
    }

    /// Takes what is redrawn away.
    pub(crate) fn finish(&mut self) {
        if let Self::Live(live) = self {
            live.block.finish_and_clear();
        }
    }
}

impl Live {
    fn new(level: Level) -> Self {
        let block = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(HZ));
        block.set_style(ProgressStyle::with_template("{msg}").expect("a constant template"));
        Self { level, block, drawn: None, _unechoed: Unechoed::begin() }
    }

    fn draw(&mut self, board: &Board) {
        // What comes in between is drawn with the next tick.
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < BETWEEN) {
            return;
        }
        self.drawn = Some(Instant::now());
        let (height, columns) = console::Term::stderr().size();
        // The last column stays free: a terminal would wrap there.
        let columns = usize::from(columns).saturating_sub(1);
        let rows = usize::from(height).saturating_sub(LINES_LEFT).max(1);
        self.block.set_message(lines::block(board, clock::now(), rows, columns).join("\n"));
    }
}
