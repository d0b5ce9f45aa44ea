//! The container engine (Docker, or Podman where it speaks Docker's language) as a place where steps run.
//!
//! One container for each step. Its first process is the shim, which receives the step's folder over a socket and leaves the same
//! files there as beside a local step; so following, adopting and the end of a step are the same code, and an engine that is
//! restarted, or away, costs no byte and no exit status. What the shim recorded is how a step ended; the engine is the
//! witness of an end without a record.
//!
//! **Never in here:** the making of images, what mounts and labels mean, anything of networks: a container has none.

mod adopt;
mod connection;
mod container;
mod end;
mod endpoint;
mod error;
mod executor;
mod give;
mod handle;
mod handshake;
mod image;
mod launch;
mod reap;
mod record;
mod volume;

pub use connection::{AgentUser, Connection, Engine, EngineLimits};
pub use container::{ContainerOrder, GATE, Mount};
pub use error::DockerError;
pub use executor::DockerExecutor;
pub use handle::removed;
pub use image::Image;
pub use reap::Reaped;
pub use record::in_container;
pub use volume::Overlay;

pub(crate) use end::{child_of, recorded_end, witnessed_end};
pub(crate) use handle::ContainerHandle;
