//! From the words of a request to an open file: the engine says which tasks and attempts there are, the request only chooses.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;
use gadugi_agents::AgentKind;
use gadugi_agents::transcript::Language;
use gadugi_core::{Event, RunId, TaskId};
use gadugi_engine::Handle;
use gadugi_engine::handle::News;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::file::{Folder, Readable};
use super::lines::Bounds;
use crate::app::Views;
use crate::error::ApiError;
use crate::wire::Stream;

/// Bytes of a step's order that are read: its arguments have 2 MiB at most.
const ORDER: usize = 16 << 20;

type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who knows which tasks there are.
pub(super) trait Source: Send + Sync {
    /// The task that is meant: in that run, else in the latest that has it.
    fn find(&self, run: Option<String>, task: String) -> Promise<'_, Result<Found, ApiError>>;

    /// Changes whenever a step, somewhere, may have ended.
    fn endings(&self) -> watch::Receiver<u64>;
}

/// A task, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The folder of all runs.
    pub(super) runs: PathBuf,
    pub(super) run: RunId,
    pub(super) task: TaskId,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// Steps of the latest.
    pub(super) steps: u32,
    /// Whether the latest step of the latest attempt runs.
    pub(super) running: bool,
}

/// A step's stream.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) found: Found,
    pub(super) attempt: u32,
    pub(super) step: u32,
    pub(super) folder: Folder,
    pub(super) file: Arc<Readable>,
    pub(super) language: Language,
    /// Bytes so far.
    pub(super) size: u64,
    /// Whether the step was over before that was looked up: then nothing follows.
    pub(super) ended: bool,
}

impl Opened {
    /// All of it that is there.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { size: self.size, ended: self.ended, entries: usize::MAX, bytes: usize::MAX }
    }
}

impl Found {
    /// Whether that step is over.
    pub(super) fn is_over(&self, attempt: u32, step: u32) -> bool {
        !(self.running && (attempt, step) == (self.attempts, self.steps))
    }
}

/// Opens a step's stream; none named: the latest.
pub(super) fn open(
    found: &Found,
    attempt: Option<u32>,
    step: Option<u32>,
    stream: Stream,
) -> Result<Opened, ApiError> {
    if found.attempts == 0 {
        return Err(none("not-begun", format!("{} has not begun", found.task)));
    }
    let attempt = attempt.unwrap_or(found.attempts);
    if !(1..=found.attempts).contains(&attempt) {
        let message = format!("{} has no attempt {attempt}; there are {}", found.task, found.attempts);
        return Err(none("unknown-attempt", message));
    }
    let unknown = |error: io::Error, step: u32| match error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error)
    {
        Some(rustix::io::Errno::NOENT) if !found.is_over(attempt, step) => {
            none("not-begun", format!("step {step} of attempt {attempt} of {} is being started", found.task))
        }
        Some(rustix::io::Errno::NOENT) => {
            none("unknown-step", format!("attempt {attempt} of {} has no step {step} on record", found.task))
        }
        _ => none("unreadable", format!("step {step} of attempt {attempt} of {} cannot be read", found.task)),
    };
    let number = attempt.to_string();
    let names = [found.run.as_str(), found.task.as_str(), &number];
    let step = match step {
        Some(step) => step,
        None if attempt == found.attempts => found.steps,
        None => {
            Folder::open(&found.runs, &names).and_then(|dir| dir.last_number()).ok().flatten().unwrap_or(0)
        }
    };
    if step == 0 {
        return Err(none("not-begun", format!("attempt {attempt} of {} has no step yet", found.task)));
    }
    let folder = Folder::open(&found.runs, &[names[0], names[1], names[2], &step.to_string()]);
    let folder = folder.map_err(|error| unknown(error, step))?;
    let name = if stream == Stream::Stdout { gadugi_exec::STDOUT } else { gadugi_exec::STDERR };
    let file = Arc::new(folder.file(name).map_err(|error| unknown(error, step))?);
    let size = file.size().map_err(|error| unknown(error, step))?;
    let language = if stream == Stream::Stdout { language(&folder) } else { Language::Plain };
    let ended = found.is_over(attempt, step);
    Ok(Opened { found: found.clone(), attempt, step, folder, file, language, size, ended })
}

fn none(code: &str, message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, code, message)
}

/// What the step's standard output is written in. Its order tells checks, which are lines of a shell, from agents, of which all speak
/// alike so far.
fn language(folder: &Folder) -> Language {
    #[derive(Deserialize)]
    struct Order<'a> {
        #[serde(borrow)]
        argv: [&'a RawValue; 3],
    }
    let order = folder.file(gadugi_exec::SPEC).and_then(|file| file.read(0, ORDER)).unwrap_or_default();
    // The step can write it: nothing is built of what is not looked at.
    match serde_json::from_slice::<Order<'_>>(&order) {
        Ok(Order { argv: [shell, command, _] })
            if shell.get() == "\"/bin/sh\"" && command.get() == "\"-c\"" =>
        {
            Language::Plain
        }
        _ => Language::Agent(AgentKind::Claude),
    }
}

/// The engine in whose process this is.
struct Engine {
    views: Views,
    /// Made once somebody follows a stream.
    endings: OnceLock<watch::Receiver<u64>>,
}

/// What the engine knows.
pub(super) fn engine(views: Views) -> Arc<dyn Source> {
    Arc::new(Engine { views, endings: OnceLock::new() })
}

impl Source for Engine {
    fn find(&self, run: Option<String>, task: String) -> Promise<'_, Result<Found, ApiError>> {
        Box::pin(async move {
            let (view, task) = self.views.task(run.as_deref(), &task).await?;
            let now = view.tasks.iter().find(|now| now.id == task);
            let now = now.ok_or_else(|| ApiError::internal(format!("{} has no task {task}", view.run)))?;
            Ok(Found {
                runs: self.views.handle().layout().state_dir().join("runs"),
                run: view.run.clone(),
                attempts: now.attempts,
                steps: now.steps,
                running: now.step_kind.is_some(),
                task,
            })
        })
    }

    fn endings(&self) -> watch::Receiver<u64> {
        self.endings.get_or_init(|| tell_endings(self.views.handle().clone())).clone()
    }
}

/// Counts the ends of steps for as long as the engine is there.
fn tell_endings(handle: Handle) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        // One that lagged is closed, and whoever watches again may have missed an end.
        while let Ok(mut watch) = handle.watch().await {
            sender.send_modify(|count| *count += 1);
            while let Some(news) = watch.news.recv().await {
                if matches!(&news, News::Event(fact) if matches!(fact.event, Event::StepEnded { .. })) {
                    sender.send_modify(|count| *count += 1);
                }
            }
        }
    });
    receiver
}
