//! Between what times a plan ends: it is played through many times, each time with other times of its tasks, as far off the
//! estimates as these may be.
//!
//! Errors of estimates are not independent. If the built-in table takes a repository's tasks for quicker than they are, it
//! does so for all of them: adding up a thousand such errors does not average them out, and a range that says so would be far
//! too narrow. So a part of each error is common to all estimates of one source. Of the table's it is half (of the variance):
//! what it cannot know (this repository, this agent, this user's prompts) is alike for all of them. Of those from history
//! it is a fifth: they come from this repository, and what is left in common is that a median of some past tasks is itself a
//! guess, and that tomorrow's model is not yesterday's.
//!
//! The numbers that are drawn are the same each time: one plan has one range.

use std::collections::BTreeMap;

use super::{Job, Workload};
use crate::{Estimate, Plan};

/// Seconds: of ten plays one ends before `low`, five end before `likely`, nine before `high`.
///
/// `likely` is above the sum of estimates where these are unsure: an estimate is the middle of what tasks take, and those that
/// take longer than that take more longer than the others take less.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The 10th percentile.
    pub low: f64,
    /// The middle.
    pub likely: f64,
    /// The 90th percentile.
    pub high: f64,
}

/// The part of an error's variance that all estimates of one source have in common.
const COMMON_IN_TABLE: f64 = 0.5;
const COMMON_IN_HISTORY: f64 = 0.2;

/// Plays, at most and at least; between them as many as come to so many tasks: a fifth of a second, however many tasks there are.
/// Where there is memory to be reckoned with, a play takes some four times as long.
const MOST_PLAYS: usize = 400;
const LEAST_PLAYS: usize = 11;
const TASKS_PLAYED: usize = 200_000;
const TASKS_PLAYED_WITH_MEMORY: usize = 50_000;

/// The numbers that are drawn begin here.
const SEED: u64 = 0x6761_6475_6769;

/// The share of the variance of an estimate's error that is common to all of its source.
pub(crate) fn common_share(estimate: &Estimate) -> f64 {
    if estimate.is_measured() { COMMON_IN_HISTORY } else { COMMON_IN_TABLE }
}

impl Plan {
    /// Between what times it ends on so many slots and MiB of memory (none: as much as it likes).
    pub fn parallel_range(&self, slots: usize, memory: Option<u64>) -> Range {
        let (workload, slots) = (Workload::of(self), self.slots(slots));
        let order = workload.order();
        let memory = memory.filter(|_| workload.is_measured());
        let most = if memory.is_some() { TASKS_PLAYED_WITH_MEMORY } else { TASKS_PLAYED };
        self.range(&workload, most, |seconds| workload.play(&order, slots, memory, seconds))
    }

    /// Between what times its tasks end, one after another.
    pub fn sequential_range(&self) -> Range {
        self.range(&Workload::of(self), TASKS_PLAYED, |seconds| seconds.iter().sum())
    }

    fn range(&self, workload: &Workload, most: usize, mut play: impl FnMut(&[f64]) -> f64) -> Range {
        let plays = (most / workload.jobs.len().max(1)).clamp(LEAST_PLAYS, MOST_PLAYS);
        let errors = Errors::of(self, &workload.jobs);
        let mut draws = Draws(SEED);
        let mut ends: Vec<f64> = (0..plays).map(|_| play(&errors.draw(&mut draws))).collect();
        ends.sort_by(f64::total_cmp);
        let at = |percent: usize| ends.get((plays - 1) * percent / 100).copied().unwrap_or(0.0);
        Range { low: at(10), likely: at(50), high: at(90) }
    }
}

/// How far off each task's estimate may be.
struct Errors {
    /// How many sources there are.
    sources: usize,
    /// For each task: its seconds, the standard deviation of what is its own of their error's logarithm, that of what is its
    /// source's, and which source that is.
    tasks: Vec<(f64, f64, f64, usize)>,
}

impl Errors {
    fn of(plan: &Plan, jobs: &[Job]) -> Self {
        let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
        let mut tasks = Vec::with_capacity(jobs.len());
        for (task, job) in plan.tasks.iter().zip(jobs) {
            let next = sources.len();
            let source = *sources.entry(task.estimate.source.as_str()).or_insert(next);
            let common = common_share(&task.estimate);
            let (own, shared) = ((1.0 - common).sqrt() * job.sigma(), common.sqrt() * job.sigma());
            tasks.push((job.time(), own, shared, source));
        }
        Self { sources: sources.len(), tasks }
    }

    /// Seconds of each task, as they might be.
    fn draw(&self, draws: &mut Draws) -> Vec<f64> {
        let common: Vec<f64> = (0..self.sources).map(|_| draws.normal()).collect();
        let seconds = |(seconds, own, shared, source): &(f64, f64, f64, usize)| {
            seconds * (own * draws.normal() + shared * common[*source]).exp()
        };
        self.tasks.iter().map(seconds).collect()
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): numbers that look like chance and are the same each time.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A normal one, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}
