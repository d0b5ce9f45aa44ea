//! The faces of a followed run: JSON lines, silence, plain lines, a terminal that is redrawn.

use gadugi_core::{Event, Timestamp, format_duration};
use gadugi_sys::clock;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::board::{Board, Row};
use super::lines;
use super::words::{Level, describe};
use crate::error::Stop;
use crate::{output, text};

/// Redraws a second at most.
const HZ: u8 = 10;
/// Columns of the bar.
const BAR: usize = 20;
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

/// A terminal that is redrawn.
pub(crate) struct Live {
    level: Level,
    multi: MultiProgress,
    rows: Vec<ProgressBar>,
    overall: ProgressBar,
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
            Self::Json | Self::Silent => {}
            Self::Plain(_) => output::say(line),
            Self::Live(live) => live.multi.suspend(|| output::say(line)),
        }
    }

    /// Takes what is redrawn away.
    pub(crate) fn finish(&mut self) {
        if let Self::Live(live) = self {
            live.rows.drain(..).for_each(|row| row.finish_and_clear());
            live.overall.finish_and_clear();
        }
    }
}

impl Live {
    fn new(level: Level) -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(HZ));
        let overall = multi.add(ProgressBar::new(1));
        overall.set_style(style(&format!("{{bar:{BAR}.green/dim}} {{msg}}")).progress_chars("━━╌"));
        Self { level, multi, rows: Vec::new(), overall }
    }

    fn draw(&mut self, board: &Board) {
        let now = clock::now();
        let (height, columns) = console::Term::stderr().size();
        let columns = usize::from(columns).saturating_sub(1);
        let room = usize::from(height).saturating_sub(LINES_LEFT).max(1);
        let running: Vec<&Row> = board.rows().iter().filter(|row| row.since().is_some()).collect();
        let names = lines::name_columns(board);
        let shown = if running.len() > room { room - 1 } else { running.len() };
        let mut texts: Vec<String> =
            running[..shown].iter().map(|row| lines::row(row, now, names, columns)).collect();
        if running.len() > shown {
            texts.push(lines::more(running.len() - shown));
        }
        while self.rows.len() > texts.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.multi.remove(&row);
            }
        }
        while self.rows.len() < texts.len() {
            let row = self.multi.insert_before(&self.overall, ProgressBar::no_length());
            row.set_style(style("{msg}"));
            self.rows.push(row);
        }
        for (row, text) in self.rows.iter().zip(texts) {
            row.set_message(text);
        }
        let done =
            board.rows().iter().filter(|row| matches!(row.stage, super::board::Stage::Over { .. })).count();
        self.overall.set_length(board.rows().len().max(1) as u64);
        self.overall.set_position(done as u64);
        self.overall.set_message(text::cut(&lines::overall(board, now), columns.saturating_sub(BAR + 1)));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template")
}
