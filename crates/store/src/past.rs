//! What tasks of this repository came to: the table `past_tasks`, from which later plans learn.
//!
//! A row is written together with the event that ends its task, says nothing about how anything stands, and outlives the records of its run: whoever
//! puts those away wants room, not to forget how long things take. Each task has one row, that of its last end. The [`KEPT`] latest
//! are kept: with a text of 2 kB some 3 kB each, 30 MB at most.
//!
//! Whoever plans reads them through a connection of its own, beside an engine that writes ([`Store::open_to_read`]); 10,000 take some 40 ms.

use gadugi_core::{ClaimSource, Confidence, PastClaim, PastTask, PastWork, RunId, TaskId};
use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::store::Store;

/// The version of the tables that first had them.
const SINCE_VERSION: i64 = 3;

/// So many are kept, the latest.
pub const KEPT: usize = 10_000;

/// Bytes of a prompt that are kept: what it is about stands at its beginning.
pub const MAX_TEXT: usize = 2000;

/// How often those that are too many are looked for, in rows.
const TIDIED_EVERY: i64 = 100;

/// A claim as it is stored: path, stated percent, source, whether it came true.
#[derive(Serialize, Deserialize)]
struct Claim(String, u8, ClaimSource, Option<bool>);

impl Store {
    /// The latest tasks that are over, at most so many, the latest first. None from a database of before they were kept. A row
    /// that cannot be understood is left out.
    pub fn past_tasks(&self, limit: usize) -> Result<Vec<PastTask>, StoreError> {
        if self.version < SINCE_VERSION {
            return Ok(Vec::new());
        }
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT run, task, work, title, text, predicted, writes FROM past_tasks
                 ORDER BY finished_at DESC, id DESC LIMIT ?1",
            )?;
            let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], understand)?;
            rows.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error: rusqlite::Error| self.sorted(&error))
    }
}

/// Stores them; one that was there before is replaced.
pub(crate) fn keep(transaction: &Transaction<'_>, past: &[PastTask]) -> Result<(), rusqlite::Error> {
    for task in past {
        // What does not become JSON (a number that is none) is not worth an event.
        let (Ok(work), Ok(predicted), Ok(writes)) = (
            serde_json::to_string(&task.work),
            serde_json::to_string(&task.predicted.iter().map(claim).collect::<Vec<_>>()),
            task.writes.as_ref().map(serde_json::to_string).transpose(),
        ) else {
            continue;
        };
        let text = task.text.floor_char_boundary(MAX_TEXT);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO past_tasks (run, task, finished_at, work, title, text, predicted, writes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                task.run.as_str(),
                task.task.as_str(),
                task.work.finished_at.0,
                work,
                task.title,
                &task.text[..text],
                predicted,
                writes
            ])?;
        if transaction.last_insert_rowid() % TIDIED_EVERY == 0 {
            transaction.execute(
                "DELETE FROM past_tasks WHERE id IN
                     (SELECT id FROM past_tasks ORDER BY finished_at DESC, id DESC LIMIT -1 OFFSET ?1)",
                [i64::try_from(KEPT).unwrap_or(i64::MAX)],
            )?;
        }
    }
    Ok(())
}

fn claim(claim: &PastClaim) -> Claim {
    Claim(claim.path.clone(), claim.stated.0, claim.source, claim.written)
}

/// None: a row of somebody who knew more, or of nobody.
fn understand(row: &Row<'_>) -> Result<Option<PastTask>, rusqlite::Error> {
    fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
        serde_json::from_str(text).ok()
    }
    let (work, predicted) = (row.get_ref(2)?.as_str()?, row.get_ref(5)?.as_str()?);
    let writes = row.get_ref(6)?.as_str_or_null()?;
    let (Some(work), Some(predicted)) = (read::<PastWork>(work), read::<Vec<Claim>>(predicted)) else {
        return Ok(None);
    };
    let writes = match writes.map(read::<Vec<String>>) {
        Some(None) => return Ok(None),
        known => known.flatten(),
    };
    let claim = |Claim(path, stated, source, written)| PastClaim {
        path,
        stated: Confidence(stated),
        source,
        written,
    };
    Ok(Some(PastTask {
        run: RunId::new(row.get::<_, String>(0)?),
        task: TaskId::new(row.get::<_, String>(1)?),
        work,
        title: row.get(3)?,
        text: row.get(4)?,
        predicted: predicted.into_iter().map(claim).collect(),
        writes,
    }))
}
