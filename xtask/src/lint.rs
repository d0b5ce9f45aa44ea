//! The linters.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{cargo, run};
use crate::{names, tools};

/// Sources look as `rustfmt.toml` says.
pub(crate) fn formatting() -> Result<()> {
    run(cargo(["fmt", "--all", "--check"]))?;
    // The binaries for libFuzzer are a workspace of their own; what they call is in this one.
    run(cargo(["fmt", "--manifest-path", "fuzz/libfuzzer/Cargo.toml", "--check"]))
}

/// No warning of the compiler or of clippy, tests included.
pub(crate) fn clippy() -> Result<()> {
    run(cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// Licences, sources and duplicate versions of what we build on. Advisories are not looked at here: their list comes
/// over the network and changes without us, so the GitHub workflow does that, daily.
pub(crate) fn dependencies() -> Result<()> {
    let mut deny = Command::new(tools::cargo_deny().context("cargo-deny is missing")?);
    deny.args(["--workspace", "--all-features", "check", "bans", "licenses", "sources"])
        .current_dir(names::root());
    run(deny)
}
