//! What is settled before a story unfolds: which runs are wanted, what people will ask, when the engine dies. Anything of
//! it can be left out, and the rest is still a story.

use std::collections::BTreeSet;

use gadugi_core::{Command, Millis, Plan, Reading, RunSettings, TaskId};

use super::rng::Rng;
use super::{Shape, commands, machine, names, plans};

/// How rough the world is, each out of a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temper {
    pub(super) trouble: u32,
    pub(super) disorder: u32,
    pub(super) retries: u32,
    pub(super) crash_at_store: u32,
}

impl Temper {
    /// Nothing goes wrong.
    pub(super) const CALM: Self = Self { trouble: 0, disorder: 0, retries: 0, crash_at_store: 0 };
}

/// A run that somebody wants.
#[derive(Clone)]
pub(super) struct Submission {
    /// Milliseconds from the beginning.
    pub(super) at: u64,
    pub(super) number: u32,
    pub(super) plan: Plan,
    pub(super) settings: RunSettings,
}

/// What happens at some moment, whatever else does.
#[derive(Clone)]
pub(super) enum Happening {
    Asked(Box<Command>),
    /// The engine dies.
    Crash,
    /// Somebody else moves the integration branch of that run.
    Intrusion(u32),
    /// The machine is looked at.
    Look(Reading),
    /// Its clock is set, by so many milliseconds.
    Clock(i64),
}

#[derive(Clone)]
pub(super) struct Scenario {
    pub(super) temper: Temper,
    /// Whether the log is written down and read again at the end.
    pub(super) through_json: bool,
    /// The machine at the beginning, and when nothing goes wrong any more.
    pub(super) machine: Reading,
    pub(super) runs: Vec<Submission>,
    /// With the milliseconds from the beginning.
    pub(super) happenings: Vec<(u64, Happening)>,
    /// From then on nothing goes wrong.
    pub(super) horizon: Millis,
}

impl Scenario {
    pub(super) fn draw(seed: u64, shape: &Shape) -> Self {
        let mut rng = Rng::new(seed);
        let temper = temper(&mut rng, shape);
        let horizon = shape.horizon.0;
        let mut scenario = Self {
            temper,
            through_json: seed.is_multiple_of(16),
            machine: machine::good(&mut rng),
            runs: Vec::new(),
            happenings: Vec::new(),
            horizon: shape.horizon,
        };
        for number in 0..rng.small(shape.runs.clone()) {
            let plan = plans::plan(&mut rng, shape);
            let settings = plans::settings(&mut rng, plan.tasks.len());
            let at = if number == 0 { rng.below(1000) } else { rng.below(horizon) };
            scenario.runs.push(Submission { at, number, plan, settings });
        }
        for _ in 0..rng.between(shape.commands.clone()) {
            let run = &scenario.runs[rng.index(scenario.runs.len())];
            let command = commands::draw(&mut rng, run.number, run.plan.tasks.len());
            scenario.happenings.push((rng.below(horizon), Happening::Asked(Box::new(command))));
        }
        for _ in 0..rng.between(shape.crashes.clone()) {
            scenario.happenings.push((rng.below(horizon), Happening::Crash));
        }
        if temper.trouble > 0 {
            for _ in 0..rng.below(8) {
                scenario.happenings.push((rng.below(horizon), Happening::Intrusion(0)));
            }
        }
        scenario.world(&mut rng);
        scenario
    }

    /// What becomes of the machine.
    fn world(&mut self, rng: &mut Rng) {
        let horizon = self.horizon.0;
        for _ in 0..rng.below(12) {
            let reading = machine::later(rng, &self.machine);
            self.happenings.push((rng.below(horizon), Happening::Look(reading)));
        }
        if rng.chance(100) {
            for _ in 0..=rng.below(2) {
                let by = i64::try_from(rng.between(2_001..=4_000_000)).unwrap_or(0);
                let by = if rng.chance(500) { -by } else { by };
                self.happenings.push((rng.below(horizon), Happening::Clock(by)));
            }
        }
    }

    /// Tasks of all runs.
    pub(super) fn tasks(&self) -> usize {
        self.runs.iter().map(|run| run.plan.tasks.len()).sum()
    }

    /// Edges of all runs.
    pub(super) fn edges(&self) -> usize {
        self.runs.iter().map(|run| run.plan.edges.len()).sum()
    }

    /// The same without the tasks that `keep` turns down, told by their place among all; what named them goes with them.
    pub(super) fn with_tasks(&self, keep: &BTreeSet<usize>) -> Self {
        let mut less = self.clone();
        let mut place = 0;
        for run in &mut less.runs {
            run.plan.tasks.retain(|_| {
                place += 1;
                keep.contains(&(place - 1))
            });
            let left: BTreeSet<&TaskId> = run.plan.tasks.iter().map(|task| &task.id).collect();
            run.plan.edges.retain(|edge| left.contains(&edge.from) && left.contains(&edge.to));
        }
        less.runs.retain(|run| !run.plan.tasks.is_empty());
        less.without_strangers()
    }

    /// The same with those edges alone, told by their place among all.
    pub(super) fn with_edges(&self, keep: &BTreeSet<usize>) -> Self {
        let mut less = self.clone();
        let mut place = 0;
        for run in &mut less.runs {
            run.plan.edges.retain(|_| {
                place += 1;
                keep.contains(&(place - 1))
            });
        }
        less
    }

    /// The same with those happenings alone, told by their place.
    pub(super) fn with_happenings(&self, keep: &BTreeSet<usize>) -> Self {
        let mut less = self.clone();
        let mut place = 0;
        less.happenings.retain(|_| {
            place += 1;
            keep.contains(&(place - 1))
        });
        less
    }

    /// Leaves out what is about runs and tasks that are not there.
    fn without_strangers(mut self) -> Self {
        let runs = &self.runs;
        self.happenings.retain(|(_, happening)| match happening {
            Happening::Crash | Happening::Look(_) | Happening::Clock(_) => true,
            Happening::Intrusion(number) => runs.iter().any(|run| run.number == *number),
            Happening::Asked(command) => {
                let Some(id) = command.run() else { return true };
                let Some(run) = runs.iter().find(|run| names::run(run.number) == *id) else { return false };
                commands::tasks(command).iter().all(|task| run.plan.tasks.iter().any(|one| one.id == *task))
            }
        });
        self
    }
}

fn temper(rng: &mut Rng, shape: &Shape) -> Temper {
    let rough = rng.chance(800);
    let mut temper = Temper {
        trouble: if rough { shape.trouble } else { 0 },
        disorder: shape.disorder,
        retries: shape.retries,
        crash_at_store: shape.crash_at_store,
    };
    // Some worlds are all echoes and stubborn people: what is about an earlier attempt meets the next one there.
    if rng.chance(120) {
        (temper.disorder, temper.retries) = (temper.disorder * 6, 800);
    }
    temper
}
