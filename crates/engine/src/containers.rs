//! Whether tasks can run in containers here, for whoever decides that before there is a run.

use std::ffi::OsString;

use gadugi_exec::docker::Connection;
pub use gadugi_exec::docker::DockerError;
pub use gadugi_exec::image::DEFAULT_TAG as DEFAULT_IMAGE;
use gadugi_gateway::Account;
pub use gadugi_gateway::AccountError;

/// An engine that answers, and the image on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The engine, for people: `Docker 20.10.24 at /var/run/docker.sock`.
    pub engine: String,
    /// The image's name.
    pub image: String,
}

/// The container engine that the environment leads to, and the image; none: the one that gadugi makes.
pub async fn probe(environment: &[(OsString, OsString)], image: Option<&str>) -> Result<Found, DockerError> {
    let connection = Connection::open(environment).await?;
    let image = image.unwrap_or(DEFAULT_IMAGE);
    connection.image(image).await?;
    let engine = connection.engine();
    let name = if engine.podman { "Podman" } else { "Docker" };
    let rootless = if engine.rootless { ", rootless" } else { "" };
    let engine = format!("{name} {}{rootless} at {}", engine.version, engine.socket.display());
    Ok(Found { engine, image: image.to_owned() })
}

/// Whether the environment holds a key or token that the gateway can use in an agent's stead.
pub fn has_credential(
    environment: &[(OsString, OsString)],
    upstream: Option<&str>,
) -> Result<bool, AccountError> {
    Ok(Account::from_environment(environment, upstream)?.is_some())
}
