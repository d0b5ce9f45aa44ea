//! The tables, version by version. A released version's text is never changed; a new one is added behind it.
//!
//! An old reader refuses a newer database ([`StoreError::Newer`]) and leaves it as it is; a new reader brings an
//! old database up to date when it opens it, each version in a transaction of its own.

use rusqlite::Connection;

use crate::StoreError;

/// Marks the file as gadugi's (`gadu`).
pub(crate) const APPLICATION_ID: i64 = 0x6761_6475;

/// The latest version of the tables that this program knows.
pub const KNOWN_VERSION: i64 = MIGRATIONS.len() as i64;

/// What makes version `n + 1` of version `n`.
const MIGRATIONS: [&str; 4] = [
    // Version 1. Numbers of events are never given twice, also after a run was deleted: readers keep them as
    // cursors. `body` is the event as compact JSON; `run` is there once more to be looked up by.
    "CREATE TABLE events (
         seq  INTEGER PRIMARY KEY AUTOINCREMENT,
         at   INTEGER NOT NULL,
         run  TEXT,
         body TEXT NOT NULL
     ) STRICT;
     CREATE INDEX events_by_run ON events (run, seq);
     CREATE TABLE runs (
         run         TEXT PRIMARY KEY,
         first_seq   INTEGER NOT NULL,
         started_at  INTEGER NOT NULL,
         finished_at INTEGER,
         tasks       INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;",
    // Version 2. What steps were measured to use. `span` is the length of what a row stands for, in milliseconds: 0 for
    // one look. Processors in tenths of a percent of one, memory in KiB, the rest in bytes; null where it could not be seen.
    // The key lets a look's rows come to lie side by side, at the end of their run's, and a run's go as one.
    "CREATE TABLE figure_runs (
         id  INTEGER PRIMARY KEY,
         run TEXT NOT NULL UNIQUE
     ) STRICT;
     CREATE TABLE figure_steps (
         id      INTEGER PRIMARY KEY,
         run     INTEGER NOT NULL,
         task    TEXT NOT NULL,
         attempt INTEGER NOT NULL,
         step    INTEGER NOT NULL,
         UNIQUE (run, task, attempt, step)
     ) STRICT;
     CREATE TABLE figures (
         run          INTEGER NOT NULL,
         span         INTEGER NOT NULL,
         at           INTEGER NOT NULL,
         step         INTEGER NOT NULL,
         looks        INTEGER NOT NULL,
         cpu_least    INTEGER NOT NULL,
         cpu_mean     INTEGER NOT NULL,
         cpu_most     INTEGER NOT NULL,
         memory_least INTEGER NOT NULL,
         memory_mean  INTEGER NOT NULL,
         memory_most  INTEGER NOT NULL,
         cpu_ms       INTEGER NOT NULL,
         pids         INTEGER NOT NULL,
         disk_read    INTEGER,
         disk_written INTEGER,
         net_in       INTEGER,
         net_out      INTEGER,
         disk_used    INTEGER,
         PRIMARY KEY (run, span, at, step)
     ) STRICT, WITHOUT ROWID;",
    // Version 3. What tasks came to, for later plans. `work` is a `PastWork` as JSON, `predicted` a list of
    // `[path, percent, source, came true]`, `writes` a list of paths or null.
    "CREATE TABLE past_tasks (
         id          INTEGER PRIMARY KEY,
         run         TEXT NOT NULL,
         task        TEXT NOT NULL,
         finished_at INTEGER NOT NULL,
         work        TEXT NOT NULL,
         title       TEXT NOT NULL,
         text        TEXT NOT NULL,
         predicted   TEXT NOT NULL,
         writes      TEXT,
         UNIQUE (run, task)
     ) STRICT;
     CREATE INDEX past_tasks_by_end ON past_tasks (finished_at);",
    // Version 4. What steps have used of the model API since their start: tokens, and millionths of a US dollar; null where
    // nobody knows. What the machine had left: `span` and `looks` as in `figures`; processors and load in hundredths, how busy all
    // processors were in tenths of a percent, the rest in MiB; null where it could not be read.
    "ALTER TABLE figures ADD COLUMN tokens INTEGER;
     ALTER TABLE figures ADD COLUMN cost INTEGER;
     CREATE TABLE machine (
         span            INTEGER NOT NULL,
         at              INTEGER NOT NULL,
         looks           INTEGER NOT NULL,
         cpus            INTEGER NOT NULL,
         cpu_least       INTEGER,
         cpu_mean        INTEGER,
         cpu_most        INTEGER,
         load            INTEGER,
         memory_total    INTEGER,
         available_least INTEGER,
         available_mean  INTEGER,
         available_most  INTEGER,
         agents_least    INTEGER NOT NULL,
         agents_mean     INTEGER NOT NULL,
         agents_most     INTEGER NOT NULL,
         disk_free       INTEGER,
         steps           INTEGER NOT NULL,
         PRIMARY KEY (span, at)
     ) STRICT, WITHOUT ROWID;",
];

/// What kind of file was opened, seen without changing it.
pub(crate) enum Found {
    /// An empty database.
    New,
    /// One of ours, of this version.
    Ours(i64),
}

/// Looks at a database and refuses what is not ours or newer.
pub(crate) fn look(connection: &Connection) -> Result<Result<Found, StoreError>, rusqlite::Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, version) {
        (0, 0) if tables == 0 => Ok(Found::New),
        (APPLICATION_ID, 0..=KNOWN_VERSION) => Ok(Found::Ours(version)),
        (APPLICATION_ID, found) if found > KNOWN_VERSION => {
            Err(StoreError::Newer { found, known: KNOWN_VERSION })
        }
        _ => Err(StoreError::Foreign),
    })
}

/// Brings the tables from version `from` to [`KNOWN_VERSION`].
pub(crate) fn migrate(connection: &mut Connection, from: i64) -> Result<(), rusqlite::Error> {
    for (before, step) in (0_i64..).zip(MIGRATIONS).skip_while(|(before, _)| *before < from) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", before + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
