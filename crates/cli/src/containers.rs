//! Whether tasks run in containers: what was asked for, else what is there.

use std::collections::BTreeSet;

use gadugi_config::Resolved;
use gadugi_core::{ExecutorKind, Plan};
use gadugi_engine::containers::{self, DockerError, Found};
use gadugi_sys::env;

use crate::error::{Problem, Stop};

/// What makes the image.
pub(crate) const MAKE_IMAGE: &str = "gadugi image build";

/// What gives a token that containers can use.
pub(crate) const MAKE_TOKEN: &str = "claude setup-token, then export CLAUDE_CODE_OAUTH_TOKEN=…";

/// Decides where the tasks run that name nothing themselves, and what there is to say about it. Asked for, containers must be possible; else they
/// are taken where they are.
pub(crate) async fn decide(resolved: &mut Resolved, plan: &Plan) -> Result<Option<String>, Stop> {
    let wanted = match resolved.executor {
        Some(kind) => plan.tasks.iter().any(|task| task.executor.unwrap_or(kind) == ExecutorKind::Docker),
        None => plan.tasks.iter().any(|task| task.executor == Some(ExecutorKind::Docker)),
    };
    let open = resolved.executor.is_none() && plan.tasks.iter().any(|task| task.executor.is_none());
    if !wanted && !open {
        return Ok(None);
    }
    let found = look(resolved).await;
    match found {
        Ok(found) => {
            let needing = plan.tasks.iter().filter(|task| {
                let kind = task.executor.or(resolved.executor).unwrap_or(ExecutorKind::Docker);
                kind == ExecutorKind::Docker
            });
            let agents: BTreeSet<&str> =
                needing.map(|task| task.agent.as_deref().unwrap_or(&resolved.settings.agent)).collect();
            match credential(resolved, &agents) {
                Err(problem) if wanted => return Err(problem.into()),
                Err(problem) => return Ok(Some(format!("executor: local ({})", problem.message))),
                Ok(()) => {}
            }
            if open {
                resolved.settings.executor = ExecutorKind::Docker;
            }
            Ok(Some(format!("executor: docker ({}, image {})", found.engine, found.image)))
        }
        Err(error) if wanted => Err(problem(&error).into()),
        Err(error) => Ok(Some(format!("executor: local ({error})"))),
    }
}

/// What there is.
pub(crate) async fn look(resolved: &Resolved) -> Result<Found, DockerError> {
    containers::probe(&env::all(), resolved.settings.container.image.as_deref()).await
}

/// In a container an agent has no login but what the gateway holds for it.
fn credential(resolved: &Resolved, agents: &BTreeSet<&str>) -> Result<(), Problem> {
    if !agents.contains("claude") {
        return Ok(());
    }
    match containers::has_credential(&env::all(), resolved.settings.gateway.upstream.as_deref()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = "a login of your own cannot be used in containers, and there is no key or token in the environment";
            Err(Problem::environment("no-credential", message, Some(MAKE_TOKEN)))
        }
        Err(error) => Err(Problem::environment("bad-credential", error, None)),
    }
}

/// An engine or image that cannot be used, and what mends it.
pub(crate) fn problem(error: &DockerError) -> Problem {
    let (code, hint) = match error {
        DockerError::Absent { .. } => {
            ("no-container-engine", "install Docker or Podman and start it, or take --executor local")
        }
        DockerError::NoPermission { .. } => (
            "container-engine-permission",
            "sudo usermod -aG docker $USER, and log in again; or a rootless engine",
        ),
        DockerError::NotListening { .. } | DockerError::NotAnswering { .. } => {
            ("no-container-engine", "sudo systemctl start docker, or take --executor local")
        }
        DockerError::Remote { .. } | DockerError::OtherMachine { .. } => {
            ("remote-container-engine", "unset DOCKER_HOST, or docker context use default")
        }
        DockerError::ImageMissing { .. } => ("no-image", MAKE_IMAGE),
        DockerError::WrongArchitecture { .. } => ("wrong-image", MAKE_IMAGE),
        DockerError::NoSpace { .. } => ("disk-full", "docker system df, and make room there"),
        _ => ("container-engine", "gadugi doctor"),
    };
    Problem::environment(code, error, Some(hint))
}
