//! The head: which run, how far it is, what it took; and what holds it back or wants somebody.

use gadugi_core::{Timestamp, format_duration};
use gadugi_engine::protocol::{NeedView, RunView, TaskView};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use crate::follow::{count, dollars, tokens, when};
use crate::screen::app::App;
use crate::screen::list::Standing;
use crate::{standing, text};

/// Columns of the bar.
const BAR: usize = 20;
/// Names of tasks that want somebody, in the line that counts them.
const NAMED: usize = 4;

/// The lines of the head.
pub(super) fn lines(app: &App, area: Rect, now: Timestamp, theme: Theme) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    let Some(view) = &app.view else {
        let words = format!("{}: asking the engine …", app.run);
        return vec![Line::styled(text::fit(&words, columns), theme.dim())];
    };
    let mut lines = vec![first(app, view, columns, now, theme)];
    lines.push(second(view, columns, now, theme));
    let room = match area.height {
        0..12 => 1,
        12..20 => 2,
        _ => 4,
    };
    let notices = notices(view, now);
    let shown = if notices.len() > room { room.saturating_sub(1) } else { notices.len() };
    for (words, is_bad) in &notices[..shown] {
        let style = if *is_bad { theme.bad() } else { theme.warning() };
        lines.push(Line::styled(text::fit(words, columns), style));
    }
    if notices.len() > shown {
        // On a screen with one row for all of them the count is what fits.
        let more = match (&notices[..], shown) {
            ([(first, _), ..], 0) => format!("{first} (and {} more)", notices.len() - 1),
            _ => format!("… and {} more", notices.len() - shown),
        };
        lines.push(Line::styled(text::fit(&more, columns), theme.warning()));
    }
    lines
}

/// `orchestration-… active   1m 02s`.
fn first(app: &App, view: &RunView, columns: usize, now: Timestamp, theme: Theme) -> Line<'static> {
    let because = view.paused_because.as_ref().map_or_else(String::new, |because| format!(" ({because})"));
    let rests = if app.rests && view.status != "finished" { ", at rest" } else { "" };
    let status = text::line(&format!("{}{because}{rests}", view.status));
    let wall = format_duration(app.wall(now));
    let room = columns.saturating_sub(text::width(&status) + text::width(&wall) + 4);
    let run = text::fit(view.run.as_str(), room);
    let gap = columns.saturating_sub(text::width(&run) + text::width(&status) + text::width(&wall) + 2);
    let style = match view.status.as_str() {
        "paused" => theme.warning(),
        "finished" => theme.strong(),
        _ => theme.busy(),
    };
    Line::from(vec![
        Span::styled(run, theme.strong()),
        Span::raw("  "),
        Span::styled(status, style),
        Span::raw(" ".repeat(gap)),
        Span::styled(wall, theme.strong()),
    ])
}

/// The bar, and the figures that fit behind it, the first of them first.
fn second(view: &RunView, columns: usize, now: Timestamp, theme: Theme) -> Line<'static> {
    let (tasks, of) =
        (&view.tasks, |wanted: fn(&TaskView) -> bool| view.tasks.iter().filter(|task| wanted(task)).count());
    let over = of(|task| task.over);
    let bar = BAR.min(columns / 4);
    let full = bar * over / tasks.len().max(1);
    let mut line = Line::from(vec![
        Span::styled("━".repeat(full), theme.good()),
        Span::styled("╌".repeat(bar - full), theme.dim()),
        Span::styled(format!(" {over}/{} done", tasks.len()), theme.strong()),
    ]);
    let failed = of(|task| task.over && task.state != "succeeded");
    let running = of(|task| Standing::of(task) == Standing::Runs);
    let waiting = of(|task| Standing::of(task) == Standing::Waits);
    let some = |number: usize, word: &str| (number > 0).then(|| format!("{number} {word}"));
    // None: nothing was measured yet.
    let ratio = view.speedup > 0.0;
    let set_aside = view.reserved_microusd;
    let budget = view.budget_microusd.map_or_else(String::new, |most| format!(" of {}", dollars(most)));
    let end = view.forecast.as_ref().map(|forecast| format!("ends {}", when(forecast.ends_at, now)));
    let parts = [
        (some(failed, "not succeeded"), theme.bad()),
        (some(running, "running"), theme.busy()),
        (Some(format!("{}{budget}", dollars(view.usage.cost_microusd))), theme.strong()),
        (end, theme.strong()),
        (Some(format!("{} tokens", tokens(view.usage.tokens()))), theme.dim()),
        (ratio.then(|| format!("speed-up {:.1}×", view.speedup)), theme.dim()),
        (some(waiting, "waiting"), theme.dim()),
        (Some(count(view.slots as usize, "slot")), theme.dim()),
        ((set_aside > 0).then(|| format!("{} set aside", dollars(set_aside))), theme.dim()),
    ];
    for (words, style) in parts {
        let Some(words) = words else { continue };
        if line.width() + text::width(&words) + 3 > columns {
            break;
        }
        line.push_span(Span::styled(" · ", theme.dim()));
        line.push_span(Span::styled(words, style));
    }
    line
}

/// What holds it back or wants somebody: one line each, and whether something went wrong.
fn notices(view: &RunView, now: Timestamp) -> Vec<(String, bool)> {
    let mut lines: Vec<(String, bool)> =
        standing::held_back(view, now).into_iter().map(|line| (line, false)).collect();
    let needy: Vec<&NeedView> =
        view.needs.iter().filter(|need| need.task.is_some() && need.kind != "kept").collect();
    if !needy.is_empty() {
        let named = needy.iter().take(NAMED);
        let named = named.filter_map(|need| Some(format!("{} ({})", need.task.as_ref()?, kind(&need.kind))));
        let named: Vec<String> = named.collect();
        let more = needy.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let need = if needy.len() == 1 { "1 needs you" } else { &format!("{} need you", needy.len()) };
        let is_bad = needy.iter().any(|need| !matches!(need.kind.as_str(), "suspect" | "held" | "limit"));
        lines.push((format!("{need}: {}{more}", named.join(", ")), is_bad));
    }
    if view.needs.iter().any(|need| need.kind == "land") {
        lines.push(("its work waits to be landed: l shows how".to_owned(), false));
    }
    if let Some(because) = &view.sequential_because {
        lines.push((format!("one task after another: {because}"), false));
    }
    for (path, reason) in &view.kept {
        lines.push((format!("kept: {path} ({reason})"), false));
    }
    lines
}

/// What a kind of need is called.
fn kind(word: &str) -> &str {
    match word {
        "suspect" => "no sign of life",
        "held" => "paused",
        other => other,
    }
}
