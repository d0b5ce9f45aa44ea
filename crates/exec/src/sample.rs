//! What steps use: processors, memory, threads, processes, disks, each for a whole tree of processes or a container.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use gadugi_core::{Process, Taken};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup::{Groups, Io};
use crate::procfs::{self, Memory, Stat};

const MIB: f64 = 1024.0 * 1024.0;

/// What a step uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Whether these are a container's, counted by its control groups, where they can be seen.
    pub container: bool,
    /// Processor time since the last look, at the first since its start, in percent of one core. May be over 100.
    pub cpu_percent: f64,
    /// Memory, MiB. Of a tree of processes: what is resident of each, as `ps` shows it, and what they share counts for each.
    /// Of a container: as `docker stats` shows it, with the pages of files that it used lately.
    pub memory_mib: f64,
    /// Memory that is its own, MiB: what the machine gets back when it ends, and what one more of its kind will take.
    /// See [`Sampler`] for what counts.
    pub own_mib: f64,
    /// The most that was its own at any time since this sampler first saw it, MiB.
    pub peak_mib: f64,
    /// [`Self::memory_mib`] in percent of the machine's memory.
    pub memory_percent: f64,
    /// Threads and processes together, which is what a limit of pids counts: each process is a thread at least.
    pub pids: u32,
    /// Threads of all its processes.
    pub threads: u32,
    /// Processes, the shim among them.
    pub processes: u32,
    /// Processor time of all of it since its start, milliseconds.
    pub cpu_ms: u64,
    /// Bytes read from disks since its start; what came from the page cache is not in it. None where it cannot be seen.
    pub disk_read_bytes: Option<u64>,
    /// Bytes that it caused to be written to disks since its start. None where it cannot be seen.
    pub disk_written_bytes: Option<u64>,
    /// Bytes that it received through the gateway, which alone knows: whoever asks the gateway writes them here.
    pub net_in_bytes: Option<u64>,
    /// Bytes that it sent through the gateway, in the same way.
    pub net_out_bytes: Option<u64>,
    /// Bytes that its folders take of the disk, from whoever walks through them ([`crate::disk_use`]).
    pub disk_used_bytes: Option<u64>,
}

impl Figures {
    /// What of it a step's end tells.
    pub fn taken(&self) -> Taken {
        Taken {
            pids_peak: Some(self.pids),
            disk_written_bytes: self.disk_written_bytes,
            net_in_bytes: self.net_in_bytes,
            net_out_bytes: self.net_out_bytes,
        }
    }
}

/// Looks at any number of steps in one pass over `/proc`, and keeps what it needs for the next.
///
/// What is a tree's own: the anonymous memory of its processes, and the largest shared memory that one of them maps.
/// Not what comes from files: eight agents share the pages of their 245 MB binary, and the kernel counts such pages
/// among the available memory, with which the figure is going to be compared. Of an idle Claude Code (296 MB resident)
/// 119 MB are its own.
///
/// The proportional figure (`smaps_rollup`, PSS) would say nearly the same and costs 3.5 to 7 ms for each such process,
/// in which it can map nothing; `status` costs 12 µs. Measured on Linux 6.18.
///
/// Between two looks a process may have used more. The kernel keeps its highest resident memory (`VmHWM`): less what it
/// has of files now, that counts for the peak, too, and so most of a peak survives a new sampler.
///
/// A step whose shim is the first process of a namespace of pids is a container. There the kernel counts for all of it
/// (control groups, of version 1 or 2), also for processes that somebody else let into it; where its groups cannot be seen,
/// the tree's figures stand. Bytes of disks are what its processes say or what its groups say, whichever is more: version 1
/// does not see what is written behind, and processes of another user's say nothing.
#[derive(Debug)]
pub struct Sampler {
    boot: String,
    memory_kib: u64,
    last: HashMap<(u32, u64), Last>,
    /// Of each process of a tree what was seen of it. While it has as many pages, its memory is not read again: most
    /// processes of most trees wait.
    seen: HashMap<(u32, u64), Seen>,
}

/// What the next look at a step needs of this one.
#[derive(Clone, Debug)]
struct Last {
    at: Instant,
    cpu_us: u64,
    peak_mib: f64,
    disk: Option<Io>,
    /// What children of a shim that hides had moved when they were seen last: what they say is gone with them.
    orphaned: Io,
    /// Where it is a container.
    groups: Option<Groups>,
}

/// What the next look at a process needs of this one.
#[derive(Clone, Copy, Debug)]
struct Seen {
    pages: u64,
    memory: Memory,
    io: Option<Io>,
    /// The root of its tree, where that is its parent.
    below_root: Option<(u32, u64)>,
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
        Self {
            boot: boot.trim().to_owned(),
            memory_kib: machine_memory_kib(),
            last: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// The figures of each step, by its shim (a step's [`crate::StepFollower::process`]); none where that is gone.
    ///
    /// Takes some 20 µs for each process of the machine, as much again for each of a tree, 50 µs for each container, and
    /// blocks for so long.
    pub fn sample(&mut self, roots: &[Process]) -> Vec<Option<Figures>> {
        let now = Instant::now();
        let all = procfs::all();
        let by_pid: HashMap<u32, &Stat> = all.iter().map(|stat| (stat.pid, stat)).collect();
        let mut children: HashMap<u32, Vec<&Stat>> = HashMap::new();
        for stat in &all {
            children.entry(stat.parent).or_default().push(stat);
        }
        let (mut next, mut seen) = (HashMap::new(), HashMap::new());
        let trees: Vec<Option<(&Stat, Tree)>> = roots
            .iter()
            .map(|root| {
                let stat = by_pid.get(&root.pid)?;
                let is_it = stat.start_ticks == root.start_ticks && root.boot == self.boot && !stat.zombie;
                is_it.then(|| (*stat, self.add_up(stat, &children, &mut seen)))
            })
            .collect();
        let orphaned = self.orphaned(&seen);
        let figures = trees.into_iter().map(|tree| {
            let (root, tree) = tree?;
            let key = (root.pid, root.start_ticks);
            let before = self.last.get(&key);
            let lately = orphaned.get(&key).copied().unwrap_or_default();
            let (figures, last) = self.measure(now, root, &tree, before, lately);
            next.insert(key, last);
            Some(figures)
        });
        let figures = figures.collect();
        (self.last, self.seen) = (next, seen);
        figures
    }

    /// The figures of a tree and of the container that it may be, and what is to be kept of them.
    fn measure(
        &self,
        now: Instant,
        root: &Stat,
        tree: &Tree,
        before: Option<&Last>,
        lately: Io,
    ) -> (Figures, Last) {
        let groups = match before {
            Some(last) => last.groups.clone(),
            None => procfs::is_first_of_namespace(root.pid).then(|| Groups::of(root.pid, root.parent)),
        };
        let usage = groups.as_ref().map(Groups::usage).unwrap_or_default();
        // A child whose parent ignores its end takes its time with it: never less than was seen.
        let cpu_us = usage.cpu_us.unwrap_or(tree.ticks * 1_000_000 / clock_ticks_per_second().max(1));
        let cpu_us = cpu_us.max(before.map_or(0, |last| last.cpu_us));
        let orphaned = before.map_or(Io::default(), |last| last.orphaned).plus(lately);
        let disks = [tree.io.map(|io| io.plus(orphaned)), usage.io, before.and_then(|last| last.disk)];
        let disk = disks.into_iter().flatten().reduce(Io::at_least);
        let used = usage.memory.map_or(tree.resident_kib as f64 / 1024.0, |memory| memory.used as f64 / MIB);
        let own = usage.memory.map_or(tree.own_kib as f64 / 1024.0, |memory| memory.own as f64 / MIB);
        let peak = own.max(tree.highest_kib as f64 / 1024.0).max(before.map_or(0.0, |last| last.peak_mib));
        let seconds = before.map_or_else(|| age(root), |last| now.duration_since(last.at).as_secs_f64());
        let figures = Figures {
            container: groups.is_some(),
            cpu_percent: percent(cpu_us - before.map_or(0, |last| last.cpu_us), seconds),
            memory_mib: used,
            own_mib: own,
            peak_mib: peak,
            memory_percent: match self.memory_kib {
                0 => 0.0,
                kib => used * 1024.0 * 100.0 / kib as f64,
            },
            pids: usage.pids.unwrap_or(tree.threads),
            threads: tree.threads,
            processes: tree.processes,
            cpu_ms: cpu_us / 1000,
            disk_read_bytes: disk.map(|disk| disk.read),
            disk_written_bytes: disk.map(|disk| disk.written),
            net_in_bytes: None,
            net_out_bytes: None,
            disk_used_bytes: None,
        };
        (figures, Last { at: now, cpu_us, peak_mib: peak, disk, orphaned, groups })
    }

    /// A process's ticks hold those of the children that it has waited for, and the shim waits for all that lose their
    /// parent: so the sum over what lives holds all that ever lived. Bytes of disks are counted in the same way.
    fn add_up(
        &self,
        root: &Stat,
        children: &HashMap<u32, Vec<&Stat>>,
        seen: &mut HashMap<(u32, u64), Seen>,
    ) -> Tree {
        let mut tree = Tree::default();
        let (mut pages, mut anonymous, mut shared) = (0, 0, 0);
        let mut open = vec![root];
        while let Some(stat) = open.pop() {
            tree.ticks += stat.cpu_ticks;
            let now = self.look(stat, root);
            if let Some(io) = now.io {
                tree.io = Some(tree.io.unwrap_or_default().plus(io));
            }
            if !stat.zombie {
                pages += stat.rss_pages;
                anonymous += now.memory.anonymous_kib;
                shared = now.memory.shared_kib.max(shared);
                let highest = now.memory.highest_kib.saturating_sub(now.memory.file_kib);
                tree.highest_kib = highest.max(tree.highest_kib);
                tree.threads += stat.threads;
                tree.processes += 1;
            }
            seen.insert((stat.pid, stat.start_ticks), now);
            open.extend(children.get(&stat.pid).into_iter().flatten());
        }
        tree.resident_kib = pages * (page_size() as u64) / 1024;
        tree.own_kib = anonymous + shared;
        tree
    }

    /// What is to be seen of one process.
    fn look(&self, stat: &Stat, root: &Stat) -> Seen {
        let known = self.seen.get(&(stat.pid, stat.start_ticks));
        let unchanged = known.filter(|known| known.pages == stat.rss_pages).map(|known| known.memory);
        let memory = match unchanged {
            _ if stat.zombie => None,
            Some(memory) => Some(memory),
            None => procfs::memory(stat.pid),
        };
        // What has ended and was not waited for yet says nothing any more, and its parent does not say it yet.
        let io = procfs::io(stat.pid).or_else(|| known.and_then(|known| known.io));
        let below_root = (stat.parent == root.pid).then_some((root.pid, root.start_ticks));
        Seen { pages: stat.rss_pages, memory: memory.unwrap_or_default(), io, below_root }
    }

    /// For each tree whose root hides what it has moved, what those of its children that are gone by now had moved.
    fn orphaned(&self, now: &HashMap<(u32, u64), Seen>) -> HashMap<(u32, u64), Io> {
        let mut gone: HashMap<(u32, u64), Io> = HashMap::new();
        for (_, seen) in self.seen.iter().filter(|(key, _)| !now.contains_key(*key)) {
            let root = seen.below_root.filter(|root| now.get(root).is_some_and(|root| root.io.is_none()));
            if let (Some(root), Some(io)) = (root, seen.io) {
                let sum = gone.entry(root).or_default();
                *sum = sum.plus(io);
            }
        }
        gone
    }
}

/// What a tree of processes uses.
#[derive(Clone, Copy, Debug, Default)]
struct Tree {
    ticks: u64,
    resident_kib: u64,
    own_kib: u64,
    /// The most that one of its processes had, files not counted.
    highest_kib: u64,
    threads: u32,
    processes: u32,
    io: Option<Io>,
}

/// So much processor time in so many seconds, in percent of one core.
fn percent(cpu_us: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { cpu_us as f64 / 1e4 / seconds } else { 0.0 }
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
