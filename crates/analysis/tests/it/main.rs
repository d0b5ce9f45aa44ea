//! The analysis on real files: one test binary, so that it is linked once.

mod common;
mod defects;
mod edges;
mod inputs;
mod properties;
