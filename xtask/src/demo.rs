//! `cargo xtask demo`: builds gadugi from a clone and lets it run its sample repository.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{names, node, page, shell};

/// Builds the page where Node.js is there, then the binary, and becomes `gadugi demo`, so that keys and signals reach it
/// as they reach any program.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(reason) = without_page() {
        shell::complain(&format!(
            "the page (`gadugi dashboard`) is left out: {reason}; `cargo xtask page` builds it, all else is there"
        ));
    }
    let binary = names::release_binary()?;
    shell::say(format!("$ {} demo {}", binary.display(), arguments.join(" ")).trim_end());
    let error = Command::new(&binary).arg("demo").args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

/// Why the binary has no page, where it has none. The demo shows what the terminal shows and goes on without.
fn without_page() -> Option<String> {
    if node::search_path().is_none() {
        return Some("there is no Node.js 20.19 or later with npm".into());
    }
    page::build().err().map(|error| format!("it could not be built ({error:#})"))
}
