//! `/api/events`: everything that happens, to every page that is open.
//!
//! The hub ([`hub`]) watches the engine once and gives each page the same bytes. How a run stands is asked of the engine, by one
//! task for each run that somebody watches ([`standing`]), at most five times a second however many look at it. A page has a queue
//! of its own ([`queue`]), bounded in number and bytes; one that does not read is cut off, and comes back with the number of the
//! last event that it has. What lies between it reads from the log ([`socket`]).

#![expect(unused_qualifications, reason = "utoipa writes the parameters' type out in full")]

mod hub;
mod queue;
mod rows;
mod socket;
mod standing;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Query, Upgrade, name};
use crate::wire;

pub(crate) use hub::Hub;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The last event that the client has: every one after it follows. None: a snapshot comes first.
    after: Option<u64>,
    /// The run that is watched; default: the latest, where there is a snapshot.
    run: Option<String>,
}

/// A WebSocket: a snapshot at a number of the log (or `resumed`), then every event after it, in order, none missing, none twice;
/// beside them how the watched run stands. The server says `Message`, the client says `Say`.
#[utoipa::path(
    get, path = "/api/events", tag = "events", params(Asked),
    responses(
        (status = 101, description = "Text messages: Message from the server, Say from the client. Closed with 4008 where the client \
            does not keep up (it comes back with `after`), with 1001 where the engine leaves, with 1009 for a message over 64 KiB",
            body = wire::Message),
        (status = 400, body = wire::Failure),
    )
)]
pub(crate) async fn events(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, ApiError> {
    asked.run.as_deref().map(name).transpose()?;
    Ok(upgrade.on_upgrade(move |socket| socket::converse(app, asked, socket)))
}
