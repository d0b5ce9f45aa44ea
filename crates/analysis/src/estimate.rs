//! What a task will take, and how sure earlier claims turned out to be.
//!
//! An [`Estimator`] says it of one task. The built-in one, [`PastEstimator`], learns from tasks that are over, first of all
//! those of the same repository; where there are none it answers by a [table](by_table) of starting values and says so. Another
//! one may stand in its place: what it is told is [`EstimateFor`], what it answers an [`Estimate`].
//!
//! [`Calibration`] does the same for confidence: of the claims of one sort that were said to be 80 % sure, how many came true?

mod calibration;
mod past;
mod robust;
mod table;

use gadugi_core::{Complexity, Estimate, Kind};
use serde::Serialize;

pub use calibration::Calibration;
pub use past::PastEstimator;
pub(crate) use table::by_table;

/// What is known of a task beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EstimateFor<'a> {
    /// What sort of work.
    pub kind: Kind,
    /// How much it looks like.
    pub complexity: Complexity,
    /// Who will do it.
    pub agent: &'a str,
    /// With which model, where one is named.
    pub model: Option<&'a str>,
    /// Bytes of its prompt.
    pub prompt_bytes: u64,
    /// How many files it is expected to write.
    pub targets: u32,
}

/// Says what tasks will take.
pub trait Estimator {
    /// What that task will take: the same for the same task, whenever it is asked.
    fn estimate(&self, task: &EstimateFor<'_>) -> Estimate;
}
