//! When a run that is under way is expected to end, and what its end hangs on.
//!
//! What is left is played through on the run's slots and memory by the rule that dispatches it ([`crate::schedule`]): tasks
//! that run go on for what is left of them, those whose account is limited or which are tried again later begin then. Times
//! are the plan's estimates, corrected in two ways.
//!
//! **By what came of others.** Errors of estimates of one source have a part in common ([`crate::schedule::Range`]): where five tasks took
//! a tenth of what the table says, so will the sixth, likely. With errors `r` (logarithms) of `n` tasks that are over, of which
//! a share `c` of the variance is common, the best guess of the common part is `c·Σr / (1 - c + n·c)`, all errors being normal.
//!
//! **By how long it runs already.** An estimate `m` is the middle of what such tasks take, and of those that have taken `e`
//! already, half take longer than `m·(1 + 2·(e/m)^β)^(1/β)`: that is the conditional median of a log-logistic distribution (of
//! the usual ones for times that is the one that can be written down), whose `β = π/(√3·σ)` gives it the estimate's spread σ. A task that
//! is overdue so has always some time left, and the more, the longer it is.
//!
//! The merge queue's checks are not in it: nobody has estimated them. Other runs that want the same slots are not either.

use std::collections::BTreeMap;

use crate::schedule::{Job, Outset, Workload, common_share};
use crate::{Millis, RunState, RunStatus, Stage, State, TaskId, TaskStatus, Timestamp};

/// When a run is expected to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// When all is over that can be done without a person.
    pub ends_at: Timestamp,
    /// The tasks that its end waits for, one behind the other: each begins when the one before it is over, for its work or
    /// for its slot.
    pub critical_path: Vec<TaskId>,
    /// The tasks that are open and go on without a person, in plan order.
    pub tasks: Vec<Expected>,
}

/// When what is left of a task is expected to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The task.
    pub task: TaskId,
    /// When it begins; now, where it is under way.
    pub begins_at: Timestamp,
    /// When its agent is done: now, where it is, and the task only waits to be merged.
    pub ends_at: Timestamp,
}

impl State {
    /// When that run is expected to end; none while it is paused, over, or nothing of it goes on without a person.
    pub fn forecast(&self, run: &RunState, now: Timestamp) -> Option<Forecast> {
        if run.status != RunStatus::Active || run.rests() {
            return None;
        }
        let slots = run.settings.max_parallel.or(self.capacity).unwrap_or(1);
        let mut workload = Workload::of(&run.plan);
        let bias = bias(run);
        let mut seconds = vec![0.0; run.tasks.len()];
        let mut outset = Outset::of(run.tasks.len());
        let stuck = run.stuck();
        for (at, left) in seconds.iter_mut().enumerate() {
            let factor = bias.get(run.plan.tasks[at].estimate.source.as_str()).copied().unwrap_or(1.0);
            let job = workload.job_mut(at);
            job.seconds *= factor;
            job.memory_mib = self.expected_memory(run, at);
            place(run, at, now, job, left, &mut outset);
            outset.never[at] |= stuck[at];
        }
        let slots = if run.plan.sequential_because.is_some() { 1 } else { slots.max(1) };
        let played = workload.play_from(run.order(), slots as usize, self.memory_mib, &seconds, &outset);
        let then = |seconds: f64| now + Millis((seconds * 1000.0) as u64);
        let id = |at: usize| run.plan.tasks[at].id.clone();
        let expected = |at: usize| {
            let (begins, ends) = played.span(at)?;
            Some(Expected { task: id(at), begins_at: then(begins), ends_at: then(ends) })
        };
        Some(Forecast {
            ends_at: then(played.end),
            critical_path: played.critical_path().into_iter().map(id).collect(),
            tasks: (0..run.tasks.len()).filter_map(expected).collect(),
        })
    }
}

/// Where the task at that place stands at the outset, and how many seconds of it are left.
fn place(run: &RunState, at: usize, now: Timestamp, job: &Job, left: &mut f64, outset: &mut Outset) {
    let task = &run.tasks[at];
    let attempt = match &task.status {
        TaskStatus::Finished { .. } => return outset.over[at] = true,
        TaskStatus::Waiting => {
            *left = job.seconds;
            outset.earliest[at] = later(run.limited_until(at, now), now);
            return;
        }
        TaskStatus::Active(attempt) => attempt,
    };
    let running = attempt.step().and_then(|step| step.running.as_ref());
    let spent = attempt.spent.as_seconds() + running.map_or(0.0, |(_, since)| now.since(*since).as_seconds());
    *left = job.left_after(spent);
    match &attempt.stage {
        Stage::Preparing | Stage::Ready | Stage::Step(_) => outset.running[at] = true,
        Stage::Suspended { until, .. } => {
            outset.earliest[at] = later((*until).max(run.limited_until(at, now)), now);
        }
        // Its agent is done.
        Stage::Collecting | Stage::Queued { .. } | Stage::Merging { .. } => {
            *left = 0.0;
            outset.running[at] = true;
        }
    }
}

fn later(until: Option<Timestamp>, now: Timestamp) -> f64 {
    until.map_or(0.0, |until| until.since(now).as_seconds())
}

/// By how much estimates of each source are to be multiplied, by what came of the tasks that are over.
fn bias(run: &RunState) -> BTreeMap<&str, f64> {
    let mut errors: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for (task, planned) in run.tasks.iter().zip(&run.plan.tasks) {
        let succeeded = task.outcome().is_some_and(crate::Outcome::satisfies_dependents);
        let (took, expected) = (task.time.as_seconds(), planned.estimate.seconds);
        // A question, or a task that was merged by hand, took no time: that says nothing.
        if succeeded && took > 0.0 && expected > 0.0 && expected.is_finite() {
            let known = errors.entry(planned.estimate.source.as_str()).or_default();
            *known = (known.0 + (took / expected).ln(), known.1 + 1.0, common_share(&planned.estimate));
        }
    }
    let factor =
        |(sum, count, common): (f64, f64, f64)| (common * sum / (1.0 - common + count * common)).exp();
    errors.into_iter().map(|(source, errors)| (source, factor(errors))).collect()
}

impl Job {
    /// Seconds that it is expected to go on for, after so many.
    fn left_after(&self, spent: f64) -> f64 {
        let middle = self.seconds;
        if !(middle > 0.0 && spent > 0.0) {
            return middle.max(0.0);
        }
        let sigma = if self.spread.is_finite() { self.spread.max(1.0).ln() } else { 0.0 };
        // Of an estimate that is never wrong nothing is left when its time is over.
        let beta = if sigma > 0.01 { std::f64::consts::PI / (3.0_f64.sqrt() * sigma) } else { f64::INFINITY };
        let all = if beta.is_finite() {
            // In logarithms: the power of an attempt that hangs is beyond any number.
            let power = beta * (spent / middle).ln() + 2.0_f64.ln();
            let sum = if power > 30.0 { power } else { power.exp().ln_1p() };
            middle * (sum / beta).exp()
        } else {
            middle
        };
        (all - spent).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(middle: f64, spread: f64, spent: f64) -> f64 {
        Job { priority: 0, seconds: middle, spread, memory_mib: 0 }.left_after(spent)
    }

    #[test]
    fn what_is_left_shrinks_first_and_grows_again_when_a_task_is_overdue() {
        let table: Vec<f64> = [0.0, 50.0, 100.0, 200.0, 1000.0].map(|spent| left(100.0, 2.0, spent)).to_vec();
        assert_eq!(table[0], 100.0);
        assert!(table[1] < table[0] && table[2] < table[1], "{table:?}");
        assert!(table[3] > table[2] && table[4] > table[3], "{table:?}");
        // Far behind the middle half of them take 2^(1/β) times as long as they have.
        let factor = 2.0_f64.powf(3.0_f64.sqrt() * 2.0_f64.ln() / std::f64::consts::PI);
        assert!((left(1.0, 2.0, 1e6) / 1e6 - (factor - 1.0)).abs() < 1e-3);
    }

    #[test]
    fn who_is_never_wrong_is_over_when_the_time_is() {
        assert_eq!([40.0, 100.0, 500.0].map(|spent| left(100.0, 1.0, spent)), [60.0, 0.0, 0.0]);
    }

    #[test]
    fn odd_figures_give_some_number() {
        for middle in [0.0, -1.0, f64::NAN, 1e-300, 1e300] {
            for spread in [f64::NAN, 0.0, 1.0, 1e300, f64::INFINITY] {
                for spent in [0.0, 1.0, 1e12] {
                    let left = left(middle, spread, spent);
                    assert!(left >= 0.0, "{middle} {spread} {spent}: {left}");
                }
            }
        }
    }
}
