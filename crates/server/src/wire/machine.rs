//! What the machine has and what steps use, over time.

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::Moment;

/// What steps of a run were measured to use.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct Figures {
    /// One for each step that was looked at.
    pub series: Vec<FigureSeries>,
}

/// What one step was measured to use.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct FigureSeries {
    /// The task.
    pub task: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The step of that attempt, from 1.
    pub step: u32,
    /// In order of time.
    pub points: Vec<Figure>,
}

/// What a step used in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Figure {
    /// When the span begins.
    pub at: Moment,
    /// Its length; 0 where it is one look.
    pub span_seconds: f64,
    /// Processors, in percent of one; the mean of the span.
    pub cpu_percent: f64,
    /// Memory, MiB; the most of the span.
    pub memory_mb: f64,
    /// Tokens since the step's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What they cost, US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What its workspace and home take of the disk, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_mb: Option<f64>,
    /// Bytes received through the gateway since the step's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_in_bytes: Option<u64>,
    /// Bytes sent through the gateway since the step's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_out_bytes: Option<u64>,
}

/// The machine now and over time.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct Machine {
    /// The latest look.
    pub now: MachineFigure,
    /// Earlier ones, in order of time.
    pub history: Vec<MachineFigure>,
    /// What model APIs said of their limits, last of all.
    pub limits: Vec<RateLimit>,
}

/// What the machine had at one moment. What could not be seen is left out.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct MachineFigure {
    /// When.
    pub at: Moment,
    /// Of all processors together, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// The load average of a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Processors that gadugi may use; 1.5 are one and a half.
    pub cpus: f64,
    /// MiB that could be had without swapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_available_mb: Option<f64>,
    /// MiB there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total_mb: Option<f64>,
    /// MiB that all running steps take.
    pub agents_memory_mb: f64,
    /// MiB that are free where the repository lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free_mb: Option<f64>,
    /// Steps that run.
    pub steps: u32,
    /// Attempts at a time, where a run names no number.
    pub slots: u32,
    /// Why fewer requests pass to model APIs than agents would make; none: all pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowed: Option<String>,
}

/// What a model API said of one of an account's limits.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct RateLimit {
    /// The account: its host, and a number that tells accounts of one host apart.
    pub account: String,
    /// `requests`, `tokens`, `input-tokens`, `output-tokens`, `five-hour`, `seven-day`, …
    pub kind: String,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// What is used of it, 0 to 1, where the API says it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    /// When it is whole again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Moment>,
    /// `allowed`, `allowed-warning`, `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was said.
    pub at: Moment,
}
