//! The `gadugi` command: talks to people, and leaves the work to the other crates.
//!
//! One file per command under `commands/`; words, hints and exit codes in `error`; the one door to standard output in
//! `output`; whatever agents and prompts say is cleaned by `text` before a terminal sees it.
//!
//! **Never in here:** decisions about runs and tasks, git, files of the engine's state, anything that another program
//! could want without the words.

mod args;
mod commands;
mod containers;
mod decompose;
mod error;
mod follow;
mod machine;
mod output;
mod page;
mod place;
mod planning;
mod programs;
mod report;
mod screen;
mod standing;
mod table;
mod text;

use std::process::ExitCode;

use error::{Exit, Stop};

fn main() -> ExitCode {
    let invocation = match args::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(exit) => return exit.code().into(),
    };
    let json = invocation.command.wants_json();
    let exit = commands::dispatch(invocation).unwrap_or_else(|stop| {
        if let Stop::Problems(problems) = &stop {
            problems.iter().for_each(|problem| output::problem(json, problem));
        }
        stop.exit()
    });
    ExitCode::from(Exit::code(exit))
}
