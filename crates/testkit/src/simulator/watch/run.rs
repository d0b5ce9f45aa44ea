//! What an observer knows of a run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gadugi_core::{
    CommitId, EdgeReason, Event, Hold, Millis, Outcome, PauseCause, Plan, RunSettings, StepKind,
};

use super::super::names::{self, StepAt};
use super::super::world::World;
use super::faults::Fault;
use super::task::{Place, Task};
use super::{Accounts, Checked, ensure};

/// What a run is about, the least stopped first.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(in super::super) enum Mood {
    Active,
    /// Nothing new begins; what runs goes on.
    Paused,
    /// Nothing of an agent's begins.
    Refused,
    /// Nothing at all begins.
    Interrupted,
    Ending,
    Finished,
}

/// What the plan says of a task.
pub(super) struct Wanted {
    pub(super) agent: String,
    pub(super) budget: Option<u64>,
    pub(super) timeout: Millis,
    pub(super) verified: bool,
    /// Whether it is work: what a question takes says nothing of what work takes.
    pub(super) works: bool,
    /// The highest priority of the task and of all that wait for it, through however many others.
    pub(super) urgency: i64,
    /// Seconds that it is expected to take, and the longest chain of those that wait for it with it.
    pub(super) seconds: u64,
    pub(super) path: u64,
    /// MiB that it is expected to take, where somebody measured such tasks before the run.
    pub(super) memory: Option<u64>,
    /// Its place in the plan.
    pub(super) place: usize,
    /// Whom it waits for, and whether it needs their success.
    pub(super) before: Vec<(u32, bool)>,
}

/// A run as its events tell it.
pub(in super::super) struct Run {
    pub(super) number: u32,
    pub(super) one_by_one: bool,
    pub(super) settings: RunSettings,
    pub(in super::super) mood: Mood,
    pub(super) tip: Option<CommitId>,
    /// An agent's credential was refused, and nobody has said since that the run is to go on.
    pub(super) refused: bool,
    /// Its integration branch could not be made.
    pub(super) excused: bool,
    pub(super) holds: BTreeSet<Hold>,
    pub(super) spent: u64,
    /// Set aside for steps that run.
    pub(super) reserved: u64,
    /// Slots of the machine that it has.
    pub(super) taken: usize,
    /// The same, and in a run that goes one by one what waits for its merge.
    pub(super) held: usize,
    /// Tasks that are not over.
    open: usize,
    /// Tasks whose merge is under way.
    pub(super) merging: usize,
    /// Attempts whose uncommitted work nobody has looked at.
    owed: usize,
    /// Somebody has just asked for the end of everything that runs.
    pub(super) to_stop: bool,
    /// Steps that somebody wants to end at once.
    pub(super) urgent: BTreeSet<StepAt>,
    /// The disk is full, and there may be something that can go.
    pub(super) wants_room: bool,
    /// It was interrupted by a person, and nobody has said since that it goes on.
    /// The last pause was that of an engine that came back.
    pub(super) lost: bool,
    interrupted: bool,
    /// A task has ended in the batch of events that is being taken in: what was decided with that is decided without it.
    pub(super) stirred: bool,
    pub(in super::super) tasks: BTreeMap<u32, Task>,
    pub(super) wanted: BTreeMap<u32, Wanted>,
}

impl Wanted {
    /// Who comes first is less.
    pub(super) fn turn(&self) -> (Reverse<i64>, Reverse<u64>, usize) {
        (Reverse(self.urgency), Reverse(self.path), self.place)
    }
}

/// Fills in what follows from those that wait for each: again and again, until nothing changes.
fn look_ahead(wanted: &mut BTreeMap<u32, Wanted>, one_by_one: bool) {
    let ids: Vec<u32> = wanted.keys().copied().collect();
    let mut changes = true;
    while std::mem::take(&mut changes) {
        // Mostly those that wait stand behind: from the end it takes few rounds.
        for id in ids.iter().rev() {
            let own = &wanted[id];
            let (urgency, seconds, path) = (own.urgency, own.seconds, own.path.max(own.seconds));
            let before: Vec<u32> = own.before.iter().map(|(from, _)| *from).collect();
            for from in before {
                let Some(earlier) = wanted.get_mut(&from) else { continue };
                let longer = (urgency.max(earlier.urgency), earlier.path.max(earlier.seconds + path));
                changes |= longer != (earlier.urgency, earlier.path);
                (earlier.urgency, earlier.path) = longer;
            }
            wanted.entry(*id).and_modify(|own| own.path = own.path.max(seconds));
        }
    }
    if one_by_one {
        wanted.values_mut().for_each(|own| own.path = 0);
    }
}

impl Run {
    pub(super) fn new(number: u32, plan: &Plan, settings: &RunSettings) -> Self {
        let mut wanted: BTreeMap<u32, Wanted> = BTreeMap::new();
        for (place, task) in plan.tasks.iter().enumerate() {
            let facts = Wanted {
                agent: task.agent.clone().unwrap_or_else(|| settings.agent.clone()),
                budget: task.budget_microusd.or(settings.task_budget_microusd),
                timeout: task.timeout.unwrap_or(settings.timeout),
                verified: task.verify.is_some() || settings.verify.is_some(),
                works: task.purpose.is_work(),
                urgency: task.priority,
                seconds: task.estimate.seconds as u64,
                path: 0,
                memory: (task.estimate.source == "history").then_some(task.estimate.memory_mb),
                place,
                before: Vec::new(),
            };
            wanted.insert(names::number(&task.id), facts);
        }
        for edge in &plan.edges {
            let needs = edge.reason == EdgeReason::Declared;
            if let Some(to) = wanted.get_mut(&names::number(&edge.to)) {
                to.before.push((names::number(&edge.from), needs));
            }
        }
        look_ahead(&mut wanted, plan.sequential_because.is_some());
        Self {
            number,
            tasks: wanted.keys().map(|task| (*task, Task::default())).collect(),
            one_by_one: plan.sequential_because.is_some(),
            settings: settings.clone(),
            mood: Mood::Active,
            tip: None,
            refused: false,
            excused: false,
            holds: BTreeSet::new(),
            spent: 0,
            reserved: 0,
            taken: 0,
            held: 0,
            open: plan.tasks.len(),
            merging: 0,
            owed: 0,
            to_stop: false,
            urgent: BTreeSet::new(),
            wants_room: false,
            lost: false,
            interrupted: false,
            stirred: false,
            wanted,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.mood < Mood::Ending
    }

    /// Whether it must come to its end by itself: nobody has paused it or any of its tasks.
    pub(in super::super) fn should_go_on(&self) -> bool {
        match self.mood {
            Mood::Active => !self.tasks.values().any(|task| task.held),
            Mood::Ending => true,
            Mood::Paused | Mood::Refused | Mood::Interrupted | Mood::Finished => false,
        }
    }

    /// Somebody asks for the end of everything that runs: at once, where they say so or say it again.
    pub(super) fn interrupt(&mut self, now: bool) {
        self.to_stop = true;
        if now || self.interrupted {
            let actives = self.tasks.values().filter_map(|task| task.active.as_ref());
            self.urgent.extend(actives.filter_map(super::task::Active::running));
        }
    }

    /// Pauses move along with the clock; the reset of an account is a time of the world, and does not.
    pub(super) fn clock_was_set(&mut self, accounts: &Accounts, by: i64) {
        for (id, task) in &mut self.tasks {
            let reset = accounts.announced(&self.wanted[id].agent);
            let pause = task.active.as_mut().and_then(|active| active.until.as_mut());
            if let Some(until) = pause.filter(|until| Some(**until) != reset) {
                until.0 += by;
            }
        }
    }

    pub(super) fn of_run(&mut self, event: &Event) -> Checked {
        match event {
            Event::IntegrationOpened { commit, .. } => self.tip = Some(commit.clone()),
            Event::RunPaused { cause, .. } => {
                let mood = match cause {
                    PauseCause::Asked => Mood::Paused,
                    PauseCause::AuthRefused => Mood::Refused,
                    PauseCause::Interrupted | PauseCause::EngineLost => Mood::Interrupted,
                };
                // Nobody has said that it goes on: one pause does not loosen another.
                if mood > self.mood {
                    self.mood = mood;
                }
                self.interrupted |= *cause == PauseCause::Interrupted;
                self.lost = *cause == PauseCause::EngineLost;
            }
            Event::RunResumed { .. } => {
                (self.mood, self.refused, self.interrupted, self.lost) = (Mood::Active, false, false, false);
            }
            Event::DispatchHeld { hold, reason, .. } => {
                ensure(!reason.is_empty(), || "a run is held back and nobody says why".into())?;
                ensure(self.holds.insert(*hold), || format!("it is held back for {hold:?} already"))?;
                self.wants_room |= *hold == Hold::Disk;
            }
            Event::DispatchFreed { hold, .. } => {
                ensure(self.holds.remove(hold), || format!("it is not held back for {hold:?}"))?;
            }
            Event::RunEnding { .. } => {
                ensure(self.open == 0, || "the run ends and tasks are not over".into())?;
                ensure(self.owed == 0, || "the run ends and work is not saved".into())?;
                self.mood = Mood::Ending;
                self.holds.clear();
            }
            Event::RunFinished { .. } => self.mood = Mood::Finished,
            _ => {}
        }
        Ok(())
    }

    /// Whether a slot was taken.
    pub(super) fn of_task(
        &mut self,
        world: &World,
        accounts: &Accounts,
        id: u32,
        event: &Event,
    ) -> Result<bool, String> {
        self.may_happen(world, accounts, id, event)?;
        if let Event::StepEnded { end, .. } = event {
            self.spent += end.agent.as_ref().map_or(0, |agent| agent.usage.cost_microusd);
        }
        if self.mood == Mood::Finished && matches!(event, Event::TaskRevived { .. }) {
            (self.mood, self.refused, self.interrupted, self.lost) = (Mood::Active, false, false, false);
        }
        let task = self.tasks.get_mut(&id).ok_or("no such task")?;
        let before = task.weighs(self.one_by_one);
        task.event(world, event)?;
        let refused = task.active.as_ref().is_some_and(|active| active.faults.last == Some(Fault::Auth));
        self.refused |= refused && matches!(event, Event::StepEnded { .. });
        let after = task.weighs(self.one_by_one);
        let moved = |sum: usize, from: bool, to: bool| sum + usize::from(to) - usize::from(from);
        self.taken = moved(self.taken, before.slot, after.slot);
        self.held = moved(self.held, before.held, after.held);
        self.open = moved(self.open, before.open, after.open);
        self.merging = moved(self.merging, before.merging, after.merging);
        self.owed = self.owed + after.owed - before.owed;
        self.stirred |= after.open != before.open;
        self.reserved = self.reserved + after.reserved - before.reserved;
        let budget = self.settings.budget_microusd;
        ensure(budget.is_none_or(|budget| self.spent + self.reserved <= budget), || {
            format!("{} are spent and {} set aside of {budget:?}", self.spent, self.reserved)
        })?;
        Ok(after.slot && !before.slot)
    }

    /// Whether a task that waits could begin now, for all that is known of it.
    pub(super) fn could_begin(&self, world: &World, accounts: &Accounts, id: u32) -> bool {
        let (task, wanted) = (&self.tasks[&id], &self.wanted[&id]);
        if task.outcome.is_some() || task.active.is_some() || task.held {
            return false;
        }
        if accounts.waits(&wanted.agent, world.now) {
            return false;
        }
        for (from, needs) in &wanted.before {
            let earlier = &self.tasks[from];
            match &earlier.outcome {
                None => return false,
                Some(Outcome::Succeeded) => {}
                Some(_) if *needs => return false,
                Some(_) if self.still_open_before(*from).is_some() => return false,
                Some(_) => {}
            }
        }
        true
    }

    /// Of those that come before a task which never began, and before those which did not either, one that is not over: an
    /// order holds also where one in its middle falls out.
    pub(super) fn still_open_before(&self, task: u32) -> Option<u32> {
        let mut seen = BTreeSet::new();
        let mut fallen = vec![task];
        while let Some(at) = fallen.pop() {
            if self.tasks[&at].outcome.is_none() {
                return Some(at);
            }
            if self.tasks[&at].attempts == 0 && seen.insert(at) {
                fallen.extend(self.wanted[&at].before.iter().map(|(before, _)| *before));
            }
        }
        None
    }

    /// Whether a suspended attempt could be taken up now.
    pub(super) fn could_go_on(&self, world: &World, accounts: &Accounts, id: u32) -> bool {
        self.may_go_on(world, accounts, id) && !accounts.waits(&self.wanted[&id].agent, world.now)
    }

    /// Whether nothing says that a suspended attempt must not be taken up now.
    pub(super) fn may_go_on(&self, world: &World, accounts: &Accounts, id: u32) -> bool {
        let (task, wanted) = (&self.tasks[&id], &self.wanted[&id]);
        let Some(active) = &task.active else { return false };
        active.place == Place::Suspended
            && !task.held
            && active.until.is_none_or(|until| until <= world.now)
            && !accounts.must_wait(&wanted.agent, world.now)
    }

    /// What the run's budget has left that is neither spent nor set aside.
    pub(super) fn left(&self) -> Option<u64> {
        self.settings.budget_microusd.map(|budget| budget.saturating_sub(self.spent + self.reserved))
    }

    /// Whether a step of that kind is one that costs something.
    pub(super) fn costs(kind: &StepKind) -> bool {
        matches!(kind, StepKind::Agent { .. })
    }
}
