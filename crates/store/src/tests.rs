//! The log against real files: all or nothing, nothing destroyed, one projection.

mod damage;
mod elsewhere;
mod figures;
mod log;
mod machine;
mod monitoring;
mod past;
mod sample;
