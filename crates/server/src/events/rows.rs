//! The list of runs: rows that changed, at most once a second.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gadugi_core::RunId;
use tokio::sync::Notify;

use super::hub::Hub;
use super::queue::text;
use crate::app::Views;
use crate::convert;
use crate::wire;

/// The latest runs, of which rows are sent.
pub(super) const ROWS: usize = 100;

const EVERY: Duration = Duration::from_secs(1);

/// Which rows may have changed.
#[derive(Clone, Debug)]
pub(super) struct Rows(Arc<State>);

#[derive(Debug, Default)]
struct State {
    touched: Mutex<HashSet<RunId>>,
    told: Notify,
}

impl State {
    fn touched(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    pub(super) fn start(views: Views, hub: Hub) -> Self {
        let rows = Self(Arc::default());
        // Held weakly: it ends with the hub that tells of changes.
        let state = Arc::downgrade(&rows.0);
        tokio::spawn(async move {
            let mut last = HashMap::new();
            while let Some(state) = state.upgrade() {
                let told = tokio::time::timeout(EVERY, state.told.notified()).await;
                if told.is_err() {
                    continue;
                }
                let touched = std::mem::take(&mut *state.touched());
                drop(state);
                send(&views, &hub, &touched, &mut last).await;
                tokio::time::sleep(EVERY).await;
            }
        });
        rows
    }

    /// Something happened to that run.
    pub(super) fn changed(&self, run: &RunId) {
        self.0.touched().insert(run.clone());
        self.0.told.notify_one();
    }

    /// What runs use changes without an event.
    pub(super) fn look(&self, anybody: bool) {
        if anybody {
            self.0.told.notify_one();
        }
    }
}

/// A run that something happened to is sent whatever it looks like now: a page may have seen it in between.
async fn send(views: &Views, hub: &Hub, touched: &HashSet<RunId>, last: &mut HashMap<String, wire::RunRow>) {
    let Ok(found) = views.handle().summaries(ROWS, None).await else { return };
    let rows: Vec<wire::RunRow> = found.runs.iter().map(convert::row).collect();
    let first = last.is_empty();
    let differs = |row: &wire::RunRow| {
        // Of a run that goes on the time does, too: pages have a clock of their own.
        let same =
            |before: &wire::RunRow| wire::RunRow { wall_seconds: row.wall_seconds, ..before.clone() } == *row;
        !first && !last.get(&row.id).is_some_and(same)
    };
    let is_touched = |row: &wire::RunRow| touched.contains(&RunId::new(row.id.as_str()));
    let changed: Vec<wire::RunRow> =
        rows.iter().filter(|row| is_touched(row) || differs(row)).cloned().collect();
    *last = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    if !changed.is_empty()
        && let Some(message) = text(&wire::Message::Runs { runs: changed })
    {
        hub.tell(message).await;
    }
}
