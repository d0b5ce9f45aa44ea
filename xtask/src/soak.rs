//! `cargo xtask soak`: what the tests try a little of, tried for long. The engine is killed at every moment that has a
//! name, then at random moments of two hundred runs, then the simulator goes on for as long as it was told. The last
//! line is JSON, as that of a bench is.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::names;
use crate::shell::{self, cargo, say};

/// What the soak is told.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Soak {
    /// Runs of twelve tasks whose engine is killed at random moments
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// The seed of the first of them; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the simulator goes on
    #[arg(long, default_value_t = 5)]
    minutes: u64,
}

/// The tests play the seeds below this one.
const BEYOND_THE_TESTS: &str = "20000";

/// One part of it: what it came to, and whether that is as it should be.
struct Part {
    told: Map<String, Value>,
    holds: bool,
}

/// Does all of it, prints the line, and fails where anything was not as it should be.
pub(crate) fn run(soak: Soak) -> Result<()> {
    let began = Instant::now();
    let mut build =
        cargo(["test", "--package", names::BINARY, "--features", "faults", "--locked", "--no-run"]);
    build.args(["--test", "fault_matrix", "--test", "random_kills"]);
    shell::run(build)?;
    let faults = test("fault_matrix", "GADUGI_SOAK_FAULTS", &[])?;
    let (rounds, seed) = (soak.rounds.to_string(), soak.seed.to_string());
    let rounds = [("GADUGI_SOAK_ROUNDS", rounds.as_str()), ("GADUGI_SOAK_SEED", seed.as_str())];
    let kills = test("random_kills", "GADUGI_SOAK_KILLS", &rounds)?;
    let simulated = simulate(soak.minutes)?;

    let holds = faults.holds && kills.holds && simulated.holds;
    let mut line = Map::new();
    line.insert("soak".into(), json!(if holds { "holds" } else { "falls-short" }));
    line.extend(kills.told);
    line.insert("faults".into(), Value::Object(faults.told));
    line.insert("simulator".into(), Value::Object(simulated.told));
    line.insert("seconds".into(), json!(began.elapsed().as_secs()));
    say(&Value::Object(line).to_string());
    ensure!(holds, "soak falls short");
    Ok(())
}

/// One test, which writes what it came to into the file that the variable names.
fn test(name: &str, report: &str, variables: &[(&str, &str)]) -> Result<Part> {
    let file = names::target()?.join(format!("soak-{name}.json"));
    // What an earlier soak left says nothing of this one.
    let _ = fs::remove_file(&file);
    let mut command = cargo(["test", "--package", names::BINARY, "--features", "faults", "--locked"]);
    // What it finds and how far it is are told as they come.
    command.args(["--test", name, "--", "--nocapture"]).env(report, &file).envs(variables.iter().copied());
    let holds = finish(command)?;
    let text =
        fs::read_to_string(&file).with_context(|| format!("{name} said nothing of what it came to"))?;
    let Value::Object(told) = serde_json::from_str(&text)? else { bail!("{name} told no object: {text}") };
    Ok(Part { told, holds })
}

fn simulate(minutes: u64) -> Result<Part> {
    let mut told = Map::new();
    told.insert("minutes".into(), json!(minutes));
    if minutes == 0 {
        return Ok(Part { told, holds: true });
    }
    let holds =
        finish(cargo(["xtask", "simulate", "--from", BEYOND_THE_TESTS, "--minutes", &minutes.to_string()]))?;
    told.insert("holds".into(), json!(holds));
    Ok(Part { told, holds })
}

/// Whether it exited with 0. What it has to say it says itself, and the rest of the soak goes on.
fn finish(mut command: Command) -> Result<bool> {
    say(&format!("$ {command:?}"));
    Ok(command.status().context("cannot start cargo")?.success())
}
