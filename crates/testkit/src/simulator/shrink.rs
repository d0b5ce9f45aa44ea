//! The smallest story that still goes wrong in the same way: whatever can be left out is left out.
//!
//! A story is made of what was settled beforehand (`Scenario`) and of what chance decided (`Decisions`), and each part of
//! either can be dropped by itself. So this is delta debugging (Zeller, Hildebrandt 2002): larger parts first, then
//! smaller ones, until nothing more can go.

use std::collections::BTreeSet;
use std::fmt;

use gadugi_core::{HangSettings, Millis, RetrySettings};

use super::Simulator;
use super::dice::{Decisions, Dice};
use super::scenario::{Happening, Scenario};
use super::story::{Ending, Measure, Simulation, TOO_LONG};

/// Stories that are tried, at most: a few seconds' worth of small ones.
const PLAYS: usize = 5_000;
/// Events of all stories that are tried, at most, whatever the first one's length.
const EVENTS: usize = 5_000_000;
/// Lines of the story that is told in the end.
const LINES: usize = 400;

/// A story that goes wrong, with as little in it as could be found.
#[derive(Clone, Debug)]
pub struct Story {
    /// The seed that it was found with.
    pub seed: u64,
    /// What does not hold in it.
    pub problem: String,
    /// Tasks of its plans.
    pub tasks: usize,
    /// Edges of its plans.
    pub edges: usize,
    /// Things that people asked for.
    pub commands: usize,
    /// Crashes and other happenings that were settled beforehand.
    pub accidents: usize,
    /// Decisions of chance that are not the plain ones.
    pub decisions: usize,
    /// Events until it goes wrong, and in the story as the seed has it.
    pub events: (usize, usize),
    /// What happens, oldest first.
    pub lines: Vec<String>,
}

struct Case {
    scenario: Scenario,
    decisions: Decisions,
}

struct Shrinking<'a> {
    simulator: &'a Simulator,
    /// What must still go wrong.
    class: String,
    case: Case,
    /// Events that one try may have.
    longest: usize,
    plays: usize,
    events: usize,
}

/// The seed's story, made small; none where it does not fail.
pub(super) fn shrink(simulator: &Simulator, seed: u64) -> Option<Story> {
    let scenario = simulator.scenario(seed);
    let first = Simulation::new(&scenario, simulator.decide, Dice::kept(seed), Measure::SILENT).play();
    let problem = first.result.err()?;
    let mut shrinking = Shrinking {
        simulator,
        class: class(&problem),
        case: Case { scenario, decisions: first.decisions },
        longest: first.events * 4 + 10_000,
        plays: 0,
        events: 0,
    };
    shrinking.run();
    let case = shrinking.case;
    let measure = Measure { lines: LINES, ..Measure::SILENT };
    let last = Simulation::new(&case.scenario, simulator.decide, Dice::told(case.decisions), measure).play();
    let asked = |happening: &&(u64, Happening)| matches!(happening.1, Happening::Asked(_));
    let commands = case.scenario.happenings.iter().filter(asked).count();
    Some(Story {
        seed,
        problem: last.result.err().unwrap_or(problem),
        tasks: case.scenario.tasks(),
        edges: case.scenario.edges(),
        commands,
        accidents: case.scenario.happenings.len() - commands,
        decisions: last.decisions.len(),
        events: (last.events, first.events),
        lines: last.trail,
    })
}

impl Shrinking<'_> {
    fn run(&mut self) {
        loop {
            let before = self.size();
            self.fewer(Scenario::tasks, Scenario::with_tasks);
            self.plainer();
            self.fewer_decisions();
            self.fewer(|scenario| scenario.happenings.len(), Scenario::with_happenings);
            self.fewer(Scenario::edges, Scenario::with_edges);
            if self.size() >= before || self.is_tired() {
                return;
            }
        }
    }

    fn size(&self) -> usize {
        let scenario = &self.case.scenario;
        scenario.tasks() + scenario.edges() + scenario.happenings.len() + self.case.decisions.len()
    }

    fn is_tired(&self) -> bool {
        self.plays >= PLAYS || self.events >= EVENTS.max(self.longest * 20)
    }

    /// Takes the case if it still goes wrong in the same way.
    fn takes(&mut self, scenario: Scenario, decisions: Decisions) -> bool {
        let measure = Measure { events: self.longest, lines: 0 };
        let simulation = Simulation::new(&scenario, self.simulator.decide, Dice::told(decisions), measure);
        let Ending { result, events, decisions, .. } = simulation.play();
        self.plays += 1;
        self.events += events;
        let same = result.is_err_and(|problem| class(&problem) == self.class);
        if same {
            self.case = Case { scenario, decisions };
        }
        same
    }

    fn fewer(
        &mut self,
        count: impl Fn(&Scenario) -> usize,
        with: impl Fn(&Scenario, &BTreeSet<usize>) -> Scenario,
    ) {
        let all = self.case.scenario.clone();
        minimize(count(&all), |keep| {
            !self.is_tired() && self.takes(with(&all, keep), self.case.decisions.clone())
        });
    }

    fn fewer_decisions(&mut self) {
        let all: Vec<(u64, u64)> = self.case.decisions.iter().map(|(key, value)| (*key, *value)).collect();
        minimize(all.len(), |keep| {
            let decisions = keep.iter().map(|at| all[*at]).collect();
            !self.is_tired() && self.takes(self.case.scenario.clone(), decisions)
        });
    }

    /// Settings and tasks without anything of their own.
    fn plainer(&mut self) {
        const EDITS: [fn(&mut Scenario); 16] = [
            |scenario| scenario.through_json = false,
            |scenario| scenario.temper.retries = 0,
            |scenario| scenario.temper.disorder = 0,
            |scenario| scenario.temper.crash_at_store = 0,
            |scenario| scenario.temper.trouble = 0,
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.verify = None),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.setup.clear()),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.budget_microusd = None),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.max_parallel = None),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.plan.sequential_because = None),
            |scenario| {
                for task in scenario.runs.iter_mut().flat_map(|run| &mut run.plan.tasks) {
                    (task.timeout, task.priority) = (None, 0);
                }
            },
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.task_budget_microusd = None),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.retry = RetrySettings::default()),
            |scenario| scenario.runs.iter_mut().for_each(|run| run.settings.hang = HangSettings::default()),
            |scenario| {
                for task in scenario.runs.iter_mut().flat_map(|run| &mut run.plan.tasks) {
                    (task.agent, task.budget_microusd, task.verify) = (None, None, None);
                }
            },
            |scenario| {
                for run in &mut scenario.runs {
                    run.settings.timeout = Millis::seconds(600);
                }
            },
        ];
        for edit in EDITS {
            if self.is_tired() {
                return;
            }
            let mut plainer = self.case.scenario.clone();
            edit(&mut plainer);
            self.takes(plainer, self.case.decisions.clone());
        }
    }
}

/// Leaves out what can be left out of so many items, larger parts first. `takes` says whether what is kept will do.
fn minimize(count: usize, mut takes: impl FnMut(&BTreeSet<usize>) -> bool) {
    let mut kept: BTreeSet<usize> = (0..count).collect();
    if count == 0 || takes(&BTreeSet::new()) {
        return;
    }
    let mut part = count.div_ceil(2);
    loop {
        let order: Vec<usize> = kept.iter().copied().collect();
        for chunk in order.chunks(part) {
            let fewer: BTreeSet<usize> = kept.iter().copied().filter(|at| !chunk.contains(at)).collect();
            if !fewer.is_empty() && takes(&fewer) {
                kept = fewer;
            }
        }
        if part == 1 {
            return;
        }
        part = part.div_ceil(2).min(kept.len().div_ceil(2));
    }
}

/// A problem without what tells one place from another: names, numbers, lists.
pub(super) fn class(problem: &str) -> String {
    if problem == TOO_LONG {
        return String::new();
    }
    let until = problem.find(['[', '{', '"', '(']).unwrap_or(problem.len());
    let words = problem[..until].split_whitespace();
    let plain: Vec<&str> =
        words.map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "_" } else { word }).collect();
    plain.join(" ")
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.problem)?;
        writeln!(
            f,
            "shrunk to {} tasks, {} edges, {} commands, {} accidents and {} turns of chance; {} events of {}:",
            self.tasks,
            self.edges,
            self.commands,
            self.accidents,
            self.decisions,
            self.events.0,
            self.events.1
        )?;
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        write!(f, "{}", self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_items_the_two_that_matter_are_left() {
        let mut last = BTreeSet::new();
        let mut tries = 0;
        minimize(1000, |keep| {
            tries += 1;
            let will_do = keep.contains(&17) && keep.contains(&801);
            if will_do {
                last = keep.clone();
            }
            will_do
        });
        assert_eq!(last, BTreeSet::from([17, 801]));
        assert!(tries < 100, "{tries}");
    }

    #[test]
    fn the_class_of_a_problem_names_no_place() {
        assert_eq!(class("t3 begins before t7 is over"), class("t12 begins before t0 is over"));
        assert_ne!(class("t3 begins before t7 is over"), class("t3 begins beside t7"));
        assert_eq!(
            class("r-1 is stuck: active, tip None, [\"a\"]"),
            class("r-2 is stuck: active, tip None, []")
        );
    }
}
