//! The page's server, from outside: the real program, plain sockets, and no browser.
#![expect(unreachable_pub, reason = "one program, whose modules see each other")]
#![expect(clippy::unwrap_used, reason = "what does not come off is a failed test")]

#[path = "../stage/mod.rs"]
mod stage;

mod api;
mod client;
mod events;
mod limits;
mod strangers;
