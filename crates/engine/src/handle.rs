//! The engine, as other parts of its own process see it: what [`crate::client::Client`] is to other processes.
//!
//! Whatever a client may ask can be asked here, by the same code; beside that, everything can be watched at once
//! ([`Handle::watch`]), and what stands in the log is read from there, without the loop ([`Handle::events_after`],
//! [`Handle::figures`], [`Handle::summaries`]). The loop never waits for whoever holds a handle, nor does one keep the
//! engine from leaving: that do its clients alone.
//!
//! What a handle asks for is done by the engine's own threads, to its end, also where whoever asked is gone by then: a
//! landing that a browser asked for is recorded, whatever became of the browser. What it reads it reads in threads of
//! whoever asks.

mod located;
mod log;
mod summary;

use std::ops::Deref;
use std::sync::Arc;

use gadugi_core::{Millis, Plan, RunId, RunReport, RunSettings, StepId, TaskId, Timestamp};
pub use gadugi_gateway::RateLimit;
use gadugi_store::{FiguresOf, MachinePoint, StepFigures, Store, StoredEvent};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use crate::connection::{self, Inside, ask, unreadable};
use crate::driver::{Asked, failure};
use crate::layout::Layout;
use crate::protocol::{Activity, Failure, Reply, Request, TaskNotFound};
use crate::services;
use crate::view::EventLine;

pub use located::Located;
pub(crate) use summary::summary;
pub use summary::{Counts, RunSummary, Summaries};

/// An engine, from within its process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inside: Inside,
    /// Where what is asked for is done.
    engine: tokio::runtime::Handle,
}

/// A subscription to everything that happens to all runs.
#[derive(Debug)]
pub struct Watch {
    /// What was stored before, up to this number, is in the log; all that comes later is news.
    pub up_to: u64,
    /// The latest look at the machine.
    pub machine: MachineView,
    /// What happens from here on. It closes where its reader lags too far behind, and where the engine leaves: whoever
    /// watches again, and reads from the log what lies between, misses nothing.
    pub news: mpsc::Receiver<News>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum News {
    /// A durable fact. In the order of their numbers, none missing, none twice.
    Event(Arc<Fact>),
    /// What a task is doing. Not durable, at most four a second for each task, and left out where much waits to be read.
    Activity {
        /// The task's run.
        run: RunId,
        /// What it does.
        activity: Activity,
    },
    /// A look at the machine, every two seconds. With it, what running steps use is seen anew.
    Machine(MachineView),
}

/// A durable fact. As JSON it is what the contract says of events: `{seq, at, run, task?, attempt?, step?, type, …}`; the end
/// of a run carries its report.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The fact itself.
    pub stored: StoredEvent,
    /// Where it is the end of a run: what that came to.
    pub report: Option<Box<RunReport>>,
}

/// What the machine has and what all runs take of it, at one look. What cannot be seen is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineView {
    /// When.
    pub at: Timestamp,
    /// How busy all processors together were since the look before, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Processes that ran or waited to run, mean of the last minute.
    pub load: Option<f64>,
    /// Processors that the engine may use; 1.5 are one and a half.
    pub cpus: f64,
    /// Memory that could be had without swapping, MiB.
    pub memory_available_mib: Option<u64>,
    /// All the memory that there is for the engine, MiB.
    pub memory_total_mib: Option<u64>,
    /// What the steps that run have of it, MiB.
    pub agents_memory_mib: f64,
    /// Room on the disk of state or worktrees, whichever has less, MiB.
    pub disk_free_mib: Option<u64>,
    /// Attempts at a time, where a run names no number.
    pub slots: u32,
    /// Steps that run.
    pub steps: u32,
    /// Of the steps that run, when the one that was seen to live longest ago was seen to live; none where none runs.
    pub heartbeat: Option<Timestamp>,
    /// Why the gateway lets fewer requests through than agents would make; none: it lets all through.
    pub slowed: Option<String>,
}

/// Whose figures are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of all steps of a run.
    Run(RunId),
    /// Of all steps of a task.
    Task(RunId, TaskId),
    /// Of one step.
    Step(StepId),
}

/// What a task changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The patch in git's form, or as much of its beginning as was asked for. Any bytes: files hold any.
    pub bytes: Vec<u8>,
    /// Bytes of all of it.
    pub size: u64,
}

impl Handle {
    /// One that asks the engine behind `inside`; made in the engine's own runtime.
    pub(crate) fn new(inside: Inside) -> Self {
        Self { inside, engine: tokio::runtime::Handle::current() }
    }

    /// Asks as a client does, with the same answers. [`Request::Follow`] is refused: [`Handle::watch`] is for that.
    pub async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let inside = self.inside.clone();
        let answer = self.engine.spawn(async move { connection::answer(&inside, request).await });
        answer.await.map_err(|_| leaving())?
    }

    /// A task of a run, by the run's id or a unique prefix of it (none: the latest run), and by the task's id, a unique prefix of
    /// it, or its prompt's name. It costs the loop next to nothing, where [`Request::Status`] makes a view of the whole run.
    pub async fn locate(
        &self,
        run: Option<String>,
        task: String,
    ) -> Result<Result<Located, TaskNotFound>, Failure> {
        connection::locate(&self.inside, run, task).await
    }

    /// Subscribes to everything that happens from here on.
    pub async fn watch(&self) -> Result<Watch, Failure> {
        ask(&self.inside, Asked::Watch).await
    }

    /// The latest look at the machine.
    pub async fn machine(&self) -> Result<MachineView, Failure> {
        ask(&self.inside, Asked::Machine).await
    }

    /// At most `limit` facts with numbers above `after`, in order: of one run, or of all and of none.
    pub async fn events_after(
        &self,
        run: Option<&RunId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Fact>, Failure> {
        let run = run.cloned();
        self.read(move |store| log::facts(store, run.as_ref(), after, limit)).await
    }

    /// A run's plan and settings, as they were when it was accepted.
    pub async fn plan(&self, run: &RunId) -> Result<(Arc<Plan>, Arc<RunSettings>), Failure> {
        let id = run.clone();
        if let Some(known) = ask(&self.inside, |to| Asked::Plan(id, to)).await? {
            return Ok((known.plan, known.settings));
        }
        let id = run.clone();
        let recorded = Arc::clone(&self.inside.recorded);
        let state = self.read(move |store| recorded.state(store, &id)).await?;
        Ok((Arc::clone(&state.plan), Arc::clone(&state.settings)))
    }

    /// What steps were measured to use between two times (the later one left out), in spans of at least `resolution`.
    pub async fn figures(
        &self,
        whose: Whose,
        from: Timestamp,
        to: Timestamp,
        resolution: Millis,
    ) -> Result<Vec<StepFigures>, Failure> {
        self.read(move |store| {
            let of = match &whose {
                Whose::Run(run) => FiguresOf::Run(run),
                Whose::Task(run, task) => FiguresOf::Task(run, task),
                Whose::Step(step) => FiguresOf::Step(step),
            };
            store.figures(of, from, to, resolution).map_err(|error| unreadable(&error))
        })
        .await
    }

    /// What the machine had left between two times (the later one left out), in spans of at least `resolution`.
    pub async fn machine_figures(
        &self,
        from: Timestamp,
        to: Timestamp,
        resolution: Millis,
    ) -> Result<Vec<MachinePoint>, Failure> {
        self.read(move |store| store.machine(from, to, resolution).map_err(|error| unreadable(&error))).await
    }

    /// What model APIs, or agents that found their own way there, last said of the limits of accounts: since this engine began.
    pub fn limits(&self) -> Vec<RateLimit> {
        self.inside.world.gateway.limits()
    }

    /// At most `limit` runs in a line each, the latest first: those that came before the run `before`, where one is named.
    /// Runs that are over are read from the log, and what was found is kept until they change.
    pub async fn summaries(&self, limit: usize, before: Option<&RunId>) -> Result<Summaries, Failure> {
        let before = before.cloned();
        let (listed, more) = self.read(move |store| summary::page(store, limit, before.as_ref())).await?;
        let ids = listed.iter().map(|run| run.run.clone()).collect();
        let mut live = ask(&self.inside, |to| Asked::Summaries(ids, to)).await?;
        let known = Arc::clone(&self.inside.recorded);
        self.read(move |store| {
            let summary = |line: &gadugi_store::RunSummary| match live.remove(&line.run) {
                Some(summary) => summary,
                None => summary::recorded(store, &known, line),
            };
            Ok(Summaries { runs: listed.iter().map(summary).collect(), more })
        })
        .await
    }

    /// What a task has changed so far, at most `most` bytes of it. Fails with `not-begun` and `nothing-left` where there is
    /// nothing that could be shown.
    pub async fn diff(&self, run: RunId, task: TaskId, most: u64) -> Result<Patch, Failure> {
        let inside = self.inside.clone();
        let patch = self.engine.spawn(async move { services::patch(&inside, run, task).await });
        let path = patch.await.map_err(|_| leaving())??;
        let read = tokio::task::spawn_blocking(move || services::take_patch(&path, most)).await;
        let read = read.map_err(|error| failure("store", error.to_string()))?;
        let (bytes, size) = read.map_err(|error| failure("store", error.to_string()))?;
        Ok(Patch { bytes, size })
    }

    /// Where the repository's state lies.
    pub fn layout(&self) -> &Layout {
        &self.inside.world.layout
    }

    /// Reads the log in a thread of whoever asks.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.inside.read(work).await
    }
}

fn leaving() -> Failure {
    failure("leaving", "the engine is leaving")
}

impl Deref for Fact {
    type Target = StoredEvent;

    fn deref(&self) -> &StoredEvent {
        &self.stored
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventLine::new(&self.stored, self.report.as_deref()).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
