//! Looks at the engine's process while it lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

/// Between two looks: the kernel tells nobody when a process grows.
const EVERY: Duration = Duration::from_millis(20);

/// One look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Tasks that had finished.
    pub(super) finished: usize,
    /// Open descriptors.
    pub(super) descriptors: usize,
}

/// What was seen of the engine.
#[derive(Debug, Default)]
pub(super) struct Engine {
    /// The largest resident memory of its life (`VmHWM`), in KiB.
    pub(super) peak_kib: u64,
    /// Processor time of its own, without its children's.
    pub(super) cpu: Duration,
    /// Each look, in order.
    pub(super) looks: Vec<Look>,
}

/// A thread that looks.
pub(super) struct Watch {
    finished: Arc<AtomicUsize>,
    /// Says that the run is over, and how long the engine may stay.
    over: Sender<Duration>,
    thread: JoinHandle<Result<Engine>>,
}

impl Watch {
    /// Begins to look for the engine of a repository.
    pub(super) fn begin(repository: &Path) -> Self {
        let finished = Arc::new(AtomicUsize::new(0));
        let (over, told) = channel();
        let (lock, counted) = (repository.join(".gadugi/engine.lock"), Arc::clone(&finished));
        let thread = thread::spawn(move || look(&lock, &counted, &told));
        Self { finished, over, thread }
    }

    /// The number of finished tasks, for whoever reads the events to count up.
    pub(super) fn finished_tasks(&self) -> &AtomicUsize {
        &self.finished
    }

    /// Waits for the engine to leave and says what was seen; an engine that stays longer than that is killed, and is
    /// an error.
    pub(super) fn end(self, leaves_within: Duration) -> Result<Engine> {
        // The thread listens until it is told.
        let _ = self.over.send(leaves_within);
        self.thread.join().map_err(|_| anyhow!("the watch broke"))?
    }
}

fn look(lock: &Path, finished: &AtomicUsize, over: &Receiver<Duration>) -> Result<Engine> {
    let mut engine = Engine::default();
    let mut deadline: Option<Instant> = None;
    loop {
        let process = engine_process(lock);
        if let Some((pid, _)) = process {
            engine.look(pid, finished.load(Ordering::Relaxed));
        }
        match (process, deadline) {
            (None, Some(_)) => return Ok(engine),
            (Some((pid, start)), Some(at)) if Instant::now() > at => {
                kill(pid, start);
                bail!("the engine ({pid}) did not leave when its run was over");
            }
            _ => {}
        }
        match over.recv_timeout(EVERY) {
            Ok(leaves_within) => deadline = Some(Instant::now() + leaves_within),
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody waits for what was seen.
            Err(RecvTimeoutError::Disconnected) => return Ok(engine),
        }
    }
}

impl Engine {
    fn look(&mut self, pid: u32, finished: usize) {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let Ok(status) = fs::read_to_string(process.join("status")) else { return };
        let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return };
        self.peak_kib = self.peak_kib.max(peak_kib(&status).unwrap_or(0));
        if let Some(cpu) = fs::read_to_string(process.join("stat")).ok().as_deref().and_then(cpu) {
            self.cpu = self.cpu.max(cpu);
        }
        self.looks.push(Look { finished, descriptors: descriptors.count() });
    }

    /// Most descriptors that were open while between these numbers of tasks had finished.
    pub(super) fn descriptors(&self, from: usize, to: usize) -> Option<usize> {
        let among = self.looks.iter().filter(|look| (from..to).contains(&look.finished));
        among.map(|look| look.descriptors).max()
    }
}

/// Waits: no event tells of what is waited for.
#[expect(
    clippy::disallowed_methods,
    reason = "the chores use none of gadugi's own crates; this is their door"
)]
pub(super) fn pause(length: Duration) {
    thread::sleep(length);
}

/// `VmHWM:     12345 kB`
pub(super) fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Fields 14 and 15 of `/proc/PID/stat`: ticks as user and in the kernel.
fn cpu(stat: &str) -> Option<Duration> {
    let behind_name = &stat[stat.rfind(')')? + 1..];
    let ticks: Vec<u64> =
        behind_name.split_ascii_whitespace().skip(11).take(2).map_while(|field| field.parse().ok()).collect();
    let seconds = ticks.iter().sum::<u64>() as f64 / rustix::param::clock_ticks_per_second().max(1) as f64;
    (ticks.len() == 2).then(|| Duration::from_secs_f64(seconds))
}

/// Pid and start time of the engine of a repository, where it lives.
pub(super) fn engine_of(repository: &Path) -> Option<(u32, u64)> {
    engine_process(&repository.join(".gadugi/engine.lock"))
}

/// Pid and start time of the engine that holds the lock, where that very process lives.
fn engine_process(lock: &Path) -> Option<(u32, u64)> {
    let holder: Value = serde_json::from_str(&fs::read_to_string(lock).ok()?).ok()?;
    let (pid, start) = (u32::try_from(holder["pid"].as_u64()?).ok()?, holder["start_ticks"].as_u64()?);
    crate::strays::is_alive(pid, start).then_some((pid, start))
}

/// Kills that very process.
pub(super) fn kill(pid: u32, start: u64) {
    let handle = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(handle) = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    if crate::strays::is_alive(pid, start) {
        // It may have left just now.
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_the_lock_names_is_watched_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".gadugi")).unwrap();
        let mut engine = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (pid, start) = crate::strays::identify(engine.id()).unwrap();
        let lock = format!(r#"{{"pid":{pid},"start_ticks":{start},"boot":"x"}}"#);
        fs::write(folder.path().join(".gadugi/engine.lock"), lock).unwrap();
        let watch = Watch::begin(folder.path());
        // Its input closed, it ends; the watch is told to stop only when one look at least was made.
        let (told, seen) = channel();
        let lock = folder.path().join(".gadugi/engine.lock");
        let reaper = thread::spawn(move || {
            seen.recv().unwrap();
            drop(engine.stdin.take());
            engine.wait().unwrap();
        });
        assert_eq!(engine_process(&lock), Some((pid, start)));
        told.send(()).unwrap();
        let engine = watch.end(Duration::from_secs(20)).unwrap();
        reaper.join().unwrap();
        assert_eq!(engine_process(&lock), None);
        assert!(engine.looks.iter().all(|look| look.descriptors > 0 && look.finished == 0));
    }

    #[test]
    fn peaks_are_read_as_the_kernel_writes_them() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(peak_kib(&status).unwrap() > 100);
        assert_eq!(peak_kib("VmHWM:\t   12345 kB\n"), Some(12345));
    }

    #[test]
    fn processor_time_is_that_of_the_process_alone() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 900 900 20 0 1 0 99 0 0";
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(cpu(stat), Some(Duration::from_secs_f64(200.0 / ticks as f64)));
        assert!(cpu(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
        assert_eq!(cpu("7 (a) S"), None);
    }

    #[test]
    fn descriptors_are_compared_by_progress() {
        let look = |finished, descriptors| Look { finished, descriptors };
        let engine = Engine {
            looks: vec![look(5, 50), look(100, 10), look(200, 12), look(900, 11)],
            ..Engine::default()
        };
        assert_eq!(engine.descriptors(100, 500), Some(12));
        assert_eq!(engine.descriptors(500, 1001), Some(11));
        assert_eq!(engine.descriptors(300, 400), None);
    }
}
