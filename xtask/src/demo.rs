//! `cargo xtask demo`: builds gadugi from a clone and lets it run its sample repository.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{names, shell};

/// Builds the binary and becomes `gadugi demo`, so that keys and signals reach it as they reach any program.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let binary = names::release_binary()?;
    shell::say(format!("$ {} demo {}", binary.display(), arguments.join(" ")).trim_end());
    let error = Command::new(&binary).arg("demo").args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}
