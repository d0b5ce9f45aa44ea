//! What tests, benches and the demo need in place of the world: a scripted model API that real Claude Code talks to
//! ([`model_api`]), where that Claude Code is ([`claude`]), a real Docker engine ([`docker`]), a browser and other
//! programs that are none of ours ([`programs`]), a seeded world of virtual time around the core
//! ([`simulator`]), and random graphs of tasks for its schedule ([`graphs`]).
//!
//! **Never in here:** anything that the `gadugi` binary is built from, a credential, a network beyond loopback, a double of
//! something that can be had for real.

pub mod claude;
pub mod docker;
pub mod graphs;
pub mod model_api;
pub mod programs;
pub mod simulator;
