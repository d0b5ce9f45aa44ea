//! What steps were measured to use, over time: the table `figures`.
//!
//! These are no facts that anything follows from. A look's figures are stored in one transaction whose end is not waited for
//! on the disk, which waits for nobody who holds the database, and whose failure costs those figures alone: a power cut takes
//! the last seconds of them, and never an event.
//!
//! **How much there is.** A look (every 2 s) is kept as it was for ten minutes; then half a minute of each step becomes one
//! row, and after a day five minutes of it, with the least, the mean and the most of processors and memory, and the last of
//! what only counts up. A row takes some 85 bytes, so a step that runs all the time has 300 rows of its last ten minutes,
//! 2,880 of the day before, and 288 (25 kB) for each day before that: with 4 slots that are never empty 1.1 MB and 100 kB more for each day, with
//! 200 of them 54 MB and 4.9 MB for each day. All of it goes with the run's other records. What the machine had left is kept beside
//! it, in `machine.rs`, and ages in the same way.

use std::collections::{BTreeMap, HashMap};

use gadugi_core::{AttemptId, Millis, RunId, StepId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::StoreError;
use crate::machine::{self, MachineLook};
use crate::store::Store;

/// Looks are kept as they were for so long, then rows of [`HALF_MINUTE`] for so long, then rows of [`FIVE_MINUTES`].
const LOOKS_FOR: i64 = 10 * 60_000;
const HALF_MINUTES_FOR: i64 = 24 * 3_600_000;
const HALF_MINUTE: i64 = 30_000;
const FIVE_MINUTES: i64 = 300_000;

/// Which rows become which with age: the length of what they stand for, what they become, and how old they are then.
pub(crate) const AGES: [(i64, i64, i64); 2] =
    [(0, HALF_MINUTE, LOOKS_FOR), (HALF_MINUTE, FIVE_MINUTES, HALF_MINUTES_FOR)];

/// The lengths that rows stand for, the longest first.
pub(crate) const SPANS: [i64; 3] = [FIVE_MINUTES, HALF_MINUTE, 0];

/// How often old rows are put together, and how many at a time, about: half a minute of 200 steps, which was measured to
/// take 7 ms. A look at as many takes 0.5 ms, and an event, which is forced to disk, 0.1 to 3 ms.
const FOLD_EVERY: i64 = HALF_MINUTE;
const FOLD_AT_ONCE: usize = 3000;

/// The version of the tables that first had figures.
const SINCE_VERSION: i64 = 2;

/// The version that first kept what a step has spent.
const SPENT_SINCE_VERSION: i64 = 4;

/// What a step was seen to use at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// Processors since the look before, in percent of one.
    pub cpu_percent: f64,
    /// Processor time since its start, milliseconds.
    pub cpu_ms: u64,
    /// Memory, KiB.
    pub memory_kib: u64,
    /// Threads and processes.
    pub pids: u32,
    /// What it moved and takes, in bytes; none where that cannot be seen.
    pub bytes: Bytes,
    /// What its agent has used of the model API since its start.
    pub spent: Spent,
}

/// What a step has used of the model API since its start. None where nobody knows: checks have no agent, and of some agents the
/// cost is not known before they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens, of all kinds.
    pub tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub cost_microusd: Option<u64>,
}

/// What a step moved since its start, and what it takes of the disk. None where that cannot be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Read from disks.
    pub disk_read: Option<u64>,
    /// Written to disks.
    pub disk_written: Option<u64>,
    /// Received through the gateway.
    pub net_in: Option<u64>,
    /// Sent through the gateway.
    pub net_out: Option<u64>,
    /// Taken by its workspace and home: not a count, it may become less.
    pub disk_used: Option<u64>,
}

/// The least, the mean and the most of some looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The mean of all looks.
    pub mean: f64,
    /// The most.
    pub most: f64,
}

/// What a step was seen to use in a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FigurePoint {
    /// When the span begins; with one look in it, when that was.
    pub at: Timestamp,
    /// Its length; 0 where it is one look. Spans may be longer than what was asked for: older ones are.
    pub span: Millis,
    /// Looks in it.
    pub looks: u64,
    /// Processors, in percent of one.
    pub cpu_percent: Spread,
    /// Memory, KiB.
    pub memory_kib: Spread,
    /// Processor time since the step's start by the end of the span, milliseconds.
    pub cpu_ms: u64,
    /// The most threads and processes at a time.
    pub pids: u32,
    /// What it had moved since its start by the end of the span, and the most that it took of the disk.
    pub bytes: Bytes,
    /// What its agent had used of the model API since its start by the end of the span.
    pub spent: Spent,
}

/// The figures of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFigures {
    /// Whose.
    pub step: StepId,
    /// In order of time.
    pub points: Vec<FigurePoint>,
}

/// Whose figures are asked for.
#[derive(Clone, Copy, Debug)]
pub enum FiguresOf<'a> {
    /// Of all steps of a run.
    Run(&'a RunId),
    /// Of all steps of a task.
    Task(&'a RunId, &'a TaskId),
    /// Of one step.
    Step(&'a StepId),
}

impl FiguresOf<'_> {
    fn run(&self) -> &RunId {
        match self {
            Self::Run(run) | Self::Task(run, _) => run,
            Self::Step(step) => &step.attempt.run,
        }
    }

    fn covers(&self, step: &StepId) -> bool {
        match self {
            Self::Run(_) => true,
            Self::Task(_, task) => step.attempt.task == **task,
            Self::Step(one) => step == *one,
        }
    }
}

/// What is kept between two looks.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// The numbers of the run and of the step, of the steps of the last look.
    ids: HashMap<StepId, (i64, i64)>,
    /// When old rows are put together next.
    fold_at: i64,
}

impl Memo {
    /// Those numbers are nobody's any more.
    pub(crate) fn forget(&mut self, run: &RunId) {
        self.ids.retain(|step, _| step.attempt.run != *run);
    }
}

impl Store {
    /// Stores what a look saw of each step and of the machine, and now and then puts old rows together. Not an event: see the
    /// module's first lines. Where somebody holds the database it fails at once ([`StoreError::Locked`]).
    pub fn add_figures(
        &mut self,
        at: Timestamp,
        looks: &[(StepId, Look)],
        machine: Option<&MachineLook>,
    ) -> Result<(), StoreError> {
        let mut memo = std::mem::take(&mut self.figures);
        let fold = (at.0 - memo.fold_at).abs() >= FOLD_EVERY;
        if looks.is_empty() && machine.is_none() && !fold {
            self.figures = memo;
            return Ok(());
        }
        let stored = self.transact_lightly(|transaction| {
            let mut ids = HashMap::with_capacity(looks.len());
            for (step, look) in looks {
                let id = match memo.ids.get(step) {
                    Some(id) => *id,
                    None => number(transaction, step)?,
                };
                insert(transaction, at, id, look)?;
                ids.insert(step.clone(), id);
            }
            if let Some(look) = machine {
                machine::insert(transaction, at, look)?;
            }
            if fold {
                put_together(transaction, at)?;
                machine::put_together(transaction, at)?;
            }
            Ok(ids)
        });
        match stored {
            Ok(ids) => {
                memo = Memo { ids, fold_at: if fold { at.0 } else { memo.fold_at } };
                self.figures = memo;
                Ok(())
            }
            // What was numbered in it is not there.
            Err(error) => Err(error),
        }
    }

    /// The figures between two times (the later one left out), in spans of at least `resolution`, which bounds how many
    /// points there are of each step: `(to - from) / resolution`. Steps in the order in which they began. Reads all rows of the run
    /// between those times: some 0.2 µs for each.
    pub fn figures(
        &self,
        of: FiguresOf<'_>,
        from: Timestamp,
        to: Timestamp,
        resolution: Millis,
    ) -> Result<Vec<StepFigures>, StoreError> {
        // Only read, an older database is not brought up to date.
        if self.version < SINCE_VERSION {
            return Ok(Vec::new());
        }
        let spent = self.version >= SPENT_SINCE_VERSION;
        let read = || read(&self.connection, spent, of, (from, to), resolution);
        read().map_err(|error| self.sorted(&error))
    }
}

/// Takes a run's figures out of the database.
pub(crate) fn delete(transaction: &Transaction<'_>, run: &RunId) -> Result<(), rusqlite::Error> {
    let id = "(SELECT id FROM figure_runs WHERE run = ?1)";
    for sql in [
        format!("DELETE FROM figures WHERE run = {id}"),
        format!("DELETE FROM figure_steps WHERE run = {id}"),
        "DELETE FROM figure_runs WHERE run = ?1".to_owned(),
    ] {
        transaction.execute(&sql, [run.as_str()])?;
    }
    Ok(())
}

/// The numbers of a step's run and of the step; given now, where it has none.
fn number(transaction: &Transaction<'_>, step: &StepId) -> Result<(i64, i64), rusqlite::Error> {
    let StepId { attempt: AttemptId { run, task, attempt }, step } = step;
    let id = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.query_row(params, |row| row.get::<_, i64>(0)).optional()
    };
    let run: &[&dyn rusqlite::ToSql] = &[&run.as_str()];
    let run_id = match id("SELECT id FROM figure_runs WHERE run = ?1", run)? {
        Some(id) => id,
        None => {
            transaction.prepare_cached("INSERT INTO figure_runs (run) VALUES (?1)")?.execute(run)?;
            transaction.last_insert_rowid()
        }
    };
    let keys: &[&dyn rusqlite::ToSql] = &[&run_id, &task.as_str(), attempt, step];
    let known =
        id("SELECT id FROM figure_steps WHERE run = ?1 AND task = ?2 AND attempt = ?3 AND step = ?4", keys)?;
    let step_id = match known {
        Some(id) => id,
        None => {
            let sql = "INSERT INTO figure_steps (run, task, attempt, step) VALUES (?1, ?2, ?3, ?4)";
            transaction.prepare_cached(sql)?.execute(keys)?;
            transaction.last_insert_rowid()
        }
    };
    Ok((run_id, step_id))
}

fn insert(
    transaction: &Transaction<'_>,
    at: Timestamp,
    (run, step): (i64, i64),
    look: &Look,
) -> Result<(), rusqlite::Error> {
    // Two looks at the same moment are one: a clock that was set back.
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO figures (run, span, at, step, looks, cpu_least, cpu_mean, cpu_most,
             memory_least, memory_mean, memory_most, cpu_ms, pids, disk_read, disk_written, net_in, net_out, disk_used,
             tokens, cost)
         VALUES (?1, 0, ?2, ?3, 1, ?4, ?4, ?4, ?5, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let bytes = look.bytes;
    let number = |value: Option<u64>| value.map(signed);
    insert.execute(params![
        run,
        at.0,
        step,
        (look.cpu_percent * 10.0).round() as i64,
        signed(look.memory_kib),
        signed(look.cpu_ms),
        look.pids,
        number(bytes.disk_read),
        number(bytes.disk_written),
        number(bytes.net_in),
        number(bytes.net_out),
        number(bytes.disk_used),
        number(look.spent.tokens),
        number(look.spent.cost_microusd),
    ])?;
    Ok(())
}

/// Makes fewer rows of old ones, run by run, the oldest first.
fn put_together(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), rusqlite::Error> {
    let runs: Vec<i64> = transaction
        .prepare_cached("SELECT id FROM figure_runs ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut left = FOLD_AT_ONCE;
    for (from, to, age) in AGES {
        let before = (now.0 - age).div_euclid(to) * to;
        for run in &runs {
            while left > 0 {
                let oldest: Option<i64> = transaction
                    .prepare_cached("SELECT min(at) FROM figures WHERE run = ?1 AND span = ?2 AND at < ?3")?
                    .query_row([*run, from, before], |row| row.get(0))?;
                let Some(oldest) = oldest else { break };
                let begin = oldest.div_euclid(to) * to;
                left = left.saturating_sub(put_span(transaction, *run, from, to, begin)?);
            }
        }
    }
    Ok(())
}

/// Makes one row of each step of those that lie in one span.
fn put_span(
    transaction: &Transaction<'_>,
    run: i64,
    from: i64,
    to: i64,
    begin: i64,
) -> Result<usize, rusqlite::Error> {
    // A row may be there already, where the clock was set back.
    transaction
        .prepare_cached(
            "INSERT INTO figures (run, span, at, step, looks, cpu_least, cpu_mean, cpu_most,
                 memory_least, memory_mean, memory_most, cpu_ms, pids, disk_read, disk_written, net_in, net_out, disk_used,
                 tokens, cost)
             SELECT run, ?3, ?4, step, sum(looks), min(cpu_least), sum(cpu_mean * looks) / sum(looks), max(cpu_most),
                 min(memory_least), sum(memory_mean * looks) / sum(looks), max(memory_most), max(cpu_ms), max(pids),
                 max(disk_read), max(disk_written), max(net_in), max(net_out), max(disk_used), max(tokens), max(cost)
             FROM figures WHERE run = ?1 AND span = ?2 AND at >= ?4 AND at < ?4 + ?3 GROUP BY step
             ON CONFLICT (run, span, at, step) DO UPDATE SET
                 cpu_mean = (cpu_mean * looks + excluded.cpu_mean * excluded.looks) / (looks + excluded.looks),
                 memory_mean = (memory_mean * looks + excluded.memory_mean * excluded.looks) / (looks + excluded.looks),
                 looks = looks + excluded.looks,
                 cpu_least = min(cpu_least, excluded.cpu_least), cpu_most = max(cpu_most, excluded.cpu_most),
                 memory_least = min(memory_least, excluded.memory_least),
                 memory_most = max(memory_most, excluded.memory_most),
                 cpu_ms = max(cpu_ms, excluded.cpu_ms), pids = max(pids, excluded.pids),
                 disk_read = coalesce(max(disk_read, excluded.disk_read), disk_read, excluded.disk_read),
                 disk_written = coalesce(max(disk_written, excluded.disk_written), disk_written, excluded.disk_written),
                 net_in = coalesce(max(net_in, excluded.net_in), net_in, excluded.net_in),
                 net_out = coalesce(max(net_out, excluded.net_out), net_out, excluded.net_out),
                 disk_used = coalesce(max(disk_used, excluded.disk_used), disk_used, excluded.disk_used),
                 tokens = coalesce(max(tokens, excluded.tokens), tokens, excluded.tokens),
                 cost = coalesce(max(cost, excluded.cost), cost, excluded.cost)",
        )?
        .execute([run, from, to, begin])?;
    transaction
        .prepare_cached("DELETE FROM figures WHERE run = ?1 AND span = ?2 AND at >= ?4 AND at < ?4 + ?3")?
        .execute([run, from, to, begin])
}

fn read(
    connection: &Connection,
    spent: bool,
    of: FiguresOf<'_>,
    (from, to): (Timestamp, Timestamp),
    resolution: Millis,
) -> Result<Vec<StepFigures>, rusqlite::Error> {
    // An older database that is only read has no place for it.
    let spent = if spent { "tokens, cost" } else { "NULL, NULL" };
    let steps: BTreeMap<i64, StepId> =
        steps(connection, of.run())?.into_iter().filter(|(_, step)| of.covers(step)).collect();
    let mut points: BTreeMap<i64, BTreeMap<i64, FigurePoint>> = BTreeMap::new();
    let mut rows = connection.prepare_cached(&format!(
        "SELECT step, span, at, looks, cpu_least, cpu_mean, cpu_most, memory_least, memory_mean, memory_most, cpu_ms,
             pids, disk_read, disk_written, net_in, net_out, disk_used, {spent}
         FROM figures WHERE run = (SELECT id FROM figure_runs WHERE run = ?1) AND span = ?2 AND at > ?3 AND at < ?4"
    ))?;
    for span in SPANS {
        let mut rows = rows.query(params![of.run().as_str(), span, after(from, span), to.0])?;
        while let Some(row) = rows.next()? {
            let step: i64 = row.get(0)?;
            if !steps.contains_key(&step) {
                continue;
            }
            let point = point(row)?;
            let width = i64::try_from(resolution.0).unwrap_or(i64::MAX).max(1);
            let known = points.entry(step).or_default().entry(point.at.0.div_euclid(width));
            known.and_modify(|known| known.take(&point)).or_insert(point);
        }
    }
    let figures = steps.into_iter().filter_map(|(id, step)| {
        Some(StepFigures { step, points: points.remove(&id)?.into_values().collect() })
    });
    Ok(figures.collect())
}

/// Rows of that length reach into the time from `from` on where they begin later than this.
pub(crate) fn after(from: Timestamp, span: i64) -> i64 {
    from.0.saturating_sub(span.max(1))
}

fn steps(connection: &Connection, run: &RunId) -> Result<Vec<(i64, StepId)>, rusqlite::Error> {
    let mut steps = connection.prepare_cached(
        "SELECT id, task, attempt, step FROM figure_steps WHERE run = (SELECT id FROM figure_runs WHERE run = ?1)",
    )?;
    let step = |row: &Row<'_>| {
        let (run, task) = (run.clone(), TaskId::new(row.get::<_, String>(1)?));
        let attempt = AttemptId { run, task, attempt: row.get(2)? };
        Ok((row.get(0)?, StepId { attempt, step: row.get(3)? }))
    };
    steps.query_map([run.as_str()], step)?.collect()
}

fn point(row: &Row<'_>) -> Result<FigurePoint, rusqlite::Error> {
    let spread = |first: usize, unit: f64| {
        let part = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)? as f64 / unit);
        Ok::<_, rusqlite::Error>(Spread {
            least: part(first)?,
            mean: part(first + 1)?,
            most: part(first + 2)?,
        })
    };
    let count = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(i64::unsigned_abs));
    Ok(FigurePoint {
        span: Millis(row.get::<_, i64>(1)?.unsigned_abs()),
        at: Timestamp(row.get(2)?),
        looks: count(3)?.unwrap_or(0),
        cpu_percent: spread(4, 10.0)?,
        memory_kib: spread(7, 1.0)?,
        cpu_ms: count(10)?.unwrap_or(0),
        pids: row.get(11)?,
        bytes: Bytes {
            disk_read: count(12)?,
            disk_written: count(13)?,
            net_in: count(14)?,
            net_out: count(15)?,
            disk_used: count(16)?,
        },
        spent: Spent { tokens: count(17)?, cost_microusd: count(18)? },
    })
}

impl FigurePoint {
    /// Becomes one with another of the same step.
    fn take(&mut self, other: &Self) {
        let end = |point: &Self| point.at.0.saturating_add(i64::try_from(point.span.0).unwrap_or(i64::MAX));
        let (begin, end) = (self.at.0.min(other.at.0), end(self).max(end(other)));
        let (ours, theirs) = (self.looks as f64, other.looks as f64);
        self.cpu_percent.take(ours, &other.cpu_percent, theirs);
        self.memory_kib.take(ours, &other.memory_kib, theirs);
        self.looks += other.looks;
        self.cpu_ms = self.cpu_ms.max(other.cpu_ms);
        self.pids = self.pids.max(other.pids);
        let (bytes, more) = (&mut self.bytes, &other.bytes);
        bytes.disk_read = bytes.disk_read.max(more.disk_read);
        bytes.disk_written = bytes.disk_written.max(more.disk_written);
        bytes.net_in = bytes.net_in.max(more.net_in);
        bytes.net_out = bytes.net_out.max(more.net_out);
        bytes.disk_used = bytes.disk_used.max(more.disk_used);
        self.spent.tokens = self.spent.tokens.max(other.spent.tokens);
        self.spent.cost_microusd = self.spent.cost_microusd.max(other.spent.cost_microusd);
        (self.at, self.span) = (Timestamp(begin), Millis(begin.abs_diff(end)));
    }
}

impl Spread {
    pub(crate) fn take(&mut self, ours: f64, other: &Self, theirs: f64) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.mean = (self.mean * ours + other.mean * theirs) / (ours + theirs).max(1.0);
    }
}

pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
