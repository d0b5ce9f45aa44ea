//! What steps use: what is kept of it, and how much of the disk they take, which is found by walking through folders and so
//! slower than all else that is seen of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gadugi_core::{Millis, Process, RunId, StepId, Timestamp};
use gadugi_exec::{Figures, disk_use, held_open};
use gadugi_gateway::Gateway;
use gadugi_store::{Bytes, FigurePoint, FiguresOf, Look, Spent, Store, StoreError};
use gadugi_sys::clock::rfc3339;
use serde_json::{Value, json};

/// A step's folders are walked through so often, unless walking takes longer than [`SHARE`] allows.
const EVERY: Duration = Duration::from_secs(10);

/// So many times as long as its walk took a step rests from it, times the steps there are: at most a twentieth of the time
/// is spent walking, and a large workspace is looked at less often than the small ones beside it.
const SHARE: u32 = 20;

/// Walks through the folders of steps in a thread of its own, for as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct DiskWatch {
    /// None as long as there was nothing to walk through.
    shared: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    steps: HashMap<StepId, Folders>,
    over: bool,
}

/// What of the disk is a step's.
#[derive(Clone, Debug)]
pub(crate) struct Holdings {
    /// Its folders.
    pub(crate) folders: Vec<PathBuf>,
    /// The root of its processes, which may hold files that have no name any more.
    pub(crate) process: Option<Process>,
}

impl Holdings {
    fn bytes(&self) -> u64 {
        let held = self.process.as_ref().map_or(0, |process| held_open(process, &self.folders));
        disk_use(&self.folders).bytes.saturating_add(held)
    }
}

#[derive(Debug)]
struct Folders {
    roots: Holdings,
    due: Instant,
    /// What was found, bytes; none before the first walk.
    used: Option<u64>,
}

impl DiskWatch {
    /// Takes in which steps run, with their folders, and answers with what each was last seen to take. Those that are not
    /// among them any more are forgotten.
    pub(crate) fn look(&mut self, steps: impl Iterator<Item = (StepId, Holdings)>) -> Vec<Option<u64>> {
        let steps: Vec<(StepId, Holdings)> = steps.collect();
        if self.shared.is_none() && !steps.is_empty() {
            self.shared = begin();
        }
        let Some(shared) = &self.shared else { return vec![None; steps.len()] };
        let mut known = shared.lock();
        let mut before = std::mem::take(&mut known.steps);
        let mut found = Vec::with_capacity(steps.len());
        for (step, roots) in steps {
            let folders = before.remove(&step);
            let folders = folders.unwrap_or_else(|| Folders { roots, due: Instant::now(), used: None });
            found.push(folders.used);
            known.steps.insert(step, folders);
        }
        shared.changed.notify_one();
        found
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.lock().over = true;
            shared.changed.notify_one();
        }
    }
}

/// None where there is no thread to be had: then nobody looks, and the next look tries again.
fn begin() -> Option<Arc<Shared>> {
    let shared = Arc::new(Shared::default());
    let own = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("disks".into()).spawn(move || own.walk());
    thread.map(|_| shared).ok()
}

impl Shared {
    fn walk(&self) {
        let mut known = self.lock();
        while !known.over {
            let next = known.steps.iter().min_by_key(|(_, folders)| folders.due);
            let next = next.map(|(step, folders)| (step.clone(), folders.roots.clone(), folders.due));
            let now = Instant::now();
            known = match next {
                None => self.changed.wait(known).unwrap_or_else(PoisonError::into_inner),
                Some((_, _, due)) if due > now => {
                    let waited = self.changed.wait_timeout(known, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Some((step, roots, _)) => {
                    drop(known);
                    let used = roots.bytes();
                    let took = now.elapsed();
                    let mut known = self.lock();
                    let steps = u32::try_from(known.steps.len()).unwrap_or(u32::MAX);
                    if let Some(folders) = known.steps.get_mut(&step) {
                        folders.used = Some(used);
                        folders.due = Instant::now() + rest(took, steps);
                    }
                    known
                }
            };
        }
    }

    /// What is guarded is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the next walk through folders for which one took so long, where so many are walked through.
fn rest(took: Duration, steps: u32) -> Duration {
    EVERY.max(took.saturating_mul(SHARE).saturating_mul(steps))
}

/// Adds what went through the gateway, which is all that a container can have sent or received; requests that are under way
/// are not in it. Steps without a gate are not known there.
pub(crate) fn add_traffic(gateway: &Gateway, step: &StepId, figures: &mut Figures) {
    if let Some(metered) = gateway.metered(step) {
        figures.net_in_bytes = Some(metered.bytes_in);
        figures.net_out_bytes = Some(metered.bytes_out);
    }
}

/// Keeps what a look saw. Figures are no facts: what cannot be stored at once is left out.
pub(crate) fn keep(store: &mut Store, at: Timestamp, looks: &[(StepId, Figures)]) {
    let looks: Vec<(StepId, Look)> =
        looks.iter().map(|(step, figures)| (step.clone(), look(figures))).collect();
    if let Err(error) = store.add_figures(at, &looks, None) {
        tracing::debug!(%error, "figures of steps were not kept");
    }
}

/// What is kept of a step's figures.
pub(crate) fn look(figures: &Figures) -> Look {
    Look {
        cpu_percent: figures.cpu_percent,
        cpu_ms: figures.cpu_ms,
        memory_kib: (figures.memory_mib * 1024.0) as u64,
        pids: figures.pids,
        bytes: Bytes {
            disk_read: figures.disk_read_bytes,
            disk_written: figures.disk_written_bytes,
            net_in: figures.net_in_bytes,
            net_out: figures.net_out_bytes,
            disk_used: figures.disk_used_bytes,
        },
        spent: Spent::default(),
    }
}

/// The figures of a run's steps for `export`: each step's as `{task, attempt, step, points}`, at most some 500 points of
/// each.
pub(crate) fn export(
    store: &Store,
    run: &RunId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Value, StoreError> {
    /// Not shorter than from one look to the next.
    const LEAST: u64 = 2000;
    const POINTS: u64 = 500;
    let resolution = Millis((to.since(from).0 / POINTS).max(LEAST));
    // The last look may come just after the end.
    let to = Timestamp(to.0.saturating_add(60_000));
    let steps = store.figures(FiguresOf::Run(run), from, to, resolution)?;
    let steps = steps.iter().map(|figures| {
        json!({
            "task": figures.step.attempt.task,
            "attempt": figures.step.attempt.attempt,
            "step": figures.step.step,
            "points": figures.points.iter().map(point_json).collect::<Vec<_>>(),
        })
    });
    Ok(steps.collect())
}

/// Percent and MiB with one digit behind the point; what could not be seen is null.
fn point_json(point: &FigurePoint) -> Value {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    let mib = |kib: f64| tenth(kib / 1024.0);
    let (cpu, memory, bytes) = (point.cpu_percent, point.memory_kib, point.bytes);
    json!({
        "at": rfc3339(point.at),
        "span_ms": point.span.0,
        "cpu_percent": { "min": tenth(cpu.least), "avg": tenth(cpu.mean), "max": tenth(cpu.most) },
        "memory_mb": { "min": mib(memory.least), "avg": mib(memory.mean), "max": mib(memory.most) },
        "cpu_ms": point.cpu_ms,
        "pids": point.pids,
        "disk_read_bytes": bytes.disk_read,
        "disk_write_bytes": bytes.disk_written,
        "disk_used_bytes": bytes.disk_used,
        "net_in_bytes": bytes.net_in,
        "net_out_bytes": bytes.net_out,
    })
}

#[cfg(test)]
mod tests {
    use gadugi_core::{AttemptId, TaskId};

    use super::*;

    fn step(number: u32) -> StepId {
        let run = RunId::new("orchestration-20261121-090000-beef");
        StepId { attempt: AttemptId { run, task: TaskId::new("a"), attempt: 1 }, step: number }
    }

    fn until(watch: &mut DiskWatch, steps: &[(StepId, Holdings)], so: impl Fn(&[Option<u64>]) -> bool) {
        let begun = Instant::now();
        loop {
            let found = watch.look(steps.iter().cloned());
            if so(&found) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{found:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_steps_take_of_the_disk_is_found_by_and_by() {
        let dir = tempfile::tempdir().unwrap();
        let folders = |name: &str| Holdings {
            folders: vec![dir.path().join(name).join("workspace"), dir.path().join(name).join("home")],
            process: None,
        };
        for (folder, kib) in folders("a").folders.iter().zip([100, 200]) {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("file"), vec![1; kib << 10]).unwrap();
        }
        let mut watch = DiskWatch::default();
        assert_eq!(watch.look(std::iter::empty()), []);
        assert!(watch.shared.is_none(), "no thread where there is nothing to walk through");
        // The second has none of its folders yet.
        let steps = [(step(1), folders("a")), (step(2), folders("b"))];
        until(&mut watch, &steps, |found| found.iter().all(Option::is_some));
        let found = watch.look(steps.iter().cloned());
        assert!((300 << 10..400 << 10).contains(&found[0].unwrap()), "{found:?}");
        assert_eq!(found[1], Some(0));
        // A step that comes is walked through though the others rest; one that goes is forgotten.
        let steps = [(step(3), folders("a"))];
        until(&mut watch, &steps, |found| found[0].is_some());
        let shared = Arc::clone(watch.shared.as_ref().unwrap());
        assert_eq!(shared.lock().steps.len(), 1);
        drop(watch);
        let begun = Instant::now();
        while Arc::strong_count(&shared) > 1 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the thread ends with it");
            std::thread::yield_now();
        }
    }

    #[test]
    fn at_most_a_twentieth_of_the_time_is_spent_walking() {
        let millis = Duration::from_millis;
        assert_eq!(rest(millis(2), 4), EVERY);
        assert_eq!(rest(millis(100), 4), EVERY);
        assert_eq!(rest(millis(75), 200), Duration::from_secs(300));
        for steps in [1, 7, 200] {
            let share = f64::from(steps) * 3.0 / rest(Duration::from_secs(3), steps).as_secs_f64();
            assert!(share <= 0.05 + 1e-9, "{steps}: {share}");
        }
    }
}
