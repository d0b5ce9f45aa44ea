//! The chosen task's stream, and the figures beside it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::list::mebibytes;
use super::theme::Theme;
use super::title;
use crate::screen::app::{App, Focus};
use crate::screen::figures::{Series, bars};
use crate::screen::pane::Sign;
use crate::{standing, text};

/// Draws the stream.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let focused = app.zoomed || app.focus == Focus::Stream;
    let words = match app.chosen() {
        Some(task) if app.zoomed => {
            format!("{} · {} · {}", task.id, text::line(&standing::state(task)), text::line(&task.name))
        }
        Some(task) => format!("{} · {}", task.id, text::line(&task.name)),
        None => "no task".to_owned(),
    };
    let begun = app.pane.has_begun();
    let pane = app.pane.text();
    pane.fit(usize::from(area.width), usize::from(area.height.saturating_sub(1)));
    let (above, below) = pane.beyond();
    let place = match (pane.follows(), above, below) {
        (true, ..) if begun => "following".to_owned(),
        (false, above, below) if begun => format!("↑ {above} ↓ {below} · f follows"),
        _ => String::new(),
    };
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        frame.render_widget(title(&words, &place, area.width, focused, theme), row);
    }
    if pane.is_empty() {
        if let Some(row) = rows.next() {
            let words = if begun { "nothing was said yet" } else { "it has not begun" };
            frame.render_widget(Line::styled(words, theme.dim()), row);
        }
        return;
    }
    for (text, row) in pane.rows().zip(rows) {
        frame.render_widget(Line::styled(text.text.clone(), style(text.sign, theme)), row);
    }
}

fn style(sign: Sign, theme: Theme) -> Style {
    match sign {
        Sign::Words => Style::new(),
        Sign::Tool => theme.busy(),
        Sign::Note => theme.warning(),
        Sign::Error => theme.bad(),
        Sign::End => theme.good(),
        Sign::Title => theme.dim(),
    }
}

/// Draws the figures of the run and of the chosen task: beside each other, or where that is too narrow below each other.
pub(super) fn figures(app: &App, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let task = app.chosen().and_then(|task| Some((task.id.as_str(), app.figures.task(&task.id)?)));
    let both = [Some(("all tasks", app.figures.run())), task];
    let areas = if area.height > 1 {
        area.rows().collect::<Vec<_>>()
    } else {
        let half = area.width / 2;
        let right = Rect { x: area.x + half, width: area.width - half, ..area };
        vec![Rect { width: half, ..area }, right]
    };
    for (one, area) in both.into_iter().zip(areas) {
        if let Some((name, series)) = one
            && !area.is_empty()
        {
            frame.render_widget(figure(name, series, usize::from(area.width), theme), area);
        }
    }
}

/// `lexer  cpu ▁▂▄█ 98%  memory ▁▂▂▂ 312M`.
fn figure(name: &str, series: &Series, columns: usize, theme: Theme) -> Line<'static> {
    let latest = |points: &std::collections::VecDeque<f64>| points.back().copied().unwrap_or(0.0);
    let (cpu, memory) = (latest(&series.cpu), latest(&series.memory));
    let name = text::fit(name, 16.min(columns / 4));
    let name = format!("{name}{}", " ".repeat(16_usize.min(columns / 4).saturating_sub(text::width(&name))));
    // The words and numbers beside the bars.
    let room = columns.saturating_sub(text::width(&name) + 30) / 2;
    Line::from(vec![
        Span::styled(name, theme.strong()),
        Span::styled(" cpu ", theme.dim()),
        Span::styled(bars(&series.cpu, room, 100.0), theme.bars()),
        Span::raw(format!("{:>6}", format!("{cpu:.0}%"))),
        Span::styled("  memory ", theme.dim()),
        Span::styled(bars(&series.memory, room, 64.0), theme.bars()),
        Span::raw(format!("{:>6}", mebibytes(memory))),
    ])
}
