//! Steps in containers, with a real engine.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;
#[path = "docker/stage.rs"]
mod stage;

#[path = "docker/ends.rs"]
mod ends;
