//! The event log in SQLite: WAL, every commit forced to disk, one writer.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadugi_core::{Event, PastTask, RunId, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row, Transaction, params};

use crate::figures::{self, Memo};
use crate::past;
use crate::runs::{RunChange, RunSummary, change};
use crate::schema::{self, Found};
use crate::{KNOWN_VERSION, StoreError};

/// How long another process's hold on the database is waited out: readers such as a backup are brief.
const BUSY: Duration = Duration::from_secs(2);

/// Bytes of the header of a database file. Less than that is a torn file, whatever it once was.
const HEADER: u64 = 100;

/// A fact with its number and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its number: counts up over all runs, never given twice, gaps are possible.
    pub seq: u64,
    /// When it became true.
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

impl StoredEvent {
    /// Understands a row of the log: `body` is the event as JSON.
    pub fn read(seq: u64, at: Timestamp, body: &[u8]) -> Result<Self, BadRow> {
        serde_json::from_slice(body)
            .map(|event| Self { seq, at, event })
            .map_err(|error| BadRow { seq, detail: error.to_string() })
    }
}

/// A stored row that this program does not understand. The rows around it can still be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub detail: String,
}

/// The database. Dropped, it is closed.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    path: PathBuf,
    /// The version of its tables.
    pub(crate) version: i64,
    pub(crate) figures: Memo,
    /// Whether commits are not forced to disk at the moment, and the database is waited for by nobody.
    light: bool,
}

impl Store {
    /// Opens the database at `path`, makes it (mode 0600) where there is none, and brings an older one up to
    /// date. The folder must be there. What cannot be read, or belongs to a later version or another program, is
    /// an error and stays as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        inspect(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let sorted = |error: rusqlite::Error| StoreError::from_sqlite(&error, path);
        let mut connection = Connection::open_with_flags(path, flags).map_err(sorted)?;
        connection.busy_timeout(BUSY).map_err(sorted)?;
        // Where it may not be written SQLite opens it all the same, to be read.
        if connection.is_readonly("main").map_err(sorted)? {
            return Err(StoreError::Unwritable { detail: "it can only be read".into() });
        }
        let version = match schema::look(&connection).map_err(sorted)?? {
            Found::New => {
                // Before the first table, else it has no effect: the file shrinks when runs are deleted.
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(sorted)?;
                0
            }
            Found::Ours(version) => version,
        };
        // Answers with the mode that it came to; where shared memory is impossible that is another one, as durable.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(sorted)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(sorted)?;
        if version < KNOWN_VERSION {
            schema::migrate(&mut connection, version).map_err(sorted)?;
        }
        Ok(Self::of(connection, path, KNOWN_VERSION))
    }

    fn of(connection: Connection, path: &Path, version: i64) -> Self {
        Self { connection, path: path.to_owned(), version, figures: Memo::default(), light: false }
    }

    /// Opens a database that is there, only to read it: nothing is made, mended or changed, and an engine that lives is not
    /// in the way. To append is an error then.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        if size(path)? == 0 {
            return Err(StoreError::Damaged { detail: "the file is empty".into() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let sorted = |error: rusqlite::Error| StoreError::from_sqlite(&error, path);
        let connection = Connection::open_with_flags(path, flags).map_err(sorted)?;
        connection.busy_timeout(BUSY).map_err(sorted)?;
        let version = match schema::look(&connection).map_err(sorted)?? {
            Found::New => 0,
            Found::Ours(version) => version,
        };
        Ok(Self::of(connection, path, version))
    }

    /// Closes the database and opens it again. Closing moves what the journal holds into the database, also where somebody
    /// has removed the journal's name meanwhile; no other connection of this process may be open then.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        let nowhere = Connection::open_in_memory().map_err(|error| self.sorted(&error))?;
        let old = std::mem::replace(&mut self.connection, nowhere);
        // A client may read the log through a connection of its own: then this close is not the last, and does not itself
        // bring what stands in the journal into the database.
        let moved = old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        let moved = moved.map(drop).map_err(|error| self.sorted(&error));
        let closed = old.close().map_err(|(_, error)| self.sorted(&error));
        *self = Self::open(&self.path)?;
        moved.and(closed)
    }

    /// Stores events as one: after a success all of them survive a power cut, after an error none of them is
    /// there. Answers with their numbers, in order.
    pub fn append(&mut self, at: Timestamp, events: &[Event]) -> Result<Vec<u64>, StoreError> {
        self.append_with(at, events, &[])
    }

    /// The same, together with what tasks came to that these events end.
    pub fn append_with(
        &mut self,
        at: Timestamp,
        events: &[Event],
        past: &[PastTask],
    ) -> Result<Vec<u64>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let bodies: Vec<String> =
            events.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(|error| {
                StoreError::Unexpected { detail: format!("an event does not become JSON: {error}") }
            })?;
        self.become_light(false).map_err(|error| self.sorted(&error))?;
        self.transact(|transaction| {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events (at, run, body) VALUES (?1, ?2, ?3)")?;
            let mut numbers = Vec::with_capacity(events.len());
            for (event, body) in events.iter().zip(&bodies) {
                insert.execute(params![at.0, event.run().map(RunId::as_str), body])?;
                let seq = transaction.last_insert_rowid();
                project(transaction, seq, at, event)?;
                numbers.push(seq.unsigned_abs());
            }
            past::keep(transaction, past)?;
            Ok(numbers)
        })
    }

    /// All events of a run, in order. The first row that cannot be understood is an error; [`Self::rows`] reads
    /// around it.
    pub fn events(&self, run: &RunId) -> Result<Vec<StoredEvent>, StoreError> {
        self.rows(run)?.into_iter().map(|row| row.map_err(StoreError::BadRow)).collect()
    }

    /// All rows of a run, in order, each understood or not: one bad row hides no other.
    pub fn rows(&self, run: &RunId) -> Result<Vec<Result<StoredEvent, BadRow>>, StoreError> {
        self.read("SELECT seq, at, body FROM events WHERE run = ?1 ORDER BY seq", [run.as_str()])
    }

    /// At most `limit` events with numbers above `seq`, in order: of one run, or of all and of none.
    pub fn events_after(
        &self,
        run: Option<&RunId>,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (seq, limit) = (signed(seq), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = match run {
            Some(run) => self.read(
                "SELECT seq, at, body FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
                params![run.as_str(), seq, limit],
            ),
            None => self.read(
                "SELECT seq, at, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                params![seq, limit],
            ),
        }?;
        rows.into_iter().map(|row| row.map_err(StoreError::BadRow)).collect()
    }

    /// All runs, in the order in which they started.
    pub fn runs(&self) -> Result<Vec<RunSummary>, StoreError> {
        self.summaries("SELECT run, started_at, finished_at, tasks FROM runs ORDER BY first_seq")
    }

    /// Runs that are not over, in the order in which they started.
    pub fn unfinished_runs(&self) -> Result<Vec<RunId>, StoreError> {
        let runs = self.summaries(
            "SELECT run, started_at, finished_at, tasks FROM runs WHERE finished_at IS NULL ORDER BY first_seq",
        )?;
        Ok(runs.into_iter().map(|summary| summary.run).collect())
    }

    /// The run that started last.
    pub fn latest_run(&self) -> Result<Option<RunId>, StoreError> {
        let runs = self.summaries(
            "SELECT run, started_at, finished_at, tasks FROM runs ORDER BY first_seq DESC LIMIT 1",
        )?;
        Ok(runs.into_iter().next().map(|summary| summary.run))
    }

    /// The highest number ever given; 0 where nothing was stored yet.
    pub fn last_seq(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = self
            .connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| row.get(0))
            .optional()
            .map_err(|error| self.sorted(&error))?;
        Ok(last.unwrap_or(0).unsigned_abs())
    }

    /// Forgets a run: its events, its figures and its line in the list. The room goes back to the disk. What was learnt of its
    /// tasks stays ([`Self::past_tasks`]). `false` where there was no such run. Whether it may be forgotten is for the caller to know.
    pub fn delete_run(&mut self, run: &RunId) -> Result<bool, StoreError> {
        self.figures.forget(run);
        let known = self.transact(|transaction| {
            figures::delete(transaction, run)?;
            let events = transaction.execute("DELETE FROM events WHERE run = ?1", [run.as_str()])?;
            let lines = transaction.execute("DELETE FROM runs WHERE run = ?1", [run.as_str()])?;
            Ok(events + lines > 0)
        })?;
        if known {
            self.give_back().map_err(|error| self.sorted(&error))?;
        }
        Ok(known)
    }

    /// Makes the list of runs anew from the events, for tests that it says nothing else than they do.
    #[cfg(test)]
    pub(crate) fn rebuild_runs(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT seq, at, body FROM events WHERE run IS NOT NULL ORDER BY seq";
        let rows = self.read(sql, [])?;
        self.transact(|transaction| {
            transaction.execute("DELETE FROM runs", [])?;
            rows.iter()
                .flatten()
                .try_for_each(|stored| project(transaction, signed(stored.seq), stored.at, &stored.event))
        })
    }

    /// Reads every page and says whether the database is sound. Takes a moment: for `doctor`, not for every start.
    pub fn check(&self) -> Result<(), StoreError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| self.sorted(&error))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged { detail: verdict }) }
    }

    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        let path = &self.path;
        // Dropped without a commit, the transaction is rolled back.
        let run = || {
            let transaction = self.connection.transaction()?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|error| StoreError::from_sqlite(&error, path))
    }

    /// A transaction whose end is not waited for on the disk, and which waits for nobody: for what may be lost. Events that
    /// are stored later are forced to disk together with it.
    pub(crate) fn transact_lightly<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        self.become_light(true).map_err(|error| self.sorted(&error))?;
        let done = self.transact(work);
        // Where that fails, it is done before the next event.
        self.become_light(false).map_err(|error| self.sorted(&error))?;
        done
    }

    fn become_light(&mut self, light: bool) -> Result<(), rusqlite::Error> {
        if self.light == light {
            return Ok(());
        }
        // Light until all of it is undone.
        self.light = true;
        self.connection.busy_timeout(if light { Duration::ZERO } else { BUSY })?;
        self.connection.pragma_update(None, "synchronous", if light { "NORMAL" } else { "FULL" })?;
        self.light = light;
        Ok(())
    }

    fn read(&self, sql: &str, params: impl Params) -> Result<Vec<Result<StoredEvent, BadRow>>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(params, understand)?.collect::<Result<_, _>>()
        };
        read().map_err(|error: rusqlite::Error| self.sorted(&error))
    }

    fn summaries(&self, sql: &str) -> Result<Vec<RunSummary>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement
                .query_map([], |row| {
                    Ok(RunSummary {
                        run: RunId::new(row.get::<_, String>(0)?),
                        started_at: Timestamp(row.get(1)?),
                        finished_at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                        tasks: usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                    })
                })?
                .collect::<Result<_, _>>()
        };
        read().map_err(|error: rusqlite::Error| self.sorted(&error))
    }

    /// Gives free pages back to the disk. Each step of that statement frees one page.
    fn give_back(&self) -> Result<(), rusqlite::Error> {
        let mut statement = self.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    pub(crate) fn sorted(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(error, &self.path)
    }

    /// The connection, for tests that damage what is in it.
    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Looks at the file before SQLite does, which would take an emptied database for a new one and throw away the
/// journal that still holds its contents. Makes the file where there is none, and closes it to others.
///
/// An existing file is not opened here: to close it again would give up, by the rules of POSIX, the locks that
/// another connection of this process holds on it.
fn inspect(path: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| StoreError::from_io(&error);
    if size(path)? == 0 {
        OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(io)?;
        return Ok(());
    }
    let found = fs::metadata(path).map_err(io)?;
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    }
    Ok(())
}

/// The size of the file, in bytes; 0 where there is none. What cannot be a whole database is an error.
fn size(path: &Path) -> Result<u64, StoreError> {
    let size = match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(StoreError::Unwritable { detail: "it is no regular file".into() });
        }
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(StoreError::from_io(&error)),
    };
    match size {
        0 if fs::metadata(journal(path)).is_ok_and(|journal| journal.len() > 0) => {
            let detail = "the file is empty or gone, but its journal beside it (-wal) is not".into();
            Err(StoreError::Damaged { detail })
        }
        1..HEADER => Err(StoreError::Damaged { detail: format!("only {size} bytes are left of the file") }),
        _ => Ok(size),
    }
}

fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Keeps the list of runs in step with one event.
fn project(
    transaction: &Transaction<'_>,
    seq: i64,
    at: Timestamp,
    event: &Event,
) -> Result<(), rusqlite::Error> {
    let (Some(run), Some(change)) = (event.run(), change(event)) else { return Ok(()) };
    match change {
        RunChange::Started { tasks } => transaction
            .prepare_cached(
                "INSERT INTO runs (run, first_seq, started_at, tasks) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (run) DO UPDATE SET finished_at = NULL, tasks = excluded.tasks",
            )?
            .execute(params![run.as_str(), seq, at.0, i64::try_from(tasks).unwrap_or(i64::MAX)])?,
        RunChange::Finished => transaction
            .prepare_cached("UPDATE runs SET finished_at = ?2 WHERE run = ?1")?
            .execute(params![run.as_str(), at.0])?,
        RunChange::Reopened => transaction
            .prepare_cached("UPDATE runs SET finished_at = NULL WHERE run = ?1")?
            .execute([run.as_str()])?,
    };
    Ok(())
}

fn understand(row: &Row<'_>) -> Result<Result<StoredEvent, BadRow>, rusqlite::Error> {
    let seq = row.get::<_, i64>(0)?.unsigned_abs();
    let at = Timestamp(row.get(1)?);
    Ok(match row.get_ref(2)? {
        ValueRef::Text(body) | ValueRef::Blob(body) => StoredEvent::read(seq, at, body),
        _ => Err(BadRow { seq, detail: "its body is no text".into() }),
    })
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
