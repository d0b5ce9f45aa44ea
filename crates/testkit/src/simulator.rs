//! A seeded simulator of gadugi's core.
//!
//! It plays the engine's loop (decide, apply, store, effects) over virtual time against a simulated world in which
//! everything goes wrong that can: steps end in every way or never, effects are carried out twice, reports come
//! double, late or not at all, somebody moves the integration branch, people cancel, pause, interrupt and retry, and
//! the engine crashes before or after any transaction while the processes go on. After every event the invariants of
//! the design are checked by an account of its own (`watch`): no task lost, none run twice at once, no dependency
//! broken, slots and budgets never exceeded, every merge made once, a replayed log gives the same state, every run
//! ends.
//!
//! One seed gives one story, on every machine. A failing one is told again, shrunk to what it takes to fail (`shrink`):
//! what is settled beforehand (`scenario`) and what chance decides (`dice`) are lists from which anything can be
//! dropped.
//!
//! **Never in here:** a clock, anything whose order is not the seed's; threads but in `fleet`, which gives each story to
//! one.

mod commands;
mod dice;
mod ends;
mod fall;
mod fleet;
mod git;
mod machine;
mod names;
mod panics;
mod plans;
pub(crate) mod rng;
mod scenario;
mod shape;
mod shrink;
mod signs;
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod turn;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use gadugi_core::{Decision, Input, Millis, State, Timestamp};

use dice::Dice;
use scenario::Scenario;
pub use shape::{LARGEST, Shape};
pub use shrink::Story;
use story::{Measure, Simulation};

/// What a seed, or many of them, came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Seeds played.
    pub seeds: usize,
    /// Runs that were played to their end.
    pub runs: usize,
    /// Their tasks.
    pub tasks: usize,
    /// Of those, the ones that succeeded.
    pub succeeded: usize,
    /// Events stored.
    pub events: usize,
    /// Times that the engine died.
    pub crashes: usize,
    /// Commands given.
    pub commands: usize,
    /// Reports that never reached the engine that they were for.
    pub lost_reports: usize,
    /// Pauses between tries, and the longest that they could have been, in milliseconds.
    pub pauses: (u64, u64),
    /// Virtual time.
    pub time: Millis,
}

impl Summary {
    /// Adds what other seeds came to.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.runs += other.runs;
        self.tasks += other.tasks;
        self.succeeded += other.succeeded;
        self.events += other.events;
        self.crashes += other.crashes;
        self.commands += other.commands;
        self.lost_reports += other.lost_reports;
        self.pauses.0 += other.pauses.0;
        self.pauses.1 += other.pauses.1;
        self.time.0 += other.time.0;
    }

    /// What no single story shows: pauses are spread evenly over what they could be, so that they come to half of it.
    ///
    /// # Errors
    ///
    /// What is odd about them, in one line.
    pub fn check(&self) -> Result<(), String> {
        /// So long that chance alone takes none of that many pauses that far from half.
        const ENOUGH: u64 = 5_000_000;
        let (paused, most) = self.pauses;
        let share = paused as f64 / most.max(1) as f64;
        if most > ENOUGH && !(0.45..0.55).contains(&share) {
            return Err(format!(
                "pauses between tries come to {share:.3} of what they could be, not to half"
            ));
        }
        Ok(())
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// Events stored before it.
    pub events: usize,
    /// What did not hold.
    pub problem: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} fails after {} events: {}", self.seed, self.events, self.problem)
    }
}

impl std::error::Error for Failure {}

/// What is simulated: [`gadugi_core::decide()`].
type Decider = fn(&State, Timestamp, Input) -> Decision;

/// Plays seeds.
#[derive(Clone)]
pub struct Simulator {
    shape: Result<Shape, u64>,
    decide: Decider,
}

impl Simulator {
    /// Each seed has the size that it has ([`Shape::of`]), but no plan more than `most` tasks.
    pub fn mixed(most: u64) -> Self {
        Self { shape: Err(most), decide: gadugi_core::decide }
    }

    /// Every seed has this shape.
    pub fn shaped(shape: Shape) -> Self {
        Self { shape: Ok(shape), decide: gadugi_core::decide }
    }

    fn scenario(&self, seed: u64) -> Scenario {
        match &self.shape {
            Ok(shape) => Scenario::draw(seed, shape),
            Err(most) => Scenario::draw(seed, &Shape::of(seed, *most)),
        }
    }

    /// Plays one seed to its end.
    ///
    /// # Errors
    ///
    /// The first invariant that did not hold.
    pub fn run(&self, seed: u64) -> Result<Summary, Failure> {
        let scenario = self.scenario(seed);
        let ending = Simulation::new(&scenario, self.decide, Dice::of(seed), Measure::SILENT).play();
        ending.result.map_err(|problem| Failure { seed, events: ending.events, problem })
    }

    /// Plays seeds on so many threads, until all are played, one fails, or `goes_on`, which sees each seed's summary,
    /// says no. What it came to in all.
    ///
    /// # Errors
    ///
    /// Of the seeds that failed the lowest.
    pub fn play(
        &self,
        seeds: Range<u64>,
        workers: usize,
        goes_on: &(dyn Fn(&Summary) -> bool + Sync),
    ) -> Result<Summary, Failure> {
        fleet::play(self, seeds, workers, goes_on)
    }

    /// Plays all seeds on so many threads, whatever fails: for each sort of problem how many seeds show it, and the lowest
    /// of them.
    pub fn survey(&self, seeds: Range<u64>, workers: usize) -> BTreeMap<String, (usize, u64)> {
        fleet::survey(self, seeds, workers)
    }

    /// Why a seed fails: its story, shrunk to what it takes. None where it does not fail.
    pub fn explain(&self, seed: u64) -> Option<Story> {
        shrink::shrink(self, seed)
    }
}
