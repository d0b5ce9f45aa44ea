//! Gadugi's vocabulary and its pure core.
//!
//! [`decide()`] looks at the [`State`] and one [`Input`] and answers with facts ([`Event`]) and things to do
//! ([`Effect`]); [`State::apply`] is the only way in which state changes. Everything else in gadugi either
//! feeds inputs in or carries effects out.
//!
//! **Never in here:** an async runtime, files, sockets, processes, a clock, the environment, randomness.
//! Time comes in as a number, identities come in as text. This crate depends on no other crate of ours.

mod admission;
pub mod decide;
mod duration;
mod effect;
mod event;
pub mod forecast;
mod foresight;
mod ids;
mod input;
pub mod needs;
pub mod order;
mod outcome;
mod past;
pub mod pattern;
mod plan;
mod purpose;
mod report;
mod retry;
pub mod schedule;
mod settings;
mod state;
mod step;
mod time;
mod workflow;

pub use admission::{Appetite, Learnt, Reading};
pub use decide::{Decision, decide, next_wake, outstanding};
pub use duration::{
    DurationError, format_duration, parse_duration, parse_duration_with_unit, write_duration,
};
pub use effect::{Effect, StopForce};
pub use event::{Event, Hold, PauseCause, PhaseRecord, PhaseStatus, Salvage};
pub use ids::{AttemptId, CommitId, RunId, SessionId, StepId, TaskId, fingerprint};
pub use input::{AdvanceFailure, Collected, Command, Composition, Input, Refusal, Reply, Report, Target};
pub use outcome::{Outcome, SkipReason, Verdict};
pub use past::{PastClaim, PastTask, PastWork};
pub use plan::{
    ClaimSource, Complexity, Confidence, DoneWhen, Edge, EdgeReason, Estimate, Kind, OverlapPolicy,
    PathClaim, Plan, PlanError, PlannedTask, PromptRef, SkippedPrompt, find_cycle,
};
pub use purpose::{Appraisal, Purpose};
pub use report::{Collisions, Foresight, RunReport, TaskReport, Writes};
pub use retry::{Count, Remedy, Tally, remedy};
pub use settings::{
    AGENTS, AdmissionSettings, AgentName, AgentSettings, CONTAINER_DISK, CacheKind, ContainerSettings,
    ExecutorKind, GatewaySettings, HangSettings, HomePolicy, LimitSettings, MergeStrategy, RESERVED_AGENTS,
    RetrySettings, RunSettings, SCRIPTED, UvPolicy,
};
pub use state::{
    Attempt, IllegalTransition, MergeStage, RunState, RunStatus, Stage, State, StepState, Suspicion,
    TaskState, TaskStatus,
};
pub use step::{
    AgentEnd, EndClass, Process, SessionMode, StepEnd, StepExit, StepKind, StopCause, Taken, Usage,
};
pub use time::{Millis, Timestamp};
pub use workflow::{Performer, Phase};
