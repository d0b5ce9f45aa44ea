//! The executor itself: what it holds, and what it can be asked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gadugi_sys::lock::FileLock;
use tokio::time::{Instant, sleep};

use super::connection::{AgentUser, Connection, Engine};
use super::error::DockerError;
use super::image::{Image, Images};
use super::record::LAUNCH_LOCK;
use crate::error::{ExecError, at};
use crate::executor::Adoption;
use crate::watch::Watcher;
use crate::{StepFollower, StepOrder, shim};

/// What the system has none of right now is waited for.
const SCARCE: Duration = Duration::from_secs(60);
const SCARCE_PAUSE: Duration = Duration::from_millis(250);

/// Starts, finds and follows steps as containers. Clones share one inotify instance.
#[derive(Clone, Debug)]
pub struct DockerExecutor {
    pub(super) connection: Connection,
    pub(super) shim: Arc<PathBuf>,
    pub(super) watcher: Arc<Watcher>,
    pub(super) images: Arc<Images>,
}

impl DockerExecutor {
    /// Connects with the engine that the environment asks for and puts the shim into `state_dir/bin`. Must be called
    /// inside a tokio runtime.
    pub async fn connect(
        environment: &[(OsString, OsString)],
        state_dir: &Path,
    ) -> Result<Self, DockerError> {
        Self::new(Connection::open(environment).await?, state_dir)
    }

    /// The same with a connection that is there already.
    pub fn new(connection: Connection, state_dir: &Path) -> Result<Self, DockerError> {
        let bin = state_dir.join("bin");
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| DockerError::File { path, source }
        };
        let bin = std::path::absolute(&bin).map_err(file(&bin))?;
        let shim = shim::install(&bin).map_err(file(&bin))?;
        let watcher = Watcher::new().map_err(file(Path::new("inotify")))?;
        Ok(Self { connection, shim: Arc::new(shim), watcher: Arc::new(watcher), images: Arc::default() })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.connection.engine()
    }

    /// The way to it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Who an agent is that works on a repository of that owner's (user, group).
    pub fn user_for(&self, owner: (u32, u32)) -> AgentUser {
        self.connection.user_for(owner)
    }

    /// Looks for an image. Steps are started from what it was found to be last, so a name means one image until it is looked
    /// for again.
    pub async fn image(&self, name: &str) -> Result<Image, DockerError> {
        self.images.look(&self.connection, name).await.map(Arc::unwrap_or_clone)
    }

    /// Starts a step in its container ([`StepOrder::container`]), unless it has been started: then it is adopted. Returns
    /// when its process runs, or its end is known. A step that could not be started inside is not an error here but ends
    /// with `NotStarted`.
    ///
    /// The launch runs to its end even where the caller stops waiting for it. Where it fails, nothing of the step runs, and its
    /// container is removed.
    pub async fn launch(&self, order: &StepOrder) -> Result<StepFollower, ExecError> {
        let (this, order) = (self.clone(), order.clone());
        match tokio::spawn(async move { this.launch_to_its_end(&order).await }).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ExecError::ShutDown),
        }
    }

    /// Finds out what became of a step that an earlier engine (or an earlier executor) launched. Starts nothing. A container
    /// whose step has not begun is removed.
    pub async fn adopt(&self, dir: &Path, attempt: &str) -> Result<Adoption, ExecError> {
        let until = Instant::now() + SCARCE;
        loop {
            match self.look_into(dir, attempt).await {
                // No descriptors, above all: no event tells when there are.
                Err(error) if error.may_pass() && Instant::now() < until => sleep(SCARCE_PAUSE).await,
                done => return done,
            }
        }
    }

    /// Keeps others from launching or adopting the step meanwhile.
    pub(super) async fn lock(&self, dir: &Path) -> Result<FileLock, ExecError> {
        let path = dir.join(LAUNCH_LOCK);
        let locking = tokio::task::spawn_blocking(move || FileLock::acquire(&path).map_err(at(path)));
        locking.await.map_err(|_| ExecError::ShutDown)?
    }
}
