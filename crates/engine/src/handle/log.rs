//! Facts as they stand in the log.

use gadugi_core::{Event, RunId};
use gadugi_store::Store;

use super::Fact;
use crate::connection::unreadable;
use crate::protocol::Failure;
use crate::recorded::replay;

/// Facts above a number, each end of a run with what it came to at that moment.
pub(super) fn facts(
    store: &Store,
    run: Option<&RunId>,
    after: u64,
    limit: usize,
) -> Result<Vec<Fact>, Failure> {
    let events = store.events_after(run, after, limit).map_err(|error| unreadable(&error))?;
    let mut facts = Vec::with_capacity(events.len());
    for stored in events {
        let report = match &stored.event {
            Event::RunFinished { run, .. } => {
                let state = replay(store, run, stored.seq)?;
                state.map(|state| Box::new(state.report(stored.at)))
            }
            _ => None,
        };
        facts.push(Fact { stored, report });
    }
    Ok(facts)
}
