//! What is counted: names, helps, labels and buckets, by Prometheus' conventions.

use gadugi_core::{EndClass, Kind, Outcome, SkipReason};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, Result,
};

/// Of what an agent does: seconds to hours.
const LONG: [f64; 13] =
    [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0];

/// Of what gadugi does itself: milliseconds to minutes.
const SHORT: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Of waiting for a turn: none to hours.
const WAIT: [f64; 11] = [0.05, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0];

/// Everything that counts up.
#[derive(Clone, Debug)]
pub(super) struct Families {
    registry: Registry,
    pub(super) work: Work,
    pub(super) steps: Steps,
    pub(super) spent: Spent,
}

/// Of runs and tasks.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) runs: IntCounter,
    pub(super) tasks: IntCounterVec,
    pub(super) task_seconds: HistogramVec,
    pub(super) queue_seconds: Histogram,
    pub(super) attempts: IntCounterVec,
    pub(super) suspensions: IntCounter,
    pub(super) workspace_seconds: HistogramVec,
    pub(super) merges: IntCounterVec,
    pub(super) merge_seconds: Histogram,
}

/// Of steps.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    pub(super) ended: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) start_seconds: HistogramVec,
    pub(super) suspicions: IntCounter,
}

/// Of what agents use of model APIs.
#[derive(Clone, Debug)]
pub(super) struct Spent {
    pub(super) tokens: IntCounterVec,
    pub(super) cost: CounterVec,
    pub(super) limits: IntCounterVec,
}

impl Families {
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::new();
        let make = Maker(&registry);
        let (work, steps, spent) = (Work::new(&make)?, Steps::new(&make)?, Spent::new(&make)?);
        let families = Self { work, steps, spent, registry };
        families.begin_at_zero();
        Ok(families)
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// What is known to come one day is there from the beginning: a rate over what is not there yet is none.
    fn begin_at_zero(&self) {
        let skipped = Outcome::Skipped { because: SkipReason::Budget };
        let ends =
            [Outcome::Succeeded, Outcome::Failed, Outcome::TimedOut, Outcome::Cancelled, Outcome::Lost];
        for outcome in &ends {
            self.work.tasks.with_label_values(&[outcome.word()]);
            self.work.attempts.with_label_values(&[outcome.word()]);
        }
        self.work.tasks.with_label_values(&[skipped.word()]);
        for kind in Kind::ALL {
            self.work.task_seconds.with_label_values(&[kind.word()]);
        }
        for result in ["merged", "put-back", "conflict", "rejected"] {
            self.work.merges.with_label_values(&[result]);
        }
        for kind in ["setup", "agent", "verify"] {
            self.steps.seconds.with_label_values(&[kind]);
        }
        self.steps.ended.with_label_values(&["agent", EndClass::Done.word()]);
    }
}

impl Work {
    fn new(make: &Maker<'_>) -> Result<Self> {
        Ok(Self {
            runs: make.count("gadugi_runs_started_total", "Runs that were accepted.")?,
            tasks: make.counts(
                "gadugi_tasks_finished_total",
                "Tasks that came to their end, by how they ended.",
                &["outcome"],
            )?,
            task_seconds: make.lengths(
                "gadugi_task_duration_seconds",
                "From the beginning of a task's first attempt to its end, by kind of task.",
                "kind",
                &LONG,
            )?,
            queue_seconds: make.length(
                "gadugi_task_queue_wait_seconds",
                "From the moment that nothing stood before a task to the beginning of its attempt.",
                &WAIT,
            )?,
            attempts: make.counts(
                "gadugi_attempts_total",
                "Attempts at tasks that came to their end, by how they ended.",
                &["outcome"],
            )?,
            suspensions: make.count(
                "gadugi_attempt_suspensions_total",
                "How often an attempt was put off, to be taken up again.",
            )?,
            workspace_seconds: make.lengths(
                "gadugi_workspace_preparation_duration_seconds",
                "How long it took to make an attempt's workspace.",
                "executor",
                &SHORT,
            )?,
            merges: make.counts(
                "gadugi_merges_total",
                "Merges that were begun and came to an end, by what they came to.",
                &["result"],
            )?,
            merge_seconds: make.length(
                "gadugi_merge_duration_seconds",
                "From the beginning of a merge to its place on the integration branch, its verify command included.",
                &LONG,
            )?,
        })
    }
}

impl Steps {
    fn new(make: &Maker<'_>) -> Result<Self> {
        Ok(Self {
            ended: make.counts(
                "gadugi_steps_total",
                "Steps that came to their end, by kind of step and how they ended.",
                &["kind", "end"],
            )?,
            seconds: make.lengths(
                "gadugi_step_duration_seconds",
                "How long steps ran, by kind of step.",
                "kind",
                &LONG,
            )?,
            start_seconds: make.lengths(
                "gadugi_step_start_duration_seconds",
                "From the decision to begin a step to its process: of docker, its container's preparation.",
                "executor",
                &SHORT,
            )?,
            suspicions: make.count(
                "gadugi_step_suspicions_total",
                "How often a step had given no sign of life for so long that it was suspected to hang.",
            )?,
        })
    }
}

impl Spent {
    fn new(make: &Maker<'_>) -> Result<Self> {
        Ok(Self {
            tokens: make.counts(
                "gadugi_tokens_total",
                "Tokens that agents used, by direction, agent and model.",
                &["direction", "agent", "model"],
            )?,
            cost: make.amounts(
                "gadugi_cost_dollars_total",
                "What agents cost in US dollars, by agent and model.",
                &["agent", "model"],
            )?,
            limits: make.counts(
                "gadugi_account_limits_reached_total",
                "How often a run was held up because an agent's account had reached its limit.",
                &["agent"],
            )?,
        })
    }
}

/// Makes a family and enters it.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn enter<T: Collector + Clone + 'static>(&self, family: T) -> Result<T> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn count(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.enter(IntCounter::new(name, help)?)
    }

    fn counts(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.enter(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn amounts(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec> {
        self.enter(CounterVec::new(Opts::new(name, help), labels)?)
    }

    fn length(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.enter(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn lengths(&self, name: &str, help: &str, label: &str, buckets: &[f64]) -> Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.enter(HistogramVec::new(opts, &[label])?)
    }
}
