//! A thousand random graphs of tasks through the order in which the engine dispatches them: how near the end comes to the
//! lower bound, and what the order is worth where estimates are off by up to a factor of three.
//!
//! The generator and its numbers stand in the test kit (`crates/testkit/src/graphs`), whose binary `gadugi-schedule` plays
//! them. Sizes are spread evenly over their ranges; beside what is held to a bar stand the same figures for sizes that are
//! spread evenly in the logarithm, so with many more plans of a handful of tasks, and many more where one slot or more slots
//! than tasks leave nothing to order.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{Measurement, rounded};
use crate::{names, shell};

const GRAPHS: u64 = 1000;

/// The mean of time to the end over the lower bound, estimates true.
const BAR: f64 = 1.10;
/// The share of graphs that end no later than first come, first served, estimates off.
const NO_WORSE_BAR: f64 = 0.95;
/// The mean of first come, first served over the order, estimates off.
const GAIN_BAR: f64 = 1.05;

pub(super) fn measure() -> Result<Measurement> {
    let built = ["build", "--release", "--locked", "--package", "gadugi-testkit", "--bin", "gadugi-schedule"];
    shell::run(shell::cargo(built))?;
    let program = names::target()?.join("release/gadugi-schedule");
    let play = |sizes: &str| -> Result<Value> {
        let mut play = std::process::Command::new(&program);
        play.args([sizes, "0", &GRAPHS.to_string()]);
        serde_json::from_str(&shell::output(play)?).context("what the graphs came to is no JSON")
    };
    let (even, logarithmic) = (play("even")?, play("logarithmic")?);
    held_to(&even, &logarithmic)
}

/// One figure by its path.
fn figure(figures: &Value, path: &str) -> Result<f64> {
    let found = figures.pointer(path).and_then(Value::as_f64);
    found.with_context(|| format!("what the graphs came to has no {path}"))
}

fn held_to(even: &Value, logarithmic: &Value) -> Result<Measurement> {
    let value = figure(even, "/over_bound/mean")?;
    let (gain, no_worse) = (figure(even, "/first_come_over_rule/mean")?, figure(even, "/no_worse")?);
    shell::say(&format!(
        "{GRAPHS} graphs: {value:.3} of the lower bound with true estimates; with estimates off by up to three {:.1} % end no \
         later than first come, first served, which takes {gain:.3} times as long in the mean",
        no_worse * 100.0
    ));
    let mut more = Map::new();
    more.insert("graphs".into(), json!(GRAPHS));
    more.insert("gain_when_off".into(), json!(rounded(gain)));
    more.insert("gain_bar".into(), json!(GAIN_BAR));
    more.insert("no_worse_when_off".into(), json!(rounded(no_worse)));
    more.insert("no_worse_bar".into(), json!(NO_WORSE_BAR));
    more.insert("even_sizes".into(), short(even));
    more.insert("logarithmic_sizes".into(), short(logarithmic));
    let holds = value <= BAR && no_worse >= NO_WORSE_BAR && gain >= GAIN_BAR;
    Ok(Measurement { bench: "schedule", value, bar: BAR, holds, more })
}

/// The same with its numbers to thousandths.
fn short(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, |number| json!(rounded(number))),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), short(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(over: f64, gain: f64, no_worse: f64) -> Value {
        json!({"over_bound": {"mean": over}, "first_come_over_rule": {"mean": gain}, "no_worse": no_worse})
    }

    #[test]
    fn each_figure_has_its_bar() {
        let holds = |over, gain, no_worse| {
            let figures = figures(over, gain, no_worse);
            held_to(&figures, &figures).unwrap().holds
        };
        assert!(holds(1.1, 1.05, 0.95));
        assert!(!holds(1.101, 1.05, 0.95) && !holds(1.1, 1.049, 0.95) && !holds(1.1, 1.05, 0.949));
        assert!(held_to(&json!({}), &json!({})).is_err(), "what is missing holds nothing");
    }
}
