//! What an observer knows of a run.

use std::collections::BTreeMap;

use gadugi_core::{
    CommitId, EdgeReason, Event, Outcome, PauseCause, Plan, RunSettings, SkipReason, StepKind, StopCause,
    Verdict,
};

use super::super::names;
use super::super::world::World;
use super::task::{Place, Task};
use super::{Checked, ensure};

/// What a run is about.
#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum Mood {
    Active,
    /// Nothing new begins; what runs goes on.
    Paused,
    /// Nothing at all begins.
    Interrupted,
    Ending,
    Finished,
}

/// A run as its events tell it.
pub(in super::super) struct Run {
    number: u32,
    pub(super) one_by_one: bool,
    pub(super) settings: RunSettings,
    pub(in super::super) mood: Mood,
    tip: Option<CommitId>,
    spent: u64,
    /// Slots of the machine that it has.
    pub(super) taken: usize,
    /// The same, and in a run that goes one by one what waits for its merge.
    pub(super) held: usize,
    /// Tasks that are not over.
    open: usize,
    /// Tasks whose merge is under way.
    merging: usize,
    pub(in super::super) tasks: BTreeMap<u32, Task>,
    /// For each task: whom it waits for, and whether it needs their success.
    before: BTreeMap<u32, Vec<(u32, bool)>>,
}

impl Run {
    pub(super) fn new(number: u32, plan: &Plan, settings: &RunSettings) -> Self {
        let mut before: BTreeMap<u32, Vec<(u32, bool)>> = BTreeMap::new();
        for edge in &plan.edges {
            let needs = edge.reason == EdgeReason::Declared;
            before.entry(names::number(&edge.to)).or_default().push((names::number(&edge.from), needs));
        }
        Self {
            number,
            tasks: plan.tasks.iter().map(|task| (names::number(&task.id), Task::default())).collect(),
            one_by_one: plan.sequential_because.is_some(),
            settings: settings.clone(),
            mood: Mood::Active,
            tip: None,
            spent: 0,
            taken: 0,
            held: 0,
            open: plan.tasks.len(),
            merging: 0,
            before,
        }
    }

    pub(super) fn of_run(&mut self, event: &Event) -> Checked {
        match event {
            Event::IntegrationOpened { commit, .. } => self.tip = Some(commit.clone()),
            Event::RunPaused { cause, .. } => {
                self.mood = if *cause == PauseCause::Asked { Mood::Paused } else { Mood::Interrupted };
            }
            Event::RunResumed { .. } => self.mood = Mood::Active,
            Event::RunEnding { .. } => {
                ensure(self.open == 0, || "the run ends and tasks are not over".into())?;
                self.mood = Mood::Ending;
            }
            Event::RunFinished { .. } => self.mood = Mood::Finished,
            _ => {}
        }
        Ok(())
    }

    /// Whether a slot was taken.
    pub(super) fn of_task(&mut self, world: &World, id: u32, event: &Event) -> Result<bool, String> {
        self.may_happen(world, id, event)?;
        if let Event::StepEnded { end, .. } = event {
            self.spent += end.agent.as_ref().map_or(0, |agent| agent.usage.cost_microusd);
        }
        if self.mood == Mood::Finished && matches!(event, Event::TaskRevived { .. }) {
            self.mood = Mood::Active;
        }
        let task = self.tasks.get_mut(&id).ok_or("no such task")?;
        let before = task.weighs(self.one_by_one);
        task.event(event)?;
        let after = task.weighs(self.one_by_one);
        let moved = |sum: usize, from: bool, to: bool| sum + usize::from(to) - usize::from(from);
        self.taken = moved(self.taken, before.slot, after.slot);
        self.held = moved(self.held, before.held, after.held);
        self.open = moved(self.open, before.open, after.open);
        self.merging = moved(self.merging, before.merging, after.merging);
        Ok(after.slot && !before.slot)
    }

    fn may_happen(&self, world: &World, id: u32, event: &Event) -> Checked {
        let known = self.tasks.get(&id).ok_or_else(|| format!("t{id} is not in the plan"))?;
        match event {
            Event::AttemptStarted { base, .. } => {
                ensure(known.outcome.is_none() && known.active.is_none(), || {
                    format!("t{id} begins, but is under way or over")
                })?;
                self.may_begin(world, id, base)
            }
            Event::StepIntended { what, .. } => self.may_step(id, what),
            Event::MergeStarted { .. } => {
                ensure(self.mood != Mood::Interrupted, || format!("t{id}'s merge begins while interrupted"))?;
                ensure(self.merging == 0, || format!("t{id}'s merge begins beside another"))
            }
            Event::TaskFinished { outcome, verdict, .. } => {
                let left = world.live((self.number, id));
                ensure(left.is_none(), || format!("t{id} is over and {left:?} still runs"))?;
                self.may_finish(world, id, outcome, *verdict)
            }
            Event::AttemptSuspended { .. } => {
                let left = world.live((self.number, id));
                ensure(left.is_none(), || format!("t{id} is suspended and {left:?} still runs"))
            }
            _ => Ok(()),
        }
    }

    fn before(&self, id: u32) -> &[(u32, bool)] {
        self.before.get(&id).map_or(&[], Vec::as_slice)
    }

    /// No dependency is broken, nobody paused the run, and there is money.
    fn may_begin(&self, world: &World, id: u32, base: &CommitId) -> Checked {
        ensure(self.mood == Mood::Active, || format!("t{id} begins while the run is paused"))?;
        ensure(self.tip.is_some(), || format!("t{id} begins before the integration branch is there"))?;
        self.may_spend(id)?;
        for (from, needs) in self.before(id) {
            let earlier = &self.tasks[from];
            ensure(earlier.outcome.is_some(), || format!("t{id} begins before t{from} is over"))?;
            if *needs {
                ensure(earlier.outcome == Some(Outcome::Succeeded), || {
                    format!("t{id} begins though t{from} did not succeed")
                })?;
            }
            if let (Some(_), Some(work)) = (&earlier.merged, &earlier.work) {
                ensure(world.git.holds(self.number, base, work), || {
                    format!("t{id} begins at {base} without t{from}'s work")
                })?;
            }
        }
        Ok(())
    }

    fn may_spend(&self, id: u32) -> Checked {
        ensure(self.settings.budget_microusd.is_none_or(|budget| self.spent < budget), || {
            format!("t{id} begins or goes on after the budget is spent")
        })
    }

    fn may_step(&self, id: u32, what: &StepKind) -> Checked {
        ensure(self.mood != Mood::Interrupted, || format!("t{id} takes a step while interrupted"))?;
        let active =
            self.tasks[&id].active.as_ref().ok_or_else(|| format!("t{id} steps, but is not under way"))?;
        ensure(active.step.is_none(), || format!("t{id} takes a step beside another"))?;
        ensure(active.stopping != Some(StopCause::Cancel), || {
            format!("t{id} takes a step, but is cancelled")
        })?;
        if active.place == Place::Suspended {
            ensure(active.losses < 3, || format!("t{id} is taken up after {} losses", active.losses))?;
            ensure(self.mood == Mood::Active, || format!("t{id} is taken up while the run is paused"))?;
            self.may_spend(id)?;
        }
        match what {
            StepKind::Setup => ensure(!active.set_up, || format!("t{id} is set up a second time")),
            StepKind::Agent { .. } => ensure(active.set_up || self.settings.setup.is_empty(), || {
                format!("t{id}'s agent starts before the setup")
            }),
            StepKind::Verify { .. } => ensure(self.settings.verify.is_some(), || "nothing verifies".into()),
        }
    }

    /// Success is only ever observed; every other end has its reason.
    fn may_finish(&self, world: &World, id: u32, outcome: &Outcome, verdict: Option<Verdict>) -> Checked {
        let task = &self.tasks[&id];
        let losses = task.active.as_ref().map_or(0, |active| active.losses);
        let stopping = task.active.as_ref().and_then(|active| active.stopping);
        let holds = match (outcome, verdict) {
            (Outcome::Succeeded, Some(Verdict::NoChange)) => {
                world.claims_no_change((self.number, id, task.attempts))
            }
            (Outcome::Succeeded, Some(verdict)) => task.merged.as_ref().is_some_and(|commit| {
                world.git.is_verified(commit) == (verdict == Verdict::Verified)
                    && task.work.as_ref().is_some_and(|work| world.git.has_merged(self.number, work))
            }),
            (Outcome::Succeeded, None) => false,
            (Outcome::Failed, _) => task.merged.is_none(),
            (Outcome::TimedOut, _) => stopping == Some(StopCause::Timeout),
            (Outcome::Cancelled, _) => task.unwanted && task.merged.is_none(),
            (Outcome::Skipped { because: SkipReason::Budget }, _) => self.may_spend(id).is_err(),
            (Outcome::Skipped { because: SkipReason::Dependency(on) }, _) => {
                let on = names::number(on);
                self.before(id).iter().any(|(from, needs)| *needs && *from == on)
                    && self.tasks[&on].outcome.as_ref().is_some_and(|outcome| *outcome != Outcome::Succeeded)
            }
            (Outcome::Lost, _) => losses >= 3,
        };
        ensure(holds, || format!("t{id} ends as {outcome} {verdict:?} and that is not what happened"))
    }
}
