//! libFuzzer's way into `gadugi-fuzz`: one binary for each target, in `src/bin`, built by cargo-fuzz.
//!
//! **Never in here:** what a target does. That is in `gadugi-fuzz`, where the ordinary tests reach it.

pub use gadugi_fuzz::TARGETS;
pub use libfuzzer_sys::fuzz_target;
