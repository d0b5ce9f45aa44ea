//! Where things lie and what they are called.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell;

/// The package that holds the `gadugi` binary, and the binary itself.
pub(crate) const BINARY: &str = "gadugi";

/// The repository.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where the tools lie that the tests need and that no package manager of the system puts elsewhere. It is fixed, so
/// that a plain `cargo test` finds them too: `target/tools` of the repository, whatever `CARGO_TARGET_DIR` says.
pub(crate) fn tools() -> PathBuf {
    root().join("target/tools")
}

/// Where cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let text = shell::output(shell::cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(target))
}

/// Builds the binary in the release profile and says where it is.
pub(crate) fn release_binary() -> Result<PathBuf> {
    shell::run(shell::cargo(["build", "--release", "--locked", "--package", BINARY]))?;
    Ok(target()?.join("release").join(BINARY))
}
