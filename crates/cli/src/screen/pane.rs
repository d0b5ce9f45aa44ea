//! The stream of one task, as `gadugi logs -f` shows it: its lines, cut into rows of the pane's width, and which of them are
//! in sight.
//!
//! A stream may be of any length: what is kept is bounded, and a file is read from near its end. All of it is in `gadugi
//! logs`.

use std::collections::VecDeque;
use std::path::Path;

use gadugi_core::TaskId;
use gadugi_engine::protocol::TaskView;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::commands::{Attempt, Watch};

/// Lines that are kept: some 100 screens.
const LINES: usize = 5000;
/// Columns of one line that are kept.
const COLUMNS: usize = 4000;
/// What of a file that is there already is read: some thousand lines of an agent's.
const END: u64 = 2 * 1024 * 1024;
/// What is read between two frames: parsing it takes a few milliseconds, at most ten times a second.
const AT_ONCE: u64 = 512 * 1024;

/// The stream in its pane.
#[derive(Default)]
pub(super) struct Pane {
    /// Whose.
    task: Option<TaskId>,
    attempt: Option<Attempt>,
    watch: Option<Watch>,
    text: Text,
    /// Whether there is more to be read than was.
    more: bool,
}

impl Pane {
    /// Turns to that task's latest attempt, where it is another than before.
    pub(super) fn turn_to(&mut self, task: Option<&TaskView>) {
        let dir = task.and_then(|task| task.attempt_dir.as_deref()).filter(|dir| dir.is_dir());
        let same_task = self.task.as_ref() == task.map(|task| &task.id);
        let same = same_task && self.attempt.as_ref().map(Attempt::dir) == dir;
        if same {
            return;
        }
        self.task = task.map(|task| task.id.clone());
        self.text.clear();
        self.attempt = dir.map(|dir| Attempt::at_its_end(dir, END));
        self.more = self.attempt.is_some();
        if let Some(dir) = dir {
            self.watch(dir);
        }
    }

    /// Where a folder cannot be watched, the tick of the clock reads what is new.
    fn watch(&mut self, dir: &Path) {
        match &mut self.watch {
            Some(watch) => drop(watch.turn_to(dir)),
            None => self.watch = Watch::new(dir).ok(),
        }
    }

    /// Reads what is new.
    pub(super) fn read(&mut self) {
        let Some(attempt) = &mut self.attempt else { return };
        if let Some(watch) = &mut self.watch {
            // As above.
            let _ = watch.steps(attempt.dir());
        }
        match attempt.news(AT_ONCE) {
            Ok((news, more)) => {
                self.more = more;
                news.lines().for_each(|line| self.text.push(line));
            }
            Err(stop) => {
                self.more = false;
                self.text.push(&format!("! {}", stop.first_words()));
            }
        }
    }

    /// Whether more is there than one reading took.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Waits until there is something new. A wait that is given up loses nothing.
    pub(super) async fn grown(&self) {
        match &self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Whether an attempt is shown.
    pub(super) fn has_begun(&self) -> bool {
        self.attempt.is_some()
    }

    /// What is in sight.
    pub(super) fn text(&mut self) -> &mut Text {
        &mut self.text
    }
}

/// Lines, their rows in a width, and which are in sight.
#[derive(Debug)]
pub(super) struct Text {
    lines: VecDeque<String>,
    rows: VecDeque<Row>,
    width: usize,
    height: usize,
    top: usize,
    follows: bool,
    /// Whether lines were left out at the beginning.
    cut: bool,
}

/// One row of the pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The sign of the line that it belongs to.
    pub(super) sign: Sign,
    /// Its text.
    pub(super) text: String,
    /// Whether its line begins with it.
    first: bool,
}

/// What a line is, by the sign that it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// An agent's words, or what a check writes.
    Words,
    /// A tool.
    Tool,
    /// Something of note.
    Note,
    /// Standard error.
    Error,
    /// How a step ended.
    End,
    /// A step's title.
    Title,
}

impl Sign {
    fn of(line: &str) -> Self {
        let signs = [
            ("> ", Self::Tool),
            ("* ", Self::Note),
            ("! ", Self::Error),
            ("= ", Self::End),
            ("── ", Self::Title),
        ];
        signs.into_iter().find(|(sign, _)| line.starts_with(sign)).map_or(Self::Words, |(_, sign)| sign)
    }
}

impl Default for Text {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            rows: VecDeque::new(),
            width: 0,
            height: 0,
            top: 0,
            follows: true,
            cut: false,
        }
    }
}

impl Text {
    fn clear(&mut self) {
        let (width, height) = (self.width, self.height);
        *self = Self { width, height, ..Self::default() };
    }

    /// Adds a line that is clean.
    fn push(&mut self, line: &str) {
        // A terminal would move to the next stop of eight; what comes behind a sign stands where it stands.
        let line: String = line.replace('\t', "    ").chars().take(COLUMNS).collect();
        self.rows.extend(rows(&line, self.width));
        self.lines.push_back(line);
        if self.lines.len() > LINES {
            self.lines.pop_front();
            self.cut = true;
            self.rows.pop_front();
            let mut gone = 1;
            while self.rows.front().is_some_and(|row| !row.first) {
                self.rows.pop_front();
                gone += 1;
            }
            self.top = self.top.saturating_sub(gone);
        }
        self.settle();
    }

    /// Fits the text into a pane of that size.
    pub(super) fn fit(&mut self, width: usize, height: usize) {
        if self.width != width {
            // What stood at the top stays there.
            let line = self.rows.iter().take(self.top + 1).filter(|row| row.first).count().max(1) - 1;
            self.width = width;
            self.rows = self.lines.iter().flat_map(|line| rows(line, width)).collect();
            let firsts = self.rows.iter().enumerate().filter(|(_, row)| row.first);
            self.top = firsts.map(|(at, _)| at).nth(line).unwrap_or(0);
        }
        self.height = height;
        self.settle();
    }

    /// Keeps the rows in sight within the text.
    fn settle(&mut self) {
        let last = self.rows.len().saturating_sub(self.height);
        self.top = if self.follows { last } else { self.top.min(last) };
    }

    /// The rows in sight.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().skip(self.top).take(self.height)
    }

    /// Moves by so many rows. Who comes to the end follows it from there on.
    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(self.height);
        self.top = self.top.saturating_add_signed(by).min(last);
        self.follows = self.top == last;
    }

    /// Moves by pages.
    pub(super) fn page(&mut self, by: isize) {
        self.scroll(by.saturating_mul(self.height.saturating_sub(1).max(1).cast_signed()));
    }

    /// Shows the beginning of what is kept.
    pub(super) fn rewind(&mut self) {
        self.scroll(isize::MIN);
    }

    /// Shows the end, and what comes.
    pub(super) fn follow(&mut self) {
        self.follows = true;
        self.settle();
    }

    /// Follows what comes, or stays.
    pub(super) fn toggle_following(&mut self) {
        self.follows = !self.follows;
        self.settle();
    }

    /// Whether what comes is followed.
    pub(super) fn follows(&self) -> bool {
        self.follows
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Where it stands: rows above and below what is in sight.
    pub(super) fn beyond(&self) -> (usize, usize) {
        (self.top, self.rows.len().saturating_sub(self.top + self.height))
    }
}

/// A line as rows so wide: broken between words where one ends in the second half of a row. A row that goes on from
/// another stands in by two columns.
fn rows(line: &str, width: usize) -> Vec<Row> {
    let sign = Sign::of(line);
    let (mut rows, mut text, mut columns) = (Vec::new(), String::new(), 0);
    // Where the last blank of the row ends: bytes and columns.
    let mut blank = (0, 0);
    let indent = if width > 8 && sign != Sign::Words { "  " } else { "" };
    for grapheme in Span::raw(line).styled_graphemes(Style::default()) {
        let wide = Span::raw(grapheme.symbol).width();
        if columns + wide > width && !text.is_empty() {
            let rest = if blank.1 > width / 2 { text.split_off(blank.0) } else { String::new() };
            rows.push(Row { sign, text: std::mem::take(&mut text), first: rows.is_empty() });
            text = format!("{indent}{rest}");
            columns = Span::raw(text.as_str()).width();
            blank = (0, 0);
        }
        text.push_str(grapheme.symbol);
        columns += wide;
        if grapheme.symbol == " " {
            blank = (text.len(), columns);
        }
    }
    rows.push(Row { sign, text, first: rows.is_empty() });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize, width: usize, height: usize) -> Text {
        let mut text = Text::default();
        text.fit(width, height);
        (0..lines).for_each(|n| text.push(&format!("line {n}")));
        text
    }

    fn shown(text: &Text) -> Vec<&str> {
        text.rows().map(|row| row.text.as_str()).collect()
    }

    #[test]
    fn lines_are_broken_between_words_by_their_columns() {
        let broken = |line, width| -> Vec<String> {
            rows(line, width).into_iter().map(|row| row.text).collect::<Vec<_>>()
        };
        assert_eq!(broken("one two three", 8), ["one two ", "three"]);
        assert_eq!(broken("> Bash one two three", 12), ["> Bash one ", "  two three"]);
        assert_eq!(broken("日本語日本語", 5), ["日本", "語日", "本語"]);
        assert_eq!(broken("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("ab", 0), ["a", "b"]);
        assert!(rows("! wrong", 4).iter().all(|row| row.sign == Sign::Error));
    }

    #[test]
    fn what_comes_is_followed_until_somebody_looks_back() {
        let mut text = text(10, 20, 3);
        assert_eq!(shown(&text), ["line 7", "line 8", "line 9"]);
        text.scroll(-2);
        assert_eq!(shown(&text), ["line 5", "line 6", "line 7"]);
        text.push("more");
        assert_eq!((shown(&text)[0], text.follows(), text.beyond()), ("line 5", false, (5, 3)));
        text.page(9);
        assert!(text.follows());
        text.push("and more");
        assert_eq!(shown(&text)[2], "and more");
        text.rewind();
        assert_eq!(shown(&text)[0], "line 0");
        text.follow();
        assert_eq!(shown(&text)[2], "and more");
    }

    #[test]
    fn what_is_kept_is_bounded_and_stays_in_sight() {
        let mut text = text(LINES, 20, 3);
        text.scroll(-100);
        let before = shown(&text)[0].to_owned();
        (0..50).for_each(|n| text.push(&format!("a further line that is wide {n}")));
        assert_eq!(shown(&text)[0], before);
        assert_eq!((text.lines.len(), text.cut), (LINES, true));
        assert_eq!(text.lines.iter().map(|line| rows(line, 20).len()).sum::<usize>(), text.rows.len());
    }

    #[test]
    fn another_width_keeps_the_line_at_the_top() {
        let mut text = Text::default();
        text.fit(10, 2);
        (0..20).for_each(|n| text.push(&format!("{n} words that are broken")));
        text.scroll(-30);
        let line = shown(&text)[0].to_owned();
        text.fit(40, 2);
        let number = |row: &str| row.split(' ').next().unwrap().to_owned();
        assert!(shown(&text)[0].contains(line.trim()) || number(shown(&text)[0]) == number(&line));
        text.fit(0, 0);
        text.fit(40, 5);
        assert_eq!(shown(&text).len(), 5);
    }
}
