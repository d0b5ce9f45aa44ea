//! `gadugi completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Invocation;
use crate::error::{Done, Exit};
use crate::output;

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Invocation::command(), "gadugi", &mut script);
    output::result_bytes(&script)?;
    Ok(Exit::Success)
}
