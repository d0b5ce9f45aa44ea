//! The attack suite: hostile agents inside containers of real runs, through the whole product, from the launch to the landing.
//! Each is asserted to achieve nothing on the host or on a neighbour.
//!
//! What one crate has to hold by itself is attacked beside that crate (the shim, the import, the gateway). Here many attackers run
//! side by side, each a task of its own with a witness of its own; what they do is in `kit.py`. They know all names and places on
//! the host, and not the secrets themselves. Each group has its control: what would be seen if there were a hole.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod arena;
mod gateway;
mod git;
mod odd;
mod reach;
mod refused;
#[path = "../stage/mod.rs"]
mod stage;
mod terminal;
