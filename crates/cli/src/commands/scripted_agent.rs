//! The scripted agent's hidden face: what it does stands in the agents crate.

use std::ffi::OsString;
use std::io::{stdin, stdout};

use clap::Args;

use crate::error::{Done, Exit};

/// The agent's own command line.
#[derive(Debug, Args)]
pub(crate) struct ScriptedAgentArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

pub(crate) fn run(args: &ScriptedAgentArgs) -> Done {
    let words: Vec<String> = args.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let code = gadugi_agents::scripted::run(&words, &mut stdin().lock(), &mut stdout().lock());
    // Its exit code is the script's own, not one of gadugi's five.
    Ok(Exit::Agent(u8::try_from(code).unwrap_or(u8::MAX)))
}
