//! One of the executors.

use std::path::Path;

use crate::{Adoption, DockerExecutor, ExecError, LocalExecutor, StepFollower, StepOrder};

/// Where steps run.
#[derive(Clone, Debug)]
pub enum Executor {
    /// As processes of this machine.
    Local(LocalExecutor),
    /// Each in a container.
    Docker(DockerExecutor),
}

impl Executor {
    /// Starts a step, unless it has been started: then it is adopted. Returns when its process runs, or its end is
    /// known.
    pub async fn launch(&self, order: &StepOrder) -> Result<StepFollower, ExecError> {
        match self {
            Self::Local(local) => local.launch(order).await,
            Self::Docker(docker) => docker.launch(order).await,
        }
    }

    /// Finds out what became of a step that was launched earlier, by an executor of the same kind. Starts nothing.
    pub async fn adopt(&self, dir: &Path, attempt: &str) -> Result<Adoption, ExecError> {
        match self {
            Self::Local(local) => local.adopt(dir, attempt).await,
            Self::Docker(docker) => docker.adopt(dir, attempt).await,
        }
    }
}
