//! Random graphs of tasks, and how well the core's order does on them ([`gadugi_core::schedule`]): what `cargo xtask bench
//! schedule` measures.
//!
//! The graphs are drawn so that nobody has to trust that they were chosen well: each size is spread evenly over its whole range
//! (tasks 5 to 500, slots 1 to 32, and for each shape its widths, depths and fans), the seven shapes and the three sorts of
//! memory take turns, and graphs on which no order is better than another (more slots than could ever be used, one slot, one
//! chain) are kept in: on them everybody ties. Durations are skewed as those of real work are: log-normal with a standard
//! deviation of the logarithm from 0.5 to 1.5, or a Pareto law with an exponent from 1.1 to 2.5, cut at a thousand times the
//! shortest. Half of the plans stand in an order that no edge contradicts, as people number their files; half are shuffled.
//!
//! All plans go through the code that dispatches runs. First come, first served is the same code with the plan's own order.

mod draw;
mod measure;

pub use draw::{Graph, Memory, Shape, Sizes};
pub use measure::{Figures, Spread, measure};
