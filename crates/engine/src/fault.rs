//! Deaths at chosen moments, for tests: the engine kills itself with SIGKILL, so that nothing unwinds, is dropped or
//! flushed. And lies about the machine, for moments that would not come otherwise. In a build without the feature `faults` nothing of this exists.
//!
//! `GADUGI_FAULT` names the moments, in the order in which they come, separated by blanks: a point and the number of
//! its occurrence in the life of one engine, as in `effect:launch-step:after:2 effect:adopt-step:before:1`. An engine is
//! armed with the first that has not fired yet: those that have are on record in the file that `GADUGI_FAULT_LOG`
//! names, because the next engine inherits the environment. The same file gets a line for each point that is passed, so
//! that a run without a fault says which there are.
//!
//! The points:
//! - `event:WORD:before`: a turn's facts, this one among them, are about to be stored; `event:WORD:after`: they are, and
//!   nobody was answered or told, and no effect of the turn has begun.
//! - `effect:WORD:before`: decided and durable, not begun; `effect:WORD:after`: done in the world, its report not heard.
//!   A step that is launched or adopted is done when it has ended; that it was found running is `effect:WORD:started`.
//!
//! Some moments only come to a machine on a bad day, and on a busy one they come when nobody wants them. Where
//! `GADUGI_FAULT_LIES` names a folder, the machine is idle, and a file in it brings such a moment about for as long as it
//! is there: `quiet`, no step gives a sign of life; `disk`, the disk is nearly full; `clock`, the clock jumps forward by
//! an hour, once, and the file goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use gadugi_core::{Effect, Event, Millis, Reading, Report, StepId};
use gadugi_sys::env;
use rustix::process::{Signal, getpid, kill_process};

use crate::look::Sight;

/// Where this engine dies.
const FAULT: &str = "GADUGI_FAULT";
/// What was passed and what has fired.
const LOG: &str = "GADUGI_FAULT_LOG";
/// Where files stand for what is not so.
const LIES: &str = "GADUGI_FAULT_LIES";
/// How a line in that file begins which says that a fault has fired.
const FIRED: &str = "fired ";

static FAULTS: LazyLock<Mutex<Faults>> = LazyLock::new(|| Mutex::new(Faults::from_environment()));

/// What this engine was told.
#[derive(Default)]
struct Faults {
    /// The point at which it dies, and at which of its occurrences.
    armed: Option<(String, u64)>,
    log: Option<PathBuf>,
    passed: BTreeMap<String, u64>,
    /// Steps that this engine found and did not launch.
    adopted: BTreeSet<StepId>,
}

/// These facts are about to be stored.
pub(crate) fn before_storing(events: &[Event]) {
    events.iter().for_each(|event| pass("event", event.word(), "before"));
}

/// These facts are stored.
pub(crate) fn after_storing(events: &[Event]) {
    events.iter().for_each(|event| pass("event", event.word(), "after"));
}

/// This effect is about to begin.
pub(crate) fn before_effect(effect: &Effect) {
    if let Effect::AdoptStep { step, .. } = effect {
        with(|faults| faults.adopted.insert(step.clone()));
    }
    pass("effect", effect.word(), "before");
}

/// This effect is done, where what it comes to is no report of its own.
pub(crate) fn after_effect(word: &'static str) {
    pass("effect", word, "after");
}

/// This is about to be heard.
pub(crate) fn before_report(report: &Report) {
    let (word, when) = match report {
        Report::IntegrationOpened { .. } => ("open-integration", "after"),
        Report::WorkspacePrepared { .. } => ("prepare-workspace", "after"),
        Report::StepStarted { step, .. } => (came_from(step), "started"),
        Report::StepEnded { step, .. } => (came_from(step), "after"),
        Report::WorkCollected { .. } => ("collect-work", "after"),
        Report::AnswerTaken { .. } => ("take-answer", "after"),
        Report::Composed { .. } => ("compose", "after"),
        Report::Advanced { .. } => ("advance", "after"),
        Report::Tidied { .. } => ("tidy-run", "after"),
        Report::WorkSalvaged { .. } => ("salvage-work", "after"),
        // What a step says on its way.
        Report::PhaseReached { .. }
        | Report::StepQuiet { .. }
        | Report::StepAlive { .. }
        | Report::DiskUsed { .. }
        | Report::AccountLimited { .. } => return,
    };
    pass("effect", word, when);
}

/// What was seen, but for what is not to be seen as it is.
pub(crate) fn lie(mut sight: Sight) -> Sight {
    /// Longer than a step may be quiet until it is suspected, shorter than until it is stopped.
    const QUIET: Millis = Millis::seconds(15 * 60);
    if env::get(LIES).is_none() {
        return sight;
    }
    sight.machine = Reading { cpu_percent: Some(0), memory_stall_percent: Some(0), ..sight.machine };
    if told("quiet") {
        sight.steps.iter_mut().for_each(|(_, _, quiet)| quiet.length = QUIET);
    }
    if told("disk") {
        sight.machine.disk_free_mib = Some(1);
    }
    sight
}

/// By how much the clock jumps now, in milliseconds.
pub(crate) fn jump() -> i64 {
    const HOUR: i64 = 60 * 60 * 1000;
    let file = env::get(LIES).map(|lies| PathBuf::from(lies).join("clock"));
    if file.is_some_and(|file| fs::remove_file(file).is_ok()) { HOUR } else { 0 }
}

fn told(lie: &str) -> bool {
    env::get(LIES).is_some_and(|lies| PathBuf::from(lies).join(lie).exists())
}

fn came_from(step: &StepId) -> &'static str {
    if with(|faults| faults.adopted.contains(step)) { "adopt-step" } else { "launch-step" }
}

fn pass(kind: &str, word: &str, when: &str) {
    with(|faults| faults.pass(&format!("{kind}:{word}:{when}")));
}

fn with<T>(what: impl FnOnce(&mut Faults) -> T) -> T {
    what(&mut FAULTS.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Faults {
    fn from_environment() -> Self {
        let log = env::get(LOG).map(PathBuf::from);
        let so_far = log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
        let fired = so_far.lines().filter(|line| line.starts_with(FIRED)).count();
        let faults = env::get(FAULT).unwrap_or_default();
        let armed = faults.split_whitespace().nth(fired).and_then(|fault| {
            let (point, occurrence) = fault.rsplit_once(':')?;
            Some((point.to_owned(), occurrence.parse().ok()?))
        });
        Self { armed, log, ..Self::default() }
    }

    fn pass(&mut self, point: &str) {
        let occurrence = self.passed.entry(point.to_owned()).or_default();
        *occurrence += 1;
        let occurrence = *occurrence;
        self.write(&format!("{point}:{occurrence}\n"));
        let dies = self.armed.as_ref().is_some_and(|(armed, number)| armed == point && *number == occurrence);
        if dies {
            self.write(&format!("{FIRED}{point}:{occurrence}\n"));
            die();
        }
    }

    /// What is written here is for the test that reads it: where it cannot be, the test finds out.
    fn write(&self, line: &str) {
        let Some(log) = &self.log else { return };
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(log) {
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// With the lock held: no other thread passes another point meanwhile.
fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}
