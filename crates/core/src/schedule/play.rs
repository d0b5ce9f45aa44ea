//! A plan played through: what the order comes to on so many slots.

use std::collections::BTreeSet;

use super::{Admission, Candidate, Occupant, Order, Room, Workload, sane};
use crate::Plan;

/// What runs, in a play.
struct Stage<'a> {
    workload: &'a Workload,
    order: &'a Order,
    memory: Option<u64>,
    slots: usize,
    now: f64,
    /// Ranks of tasks that could begin.
    ready: BTreeSet<u32>,
    /// By their ends: bits of floats that are not negative sort as the floats do.
    running: BTreeSet<(u64, u32)>,
    /// When each began, by rank.
    began: Vec<Option<f64>>,
}

impl Workload {
    /// Seconds until all is over, where tasks begin in that order, on so many slots and MiB of memory (none: as much as they
    /// like), and each takes in truth the seconds that stand at its place; what it is *expected* to take is its job's.
    pub fn play(&self, order: &Order, slots: usize, memory: Option<u64>, seconds: &[f64]) -> f64 {
        self.played(order, slots, memory, seconds).now
    }

    /// When each begins, in seconds, in the same play; none for those that wait in a circle.
    pub fn begins(
        &self,
        order: &Order,
        slots: usize,
        memory: Option<u64>,
        seconds: &[f64],
    ) -> Vec<Option<f64>> {
        let played = self.played(order, slots, memory, seconds);
        (0..self.jobs.len()).map(|at| played.began[order.rank(at) as usize]).collect()
    }

    fn played<'a>(
        &'a self,
        order: &'a Order,
        slots: usize,
        memory: Option<u64>,
        seconds: &[f64],
    ) -> Stage<'a> {
        let mut waits = self.waits.clone();
        let ready = (0..waits.len()).filter(|at| waits[*at] == 0).map(|at| order.rank(at)).collect();
        let mut stage = Stage {
            workload: self,
            order,
            memory: memory.filter(|_| self.is_measured()),
            slots: slots.max(1),
            now: 0.0,
            ready,
            running: BTreeSet::new(),
            began: vec![None; waits.len()],
        };
        loop {
            stage.begin(seconds);
            let Some((end, rank)) = stage.running.pop_first() else { return stage };
            stage.now = f64::from_bits(end);
            for to in &self.after[order.place(rank)] {
                waits[*to] -= 1;
                if waits[*to] == 0 {
                    stage.ready.insert(order.rank(*to));
                }
            }
        }
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
            self.began[rank as usize] = Some(self.now);
            let end = self.now + sane(seconds[self.order.place(rank)]);
            self.running.insert((end.to_bits(), rank));
        }
    }

    fn that_fit(&self, free: usize, limit: u64) -> Vec<u32> {
        let job = |rank: u32| &self.workload.jobs[self.order.place(rank)];
        let occupant = |rank: u32| Occupant {
            key: u64::from(rank),
            memory_mib: job(rank).memory_mib,
            seconds_left: self.began[rank as usize].unwrap_or(self.now) + job(rank).time() - self.now,
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
