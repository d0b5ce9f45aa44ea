//! The invariants, checked on events and effects alone: this is a second, simpler account of what happened, kept
//! apart from the core's own state so that both would have to be wrong in the same way.

use std::collections::{BTreeMap, BTreeSet};

use gadugi_core::{
    AttemptId, CommitId, EdgeReason, Effect, EndClass, Event, Outcome, PauseCause, Plan, RunId, RunSettings,
    SkipReason, StepId, StepKind, StopCause, TaskId, Verdict,
};

use super::world::World;

/// What an observer has seen so far.
#[derive(Default)]
pub(super) struct Watch {
    capacity: Option<u32>,
    pub(super) runs: BTreeMap<RunId, Run>,
    launched: BTreeSet<StepId>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Active,
    /// Nothing new begins; what runs goes on.
    Paused,
    /// Nothing at all begins.
    Interrupted,
    Ending,
    Finished,
}

pub(super) struct Run {
    plan: Plan,
    settings: RunSettings,
    pub(super) mood: Mood,
    tip: Option<CommitId>,
    spent: u64,
    /// Slots of the machine that it has.
    taken: usize,
    /// The same, and in a run that goes one by one what waits for its merge.
    held: usize,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    /// For each task: whom it waits for, and whether it needs their success.
    before: BTreeMap<TaskId, Vec<(TaskId, bool)>>,
}

#[derive(Default)]
pub(super) struct Task {
    pub(super) outcome: Option<Outcome>,
    attempts: u32,
    finishes: u32,
    revivals: u32,
    active: Option<Active>,
    work: Option<CommitId>,
    pub(super) merged: Option<CommitId>,
    /// Somebody asked for its end since it was last wanted.
    pub(super) unwanted: bool,
}

struct Active {
    place: Place,
    step: Option<(StepId, StepKind)>,
    stopping: Option<StopCause>,
    set_up: bool,
    /// Its agent came to a good end by itself and said so.
    done: bool,
    losses: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// It has a slot.
    Slot,
    Suspended,
    /// On the merge queue.
    Queue,
    /// At its head.
    Merge,
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
                self.runs.insert(run.clone(), Run::new(plan, settings));
                return Ok(());
            }
            _ => {}
        }
        let id = event.run().ok_or("an event without a run")?.clone();
        let run = self.runs.get_mut(&id).ok_or_else(|| format!("{id} was never started"))?;
        let took = match (event.task(), event.attempt()) {
            (None, _) => run.of_run(event).map(|()| false)?,
            (Some(task), attempt) => run.of_task(world, &id, task, attempt, event)?,
        };
        if took { self.slots(&id) } else { Ok(()) }
    }

    /// A slot was just taken.
    fn slots(&self, id: &RunId) -> Checked {
        let machine = self.capacity.unwrap_or(0) as usize;
        let live = || self.runs.values().filter(|run| run.mood != Mood::Finished);
        let named = live().filter_map(|run| run.settings.max_parallel).max().unwrap_or(0) as usize;
        let all: usize = live().map(|run| run.taken).sum();
        ensure(all <= machine.max(named), || {
            format!("{all} slots are taken of {} there are", machine.max(named))
        })?;
        let run = &self.runs[id];
        let limit = match run.settings.max_parallel {
            _ if run.plan.sequential_because.is_some() => 1,
            Some(named) => named as usize,
            None => machine,
        };
        ensure(run.held <= limit, || format!("{id} takes {} slots of {limit}", run.held))?;
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
                ensure(self.launched.insert(step.clone()), || format!("{step} is launched a second time"))?;
                let active = self.active(step).ok_or_else(|| format!("{step} is launched for nothing"))?;
                ensure(active.step.as_ref().is_some_and(|(open, _)| open == step), || {
                    format!("{step} is launched, but was not intended")
                })
            }
            Effect::Advance { run, task, from, to } => self.advance(world, run, task, from, to),
            _ => Ok(()),
        }
    }

    /// The merge is of this task's work, onto the known tip, and was verified where somebody asked for that.
    fn advance(&self, world: &World, run: &RunId, task: &TaskId, from: &CommitId, to: &CommitId) -> Checked {
        let watched = &self.runs[run];
        let work = watched.tasks[task].work.as_ref();
        ensure(world.parents(to).is_some_and(|(onto, merged)| onto == from && Some(merged) == work), || {
            format!("{to} is no merge of {task}'s work {work:?} onto {from}")
        })?;
        ensure(watched.settings.verify.is_none() || world.is_verified(to), || {
            format!("{to} goes on the branch and nothing verified it")
        })
    }

    fn active(&self, step: &StepId) -> Option<&Active> {
        self.runs.get(&step.attempt.run)?.tasks.get(&step.attempt.task)?.active.as_ref()
    }

    /// A command to cancel these was accepted.
    pub(super) fn cancelled(&mut self, run: &RunId, tasks: Option<&[TaskId]>) {
        let Some(run) = self.runs.get_mut(run) else { return };
        for (id, task) in &mut run.tasks {
            task.unwanted |= task.outcome.is_none() && tasks.is_none_or(|tasks| tasks.contains(id));
        }
    }

    /// What must hold after a retry: nobody is left out for the sake of a task that is wanted again.
    pub(super) fn revived(&self) -> Checked {
        for run in self.runs.values() {
            for (id, task) in &run.tasks {
                let Some(Outcome::Skipped { because: SkipReason::Dependency(on) }) = &task.outcome else {
                    continue;
                };
                ensure(run.tasks[on].outcome.is_some(), || {
                    format!("{id} is skipped for {on}, which is not over")
                })?;
            }
        }
        Ok(())
    }

    /// What must hold when an engine has come back: nothing begins until somebody says so.
    pub(super) fn halted(&self) -> Checked {
        for (id, run) in &self.runs {
            let under_way = |task: &Task| task.active.as_ref().is_some_and(|at| at.place != Place::Suspended);
            let goes_on = match run.mood {
                Mood::Active => true,
                Mood::Paused => run.tasks.values().any(under_way),
                Mood::Interrupted | Mood::Ending | Mood::Finished => false,
            };
            ensure(!goes_on, || format!("{id} goes on by itself after a crash"))?;
        }
        Ok(())
    }

    /// What must hold when nothing happens any more.
    pub(super) fn finished(&self, world: &World) -> Checked {
        for (id, run) in &self.runs {
            ensure(run.mood == Mood::Finished, || format!("{id} never ended"))?;
            let merged = world.merged(id);
            let distinct: BTreeSet<&CommitId> = merged.iter().collect();
            ensure(distinct.len() == merged.len(), || {
                format!("{id} has merged something twice: {merged:?}")
            })?;
            for (task, seen) in &run.tasks {
                ensure(seen.outcome.is_some() && seen.finishes == seen.revivals + 1, || {
                    format!("{id}/{task} finished {} times of {}", seen.finishes, seen.revivals + 1)
                })?;
                let there = seen.work.as_ref().is_some_and(|work| distinct.contains(work));
                ensure(there == seen.merged.is_some(), || {
                    format!("{id}/{task}: merged by the log {:?}, by the branch {there}", seen.merged)
                })?;
            }
            let said = run.tasks.values().filter(|task| task.merged.is_some()).count();
            ensure(said == merged.len(), || format!("{id}: {said} merged tasks, {} merges", merged.len()))?;
        }
        Ok(())
    }
}

impl Run {
    fn new(plan: &Plan, settings: &RunSettings) -> Self {
        let mut before: BTreeMap<TaskId, Vec<(TaskId, bool)>> = BTreeMap::new();
        for edge in &plan.edges {
            let needs = edge.reason == EdgeReason::Declared;
            before.entry(edge.to.clone()).or_default().push((edge.from.clone(), needs));
        }
        Self {
            tasks: plan.tasks.iter().map(|task| (task.id.clone(), Task::default())).collect(),
            plan: plan.clone(),
            settings: settings.clone(),
            mood: Mood::Active,
            tip: None,
            spent: 0,
            taken: 0,
            held: 0,
            before,
        }
    }

    fn of_run(&mut self, event: &Event) -> Checked {
        match event {
            Event::IntegrationOpened { commit, .. } => self.tip = Some(commit.clone()),
            Event::RunPaused { cause, .. } => {
                self.mood = if *cause == PauseCause::Asked { Mood::Paused } else { Mood::Interrupted };
            }
            Event::RunResumed { .. } => self.mood = Mood::Active,
            Event::RunEnding { .. } => {
                ensure(self.tasks.values().all(|task| task.outcome.is_some()), || {
                    "the run ends and tasks are not over".into()
                })?;
                self.mood = Mood::Ending;
            }
            Event::RunFinished { .. } => self.mood = Mood::Finished,
            _ => {}
        }
        Ok(())
    }

    /// Whether a slot was taken.
    fn of_task(
        &mut self,
        world: &World,
        run: &RunId,
        id: &TaskId,
        attempt: Option<&AttemptId>,
        event: &Event,
    ) -> Result<bool, String> {
        let known = self.tasks.get(id).ok_or_else(|| format!("{id} is not in the plan"))?;
        match event {
            Event::AttemptStarted { base, .. } => {
                self.may_begin(world, id, base)?;
                ensure(known.outcome.is_none() && known.active.is_none(), || {
                    format!("{id} begins, but is under way or over")
                })?;
            }
            Event::StepIntended { what, .. } => self.may_step(id, what)?,
            Event::MergeStarted { .. } => {
                ensure(self.mood != Mood::Interrupted, || format!("{id}'s merge begins while interrupted"))?;
                let other = self.tasks.values().any(Task::is_merging);
                ensure(!other, || format!("{id}'s merge begins beside another"))?;
            }
            Event::TaskFinished { outcome, verdict, .. } => {
                let left = world.live(run, id);
                ensure(left.is_none(), || format!("{id} is over and {left:?} still runs"))?;
                self.may_finish(world, run, id, outcome, *verdict)?;
            }
            Event::AttemptSuspended { .. } => {
                let left = world.live(run, id);
                ensure(left.is_none(), || format!("{id} is suspended and {left:?} still runs"))?;
            }
            _ => {}
        }
        if let Event::StepEnded { end, .. } = event {
            self.spent += end.agent.as_ref().map_or(0, |agent| agent.usage.cost_microusd);
        }
        if self.mood == Mood::Finished && matches!(event, Event::TaskRevived { .. }) {
            self.mood = Mood::Active;
        }
        let one_by_one = self.plan.sequential_because.is_some();
        let task = self.tasks.get_mut(id).ok_or("no such task")?;
        let before = (task.holds(false), task.holds(one_by_one));
        task.event(attempt, event)?;
        let after = (task.holds(false), task.holds(one_by_one));
        self.taken = self.taken + usize::from(after.0) - usize::from(before.0);
        self.held = self.held + usize::from(after.1) - usize::from(before.1);
        Ok(after.0 && !before.0)
    }

    /// No dependency is broken, nobody paused the run, and there is money.
    fn may_begin(&self, world: &World, id: &TaskId, base: &CommitId) -> Checked {
        ensure(self.mood == Mood::Active, || format!("{id} begins while the run is paused"))?;
        ensure(self.tip.is_some(), || format!("{id} begins before the integration branch is there"))?;
        self.may_spend(id)?;
        for (from, needs) in self.before.get(id).into_iter().flatten() {
            let earlier = &self.tasks[from];
            ensure(earlier.outcome.is_some(), || format!("{id} begins before {from} is over"))?;
            if *needs {
                ensure(earlier.outcome == Some(Outcome::Succeeded), || {
                    format!("{id} begins though {from} did not succeed")
                })?;
            }
            if let (Some(_), Some(work)) = (&earlier.merged, &earlier.work) {
                ensure(world.holds(base, work), || format!("{id} begins at {base} without {from}'s work"))?;
            }
        }
        Ok(())
    }

    fn may_spend(&self, id: &TaskId) -> Checked {
        ensure(self.settings.budget_microusd.is_none_or(|budget| self.spent < budget), || {
            format!("{id} begins or goes on after the budget is spent")
        })
    }

    fn may_step(&self, id: &TaskId, what: &StepKind) -> Checked {
        ensure(self.mood != Mood::Interrupted, || format!("{id} takes a step while interrupted"))?;
        let active =
            self.tasks[id].active.as_ref().ok_or_else(|| format!("{id} steps, but is not under way"))?;
        ensure(active.step.is_none(), || format!("{id} takes a step beside another"))?;
        ensure(active.stopping != Some(StopCause::Cancel), || {
            format!("{id} takes a step, but is cancelled")
        })?;
        if active.place == Place::Suspended {
            ensure(active.losses < 3, || format!("{id} is taken up after {} losses", active.losses))?;
            ensure(self.mood == Mood::Active, || format!("{id} is taken up while the run is paused"))?;
            self.may_spend(id)?;
        }
        match what {
            StepKind::Setup => ensure(!active.set_up, || format!("{id} is set up a second time")),
            StepKind::Agent { .. } => ensure(active.set_up || self.settings.setup.is_empty(), || {
                format!("{id}'s agent starts before the setup")
            }),
            StepKind::Verify { .. } => ensure(self.settings.verify.is_some(), || "nothing verifies".into()),
        }
    }

    /// Success is only ever observed; every other end has its reason.
    fn may_finish(
        &self,
        world: &World,
        run: &RunId,
        id: &TaskId,
        outcome: &Outcome,
        verdict: Option<Verdict>,
    ) -> Checked {
        let task = &self.tasks[id];
        let losses = task.active.as_ref().map_or(0, |active| active.losses);
        let stopping = task.active.as_ref().and_then(|active| active.stopping);
        let holds = match (outcome, verdict) {
            (Outcome::Succeeded, Some(Verdict::NoChange)) => world.claims_no_change(&AttemptId {
                run: run.clone(),
                task: id.clone(),
                attempt: task.attempts,
            }),
            (Outcome::Succeeded, Some(verdict)) => task.merged.as_ref().is_some_and(|commit| {
                world.is_verified(commit) == (verdict == Verdict::Verified)
                    && world.merged(run).contains(task.work.as_ref().unwrap_or(commit))
            }),
            (Outcome::Succeeded, None) => false,
            (Outcome::Failed, _) => task.merged.is_none(),
            (Outcome::TimedOut, _) => stopping == Some(StopCause::Timeout),
            (Outcome::Cancelled, _) => task.unwanted && task.merged.is_none(),
            (Outcome::Skipped { because: SkipReason::Budget }, _) => self.may_spend(id).is_err(),
            (Outcome::Skipped { because: SkipReason::Dependency(on) }, _) => {
                self.before.get(id).into_iter().flatten().any(|(from, needs)| *needs && from == on)
                    && self.tasks[on].outcome.as_ref().is_some_and(|outcome| *outcome != Outcome::Succeeded)
            }
            (Outcome::Lost, _) => losses >= 3,
        };
        ensure(holds, || format!("{id} ends as {outcome} ({verdict:?}), and that is not what happened"))
    }
}

impl Task {
    fn is_merging(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.place == Place::Merge)
    }

    fn holds(&self, one_by_one: bool) -> bool {
        self.active.as_ref().is_some_and(|active| match active.place {
            Place::Slot => true,
            Place::Suspended => false,
            Place::Queue | Place::Merge => one_by_one,
        })
    }

    fn event(&mut self, attempt: Option<&AttemptId>, event: &Event) -> Checked {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                self.attempts = attempt.attempt;
                self.work = None;
                self.active = Some(Active {
                    place: Place::Slot,
                    step: None,
                    stopping: None,
                    set_up: false,
                    done: false,
                    losses: 0,
                });
                return Ok(());
            }
            Event::TaskFinished { outcome, .. } => {
                self.finishes += 1;
                self.outcome = Some(outcome.clone());
                self.active = None;
                return Ok(());
            }
            Event::TaskRevived { .. } => {
                self.revivals += 1;
                self.outcome = None;
                self.unwanted = false;
                return Ok(());
            }
            Event::PhasesRecorded { .. } => return Ok(()),
            _ => {}
        }
        let number = self.attempts;
        ensure(attempt.is_some_and(|id| id.attempt == number), || {
            format!("{event:?} is of another attempt")
        })?;
        let Some(active) = &mut self.active else { return Err(format!("{event:?} of no attempt")) };
        match event {
            Event::WorkCollected { commit, .. } => {
                ensure(active.done, || format!("{commit} is taken in, but nobody said that it is done"))?;
                self.work = Some(commit.clone());
            }
            Event::TaskMerged { commit, .. } => {
                ensure(self.merged.is_none(), || format!("merged twice: {commit}"))?;
                self.merged = Some(commit.clone());
            }
            _ => {}
        }
        active.event(event);
        Ok(())
    }
}

impl Active {
    fn event(&mut self, event: &Event) {
        match event {
            Event::StepIntended { step, what } => {
                self.step = Some((step.clone(), what.clone()));
                if self.place == Place::Suspended {
                    self.place = Place::Slot;
                }
            }
            Event::StepEnded { end, .. } => {
                let kind = self.step.take().map(|(_, kind)| kind);
                self.done =
                    !end.stopped && end.agent.as_ref().is_some_and(|agent| agent.class == EndClass::Done);
                if self.done && matches!(kind, Some(StepKind::Agent { .. })) {
                    self.place = Place::Queue;
                }
                self.set_up |= kind == Some(StepKind::Setup) && end.passed();
                if matches!(end.exit, gadugi_core::StepExit::Lost | gadugi_core::StepExit::LeaseLapsed) {
                    self.losses += 1;
                }
            }
            Event::StopRequested { cause, .. } => self.stopping = Some(*cause),
            Event::AttemptSuspended { .. } => {
                self.stopping = None;
                self.place = Place::Suspended;
            }
            Event::MergeStarted { .. } => self.place = Place::Merge,
            Event::WorkCollected { .. } | Event::MergePutBack { .. } | Event::IntegrationMoved { .. } => {
                self.place = Place::Queue;
            }
            _ => {}
        }
    }
}
