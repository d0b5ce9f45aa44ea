//! Where steps run (this machine, or containers): starting a step's shim, following its files, stopping its descent, and
//! measuring it.
//!
//! A step is a folder ([`gadugi_shim`] has its format) and a shim beside it that needs nobody: what is here can be
//! dropped and made anew at any time, in this process or in a later one, and [`LocalExecutor::adopt`] finds every byte
//! and every exit again. Nothing here polls: files are followed by inotify, processes by pidfd.
//!
//! Following 200 steps that write 1,000 lines a second in all was measured at 15 µs of processor time a line (1.5 % of a
//! core), and 7 µs at 5,000 lines a second: a line costs one read, and the kernel's queue is read a hundred times a second
//! at most. Looking at those steps' 400 processes takes a [`Sampler`] some 10 ms.
//!
//! Descriptors: an executor has one (inotify). A followed step has two (the shim's pidfd, `stdout.jsonl`), and a third
//! while it is being launched or adopted (the shim's standard error; one record at a time). So 200 concurrent steps take
//! at most 1 + 200 × 3 = 601 of the usual 1,024, and 401 once they run. An ended step's are closed as its
//! [`StepFollower`] is dropped. A step in a container has the same, and while it is launched some five more (the socket over
//! which it receives its folder, and connections with the engine). Where there are none to be had, launching, adopting and
//! the end wait until there are.
//!
//! **Never in here:** what a step is for (agents, prompts, git), what its end means for a task, reading of the lines
//! that it writes; values of environment variables in any file.

mod cgroup;
mod disk;
pub mod docker;
mod either;
mod error;
mod executor;
mod follow;
mod held;
mod identity;
pub mod image;
mod launch;
mod lines;
mod order;
mod procfs;
mod records;
mod sample;
mod shim;
mod stop;
mod sweep;
mod tail;
mod watch;

pub use disk::{DiskUse, disk_use};
pub use docker::{
    Connection, ContainerOrder, DockerError, DockerExecutor, Mount, Overlay, in_container, removed,
};
pub use either::Executor;
pub use error::ExecError;
pub use executor::{Adoption, LocalExecutor};
pub use follow::{Ended, StepFollower, StepNews};
pub use gadugi_shim::{Limits, PORT_MARK, Relay, SPEC, STDERR, STDOUT, Text};
pub use held::held_open;
pub use lines::{Line, LineReader, MAX_LINE};
pub use order::StepOrder;
pub use sample::{Figures, Sampler};
pub use stop::Stopper;
pub use sweep::sweep;
pub use tail::tail;
pub use watch::{DirWatch, Watcher};
