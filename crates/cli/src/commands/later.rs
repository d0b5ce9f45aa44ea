//! What has a name already and comes later: one clear line.

use clap::Args;

use crate::error::{Done, Problem, Stop};

/// Whatever stands behind a reserved word.
#[derive(Debug, Args)]
pub(crate) struct LaterArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<std::ffi::OsString>,
}

/// Refuses a command.
pub(crate) fn refuse(word: &str, instead: &str) -> Done {
    Err(flag(&format!("gadugi {word}"), instead).into())
}

/// The refusal of something that comes later.
pub(crate) fn flag(word: &str, instead: &str) -> Problem {
    Problem::request("not-yet", format_args!("{word} comes with a later version"), Some(instead))
}

/// Refuses a flag where it is given.
pub(crate) fn unless(given: bool, word: &str, instead: &str) -> Result<(), Stop> {
    if given { Err(flag(word, instead).into()) } else { Ok(()) }
}
