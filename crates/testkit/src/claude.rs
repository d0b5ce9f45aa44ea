//! The real Claude Code, for tests.
//!
//! It is installed by `cargo xtask test` under the workspace's `target/`, one pinned version, and talks to
//! [`crate::model_api`] alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::programs::workspace_root;

/// The version that tests are written for.
pub const VERSION: &str = "2.1.197";

/// Names another program to take instead.
pub const VARIABLE: &str = "GADUGI_TEST_CLAUDE";

/// No Claude Code, no test: what is missing, and what to run.
#[derive(Debug, thiserror::Error)]
#[error(
    "no Claude Code at {}: run `cargo xtask test` (it installs it), or `npm install --prefix {} \
     @anthropic-ai/claude-code@{VERSION} && node {}/node_modules/@anthropic-ai/claude-code/install.cjs`, or set {VARIABLE}",
    .looked_at.display(), .folder.display(), .folder.display()
)]
pub struct Missing {
    looked_at: PathBuf,
    folder: PathBuf,
}

/// The folder that `npm install --prefix` gets.
pub fn install_folder() -> PathBuf {
    workspace_root().join("target/tools/claude-code")
}

/// The program.
///
/// # Errors
/// Where there is none: a test that needs it fails with these words, it is never left out.
pub fn program() -> Result<PathBuf, Missing> {
    let folder = install_folder();
    let path = match gadugi_sys::env::get(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => folder.join("node_modules/.bin/claude"),
    };
    // What npm leaves where it ran no install scripts is a stub of a few hundred bytes.
    let usable = fs::metadata(&path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0 && file.len() > 0);
    if usable { Ok(path) } else { Err(Missing { looked_at: path, folder }) }
}

/// The variables under which Claude Code talks to `base_url` and to nothing else, with a home of its own.
pub fn environment(base_url: &str, home: &Path) -> Vec<(String, String)> {
    [
        ("HOME", home.to_string_lossy().as_ref()),
        ("ANTHROPIC_BASE_URL", base_url),
        ("ANTHROPIC_API_KEY", "sk-test-local"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
