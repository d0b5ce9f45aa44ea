//! The event log, and the files for other programs that are made from what is known.
//!
//! [`Store`] is one SQLite database with one writer, the engine: facts in the order in which they became true,
//! and a small projection that says which runs there are. Beside them lie figures, which are no facts: what steps
//! were measured to use, and what the machine had left; and what tasks came to, from which later plans learn. What agents say stays in their own files.
//! [`monitoring`] writes the JSON files that dashboards and scripts read.
//!
//! **Never in here:** a decision about what an event means for a task (that is `core`), a second truth about
//! status (what is stored beside the events can be made from them again), the output of agents, SQL outside
//! this crate, and anything that deletes or replaces a database that could not be read.

mod elsewhere;
mod error;
mod figures;
mod machine;
pub mod monitoring;
mod past;
mod runs;
mod schema;
mod store;
#[cfg(test)]
mod tests;

pub use elsewhere::Elsewhere;
pub use error::StoreError;
pub use figures::{Bytes, FigurePoint, FiguresOf, Look, Spent, Spread, StepFigures};
pub use machine::{MachineLook, MachinePoint};
pub use past::{KEPT as PAST_TASKS_KEPT, MAX_TEXT as PAST_TEXT_BYTES};
pub use runs::RunSummary;
pub use schema::KNOWN_VERSION;
pub use store::{BadRow, Store, StoredEvent};
