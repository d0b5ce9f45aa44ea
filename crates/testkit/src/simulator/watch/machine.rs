//! Slots, what the machine lacks, and what must not stand idle.

use std::collections::BTreeMap;

use gadugi_core::{Hold, Reading, StepEnd, Timestamp};

use super::super::names;
use super::super::world::World;
use super::run::{Mood, Run, Wanted};
use super::task::Place;
use super::{Checked, SMALL, Watch, ensure};

/// What an observer knows of the agents' accounts and of the clock.
#[derive(Default)]
pub(super) struct Accounts {
    /// Until when an agent's account is limited, by what its agents have said.
    limits: BTreeMap<String, Timestamp>,
    /// The same, as the engine has it, which waits for a while where nobody said for how long.
    announced: BTreeMap<String, Timestamp>,
    /// Of these, those that had passed when the clock was set. Whether they count again where it was set back is the engine's to say.
    lapsed: BTreeMap<String, Timestamp>,
    /// The clock was set while no engine was there to see it: what is timed by it may come early.
    pub(super) clock_unsure: bool,
}

impl Accounts {
    pub(super) fn limited(&self, agent: &str, now: Timestamp) -> bool {
        self.limits.get(agent).is_some_and(|until| *until > now)
    }

    /// The clock is about to be set: a limit whose time has passed does not come back for it.
    pub(super) fn forget_passed(&mut self, now: Timestamp) {
        self.limits.retain(|_, until| *until > now);
        let lapsed = self.announced.iter().filter(|(_, until)| **until <= now);
        self.lapsed.extend(lapsed.map(|(agent, until)| (agent.clone(), *until)));
    }

    /// Whether nobody can expect it to run now.
    pub(super) fn waits(&self, agent: &str, now: Timestamp) -> bool {
        self.limited(agent, now) || self.announced.get(agent).is_some_and(|until| *until > now)
    }

    /// Whether it must not run now.
    pub(super) fn must_wait(&self, agent: &str, now: Timestamp) -> bool {
        let lapsed = self.lapsed.get(agent) == self.announced.get(agent);
        self.limited(agent, now) || self.waits(agent, now) && !lapsed
    }

    /// Until when the engine said that it waits.
    pub(super) fn announced(&self, agent: &str) -> Option<Timestamp> {
        self.announced.get(agent).copied()
    }

    pub(super) fn announce(&mut self, agent: &str, until: Timestamp) {
        let known = self.announced.entry(agent.to_owned()).or_insert(until);
        *known = (*known).max(until);
    }

    pub(super) fn limit(&mut self, agent: &str, until: Timestamp) {
        let known = self.limits.entry(agent.to_owned()).or_insert(until);
        *known = (*known).max(until);
    }
}

/// What an observer knows of the machine.
#[derive(Default)]
pub(super) struct Machine {
    slots: Option<u32>,
    reading: Reading,
    /// The most memory that any step was seen to take, MiB.
    pub(super) peak_mib: u64,
    /// What agents were seen to take, MiB: a new peak counts at once, a lower one by a quarter.
    seen: BTreeMap<String, u64>,
    /// MiB that all together may be expected to take, where that was measured.
    pub(super) memory: Option<u64>,
}

impl Machine {
    pub(super) fn read(&mut self, reading: &Reading) {
        self.reading = reading.clone();
    }

    /// A number of slots was measured: never none, and no more than the machine could bear.
    pub(super) fn measure(&mut self, slots: u32, memory: Option<u64>) -> Checked {
        let most = (2 * self.reading.cpus).max(4);
        ensure((1..=most).contains(&slots), || format!("{slots} slots on {} processors", self.reading.cpus))?;
        match self.slots {
            None if self.peak_mib == 0 => {
                let cpus = u64::from(self.reading.cpus).saturating_sub(1);
                let rule = cpus.min(self.reading.available_mib.map_or(4, |mib| mib / 2048)).clamp(1, 4);
                ensure(u64::from(slots) == rule, || format!("it begins with {slots} slots and not {rule}"))?;
            }
            Some(before) => {
                let news = slots != before || memory != self.memory;
                ensure(news && slots <= before + 1, || format!("{slots} slots after {before}"))?;
            }
            None => {}
        }
        let most = self.reading.available_mib.map(|mib| mib + self.reading.agents_mib);
        // What differs by an eighth of what was known is no news.
        let most = most.map(|mib| mib + mib / 7 + 1);
        ensure(memory <= most, || format!("{memory:?} MiB for attempts of {most:?}"))?;
        (self.slots, self.memory) = (Some(slots), memory);
        Ok(())
    }

    /// A step of that task has ended.
    pub(super) fn ended(&mut self, wanted: &Wanted, end: &StepEnd) {
        self.peak_mib = self.peak_mib.max(end.peak_mib);
        if wanted.works && end.agent.is_some() && end.peak_mib > 0 && end.wall.0 > 0 {
            let known = self.seen.entry(wanted.agent.clone()).or_default();
            *known = end.peak_mib.max((3 * *known + end.peak_mib) / 4);
        }
    }

    /// MiB that a task is expected to take; all are of one kind.
    pub(super) fn expects(&self, wanted: &Wanted) -> u64 {
        self.seen.get(&wanted.agent).copied().or(wanted.memory).unwrap_or(0)
    }

    fn slots(&self) -> usize {
        self.slots.unwrap_or(0) as usize
    }
}

impl Watch {
    fn live(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| run.mood != Mood::Finished)
    }

    fn most_named(&self) -> usize {
        self.live().filter_map(|run| run.settings.max_parallel).max().unwrap_or(0) as usize
    }

    fn taken(&self) -> usize {
        self.live().map(|run| run.taken).sum()
    }

    fn taken_unnamed(&self) -> usize {
        self.live().filter(|run| run.settings.max_parallel.is_none()).map(|run| run.taken).sum()
    }

    fn limit(&self, run: &Run) -> usize {
        match run.settings.max_parallel {
            _ if run.one_by_one => 1,
            Some(named) => named as usize,
            None => self.machine.slots(),
        }
    }

    /// A slot was just taken, for that task.
    pub(super) fn slot_taken(&self, number: u32, task: u32) -> Checked {
        let (machine, all) = (self.machine.slots(), self.taken());
        let most = machine.max(self.most_named());
        ensure(all <= most, || format!("{all} slots are taken of {most} there are"))?;
        let run = &self.runs[&number];
        let limit = self.limit(run);
        ensure(run.held <= limit, || format!("a run takes {} slots of {limit}", run.held))?;
        let (named, unnamed) = (run.settings.max_parallel.is_some(), self.taken_unnamed());
        ensure(named || unnamed <= machine, || {
            format!("runs that name no number take {unnamed} slots of {machine}")
        })?;
        ensure(!run.holds.contains(&Hold::Disk), || format!("t{task} begins and the disk is full"))?;
        let one = run.holds.contains(&Hold::Memory)
            || run.holds.contains(&Hold::Api)
            || run.holds.contains(&Hold::Cpu) && !named;
        ensure(!one || all == 1, || format!("t{task} begins beside others and the machine is at its end"))?;
        if all > 1 {
            ensure(!self.is_alone(run, task), || format!("t{task} was to be alone, and is not"))?;
            ensure(!self.somebody_is_alone(), || format!("t{task} begins beside one that is to be alone"))?;
        }
        Ok(())
    }

    fn is_alone(&self, run: &Run, task: u32) -> bool {
        run.tasks[&task].active.as_ref().is_some_and(|active| active.alone)
    }

    fn somebody_is_alone(&self) -> bool {
        let alone = |run: &Run| {
            let one = |active: &super::task::Active| active.alone && active.place == Place::Slot;
            run.tasks.values().filter_map(|task| task.active.as_ref()).any(one)
        };
        self.starved && self.live().any(alone)
    }

    /// What must hold once the engine has taken in a look at the machine: what it lacks holds back, and what it has
    /// enough of does not.
    pub(in super::super) fn measured(&self, reading: &Reading) -> Checked {
        for run in self.runs.values().filter(|run| run.is_live()) {
            let needs = &run.settings.admission;
            let named = run.settings.max_parallel.is_some();
            let held = |hold: Hold| run.holds.contains(&hold);
            let less = |have: Option<u64>, need: u64| have.is_some_and(|have| have < need);
            let stall = reading.memory_stall_percent.unwrap_or(0);
            let busy = reading.cpu_percent.unwrap_or(0);
            let peak = needs.min_memory_mib.max(self.machine.peak_mib);
            let lacking = [
                (Hold::Memory, less(reading.available_mib, needs.min_memory_mib) || stall > 20),
                (Hold::Cpu, busy > needs.max_cpu_percent && !named),
                (Hold::Disk, less(reading.disk_free_mib, needs.min_disk_mib)),
                (Hold::Api, reading.slowed.is_some()),
            ];
            let plenty = [
                (Hold::Memory, !less(reading.available_mib, peak + peak / 4 + 1) && stall <= 10),
                (Hold::Cpu, busy + 10 <= needs.max_cpu_percent || named),
                (Hold::Disk, !less(reading.disk_free_mib, needs.min_disk_mib * 5 / 4 + 1)),
                (Hold::Api, reading.slowed.is_none()),
            ];
            for (hold, lacks) in lacking {
                ensure(!lacks || held(hold), || format!("{hold:?} lacks and holds nothing back"))?;
            }
            for (hold, enough) in plenty {
                ensure(!enough || !held(hold), || format!("there is enough {hold:?} and it holds back"))?;
            }
        }
        Ok(())
    }

    /// What must hold at the end of every turn: nobody who could run waits beside a free slot, or it is said what holds
    /// the run back. Large plans are not gone through.
    pub(in super::super) fn idle(&self, world: &World) -> Checked {
        let plain = |run: &&Run| {
            run.mood == Mood::Active
                && run.tasks.len() <= SMALL
                && run.tip.is_some()
                && !run.refused
                && run.holds.iter().all(|hold| *hold == Hold::Room)
        };
        for run in self.live().filter(plain) {
            let all = self.machine.slots().max(self.most_named()).saturating_sub(self.taken());
            let unnamed = self.machine.slots().saturating_sub(self.taken_unnamed());
            let shared = if run.settings.max_parallel.is_some() { all } else { all.min(unnamed) };
            if shared == 0 || run.held >= self.limit(run) {
                continue;
            }
            let accounts = &self.accounts;
            let waits = run
                .tasks
                .keys()
                .find(|id| run.could_begin(world, accounts, **id) || run.could_go_on(world, accounts, **id));
            if let Some(waits) = waits {
                let told = |problem| format!("t{waits} of {}: {problem}", names::run(run.number));
                self.waits_for_room(world, run).map_err(told)?;
            }
        }
        Ok(())
    }
}
