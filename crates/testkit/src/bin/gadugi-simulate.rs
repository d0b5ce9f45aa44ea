//! Plays seeds of the simulator until they are all played, time is up, or one fails. `cargo xtask simulate` builds and
//! starts it: `gadugi-simulate [survey] [--seeds N] [--from S] [--tasks MAX] [--minutes M] [--workers W]`. It exits with 0 where
//! every invariant held, with 1 where one did not, with 2 where it was asked for something that it does not know.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gadugi_testkit::simulator::{Failure, LARGEST, Simulator, Summary};

const USAGE: &str = "usage: gadugi-simulate [survey] [--seeds N] [--from S] [--tasks MAX] [--minutes M] [--workers W], all whole numbers";

/// Between two lines of progress.
const INTERVAL: Duration = Duration::from_secs(5);

struct Wish {
    seeds: Option<u64>,
    from: u64,
    tasks: u64,
    minutes: Option<u64>,
    workers: usize,
}

impl Wish {
    fn read(arguments: &[String]) -> Option<Self> {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut wish = Self { seeds: None, from: 0, tasks: LARGEST, minutes: None, workers };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--seeds" => wish.seeds = Some(value.parse().ok()?),
                "--from" => wish.from = value.parse().ok()?,
                "--tasks" => wish.tasks = value.parse().ok()?,
                "--minutes" => wish.minutes = Some(value.parse().ok()?),
                "--workers" => wish.workers = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(wish)
    }

    /// How many seeds: as many as were named; else as many as time allows, or what the tests play.
    fn seeds(&self) -> u64 {
        let unnamed = if self.minutes.is_some() { u64::MAX } else { 20_000 };
        self.seeds.unwrap_or(unnamed)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // All seeds, whatever fails: what a defect is worth that is known, or one that was made to see whether it is found.
    let (survey, arguments) = match &arguments[..] {
        [first, rest @ ..] if first == "survey" => (true, rest),
        all => (false, all),
    };
    let Some(wish) = Wish::read(arguments) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    let simulator = Simulator::mixed(wish.tasks);
    if survey {
        return surveyed(&simulator, &wish);
    }
    let began = Instant::now();
    match play(&simulator, &wish, began) {
        Ok(sum) => {
            let told = progress(&sum, began.elapsed());
            match sum.check() {
                Ok(()) => {
                    say(&format!("{told}; every invariant held"));
                    ExitCode::SUCCESS
                }
                Err(odd) => {
                    say(&format!("{told}; every invariant held, but {odd}"));
                    ExitCode::FAILURE
                }
            }
        }
        Err(failure) => {
            say(&explained(&simulator, &wish, &failure));
            ExitCode::FAILURE
        }
    }
}

fn surveyed(simulator: &Simulator, wish: &Wish) -> ExitCode {
    let found = simulator.survey(wish.from..wish.from.saturating_add(wish.seeds()), wish.workers);
    for (problem, (count, seed)) in &found {
        say(&format!("{count:>8} seeds, the first {seed}: {problem}"));
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(simulator: &Simulator, wish: &Wish, began: Instant) -> Result<Summary, Failure> {
    let until = wish.minutes.map(|minutes| began + Duration::from_secs(minutes.saturating_mul(60)));
    let seen = Mutex::new((Summary::default(), began));
    let goes_on = |one: &Summary| {
        let Ok(mut seen) = seen.lock() else { return false };
        seen.0.add(one);
        let now = Instant::now();
        if now.duration_since(seen.1) >= INTERVAL {
            seen.1 = now;
            say(&progress(&seen.0, now.duration_since(began)));
        }
        until.is_none_or(|until| now < until)
    };
    let seeds = wish.from..wish.from.saturating_add(wish.seeds());
    simulator.play(seeds, wish.workers, &goes_on)
}

fn progress(sum: &Summary, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = sum.events as f64 / seconds;
    format!(
        "{seconds:>7.1} s  {} seeds, {} tasks, {} events ({rate:.0}/s), {} crashes",
        sum.seeds, sum.tasks, sum.events, sum.crashes
    )
}

fn explained(simulator: &Simulator, wish: &Wish, failure: &Failure) -> String {
    let mut text = format!("{failure}\n");
    match simulator.explain(failure.seed) {
        Some(story) => _ = writeln!(text, "\n{story}"),
        None => text.push_str("\nand it does not when it is played again: something is not the seed's\n"),
    }
    let tasks = if wish.tasks == LARGEST { String::new() } else { format!(" --tasks {}", wish.tasks) };
    _ = write!(text, "\nreplay: cargo xtask simulate --from {} --seeds 1{tasks}", failure.seed);
    text
}

/// One line on standard output; where nobody reads it, nobody is told.
fn say(text: &str) {
    _ = writeln!(io::stdout().lock(), "{text}");
}

fn complain(text: &str) {
    _ = writeln!(io::stderr().lock(), "{text}");
}
