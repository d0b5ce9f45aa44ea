//! The invariants, checked on events and effects alone: this is a second, simpler account of what happened, kept
//! apart from the core's own state so that both would have to be wrong in the same way.

mod faults;
mod machine;
mod order;
mod rules;
mod run;
mod task;

use std::collections::{BTreeMap, HashSet};

use gadugi_core::{
    AdvanceFailure, Command, CommitId, Composition, Effect, Event, Outcome, Report, RunId, SkipReason,
    StepExit, StepId, StopCause, StopForce, Target, TaskId,
};

use super::names::{self, StepAt};
use super::world::World;
use machine::{Accounts, Machine};
use task::Task;

pub(super) use run::{Mood, Run};

/// Plans that are gone through at every turn have no more tasks.
const SMALL: usize = 30;

/// What an observer has seen so far.
#[derive(Default)]
pub(super) struct Watch {
    machine: Machine,
    accounts: Accounts,
    pub(super) runs: BTreeMap<u32, Run>,
    launched: HashSet<StepAt>,
    /// Something was killed for want of memory.
    starved: bool,
    /// Pauses between tries so far, and the longest that they could have been, in milliseconds.
    pub(super) pauses: (u64, u64),
}

type Checked = Result<(), String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Watch {
    /// Events that were decided together are about to come.
    pub(super) fn batch(&mut self) {
        self.runs.values_mut().for_each(|run| run.stirred = false);
    }

    /// Takes in an event that was just applied.
    pub(super) fn event(&mut self, world: &World, event: &Event) -> Checked {
        match event {
            Event::CapacityMeasured { slots, memory_mib, .. } => {
                return self.machine.measure(*slots, *memory_mib);
            }
            Event::RunStarted { run, plan, settings } => {
                let number = names::number(run);
                let run = Run::new(number, plan, settings);
                let most = run.wanted.values().filter_map(|wanted| wanted.memory).max();
                self.machine.peak_mib = self.machine.peak_mib.max(most.unwrap_or(0));
                self.runs.insert(number, run);
                return Ok(());
            }
            _ => {}
        }
        let number = names::number(event.run().ok_or("an event without a run")?);
        let run = self.runs.get_mut(&number).ok_or_else(|| format!("{:?} was never started", event.run()))?;
        if let Event::AccountLimited { agent, until, reason, .. } = event {
            ensure(*until > world.now && !reason.is_empty(), || format!("{agent} is limited for no time"))?;
            self.accounts.announce(agent, *until);
        }
        if let Event::ClockJumped { by, .. } = event {
            run.clock_was_set(&self.accounts, *by);
        }
        let Some(task) = event.task() else { return run.of_run(event) };
        let task = names::number(task);
        let took = run.of_task(world, &self.accounts, task, event)?;
        match event {
            Event::StepEnded { end, .. } => {
                self.machine.ended(&run.wanted[&task], end);
                self.starved |= end.exit == StepExit::OutOfMemory;
                let limit = run.tasks[&task].active.as_ref().and_then(|active| active.limit);
                if let Some(Some(until)) = limit {
                    self.accounts.limit(&run.wanted[&task].agent, until);
                }
            }
            Event::AttemptSuspended { until: Some(until), .. }
            | Event::MergePutBack { until: Some(until), .. } => {
                let active = run.tasks[&task].active.as_ref();
                let longest = active.filter(|active| active.limit.is_none());
                let longest = longest.and_then(|active| active.faults.longest_pause(&run.settings.retry));
                // The first pause says nothing of how they grow.
                if let Some(longest) = longest.filter(|longest| *longest > run.settings.retry.first) {
                    self.pauses.0 += until.since(world.now).0;
                    self.pauses.1 += longest.0;
                }
            }
            _ => {}
        }
        if !took {
            return Ok(());
        }
        self.slot_taken(number, task)?;
        self.in_turn(world, number, task, matches!(event, Event::AttemptStarted { .. }))
    }

    fn task(&mut self, run: &RunId, task: &TaskId) -> Option<&mut Task> {
        self.runs.get_mut(&names::number(run))?.tasks.get_mut(&names::number(task))
    }

    /// Takes in an effect that is about to be carried out for the first time.
    pub(super) fn effect(&mut self, world: &World, effect: &Effect) -> Checked {
        match effect {
            Effect::LaunchStep { step, budget, .. } => {
                ensure(self.launched.insert(names::step_at(step)), || {
                    format!("{step} is launched a second time")
                })?;
                let open = self.task(&step.attempt.run, &step.attempt.task).and_then(|task| task.step(step));
                ensure(open.as_ref().is_some_and(|open| open.since.is_none()), || {
                    format!("{step} is launched, but was not intended")
                })?;
                ensure(open.is_some_and(|open| open.reserved == *budget), || {
                    format!("{step} is launched with another budget than was set aside")
                })
            }
            Effect::StopStep { step, force } => {
                let run = self.runs.get_mut(&names::number(&step.attempt.run));
                if let Some(run) = run.filter(|_| *force == StopForce::Now) {
                    run.urgent.remove(&names::step_at(step));
                }
                let task = self.task(&step.attempt.run, &step.attempt.task);
                let stopping = task.and_then(|task| task.active.as_ref()?.stopping);
                ensure(stopping.is_some(), || format!("{step} is stopped and nobody wants it"))
            }
            Effect::MakeRoom { run } => {
                let run = self.runs.get_mut(&names::number(run));
                run.into_iter().for_each(|run| run.wants_room = false);
                Ok(())
            }
            Effect::Advance { run, task, from, to } => self.advance(world, run, task, from, to),
            _ => Ok(()),
        }
    }

    /// The merge is of this task's work, onto the known tip, and was verified where somebody asked for that.
    fn advance(&self, world: &World, run: &RunId, task: &TaskId, from: &CommitId, to: &CommitId) -> Checked {
        let (number, at) = names::task_at(run, task);
        let known = self.runs.get(&number).and_then(|run| Some((run, run.tasks.get(&at)?.work.as_ref()?)));
        let Some((watched, work)) = known else { return Err(format!("{task} is merged and left no work")) };
        ensure(world.git.is_merge(to, work, from), || {
            format!("{to} is no merge of {task}'s work {work} onto {from}")
        })?;
        ensure(!watched.wanted[&at].verified || world.git.is_verified(to), || {
            format!("{to} goes on the branch and nothing verified it")
        })
    }

    /// The clock is about to be set; it says `now`.
    pub(super) fn clock_is_set(&mut self, now: gadugi_core::Timestamp) {
        self.accounts.forget_passed(now);
    }

    /// A command was accepted, and its events are about to come; it was said that so many tasks are affected.
    pub(super) fn accepted(&mut self, command: &Command, affected: usize) {
        match command {
            Command::Cancel { run, target } => self.promised(run, target, affected),
            Command::Interrupt { run, now } => {
                let run = self.runs.get_mut(&names::number(run));
                run.into_iter().for_each(|run| run.interrupt(*now));
            }
            _ => {}
        }
        let (run, target, act): (_, _, fn(&mut Task)) = match command {
            Command::Measured(reading) => return self.machine.read(reading),
            Command::Cancel { run, target } => (run, target, Task::unwant),
            Command::Pause { run, target: target @ Target::Tasks(_) } => {
                (run, target, |task| task.held = task.outcome.is_none())
            }
            Command::Resume { run, target } => (run, target, |task| task.held = false),
            _ => return,
        };
        let Some(run) = self.runs.get_mut(&names::number(run)) else { return };
        match target {
            // Who goes on behind a dead engine does not undo what somebody asked for of single tasks.
            Target::All if run.lost && matches!(command, Command::Resume { .. }) => {}
            Target::All => run.tasks.values_mut().for_each(act),
            Target::Tasks(tasks) => {
                for task in tasks {
                    run.tasks.get_mut(&names::number(task)).into_iter().for_each(act);
                }
            }
        }
    }

    /// Where it was said that all that were meant and are not over are cancelled, none of them may still succeed.
    fn promised(&mut self, run: &RunId, target: &Target, affected: usize) {
        let Some(run) = self.runs.get_mut(&names::number(run)) else { return };
        let meant: HashSet<u32> = match target {
            Target::All => run.tasks.keys().copied().collect(),
            Target::Tasks(tasks) => tasks.iter().map(names::number).collect(),
        };
        // Who asks twice means it.
        for task in &meant {
            let active = run.tasks.get(task).and_then(|task| task.active.as_ref());
            let again = active.filter(|active| active.stopping == Some(StopCause::Cancel));
            run.urgent.extend(again.and_then(task::Active::running));
        }
        let open = |task: &u32| run.tasks.get(task).is_some_and(|task| task.outcome.is_none());
        let open: Vec<u32> = meant.into_iter().filter(open).collect();
        if open.len() == affected {
            for id in open {
                run.tasks.entry(id).and_modify(|task| task.doomed = true);
            }
        }
    }

    /// What must hold at the end of every turn: what was asked to stop is being stopped.
    pub(super) fn kept_word(&mut self) -> Checked {
        for run in self.runs.values_mut() {
            let all = std::mem::take(&mut run.to_stop);
            ensure(run.urgent.is_empty(), || format!("not all are stopped at once: {:?}", run.urgent))?;
            ensure(!run.wants_room, || "the disk is full and nobody makes room".into())?;
            if run.tasks.len() > SMALL && !all {
                continue;
            }
            for (id, task) in &run.tasks {
                let Some(active) = task.active.as_ref().filter(|active| active.step.is_some()) else {
                    continue;
                };
                let paused = task.held && active.place == task::Place::Slot;
                ensure(active.stopping.is_some() || !all && !paused, || {
                    format!("t{id} was to be stopped, and its step runs on")
                })?;
            }
        }
        Ok(())
    }

    /// A report has reached the engine.
    pub(super) fn heard(&mut self, report: &Report) {
        match report {
            Report::StepQuiet { step, quiet, after_result } => {
                let open = self.task(&step.attempt.run, &step.attempt.task).and_then(|task| task.step(step));
                if let Some(open) = open {
                    open.was_suspected = open.suspected;
                    (open.quiet, open.after_result) = (*quiet, *after_result);
                }
            }
            Report::IntegrationOpened { run, result: Err(_) } => {
                if let Some(run) = self.runs.get_mut(&names::number(run)).filter(|run| run.tip.is_none()) {
                    run.excused = true;
                }
            }
            Report::WorkspacePrepared { attempt, result: Err(_) } => {
                self.excuse(&attempt.run, &attempt.task, Some(attempt.attempt));
            }
            Report::WorkCollected { attempt, result }
                if result.as_ref().map_or(true, |collected| collected.changed.is_empty()) =>
            {
                self.excuse(&attempt.run, &attempt.task, Some(attempt.attempt));
            }
            Report::AnswerTaken { step, result: Err(_) } => {
                self.excuse(&step.attempt.run, &step.attempt.task, Some(step.attempt.attempt));
            }
            Report::Composed {
                run, task, result: Composition::Conflict(_) | Composition::Failed(_), ..
            }
            | Report::Advanced { run, task, result: Err(AdvanceFailure::Failed(_)), .. } => {
                self.excuse(run, task, None);
            }
            _ => {}
        }
    }

    fn excuse(&mut self, run: &RunId, task: &TaskId, attempt: Option<u32>) {
        if let Some(task) = self.task(run, task) {
            task.excused |= attempt.is_none_or(|attempt| attempt == task.attempts);
        }
    }

    /// What must hold once a report of silence was answered: a step that was silent for long enough is shown; one that
    /// was shown and stays silent is stopped, and so is one that stays after its result.
    pub(super) fn answered(&mut self, id: &StepId) -> Checked {
        let Some(run) = self.runs.get_mut(&names::number(&id.attempt.run)) else { return Ok(()) };
        let hang = run.settings.hang;
        let Some(task) = run.tasks.get_mut(&names::number(&id.attempt.task)) else { return Ok(()) };
        let stopping = task.active.as_ref().is_some_and(|active| active.stopping.is_some());
        let Some(step) = task.step(id).filter(|step| step.since.is_some() && !stopping) else {
            return Ok(());
        };
        ensure(step.quiet < hang.suspect || step.suspected || step.after_result, || {
            format!("{id} is silent and nobody is told")
        })?;
        ensure(step.quiet < hang.stop || !step.was_suspected, || format!("{id} hangs and is let be"))?;
        ensure(step.quiet < hang.after_result || !step.after_result, || {
            format!("{id} stays after its result and is let be")
        })
    }

    /// The engine has died: what it was about to do nobody expects any more.
    pub(super) fn crashed(&mut self) {
        for run in self.runs.values_mut() {
            (run.to_stop, run.wants_room) = (false, false);
            run.urgent.clear();
        }
    }

    /// The clock was set while no engine was there.
    pub(super) fn clock_was_set_unseen(&mut self) {
        self.accounts.clock_unsure = true;
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
                Mood::Active => run.should_go_on(),
                Mood::Paused | Mood::Refused => run.tasks.values().any(Task::is_under_way),
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
            ensure(run.taken == 0 && run.reserved == 0, || format!("{id} has ended and holds something"))?;
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
                for attempt in &seen.failed {
                    ensure(world.is_salvaged((*number, *task, *attempt)), || {
                        format!("nobody looked at what attempt {attempt} of t{task} left")
                    })?;
                }
            }
            let said = run.tasks.values().filter(|task| task.merged.is_some()).count();
            ensure(said == merges, || format!("{id}: {said} merged tasks, {merges} merges"))?;
        }
        Ok(())
    }
}
