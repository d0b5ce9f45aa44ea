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

/// The largest plans that a seed draws.
pub const LARGEST: u64 = 5000;

impl Shape {
    /// What a seed has where nobody says anything else: of a hundred, ninety-nine with at most 30 tasks, mostly far
    /// fewer; one with some hundred; and of 2,500 one with [`LARGEST`]. None with more than `most`.
    pub fn of(seed: u64, most: u64) -> Self {
        let mut shape = match seed % 2500 {
            1249 => Self::large(LARGEST..=LARGEST),
            at if at % 100 == 49 => Self::large(31..=400),
            at if at % 10 == 9 => Self { tasks: 10..=30, horizon: Millis::seconds(3600), ..Self::small() },
            _ => Self::small(),
        };
        let most = most.max(1);
        shape.tasks = *shape.tasks.start().min(&most)..=*shape.tasks.end().min(&most);
        // Two of the largest would tell no more than one.
        if *shape.tasks.end() * 2 > LARGEST {
            shape.runs = 1..=1;
        }
        shape
    }

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

    /// Plans of so many tasks.
    pub fn large(tasks: RangeInclusive<u64>) -> Self {
        Self {
            runs: 1..=2,
            commands: 0..=40,
            retries: 20,
            crashes: 0..=6,
            crash_at_store: 1,
            trouble: 60,
            disorder: 20,
            horizon: Millis::seconds(tasks.end() * 60),
            tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_twenty_thousand_seeds_ninety_nine_in_a_hundred_are_small_and_some_are_the_largest() {
        let largest: Vec<u64> = (0..20_000).map(|seed| *Shape::of(seed, LARGEST).tasks.end()).collect();
        assert_eq!(largest.iter().filter(|tasks| **tasks <= 30).count(), 19_800);
        assert_eq!(largest.iter().filter(|tasks| **tasks == LARGEST).count(), 8);
        assert!((0..20_000).all(|seed| *Shape::of(seed, 7).tasks.end() <= 7));
    }
}
