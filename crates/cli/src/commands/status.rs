//! `gadugi status [RUN]`, also called `ps`.

use std::time::Duration;

use clap::Args;
use gadugi_core::{Millis, Timestamp, format_duration};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Frame, RunView};

use gadugi_sys::clock;
use serde_json::Value;

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{self, count, dollars, mark, tokens};
use crate::place::{Place, block_on};
use crate::table::{Align, Table};
use crate::{output, report, standing, text};

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
    /// Show it on the whole terminal, with keys to steer it (q leaves, ? helps). Where there is no terminal: again and
    /// again, until it rests or is over
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
        if args.watch && !args.json && output::can_show_a_screen() {
            follow::look_on(&place, client, *view).await
        } else if args.watch {
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
    for line in standing::held_back(view, now) {
        out.push_str(&text::line(&line));
        out.push('\n');
    }
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
            standing::state(task),
            if task.attempts == 0 { String::new() } else { format_duration(Millis(task.elapsed_ms)) },
            tokens(task.usage.tokens()),
            dollars(task.usage.cost_microusd),
            task.pid.map_or_else(String::new, |pid| pid.to_string()),
            if running { format!("{:.0}%", task.cpu_percent) } else { String::new() },
            if running { format!("{:.0}M", task.memory_mb) } else { String::new() },
            standing::doing(view, task, now),
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
