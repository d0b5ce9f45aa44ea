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
//! One seed gives one story, on every machine. A failing one is told again, with what led up to it.
//!
//! **Never in here:** a clock, threads, anything whose order is not the seed's.

mod commands;
mod ends;
mod plans;
mod rng;
mod shape;
mod story;
mod tell;
mod watch;
mod world;

use std::fmt;

use gadugi_core::Millis;

pub use shape::Shape;
pub use story::Simulation;

/// What a seed came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
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
    /// Virtual time.
    pub time: Millis,
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// Events stored before it.
    pub events: usize,
    /// What did not hold.
    pub problem: String,
    /// The last things that happened, oldest first.
    pub trail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trail {
            writeln!(f, "  {line}")?;
        }
        write!(f, "seed {} fails after {} events: {}", self.seed, self.events, self.problem)
    }
}

impl std::error::Error for Failure {}

/// Plays one seed to its end.
///
/// # Errors
///
/// The invariant that did not hold, and what led up to it.
pub fn run(seed: u64, shape: &Shape) -> Result<Summary, Failure> {
    let silent = Simulation::new(seed, shape).play();
    silent.or_else(|_| Simulation::new(seed, shape).told().play())
}
