//! The order in which tasks begin, on the slots and the memory there are: one rule for the engine's dispatch, for the times
//! that `plan` shows, and for the bench that measures it.
//!
//! Of the tasks that may begin comes first the one of the highest priority (a task that one of higher priority waits for has
//! that one's), then the one with the longest remaining path (its own time and that of the longest chain that waits for it),
//! then the first in the plan. That is a number for each task, its rank, which follows from the plan alone: it is worked out
//! once when a run begins, stays as it is while tasks fail and come back, and is stored nowhere ([`Workload::order`]).
//!
//! Where memory was measured, a task also waits until what it is expected to take fits beside those that run; others may pass
//! it, as long as they don't make it wait longer ([`Room`]).
//!
//! What comes of all that on so many slots is played through by [`Workload::play`].

mod play;
mod range;
mod room;

use std::cmp::Reverse;

use crate::order::Arc;
use crate::{Estimate, Plan, PlannedTask};

pub(crate) use play::Outset;
pub use range::Range;
pub(crate) use range::common_share;
pub use room::{Admission, Candidate, Occupant, Room};

/// What the rule knows of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// Higher first.
    pub priority: i64,
    /// Seconds that it is expected to take: half of such tasks take less.
    pub seconds: f64,
    /// How far off that may be, as a factor ([`Estimate::spread`]).
    pub spread: f64,
    /// MiB that it is expected to take, by what was measured of such tasks; 0 where nobody measured.
    pub memory_mib: u64,
}

/// Tasks by their places, and who waits for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    jobs: Vec<Job>,
    /// For each task, those that wait for it; twice where two edges say so.
    after: Vec<Vec<usize>>,
    /// For each task, how many edges lead to it.
    waits: Vec<usize>,
    /// Whether the tasks are taken one after another as they were given: nobody knows what waits for what.
    one_by_one: bool,
}

/// Who comes before whom: a rank for each task, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    ranks: Vec<u32>,
    places: Vec<usize>,
}

impl Order {
    /// The order in which those places are named; each stands in it once.
    pub fn from_places(places: Vec<usize>) -> Self {
        let mut ranks = vec![0; places.len()];
        for (rank, place) in (0_u32..).zip(&places) {
            ranks[*place] = rank;
        }
        Self { ranks, places }
    }

    /// The rank of the task at that place: of two that may begin, the one with the lower rank does.
    pub fn rank(&self, place: usize) -> u32 {
        self.ranks[place]
    }

    /// The place of the task of that rank.
    pub fn place(&self, rank: u32) -> usize {
        self.places[rank as usize]
    }
}

/// How far the times of one plan's tasks lie apart, one standard deviation, as a factor: what people put into one folder, from
/// a typo to a subsystem. An estimate that is as unsure as that is believed by half.
const APART: f64 = 3.0;

/// The longest time that is reckoned with, in seconds: some thirty years.
const LONGEST: f64 = 1e9;

impl Job {
    /// What the plan says of a task.
    fn of(task: &PlannedTask) -> Self {
        let Estimate { seconds, spread, .. } = task.estimate;
        Self {
            priority: task.priority,
            seconds,
            spread,
            memory_mib: task.estimate.measured_memory().unwrap_or(0),
        }
    }

    /// Its time in seconds, where it is one.
    fn time(&self) -> f64 {
        sane(self.seconds)
    }

    /// The standard deviation of the logarithm of its time.
    fn sigma(&self) -> f64 {
        if self.spread.is_finite() { self.spread.max(1.0).ln() } else { 0.0 }
    }

    /// How much of its distance from the others an estimate keeps, 0 to 1: one that may be far off says less.
    fn trust(&self) -> f64 {
        let apart = APART.ln();
        apart * apart / (apart * apart + self.sigma() * self.sigma())
    }
}

impl Estimate {
    /// MiB that such tasks were seen to take; none where the figure is the built-in table's, which measured nothing.
    pub fn measured_memory(&self) -> Option<u64> {
        (self.is_measured() && self.memory_mb > 0).then_some(self.memory_mb)
    }

    /// Whether it was learnt from tasks that are over.
    fn is_measured(&self) -> bool {
        self.source.starts_with("history")
    }
}

/// Seconds that can be added up.
fn sane(seconds: f64) -> f64 {
    // What is no number is not above nothing either.
    if seconds > 0.0 { seconds.min(LONGEST) } else { 0.0 }
}

impl Workload {
    /// Those tasks, each at its place, and what waits for what.
    pub fn new(jobs: Vec<Job>, arcs: &[Arc]) -> Self {
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
        let mut waits = vec![0; jobs.len()];
        for Arc { from, to } in arcs {
            after[*from].push(*to);
            waits[*to] += 1;
        }
        Self { jobs, after, waits, one_by_one: false }
    }

    /// The plan's tasks and edges of every reason.
    pub fn of(plan: &Plan) -> Self {
        let jobs = plan.tasks.iter().map(Job::of).collect();
        Self { one_by_one: plan.sequential_because.is_some(), ..Self::new(jobs, &plan.arcs()) }
    }

    /// The task at that place, to be corrected.
    pub(crate) fn job_mut(&mut self, at: usize) -> &mut Job {
        &mut self.jobs[at]
    }

    /// The order by the rule: priority, longest remaining path, place.
    ///
    /// Paths are added up from times that are drawn towards the middle one of the plan by as much as they are unsure: a chain
    /// is not put first for the sake of one wild guess in it.
    pub fn order(&self) -> Order {
        let mut urgency: Vec<i64> = self.jobs.iter().map(|job| job.priority).collect();
        let mut paths = self.believed();
        for at in self.topological().into_iter().rev() {
            for to in &self.after[at] {
                urgency[at] = urgency[at].max(urgency[*to]);
            }
            paths[at] += self.after[at].iter().map(|to| paths[*to]).max().unwrap_or(0);
        }
        if self.one_by_one {
            paths.fill(0);
        }
        let mut places: Vec<usize> = (0..self.jobs.len()).collect();
        places.sort_by_key(|at| (Reverse(urgency[*at]), Reverse(paths[*at]), *at));
        Order::from_places(places)
    }

    /// Each task's time as far as it is believed, in whole milliseconds: sums of these are exact, and what is alike stays alike.
    fn believed(&self) -> Vec<u64> {
        let mut logs: Vec<f64> =
            self.jobs.iter().map(Job::time).filter(|time| *time > 0.0).map(f64::ln).collect();
        logs.sort_by(f64::total_cmp);
        let Some(middle) = logs.get(logs.len() / 2).copied() else { return vec![0; self.jobs.len()] };
        let believed = |job: &Job| match job.time() {
            0.0 => 0,
            time => ((middle + (time.ln() - middle) * job.trust()).exp() * 1000.0).round() as u64,
        };
        self.jobs.iter().map(believed).collect()
    }

    /// The longest chain of tasks that wait for each other, if they take so long.
    pub fn longest_path(&self, seconds: &[f64]) -> f64 {
        let mut paths: Vec<f64> = seconds.iter().map(|seconds| sane(*seconds)).collect();
        for at in self.topological().into_iter().rev() {
            paths[at] += self.after[at].iter().map(|to| paths[*to]).fold(0.0, f64::max);
        }
        paths.into_iter().fold(0.0, f64::max)
    }

    /// The places so that nobody stands before what they wait for; those that wait in a circle, or for one, are left out.
    fn topological(&self) -> Vec<usize> {
        let mut waits = self.waits.clone();
        let mut order: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for to in &self.after[at] {
                waits[*to] -= 1;
                if waits[*to] == 0 {
                    order.push(*to);
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests;
