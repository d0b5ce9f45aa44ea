//! What server and page say to each other over `/api/events`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{MachineFigure, RateLimit, Run, RunDetail, RunRow, Task, Usage};

/// From the server: one JSON text message each.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// The first, where no cursor was given: how everything stands as of `seq`.
    Snapshot {
        /// Every event after it follows.
        seq: u64,
        /// The name of the repository's folder.
        repository: String,
        /// The latest runs, newest first.
        runs: Vec<RunRow>,
        /// The run that is watched: the one asked for, else the latest; none where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        detail: Option<Box<RunDetail>>,
        /// The machine, once it was looked at.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        machine: Option<MachineFigure>,
    },
    /// The first, where a cursor was given that the log reaches back to: every event after it follows.
    Resumed {
        /// The cursor.
        seq: u64,
        /// The name of the repository's folder.
        repository: String,
    },
    /// A durable fact, as contract section 7 has it: `{seq, at, run, task?, attempt?, step?, type, …}`. In order, none missing,
    /// none twice.
    Event {
        /// The object.
        #[ts(type = "WireEvent")]
        #[schema(value_type = Object)]
        event: serde_json::Value,
    },
    /// Of the run that is watched: how it stands, and its tasks that changed since the last of these.
    State {
        /// The last number of the log that it holds.
        seq: u64,
        /// The run.
        run: Box<Run>,
        /// Tasks that changed.
        tasks: Vec<Task>,
    },
    /// The answer to [`Say::Watch`].
    Detail {
        /// The run.
        detail: Box<RunDetail>,
    },
    /// There is no such run to be watched.
    Unknown {
        /// What was asked for.
        run: String,
    },
    /// Rows of the list of runs that changed or came.
    Runs {
        /// Newest first.
        runs: Vec<RunRow>,
    },
    /// What a task is doing right now. Not durable, and at most four a second for each.
    Activity {
        /// The run.
        run: String,
        /// The task.
        task: String,
        /// The latest phase that its agent reported.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        phase: Option<u8>,
        /// Its last action in one line.
        action: String,
        /// What all its steps used so far.
        usage: Usage,
    },
    /// A look at the machine: every two seconds.
    Machine {
        /// What was seen.
        machine: MachineFigure,
        /// What model APIs said of their limits, last of all.
        limits: Vec<RateLimit>,
    },
}

/// From the page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Say {
    /// Watch this run instead of the one before.
    Watch {
        /// Its id.
        run: String,
    },
}
