//! What browsers and other tools see of an engine: the HTTP and WebSocket API, the page, metrics, notifications.
//!
//! It lives in the engine's process, in a runtime of its own, and sees the engine through its handle alone. What goes over the
//! wire is converted by hand from what the engine says ([`wire`]).
//!
//! **Never in here:** a second truth about a run (what the page shows is the engine's own view), a wish that the handle does not
//! know, text of an agent as markup, git, and a request that is answered before its host, its origin and its token were looked at.

mod api;
mod app;
mod assets;
mod convert;
mod entries;
mod error;
mod events;
mod extract;
mod guard;
mod history;
mod metrics;
pub mod notify;
mod routes;
mod serve;
mod server;
mod text;
pub mod wire;

pub use server::Server;
