//! `gadugi status [RUN]`, also called `ps`.

use std::time::Duration;

use clap::Args;
use gadugi_core::{Millis, Phase, Timestamp, format_duration};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Frame, RunView, TaskView};

use gadugi_sys::clock;
use serde_json::Value;

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{count, dollars, hold, hold_words, mark, tokens, when};
use crate::place::{Place, block_on};
use crate::table::{Align, Table};
use crate::{output, report, text};

/// Between two looks at a run that is watched.
const LOOK: Duration = Duration::from_millis(500);

/// Which run, and how.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The run, or a unique prefix of its id [default: the latest]
    run: Option<String>,
    /// Show it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on showing it until it rests or is over
    #[arg(short, long)]
    watch: bool,
}

pub(crate) fn run(global: &Global, args: &StatusArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let Some(mut client) = place.engine_with_records().await? else { return nothing(args) };
        if args.run.is_none() && runs::all(&mut client).await?.is_empty() {
            return nothing(args);
        }
        let view = runs::status(&mut client, args.run.as_deref()).await?;
        if args.watch {
            watch(&place, client, *view, args).await
        } else {
            show(&view, args).map(|_| Exit::Success)
        }
    })
}

fn nothing(args: &StatusArgs) -> Done {
    if args.json {
        output::result("null\n")?;
    } else {
        output::result("no run is on record here\n")?;
    }
    Ok(Exit::Success)
}

/// Shows a run; answers how wide each line was.
fn show(view: &RunView, args: &StatusArgs) -> Result<Vec<usize>, Stop> {
    if args.json {
        let value = wire(view)?;
        if args.watch {
            output::result_json(&value)?;
        } else {
            output::result_json_pretty(&value)?;
        }
        return Ok(Vec::new());
    }
    let table = render(view, clock::now(), output::columns());
    output::result(&table)?;
    Ok(table.lines().map(text::width).collect())
}

/// What programs are shown: moments as everywhere else in RFC 3339.
fn wire(view: &RunView) -> Result<Value, Stop> {
    let mut value = serde_json::to_value(view).map_err(|error| Problem::internal(&error))?;
    moments(&mut value);
    value["tasks"].as_array_mut().into_iter().flatten().for_each(moments);
    for until in value["limited"].as_object_mut().into_iter().flat_map(|limited| limited.values_mut()) {
        if let Some(at) = until.as_i64() {
            *until = clock::rfc3339(Timestamp(at)).into();
        }
    }
    Ok(value)
}

fn moments(object: &mut Value) {
    for key in ["started_at", "finished_at", "resumes_at"] {
        if let Some(at) = object[key].as_i64() {
            object[key] = clock::rfc3339(Timestamp(at)).into();
        }
    }
}

async fn watch(place: &Place, mut client: Client, mut view: RunView, args: &StatusArgs) -> Done {
    let mut follower = place.engine().await?;
    follower.follow(&view.run, view.seq).await?;
    let terminal = (!args.json && output::is_terminal()).then(console::Term::stdout);
    let mut lines = show(&view, args)?;
    let mut shown_at = tokio::time::Instant::now();
    loop {
        // The frame only wakes: what is shown is asked for, at most twice a second.
        let over = match follower.next_frame().await {
            Ok(Some(Frame::Finished { .. } | Frame::AtRest { .. })) => true,
            Ok(Some(Frame::Failed(failure))) => return Err(Problem::from(failure).into()),
            Ok(Some(Frame::Event { .. } | Frame::Activity(_))) => false,
            // The engine went away; what it ran goes on under the next.
            Ok(None) | Err(_) => {
                follower = place.engine().await?;
                follower.follow(&view.run, view.seq).await?;
                false
            }
        };
        if !over && shown_at.elapsed() < LOOK {
            continue;
        }
        view = *runs::status_of_any(place, &mut client, &view.run).await?;
        if let Some(terminal) = &terminal {
            let (height, columns) = terminal.size();
            let taken = text::rows(&lines, usize::from(columns));
            // A terminal that is gone ends with the next write.
            let _ = terminal.clear_last_lines(taken.min(usize::from(height)));
        }
        lines = show(&view, args)?;
        shown_at = tokio::time::Instant::now();
        if over {
            return Ok(Exit::Success);
        }
    }
}

/// A run as a table, in so many columns where a number is named.
fn render(view: &RunView, now: Timestamp, columns: Option<usize>) -> String {
    use Align::{Left, Right};
    let over = view.tasks.iter().filter(|task| task.over).count();
    let because = view.paused_because.as_ref().map_or_else(String::new, |because| format!(" ({because})"));
    let mut out = format!(
        "{}: {}{because}, {over} of {} over, {}, {} tokens, {}\n",
        view.run,
        view.status,
        count(view.tasks.len(), "task"),
        format_duration(Millis(view.wall_ms)),
        tokens(view.usage.tokens()),
        dollars(view.usage.cost_microusd)
    );
    out.push_str(&held_back(view, now));
    let mut table = Table::new(&[
        ("", Left),
        ("TASK", Left),
        ("STATE", Left),
        ("TIME", Right),
        ("TOKENS", Right),
        ("COST", Right),
        ("PID", Right),
        ("CPU", Right),
        ("MEMORY", Right),
        ("DOING", Left),
    ])
    .spare(&["PID", "CPU", "MEMORY", "COST", "TOKENS"]);
    for task in &view.tasks {
        let running = task.pid.is_some();
        table.row([
            if task.over { mark(&task.state).to_owned() } else { String::new() },
            task.id.to_string(),
            state(task),
            if task.attempts == 0 { String::new() } else { format_duration(Millis(task.elapsed_ms)) },
            tokens(task.usage.tokens()),
            dollars(task.usage.cost_microusd),
            task.pid.map_or_else(String::new, |pid| pid.to_string()),
            if running { format!("{:.0}%", task.cpu_percent) } else { String::new() },
            if running { format!("{:.0}M", task.memory_mb) } else { String::new() },
            doing(view, task, now),
        ]);
    }
    out.push_str(&table.render(columns));
    for (path, reason) in &view.kept {
        out.push_str(&format!("kept: {} ({})\n", text::line(path), text::line(reason)));
    }
    for reference in view.tasks.iter().flat_map(|task| &task.salvage) {
        out.push_str(&format!("saved: git diff {reference}^ {reference}\n"));
    }
    out.push_str(&view.prediction.as_ref().map(report::foreseen).unwrap_or_default());
    out
}

/// Why less begins than could: a line for each reason.
fn held_back(view: &RunView, now: Timestamp) -> String {
    let mut lines = String::new();
    if !view.paused_detail.is_empty() {
        lines.push_str(&format!("paused: {}\n", text::line(&view.paused_detail)));
    }
    for word in &view.holds {
        lines.push_str(&format!(
            "held back: {}\n",
            hold(word).map_or("something that this version does not know", hold_words)
        ));
    }
    for (agent, until) in &view.limited {
        let until = when(*until, now);
        lines
            .push_str(&format!("held back: the limit of {agent}'s account is reached; it goes on {until}\n"));
    }
    lines
}

fn state(task: &TaskView) -> String {
    let verdict = task.verdict.as_ref().map_or_else(String::new, |verdict| format!(", {verdict}"));
    let attempt = if task.attempts > 1 { format!(" (try {})", task.attempts) } else { String::new() };
    let held = if task.held { ", paused" } else { "" };
    format!("{}{held}{verdict}{attempt}", task.state)
}

fn doing(view: &RunView, task: &TaskView, now: Timestamp) -> String {
    if task.over {
        return task.detail.clone();
    }
    if !task.waits_for.is_empty() {
        let names: Vec<String> = task.waits_for.iter().map(ToString::to_string).collect();
        return format!("waits for {}", names.join(", "));
    }
    if let Some(quiet) = task.suspected_ms {
        return format!("no sign of life for {}", format_duration(Millis(quiet)));
    }
    if task.held && matches!(task.state.as_str(), "suspended" | "waiting") {
        return format!("paused (gadugi resume {})", task.id);
    }
    if task.state == "suspended" || task.resumes_at.is_some() {
        let colon = if task.detail.is_empty() { "" } else { ": " };
        return format!("{}{colon}{}", again(view, task, now), task.detail);
    }
    if task.state == "waiting" {
        return waits(view, now);
    }
    let phase = task.phase.and_then(Phase::from_number);
    let phase = phase.map(|phase| format!("{} {}", phase.number(), phase.title()));
    let parts = phase.into_iter().chain((!task.action.is_empty()).then(|| task.action.clone()));
    parts.collect::<Vec<_>>().join(": ")
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
