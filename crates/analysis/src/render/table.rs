//! The plan as a table for a terminal.

use std::collections::HashMap;
use std::fmt::Write;

use gadugi_core::schedule::Range;
use gadugi_core::{Edge, EdgeReason, Estimate, Plan, PlannedTask, TaskId};

use super::{parallelizable_tasks, speed_improvement};
use crate::text::one_line;

/// Columns below which the table does not go: narrower, it says nothing.
const NARROWEST: usize = 72;
const KIND: usize = 13;
const COMPLEXITY: usize = 10;
/// `90m`, `1.5h`.
const ESTIMATE: usize = 6;
/// `45m-2.3h`. Where there is little room the range gives way to what is written.
const RANGE: usize = 11;
const ROOM_FOR_RANGE: usize = 100;
/// Room for `stage 100` above the ids.
const SHORTEST_ID: usize = 9;
const LONGEST_ID: usize = 28;

/// The plan by stages, what each task writes and waits for, and what all of it takes on so many slots. Lines have at
/// most `width` characters, which counts as 72 where it is less; sentences at the end are not broken. Warnings, which people are
/// told beside it, are not in it.
pub fn table(plan: &Plan, slots: usize, width: usize) -> String {
    let mut out = String::new();
    let stages = plan.stages();
    let base: String = plan.base.as_str().chars().take(12).collect();
    let _ = writeln!(
        out,
        "Plan: {}, {}, base {base}",
        counted(plan.tasks.len(), "task"),
        counted(stages.len(), "stage")
    );
    if !plan.tasks.is_empty() {
        rows(&mut out, plan, &stages, width.max(NARROWEST));
        totals(&mut out, plan, &stages, slots);
    }
    out
}

fn rows(out: &mut String, plan: &Plan, stages: &[Vec<TaskId>], width: usize) {
    let tasks: HashMap<&TaskId, &PlannedTask> = plan.tasks.iter().map(|task| (&task.id, task)).collect();
    let mut waits: HashMap<&TaskId, Vec<&Edge>> = HashMap::new();
    for edge in &plan.edges {
        waits.entry(&edge.to).or_default().push(edge);
    }
    let id = plan
        .tasks
        .iter()
        .map(|task| task.id.as_str().len())
        .max()
        .unwrap_or(0)
        .clamp(SHORTEST_ID, LONGEST_ID)
        + 2;
    let range = if width < ROOM_FOR_RANGE { 0 } else { RANGE };
    let rest = width.saturating_sub(2 + id + KIND + 1 + COMPLEXITY + ESTIMATE + range);
    let writes = (rest / 2).max(8);
    let waiting = rest.saturating_sub(writes).max(8);
    let mut line = |cells: [&str; 7]| {
        let text = format!(
            "  {:id$}{:<kind$}{:<COMPLEXITY$}{:<ESTIMATE$}{:range$}{:writes$}{}",
            cell(cells[0], id),
            cells[1],
            cells[2],
            cells[3],
            if range > 0 { cells[4] } else { "" },
            cell(cells[5], writes),
            one_line(cells[6], waiting.saturating_sub(1)),
            kind = KIND + 1,
        );
        let _ = writeln!(out, "{}", text.trim_end());
    };
    for (number, stage) in stages.iter().enumerate() {
        let head = format!("stage {}", number + 1);
        line([""; 7]);
        line([&head, "kind", "size", "est.", "range", "writes", "waits for"]);
        for task in stage.iter().filter_map(|id| tasks.get(id)) {
            let waits = waits.get(&task.id).map_or(String::new(), |edges| waits_for(edges));
            let (estimate, range) = (brief(task.estimate.seconds), range_of(&task.estimate));
            let written: Vec<&str> = task.writes.iter().map(|claim| claim.path.as_str()).collect();
            let written = if written.is_empty() { "?".to_owned() } else { written.join(", ") };
            let size = task.complexity.word();
            line([task.id.as_str(), task.kind.word(), size, &estimate, &range, &written, &waits]);
        }
    }
}

/// A time in a word: nobody knows it to the second.
fn brief(seconds: f64) -> String {
    let (minutes, hours) = (seconds / 60.0, seconds / 3600.0);
    match seconds {
        ..99.5 => format!("{seconds:.0}s"),
        ..5970.0 => format!("{minutes:.0}m"),
        ..356_400.0 => format!("{hours:.1}h"),
        _ => format!("{:.0}d", hours / 24.0),
    }
}

/// Between what two of three such tasks take.
fn range_of(estimate: &Estimate) -> String {
    let (low, high) = estimate.range();
    let (low, high) = (brief(low), brief(high));
    if low == high { low } else { format!("{low}-{high}") }
}

/// What the estimates go by, and for which tasks: what is known of most of them first.
fn sources(out: &mut String, plan: &Plan) {
    let mut sources: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for task in &plan.tasks {
        let source = task.estimate.source.as_str();
        let at = *places.entry(source).or_insert(sources.len());
        if at == sources.len() {
            sources.push((source, Vec::new()));
        }
        sources[at].1.push(task.id.as_str());
    }
    sources.sort_by_key(|(_, tasks)| std::cmp::Reverse(tasks.len()));
    let all = sources.len() == 1;
    for (source, tasks) in &sources {
        let by = match source.split_once(": ") {
            None if *source == "table" && all => "by the table: nothing was run here yet".to_owned(),
            None if *source == "table" => "by the table: nothing like it was run yet".to_owned(),
            Some(("history", what)) => format!("by {what}, run before"),
            _ => format!("by {}", one_line(source, 60)),
        };
        let whose = if all { String::new() } else { format!(" ({})", one_line(&tasks.join(", "), 120)) };
        let _ = writeln!(out, "Estimates {by}{whose}.");
    }
}

/// A cell that leaves a gap to the next.
fn cell(text: &str, width: usize) -> String {
    one_line(text, width.saturating_sub(2))
}

fn waits_for(edges: &[&Edge]) -> String {
    let one = |edge: &&Edge| match edge.reason {
        EdgeReason::Declared => format!("{} (declared)", edge.from),
        // The column says already what both do.
        EdgeReason::SameFile => {
            format!("{} (same file: {})", edge.from, edge.evidence.replace("both write ", ""))
        }
        EdgeReason::Import => format!("{} (import: {})", edge.from, edge.evidence),
    };
    edges.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn totals(out: &mut String, plan: &Plan, stages: &[Vec<TaskId>], slots: usize) {
    let parallel = plan.parallel_seconds(slots);
    let path = plan.critical_path();
    let path: Vec<&str> = path.iter().map(TaskId::as_str).collect();
    let _ = writeln!(out);
    let _ = writeln!(out, "Longest chain: {}", one_line(&path.join(" -> "), 300));
    // The middle of a sum of unsure times is above the sum of their middles: the ranges know that.
    let (one_by_one, beside) = (plan.sequential_range(), plan.parallel_range(slots, None));
    let span = |range: &Range| format!("{}-{}", brief(range.low), brief(range.high));
    let _ = writeln!(
        out,
        "Expected: {} one after another (eight of ten times {}), {} on {} ({}).",
        brief(one_by_one.likely),
        span(&one_by_one),
        brief(beside.likely),
        counted(slots.max(1), "slot"),
        span(&beside),
    );
    let _ = writeln!(
        out,
        "That is {:.1} times as fast; {} can run beside others.",
        speed_improvement(plan, parallel),
        counted(parallelizable_tasks(plan, stages), "task"),
    );
    sources(out, plan);
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
