//! Processes of attempts that are over: they carry their attempt in their environment.

use std::fs;
use std::path::{Path, PathBuf};

/// One process that a step left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) pid: u32,
    /// `run/task/number`
    pub(super) attempt: String,
    /// The worktree that its step was started in.
    pub(super) worktree: PathBuf,
    /// Its program and arguments, for people.
    pub(super) command: String,
}

/// All processes of this machine that carry an attempt, as far as this user may look.
pub(super) fn marked() -> Vec<Marked> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Marked> = entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            look(pid, &entry.path())
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn look(pid: u32, folder: &Path) -> Option<Marked> {
    let environment = fs::read(folder.join("environ")).ok()?;
    let value = |name: &str| {
        let start = format!("{name}=");
        let mut entries = environment.split(|byte| *byte == 0);
        let found = entries.find_map(|entry| entry.strip_prefix(start.as_bytes()))?;
        Some(String::from_utf8_lossy(found).into_owned())
    };
    let attempt = value(gadugi_sys::env::ATTEMPT)?;
    let worktree = value("ORCHESTRATOR_WORKTREE").map(PathBuf::from)?;
    let words = fs::read(folder.join("cmdline")).unwrap_or_default();
    let words: Vec<_> =
        words.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    Some(Marked { pid, attempt, worktree, command: gadugi_agents::one_line(&words.join(" "), 100) })
}
