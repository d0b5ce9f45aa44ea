//! What every request can see: the engine's handle, what is remembered between requests, and whether the server is to end.

use std::fs;
use std::ops::Deref;
use std::sync::Arc;

use axum::http::StatusCode;
use gadugi_core::{Plan, RunSettings, StepId, StepKind, TaskId};
use gadugi_engine::Handle;
use gadugi_engine::handle::Located;
use gadugi_engine::protocol::{Reply, Request, RunView, TaskNotFound};
use tokio::sync::watch;

use crate::convert::{self, Known};
use crate::error::ApiError;
use crate::events::Hub;
use crate::extract::name;
use crate::history::Histories;
use crate::wire;

/// Runs that are looked through for a task: beyond so many, name the run.
const LOOKED_THROUGH: usize = 20;

/// Shared by all requests. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    views: Views,
    hub: Hub,
    leaving: watch::Receiver<bool>,
}

/// Runs and tasks as they stand. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Views(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: Handle,
    histories: Histories,
}

/// A run as it stands, with what was decided when it was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) view: Box<RunView>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Arc<RunSettings>,
}

impl Seen {
    pub(crate) fn run(&self) -> wire::Run {
        convert::run(&self.view)
    }

    pub(crate) fn tasks(&self) -> Vec<wire::Task> {
        convert::tasks(&self.view, self.known())
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known { plan: &self.plan, settings: &self.settings }
    }
}

impl App {
    /// To be called in the server's runtime.
    pub(crate) fn new(handle: Handle, leaving: watch::Receiver<bool>) -> Self {
        let views = Views(Arc::new(Inner { handle, histories: Histories::default() }));
        let hub = Hub::start(views.clone());
        Self { views, hub, leaving }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Turns true once the server is to end.
    pub(crate) fn leaving(&self) -> watch::Receiver<bool> {
        self.leaving.clone()
    }
}

impl Deref for App {
    type Target = Views;

    fn deref(&self) -> &Views {
        &self.views
    }
}

impl Views {
    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// The name of the repository's folder: which repository's page this is.
    pub(crate) fn repository(&self) -> String {
        let root = self.handle().layout().root();
        root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned()
    }

    /// How a run stands: by its id, a unique prefix of it, or `latest`.
    pub(crate) async fn run(&self, wanted: &str) -> Result<Seen, ApiError> {
        let wanted = name(wanted)?;
        let view = self.view((wanted != "latest").then(|| wanted.to_owned())).await?;
        self.seen(view).await
    }

    pub(crate) async fn seen(&self, view: Box<RunView>) -> Result<Seen, ApiError> {
        let (plan, settings) = self.handle().plan(&view.run).await?;
        Ok(Seen { view, plan, settings })
    }

    async fn view(&self, run: Option<String>) -> Result<Box<RunView>, ApiError> {
        match self.handle().ask(Request::Status { run }).await? {
            Reply::Run(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// The task that somebody means (its id, a unique prefix of it, its prompt's name) in that run, else in the latest run that has
    /// it.
    pub(crate) async fn locate(&self, run: Option<&str>, wanted: &str) -> Result<Located, ApiError> {
        let wanted = name(wanted)?;
        if let Some(run) = run {
            let run = name(run)?;
            let run = (run != "latest").then(|| run.to_owned());
            let meant = self.handle().locate(run, wanted.to_owned()).await?;
            return meant.map_err(|error| not_found(&error));
        }
        let Reply::Runs { runs } = self.handle().ask(Request::Runs).await? else {
            return Err(ApiError::internal("the engine has no list of runs"));
        };
        let mut first = None;
        for line in runs.into_iter().take(LOOKED_THROUGH) {
            // One run whose record is damaged keeps nobody from the others.
            let looked = self.handle().locate(Some(line.run.to_string()), wanted.to_owned()).await;
            let Ok(meant) = looked else { continue };
            match meant {
                Ok(located) => return Ok(located),
                Err(error @ TaskNotFound::Ambiguous { .. }) => return Err(not_found(&error)),
                Err(error) => first = first.or(Some(not_found(&error))),
            }
        }
        let none = || ApiError::new(StatusCode::NOT_FOUND, "no-runs", "nothing has been run here yet");
        Err(first.unwrap_or_else(none))
    }

    /// What a step is for; none where it is not on record.
    pub(crate) async fn step_kind(&self, step: &StepId) -> Result<Option<StepKind>, ApiError> {
        Ok(self.0.histories.kind(self.handle(), step).await?)
    }

    /// A run with all that a page shows of it.
    pub(crate) async fn detail(&self, seen: &Seen) -> Result<wire::RunDetail, ApiError> {
        let history = self.0.histories.of(self.handle(), &seen.view.run).await?;
        Ok(wire::RunDetail {
            seq: seen.view.seq,
            run: seen.run(),
            tasks: seen.tasks(),
            plan: convert::plan(&seen.plan),
            spans: history.spans(),
        })
    }

    /// A task with all that a page shows of it.
    pub(crate) async fn task_detail(&self, seen: &Seen, id: &TaskId) -> Result<wire::TaskDetail, ApiError> {
        let gone = || ApiError::internal(format!("{} has no task {id}", seen.view.run));
        let at = seen.view.tasks.iter().position(|task| task.id == *id).ok_or_else(gone)?;
        let planned = seen.plan.tasks.get(at).ok_or_else(gone)?;
        let history = self.0.histories.of(self.handle(), &seen.view.run).await?;
        let (layout, run, task) = (self.handle().layout().clone(), seen.view.run.clone(), id.clone());
        // Files are looked at where that keeps nobody waiting.
        let read = tokio::task::spawn_blocking(move || {
            let prompt =
                gadugi_sys::files::read_own(&layout.prompt(&run, &task), PROMPT_MAX).unwrap_or_default();
            let attempts = history.attempts(&task, |attempt, step| {
                let attempt = gadugi_core::AttemptId { run: run.clone(), task: task.clone(), attempt };
                let dir = layout.step_dir(&StepId { attempt, step });
                let size = |name: &str| fs::symlink_metadata(dir.join(name)).map_or(0, |meta| meta.len());
                (size("stdout.jsonl"), size("stderr.log"))
            });
            (String::from_utf8_lossy(&prompt).into_owned(), attempts)
        });
        let (prompt, attempts) = read.await.map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(wire::TaskDetail {
            seq: seen.view.seq,
            run: seen.view.run.to_string(),
            task: convert::task(&seen.view.tasks[at], at, seen.known()),
            plan: convert::planned_task(planned),
            prompt,
            attempts,
        })
    }
}

/// The longest prompt that is shown; none longer is accepted into a plan.
const PROMPT_MAX: u64 = 16 << 20;

pub(crate) fn unexpected(reply: &Reply) -> ApiError {
    tracing::error!(?reply, "the engine answered something else than was asked");
    ApiError::internal("the engine answered something else than was asked")
}

fn not_found(error: &TaskNotFound) -> ApiError {
    let (status, code) = match error {
        TaskNotFound::Unknown { .. } => (StatusCode::NOT_FOUND, "unknown-task"),
        TaskNotFound::Ambiguous { .. } => (StatusCode::BAD_REQUEST, "ambiguous-task"),
    };
    ApiError::new(status, code, error.to_string())
}
