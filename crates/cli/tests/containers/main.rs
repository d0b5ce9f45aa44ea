//! Whole runs in containers: a real engine, real Claude Code inside where an agent's own doings matter, and a scripted
//! Messages API outside. What is proved here is what people see: ends, files, figures, words, and that nothing is left.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]
#![expect(clippy::disallowed_methods, reason = "a test waits for other processes")]

mod engines;
mod limits;
mod network;
mod questions;
mod refusals;
mod restarts;
mod scene;
mod sealed;
#[path = "../stage/mod.rs"]
mod stage;
mod twelve;
mod upstream;
