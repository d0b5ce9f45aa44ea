//! The page in real Chromium, served by a real engine in whose runs real Claude Code works against the scripted Messages API.
//!
//! A scenario (`dashboard/e2e/*.mjs`) looks at the page as a person does; the test beside it lets agents go on, kills the engine, cuts
//! the network, and holds what the page showed against the event log. What the browser complains of (console, exceptions, the page's
//! policy, requests to anywhere else) fails the scenario. Pictures of the views go to `target/screenshots`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what is not as it should be fails the test"
)]

mod browser;
mod hostile;
mod network;
mod scene;
#[path = "../stage/mod.rs"]
mod stage;
mod trouble;
mod whole_run;
