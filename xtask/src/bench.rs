//! Measurements of the built binary, each with the bar that it is held to. They are no tests: a busy machine makes
//! them fall short. Each prints what it measured and, last, one line of JSON.

mod analysis;
mod container;
mod faults;
mod gateway;
mod overhead;
mod plan;
mod recovery;
mod run;
mod sandbox;
mod scale;
mod schedule;
mod speedup;
mod stream;
mod tasks;
mod watch;

use anyhow::{Result, ensure};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::{names, page, shell};

/// What can be measured.
#[derive(Clone, Subcommand)]
pub(crate) enum Bench {
    /// The same 16 tasks through a bare xargs and through gadugi: ratio of wall times
    Overhead,
    /// Independent tasks and a graph of tasks that only wait: how much of the waiting is shared
    Speedup,
    /// A thousand trivial tasks: none lost, the engine's memory and descriptors
    Tasks,
    /// A long log and 50 running tasks whose engine was killed: how long until the next has taken them up
    Recovery,
    /// Five thousand tasks, 200 at a time, that say something: none lost, the engine's memory, processor and descriptors
    Scale,
    /// Real Claude Code and a model API that misbehaves, fault by fault: the fraction of runs that mend themselves
    Faults,
    /// A trivial step in a container, to its first output: gadugi against docker run
    Container,
    /// 50,000 sources and 200 prompts, nothing known and all known; 10,000 prompts in a small repository: time and memory
    Plan,
    /// 200 streams at once through the gateway and direct: the latency that it adds to each event
    Gateway,
    /// Histories of real repositories, commit by commit: which files are foretold, and which pairs collide
    Analysis(analysis::Analysis),
    /// 64 agents that say 200 lines a second and one of them on view in Chromium: how soon a line is in the document
    Stream,
    /// A thousand random graphs through the order of dispatch: time to the end against the lower bound and against first come
    Schedule,
}

/// What was measured, and what it is held to.
struct Measurement {
    bench: &'static str,
    value: f64,
    bar: f64,
    holds: bool,
    /// Whatever else is worth knowing.
    more: Map<String, Value>,
}

/// Builds what it takes in the release profile, measures, prints, and fails where the bar is missed.
pub(crate) fn run(bench: Bench) -> Result<()> {
    let binary = names::release_binary;
    let measured = match bench {
        Bench::Overhead => overhead::measure(&binary()?)?,
        Bench::Speedup => speedup::measure(&binary()?)?,
        Bench::Tasks => tasks::measure(&binary()?)?,
        Bench::Recovery => recovery::measure(&binary()?)?,
        Bench::Scale => scale::measure(&binary()?)?,
        Bench::Faults => faults::measure(&binary()?)?,
        Bench::Container => container::measure()?,
        Bench::Plan => plan::measure(&binary()?)?,
        Bench::Gateway => gateway::measure()?,
        Bench::Analysis(wish) => analysis::measure(&wish)?,
        Bench::Stream => {
            page::run()?;
            stream::measure(&binary()?)?
        }
        Bench::Schedule => schedule::measure()?,
    };
    shell::say(&measured.line());
    ensure!(measured.holds, "bench {} falls short", measured.bench);
    Ok(())
}

impl Measurement {
    fn line(&self) -> String {
        let mut line = Map::new();
        line.insert("bench".into(), json!(self.bench));
        line.insert("value".into(), json!(rounded(self.value)));
        line.insert("bar".into(), json!(self.bar));
        line.insert("holds".into(), json!(self.holds));
        line.extend(self.more.clone());
        Value::Object(line).to_string()
    }
}

/// To thousandths, for people who read it.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The middle one; of an even number the upper of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_its_keys_in_order() {
        let mut more = Map::new();
        more.insert("rounds".into(), json!([1.0]));
        let measured = Measurement { bench: "overhead", value: 1.05049, bar: 1.1, holds: true, more };
        assert_eq!(
            measured.line(),
            r#"{"bench":"overhead","value":1.05,"bar":1.1,"holds":true,"rounds":[1.0]}"#
        );
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
