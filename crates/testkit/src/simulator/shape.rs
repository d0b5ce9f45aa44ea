//! How large and how rough a simulated world is.

use std::ops::RangeInclusive;

use gadugi_core::Millis;

/// What is drawn from a seed: sizes and frequencies.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Tasks of each run.
    pub tasks: RangeInclusive<u64>,
    /// Runs submitted.
    pub runs: RangeInclusive<u64>,
    /// Commands of people: cancel, pause, resume, interrupt, retry, capacity, landing.
    pub commands: RangeInclusive<u64>,
    /// Tasks that failed and are wanted again at once, out of a thousand.
    pub retries: u32,
    /// Crashes of the engine at some moment.
    pub crashes: RangeInclusive<u64>,
    /// Crashes right before or after a batch of events is stored, out of a thousand batches.
    pub crash_at_store: u32,
    /// Bad ends of steps and git operations, out of a thousand.
    pub trouble: u32,
    /// Effects carried out twice, reports doubled, late or lost: out of a thousand, each.
    pub disorder: u32,
    /// Commands and accidents happen within this time; then the world behaves.
    pub horizon: Millis,
}

impl Shape {
    /// Plans of at most twelve tasks, with much going on.
    pub fn small() -> Self {
        Self {
            tasks: 1..=12,
            runs: 1..=2,
            commands: 0..=10,
            retries: 150,
            crashes: 0..=3,
            crash_at_store: 8,
            trouble: 180,
            disorder: 50,
            horizon: Millis::seconds(1800),
        }
    }

    /// Plans of up to so many tasks.
    pub fn large(tasks: u64) -> Self {
        Self {
            tasks: tasks / 2..=tasks,
            runs: 1..=2,
            commands: 0..=40,
            retries: 20,
            crashes: 0..=6,
            crash_at_store: 1,
            trouble: 60,
            disorder: 20,
            horizon: Millis::seconds(tasks * 60),
        }
    }
}
