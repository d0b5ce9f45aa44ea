//! When a run and its open tasks are expected to end, in a view of the run.

use gadugi_core::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// When a run is expected to end, if what is left takes as long as such tasks were seen to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastView {
    /// When all is over that goes on without a person.
    pub ends_at: Timestamp,
    /// The tasks that its end waits for, one behind the other.
    pub critical_path: Vec<TaskId>,
    /// The tasks that are open and go on without a person, in plan order.
    #[serde(default)]
    pub tasks: Vec<ExpectedTask>,
}

/// When what is left of a task is expected to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedTask {
    /// The task.
    pub task: TaskId,
    /// When it begins; the moment of the view, where it is under way.
    pub begins_at: Timestamp,
    /// When its agent is done.
    pub ends_at: Timestamp,
}
