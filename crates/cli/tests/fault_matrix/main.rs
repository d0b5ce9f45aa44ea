//! The fault matrix: the engine is killed before and after each kind of event is stored, and before and after each kind
//! of effect, on real processes. Whenever it dies, the run ends as it ends where nobody dies: each task done once, each
//! merge made once, the same tree, and nothing left over.
//!
//! Here one point of each kind is tried. `cargo xtask soak` tries each point as often as it comes in each scenario.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]
#![expect(clippy::disallowed_methods, reason = "a test reads what the soak says")]

mod scenarios;
#[path = "../stage/mod.rs"]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use gadugi_core::{Effect, Event};
use scenarios::{ALL, Scenario};
use serde_json::json;
use stage::Stage;
use stage::aftermath::Aftermath;
use stage::play::Play;
use stage::side_by_side::{side_by_side, words_of};

/// Where the soak wants to be told what came of it; set, it also asks for every point.
const SOAK: &str = "GADUGI_SOAK_FAULTS";

/// One moment alone, as it is told where it fails: `SCENARIO FAULT`; a scenario alone is played as it is.
const ONE: &str = "GADUGI_SOAK_ONE";

/// How a line of the engine's says that it dies now.
const FIRED: &str = "fired ";

/// What a play came to.
struct Played {
    aftermath: Aftermath,
    /// The points that were passed by the engines which lived behind the scenario's own faults: point and occurrence.
    passed: BTreeSet<(String, u64)>,
    /// The faults that came about.
    fired: Vec<String>,
}

fn play(scenario: &Scenario, fault: &str) -> Result<Played, String> {
    let mut stage = Stage::new();
    stage.keep_ledger();
    (scenario.set)(&stage);
    stage.commit("prompts");
    let log = stage.home.join("faults");
    let plain = stage.variables.len();
    stage.variables.push(("GADUGI_FAULT_LOG".into(), log.to_string_lossy().into_owned()));
    stage
        .variables
        .push(("GADUGI_FAULT_LIES".into(), stage.home.join("lies").to_string_lossy().into_owned()));
    stage.variables.push(("GADUGI_FAULT".into(), format!("{} {fault}", scenario.first)));
    Play::new(&stage, scenario.args, scenario.deeds).lead()?;
    stage.engine_leaves();
    let log = fs::read_to_string(&log).unwrap_or_default();
    stage.variables.truncate(plain);
    if std::env::var(ONE).is_ok() {
        tell_log(&stage);
    }
    let aftermath = stage.aftermath();
    let fired: Vec<String> =
        log.lines().filter_map(|line| line.strip_prefix(FIRED)).map(str::to_owned).collect();
    let own = scenario.first.split_whitespace().count();
    let passed = log.lines().scan(0, |dead, line| {
        *dead += usize::from(line.starts_with(FIRED));
        Some((*dead, line))
    });
    let passed = passed.filter(|(dead, line)| *dead >= own && !line.starts_with(FIRED));
    let passed = passed.map(|(_, line)| {
        let (point, occurrence) = line.rsplit_once(':').unwrap();
        (point.to_owned(), occurrence.parse().unwrap())
    });
    Ok(Played { aftermath, passed: passed.collect(), fired })
}

/// A moment to die at, in a scenario.
struct Moment<'a> {
    scenario: &'a Scenario,
    expected: &'a Aftermath,
    fault: String,
}

impl Moment<'_> {
    /// Whether it came about. An error: the run did not end as it does without.
    fn try_it(&self) -> Result<bool, String> {
        let played = play(self.scenario, &self.fault)?;
        // What is left over where nobody dies is refused before.
        if played.aftermath != *self.expected {
            return Err(format!("{:#?}\ninstead of {:#?}", played.aftermath, self.expected));
        }
        Ok(played.fired.contains(&self.fault))
    }

    /// Which of several things comes first may differ from play to play, and then a moment may not come in one of them.
    fn try_until_it_comes(&self) -> Result<bool, String> {
        const PLAYS: usize = 3;
        for _ in 0..PLAYS {
            if self.try_it()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same, and what is wrong is told at once: the rest may take a while.
    #[expect(clippy::print_stderr, reason = "whoever waits for a soak wants to see what it finds")]
    fn try_and_tell(&self) -> Result<bool, String> {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.try_until_it_comes()));
        let outcome = outcome.unwrap_or_else(|panic| Err(words_of(&*panic)));
        if let Err(why) = &outcome {
            eprintln!("{} dying at {} ({:.1?}): {why}", self.scenario.name, self.fault, began.elapsed());
        }
        outcome
    }
}

/// Every point that there is, from the words of the code itself.
fn every_point() -> BTreeSet<String> {
    // What reads events says which it knows, when it is given one that it does not.
    let error = serde_json::from_value::<Event>(json!({ "type": "?" })).unwrap_err().to_string();
    let events: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(events.contains(&"run-started") && events.len() > 20, "{error}");
    let both = |kind: &str, word: &str| ["before", "after"].map(|when| format!("{kind}:{word}:{when}"));
    let events = events.into_iter().flat_map(|word| both("event", word));
    let effects = Effect::WORDS.iter().flat_map(|word| both("effect", word));
    // Questions are followed by whoever wants their answer: `decompose_faults.rs` dies in them.
    let of_questions =
        |point: &String| point.contains(":answer-appraised:") || point.contains(":take-answer:");
    let started = ["launch-step", "adopt-step"].map(|word| format!("effect:{word}:started"));
    events.chain(effects).chain(started).filter(|point| !of_questions(point)).collect()
}

/// The run's events, with their times, and what engines had to say.
#[expect(clippy::print_stderr, reason = "whoever asks for one moment wants to see it")]
fn tell_log(stage: &Stage) {
    let export = stage.gadugi(&["export", "--output", "-"]).stdout;
    let export = serde_json::from_str::<serde_json::Value>(&export).unwrap();
    for event in export["events"].as_array().unwrap() {
        eprintln!("{}", event.to_string().chars().take(220).collect::<String>());
    }
    eprintln!("{}", fs::read_to_string(stage.root.join(".gadugi/engine.log")).unwrap_or_default());
}

/// What somebody asked for alone, to see what comes of it. The log is told as it was written.
#[expect(clippy::print_stderr, reason = "whoever asks for one moment wants to see it")]
fn play_one(wish: &str) {
    let (name, fault) = wish.split_once(' ').unwrap_or((wish, ""));
    let scenario = ALL.iter().find(|scenario| scenario.name == name).unwrap();
    let played = play(scenario, fault).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{:#?}\n{:#?}\nfired: {:?}", played.passed, played.aftermath, played.fired);
}

/// A soak takes a while.
#[expect(clippy::print_stderr, reason = "whoever waits for a soak wants to see how far it is")]
fn progress(done: usize, of: usize) {
    if done.is_multiple_of(100) {
        eprintln!("{done} of {of} moments");
    }
}

#[test]
fn whenever_the_engine_dies_the_run_ends_as_if_nothing_had_happened() {
    if let Ok(wish) = std::env::var(ONE) {
        return play_one(&wish);
    }
    let soak = std::env::var(SOAK).ok();
    let undisturbed = side_by_side(ALL, |scenario| play(scenario, ""));
    let undisturbed: Vec<Played> = undisturbed
        .into_iter()
        .zip(ALL)
        .map(|(played, scenario)| played.unwrap_or_else(|why| panic!("{}: {why}", scenario.name)))
        .inspect(|played| assert!(played.aftermath.left_over.is_empty(), "{:#?}", played.aftermath))
        .collect();

    let mut moments = Vec::new();
    let mut tried = BTreeSet::new();
    for (scenario, played) in ALL.iter().zip(&undisturbed) {
        let mut points: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (point, occurrence) in &played.passed {
            points.entry(point).or_default().push(*occurrence);
        }
        for (point, occurrences) in points {
            let new = tried.insert(point.to_owned());
            let chosen = match (&soak, new) {
                (Some(_), _) => occurrences,
                // The first comes in any order of things.
                (None, true) => vec![occurrences[0]],
                (None, false) => continue,
            };
            moments.extend(chosen.into_iter().map(|occurrence| Moment {
                scenario,
                expected: &played.aftermath,
                fault: format!("{point}:{occurrence}"),
            }));
        }
    }
    let left_out: Vec<_> = every_point().difference(&tried).cloned().collect();
    assert!(left_out.is_empty(), "no scenario passes {left_out:?}; write one that does");

    let done = AtomicUsize::new(0);
    let outcomes = side_by_side(&moments, |moment| {
        let outcome = moment.try_and_tell();
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, moments.len());
        outcome
    });
    let told: Vec<_> = moments.iter().zip(&outcomes).collect();
    let name = |moment: &Moment<'_>| format!("{} dying at {}", moment.scenario.name, moment.fault);
    let failed: Vec<String> = told
        .iter()
        .filter_map(|(moment, outcome)| Some(format!("{}: {}", name(moment), outcome.as_ref().err()?)))
        .collect();
    let missed: Vec<String> =
        told.iter().filter(|(_, outcome)| **outcome == Ok(false)).map(|(moment, _)| name(moment)).collect();
    if let Some(file) = &soak {
        let line = json!({ "points": tried.len(), "plays": told.len(), "missed": missed.len(), "failed": failed.len() });
        fs::write(file, line.to_string()).unwrap();
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), told.len(), failed.join("\n\n"));
    assert!(soak.is_some() || missed.is_empty(), "it did not die there: {missed:#?}");
}
