//! Two hundred streams at once, twenty events a second each, direct, through the gateway, and through a shim's relay to it: what the way through it adds
//! to the age of an event when it comes, what it costs the processor, and what the gateway's memory grows by while fifty
//! clients read nothing.
//!
//! Upstream, gateway and clients are processes of their own (the gateway's example `gateway-load`). The rounds alternate, so
//! that what the machine does besides meets both alike.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::{Measurement, median, rounded};
use crate::{names, shell};

const STREAMS: usize = 200;
const EVENTS_PER_SECOND: usize = 20;
const ROUNDS: usize = 5;
const SECONDS: usize = 8;

/// Shims that relay the streams in the third kind of round: few, as each starts a process of clients.
const SHIMS: usize = 4;

/// Added to the median age of an event, milliseconds.
const BAR: f64 = 2.0;
/// Added to the 99th percentile, milliseconds.
const P99_BAR: f64 = 20.0;

/// Clients that read nothing, and what each may cost: its buffers and the way to upstream.
const STALLED: usize = 50;
const STALLED_BAR_KIB: f64 = 1024.0;

/// How long they read nothing before it is looked: what comes as fast as it can would by then have filled any buffer that
/// has no bound.
const STALL_SECONDS: &str = "5";

pub(super) fn measure() -> Result<Measurement> {
    shell::run(shell::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "gadugi-gateway",
        "--example",
        "gateway-load",
    ]))?;
    shell::run(shell::cargo(["build", "--release", "--locked", "--package", "gadugi-shim"]))?;
    let program = names::target()?.join("release/examples/gateway-load");
    let folder = tempfile::tempdir()?;
    let place = folder.path().to_str().context("the temporary folder has no plain name")?;
    let (_upstream, url) = Part::start(&program, &["upstream", &EVENTS_PER_SECOND.to_string()])?;
    let (gateway, ready) = Part::start(&program, &["gateway", &url, place, &STREAMS.to_string()])?;
    ensure!(ready == "ready", "the gateway says {ready:?}");

    let shim = names::target()?.join("release/gadugi-shim");
    let (mut direct, mut through, mut relayed) = (Vec::new(), Vec::new(), Vec::new());
    let before = gateway.cpu()?;
    for round in 0..ROUNDS {
        direct.push(Round::run(&program, &url)?);
        through.push(Round::run(&program, place)?);
        relayed.push(Round::relayed(&shim, &program, folder.path(), round)?);
    }
    // The first second of each round is not looked at, but it costs the processor too.
    let looked_at: f64 = through.iter().chain(&relayed).map(|round| round.events).sum();
    let events = looked_at * (SECONDS + 1) as f64 / SECONDS as f64;
    let cpu_us = (gateway.cpu()? - before) * 1e6 / events;
    let stalled = stalled(&program, place, &gateway)?;
    let mut measured = told(&direct, &through, cpu_us, stalled);
    for (name, value) in [
        ("relayed_added_median_ms", added(&direct, &relayed, |round| round.median_ms)),
        ("relayed_added_p99_ms", added(&direct, &relayed, |round| round.p99_ms)),
    ] {
        measured.more.insert(name.into(), json!(rounded(value)));
    }
    Ok(measured)
}

/// One process of the load. It goes when its standard input is closed.
struct Part(
    Child,
    #[expect(dead_code, reason = "open, so that it can be written to")] BufReader<ChildStdout>,
);

impl Part {
    /// Starts it, and waits for its first line.
    fn start(program: &Path, arguments: &[&str]) -> Result<(Self, String)> {
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut reader = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        ensure!(!line.is_empty(), "gateway-load {} ended", arguments.join(" "));
        Ok((Self(child, reader), line.trim().to_owned()))
    }

    /// Processor time so far, seconds.
    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let rest = stat.rsplit_once(')').context("no such process")?.1;
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
    }

    /// A line of its status, in KiB.
    fn memory(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("it has no such line")?;
        Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What the clients of one round saw.
struct Round {
    events: f64,
    median_ms: f64,
    p99_ms: f64,
}

impl Round {
    fn run(program: &Path, whereto: &str) -> Result<Self> {
        let mut clients = Command::new(program);
        clients.args(["clients", &STREAMS.to_string(), &SECONDS.to_string(), whereto]);
        Self::read(&shell::output(clients)?, STREAMS)
    }

    /// The same by way of shims, each of which relays a part of the streams from a port of its own, as it does for a step.
    fn relayed(shim: &Path, program: &Path, place: &Path, round: usize) -> Result<Self> {
        let start = |number: usize| {
            let folder = place.join(format!("shim-{round}-{number}"));
            fs::create_dir(&folder)?;
            let socket = place.join(format!("{number}.sock"));
            let token = place.join(format!("{number}.token"));
            let call = format!(
                "exec {} clients {} {SECONDS} http://127.0.0.1:$RELAY_PORT#{}",
                program.display(),
                STREAMS / SHIMS,
                token.display()
            );
            let spec = json!({
                "argv": ["/bin/sh", "-c", call], "env_names": ["RELAY_PORT"], "cwd": place, "stdin": null,
                "attempt": "bench", "grace_ms": 1000, "lease_ms": 0,
                "relay": {"socket": socket, "port_in": ["RELAY_PORT"]},
            });
            fs::write(folder.join("spec.json"), spec.to_string())?;
            let mut command = Command::new(shim);
            command.arg(&folder).env("RELAY_PORT", "{gadugi-port}").stdin(Stdio::null());
            Ok((folder, command.spawn()?))
        };
        let shims = (0..SHIMS).map(start).collect::<Result<Vec<_>>>()?;
        let mut rounds = Vec::new();
        for (folder, mut shim) in shims {
            shim.wait()?;
            rounds.push(Self::read(&fs::read_to_string(folder.join("stdout.jsonl"))?, STREAMS / SHIMS)?);
        }
        let of = |of: fn(&Self) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
        Ok(Self {
            events: of(|round| round.events).iter().sum(),
            median_ms: median(&of(|round| round.median_ms)),
            p99_ms: of(|round| round.p99_ms).into_iter().fold(0.0, f64::max),
        })
    }

    fn read(said: &str, streams: usize) -> Result<Self> {
        let said: Value = serde_json::from_str(said.trim()).with_context(|| said.to_owned())?;
        let number = |name: &str| said[name].as_f64().with_context(|| format!("no {name} in {said}"));
        let round = Self {
            events: number("events")?,
            median_ms: number("median_us")? / 1e3,
            p99_ms: number("p99_us")? / 1e3,
        };
        let due = (streams * EVENTS_PER_SECOND * SECONDS) as f64;
        ensure!(round.events > due * 0.8, "{} of {due} events came: the machine is too busy", round.events);
        Ok(round)
    }
}

/// What the gateway's memory grew by, at its highest, for each client that reads nothing; KiB.
fn stalled(program: &Path, place: &str, gateway: &Part) -> Result<f64> {
    let before = gateway.memory("VmRSS:")?;
    let (clients, said) = Part::start(program, &["stall", &STALLED.to_string(), STALL_SECONDS, place])?;
    ensure!(said == "stalled", "the clients say {said:?}");
    let peak = gateway.memory("VmHWM:")?;
    drop(clients);
    Ok((peak - before).max(0.0) / STALLED as f64)
}

/// What a way adds: the middle of what its rounds have more than the direct ones before them.
fn added(direct: &[Round], other: &[Round], of: fn(&Round) -> f64) -> f64 {
    let pairs = direct.iter().zip(other).map(|(direct, other)| of(other) - of(direct));
    median(&pairs.collect::<Vec<f64>>())
}

fn told(direct: &[Round], through: &[Round], cpu_us: f64, stalled_kib: f64) -> Measurement {
    let value = added(direct, through, |round| round.median_ms);
    let p99 = added(direct, through, |round| round.p99_ms);
    let direct_ms = median(&direct.iter().map(|round| round.median_ms).collect::<Vec<f64>>());
    shell::say(&format!(
        "{STREAMS} streams of {EVENTS_PER_SECOND} events a second, {ROUNDS} rounds each way: the gateway adds {value:.3} ms to \
         the median of {direct_ms:.3} ms and {p99:.3} ms to the 99th percentile; {cpu_us:.1} µs of a processor for each event; \
         {stalled_kib:.0} KiB for each client that reads nothing"
    ));
    let mut more = Map::new();
    more.insert("streams".into(), json!(STREAMS));
    more.insert("events_per_second".into(), json!(EVENTS_PER_SECOND));
    more.insert("events".into(), json!(through.iter().map(|round| round.events).sum::<f64>()));
    more.insert("direct_median_ms".into(), json!(rounded(direct_ms)));
    more.insert("added_p99_ms".into(), json!(rounded(p99)));
    more.insert("added_p99_bar".into(), json!(P99_BAR));
    more.insert("cpu_us_per_event".into(), json!(rounded(cpu_us)));
    more.insert("stalled_clients".into(), json!(STALLED));
    more.insert("stalled_kib_each".into(), json!(rounded(stalled_kib)));
    more.insert("stalled_kib_bar".into(), json!(STALLED_BAR_KIB));
    let holds = value <= BAR && p99 <= P99_BAR && stalled_kib <= STALLED_BAR_KIB;
    Measurement { bench: "gateway", value, bar: BAR, holds, more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_the_middle_of_the_pairs() {
        let round = |median_ms, p99_ms| Round { events: 1.0, median_ms, p99_ms };
        let direct = [round(0.1, 1.0), round(0.1, 1.0), round(0.1, 9.0)];
        let through = [round(0.3, 2.0), round(9.0, 30.0), round(0.4, 11.0)];
        let measured = told(&direct, &through, 40.0, 100.0);
        assert!((measured.value - 0.3).abs() < 1e-9 && measured.holds, "{}", measured.value);
        assert!((measured.more["added_p99_ms"].as_f64().unwrap() - 2.0).abs() < 1e-9);
        assert!(!told(&direct, &through, 40.0, 2000.0).holds);
    }
}
