//! The faces of a followed run: JSON lines, silence, plain lines, a terminal that is redrawn.

use std::time::{Duration, Instant};

use gadugi_core::{Event, RunId, Timestamp, format_duration};
use gadugi_engine::protocol::{Activity, RunView};
use gadugi_sys::clock;
use serde_json::Value;

use super::board::Board;
use super::echo::Unechoed;
use super::lines;
use super::words::{Level, describe};
use crate::error::Stop;
use crate::place::Place;
use crate::screen::{Asked, Purpose, Screen};
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
    /// The whole terminal; none once it is left.
    Screen(Purpose, Option<Box<Screen>>),
}

/// A terminal that is redrawn: one block of lines, the overall one last, the cursor below it.
///
/// Drawn by hand: what is to be taken away is counted anew for the width that the terminal has by now, and no line is
/// filled up to the edge, so that a terminal that becomes narrower or wider loses nothing of what stands above.
pub(crate) struct Live {
    level: Level,
    drawn: Option<Instant>,
    /// The lines that stand there.
    lines: Vec<String>,
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

    /// The whole terminal, which is taken.
    pub(crate) fn screen(place: &Place, run: &RunId, purpose: Purpose) -> Result<Self, Stop> {
        let screen = Screen::begin(&place.layout, run, purpose)?;
        Ok(Self::Screen(purpose, Some(Box::new(screen))))
    }

    /// What whoever looks on asks by keys; without any, nothing ever. A wait that is given up loses nothing.
    pub(crate) async fn asked(&mut self) -> Result<Asked, Stop> {
        match self {
            Self::Screen(_, Some(screen)) => screen.asked().await,
            _ => std::future::pending().await,
        }
    }

    /// Whether the run is none of its business.
    pub(crate) fn only_looks_on(&self) -> bool {
        matches!(self, Self::Screen(Purpose::ToLook, _))
    }

    /// Shows what a task is doing, where the board alone is not what is shown.
    pub(crate) fn activity(&mut self, activity: &Activity) {
        if let Self::Screen(_, Some(screen)) = self {
            screen.activity(activity);
        }
    }

    /// Shows how the run stands.
    pub(crate) fn look(&mut self, view: Box<RunView>) {
        if let Self::Screen(_, Some(screen)) = self {
            screen.look_at(view);
        }
    }

    /// Shows that the run is over, or that nothing of it is under way any more.
    pub(crate) fn rests(&mut self, view: Box<RunView>) {
        if let Self::Screen(_, Some(screen)) = self {
            screen.rests(view);
        }
    }

    /// The run is followed, from now on or again.
    pub(crate) fn is_followed(&mut self) {
        if let Self::Screen(_, Some(screen)) = self {
            screen.is_followed();
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
            Self::Screen(_, screen) => {
                screen.iter_mut().for_each(|screen| screen.changed());
                return Ok(());
            }
        };
        let Some((level, words)) = event.and_then(|event| describe(event, at, board)) else { return Ok(()) };
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
    pub(crate) fn say(&mut self, line: &str) {
        match self {
            Self::Silent => {}
            Self::Json => output::Manner::Json.warn(line),
            Self::Plain(_) => output::say(line),
            Self::Live(live) => live.say(line),
            Self::Screen(_, Some(screen)) => screen.say(line),
            Self::Screen(_, None) => output::say(line),
        }
    }

    /// Takes what is redrawn away; gives how the run stood on a screen that is left with it.
    pub(crate) fn finish(&mut self) -> Option<Box<RunView>> {
        match self {
            Self::Live(live) => live.lines = live.repaint("", Vec::new()),
            Self::Screen(_, screen) => return screen.take().and_then(|screen| screen.leave()),
            _ => {}
        }
        None
    }
}

impl Live {
    fn new(level: Level) -> Self {
        Self { level, drawn: None, lines: Vec::new(), _unechoed: Unechoed::begin() }
    }

    fn draw(&mut self, board: &Board) {
        // What comes in between is drawn with the next tick.
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < BETWEEN) {
            return;
        }
        self.drawn = Some(Instant::now());
        let (height, columns) = size();
        let rows = height.saturating_sub(LINES_LEFT).max(1);
        self.lines = self.repaint("", lines::block(board, clock::now(), rows, columns.saturating_sub(1)));
    }

    /// Says something that stays, above the block.
    fn say(&mut self, line: &str) {
        let columns = size().1.saturating_sub(1);
        let lines = self.lines.iter().map(|line| text::cut(line, columns)).collect();
        self.lines = self.repaint(line, lines);
    }

    /// Puts these lines where the block stands, and text above them; answers the lines.
    fn repaint(&self, above: &str, lines: Vec<String>) -> Vec<String> {
        let (height, columns) = size();
        let widths: Vec<usize> = self.lines.iter().map(|line| text::width(line)).collect();
        output::paint(&frame(&widths, above, &lines, height, columns));
        lines
    }
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    let (height, columns) = console::Term::stderr().size();
    (usize::from(height), usize::from(columns))
}

/// What moves a terminal from a block of lines so wide to text that stays and other lines below it. The lines leave the
/// last column free: a terminal would wrap there.
fn frame(widths: &[usize], above: &str, lines: &[String], height: usize, columns: usize) -> String {
    // What has left the screen at its top cannot be reached.
    let rows = text::rows(widths, columns).min(height.saturating_sub(1));
    let mut out = if rows > 0 { format!("\r\u{1b}[{rows}A") } else { "\r".to_owned() };
    for line in above.lines().chain(lines.iter().map(String::as_str)) {
        // The whole row: what a terminal knows of a line that it once wrapped goes with it. A line that fills its last row
        // has nothing behind it to clear; clearing there would take its last character.
        let fills = text::width(line).is_multiple_of(columns.max(1));
        out.extend(["\u{1b}[2K", line, if fills { "" } else { "\u{1b}[K" }, "\n"]);
    }
    out.push_str("\u{1b}[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_row_by_row() {
        let lines = ["one".to_owned(), "two".to_owned()];
        let shown =
            |frame: String| frame.replace("\u{1b}[2K", "<").replace("\u{1b}[K\n", ">").replace('\u{1b}', "^");
        assert_eq!(shown(frame(&[], "", &lines, 24, 80)), "\r<one><two>^[J");
        assert_eq!(shown(frame(&[79, 20], "", &lines[..1], 24, 80)), "\r^[2A<one>^[J");
        assert_eq!(shown(frame(&[3], "said", &lines[..1], 24, 80)), "\r^[1A<said><one>^[J");
        assert_eq!(shown(frame(&[3], "said", &lines[..1], 24, 4)), "\r^[1A<said\n<one>^[J");
        assert_eq!(shown(frame(&[3], "", &[], 24, 80)), "\r^[1A^[J");
    }

    #[test]
    fn what_a_narrower_terminal_wrapped_goes_as_far_as_the_screen_reaches() {
        assert!(frame(&[99, 20], "", &[], 24, 50).starts_with("\r\u{1b}[3A"));
        assert!(frame(&[99; 40], "", &[], 24, 50).starts_with("\r\u{1b}[23A"));
    }
}
