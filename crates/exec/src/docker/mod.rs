//! The container engine: Docker, or Podman where it speaks Docker's language.

mod connection;
mod endpoint;
mod error;

pub use connection::{AgentUser, Connection, Engine, EngineLimits};
pub use error::DockerError;
