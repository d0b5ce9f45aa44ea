//! Runs in a line each, for lists. Those that the loop holds in memory it sums up itself; the others are read from the log, and
//! what was found of them is kept: they do not change as long as nobody appends to their events.

use gadugi_core::{Outcome, RunId, RunState, RunStatus, Stage, TaskStatus, Timestamp, Usage};
use gadugi_store::{RunSummary as Line, Store};
use gadugi_sys::clock;
use serde::{Deserialize, Serialize};

use crate::connection::unreadable;
use crate::driver::failure;
use crate::protocol::Failure;
use crate::recorded::Recorded;
use crate::view::pause_word;

/// A page of a list of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summaries {
    /// The latest first.
    pub runs: Vec<RunSummary>,
    /// Whether there are earlier ones.
    pub more: bool,
}

/// A run in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Its id.
    pub run: RunId,
    /// `active`, `paused`, `ending`, `finished`; or `unreadable`: its record is damaged, and the rest of this line is what the
    /// list of runs says.
    pub status: String,
    /// `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
    pub paused_because: Option<String>,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// From its start to its end or to now.
    pub wall_ms: u64,
    /// Its tasks by how they stand.
    pub counts: Counts,
    /// How much of it wants a person.
    pub needs: u64,
    /// What all its tasks used.
    pub usage: Usage,
    /// Titles of its first three prompts.
    pub first_titles: Vec<String>,
}

/// Tasks by how they stand; all but the first together are the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// Not begun, or to be taken up again.
    pub waiting: u64,
    /// Something of theirs is under way, from their workspace to the collecting of their work.
    pub active: u64,
    /// In the merge queue, or at its head.
    pub merging: u64,
    /// Over, and done.
    pub succeeded: u64,
    /// Over, and not done.
    pub failed: u64,
    /// Ended by somebody.
    pub cancelled: u64,
    /// Never begun, because of another or of the budget.
    pub skipped: u64,
    /// Their time was over.
    pub timed_out: u64,
    /// Nobody can say how they ended.
    pub lost: u64,
}

/// How many titles stand in a line.
const TITLES: usize = 3;

/// Sums a run up. `now_used` is what its running steps have used so far.
pub(crate) fn summary(run: &RunState, now_used: &Usage, now: Timestamp) -> RunSummary {
    let (finished_at, wall_ms) = match &run.status {
        RunStatus::Finished { at, wall, .. } => (Some(*at), wall.0),
        RunStatus::Active | RunStatus::Paused { .. } | RunStatus::Ending => {
            (None, now.since(run.started_at).0)
        }
    };
    let paused_because = match &run.status {
        RunStatus::Paused { cause, .. } => Some(pause_word(*cause).to_owned()),
        RunStatus::Active | RunStatus::Ending | RunStatus::Finished { .. } => None,
    };
    let mut usage = *now_used;
    run.tasks.iter().for_each(|task| usage.add(&task.usage));
    RunSummary {
        run: run.id.clone(),
        status: run.status.word().to_owned(),
        paused_because,
        started_at: run.started_at,
        finished_at,
        wall_ms,
        counts: Counts::of(run),
        needs: run.needs(now).len() as u64,
        usage,
        first_titles: run.plan.tasks.iter().take(TITLES).map(|task| task.name.clone()).collect(),
    }
}

impl Counts {
    /// Counts a run's tasks.
    pub fn of(run: &RunState) -> Self {
        let mut counts = Self { total: run.tasks.len() as u64, ..Self::default() };
        for task in &run.tasks {
            let count = match &task.status {
                TaskStatus::Waiting => &mut counts.waiting,
                TaskStatus::Active(attempt) => match attempt.stage {
                    Stage::Suspended { .. } => &mut counts.waiting,
                    Stage::Queued { .. } | Stage::Merging { .. } => &mut counts.merging,
                    Stage::Preparing | Stage::Ready | Stage::Step(_) | Stage::Collecting => {
                        &mut counts.active
                    }
                },
                TaskStatus::Finished { outcome, .. } => match outcome {
                    Outcome::Succeeded => &mut counts.succeeded,
                    Outcome::Failed => &mut counts.failed,
                    Outcome::Cancelled => &mut counts.cancelled,
                    Outcome::Skipped { .. } => &mut counts.skipped,
                    Outcome::TimedOut => &mut counts.timed_out,
                    Outcome::Lost => &mut counts.lost,
                },
            };
            *count += 1;
        }
        counts
    }
}

/// The runs of one page, and whether there are more.
pub(super) fn page(
    store: &Store,
    limit: usize,
    before: Option<&RunId>,
) -> Result<(Vec<Line>, bool), Failure> {
    let mut runs = store.runs().map_err(|error| unreadable(&error))?;
    runs.sort_by(|a, b| (b.started_at, &b.run).cmp(&(a.started_at, &a.run)));
    let from = match before {
        None => 0,
        Some(before) => {
            let found = runs.iter().position(|run| run.run == *before);
            found.ok_or_else(|| failure("unknown-run", format!("there is no run {before}")))? + 1
        }
    };
    let more = runs.len() > from.saturating_add(limit);
    Ok((runs.into_iter().skip(from).take(limit).collect(), more))
}

/// The line of a run that is not in memory.
pub(super) fn recorded(store: &Store, known: &Recorded, line: &Line) -> RunSummary {
    let made = known.summary(store, &line.run, |state| summary(state, &Usage::default(), clock::now()));
    made.unwrap_or_else(|_| unreadable_line(line))
}

fn unreadable_line(line: &Line) -> RunSummary {
    let end = line.finished_at.unwrap_or_else(clock::now);
    RunSummary {
        run: line.run.clone(),
        status: "unreadable".into(),
        paused_because: None,
        started_at: line.started_at,
        finished_at: line.finished_at,
        wall_ms: end.since(line.started_at).0,
        counts: Counts { total: line.tasks as u64, lost: line.tasks as u64, ..Counts::default() },
        needs: 0,
        usage: Usage::default(),
        first_titles: Vec::new(),
    }
}
