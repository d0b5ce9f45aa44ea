//! Sixty-four agents that each say two hundred lines a second for half a minute, and a real Chromium with the page of one of
//! them on view: how long it takes from the agent's write to the document, whether every line arrives in its order, and what
//! the server and the page need for it, while other clients open the same streams and never read.

mod browser;
mod stalled;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Map, Value, json};

use super::run::{self, Measured};
use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, rounded, watch};
use crate::{shell, tools};

const AGENTS: usize = 64;
const LINES_PER_SECOND: usize = 200;
const SECONDS: usize = 30;
const LINES: usize = LINES_PER_SECOND * SECONDS;

/// 99 of 100 lines are in the document so soon, milliseconds.
const BAR: f64 = 250.0;
/// The engine's peak memory with the server in it, MiB.
const MEMORY_BAR: f64 = 150.0;
/// The page's heap when all lines have come and what is not needed is collected, MiB.
const HEAP_BAR: f64 = 64.0;

/// How long the agents may take to come to their gate.
const READY_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    tools::provide(&tools::FOR_BROWSER)?;
    let sandbox = Sandbox::new()?;
    let gate = Gate::new(&sandbox)?;
    sandbox.fill(&(1..=AGENTS).map(|number| gate.prompt(&id(number))).collect::<Vec<Prompt>>())?;
    let (measured, seen) = thread::scope(|scope| {
        let run = scope.spawn(|| run::measure(binary, &sandbox, AGENTS));
        let seen = look(binary, &sandbox, &gate);
        if seen.is_err() {
            // Nobody waits for what they would say.
            gate.open()?;
        }
        let measured = run.join().map_err(|_| anyhow!("the run broke"))??;
        Ok::<_, anyhow::Error>((measured, seen?))
    })?;
    measured.none_lost(&sandbox, AGENTS)?;
    tell(&measured, &seen, &said(&sandbox)?)
}

fn id(number: usize) -> String {
    format!("task-{number:04}")
}

/// Where the agents wait until somebody looks.
struct Gate {
    /// They come about in here, one file each.
    here: PathBuf,
    open: PathBuf,
}

impl Gate {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let gate = Self { here: sandbox.path("here"), open: sandbox.path("open") };
        fs::create_dir(&gate.here)?;
        Ok(gate)
    }

    fn prompt(&self, id: &str) -> Prompt {
        let (here, open) = (self.here.display(), self.open.display());
        let script = vec![
            format!("run touch {here}/{id}; while [ ! -e {open} ]; do sleep 0.05; done"),
            format!("lines {LINES} {LINES_PER_SECOND} stamped"),
            format!("write out/{id}.txt done by {id}"),
        ];
        Prompt { id: id.to_owned(), after: Vec::new(), script }
    }

    fn all_are_here(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while fs::read_dir(&self.here)?.count() < AGENTS {
            ensure!(Instant::now() < deadline, "the agents did not begin in time");
            watch::pause(Duration::from_millis(50));
        }
        Ok(())
    }

    fn open(&self) -> Result<()> {
        Ok(fs::write(&self.open, "")?)
    }
}

/// What the page came to, and how the clients stood that read nothing.
struct Seen {
    page: Value,
    /// Bytes that the server could not get rid of, of each of them.
    held_back: Vec<u64>,
}

fn look(binary: &Path, sandbox: &Sandbox, gate: &Gate) -> Result<Seen> {
    gate.all_are_here()?;
    let dashboard = browser::Dashboard::open(binary, sandbox)?;
    let run = newest_run(sandbox)?;
    // Neither the watched task's stream nor another's is read, nor are the events.
    let streams = [1, 1, 2, 3].map(|number| format!("/api/tasks/{}/output?run={run}", id(number)));
    let events = [format!("/api/events?run={run}"), format!("/api/events?run={run}&after=0")];
    let entries = [format!("/api/tasks/{}/entries?run={run}", id(1))];
    let paths = streams.iter().chain(&events).chain(&entries);
    let stalled = paths.map(|path| stalled::open(&dashboard, path)).collect::<Result<Vec<_>>>()?;
    let given = json!({
        "run": run, "task": id(1), "lines": LINES, "seconds": SECONDS, "pattern": "line (\\d+) of \\d+ at \\d+",
    });
    let mut held_back = Vec::new();
    let page = browser::play("stream", &dashboard, sandbox, &given, |what| {
        ensure!(what == "begin", "the page asks for {what}");
        gate.open()
    })?;
    for stream in &stalled {
        held_back.push(stalled::held_back(stream)?);
    }
    Ok(Seen { page, held_back })
}

fn newest_run(sandbox: &Sandbox) -> Result<String> {
    let runs = fs::read_dir(sandbox.repository().join(".gadugi/runs"))?;
    let mut names =
        runs.map(|run| Ok(run?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>>>()?;
    names.sort();
    names.pop().context("there is no run")
}

/// The moments at which the watched task said its lines, in their order; every task's lines are looked at on the way.
fn said(sandbox: &Sandbox) -> Result<Vec<u64>> {
    let run = sandbox.repository().join(".gadugi/runs").join(newest_run(sandbox)?);
    let mut watched = Vec::new();
    for number in 1..=AGENTS {
        let path = run.join(id(number)).join("1/1/stdout.jsonl");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let stamps = stamps(&text).with_context(|| path.display().to_string())?;
        if number == 1 {
            watched = stamps;
        }
    }
    Ok(watched)
}

/// The stamp of each line of an output; an error where one is missing, is there twice, or is out of its order.
fn stamps(output: &str) -> Result<Vec<u64>> {
    let mut stamps = Vec::new();
    for line in output.lines() {
        let value: Value = serde_json::from_str(line).context("a line of the output is no JSON")?;
        let Some(text) = value["message"]["content"][0]["text"].as_str() else { continue };
        let Some((number, stamp)) = number_and_stamp(text) else { continue };
        ensure!(number == stamps.len() + 1, "line {number} stands behind {}", stamps.len());
        stamps.push(stamp);
    }
    ensure!(stamps.len() == LINES, "{} of {LINES} lines are there", stamps.len());
    Ok(stamps)
}

/// `line 17 of 6000 at 1795300000123`
fn number_and_stamp(text: &str) -> Option<(usize, u64)> {
    let (number, rest) = text.strip_prefix("line ")?.split_once(" of ")?;
    Some((number.parse().ok()?, rest.split_once(" at ")?.1.parse().ok()?))
}

/// The time from each line's stamp until it or a later one was in the document, sorted; milliseconds. `shown` are numbers
/// and moments, both growing.
fn latencies(stamps: &[u64], shown: &[(usize, u64)]) -> Result<Vec<f64>> {
    let mut shown = shown.iter().peekable();
    let mut latencies = Vec::new();
    for (at, stamp) in stamps.iter().enumerate() {
        while shown.next_if(|(number, _)| *number < at + 1).is_some() {}
        let (_, moment) =
            shown.peek().with_context(|| format!("line {} was never in the document", at + 1))?;
        latencies.push(moment.saturating_sub(*stamp) as f64);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn tell(measured: &Measured, seen: &Seen, stamps: &[u64]) -> Result<Measurement> {
    let page = &seen.page;
    let pairs = page["shown"].as_array().context("the page says nothing")?.iter();
    let shown: Vec<(usize, u64)> = pairs
        .map(|pair| Some((usize::try_from(pair[0].as_u64()?).ok()?, pair[1].as_u64()?)))
        .collect::<Option<_>>()
        .context("the page's words are no numbers")?;
    let latencies = latencies(stamps, &shown)?;
    let order: Vec<usize> = serde_json::from_value(page["order"].clone())?;
    let in_order = order.iter().copied().eq(1..=LINES);
    let (median, value) = (quantile(&latencies, 0.5), quantile(&latencies, 0.99));
    let longest = latencies.last().copied().unwrap_or(f64::NAN);
    let memory = measured.engine.peak_kib as f64 / 1024.0;
    let heap = page["heap_after_mib"].as_f64().unwrap_or(f64::NAN);
    let stalled = seen.held_back.iter().filter(|bytes| **bytes > 0).count();
    // What they said by the clock: a machine that is too busy for the agents measures nothing.
    let lasted = (stamps.last().unwrap_or(&0) - stamps.first().unwrap_or(&0)) as f64 / 1000.0;
    let rate = (LINES - 1) as f64 / lasted;
    shell::say(&format!(
        "{AGENTS} agents, {rate:.0} lines/s each for {lasted:.1} s: in the document after {median:.0} ms (median), {value:.0} ms (p99), \
         {longest:.0} ms (longest); {} of {LINES} lines in the page, {}; the engine's peak memory {memory:.1} MiB, the page's heap \
         {heap:.1} MiB; {stalled} of {} clients that never read were held back",
        order.len(),
        if in_order { "in order" } else { "NOT in order" },
        seen.held_back.len()
    ));
    let mut more = Map::new();
    for (name, value) in [("median_ms", median), ("longest_ms", longest), ("lines_per_second", rate)] {
        more.insert(name.into(), json!(rounded(value)));
    }
    more.insert("agents".into(), json!(AGENTS));
    more.insert("lines".into(), json!(LINES));
    more.insert("lines_in_page".into(), json!(order.len()));
    more.insert("in_order".into(), json!(in_order));
    more.insert("memory_mib".into(), json!(rounded(memory)));
    more.insert("memory_bar".into(), json!(MEMORY_BAR));
    for name in ["heap_before_mib", "heap_highest_mib", "heap_after_mib"] {
        more.insert(name.into(), json!(page[name].as_f64().map(rounded)));
    }
    more.insert("heap_bar".into(), json!(HEAP_BAR));
    more.insert("nodes".into(), page["nodes"].clone());
    more.insert("stalled_clients".into(), json!(stalled));
    more.insert("engine_cpu_seconds".into(), json!(rounded(measured.engine.cpu.as_secs_f64())));
    let holds = value <= BAR && in_order && memory <= MEMORY_BAR && heap <= HEAP_BAR && stalled > 0;
    let holds = holds && rate >= LINES_PER_SECOND as f64 * 0.95;
    Ok(Measurement { bench: "stream", value, bar: BAR, holds, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_passed_by_is_there_when_a_later_one_is() {
        let stamps = [1000, 1005, 1010, 1015];
        let found = latencies(&stamps, &[(1, 1003), (3, 1030), (4, 1030)]).unwrap();
        assert_eq!(found, [3.0, 15.0, 20.0, 25.0]);
        assert!(latencies(&stamps, &[(3, 1030)]).is_err(), "the last one never came");
        assert!(
            (quantile(&found, 0.99) - 25.0).abs() < f64::EPSILON
                && (quantile(&found, 0.5) - 20.0).abs() < f64::EPSILON
        );
    }

    #[test]
    fn lines_of_an_output_are_read_in_their_order() {
        let line =
            |text: &str| json!({"message": {"content": [{"type": "text", "text": text}]}}).to_string() + "\n";
        let all: String =
            (1..=LINES).map(|n| line(&format!("line {n} of {LINES} at {}", 5000 + n))).collect();
        let read = stamps(&(line("hello") + &all)).unwrap();
        assert_eq!((read.len(), read[0]), (LINES, 5001));
        assert!(stamps(&all.replace("line 7 of", "line 8 of")).is_err());
        assert!(stamps(&line("line 1 of 6000 at 5")).is_err());
    }
}
