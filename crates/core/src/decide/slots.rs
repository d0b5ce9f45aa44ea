//! How many more attempts may begin, over all runs and in each.

use crate::schedule::{Admission, Candidate, Occupant, Room};
use crate::{Attempt, Hold, RunId, RunState, RunStatus, Stage, State, Timestamp};

/// What may still begin at this moment. Taken from as attempts begin.
pub(super) struct Slots<'a> {
    state: &'a State,
    /// Runs that are not over, the oldest first: their tasks come before those of later ones.
    live: Vec<&'a RunId>,
    /// The memory, and who is in it.
    room: Room,
    /// Over all runs: as many as the machine has, or as the run that names most.
    free: usize,
    /// Of the machine's own number, which runs that name none share.
    unnamed: usize,
    /// Taken by attempts of any run.
    held: usize,
    /// An attempt that runs with nothing beside it, or is to.
    alone: Option<Alone>,
}

/// An attempt that was killed for want of memory.
#[derive(Clone)]
struct Alone {
    run: RunId,
    at: usize,
    begun: bool,
}

impl<'a> Slots<'a> {
    pub(super) fn of(state: &'a State, now: Timestamp) -> Self {
        let machine = state.capacity.map_or(0, |slots| slots as usize);
        let live = || state.runs.values().filter(|run| !run.is_finished());
        let named = live().filter_map(|run| run.settings.max_parallel).max().unwrap_or(0) as usize;
        let alone = live().flat_map(|run| {
            let begun = run.in_slots().filter(|(_, attempt)| attempt.alone).map(|(at, _)| (at, true));
            let due =
                run.suspended().filter(|(at, attempt)| attempt.alone && may_resume(run, *at, attempt, now));
            let due = due.filter(|_| run.status == RunStatus::Active).map(|(at, _)| (at, false));
            begun.chain(due).map(|(at, begun)| Alone { run: run.id.clone(), at, begun })
        });
        // One that runs already comes before those that are to.
        let alone = alone.reduce(|first, next| if next.begun && !first.begun { next } else { first });
        let mut slots = Self {
            state,
            live: live().map(|run| &run.id).collect(),
            room: Room::new(None, Vec::new()),
            free: machine.max(named),
            unnamed: machine,
            held: 0,
            alone,
        };
        let occupants = live().flat_map(|run| run.in_slots().map(move |(at, attempt)| (run, at, attempt)));
        let occupants = occupants.map(|(run, at, attempt)| slots.occupant(run, at, attempt, now)).collect();
        slots.room = Room::new(state.memory_mib, occupants);
        for run in live() {
            slots.take(run, run.slots_held());
        }
        slots
    }

    /// How many attempts that run may begin.
    pub(super) fn for_run(&self, run: &RunState) -> usize {
        let (own, shared) = match run.settings.max_parallel {
            Some(named) => (named as usize, self.free),
            None => (usize::MAX, self.free.min(self.unnamed)),
        };
        let own = if run.plan.sequential_because.is_some() { 1 } else { own };
        let free = own.saturating_sub(held(run)).min(shared);
        if run.holds.contains(&Hold::Disk) {
            0
        } else if [Hold::Memory, Hold::Cpu, Hold::Api].iter().any(|hold| run.holds.contains(hold)) {
            // One at a time over all runs: never none for good.
            free.min(1_usize.saturating_sub(self.held))
        } else {
            free
        }
    }

    /// The attempt that nothing may be begun beside: none; or the place of this run's that may itself begin now.
    pub(super) fn alone(&self, run: &RunState) -> Solitude {
        match &self.alone {
            None => Solitude::Nobody,
            Some(alone) if alone.run == run.id && !alone.begun && self.held == 0 => Solitude::Due(alone.at),
            Some(_) => Solitude::Another,
        }
    }

    /// Whether the memory lets that task begin, or go on, beside those that run. It is asked for each in turn, the first first.
    pub(super) fn admit(&mut self, run: &RunState, at: usize) -> Admission {
        let candidate = Candidate {
            key: self.key(run, at),
            memory_mib: self.state.expected_memory(run, at),
            seconds: run.plan.tasks[at].estimate.seconds,
            spent: run.tasks[at].active().map_or(0.0, |attempt| attempt.spent.as_seconds()),
        };
        self.room.admit(candidate)
    }

    /// For people: why that task was not admitted.
    pub(super) fn shortage(&self, run: &RunState, at: usize) -> String {
        let (task, needs) = (&run.plan.tasks[at].id, self.state.expected_memory(run, at));
        let (taken, limit) = (self.room.taken(), self.state.memory_mib.unwrap_or(0));
        format!("{task} is expected to take {needs} MiB, those that run {taken} of {limit} MiB")
    }

    fn occupant(&self, run: &RunState, at: usize, attempt: &Attempt, now: Timestamp) -> Occupant {
        let since = attempt.step().and_then(|step| step.running.as_ref());
        let running = since.map_or(0.0, |(_, since)| now.since(*since).as_seconds());
        Occupant {
            key: self.key(run, at),
            memory_mib: self.state.expected_memory(run, at),
            seconds_left: run.plan.tasks[at].estimate.seconds - attempt.spent.as_seconds() - running,
        }
    }

    /// The place of a task in the order over all runs.
    fn key(&self, run: &RunState, at: usize) -> u64 {
        let older = self.live.iter().take_while(|id| ***id != run.id).count() as u64;
        older << 32 | u64::from(run.rank(at))
    }

    pub(super) fn take(&mut self, run: &RunState, slots: usize) {
        self.held += slots;
        self.free = self.free.saturating_sub(slots);
        if run.settings.max_parallel.is_none() {
            self.unnamed = self.unnamed.saturating_sub(slots);
        }
    }
}

/// Whether somebody must have the machine for themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Solitude {
    Nobody,
    /// The run's task at that place, and it can have it now.
    Due(usize),
    /// Some other; nothing else begins.
    Another,
}

/// What counts against a run's own limit. Where tasks are taken one after another, a task holds its slot until it is over.
fn held(run: &RunState) -> usize {
    if run.plan.sequential_because.is_some() {
        run.active().filter(|(_, attempt)| !matches!(attempt.stage, Stage::Suspended { .. })).count()
    } else {
        run.slots_held()
    }
}

/// Whether nothing but the lack of a slot keeps a suspended attempt from being taken up.
pub(super) fn may_resume(run: &RunState, at: usize, attempt: &Attempt, now: Timestamp) -> bool {
    let Stage::Suspended { until, .. } = &attempt.stage else { return false };
    until.is_none_or(|until| until <= now) && !run.tasks[at].held && run.limited_until(at, now).is_none()
}
