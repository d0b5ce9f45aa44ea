//! Programs that tests start and that are none of ours: a browser, Node.js, Prometheus.
//!
//! `cargo xtask test` puts what the machine lacks under `target/tools` of the workspace, or gives it to the system's package
//! manager. What lies under `target/tools` is taken first: it is there because the machine's own would not do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// No such program, no test: what is missing, and what to run.
#[derive(Debug, thiserror::Error)]
#[error("no {program}: run `cargo xtask tools` (it installs it), or set {variable} to one")]
pub struct Missing {
    program: &'static str,
    variable: &'static str,
}

/// A program that tests may need.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name on `PATH`.
    name: &'static str,
    /// Names another one to take instead.
    variable: &'static str,
    /// Its folder below `target/tools`, where one is installed there.
    folder: &'static str,
}

/// Node.js, new enough for the page's tools.
pub const NODE: Program = Program { name: "node", variable: "GADUGI_TEST_NODE", folder: "node/bin" };
/// Chromium, which shows the page.
pub const CHROMIUM: Program =
    Program { name: "chromium", variable: "GADUGI_TEST_CHROMIUM", folder: "chromium/usr/bin" };
/// Prometheus, which scrapes the metrics.
pub const PROMETHEUS: Program =
    Program { name: "prometheus", variable: "GADUGI_TEST_PROMETHEUS", folder: "prometheus/usr/bin" };
/// Its `promtool`, which checks them.
pub const PROMTOOL: Program =
    Program { name: "promtool", variable: "GADUGI_TEST_PROMTOOL", folder: "prometheus/usr/bin" };

impl Program {
    /// Where it is.
    ///
    /// # Errors
    /// Where there is none: a test that needs it fails with these words, it is never left out.
    pub fn path(self) -> Result<PathBuf, Missing> {
        let given = gadugi_sys::env::get(self.variable).map(PathBuf::from);
        let tools = workspace_root().join("target/tools").join(self.folder);
        let path = gadugi_sys::env::get("PATH").map(OsString::from).unwrap_or_default();
        let folders = std::iter::once(tools).chain(std::env::split_paths(&path));
        let found =
            given.or_else(|| folders.map(|folder| folder.join(self.name)).find(|path| path.is_file()));
        found.ok_or(Missing { program: self.name, variable: self.variable })
    }
}

/// The workspace that this crate was built in.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
