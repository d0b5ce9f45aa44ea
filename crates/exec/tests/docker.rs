//! Steps in containers, with a real engine (`GADUGI_TEST_DOCKER`).
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;
#[path = "docker/stage.rs"]
mod stage;

#[path = "docker/adoption.rs"]
mod adoption;
#[path = "docker/ends.rs"]
mod ends;
#[path = "docker/engines.rs"]
mod engines;
#[path = "docker/refusals.rs"]
mod refusals;
#[path = "docker/stopping.rs"]
mod stopping;
#[path = "docker/walls.rs"]
mod walls;
