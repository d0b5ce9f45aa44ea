//! From the words of a request to an open file: the engine says which tasks and attempts there are, the request only chooses.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;
use gadugi_agents::AgentKind;
use gadugi_agents::transcript::Language;
use gadugi_core::{AttemptId, Event, StepId, StepKind};
use gadugi_engine::Handle;
use gadugi_engine::handle::{Located, News};
use tokio::sync::broadcast;

use super::file::{Folder, Readable};
use super::lines::Bounds;
use crate::app::Views;
use crate::error::ApiError;
use crate::wire::Stream;

/// Ends of steps that wait for a follower. One that is farther behind asks the engine.
const ENDINGS: usize = 256;

type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who knows which tasks there are.
pub(super) trait Source: Send + Sync {
    /// The task that is meant: in that run, else in the latest that has it.
    fn find(&self, run: Option<String>, task: String) -> Promise<'_, Result<Found, ApiError>>;

    /// What that step is for; none where it is not on record.
    fn kind(&self, step: StepId) -> Promise<'_, Result<Option<StepKind>, ApiError>>;

    /// Tells of each end of a step, wherever, from here on.
    fn endings(&self) -> broadcast::Receiver<Ended>;
}

/// An end of a step.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// Of this one.
    Step(Arc<StepId>),
    /// Perhaps of some that nobody can name.
    Some,
}

/// A task, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The folder of all runs.
    pub(super) runs: PathBuf,
    pub(super) now: Located,
}

/// A step's stream.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) found: Found,
    pub(super) attempt: u32,
    pub(super) step: u32,
    pub(super) folder: Folder,
    pub(super) file: Arc<Readable>,
    /// Plain, until [`language`] is asked.
    pub(super) language: Language,
    /// Bytes so far.
    pub(super) size: u64,
    /// Whether the step was over before that was looked up: then nothing follows.
    pub(super) ended: bool,
}

impl Opened {
    /// The step.
    pub(super) fn id(&self) -> StepId {
        let Located { run, task, .. } = self.found.now.clone();
        StepId { attempt: AttemptId { run, task, attempt: self.attempt }, step: self.step }
    }

    /// All of it that is there.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { size: self.size, ended: self.ended, entries: usize::MAX, bytes: usize::MAX }
    }
}

impl Found {
    /// Whether that step is over.
    pub(super) fn is_over(&self, attempt: u32, step: u32) -> bool {
        !(self.now.running.is_some() && (attempt, step) == (self.now.attempts, self.now.steps))
    }
}

/// Opens a step's stream; none named: the latest.
pub(super) fn open(
    found: &Found,
    attempt: Option<u32>,
    step: Option<u32>,
    stream: Stream,
) -> Result<Opened, ApiError> {
    if found.now.attempts == 0 {
        return Err(none("not-begun", format!("{} has not begun", found.now.task)));
    }
    let attempt = attempt.unwrap_or(found.now.attempts);
    if !(1..=found.now.attempts).contains(&attempt) {
        let message =
            format!("{} has no attempt {attempt}; there are {}", found.now.task, found.now.attempts);
        return Err(none("unknown-attempt", message));
    }
    let unknown =
        |error: io::Error, step: u32| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOENT) if !found.is_over(attempt, step) => none(
                "not-begun",
                format!("step {step} of attempt {attempt} of {} is being started", found.now.task),
            ),
            Some(rustix::io::Errno::NOENT) => none(
                "unknown-step",
                format!("attempt {attempt} of {} has no step {step} on record", found.now.task),
            ),
            _ => none(
                "unreadable",
                format!("step {step} of attempt {attempt} of {} cannot be read", found.now.task),
            ),
        };
    let number = attempt.to_string();
    let names = [found.now.run.as_str(), found.now.task.as_str(), &number];
    let step = match step {
        Some(step) => step,
        None if attempt == found.now.attempts => found.now.steps,
        None => {
            Folder::open(&found.runs, &names).and_then(|dir| dir.last_number()).ok().flatten().unwrap_or(0)
        }
    };
    if step == 0 {
        return Err(none("not-begun", format!("attempt {attempt} of {} has no step yet", found.now.task)));
    }
    let folder = Folder::open(&found.runs, &[names[0], names[1], names[2], &step.to_string()]);
    let folder = folder.map_err(|error| unknown(error, step))?;
    let name = if stream == Stream::Stdout { gadugi_exec::STDOUT } else { gadugi_exec::STDERR };
    let file = Arc::new(folder.file(name).map_err(|error| unknown(error, step))?);
    let size = file.size().map_err(|error| unknown(error, step))?;
    let ended = found.is_over(attempt, step);
    let (found, language) = (found.clone(), Language::Plain);
    Ok(Opened { found, attempt, step, folder, file, language, size, ended })
}

fn none(code: &str, message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, code, message)
}

/// What a step's stream is written in, by who wrote it: the agent, or a setup or check, whose lines are plain.
pub(super) async fn language(
    source: &dyn Source,
    opened: &Opened,
    stream: Stream,
) -> Result<Language, ApiError> {
    if stream == Stream::Stderr {
        return Ok(Language::Plain);
    }
    let now = &opened.found.now;
    // Not even the log is looked at for the one that everybody watches.
    let latest = (opened.attempt, opened.step) == (now.attempts, now.steps);
    let kind = match now.running.clone().filter(|_| latest) {
        Some(kind) => Some(kind),
        None => source.kind(opened.id()).await?,
    };
    // Who has no language of its own is read as plain lines.
    let agent = AgentKind::from_name(now.agent.as_str()).map_or(Language::Plain, Language::Agent);
    Ok(if matches!(kind, Some(StepKind::Agent { .. })) { agent } else { Language::Plain })
}

/// The engine in whose process this is.
struct Engine {
    views: Views,
    /// Made once somebody follows a stream.
    endings: OnceLock<broadcast::Receiver<Ended>>,
}

/// What the engine knows.
pub(super) fn engine(views: Views) -> Arc<dyn Source> {
    Arc::new(Engine { views, endings: OnceLock::new() })
}

impl Source for Engine {
    fn find(&self, run: Option<String>, task: String) -> Promise<'_, Result<Found, ApiError>> {
        Box::pin(async move {
            let now = self.views.locate(run.as_deref(), &task).await?;
            Ok(Found { runs: self.views.handle().layout().state_dir().join("runs"), now })
        })
    }

    fn kind(&self, step: StepId) -> Promise<'_, Result<Option<StepKind>, ApiError>> {
        Box::pin(async move { self.views.step_kind(&step).await })
    }

    fn endings(&self) -> broadcast::Receiver<Ended> {
        self.endings.get_or_init(|| tell_endings(self.views.handle().clone())).resubscribe()
    }
}

/// Tells of the ends of steps for as long as the engine is there.
fn tell_endings(handle: Handle) -> broadcast::Receiver<Ended> {
    let (sender, receiver) = broadcast::channel(ENDINGS);
    tokio::spawn(async move {
        // Where nobody follows a stream, nobody is told.
        let tell = |ended| drop(sender.send(ended));
        // One that lagged is closed, and whoever watches again may have missed an end.
        while let Ok(mut watch) = handle.watch().await {
            tell(Ended::Some);
            while let Some(news) = watch.news.recv().await {
                if let News::Event(fact) = news
                    && let Event::StepEnded { step, .. } = &fact.event
                {
                    tell(Ended::Step(Arc::new(step.clone())));
                }
            }
        }
    });
    receiver
}
