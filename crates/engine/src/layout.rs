//! Where things lie below a repository's `.gadugi/`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gadugi_core::{AttemptId, RunId, StepId, TaskId};

/// A Unix socket's path may have 108 bytes with its closing zero; some room is left for the kernel's own prefixes.
const SOCKET_PATH_MAX: usize = 100;

/// The places of one repository's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below the main worktree at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The main worktree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.gadugi/`.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(".gadugi")
    }

    /// The event log.
    pub fn database(&self) -> PathBuf {
        self.state_dir().join("gadugi.db")
    }

    /// Held by the engine that lives; names its pid and start time.
    pub fn lock(&self) -> PathBuf {
        self.state_dir().join("engine.lock")
    }

    /// What the engine has to say about itself.
    pub fn log(&self) -> PathBuf {
        self.state_dir().join("engine.log")
    }

    /// The engine's socket: in the state folder, or, where that path is too long for one, in the runtime folder of
    /// the user.
    pub fn socket(&self) -> PathBuf {
        let near = self.state_dir().join("engine.sock");
        if near.as_os_str().len() <= SOCKET_PATH_MAX {
            return near;
        }
        let runtime = gadugi_sys::env::get(gadugi_sys::env::XDG_RUNTIME_DIR).map_or_else(
            || PathBuf::from(format!("/tmp/gadugi-{}", rustix::process::getuid().as_raw())),
            PathBuf::from,
        );
        runtime.join(format!("gadugi-{:016x}.sock", gadugi_core::fingerprint(near.as_os_str().as_bytes())))
    }

    /// Everything about a run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.state_dir().join("runs").join(run.as_str())
    }

    /// The bare store that sealed workspaces of a run borrow from.
    pub fn store(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("store.git")
    }

    /// What setup steps made for all tasks.
    pub fn caches(&self) -> PathBuf {
        self.state_dir().join("caches")
    }

    /// What plans have understood of files and commits.
    pub fn analysis(&self) -> PathBuf {
        self.state_dir().join("analysis")
    }

    /// Patches on their way to whoever asked for them.
    pub fn patches(&self) -> PathBuf {
        self.state_dir().join("patches")
    }

    /// What passed the gateway: one line for each request.
    pub fn gateway_log(&self) -> PathBuf {
        self.state_dir().join("gateway.log")
    }

    /// The words of a task's prompt, as they were when the plan was made.
    pub fn prompt(&self, run: &RunId, task: &TaskId) -> PathBuf {
        self.run_dir(run).join("prompts").join(format!("{task}.md"))
    }

    /// Everything about an attempt.
    pub fn attempt_dir(&self, attempt: &AttemptId) -> PathBuf {
        self.run_dir(&attempt.run).join(attempt.task.as_str()).join(attempt.attempt.to_string())
    }

    /// Everything about a step.
    pub fn step_dir(&self, step: &StepId) -> PathBuf {
        self.attempt_dir(&step.attempt).join(step.step.to_string())
    }
}
