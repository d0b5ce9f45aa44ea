//! Whether tasks run in containers: what was asked for, else what is there; and in which image.

mod devcontainer;

use std::collections::{BTreeSet, HashMap};

use gadugi_config::Resolved;
use gadugi_core::{ExecutorKind, Plan};
use gadugi_exec::docker::{Connection, DockerError};
use gadugi_exec::image::{self, DEFAULT_TAG};
use gadugi_sys::env;

use crate::error::{Problem, Stop};
use crate::output::Manner;
use crate::place::Place;
use crate::programs;

/// What gives a token that containers can use.
pub(crate) const MAKE_TOKEN: &str = "claude setup-token, then export CLAUDE_CODE_OAUTH_TOKEN=…";

/// An engine that answers, and the image on it.
#[derive(Debug)]
pub(crate) struct Found {
    connection: Connection,
    image: String,
}

impl Found {
    /// Both, for people.
    pub(crate) fn words(&self) -> String {
        let engine = self.connection.engine();
        let name = if engine.podman { "Podman" } else { "Docker" };
        let rootless = if engine.rootless { ", rootless" } else { "" };
        let socket = engine.socket.display();
        format!("{name} {}{rootless} at {socket}, image {}", engine.version, self.image)
    }
}

/// Decides where the tasks run that name nothing themselves, and what there is to say about it. Asked for, containers must be
/// possible; else they are taken where they are.
pub(crate) async fn decide(
    place: &Place,
    resolved: &mut Resolved,
    plan: &Plan,
    manner: Manner,
) -> Result<Option<String>, Stop> {
    let kind = |task: &gadugi_core::PlannedTask, open| task.executor.or(resolved.executor).unwrap_or(open);
    let wanted = plan.tasks.iter().any(|task| kind(task, ExecutorKind::Local) == ExecutorKind::Docker);
    let open = resolved.executor.is_none() && plan.tasks.iter().any(|task| task.executor.is_none());
    if !wanted && !open {
        return Ok(None);
    }
    let inside = plan.tasks.iter().filter(|task| kind(task, ExecutorKind::Docker) == ExecutorKind::Docker);
    let agents: BTreeSet<String> =
        inside.map(|task| task.agent.clone().unwrap_or_else(|| resolved.settings.agent.clone())).collect();
    match possible(place, resolved, plan, &agents, Wish { wanted, manner }).await {
        Ok(found) => {
            if open {
                resolved.settings.executor = ExecutorKind::Docker;
            }
            resolved.settings.container.image = Some(found.image.clone());
            Ok(Some(format!("executor: docker ({})", found.words())))
        }
        Err(stop) if wanted => Err(stop),
        Err(stop) => Ok(Some(format!("executor: local ({})", stop.first_words()))),
    }
}

/// How containers are asked for.
#[derive(Clone, Copy)]
struct Wish {
    /// Somebody asked for them: then an image is built that has to be.
    wanted: bool,
    manner: Manner,
}

/// Engine, image, what is in the image, and a credential. The settings are changed where all of them are there.
async fn possible(
    place: &Place,
    resolved: &mut Resolved,
    plan: &Plan,
    agents: &BTreeSet<String>,
    wish: Wish,
) -> Result<Found, Stop> {
    let connection = Connection::open(&env::all()).await.map_err(Problem::from)?;
    credential(resolved, agents)?;
    let mut settings = resolved.settings.container.clone();
    if settings.image.is_none() {
        settings.image = devcontainer::image(place, &connection, &plan.base, &mut settings, wish).await?;
    }
    let named = settings.image.clone();
    let image = named.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
    connection.image(&image).await.map_err(|error| missing(error, named.as_deref()))?;
    check(&connection, &image, resolved, agents).await?;
    resolved.settings.container = settings;
    Ok(Found { connection, image })
}

/// The image of somebody else's is not made by gadugi.
fn missing(error: DockerError, named: Option<&str>) -> Problem {
    match (&error, named) {
        (DockerError::ImageMissing { .. }, Some(name)) if name != DEFAULT_TAG => {
            let hint = format!("docker pull {name}, or gadugi image build --tag {name}");
            Problem { hint: Some(hint), ..Problem::from(error) }
        }
        _ => error.into(),
    }
}

/// Whether the image holds what steps in it need.
async fn check(
    connection: &Connection,
    image: &str,
    resolved: &Resolved,
    agents: &BTreeSet<String>,
) -> Result<(), Stop> {
    let programs = agents.iter().filter_map(|agent| programs::of_agent(agent, &resolved.settings));
    // Without an agent's program of its own, a shell and git are looked for.
    let programs: Vec<String> = programs.collect();
    let wanted = if programs.is_empty() { vec!["sh".to_owned()] } else { programs };
    for program in &wanted {
        let labels = HashMap::from([("gadugi.check".to_owned(), "image".to_owned())]);
        let found =
            image::check_image(connection, image, program, None, labels).await.map_err(Problem::from)?;
        let mut missing = found.missing(program);
        missing.sort_unstable();
        missing.dedup();
        let missing = missing.join(", ");
        if !missing.is_empty() {
            let message = format!("the image {image} has no {missing}");
            let hint = "add it to the image, or take the one of gadugi image build";
            return Err(Problem::environment("image-incomplete", message, Some(hint)).into());
        }
    }
    Ok(())
}

/// The engine and the image as they are without a plan: for `doctor`.
pub(crate) async fn look(resolved: &Resolved) -> Result<Found, Problem> {
    let connection = Connection::open(&env::all()).await?;
    let named = resolved.settings.container.image.as_deref();
    let image = named.unwrap_or(DEFAULT_TAG).to_owned();
    connection.image(&image).await.map_err(|error| missing(error, named))?;
    Ok(Found { connection, image })
}

/// In a container an agent has no login but what the gateway holds for it.
fn credential(resolved: &Resolved, agents: &BTreeSet<String>) -> Result<(), Problem> {
    if !agents.contains("claude") {
        return Ok(());
    }
    match gadugi_engine::has_credential(&env::all(), &resolved.settings) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = "containers need a key or token in the environment: a login of your own cannot be used in them";
            Err(Problem::environment("no-credential", message, Some(MAKE_TOKEN)))
        }
        Err(words) => Err(Problem::environment("bad-credential", words, None)),
    }
}
