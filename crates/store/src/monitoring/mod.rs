//! The files that other programs read, in `.gadugi/monitoring/`.
//!
//! The engine says in a [`Snapshot`] what is so; [`files`] makes from it exactly the documented fields; the
//! [`MonitoringWriter`] replaces each file as a whole, so that a reader sees the old text or the new one.
//!
//! **How a reader tells that a file is stale.** The engine writes every file at least once per `interval` (30 s by
//! default) while it lives, and once more when it leaves. A `timestamp` older than two intervals therefore means
//! that no engine stands behind the file. The entries of such a file may still be true (a step outlives its engine
//! for the length of its lease): `pid` together with `resource_usage.create_time` says whether that very process is
//! there. An engine that starts does this for everybody: [`MonitoringWriter::begin`] writes what it knows anew, and
//! takes the running entries out of files of runs that it does not know. No writer ever calls an entry `running` whose
//! process it was told of and cannot find.
//!
//! These files are made from what is known and hold nothing else: deleting them loses nothing.

pub mod files;
mod pace;
mod snapshot;
mod writer;

pub use files::{ProcessStatus, WorktreeStatus};
pub use pace::{Due, LEAST_BETWEEN, Pace};
pub use snapshot::{ResourceSample, RunView, Snapshot, TaskState, TaskView, WorktreeView};
pub use writer::{MonitoringError, MonitoringWriter};
