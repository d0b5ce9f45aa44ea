//! What steps use: what is kept of it, and how much of the disk they take, which is found by walking through folders and so
//! slower than all else that is seen of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gadugi_core::{Event, Millis, Process, RunId, StepEnd, StepId, Timestamp, Usage};
use gadugi_exec::{Figures, disk_use, held_open};
use gadugi_gateway::Gateway;
use gadugi_store::{
    Bytes, FigurePoint, FiguresOf, Look, MachineLook, MachinePoint, Spent, Spread, Store, StoreError,
};
use gadugi_sys::clock::rfc3339;
use serde_json::{Value, json};

use crate::gate;
use crate::handle::MachineView;

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

/// Keeps what a look saw of steps and of the machine. Figures are no facts: what cannot be stored at once is left out.
pub(crate) fn keep(
    store: &mut Store,
    at: Timestamp,
    looks: &[(StepId, Look)],
    machine: Option<&MachineLook>,
) {
    if let Err(error) = store.add_figures(at, looks, machine) {
        tracing::debug!(%error, "figures were not kept");
    }
}

/// What is kept of a step's figures, and of what it has spent.
pub(crate) fn look(figures: &Figures, spent: Spent) -> Look {
    Look {
        cpu_percent: figures.cpu_percent,
        cpu_ms: figures.cpu_ms,
        memory_kib: (figures.memory_mib * 1024.0) as u64,
        pids: figures.pids,
        bytes: bytes(figures),
        spent,
    }
}

/// What of a step's figures is bytes.
pub(crate) fn bytes(figures: &Figures) -> Bytes {
    Bytes {
        disk_read: figures.disk_read_bytes,
        disk_written: figures.disk_written_bytes,
        net_in: figures.net_in_bytes,
        net_out: figures.net_out_bytes,
        disk_used: figures.disk_used_bytes,
    }
}

/// What is kept of a look at the machine.
pub(crate) fn machine(view: &MachineView) -> MachineLook {
    MachineLook {
        cpus: view.cpus,
        cpu_percent: view.cpu_percent,
        load: view.load,
        memory_total_mib: view.memory_total_mib,
        memory_available_mib: view.memory_available_mib,
        agents_mib: view.agents_memory_mib as u64,
        disk_free_mib: view.disk_free_mib,
        steps: view.steps,
    }
}

/// What a step has spent so far: by the gateway's count, where it has one; else as its agent says. An agent's own words are of
/// tokens alone until it ends: a cost of nothing is none that anybody knows.
pub(crate) fn spent(gateway: &Gateway, step: &StepId, said: Option<&Usage>) -> Spent {
    let metered = gateway.metered(step).filter(|metered| metered.requests > 0);
    let usage = match (metered, said) {
        (Some(metered), said) => gate::counted(&metered, said.map_or(0, |said| said.cost_microusd)),
        (None, Some(said)) => *said,
        (None, None) => return Spent::default(),
    };
    spent_of(&usage)
}

fn spent_of(usage: &Usage) -> Spent {
    let known = |value: u64| (value > 0).then_some(value);
    Spent { tokens: known(usage.tokens()), cost_microusd: known(usage.cost_microusd) }
}

/// The last look at steps that have ended, which holds what only their end tells: what they cost, and of those that were too
/// quick to be looked at, all there is. `seen` is what was last seen of a step.
pub(crate) fn last_looks<'a>(
    events: &[Event],
    seen: impl Fn(&StepId) -> Option<&'a Figures>,
) -> Vec<(StepId, Look)> {
    let ends = events.iter().filter_map(|event| match event {
        Event::StepEnded { step, end } => Some((step, end)),
        _ => None,
    });
    // Of one that never began there is nothing to see.
    let ends = ends.filter(|(_, end)| end.wall.0 > 0);
    ends.map(|(step, end)| (step.clone(), last_look(end, seen(step)))).collect()
}

fn last_look(end: &StepEnd, seen: Option<&Figures>) -> Look {
    let spent = end.agent.as_ref().map(|agent| spent_of(&agent.usage)).unwrap_or_default();
    let taken = &end.taken;
    let mut last = match seen {
        Some(figures) => look(figures, spent),
        None => Look {
            cpu_percent: end.cpu_ms as f64 * 100.0 / end.wall.0.max(1) as f64,
            memory_kib: end.peak_mib << 10,
            pids: taken.pids_peak.unwrap_or(1),
            spent,
            ..Look::default()
        },
    };
    last.cpu_ms = last.cpu_ms.max(end.cpu_ms);
    last.bytes.disk_written = last.bytes.disk_written.max(taken.disk_written_bytes);
    last.bytes.net_in = last.bytes.net_in.max(taken.net_in_bytes);
    last.bytes.net_out = last.bytes.net_out.max(taken.net_out_bytes);
    last
}

/// The figures of a run for `export`: of its steps, each as `{task, attempt, step, points}`, and what the machine had left
/// meanwhile; at most some 500 points of each.
pub(crate) fn export(
    store: &Store,
    run: &RunId,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Value, Value), StoreError> {
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
    let machine = store.machine(from, to, resolution)?;
    Ok((steps.collect(), machine.iter().map(machine_json).collect()))
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn spread(spread: Spread, unit: f64) -> Value {
    let Spread { least, mean, most } = spread;
    json!({ "min": tenth(least / unit), "avg": tenth(mean / unit), "max": tenth(most / unit) })
}

/// Percent and MiB with one digit behind the point; what could not be seen is null.
fn point_json(point: &FigurePoint) -> Value {
    let (bytes, spent) = (point.bytes, point.spent);
    json!({
        "at": rfc3339(point.at),
        "span_ms": point.span.0,
        "cpu_percent": spread(point.cpu_percent, 1.0),
        "memory_mb": spread(point.memory_kib, 1024.0),
        "cpu_ms": point.cpu_ms,
        "pids": point.pids,
        "disk_read_bytes": bytes.disk_read,
        "disk_write_bytes": bytes.disk_written,
        "disk_used_bytes": bytes.disk_used,
        "net_in_bytes": bytes.net_in,
        "net_out_bytes": bytes.net_out,
        "tokens": spent.tokens,
        "cost_usd": spent.cost_microusd.map(|microusd| microusd as f64 / 1e6),
    })
}

/// As above.
fn machine_json(point: &MachinePoint) -> Value {
    json!({
        "at": rfc3339(point.at),
        "span_ms": point.span.0,
        "cpus": point.cpus,
        "cpu_percent": point.cpu_percent.map(|cpu| spread(cpu, 1.0)),
        "load": point.load,
        "memory_total_mb": point.memory_total_mib,
        "memory_available_mb": point.memory_available_mib.map(|available| spread(available, 1.0)),
        "agents_memory_mb": spread(point.agents_mib, 1.0),
        "disk_free_mb": point.disk_free_mib,
        "steps": point.steps,
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
    fn a_steps_end_is_looked_at_once_more() {
        let usage = Usage { input_tokens: 70, output_tokens: 7, cost_microusd: 9000, ..Usage::default() };
        let ended = |step, wall| {
            let mut end = StepEnd::unseen(gadugi_core::StepExit::Code(0));
            (end.wall, end.cpu_ms, end.peak_mib) = (Millis(wall), 500, 20);
            end.agent = Some(gadugi_core::AgentEnd {
                class: gadugi_core::EndClass::Done,
                detail: String::new(),
                usage,
                turns: 1,
                no_change: None,
                claimed_phases: Vec::new(),
            });
            Event::StepEnded { step, end }
        };
        let known = Figures { cpu_percent: 12.5, cpu_ms: 300, memory_mib: 3.0, ..Figures::default() };
        let seen = |of: &StepId| (*of == step(1)).then_some(&known);
        let events = [ended(step(1), 2000), ended(step(2), 1000), ended(step(3), 0)];
        let looks = last_looks(&events, seen);
        let spent = Spent { tokens: Some(77), cost_microusd: Some(9000) };
        assert_eq!(looks.len(), 2, "one that never began was never seen");
        assert_eq!((looks[0].1.cpu_percent, looks[0].1.memory_kib), (12.5, 3072));
        assert_eq!((looks[0].1.cpu_ms, looks[0].1.spent), (500, spent));
        // Too quick for anybody to look.
        assert_eq!((looks[1].1.cpu_percent, looks[1].1.memory_kib), (50.0, 20 << 10));
        assert_eq!(looks[1].1.spent, spent);
        assert_eq!(spent_of(&Usage::default()), Spent::default(), "nothing is known, which is not nothing");
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
