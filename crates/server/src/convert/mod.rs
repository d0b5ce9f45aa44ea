//! From what the engine says to what goes over the wire, field by field: a field that the engine gains is no promise of the API
//! until somebody writes it here.

mod figures;
mod need;
mod plan;
mod run;
mod task;

use gadugi_core::{Millis, Timestamp, Usage};
use gadugi_sys::clock;

use crate::wire;

pub(crate) use figures::{limit, machine, machine_point, series};
pub(crate) use plan::{plan, planned_task};
pub(crate) use run::{row, run};
pub(crate) use task::{Known, task, tasks};

pub(crate) fn moment(at: Timestamp) -> wire::Moment {
    clock::rfc3339(at)
}

pub(crate) fn seconds(length: u64) -> f64 {
    Millis(length).as_seconds()
}

pub(crate) fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

pub(crate) fn usage(usage: &Usage) -> wire::Usage {
    wire::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        tokens: usage.tokens(),
        cost_usd: usage.cost_usd(),
    }
}

pub(crate) fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}
