//! Gadugi's own chores: `cargo xtask demo`, `test`, `page`, `dist`, `with-engine`, `lint`, `tidy`, `tools`, `simulate`, `soak`,
//! `bench`, `fuzz`.
//!
//! A chore calls the tools that a person would call, shows each call, and fails when one of them fails. What it
//! installs it puts under `target/tools` or gives to the system's package manager.
//!
//! **Never in here:** anything that gadugi needs at run time, a crate of ours as a dependency (the chores have to
//! build while those are broken), a check that passes because its subject is missing.

mod bench;
mod containers;
mod demo;
mod dist;
mod fuzz;
mod lint;
mod names;
mod node;
mod page;
mod shell;
mod simulate;
mod soak;
mod strays;
mod suite;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gadugi's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build gadugi and watch it run a sample repository from plan to merged branch
    Demo {
        /// Further arguments of `gadugi demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what the tests need, then lint and test everything
    Test,
    /// Build the page into dashboard/dist, where the next build of gadugi takes it up; nothing is done where nothing changed
    Page,
    /// Build gadugi for others, the page embedded, into target/dist
    Dist,
    /// Run a command with the Docker engine that the tests have, such as `cargo test -p gadugi-exec`
    WithEngine {
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Formatting, clippy, licences and sources of dependencies, the repository's own rules
    Lint,
    /// The repository's own rules alone
    Tidy,
    /// Install what the tests need, and no more
    Tools,
    /// Play seeds of the core's simulator until one fails: it is shrunk and told
    Simulate(simulate::Simulate),
    /// Kill the engine at every moment that has a name, then at random ones, then simulate for long
    Soak(soak::Soak),
    /// Measure, and fail where what was measured falls short
    Bench {
        /// What
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Fuzz what reads the bytes of others, each target for a bounded time
    Fuzz(fuzz::Fuzz),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Demo { arguments } => demo::run(&arguments),
        Chore::Test => suite::test(),
        Chore::Page => page::run(),
        Chore::Dist => dist::run(),
        Chore::WithEngine { command } => containers::run_with(&command),
        Chore::Lint => suite::lint(),
        Chore::Tidy => tidy::check(),
        Chore::Soak(what) => soak::run(what),
        Chore::Tools => tools::provide(&tools::FOR_TESTS),
        Chore::Simulate(wish) => simulate::run(wish),
        Chore::Bench { bench } => bench::run(bench),
        Chore::Fuzz(fuzz) => fuzz::run(&fuzz),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::complain(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
