//! What a task will take.

mod table;

pub(crate) use table::by_table;
