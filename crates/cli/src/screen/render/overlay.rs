//! What lies over the screen until the next key: the keys, and how work comes home.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::theme::Theme;
use crate::screen::app::{App, Overlay, Purpose};
use crate::text;

/// Keys, and what they do. Capitals are for the whole run.
const KEYS: [(&str, &str); 17] = [
    ("↑ ↓ k j", "one up or down"),
    ("PgUp PgDn", "a page (also Ctrl-B, Ctrl-F, space)"),
    ("Home End g G", "the first, the last"),
    ("Tab", "to the stream and back"),
    ("Enter", "the stream on the whole screen, and back"),
    ("f", "follow the stream's end, or stay"),
    ("/", "filter tasks by name or state"),
    ("s", "sort by need, name, time, cost, memory"),
    ("p P", "pause the task, the run; again: go on"),
    ("c C", "cancel the task, the run (asks)"),
    ("r R", "retry the task, all that failed (asks)"),
    ("l", "how to bring the work home"),
    ("Esc", "a step back"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "to the shell; fg comes back"),
    ("q", "leave; the run goes on"),
    ("Ctrl-C", ""),
];

/// Draws it.
pub(super) fn draw(app: &App, overlay: Overlay, frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let (name, lines) = match overlay {
        Overlay::Help => (" keys ", help(app, theme)),
        Overlay::Landing => (" bring it home ", landing(app, theme)),
    };
    let columns = lines.iter().map(Line::width).max().unwrap_or(0) + 4;
    let width = u16::try_from(columns).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = area
        .centered(ratatui::layout::Constraint::Length(width), ratatui::layout::Constraint::Length(height));
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(theme.focus());
    let block = block.title(Span::styled(name, theme.title())).title_bottom(" any key closes this ");
    let inner = block.inner(place);
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    let inner = Rect { x: inner.x + 1.min(inner.width), width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Paragraph::new(lines), inner);
}

fn help(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let interrupt = match app.purpose {
        Purpose::ToTheEnd => "stop the run gracefully; twice: at once",
        Purpose::ToLook => "leave; the run goes on",
    };
    let line = |(keys, words): &(&str, &str)| {
        let words = if words.is_empty() { interrupt } else { words };
        Line::from(vec![Span::styled(format!("{keys:<14}"), theme.key()), Span::raw(words.to_owned())])
    };
    KEYS.iter().map(line).collect()
}

fn landing(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let Some(view) = &app.view else { return Vec::new() };
    let command = |words: String| Line::styled(format!("  {words}"), theme.key());
    let merged = view.tasks.iter().filter(|task| task.state == "succeeded").count();
    let mut lines = vec![
        Line::raw(format!("{merged} of {} tasks succeeded; their work is on", view.tasks.len())),
        command(text::line(&view.branch)),
        Line::raw("into the branch that is checked out:"),
        command(format!("gadugi land {}", view.run)),
    ];
    if let Some(task) = app.chosen() {
        lines.push(Line::raw("look at this task's work, bring it home alone:"));
        lines.push(command(format!("gadugi diff {}", text::shell_word(task.id.as_str()))));
        lines.push(command(format!("gadugi land {}", text::shell_word(task.id.as_str()))));
    }
    if !view.landed_into.is_empty() {
        lines.push(Line::styled(
            text::line(&format!("landed already: {}", view.landed_into.join(", "))),
            theme.good(),
        ));
    }
    lines
}
