//! What steps use: processor, memory, threads, processes, each for a whole tree of processes.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use gadugi_core::Process;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

use crate::procfs::{self, Stat};

/// What a tree of processes uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Processor time since the last look, at the first since its start, in percent of one core. May be over 100.
    pub cpu_percent: f64,
    /// Resident memory of all its processes, MiB. What they share counts for each.
    pub memory_mib: f64,
    /// The same in percent of the machine's memory.
    pub memory_percent: f64,
    /// Threads.
    pub threads: u32,
    /// Processes, the shim among them.
    pub processes: u32,
    /// Processor time of all of it since its start, milliseconds.
    pub cpu_ms: u64,
}

/// Looks at any number of trees in one pass over `/proc`, and keeps what it needs for the next.
#[derive(Debug)]
pub struct Sampler {
    boot: String,
    memory_kib: u64,
    last: HashMap<(u32, u64), (Instant, u64)>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// A sampler that has seen nothing.
    pub fn new() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot: boot.trim().to_owned(), memory_kib: machine_memory_kib(), last: HashMap::new() }
    }

    /// The figures of each tree, by its root (a step's [`crate::StepFollower::process`]); none where the root is gone.
    ///
    /// Takes some 20 µs for each process of the machine, and blocks for so long.
    pub fn sample(&mut self, roots: &[Process]) -> Vec<Option<Figures>> {
        let now = Instant::now();
        let all = procfs::all();
        let by_pid: HashMap<u32, &Stat> = all.iter().map(|stat| (stat.pid, stat)).collect();
        let mut children: HashMap<u32, Vec<&Stat>> = HashMap::new();
        for stat in &all {
            children.entry(stat.parent).or_default().push(stat);
        }
        let mut next = HashMap::new();
        let figures = roots
            .iter()
            .map(|root| {
                let stat = by_pid.get(&root.pid)?;
                if stat.start_ticks != root.start_ticks || root.boot != self.boot || stat.zombie {
                    return None;
                }
                let key = (root.pid, root.start_ticks);
                let (mut figures, ticks) = self.add_up(stat, &children);
                // A child whose parent ignores its end takes its time with it: never less than was seen.
                let ticks = ticks.max(self.last.get(&key).map_or(0, |(_, before)| *before));
                figures.cpu_percent = match self.last.get(&key) {
                    Some(last) => percent(ticks - last.1, now.duration_since(last.0).as_secs_f64()),
                    None => percent(ticks, age(stat)),
                };
                figures.cpu_ms = ticks * 1000 / clock_ticks_per_second().max(1);
                next.insert(key, (now, ticks));
                Some(figures)
            })
            .collect();
        self.last = next;
        figures
    }

    /// A process's ticks hold those of the children that it has waited for, and the shim waits for all that lose their
    /// parent: so the sum over what lives holds all that ever lived.
    fn add_up(&self, root: &Stat, children: &HashMap<u32, Vec<&Stat>>) -> (Figures, u64) {
        let (mut figures, mut ticks, mut pages) = (Figures::default(), 0, 0);
        let mut open = vec![root];
        while let Some(stat) = open.pop() {
            ticks += stat.cpu_ticks;
            if !stat.zombie {
                pages += stat.rss_pages;
                figures.threads += stat.threads;
                figures.processes += 1;
            }
            open.extend(children.get(&stat.pid).into_iter().flatten());
        }
        let kib = pages * (page_size() as u64) / 1024;
        figures.memory_mib = kib as f64 / 1024.0;
        figures.memory_percent =
            if self.memory_kib == 0 { 0.0 } else { kib as f64 * 100.0 / self.memory_kib as f64 };
        (figures, ticks)
    }
}

/// So many ticks of processor time in so many seconds, in percent of one core.
fn percent(ticks: u64, seconds: f64) -> f64 {
    let used = ticks as f64 / clock_ticks_per_second().max(1) as f64;
    if seconds > 0.0 { used * 100.0 / seconds } else { 0.0 }
}

/// Seconds since the process started.
fn age(stat: &Stat) -> f64 {
    let up = clock_gettime(ClockId::Boottime);
    let up = up.tv_sec as f64 + up.tv_nsec as f64 / 1e9;
    up - stat.start_ticks as f64 / clock_ticks_per_second().max(1) as f64
}

fn machine_memory_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
