//! What is on record, read without an engine and without changing anything: for `doctor`.

use std::collections::BTreeSet;

use gadugi_store::{Store, StoreError};

use crate::driver::failure;
use crate::layout::Layout;
use crate::protocol::Failure;

/// What the log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Runs on record.
    pub runs: usize,
    /// Events of theirs that can be read.
    pub events: usize,
    /// What cannot be: run and reason, one line each.
    pub unreadable: Vec<String>,
    /// Runs that left files and are not on record.
    pub unrecorded: Vec<String>,
}

/// Reads every page and every row. None where nothing was ever recorded.
pub fn examine(layout: &Layout) -> Result<Option<Records>, Failure> {
    let folders = folders(layout);
    let database = layout.database();
    let nothing = !database.exists() && !database.with_extension("db-wal").exists();
    if nothing && folders.is_empty() {
        return Ok(None);
    }
    if nothing {
        return Ok(Some(Records { unrecorded: folders.into_iter().collect(), ..Records::default() }));
    }
    let read = || {
        let store = Store::open_to_read(&database)?;
        store.check()?;
        let mut records = Records { unrecorded: folders.into_iter().collect(), ..Records::default() };
        for summary in store.runs()? {
            records.runs += 1;
            records.unrecorded.retain(|run| run != summary.run.as_str());
            let mut state = gadugi_core::State::default();
            for row in store.rows(&summary.run)? {
                let read = row.map_err(|bad| format!("event {}: {}", bad.seq, bad.detail));
                let follows = read.and_then(|stored| {
                    let applied = state.apply(stored.at, &stored.event);
                    applied.map_err(|illegal| format!("event {}: {illegal}", stored.seq))
                });
                match follows {
                    Ok(()) => records.events += 1,
                    Err(why) => {
                        records.unreadable.push(format!("{}: {why}", summary.run));
                        break;
                    }
                }
            }
        }
        Ok(records)
    };
    read().map(Some).map_err(|error| cannot_be_read(&error))
}

/// The log cannot be used, and what mends it.
pub(crate) fn cannot_be_read(error: &StoreError) -> Failure {
    let (code, mend) = match error {
        StoreError::Newer { .. } => ("store-newer", "use the gadugi that wrote it, or a later one"),
        StoreError::Locked => ("store-locked", "end what holds it: fuser .gadugi/gadugi.db"),
        StoreError::Damaged { .. } => (
            "store-damaged",
            "mv .gadugi/gadugi.db* elsewhere; worktrees and branches stay: gadugi worktrees",
        ),
        StoreError::Foreign => ("store-foreign", "mv .gadugi/gadugi.db elsewhere"),
        StoreError::Full => ("store-full", "make room on the disk"),
        StoreError::Unwritable { .. } => ("store-unwritable", "ls -l .gadugi; make it writable"),
        StoreError::BadRow(_) | StoreError::Unexpected { .. } => ("store", "gadugi doctor"),
    };
    Failure { hint: Some(mend.to_owned()), ..failure(code, error.to_string()) }
}

/// Runs by the folders that they left.
fn folders(layout: &Layout) -> BTreeSet<String> {
    let entries = std::fs::read_dir(layout.state_dir().join("runs")).into_iter().flatten();
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
