//! Plays random graphs through the core's schedule and prints what it came to, as one line of JSON. `cargo xtask bench schedule`
//! builds and starts it: `gadugi-schedule even|logarithmic FIRST COUNT` plays the graphs of those numbers.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use gadugi_testkit::graphs::{Figures, Graph, Sizes, Spread, measure};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((sizes, first, count)) = wish(&arguments) else {
        _ = writeln!(io::stderr().lock(), "usage: gadugi-schedule even|logarithmic FIRST COUNT");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let figures = measure((first..first.saturating_add(count)).map(|number| Graph::draw(number, sizes)));
    let line = told(&figures, began.elapsed().as_secs_f64());
    if writeln!(io::stdout().lock(), "{line}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wish(arguments: &[String]) -> Option<(Sizes, u64, u64)> {
    let [sizes, first, count] = arguments else { return None };
    let sizes = match sizes.as_str() {
        "even" => Sizes::Even,
        "logarithmic" => Sizes::Logarithmic,
        _ => return None,
    };
    Some((sizes, first.parse().ok()?, count.parse().ok()?))
}

fn told(figures: &Figures, seconds: f64) -> Value {
    json!({
        "over_bound": spread(&figures.bound),
        "over_bound_by": figures.by,
        "first_come_over_rule": spread(&figures.gain),
        "no_worse": figures.no_worse,
        "alike": figures.alike,
        "over_bound_when_off": figures.off.0,
        "first_come_over_bound": figures.off.1,
        "seconds": seconds,
    })
}

fn spread(of: &Spread) -> Value {
    json!({
        "mean": of.mean, "least": of.least, "p5": of.p5, "p50": of.p50, "p95": of.p95, "worst": of.most,
    })
}
