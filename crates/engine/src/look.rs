//! The periodic look at what runs and at the machine. It says what it sees; what follows from that is decided in the core.

use std::path::PathBuf;
use std::time::Instant;

use gadugi_core::{Millis, Process, Reading, StepId};
use gadugi_exec::{Figures, Sampler};

use crate::figures::{DiskWatch, Holdings};
use crate::layout::Layout;
use crate::machine::{self, Previous};
use crate::quiet::{self, Disk, Quiet, Running};
use crate::world::RunningStep;

/// What was seen.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) machine: Reading,
    /// The same for people.
    pub(crate) overview: Overview,
    /// Each step that runs: what its tree uses, where it can be seen, and how quiet it is.
    pub(crate) steps: Vec<(StepId, Option<Figures>, Quiet)>,
    /// How much of the disk each step was last found to take, bytes: also where nothing else of it can be seen.
    pub(crate) taken: Vec<(StepId, u64)>,
}

/// What the machine has, as people look at it. Whatever cannot be read is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Overview {
    /// How busy all processors together were since the look before, percent.
    pub(crate) cpu_percent: Option<f64>,
    /// Processes that ran or waited to run, mean of the last minute.
    pub(crate) load: Option<f64>,
    /// Processors that we may use.
    pub(crate) cpus: f64,
    /// Memory that can be taken without swapping, MiB.
    pub(crate) available_mib: Option<u64>,
    /// All the memory that there is for us, MiB.
    pub(crate) total_mib: Option<u64>,
    /// What the steps that run have of it, MiB.
    pub(crate) agents_mib: f64,
    /// Room on the disk, MiB.
    pub(crate) disk_free_mib: Option<u64>,
}

/// What of an attempt's folder counts as taken of the disk, beside its workspace: the step's own files have bounds of their
/// own.
const FOLDERS: [&str; 3] = ["home", "tmp", "cache"];

/// How many attempts this machine takes at once where nobody names a number and nothing is learnt yet, and what that comes
/// from, for people.
pub fn slots() -> (u32, String) {
    Looker::new(Layout::new("/")).look(Vec::new()).machine.first_slots()
}

/// Percent of the time in which somebody waits for a processor (`/proc/pressure/cpu`) that is too much: more of it makes
/// everybody slower and finishes nothing sooner.
const WAITS: f64 = 60.0;

/// A disk on which fewer files can be made than a small worktree has is full.
const FILES: u64 = 10_000;

/// Whoever looks: it keeps of each look what the next one needs.
pub(crate) struct Looker {
    layout: Layout,
    /// What the least room of counts: state and worktrees may lie on two disks.
    disks: Vec<PathBuf>,
    sampler: Sampler,
    machine: Previous,
    quiet: quiet::Watch,
    taken: DiskWatch,
}

impl Looker {
    pub(crate) fn new(layout: Layout) -> Self {
        let disks = vec![layout.root().to_owned(), layout.state_dir()];
        Self {
            layout,
            disks,
            sampler: Sampler::new(),
            machine: Previous::default(),
            quiet: quiet::Watch::default(),
            taken: DiskWatch::default(),
        }
    }

    /// Looks at those steps and at the machine. Blocks for as long as `/proc` and disks do: some milliseconds.
    pub(crate) fn look(&mut self, steps: Vec<RunningStep>) -> Sight {
        let roots: Vec<Process> = steps.iter().map(|step| step.process.clone()).collect();
        let mut figures = self.sampler.sample(&roots);
        let taken =
            self.taken.look(steps.iter().map(|step| (step.step.clone(), holdings(&self.layout, step))));
        for (figures, taken) in figures.iter_mut().zip(&taken) {
            figures.iter_mut().for_each(|figures| figures.disk_used_bytes = *taken);
        }
        let taken =
            steps.iter().zip(taken).filter_map(|(step, taken)| Some((step.step.clone(), taken?))).collect();
        let agents_mib = figures.iter().flatten().map(|figures| figures.own_mib).sum::<f64>();
        let (machine, overview) = self.machine(agents_mib);
        let dirs: Vec<PathBuf> = steps.iter().map(|step| self.layout.step_dir(&step.step)).collect();
        let running: Vec<Running<'_>> = steps
            .iter()
            .zip(&figures)
            .zip(&dirs)
            .map(|((step, figures), dir)| Running {
                step: &step.step,
                pulse: &step.pulse,
                cpu: figures.map(|figures| Millis(figures.cpu_ms)),
                dir,
                workspace: &step.workspace,
            })
            .collect();
        let quiet = self.quiet.look(Instant::now(), &running, &mut Disk);
        let steps = steps.into_iter().zip(figures).zip(quiet);
        let steps = steps.map(|((step, figures), quiet)| (step.step, figures, quiet)).collect();
        Sight { machine, overview, steps, taken }
    }

    fn machine(&mut self, agents_mib: f64) -> (Reading, Overview) {
        let mut reading = machine::Reading::default();
        let mut disk_free_mib = None;
        for disk in &self.disks {
            reading = machine::read(&mut self.machine, disk);
            let no_files = reading.inodes.is_some_and(|inodes| inodes < FILES);
            let free = if no_files { Some(0) } else { reading.disk_mib };
            disk_free_mib = disk_free_mib.into_iter().chain(free).min();
        }
        let waits = match (reading.cpu_pressure, reading.load, reading.cpus) {
            (Some(pressure), _, _) => pressure > WAITS,
            // Where the kernel does not say how much is waited for: two that want to run for each processor.
            (None, Some(load), Some(cpus)) => load > 2.0 * cpus,
            _ => false,
        };
        let percent = |value: f64| value.round().clamp(0.0, 100.0) as u32;
        let overview = Overview {
            cpu_percent: reading.busy_percent,
            load: reading.load,
            cpus: reading.cpus.unwrap_or(1.0),
            available_mib: reading.available_mib,
            total_mib: reading.total_mib,
            agents_mib,
            disk_free_mib,
        };
        let machine = Reading {
            // Whole ones: half a processor is one that is busy sooner.
            cpus: reading.cpus.map_or(1, |cpus| cpus.round().max(1.0) as u32),
            available_mib: reading.available_mib,
            agents_mib: agents_mib as u64,
            cpu_percent: if waits { Some(100) } else { reading.busy_percent.map(percent) },
            memory_stall_percent: reading.memory_pressure.map(percent),
            disk_free_mib,
            slowed: None,
        };
        (machine, overview)
    }
}

fn holdings(layout: &Layout, step: &RunningStep) -> Holdings {
    // Each step has those of its attempt, or its own.
    let own = [layout.attempt_dir(&step.step.attempt), layout.step_dir(&step.step)];
    let own = own.iter().flat_map(|dir| FOLDERS.map(|name| dir.join(name)));
    let folders = own.chain([step.workspace.clone()]).collect();
    Holdings { folders, process: Some(step.process.clone()) }
}
