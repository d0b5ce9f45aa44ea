//! The list of tasks: a row each, of what is in sight alone.

use gadugi_core::{Timestamp, format_duration};
use gadugi_engine::protocol::{RunView, TaskView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use super::title;
use crate::follow::{dollars, mark};
use crate::screen::app::{App, Focus};
use crate::{standing, text};

/// Columns of a task's name at most.
const NAME: usize = 28;
/// Columns of a state at most: `succeeded, unverified`.
const STATE: usize = 21;
/// Columns that are enough for most states, where the terminal is no wider than most.
const MOST_STATES: usize = 15;
/// A terminal that is wider than most.
const WIDER: usize = 110;
/// Columns that what a task is doing should have before figures go.
const DOING: usize = 24;

/// The columns that there is room for.
struct Columns {
    name: usize,
    state: usize,
    phase: bool,
    cost: bool,
    use_of_machine: bool,
    doing: usize,
}

impl Columns {
    fn new(width: usize, name: usize) -> Self {
        let name = name.clamp(8, NAME).min((width / 4).max(8));
        let state = if width < WIDER { MOST_STATES } else { STATE }.min(width / 5).max(9);
        // The mark of the chosen row, the sign, and the time.
        let fixed = 2 + 2 + name + 1 + state + 1 + 8;
        let (phase, cost, machine) = (6, 9, 13);
        let left = width.saturating_sub(fixed);
        let has_phase = left >= phase + DOING / 2;
        let left = left.saturating_sub(if has_phase { phase } else { 0 });
        let has_cost = left >= cost + DOING;
        let left = left.saturating_sub(if has_cost { cost } else { 0 });
        let has_machine = left >= machine + DOING;
        let left = left.saturating_sub(if has_machine { machine } else { 0 });
        Self {
            name,
            state,
            phase: has_phase,
            cost: has_cost,
            use_of_machine: has_machine,
            doing: left.saturating_sub(1),
        }
    }
}

/// Draws it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect, now: Timestamp, theme: Theme) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    app.list.fit(height.saturating_sub(1));
    let (from, to, of) = app.list.span();
    let filter = if app.filter.is_empty() { String::new() } else { format!(" · “{}”", app.filter) };
    let words = format!("tasks · {}{filter}", app.list.sort.word());
    let span = if of > to - from { format!("{}-{to} of {of}", from + 1) } else { String::new() };
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        frame.render_widget(title(&words, &span, area.width, app.focus == Focus::List, theme), row);
    }
    let Some(view) = &app.view else { return };
    if of == 0 {
        if let Some(row) = rows.next() {
            frame.render_widget(Line::styled("  no task is called so", theme.dim()), row);
        }
        return;
    }
    let names = app.list.in_sight().map(|(at, _)| text::width(view.tasks[at].id.as_str())).max();
    let columns = Columns::new(width, names.unwrap_or(0));
    for ((at, chosen), row) in app.list.in_sight().zip(rows) {
        let line = line(app, view, &view.tasks[at], chosen, &columns, now, theme);
        frame.render_widget(line, row);
        if chosen {
            frame.buffer_mut().set_style(row, theme.chosen());
        }
    }
}

/// One task.
fn line(
    app: &App,
    view: &RunView,
    task: &TaskView,
    chosen: bool,
    columns: &Columns,
    now: Timestamp,
    theme: Theme,
) -> Line<'static> {
    let own = theme.task(task);
    let time = if task.attempts == 0 { String::new() } else { format_duration(app.elapsed(task, now)) };
    let mut spans = vec![
        Span::raw(if chosen { "› " } else { "  " }),
        Span::styled(format!("{} ", sign(task)), own),
        Span::raw(left(task.id.as_str(), columns.name)),
        Span::raw(" "),
        Span::styled(left(&standing::state(task), columns.state), own),
        Span::raw(" "),
    ];
    if columns.phase {
        let phase = task.phase.map_or_else(String::new, |phase| format!("{phase}/11"));
        spans.push(Span::styled(right(&phase, 5), theme.dim()));
        spans.push(Span::raw(" "));
    }
    spans.push(Span::raw(left(&doing(view, task, now), columns.doing)));
    spans.push(Span::raw(" "));
    if columns.use_of_machine {
        let runs = task.pid.is_some();
        let cpu = if runs { format!("{:.0}%", task.cpu_percent) } else { String::new() };
        let memory = if runs { mebibytes(task.memory_mb) } else { String::new() };
        spans.push(Span::styled(right(&cpu, 6), theme.dim()));
        spans.push(Span::styled(right(&memory, 7), theme.dim()));
    }
    if columns.cost {
        let cost = if task.attempts == 0 { String::new() } else { dollars(task.usage.cost_microusd) };
        spans.push(Span::styled(right(&cost, 9), theme.dim()));
    }
    spans.push(Span::raw(right(&time, 8)));
    Line::from(spans)
}

/// The phase has a column of its own here, with its number.
fn doing(view: &RunView, task: &TaskView, now: Timestamp) -> String {
    standing::waiting(view, task, now).unwrap_or_else(|| match &task.action {
        action if action.is_empty() => standing::doing(view, task, now),
        action => action.clone(),
    })
}

fn sign(task: &TaskView) -> &'static str {
    match task.state.as_str() {
        state if task.over => mark(state),
        _ if task.suspected_ms.is_some() => "?",
        _ if task.held => "‖",
        "waiting" => "·",
        "suspended" => "↻",
        "preparing" | "ready" | "starting" => "○",
        "running" => "●",
        _ => "◆",
    }
}

/// `512M`, `1.5G`.
pub(super) fn mebibytes(number: f64) -> String {
    if number < 1000.0 { format!("{number:.0}M") } else { format!("{:.1}G", number / 1024.0) }
}

/// Clean text at the left of so many columns.
fn left(text: &str, columns: usize) -> String {
    let cut = text::fit(text, columns);
    let missing = columns.saturating_sub(Span::raw(cut.as_str()).width());
    cut + &" ".repeat(missing)
}

fn right(text: &str, columns: usize) -> String {
    let cut = text::fit(text, columns);
    " ".repeat(columns.saturating_sub(Span::raw(cut.as_str()).width())) + &cut
}
