//! How the screen looks: plain functions of what it shows, so that it can be looked at without a terminal.
//!
//! What agents, prompts and files say is cleaned by `text` on its way into a cell. Colours help; none carries a meaning alone.

mod header;
mod list;
mod overlay;
mod stream;
mod theme;

use gadugi_core::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::app::{App, Entry, Focus};
use crate::text;
use theme::Theme;

/// Columns from which on list and stream stand side by side.
const WIDE: u16 = 190;
/// Rows from which on there is room for figures.
const FIGURES: u16 = 16;
/// Rows from which on the stream has room below the list.
const STREAM: u16 = 12;

/// Draws all of it.
pub(super) fn screen(app: &mut App, frame: &mut Frame<'_>, now: Timestamp) {
    let (area, theme) = (frame.area(), Theme::new(app.colours));
    if area.is_empty() {
        return;
    }
    let head = header::lines(app, area, now, theme);
    let head_rows = u16::try_from(head.len()).unwrap_or(u16::MAX).min(area.height.saturating_sub(3));
    let [top, body, foot] =
        Layout::vertical([Constraint::Length(head_rows), Constraint::Min(0), Constraint::Length(1)])
            .areas(area);
    for (line, row) in head.into_iter().zip(top.rows()) {
        frame.render_widget(line, row);
    }
    parts(app, frame, body, now, theme);
    frame.render_widget(footer(app, foot.width, theme), foot);
    if let Some(overlay) = app.overlay {
        overlay::draw(app, overlay, frame, body, theme);
    }
}

/// The list, the figures and the stream, as far as there is room.
fn parts(app: &mut App, frame: &mut Frame<'_>, body: Rect, now: Timestamp, theme: Theme) {
    if app.zoomed {
        return stream::draw(app, frame, body, theme);
    }
    let figures = |columns: u16| match frame.area().height {
        0..FIGURES => 0,
        _ => 1 + u16::from(columns < 100),
    };
    if body.width >= WIDE {
        let [left, gap, right] = Layout::horizontal([
            Constraint::Percentage(55),
            Constraint::Length(1),
            Constraint::Percentage(45),
        ])
        .areas(body);
        let figures = Constraint::Length(figures(left.width));
        let [tasks, below] = Layout::vertical([Constraint::Min(0), figures]).areas(left);
        for row in gap.rows() {
            frame.render_widget(Span::styled("│", theme.dim()), row);
        }
        list::draw(app, frame, tasks, now, theme);
        stream::figures(app, frame, below, theme);
        return stream::draw(app, frame, right, theme);
    }
    if body.height + 3 < STREAM {
        // Too low for both: Enter shows the stream, and Tab goes to it.
        return match app.focus {
            Focus::List => list::draw(app, frame, body, now, theme),
            Focus::Stream => stream::draw(app, frame, body, theme),
        };
    }
    let figures = figures(body.width);
    // The list takes what its tasks need, and half at the most; its title is one row more.
    let needed = u16::try_from(app.tasks().len() + 2).unwrap_or(u16::MAX);
    let rows = needed.clamp(4, (body.height.saturating_sub(figures) / 2).max(4));
    let [tasks, below, rest] =
        Layout::vertical([Constraint::Length(rows), Constraint::Length(figures), Constraint::Min(0)])
            .areas(body);
    list::draw(app, frame, tasks, now, theme);
    stream::figures(app, frame, below, theme);
    stream::draw(app, frame, rest, theme);
}

/// A part's title, on a rule: `━━ tasks · by need ━━━━━━━━ 1-9 of 20 ━`. The part that keys move in has the heavy rule.
fn title(words: &str, right: &str, width: u16, focused: bool, theme: Theme) -> Line<'static> {
    let width = usize::from(width);
    let rule = if focused { "━" } else { "─" };
    let style = if focused { theme.focus() } else { theme.dim() };
    let right = if right.is_empty() { String::new() } else { format!(" {right} ") };
    let words = text::cut(words, width.saturating_sub(text::width(&right) + 6).max(1));
    let taken = text::width(&words) + text::width(&right) + 5;
    Line::from(vec![
        Span::styled(rule.repeat(2), style),
        Span::styled(format!(" {words} "), if focused { theme.title() } else { theme.dim() }),
        Span::styled(rule.repeat(width.saturating_sub(taken)), style),
        Span::styled(right, theme.dim()),
        Span::styled(rule, style),
    ])
}

/// The last row: what is asked or said, else the keys that are wanted most.
fn footer(app: &App, width: u16, theme: Theme) -> Line<'static> {
    let columns = usize::from(width);
    match &app.entry {
        Entry::Filter => {
            let words = format!("filter: {}▏", app.filter);
            let hint = "  Enter keeps it, Esc clears it";
            let room = columns.saturating_sub(text::width(hint));
            return Line::from(vec![
                Span::styled(text::cut(&words, room.max(1)), theme.strong()),
                Span::styled(hint, theme.dim()),
            ]);
        }
        Entry::Question(question) => {
            let words = text::cut(&question.words, columns.saturating_sub(18));
            return Line::from(vec![
                Span::styled(words, theme.warning()),
                Span::styled("  y: yes  n: no", theme.strong()),
            ]);
        }
        Entry::Keys => {}
    }
    if let Some(said) = &app.said {
        return Line::styled(text::cut(said, columns), theme.strong());
    }
    let keys: &[(&str, &str)] = &[
        ("q", "leave"),
        ("?", "keys"),
        ("Enter", if app.zoomed { "back" } else { "stream" }),
        ("/", "filter"),
        ("p", "pause"),
        ("c", "cancel"),
        ("r", "retry"),
        ("l", "land"),
        ("Tab", "other part"),
        ("s", "sort"),
        ("f", "follow"),
    ];
    let mut line = Line::default();
    for (key, word) in keys {
        let wide = text::width(key) + text::width(word) + 3;
        if line.width() + wide > columns + 2 {
            break;
        }
        line.push_span(Span::styled((*key).to_owned(), theme.key()));
        line.push_span(Span::styled(format!(" {word}  "), theme.dim()));
    }
    line
}
