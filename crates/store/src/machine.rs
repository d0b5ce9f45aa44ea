//! What the machine had left, over time: the table `machine`.
//!
//! Readings are kept as the figures of steps are (see `figures.rs`): as they came for ten minutes, then in half minutes for a
//! day, then in five minutes. They belong to no run and go with none, so they are kept for [`KEPT_FOR`] and no longer: at some 60
//! bytes each 300 readings, 2,880 half minutes and 288 rows for each of 29 days before that, 0.7 MB at most.

use std::collections::BTreeMap;

use gadugi_core::{Millis, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use crate::StoreError;
use crate::figures::{AGES, SPANS, Spread, after, signed};
use crate::store::Store;

/// How long readings are kept: 30 days.
pub(crate) const KEPT_FOR: Millis = Millis::seconds(30 * 24 * 3600);

/// The version of the tables that first had them.
const SINCE_VERSION: i64 = 4;

/// Rows that are put together or dropped at a time, about: an hour of half minutes.
const AT_ONCE: usize = 120;

/// One reading. None where something could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineLook {
    /// Processors that gadugi may use: 1.5 are one and a half.
    pub cpus: f64,
    /// How busy all of them were since the reading before, percent.
    pub cpu_percent: Option<f64>,
    /// Processes that ran or waited to run, mean of the last minute.
    pub load: Option<f64>,
    /// Memory that there is, MiB.
    pub memory_total_mib: Option<u64>,
    /// Memory that could be had without swapping, MiB.
    pub memory_available_mib: Option<u64>,
    /// Memory of everything that runs under gadugi, MiB.
    pub agents_mib: u64,
    /// Room on the disk that workspaces are made on, MiB.
    pub disk_free_mib: Option<u64>,
    /// Steps that ran.
    pub steps: u32,
}

/// What the machine had left in a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachinePoint {
    /// When the span begins; with one reading in it, when that was.
    pub at: Timestamp,
    /// Its length; 0 where it is one reading.
    pub span: Millis,
    /// Readings in it.
    pub looks: u64,
    /// The most processors that gadugi might use.
    pub cpus: f64,
    /// How busy they were, percent of all of them.
    pub cpu_percent: Option<Spread>,
    /// Processes that ran or waited to run, mean.
    pub load: Option<f64>,
    /// Memory that there is, MiB.
    pub memory_total_mib: Option<u64>,
    /// Memory that could be had, MiB.
    pub memory_available_mib: Option<Spread>,
    /// Memory of everything that ran under gadugi, MiB.
    pub agents_mib: Spread,
    /// The least room on the disk, MiB.
    pub disk_free_mib: Option<u64>,
    /// The most steps that ran at a time.
    pub steps: u32,
}

impl Store {
    /// What the machine had left between two times (the later one left out), in spans of at least `resolution`, in order of
    /// time. None from a database of before that was kept.
    pub fn machine(
        &self,
        from: Timestamp,
        to: Timestamp,
        resolution: Millis,
    ) -> Result<Vec<MachinePoint>, StoreError> {
        if self.version < SINCE_VERSION {
            return Ok(Vec::new());
        }
        read(&self.connection, from, to, resolution).map_err(|error| self.sorted(&error))
    }
}

/// Stores a reading. Two at the same moment are one: a clock that was set back.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    at: Timestamp,
    look: &MachineLook,
) -> Result<(), rusqlite::Error> {
    let number = |value: Option<u64>| value.map(signed);
    let scaled = |value: Option<f64>, by: f64| value.map(|value| (value * by).round() as i64);
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO machine (span, at, looks, cpus, cpu_least, cpu_mean, cpu_most, load, memory_total,
                 available_least, available_mean, available_most, agents_least, agents_mean, agents_most, disk_free, steps)
             VALUES (0, ?1, 1, ?2, ?3, ?3, ?3, ?4, ?5, ?6, ?6, ?6, ?7, ?7, ?7, ?8, ?9)",
        )?
        .execute(params![
            at.0,
            scaled(Some(look.cpus), 100.0),
            scaled(look.cpu_percent, 10.0),
            scaled(look.load, 100.0),
            number(look.memory_total_mib),
            number(look.memory_available_mib),
            signed(look.agents_mib),
            number(look.disk_free_mib),
            look.steps,
        ])?;
    Ok(())
}

/// Makes fewer rows of old ones, the oldest first, and drops those that are too old.
pub(crate) fn put_together(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), rusqlite::Error> {
    let mut left = AT_ONCE;
    for (from, to, age) in AGES {
        let before = (now.0 - age).div_euclid(to) * to;
        while left > 0 {
            let oldest: Option<i64> = transaction
                .prepare_cached("SELECT min(at) FROM machine WHERE span = ?1 AND at < ?2")?
                .query_row([from, before], |row| row.get(0))?;
            let Some(oldest) = oldest else { break };
            let begin = oldest.div_euclid(to) * to;
            left = left.saturating_sub(put_span(transaction, from, to, begin)?);
        }
    }
    transaction
        .prepare_cached("DELETE FROM machine WHERE span = ?1 AND at < ?2")?
        .execute(params![SPANS[0], now.0.saturating_sub(signed(KEPT_FOR.0))])?;
    Ok(())
}

/// Makes one row of those that lie in one span. A row may be there already, where the clock was set back: then what comes later
/// is left out, as it is of a day that is told twice.
fn put_span(transaction: &Transaction<'_>, from: i64, to: i64, begin: i64) -> Result<usize, rusqlite::Error> {
    // Of what could not always be read, the mean is that of when it could.
    let mean = |column: &str| {
        format!("sum({column} * looks) / sum(CASE WHEN {column} IS NULL THEN NULL ELSE looks END)")
    };
    let sql = format!(
        "INSERT OR IGNORE INTO machine (span, at, looks, cpus, cpu_least, cpu_mean, cpu_most, load, memory_total,
             available_least, available_mean, available_most, agents_least, agents_mean, agents_most, disk_free, steps)
         SELECT ?2, ?3, sum(looks), max(cpus), min(cpu_least), {}, max(cpu_most), {}, max(memory_total),
             min(available_least), {}, max(available_most), min(agents_least), {}, max(agents_most),
             min(disk_free), max(steps)
         FROM machine WHERE span = ?1 AND at >= ?3 AND at < ?3 + ?2",
        mean("cpu_mean"),
        mean("load"),
        mean("available_mean"),
        mean("agents_mean"),
    );
    transaction.prepare_cached(&sql)?.execute([from, to, begin])?;
    transaction
        .prepare_cached("DELETE FROM machine WHERE span = ?1 AND at >= ?3 AND at < ?3 + ?2")?
        .execute([from, to, begin])
}

fn read(
    connection: &Connection,
    from: Timestamp,
    to: Timestamp,
    resolution: Millis,
) -> Result<Vec<MachinePoint>, rusqlite::Error> {
    let width = signed(resolution.0).max(1);
    let mut points: BTreeMap<i64, MachinePoint> = BTreeMap::new();
    let mut rows = connection.prepare_cached(
        "SELECT span, at, looks, cpus, cpu_least, cpu_mean, cpu_most, load, memory_total, available_least,
             available_mean, available_most, agents_least, agents_mean, agents_most, disk_free, steps
         FROM machine WHERE span = ?1 AND at > ?2 AND at < ?3",
    )?;
    for span in SPANS {
        let mut rows = rows.query(params![span, after(from, span), to.0])?;
        while let Some(row) = rows.next()? {
            let point = point(row)?;
            let known = points.entry(point.at.0.div_euclid(width));
            known.and_modify(|known| known.take(&point)).or_insert(point);
        }
    }
    Ok(points.into_values().collect())
}

fn point(row: &Row<'_>) -> Result<MachinePoint, rusqlite::Error> {
    let number = |at: usize| row.get::<_, Option<i64>>(at);
    let count = |at: usize| Ok::<_, rusqlite::Error>(number(at)?.map(i64::unsigned_abs));
    let spread = |first: usize, unit: f64| {
        let [least, mean, most] = [number(first)?, number(first + 1)?, number(first + 2)?];
        let of = |value: i64| value as f64 / unit;
        Ok::<_, rusqlite::Error>(match (least, mean, most) {
            (Some(least), Some(mean), Some(most)) => {
                Some(Spread { least: of(least), mean: of(mean), most: of(most) })
            }
            _ => None,
        })
    };
    Ok(MachinePoint {
        span: Millis(row.get::<_, i64>(0)?.unsigned_abs()),
        at: Timestamp(row.get(1)?),
        looks: count(2)?.unwrap_or(0),
        cpus: row.get::<_, i64>(3)? as f64 / 100.0,
        cpu_percent: spread(4, 10.0)?,
        load: number(7)?.map(|load| load as f64 / 100.0),
        memory_total_mib: count(8)?,
        memory_available_mib: spread(9, 1.0)?,
        agents_mib: spread(12, 1.0)?.unwrap_or_default(),
        disk_free_mib: count(15)?,
        steps: row.get(16)?,
    })
}

impl MachinePoint {
    /// Becomes one with another.
    fn take(&mut self, other: &Self) {
        let end = |point: &Self| point.at.0.saturating_add(signed(point.span.0));
        let (begin, end) = (self.at.0.min(other.at.0), end(self).max(end(other)));
        let (ours, theirs) = (self.looks as f64, other.looks as f64);
        let spread = |mine: &mut Option<Spread>, more: Option<Spread>| match (mine.as_mut(), more) {
            (Some(mine), Some(more)) => mine.take(ours, &more, theirs),
            (None, more) => *mine = more,
            (Some(_), None) => {}
        };
        spread(&mut self.cpu_percent, other.cpu_percent);
        spread(&mut self.memory_available_mib, other.memory_available_mib);
        self.agents_mib.take(ours, &other.agents_mib, theirs);
        self.load = match (self.load, other.load) {
            (Some(mine), Some(more)) => Some((mine * ours + more * theirs) / (ours + theirs).max(1.0)),
            (mine, more) => mine.or(more),
        };
        self.cpus = self.cpus.max(other.cpus);
        self.memory_total_mib = self.memory_total_mib.max(other.memory_total_mib);
        self.disk_free_mib = self.disk_free_mib.into_iter().chain(other.disk_free_mib).min();
        self.steps = self.steps.max(other.steps);
        self.looks += other.looks;
        (self.at, self.span) = (Timestamp(begin), Millis(begin.abs_diff(end)));
    }
}
