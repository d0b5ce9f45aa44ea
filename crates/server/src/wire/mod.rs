//! What goes over the wire: types of their own, converted by hand from the engine's.
//!
//! They are the API's promise. TypeScript (`dashboard/src/lib/wire.ts`) and the OpenAPI document are made from them and checked in; a test
//! compares both with what is here. Names are in snake_case, words in kebab-case. Moments are RFC 3339 in UTC with milliseconds;
//! lengths of time are in seconds, memory and disk in MiB, money in US dollars, unless a name says otherwise. A field that does
//! not apply is left out.

mod machine;
mod message;
mod plan;
mod run;
mod task;
mod transcript;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

pub use machine::{Figure, FigureSeries, Figures, Machine, MachineFigure, RateLimit};
pub use message::{Message, Say};
pub use plan::{Edge, Estimate, Plan, PlannedTask, Skipped, Write};
pub use run::{
    Action, Counts, ExpectedTask, Forecast, Kept, Limited, Need, NeedKind, Prediction, Run, RunDetail,
    RunRow, Runs, Span,
};
pub use task::{Attempt, Phase, PhaseStatus, Step, Task, TaskDetail, TaskPrediction};
pub use transcript::{
    Edit, Entries, Entry, EntryKind, Hit, Hits, Hunk, Named, OutputMessage, Stream, Todo, TodoStatus,
};

/// A moment: RFC 3339, UTC, milliseconds: `2026-11-21T22:15:04.120Z`.
pub type Moment = String;

/// What was used of models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, TS, ToSchema)]
pub struct Usage {
    /// Tokens that models read, beside those of caches.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// Tokens read from caches.
    pub cache_read_tokens: u64,
    /// Tokens written to caches.
    pub cache_write_tokens: u64,
    /// All of them.
    pub tokens: u64,
    /// What they cost, US dollars.
    pub cost_usd: f64,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Failure {
    /// Stable: `unauthorized`, `forbidden`, `unknown-run`, `unknown-task`, `bad-request`, `not-retryable`, `land-refused`, …
    pub code: String,
    /// One line for people.
    pub message: String,
    /// What mends it, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A wish was granted, and that is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Accepted {
    /// The run.
    pub run: String,
    /// Tasks affected.
    pub tasks: u64,
}

/// What a retry says to the agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Retry {
    /// Words for the task's agent.
    #[serde(default)]
    pub with: Option<String>,
}

/// What is brought home, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Land {
    /// The user's branch; none: the one that is checked out.
    #[serde(default)]
    pub into: Option<String>,
    /// One task's branch; none: the integration branch.
    #[serde(default)]
    pub task: Option<String>,
}

/// Work was brought home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Landed {
    /// The user's branch.
    pub into: String,
    /// Its new tip.
    pub commit: String,
    /// Whether it was fast-forwarded.
    pub fast_forward: bool,
    /// Whether it held the work already.
    pub already: bool,
}

/// The server is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

#[cfg(test)]
const HEAD: &str = "// Generated from crates/server/src/wire by `WRITE_WIRE=1 cargo test -p gadugi-server wire`. Not to be edited.

/** A durable fact in the contract's form; what else it has hangs on its type. */
export type WireEvent = { seq: number, at: string, type: string, run?: string, task?: string, attempt?: number, step?: number, [key: string]: unknown };
";

/// All of it as TypeScript: one file that the page imports.
#[cfg(test)]
pub fn typescript() -> String {
    // Numbers of ours stay far below 2^53.
    let config = ts_rs::Config::new().with_large_int("number");
    let mut out = HEAD.to_owned();
    macro_rules! declare {
        ($($type:ty),* $(,)?) => {
            $(
                out.push('\n');
                if let Some(docs) = <$type as TS>::docs() {
                    out.push_str(&docs);
                }
                out.push_str(&format!("export {}\n", <$type as TS>::decl(&config)));
            )*
        };
    }
    declare!(
        Usage,
        Failure,
        Accepted,
        Retry,
        Land,
        Landed,
        Health,
        Counts,
        Runs,
        RunRow,
        Run,
        RunDetail,
        Limited,
        Need,
        NeedKind,
        Action,
        Forecast,
        ExpectedTask,
        Kept,
        Prediction,
        Span,
        Task,
        TaskDetail,
        TaskPrediction,
        Phase,
        PhaseStatus,
        Attempt,
        Step,
        Plan,
        PlannedTask,
        Estimate,
        Write,
        Edge,
        Skipped,
        Figure,
        FigureSeries,
        Figures,
        Machine,
        MachineFigure,
        RateLimit,
        Entries,
        Entry,
        EntryKind,
        Edit,
        Hunk,
        Todo,
        TodoStatus,
        Named,
        Stream,
        Hit,
        Hits,
        OutputMessage,
        Message,
        Say,
    );
    // What it writes has spaces at the ends of lines.
    out.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What the page is built against is what the server says.
    #[test]
    fn wire_types_are_the_pages() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard/src/lib/wire.ts");
        let made = super::typescript();
        if gadugi_sys::env::get("WRITE_WIRE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "dashboard/src/lib/wire.ts is not what crates/server/src/wire makes: WRITE_WIRE=1 cargo test -p gadugi-server wire"
        );
    }
}
