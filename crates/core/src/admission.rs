//! How much of the machine runs may take: how many attempts side by side, and what holds further ones back.
//!
//! Slots begin with the original project's rule and are corrected by what attempts were seen to use. What the machine
//! lacks at the moment (memory, processors, disk) holds each run back by the run's own thresholds. A threshold that was
//! crossed is left only with a margin, so that a machine at the edge does not give an event at every look.

use std::collections::BTreeMap;

use crate::{AdmissionSettings, AgentName, Hold, Kind, StepEnd};

/// One look at the machine. What could not be measured is none, and holds nothing back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Processors that gadugi may use.
    pub cpus: u32,
    /// Memory that could be had without swapping, MiB.
    pub available_mib: Option<u64>,
    /// Resident memory of everything that runs under gadugi, MiB.
    pub agents_mib: u64,
    /// How busy the processors were since the look before, 0 to 100.
    pub cpu_percent: Option<u32>,
    /// Share of the last ten seconds in which something waited for memory, 0 to 100 (`/proc/pressure/memory`).
    pub memory_stall_percent: Option<u32>,
    /// Room on the disk that workspaces are made on, MiB.
    pub disk_free_mib: Option<u64>,
    /// Why the gateway lets fewer requests through than agents would make (the model API refuses some, or is overloaded),
    /// for people; none: it lets all through.
    pub slowed: Option<String>,
}

impl Reading {
    /// The machine's own number of slots as long as nothing is known of what attempts take, and what it comes from.
    pub fn first_slots(&self) -> (u32, String) {
        slots(self, &Learnt::default(), None, 0)
    }
}

/// Above this share of time waited for memory it is short, whatever is called available.
const STALLED: u32 = 20;

/// What one attempt of an agent at a kind of task was seen to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appetite {
    /// The peak of its whole tree, MiB. One that is lower than what is known pulls it down by a quarter only.
    pub peak_mib: u64,
    /// Processors over its life, in thousandths; averaged in the same way.
    pub cpu_permille: u64,
}

/// What attempts were seen to take, by agent and kind of task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learnt(BTreeMap<AgentName, BTreeMap<&'static str, Appetite>>);

impl Learnt {
    /// Takes in an agent's step that has ended.
    pub(crate) fn take(&mut self, agent: &AgentName, kind: Kind, end: &StepEnd) {
        if end.peak_mib == 0 || end.wall.0 == 0 {
            return;
        }
        let (peak, cpu) = (end.peak_mib, end.cpu_ms.saturating_mul(1000) / end.wall.0);
        let known = self.0.entry(agent.clone()).or_default().entry(kind.word()).or_default();
        // A damaged record may say anything.
        let settle = |known: u64, new: u64| new.max(known.saturating_mul(3).saturating_add(new) / 4);
        known.peak_mib = settle(known.peak_mib, peak);
        known.cpu_permille = settle(known.cpu_permille, cpu);
    }

    /// What is known of that agent at that kind of task; else the most that it was seen to take at any.
    pub fn of(&self, agent: &AgentName, kind: Kind) -> Option<Appetite> {
        self.seen(agent, kind).or_else(|| most(self.0.get(agent)?.values()))
    }

    /// What that agent was seen to take at that very kind of task.
    pub(crate) fn seen(&self, agent: &AgentName, kind: Kind) -> Option<Appetite> {
        self.0.get(agent)?.get(kind.word()).copied()
    }

    fn most(&self) -> Option<Appetite> {
        most(self.0.values().flat_map(BTreeMap::values))
    }
}

fn most<'a>(appetites: impl Iterator<Item = &'a Appetite>) -> Option<Appetite> {
    appetites.copied().reduce(|a, b| Appetite {
        peak_mib: a.peak_mib.max(b.peak_mib),
        cpu_permille: a.cpu_permille.max(b.cpu_permille),
    })
}

/// The machine's own number of slots, for runs that name none, and what it comes from, for people. `before` is the
/// number until now, `held` how many are taken.
pub(crate) fn slots(reading: &Reading, learnt: &Learnt, before: Option<u32>, held: usize) -> (u32, String) {
    let available = reading
        .available_mib
        .map_or_else(String::new, |mib| format!(", {:.1} GiB of memory available", mib as f64 / 1024.0));
    let seen = format!("{} processors{available}", reading.cpus);
    let Some(before) = before else { return (seed(reading), seen) };
    let Some(appetite) = learnt.most() else { return (before, seen) };
    let target = bearable(reading, appetite);
    let crowded = held >= before as usize;
    // Two more than now before one is added: at the very edge the number would go up and down for ever.
    let slots = match target {
        less if less < before => less,
        more if crowded && (more > before + 1 || before == 1 && more > 1) => before + 1,
        _ => before,
    };
    let cpus = appetite.cpu_permille as f64 / 1000.0;
    (slots, format!("{seen}; agents take up to {} MiB and {cpus:.1} processors", appetite.peak_mib))
}

/// `min(cpus - 1, available memory in GiB / 2, 4)`, and never below one: the original project's rule.
fn seed(reading: &Reading) -> u32 {
    let by_cpu = u64::from(reading.cpus.saturating_sub(1));
    let by_memory = reading.available_mib.map_or(4, |mib| mib / 2048);
    by_cpu.min(by_memory).clamp(1, 4) as u32
}

/// Memory that is left to the machine, MiB.
const SPARE_MIB: u64 = 1024;

/// MiB that all attempts together may be expected to take: what is available and what they have taken of what was expected of
/// them (`expected`, those that run), but for a GiB. What they take beyond that is gone for others. `before` is what was
/// measured last, and stays where the difference is small.
pub(crate) fn memory(reading: &Reading, expected: u64, before: Option<u64>) -> Option<u64> {
    let taken = reading.agents_mib.min(expected);
    let now = reading.available_mib?.saturating_add(taken).saturating_sub(SPARE_MIB);
    // An eighth: what comes and goes beside gadugi is no news.
    Some(before.filter(|before| now.abs_diff(*before) <= before / 8).unwrap_or(now))
}

/// How many attempts that take so much the machine bears: nine tenths of its processors, and its memory but for a GiB.
/// Never below one; at most two for each processor, as nobody knows what the next one takes.
fn bearable(reading: &Reading, appetite: Appetite) -> u32 {
    /// Even an agent that only waits for its model takes some, each time that it starts a tool.
    const LEAST_PERMILLE: u64 = 100;
    let most = u64::from(reading.cpus * 2).max(4);
    let by_cpu = u64::from(reading.cpus) * 900 / appetite.cpu_permille.max(LEAST_PERMILLE);
    let by_memory = reading
        .available_mib
        .map_or(most, |mib| (mib + reading.agents_mib).saturating_sub(SPARE_MIB) / appetite.peak_mib.max(1));
    by_cpu.min(by_memory).clamp(1, most) as u32
}

/// What is lacking for a run with those thresholds: for each of memory, processors, disk and model API whether it holds the
/// run back, and what was measured. `peak_mib` is what the run's next attempt is expected to take; `held` what holds now.
pub(crate) fn holds(
    reading: &Reading,
    settings: &AdmissionSettings,
    peak_mib: u64,
    held: impl Fn(Hold) -> bool,
) -> [(Hold, bool, String); 4] {
    let short = |hold: Hold, have: Option<u64>, need: u64| {
        let need = if held(hold) { need + need / 4 } else { need };
        have.is_some_and(|have| have < need)
    };
    let memory_need = settings.min_memory_mib.max(peak_mib);
    let relief = if held(Hold::Memory) { STALLED / 2 } else { STALLED };
    let stalled = reading.memory_stall_percent.is_some_and(|percent| percent > relief);
    let busiest = settings.max_cpu_percent.saturating_sub(if held(Hold::Cpu) { 10 } else { 0 });
    let mib = |value: Option<u64>| value.unwrap_or(0);
    [
        (
            Hold::Memory,
            stalled || short(Hold::Memory, reading.available_mib, memory_need),
            match reading.memory_stall_percent {
                Some(percent) if stalled => format!("{percent} % of the time something waits for memory"),
                _ => format!("{} MiB of memory available, {memory_need} needed", mib(reading.available_mib)),
            },
        ),
        (
            Hold::Cpu,
            reading.cpu_percent.is_some_and(|percent| percent > busiest),
            format!("processors are {} % busy", reading.cpu_percent.unwrap_or(0)),
        ),
        (
            Hold::Disk,
            short(Hold::Disk, reading.disk_free_mib, settings.min_disk_mib),
            format!("{} MiB left on the disk, {} needed", mib(reading.disk_free_mib), settings.min_disk_mib),
        ),
        (Hold::Api, reading.slowed.is_some(), reading.slowed.clone().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Millis, StepExit};

    fn reading(cpus: u32, available_gib: f64) -> Reading {
        Reading { cpus, available_mib: Some((available_gib * 1024.0) as u64), ..Reading::default() }
    }

    fn learnt(peak_mib: u64, cpu_permille: u64) -> Learnt {
        let mut learnt = Learnt::default();
        learnt.take(&"claude".into(), Kind::Feature, &end(peak_mib, cpu_permille));
        learnt
    }

    fn end(peak_mib: u64, cpu_permille: u64) -> StepEnd {
        StepEnd {
            exit: StepExit::Code(0),
            stopped: false,
            wall: Millis(10_000),
            max_rss_kib: 0,
            peak_mib,
            cpu_ms: cpu_permille * 10,
            taken: Box::default(),
            agent: None,
            tail: String::new(),
        }
    }

    #[test]
    fn slots_begin_with_the_rule_of_the_original() {
        for (cpus, gib, slots) in
            [(1, 32.0, 1), (2, 32.0, 1), (4, 32.0, 3), (16, 32.0, 4), (16, 5.9, 2), (16, 0.3, 1)]
        {
            assert_eq!(super::slots(&reading(cpus, gib), &Learnt::default(), None, 0).0, slots);
        }
    }

    #[test]
    fn slots_are_corrected_by_what_attempts_were_seen_to_use() {
        let machine = reading(8, 16.0);
        let next = |learnt: &Learnt, before, held| slots(&machine, learnt, Some(before), held).0;
        // Light ones: one more at a time, where all are taken, up to two for each processor.
        assert_eq!(next(&learnt(300, 200), 4, 4), 5);
        assert_eq!(next(&learnt(300, 200), 4, 3), 4);
        assert_eq!(next(&learnt(300, 200), 16, 16), 16);
        // Heavy ones: at once as few as the machine bears, and never none.
        assert_eq!(next(&learnt(6 * 1024, 200), 4, 4), 2);
        assert_eq!(next(&learnt(300, 4000), 4, 4), 1);
        assert_eq!(next(&learnt(64 * 1024, 200), 4, 0), 1);
        // At the edge nothing moves.
        assert_eq!(next(&learnt(3 * 1024, 200), 4, 4), 4);
    }

    #[test]
    fn a_peak_is_believed_at_once_and_forgotten_slowly() {
        let mut learnt = learnt(400, 500);
        let claude = "claude".into();
        learnt.take(&claude, Kind::Feature, &end(4000, 500));
        assert_eq!(learnt.of(&claude, Kind::Feature).unwrap().peak_mib, 4000);
        learnt.take(&claude, Kind::Feature, &end(400, 500));
        assert_eq!(learnt.of(&claude, Kind::Feature).unwrap().peak_mib, 3100);
        // A kind that was never seen is expected to take what the others take at most.
        assert_eq!(learnt.of(&claude, Kind::BugFix).unwrap().peak_mib, 3100);
        assert_eq!(learnt.of(&"scripted".into(), Kind::BugFix), None);
    }

    #[test]
    fn holds_are_left_with_a_margin() {
        let settings = AdmissionSettings::default();
        let held = |reading: &Reading, before: bool| {
            holds(reading, &settings, 0, |_| before).map(|(_, holds, _)| holds)
        };
        let at = |mib, cpu, disk| Reading {
            available_mib: Some(mib),
            cpu_percent: Some(cpu),
            disk_free_mib: Some(disk),
            ..reading(4, 0.0)
        };
        assert_eq!(held(&at(1024, 90, 512), false), [false; 4]);
        assert_eq!(held(&at(1023, 91, 511), false), [true, true, true, false]);
        assert_eq!(held(&at(1279, 81, 639), true), [true, true, true, false]);
        assert_eq!(held(&at(1280, 80, 640), true), [false; 4]);
        assert_eq!(held(&Reading::default(), true), [false; 4]);
        let stalled = Reading { memory_stall_percent: Some(21), ..at(8000, 0, 8000) };
        assert_eq!(held(&stalled, false), [true, false, false, false]);
        let slowed = Reading { slowed: Some("the model API is overloaded".into()), ..reading(4, 8.0) };
        assert_eq!(held(&slowed, false), [false, false, false, true]);
    }

    #[test]
    fn an_attempt_that_takes_more_needs_more() {
        let machine = Reading { available_mib: Some(3000), ..reading(4, 0.0) };
        let memory = |peak| holds(&machine, &AdmissionSettings::default(), peak, |_| false)[0].1;
        assert!(!memory(3000));
        assert!(memory(3001));
    }
}
