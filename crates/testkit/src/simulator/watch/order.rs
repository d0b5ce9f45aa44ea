//! Whose turn it is, and what those that run are expected to take of the memory.

use gadugi_core::Hold;

use super::super::world::World;
use super::run::{Mood, Run};
use super::task::Place;
use super::{Checked, SMALL, Watch, ensure};

impl Watch {
    /// MiB that those with a slot are expected to take, but for that task of that run.
    fn expected(&self, but: Option<(u32, u32)>) -> u64 {
        let runs = self.runs.values().filter(|run| run.mood != Mood::Finished);
        let slots = runs.flat_map(|run| run.in_slots().map(move |id| (run, id)));
        let others = slots.filter(|(run, id)| Some((run.number, *id)) != but);
        others.map(|(run, id)| self.machine.expects(&run.wanted[&id])).sum()
    }

    /// Whether somebody who waits would not fit beside those that have a slot.
    fn is_tight(&self, world: &World, memory: u64) -> bool {
        let taken = self.expected(None);
        let small = |run: &&Run| run.mood != Mood::Finished && run.tasks.len() <= SMALL;
        let short = |run: &Run, id: &u32| taken + self.machine.expects(&run.wanted[id]) > memory;
        let waits = |run: &Run, id: u32| {
            run.could_begin(world, &self.accounts, id) || run.could_go_on(world, &self.accounts, id)
        };
        let mut runs = self.runs.values().filter(small);
        runs.any(|run| run.wanted.keys().any(|id| waits(run, *id) && short(run, id)))
    }

    /// Whether all that may come before a task of that run are in it, and have not begun.
    fn is_by_itself(&self, world: &World, run: &Run) -> bool {
        let alone = self.runs.values().filter(|run| run.mood != Mood::Finished).count() == 1;
        alone && !run.tasks.keys().any(|id| run.could_go_on(world, &self.accounts, *id))
    }

    /// A task has just taken a slot: with what those that have one are expected to take there is memory for it, unless it is
    /// alone. One that begins (and does not go on) passes nobody whose turn it is; and nobody who waits for memory, unless
    /// it fits beside that one too, or is expected to be over before all that run are.
    pub(super) fn in_turn(&self, world: &World, number: u32, id: u32, begins: bool) -> Checked {
        let run = &self.runs[&number];
        let others = self.expected(Some((number, id)));
        let need = self.machine.expects(&run.wanted[&id]);
        if let Some(memory) = self.machine.memory {
            let all: usize = self.runs.values().map(|run| run.taken).sum();
            ensure(all == 1 || others + need <= memory, || {
                format!("t{id} begins, which takes {need} MiB beside {others} of {memory}")
            })?;
        }
        // What was over before it was taken up again was reckoned with all the same.
        let stirred = self.runs.values().any(|run| run.stirred);
        if !begins || run.tasks.len() > SMALL || stirred {
            return Ok(());
        }
        let wanted = &run.wanted[&id];
        let before = run.wanted.iter().filter(|(_, other)| other.turn() < wanted.turn());
        let mut before = before.filter(|(other, _)| run.could_begin(world, &self.accounts, **other));
        let Some((first, _)) = before.by_ref().min_by_key(|(_, other)| other.turn()) else { return Ok(()) };
        match self.machine.memory.filter(|memory| self.is_tight(world, *memory)) {
            None => Err(format!("t{id} begins before t{first} whose turn it is")),
            Some(memory) if self.is_by_itself(world, run) => {
                self.may_pass(world, run, (id, *first), (others, memory))
            }
            Some(_) => Ok(()),
        }
    }

    fn may_pass(&self, world: &World, run: &Run, pair: (u32, u32), memory: (u64, u64)) -> Checked {
        let ((id, first), (others, memory)) = (pair, memory);
        let (own, waits) = (&run.wanted[&id], &run.wanted[&first]);
        let (need, needs) = (self.machine.expects(own), self.machine.expects(waits));
        let running = || run.in_slots().filter(|other| *other != id);
        ensure(running().next().is_some() && others + needs > memory, || {
            format!("t{id} begins before t{first} whose turn it is, and for which there is memory")
        })?;
        let behind = running().map(|other| &run.wanted[&other]).filter(|other| other.turn() > waits.turn());
        let behind: u64 = behind.map(|other| self.machine.expects(other)).sum();
        let left = |other: u32| {
            let took = run.tasks[&other].active.as_ref().map_or(0, |active| active.time(world).0);
            (1000 * run.wanted[&other].seconds).saturating_sub(took)
        };
        let longest = running().map(left).max().unwrap_or(0);
        let in_time = 1000 * own.seconds <= longest + SLACK || self.accounts.clock_unsure;
        ensure(behind + need + needs <= memory || in_time, || {
            format!("t{id} passes t{first}, which waits for memory, and keeps it waiting")
        })
    }

    /// Whether a run that is held back for want of memory is so for a reason: something runs, and who comes first does not fit
    /// beside it.
    pub(super) fn waits_for_room(&self, world: &World, run: &Run) -> Checked {
        ensure(run.holds.contains(&Hold::Room), || "somebody could run, and does not".into())?;
        let memory = self.machine.memory.unwrap_or(u64::MAX);
        let taken = self.runs.values().map(|run| run.taken).sum::<usize>();
        ensure(taken > 0, || "all wait for memory, and nothing runs".into())?;
        if !self.is_by_itself(world, run) {
            return Ok(());
        }
        let could = run.wanted.iter().filter(|(id, _)| run.could_begin(world, &self.accounts, **id));
        let Some((first, wanted)) = could.min_by_key(|(_, wanted)| wanted.turn()) else { return Ok(()) };
        let (others, needs) = (self.expected(None), self.machine.expects(wanted));
        ensure(others + needs > memory, || format!("t{first} waits for memory, and there is enough"))
    }
}

/// Between the machine's clock and the observer's, in milliseconds: half a second of each step's start.
const SLACK: u64 = 1000;

impl Run {
    /// Tasks that have a slot.
    fn in_slots(&self) -> impl Iterator<Item = u32> {
        let slot = |task: &super::Task| task.place() == Some(Place::Slot);
        self.tasks.iter().filter(move |(_, task)| slot(task)).map(|(id, _)| *id)
    }
}
