//! The log, read beside the loop: everything here may be called from any thread, and only reads.

use gadugi_core::{Event, RunId, RunState, State};
use gadugi_store::Store;

use super::{Fact, unreadable};
use crate::driver::failure;
use crate::protocol::Failure;

/// Events that are read at a time: some 400 kB.
const PAGE: usize = 1000;

/// Facts above a number, each end of a run with its report.
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

/// How a run stood after that number; none where there is no such run. Page by page: its events, all at once, would take many
/// times the room that its state does.
pub(super) fn replay(store: &Store, run: &RunId, up_to: u64) -> Result<Option<RunState>, Failure> {
    let damaged = |detail: String| failure("store", format!("the record of {run} is damaged: {detail}"));
    let (mut state, mut at) = (State::default(), 0);
    loop {
        let page = store.events_after(Some(run), at, PAGE).map_err(|error| damaged(error.to_string()))?;
        let Some(last) = page.last() else { break };
        at = last.seq;
        for stored in page.iter().take_while(|stored| stored.seq <= up_to) {
            state.apply(stored.at, &stored.event).map_err(|illegal| damaged(illegal.to_string()))?;
        }
        if at >= up_to {
            break;
        }
    }
    Ok(state.runs.remove(run))
}
