//! How a run and its tasks stand, in words: what the table of `gadugi status` and the screen both say.

use gadugi_core::{Millis, Phase, Timestamp, format_duration};
use gadugi_engine::protocol::{RunView, TaskView};

use crate::follow::{hold, hold_words, when};

/// Why less begins than could: a line for each reason, not cleaned yet.
pub(crate) fn held_back(view: &RunView, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.paused_detail.is_empty() {
        lines.push(format!("paused: {}", view.paused_detail));
    }
    for word in &view.holds {
        let words = hold(word).map_or("something that this version does not know", hold_words);
        lines.push(format!("held back: {words}"));
    }
    for (agent, until) in &view.limited {
        let until = when(*until, now);
        lines.push(format!("held back: the limit of {agent}'s account is reached; it goes on {until}"));
    }
    lines
}

/// `running`, `failed, conflict (try 2)`.
pub(crate) fn state(task: &TaskView) -> String {
    let verdict = task.verdict.as_ref().map_or_else(String::new, |verdict| format!(", {verdict}"));
    let attempt = if task.attempts > 1 { format!(" (try {})", task.attempts) } else { String::new() };
    let held = if task.held { ", paused" } else { "" };
    format!("{}{held}{verdict}{attempt}", task.state)
}

/// What a task is at or waits for, not cleaned yet.
pub(crate) fn doing(view: &RunView, task: &TaskView, now: Timestamp) -> String {
    waiting(view, task, now).unwrap_or_else(|| {
        let phase = task.phase.and_then(Phase::from_number);
        let phase = phase.map(|phase| format!("{} {}", phase.number(), phase.title()));
        let parts = phase.into_iter().chain((!task.action.is_empty()).then(|| task.action.clone()));
        parts.collect::<Vec<_>>().join(": ")
    })
}

/// What it came to, waits for or is stopped for; none while it works.
pub(crate) fn waiting(view: &RunView, task: &TaskView, now: Timestamp) -> Option<String> {
    if task.over {
        return Some(task.detail.clone());
    }
    if !task.waits_for.is_empty() {
        let names: Vec<String> = task.waits_for.iter().map(ToString::to_string).collect();
        return Some(format!("waits for {}", names.join(", ")));
    }
    if let Some(quiet) = task.suspected_ms {
        return Some(format!("no sign of life for {}", format_duration(Millis(quiet))));
    }
    if task.held && matches!(task.state.as_str(), "suspended" | "waiting") {
        return Some(format!("paused (gadugi resume {})", task.id));
    }
    if task.state == "suspended" || task.resumes_at.is_some() {
        let colon = if task.detail.is_empty() { "" } else { ": " };
        return Some(format!("{}{colon}{}", again(view, task, now), task.detail));
    }
    (task.state == "waiting").then(|| waits(view, now))
}

/// When a task that was stopped is taken up again.
fn again(view: &RunView, task: &TaskView, now: Timestamp) -> String {
    match task.resumes_at.filter(|at| *at > now) {
        _ if view.status == "paused" => "again when the run goes on".to_owned(),
        Some(at) => format!("again {}", when(at, now)),
        None => "again as soon as it can".to_owned(),
    }
}

/// What a task that waits for no other waits for.
fn waits(view: &RunView, now: Timestamp) -> String {
    let lifted = view.limited.values().filter(|until| **until > now).max();
    let running = view.tasks.iter().filter(|task| task.pid.is_some()).count();
    match lifted {
        _ if view.status == "paused" => "waits for the run to go on".to_owned(),
        _ if running >= view.slots as usize => "waits for a slot".to_owned(),
        _ if !view.holds.is_empty() => format!("held back by {}", view.holds.join(", ")),
        Some(lifted) => format!("waits for the limit to be lifted {}", when(*lifted, now)),
        None => "waits for a slot".to_owned(),
    }
}
