//! A plan played through: what the order comes to on so many slots.

use std::collections::{BTreeSet, HashMap};

use super::{Admission, Candidate, Occupant, Order, Room, Workload, sane};
use crate::Plan;

/// Where a play begins: for each task how it stands. With the default, nothing has begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outset {
    /// It is over.
    pub(crate) over: Vec<bool>,
    /// It has a slot; the seconds of the play are what is left of it.
    pub(crate) running: Vec<bool>,
    /// It does not begin, nor does what waits for it.
    pub(crate) never: Vec<bool>,
    /// It begins in so many seconds at the earliest.
    pub(crate) earliest: Vec<f64>,
}

impl Outset {
    /// So many tasks none of which has begun.
    pub(crate) fn of(tasks: usize) -> Self {
        Self {
            over: vec![false; tasks],
            running: vec![false; tasks],
            never: vec![false; tasks],
            earliest: vec![0.0; tasks],
        }
    }
}

/// What a play came to.
#[derive(Debug)]
pub(crate) struct Played<'a> {
    workload: &'a Workload,
    order: &'a Order,
    /// Seconds until all is over.
    pub(crate) end: f64,
    /// When each began and was over, by rank; none for those that did not.
    spans: Vec<Option<(f64, f64)>>,
}

/// What runs, in a play.
struct Stage<'a> {
    workload: &'a Workload,
    order: &'a Order,
    memory: Option<u64>,
    slots: usize,
    now: f64,
    /// For each task, how many edges lead to it from tasks that are not over.
    waits: Vec<usize>,
    /// Ranks of tasks that could begin.
    ready: BTreeSet<u32>,
    /// Those that could but for the time, by that time: bits of floats that are not negative sort as the floats do.
    early: BTreeSet<(u64, u32)>,
    /// By their ends, in the same way.
    running: BTreeSet<(u64, u32)>,
    /// When each began and ends, by rank.
    spans: Vec<Option<(f64, f64)>>,
}

impl Workload {
    /// Seconds until all is over, where tasks begin in that order, on so many slots and MiB of memory (none: as much as they
    /// like), and each takes in truth the seconds that stand at its place; what it is *expected* to take is its job's.
    pub fn play(&self, order: &Order, slots: usize, memory: Option<u64>, seconds: &[f64]) -> f64 {
        self.play_from(order, slots, memory, seconds, &Outset::of(self.jobs.len())).end
    }

    /// When each begins, in seconds, in the same play; none for those that wait in a circle.
    pub fn begins(
        &self,
        order: &Order,
        slots: usize,
        memory: Option<u64>,
        seconds: &[f64],
    ) -> Vec<Option<f64>> {
        let played = self.play_from(order, slots, memory, seconds, &Outset::of(self.jobs.len()));
        (0..self.jobs.len()).map(|at| Some(played.spans[order.rank(at) as usize]?.0)).collect()
    }

    /// The same play from where things stand.
    pub(crate) fn play_from<'a>(
        &'a self,
        order: &'a Order,
        slots: usize,
        memory: Option<u64>,
        seconds: &[f64],
        outset: &Outset,
    ) -> Played<'a> {
        let mut stage = Stage {
            workload: self,
            order,
            memory: memory.filter(|_| self.is_measured()),
            slots: slots.max(1),
            now: 0.0,
            waits: self.waits.clone(),
            ready: BTreeSet::new(),
            early: BTreeSet::new(),
            running: BTreeSet::new(),
            spans: vec![None; self.jobs.len()],
        };
        stage.set(seconds, outset);
        loop {
            stage.begin(seconds);
            let ends = stage.running.first().copied();
            let due = stage.early.first().copied();
            match (ends, due) {
                (None, None) => break,
                (ends, Some((due, rank))) if ends.is_none_or(|(end, _)| due < end) => {
                    stage.now = f64::from_bits(due);
                    stage.early.pop_first();
                    stage.ready.insert(rank);
                }
                _ => stage.end_first(outset),
            }
        }
        // Who may begin later, and does not, keeps nobody waiting.
        let end = stage.spans.iter().flatten().map(|(_, end)| *end).fold(0.0, f64::max);
        Played { workload: self, order, end, spans: stage.spans }
    }

    /// Whether anybody measured what any of its tasks takes of the memory.
    pub(super) fn is_measured(&self) -> bool {
        self.jobs.iter().any(|job| job.memory_mib > 0)
    }

    /// The same, where each takes what it is expected to.
    pub fn play_as_expected(&self, order: &Order, slots: usize, memory: Option<u64>) -> f64 {
        let seconds: Vec<f64> = self.jobs.iter().map(|job| job.seconds).collect();
        self.play(order, slots, memory, &seconds)
    }
}

impl Stage<'_> {
    /// Puts everybody where they stand at the outset.
    fn set(&mut self, seconds: &[f64], outset: &Outset) {
        for at in (0..self.waits.len()).filter(|at| outset.over[*at]) {
            self.workload.after[at].iter().for_each(|to| self.waits[*to] -= 1);
        }
        for at in (0..self.waits.len()).filter(|at| !outset.over[*at] && !outset.never[*at]) {
            let rank = self.order.rank(at);
            if outset.running[at] {
                self.run(rank, seconds);
            } else if self.waits[at] == 0 {
                self.let_begin(at, outset);
            }
        }
    }

    /// Nothing keeps the task at that place but its time and its turn.
    fn let_begin(&mut self, at: usize, outset: &Outset) {
        let (rank, earliest) = (self.order.rank(at), sane(outset.earliest[at]));
        match earliest > self.now {
            true => drop(self.early.insert((earliest.to_bits(), rank))),
            false => drop(self.ready.insert(rank)),
        }
    }

    fn run(&mut self, rank: u32, seconds: &[f64]) {
        let end = self.now + sane(seconds[self.order.place(rank)]);
        self.spans[rank as usize] = Some((self.now, end));
        self.running.insert((end.to_bits(), rank));
    }

    /// The next that ends is over, and those that waited for it need to no more.
    fn end_first(&mut self, outset: &Outset) {
        let Some((end, rank)) = self.running.pop_first() else { return };
        self.now = f64::from_bits(end);
        let workload = self.workload;
        for to in &workload.after[self.order.place(rank)] {
            self.waits[*to] -= 1;
            let begun = outset.over[*to] || outset.running[*to];
            if self.waits[*to] == 0 && !begun && !outset.never[*to] {
                self.let_begin(*to, outset);
            }
        }
    }

    /// Begins whoever may.
    fn begin(&mut self, seconds: &[f64]) {
        let free = self.slots.saturating_sub(self.running.len());
        if free == 0 {
            return;
        }
        let begins: Vec<u32> = match self.memory {
            None => self.ready.iter().copied().take(free).collect(),
            Some(limit) => self.that_fit(free, limit),
        };
        for rank in begins {
            self.ready.remove(&rank);
            self.run(rank, seconds);
        }
    }

    fn that_fit(&self, free: usize, limit: u64) -> Vec<u32> {
        let job = |rank: u32| &self.workload.jobs[self.order.place(rank)];
        let occupant = |rank: u32| Occupant {
            key: u64::from(rank),
            memory_mib: job(rank).memory_mib,
            seconds_left: self.spans[rank as usize].map_or(self.now, |(began, _)| began) + job(rank).time()
                - self.now,
        };
        let mut room = Room::new(Some(limit), self.running.iter().map(|(_, rank)| occupant(*rank)).collect());
        let mut begins = Vec::new();
        for rank in &self.ready {
            if begins.len() == free {
                break;
            }
            let job = job(*rank);
            let candidate = Candidate {
                key: u64::from(*rank),
                memory_mib: job.memory_mib,
                seconds: job.time(),
                spent: 0.0,
            };
            match room.admit(candidate) {
                Admission::Begins => begins.push(*rank),
                Admission::Waits => {}
                Admission::Enough => break,
            }
        }
        begins
    }
}

impl Played<'_> {
    /// When the task at that place began and was over, in seconds; none where it did not begin, or was over before.
    pub(crate) fn span(&self, at: usize) -> Option<(f64, f64)> {
        self.spans[self.order.rank(at) as usize]
    }

    /// The tasks that its end waits for, one behind the other, by their places: each begins when the one before it is over, for
    /// which it waits, or whose slot it gets.
    pub(crate) fn critical_path(&self) -> Vec<usize> {
        let mut enders: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut last: Option<(f64, usize)> = None;
        for (rank, span) in (0_u32..).zip(&self.spans) {
            let Some((_, end)) = *span else { continue };
            let at = self.order.place(rank);
            enders.entry(end.to_bits()).or_default().push(at);
            if last.is_none_or(|(latest, _)| end > latest) {
                last = Some((end, at));
            }
        }
        let (mut path, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = last.map(|(_, at)| at);
        while let Some(at) = next.filter(|at| seen.insert(*at)) {
            path.push(at);
            let began = self.spans[self.order.rank(at) as usize].map_or(0.0, |(began, _)| began);
            let before = enders.get(&began.to_bits()).map_or(&[][..], Vec::as_slice);
            let waited_for = before.iter().find(|from| self.workload.after[**from].contains(&at));
            // Those that began at the outset had their slots already.
            next = waited_for.or(before.first().filter(|_| began > 0.0)).copied();
        }
        path.reverse();
        path
    }
}

impl Plan {
    /// Seconds on so many slots, by the estimates: the plan played through by the rule that dispatches it
    /// ([`crate::schedule`]), with as much memory as it likes.
    pub fn parallel_seconds(&self, slots: usize) -> f64 {
        let workload = Workload::of(self);
        workload.play_as_expected(&workload.order(), self.slots(slots), None)
    }

    /// The slots that it can use: one, where its tasks are taken one after another.
    pub(super) fn slots(&self, slots: usize) -> usize {
        if self.sequential_because.is_some() { 1 } else { slots.max(1) }
    }
}
