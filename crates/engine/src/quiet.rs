//! Signs of life of running steps, and for how long each has given none. What is to follow from that is decided
//! elsewhere (the core's two stages: suspect, stopped).
//!
//! Three things are signs: output (a line, or bytes in one of the step's two files), processor time of the whole tree, and
//! files touched in its workspace. Any one is enough: an agent that thinks writes a line for each piece of a thought, one
//! that compiles uses processors, one that waits for a download writes a file.
//!
//! Processor time is only a sign beyond what a process uses to do nothing. Claude Code 2.1.197 whose model API is silent was
//! measured for seven minutes, one try of 300 s and its repetition among them: 120 ms a minute, and 370 ms in the
//! worst minute; 80 ms a minute where the API sends a ping every 10 s; 350 ms where it sends five pieces of a thought a
//! second, each of which is also a line. Hence [`BUSY`]: a second in a minute, 1.7 % of one core.
//!
//! Quiet is measured by looks. A clock that is set does not matter (no clock is compared with a file's time), nor does a
//! machine that slept or an engine that was frozen: a gap between two looks counts as [`LONGEST_GAP`] at most.

mod files;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gadugi_core::{Millis, StepId};

pub(crate) use files::Disk;

/// So much processor time of the whole tree within [`WINDOW`] is a sign of life.
const BUSY: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(60);

/// The workspace is only looked into when nothing else has been seen for so long, and then no oftener than that: walking
/// it costs some 20 ms where it is large, so 200 silent agents (the model API is away) cost 3 % of a core.
const FILES_AFTER: Duration = Duration::from_secs(120);
const FILES_EVERY: Duration = Duration::from_secs(120);

/// More time than this between two looks was not spent looking. Looks are meant to be seconds apart.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// Told of every line by whoever follows the step; clones are one. Costs an atomic store for each line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    const AFTER_RESULT: u64 = 1;

    /// A line came. `result`: it was a final result of the agent's, so that it should end soon.
    pub(crate) fn line(&self, result: bool) {
        // There is one writer. The lowest bit tells the kind of the last line, the others count the lines.
        let lines = (self.0.load(Ordering::Relaxed) | Self::AFTER_RESULT).wrapping_add(1);
        self.0.store(lines | u64::from(result), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One running step, as it is known at a look.
#[derive(Clone, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) step: &'a StepId,
    pub(crate) pulse: &'a Pulse,
    /// Processor time of its tree since its start ([`gadugi_exec::Figures::cpu_ms`]); none where it cannot be seen.
    pub(crate) cpu: Option<Millis>,
    /// The step's folder.
    pub(crate) dir: &'a Path,
    /// Where it works.
    pub(crate) workspace: &'a Path,
}

/// How quiet a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quiet {
    /// For so long it has given no sign of life: 0 where it has since the look before.
    pub(crate) length: Millis,
    /// Whether its last line was a final result.
    pub(crate) after_result: bool,
}

/// What files look like: a number that is another one after a change, most certainly.
pub(crate) trait Files {
    /// Of the step's two output files.
    fn output(&mut self, dir: &Path) -> u64;
    /// Of the files in its workspace.
    fn workspace(&mut self, path: &Path) -> u64;
}

/// Remembers what was seen of each step.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    steps: HashMap<StepId, Signs>,
}

#[derive(Debug)]
struct Signs {
    looked: Instant,
    quiet: Duration,
    pulse: u64,
    output: u64,
    /// Where the present window of processor time begins, and what had been used by then.
    window: (Instant, Option<Millis>),
    /// What the workspace looked like, and when, in this time of quiet.
    workspace: Option<(Instant, u64)>,
}

impl Watch {
    /// Looks at all steps that run, every few seconds; those that are not among them any more are forgotten. May touch
    /// disks, and block for as long as they do.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        running: &[Running<'_>],
        files: &mut dyn Files,
    ) -> Vec<Quiet> {
        let mut before = std::mem::take(&mut self.steps);
        let mut all = Vec::with_capacity(running.len());
        for step in running {
            let known = before.remove(step.step);
            let mut signs = known.unwrap_or_else(|| Signs::new(now, step, files));
            signs.look(now, step, files);
            all.push(Quiet {
                length: millis(signs.quiet),
                after_result: signs.pulse & Pulse::AFTER_RESULT != 0,
            });
            self.steps.insert(step.step.clone(), signs);
        }
        all
    }
}

impl Signs {
    fn new(now: Instant, step: &Running<'_>, files: &mut dyn Files) -> Self {
        Self {
            looked: now,
            quiet: Duration::ZERO,
            pulse: step.pulse.read(),
            output: files.output(step.dir),
            window: (now, step.cpu),
            workspace: None,
        }
    }

    fn look(&mut self, now: Instant, step: &Running<'_>, files: &mut dyn Files) {
        let gap = now.saturating_duration_since(self.looked).min(LONGEST_GAP);
        self.looked = now;
        self.quiet += gap;
        let said = self.pulse != step.pulse.read();
        // All of them, so that each is up to date whatever the others say.
        let signs = [self.wrote(step, files), self.worked(now, step.cpu)];
        // After its result an agent is to end: a server that it left running, however busy, does not keep it.
        let over = self.pulse & Pulse::AFTER_RESULT != 0;
        if said || !over && (signs.contains(&true) || self.touched(now, step, files)) {
            self.quiet = Duration::ZERO;
            self.workspace = None;
        }
    }

    fn wrote(&mut self, step: &Running<'_>, files: &mut dyn Files) -> bool {
        let (pulse, output) = (step.pulse.read(), files.output(step.dir));
        let wrote = (pulse, output) != (self.pulse, self.output);
        (self.pulse, self.output) = (pulse, output);
        wrote
    }

    fn worked(&mut self, now: Instant, cpu: Option<Millis>) -> bool {
        let (begun, before) = self.window;
        let used = cpu.zip(before).map_or(0, |(now, before)| now.0.saturating_sub(before.0));
        let worked = u128::from(used) >= BUSY.as_millis();
        if worked || before.is_none() || now.saturating_duration_since(begun) >= WINDOW {
            self.window = (now, cpu);
        }
        worked
    }

    fn touched(&mut self, now: Instant, step: &Running<'_>, files: &mut dyn Files) -> bool {
        let due =
            self.workspace.is_none_or(|(looked, _)| now.saturating_duration_since(looked) >= FILES_EVERY);
        if self.quiet < FILES_AFTER || !due {
            return false;
        }
        let seen = files.workspace(step.workspace);
        let before = self.workspace.replace((now, seen));
        before.is_some_and(|(_, before)| before != seen)
    }
}

fn millis(length: Duration) -> Millis {
    Millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
