//! Runs that the loop does not hold in memory, read from the log beside it: old ones that somebody looks at. Everything here
//! only reads, and may be called from any thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadugi_core::{RunId, RunState, State};
use gadugi_store::{Store, StoreError};

use crate::driver::failure;
use crate::handle::RunSummary;
use crate::protocol::Failure;

/// Events that are read at a time: some 400 kB.
const PAGE: usize = 1000;

/// Runs whose state is kept: those that pages show, and a few that were just looked at. One of a thousand tasks takes some 5 MB.
const STATES: usize = 6;

/// Runs whose line in a list is kept; each takes some 500 bytes.
const SUMMARIES: usize = 10_000;

/// What was read, as long as nothing is appended to it.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The one that was looked at last stands last.
    states: Mutex<Vec<Kept<Arc<RunState>>>>,
    summaries: Mutex<HashMap<RunId, Kept<RunSummary>>>,
}

/// What was known of a run at a number of the log.
#[derive(Clone, Debug)]
struct Kept<T> {
    run: RunId,
    seq: u64,
    what: T,
}

impl<T> Kept<T> {
    /// Whether nothing of the run came after it.
    fn stands(&self, store: &Store) -> bool {
        store.events_after(Some(&self.run), self.seq, 1).is_ok_and(|later| later.is_empty())
    }
}

impl Recorded {
    /// How a run stands; fails where there is none, or its record is damaged.
    pub(crate) fn state(&self, store: &Store, run: &RunId) -> Result<Arc<RunState>, Failure> {
        let kept = lock(&self.states).iter().find(|kept| kept.run == *run).cloned();
        let kept = match kept.filter(|kept| kept.stands(store)) {
            Some(kept) => kept,
            None => {
                // Before it is read: what comes meanwhile is found to be later.
                let seq = store.last_seq().map_err(|error| unreadable(run, error))?;
                let state = whole(store, run)?;
                Kept { run: run.clone(), seq, what: Arc::new(state) }
            }
        };
        let state = Arc::clone(&kept.what);
        let mut states = lock(&self.states);
        states.retain(|other| other.run != *run);
        states.push(kept);
        if states.len() > STATES {
            states.remove(0);
        }
        Ok(state)
    }

    /// A run's line in a list: as it was made before, where that still stands; else as `make` makes it. Only that of a run that is
    /// over is kept: the length of another changes.
    pub(crate) fn summary(
        &self,
        store: &Store,
        run: &RunId,
        make: impl FnOnce(&RunState) -> RunSummary,
    ) -> Result<RunSummary, Failure> {
        let kept = lock(&self.summaries).get(run).cloned();
        if let Some(kept) = kept.filter(|kept| kept.stands(store)) {
            return Ok(kept.what);
        }
        let seq = store.last_seq().map_err(|error| unreadable(run, error))?;
        let state = whole(store, run)?;
        let summary = make(&state);
        if state.is_finished() {
            let mut summaries = lock(&self.summaries);
            if summaries.len() >= SUMMARIES {
                summaries.clear();
            }
            summaries.insert(run.clone(), Kept { run: run.clone(), seq, what: summary.clone() });
        }
        Ok(summary)
    }
}

/// How a run stands by all of its record.
fn whole(store: &Store, run: &RunId) -> Result<RunState, Failure> {
    replay(store, run, u64::MAX)?.ok_or_else(|| failure("unknown-run", format!("there is no run {run}")))
}

/// How a run stood after that number; none where there is no such run. Page by page: its events, all at once, would take many
/// times the room that its state does.
pub(crate) fn replay(store: &Store, run: &RunId, up_to: u64) -> Result<Option<RunState>, Failure> {
    Ok(replay_into(State::default(), store, run, up_to)?.runs.remove(run))
}

/// The same, with what is known beside it.
pub(crate) fn replay_into(
    mut state: State,
    store: &Store,
    run: &RunId,
    up_to: u64,
) -> Result<State, Failure> {
    let mut at = 0;
    while at < up_to {
        let page = store.events_after(Some(run), at, PAGE).map_err(|error| unreadable(run, error))?;
        let Some(last) = page.last() else { break };
        at = last.seq;
        for stored in page.iter().take_while(|stored| stored.seq <= up_to) {
            state.apply(stored.at, &stored.event).map_err(|illegal| damaged(run, &illegal.to_string()))?;
        }
    }
    Ok(state)
}

/// What is said of a record that cannot be read.
pub(crate) fn unreadable(run: &RunId, error: StoreError) -> Failure {
    match error {
        StoreError::BadRow(bad) => damaged(run, &format!("event {}: {}", bad.seq, bad.detail)),
        error => failure("store", error.to_string()),
    }
}

/// What is said of one that says what cannot be.
fn damaged(run: &RunId, detail: &str) -> Failure {
    failure("store", format!("the record of {run} is damaged: {detail}"))
}

/// Plain maps: each holder leaves them whole, so what they hold is still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
