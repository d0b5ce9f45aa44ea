//! What stands between agents and the model API: the only way out of a container, and the only holder of the
//! credential.
//!
//! A [`Gateway`] serves one Unix socket for each step that was [admitted](Gateway::admit). Through it the step reaches the
//! model API, under a token that is good on that socket alone and for as long as the step lives, and, by way of an HTTP
//! proxy, the hosts that its run permits. What passes is metered ([`Metered`]), held to the step's budget before it
//! leaves, and paced together with everything else that leaves under the same [`Account`]. What the engine has to know
//! comes as [`Notice`]s.
//!
//! `serve.rs` takes connections, `api.rs` carries a request to the model API and back, `proxy.rs` one to an allowed host;
//! `pace.rs`, `ledger.rs` and `meter.rs` say when it may leave, whether it may, and what it came to.
//!
//! **Never in here:** what follows from a limit or a refusal for a run (the engine decides), a body of a request or an
//! answer in a log, a credential in anything but a request's head, a process, a repository.

mod account;
mod answer;
mod api;
mod gateway;
mod ledger;
mod limits;
mod log;
mod meter;
mod metered;
mod network;
mod notice;
mod pace;
mod prices;
mod proxy;
mod secret;
mod serve;
mod step;
mod token;
mod traffic;
mod upstream;

pub use account::{Account, AccountError, Credential, Proxies, Trust};
pub use gateway::{AdmitError, Gateway, Options, Permit, StartError};
pub use limits::RateLimit;
pub use log::metered_in_log;
pub use metered::{Costs, Metered, ModelMetered, Tokens};
pub use network::{Host, HostPort, HostPortError};
pub use notice::{Notice, SlowReason};
pub use prices::{Price, Prices};
pub use secret::Secret;
pub use token::Token;
