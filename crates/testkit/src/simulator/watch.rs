//! The invariants, checked on events and effects alone: this is a second, simpler account of what happened, kept
//! apart from the core's own state so that both would have to be wrong in the same way.

mod run;
mod task;

use std::collections::{BTreeMap, HashSet};

use gadugi_core::{CancelTarget, CommitId, Effect, Event, Outcome, RunId, SkipReason, StepId, TaskId};

use super::names::{self, StepAt};
use super::world::World;

pub(super) use run::{Mood, Run};

/// What an observer has seen so far.
#[derive(Default)]
pub(super) struct Watch {
    capacity: Option<u32>,
    pub(super) runs: BTreeMap<u32, Run>,
    launched: HashSet<StepAt>,
}

type Checked = Result<(), String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Watch {
    /// Takes in an event that was just applied.
    pub(super) fn event(&mut self, world: &World, event: &Event) -> Checked {
        match event {
            Event::CapacityMeasured { slots, .. } => {
                self.capacity = Some(*slots);
                return Ok(());
            }
            Event::RunStarted { run, plan, settings } => {
                let number = names::number(run);
                self.runs.insert(number, Run::new(number, plan, settings));
                return Ok(());
            }
            _ => {}
        }
        let number = names::number(event.run().ok_or("an event without a run")?);
        let run = self.runs.get_mut(&number).ok_or_else(|| format!("{:?} was never started", event.run()))?;
        let took = match event.task() {
            None => run.of_run(event).map(|()| false)?,
            Some(task) => run.of_task(world, names::number(task), event)?,
        };
        if took { self.slots(number) } else { Ok(()) }
    }

    /// A slot was just taken.
    fn slots(&self, number: u32) -> Checked {
        let machine = self.capacity.unwrap_or(0) as usize;
        let live = || self.runs.values().filter(|run| run.mood != Mood::Finished);
        let named = live().filter_map(|run| run.settings.max_parallel).max().unwrap_or(0) as usize;
        let all: usize = live().map(|run| run.taken).sum();
        ensure(all <= machine.max(named), || {
            format!("{all} slots are taken of {} there are", machine.max(named))
        })?;
        let run = &self.runs[&number];
        let limit = match run.settings.max_parallel {
            _ if run.one_by_one => 1,
            Some(named) => named as usize,
            None => machine,
        };
        ensure(run.held <= limit, || format!("a run takes {} slots of {limit}", run.held))?;
        let unnamed =
            live().filter(|run| run.settings.max_parallel.is_none()).map(|run| run.taken).sum::<usize>();
        ensure(run.settings.max_parallel.is_some() || unnamed <= machine, || {
            format!("runs that name no number take {unnamed} slots of {machine}")
        })
    }

    /// Takes in an effect that is about to be carried out for the first time.
    pub(super) fn effect(&mut self, world: &World, effect: &Effect) -> Checked {
        match effect {
            Effect::LaunchStep { step, .. } => {
                ensure(self.launched.insert(names::step_at(step)), || {
                    format!("{step} is launched a second time")
                })?;
                ensure(self.intended(step), || format!("{step} is launched, but was not intended"))
            }
            Effect::Advance { run, task, from, to } => self.advance(world, run, task, from, to),
            _ => Ok(()),
        }
    }

    fn intended(&self, step: &StepId) -> bool {
        let (run, task, attempt, number) = names::step_at(step);
        let task = self.runs.get(&run).and_then(|run| run.tasks.get(&task));
        task.is_some_and(|task| task.open_step() == Some((attempt, number)))
    }

    /// The merge is of this task's work, onto the known tip, and was verified where somebody asked for that.
    fn advance(&self, world: &World, run: &RunId, task: &TaskId, from: &CommitId, to: &CommitId) -> Checked {
        let (number, at) = names::task_at(run, task);
        let known = self.runs.get(&number).and_then(|run| Some((run, run.tasks.get(&at)?.work.as_ref()?)));
        let Some((watched, work)) = known else { return Err(format!("{task} is merged and left no work")) };
        ensure(world.git.is_merge(to, work, from), || {
            format!("{to} is no merge of {task}'s work {work} onto {from}")
        })?;
        ensure(watched.settings.verify.is_none() || world.git.is_verified(to), || {
            format!("{to} goes on the branch and nothing verified it")
        })
    }

    /// A command to cancel these was accepted.
    pub(super) fn cancelled(&mut self, run: &RunId, target: &CancelTarget) {
        let Some(run) = self.runs.get_mut(&names::number(run)) else { return };
        match target {
            CancelTarget::All => run.tasks.values_mut().for_each(task::Task::unwant),
            CancelTarget::Tasks(tasks) => {
                for task in tasks {
                    if let Some(task) = run.tasks.get_mut(&names::number(task)) {
                        task.unwant();
                    }
                }
            }
        }
    }

    /// How often a task was wanted again.
    pub(super) fn revivals(&self, run: &RunId, task: &TaskId) -> u32 {
        let (run, task) = names::task_at(run, task);
        self.runs.get(&run).and_then(|run| run.tasks.get(&task)).map_or(0, |task| task.revivals)
    }

    /// What must hold after a retry: nobody is left out for the sake of a task that is wanted again.
    pub(super) fn revived(&self) -> Checked {
        for run in self.runs.values() {
            for (id, task) in &run.tasks {
                let Some(Outcome::Skipped { because: SkipReason::Dependency(on) }) = &task.outcome else {
                    continue;
                };
                let over = run.tasks.get(&names::number(on)).is_some_and(|on| on.outcome.is_some());
                ensure(over, || format!("t{id} is skipped for {on}, which is not over"))?;
            }
        }
        Ok(())
    }

    /// What must hold when an engine has come back: nothing begins until somebody says so.
    pub(super) fn halted(&self) -> Checked {
        for (number, run) in &self.runs {
            let goes_on = match run.mood {
                Mood::Active => true,
                Mood::Paused => run.tasks.values().any(task::Task::is_under_way),
                Mood::Interrupted | Mood::Ending | Mood::Finished => false,
            };
            ensure(!goes_on, || format!("{} goes on by itself after a crash", names::run(*number)))?;
        }
        Ok(())
    }

    /// What must hold when nothing happens any more.
    pub(super) fn finished(&self, world: &World) -> Checked {
        for (number, run) in &self.runs {
            let id = names::run(*number);
            ensure(run.mood == Mood::Finished, || format!("{id} never ended"))?;
            let (merges, works) = world.git.merges(*number);
            ensure(merges == works, || format!("{id} has merged {works} works {merges} times"))?;
            for (task, seen) in &run.tasks {
                ensure(seen.outcome.is_some() && seen.finishes == seen.revivals + 1, || {
                    format!("t{task} finished {} times of {}", seen.finishes, seen.revivals + 1)
                })?;
                let there = seen.work.as_ref().is_some_and(|work| world.git.has_merged(*number, work));
                ensure(there == seen.merged.is_some(), || {
                    format!("t{task}: merged by the log {:?}, by the branch {there}", seen.merged)
                })?;
            }
            let said = run.tasks.values().filter(|task| task.merged.is_some()).count();
            ensure(said == merges, || format!("{id}: {said} merged tasks, {merges} merges"))?;
        }
        Ok(())
    }
}
