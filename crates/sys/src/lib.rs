//! Gadugi's doors to the platform: the clock, the environment, files, locks, memory, processes, and
//! programs of the user's that are asked something.
//!
//! Every other crate goes through here, and `clippy.toml` closes the ways around it, so that a test or a
//! reader finds each kind of access to the machine in one place.
//!
//! **Never in here:** anything that knows what a run, a task or a prompt is.

pub mod clock;
pub mod env;
pub mod files;
pub mod lock;
pub mod memory;
pub mod process;
pub mod program;
