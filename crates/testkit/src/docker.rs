//! The real Docker Engine, for tests.
//!
//! `cargo xtask test` starts an engine of the tests' own, puts [`BASE_IMAGE`] and [`AGENT_IMAGE`] into it, and names
//! its socket in [`VARIABLE`]. Tests share that engine: each removes what it made and touches nothing else, and whoever has
//! to stop or kill an engine starts another, a [`TestEngine`].

mod engine;
mod leftovers;

pub use engine::{Options, TestEngine};

/// Names the socket of the tests' engine: `unix:///…`.
pub const VARIABLE: &str = "GADUGI_TEST_DOCKER";

/// Debian 12, minimal, with git and certificates.
pub const BASE_IMAGE: &str = "gadugi-test/base:bookworm";

/// The agent image on top of [`BASE_IMAGE`], built from `images/agent/Dockerfile`: Claude Code, uv, the usual tools.
pub const AGENT_IMAGE: &str = "gadugi-test/agent:bookworm";

/// The address of the tests' engine: `unix:///…`.
///
/// # Panics
/// Where [`VARIABLE`] does not name one. A test that needs an engine fails then, it is never left out.
pub fn socket() -> String {
    match gadugi_sys::env::get(VARIABLE) {
        Some(address) if address.starts_with("unix:///") => address,
        Some(address) => panic!("{VARIABLE}={address}: expected unix:///PATH"),
        None => {
            panic!("no Docker engine for tests: cargo xtask test starts one (or set {VARIABLE}=unix:///PATH)")
        }
    }
}
