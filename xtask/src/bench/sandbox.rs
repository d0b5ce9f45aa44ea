//! A place of its own for a measurement: home, configuration, repository; gone when it is dropped.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::watch;
use crate::{shell, strays};

/// The place.
pub(super) struct Sandbox {
    folder: TempDir,
}

/// A prompt of a measurement.
pub(super) struct Prompt {
    /// Its id, and the stem of its file.
    pub(super) id: String,
    /// Ids of those before it.
    pub(super) after: Vec<String>,
    /// What the scripted agent does, one line each.
    pub(super) script: Vec<String>,
}

impl Prompt {
    /// The prompt as a file.
    fn text(&self) -> String {
        let Self { id, after, script } = self;
        let (after, script) = (after.join(", "), script.join("\n"));
        format!(
            "---\nid: {id}\ndepends_on: [{after}]\ntouches: [out/{id}.txt]\n---\n# Task {id}\n\n```script\n{script}\n```\n"
        )
    }
}

impl Sandbox {
    /// A new one.
    pub(super) fn new() -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("gadugi-bench-").tempdir().context("no temporary folder")?;
        for name in ["home", "runtime"] {
            fs::create_dir(folder.path().join(name))?;
        }
        // What lies in $XDG_RUNTIME_DIR is for its owner alone.
        fs::set_permissions(folder.path().join("runtime"), fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder })
    }

    /// The repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// A folder for whatever else a measurement needs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A call that sees this place and nothing of the user's, in the repository.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", shell::search_path())
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("LANG", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .current_dir(self.repository());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Bench")
                .env(format!("GIT_{role}_EMAIL"), "bench@example.org");
        }
        command
    }

    /// What a call of git in the repository prints.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git = self.command("git");
        git.args(arguments);
        shell::output(git)
    }

    /// Makes the repository: 200 small files, the prompts under `prompts/`, one commit.
    pub(super) fn fill(&self, prompts: &[Prompt]) -> Result<()> {
        self.fill_with(200, prompts)
    }

    /// Makes one of 20 small files, in which git ignores the prompts: thousands of worktrees would hold thousands of
    /// prompts each.
    pub(super) fn fill_small(&self, prompts: &[Prompt]) -> Result<()> {
        fs::create_dir_all(self.repository())?;
        fs::write(self.repository().join(".gitignore"), "/prompts/\n")?;
        self.fill_with(20, prompts)
    }

    fn fill_with(&self, files: usize, prompts: &[Prompt]) -> Result<()> {
        let repository = self.repository();
        fs::create_dir_all(repository.join("prompts"))?;
        for number in 0..files {
            let folder = repository.join(format!("src/part{:02}", number / 20));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("file{number:03}.txt")), format!("file {number}\n").repeat(40))?;
        }
        for prompt in prompts {
            fs::write(repository.join(format!("prompts/{}.md", prompt.id)), prompt.text())?;
        }
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message=base"])?;
        Ok(())
    }

    /// The processes that were started from here, directly or not, and still live: pid and start time. Their home is in
    /// here.
    pub(super) fn processes(&self) -> Vec<(u32, u64)> {
        let home = [b"HOME=", self.path("home").as_os_str().as_bytes()].concat();
        let lives_here = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == home)
        };
        let alive = |pid| strays::identify(pid).filter(|(pid, start)| strays::is_alive(*pid, *start));
        strays::pids().into_iter().flatten().filter(lives_here).filter_map(alive).collect()
    }
}

impl Drop for Sandbox {
    /// A measurement that broke off leaves nothing running whose folder goes now.
    fn drop(&mut self) {
        self.processes().into_iter().for_each(|(pid, start)| watch::kill(pid, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_sandbox_is_a_repository_with_its_prompts() {
        let sandbox = Sandbox::new().unwrap();
        let prompt = Prompt { id: "b".into(), after: vec!["a".into()], script: vec!["sleep 2s".into()] };
        sandbox.fill(&[prompt]).unwrap();
        assert_eq!(sandbox.git(&["status", "--porcelain"]).unwrap(), "");
        let text = sandbox.git(&["show", "HEAD:prompts/b.md"]).unwrap();
        assert!(text.contains("depends_on: [a]") && text.contains("```script\nsleep 2s\n```"), "{text}");
        assert_eq!(sandbox.git(&["log", "--format=%an"]).unwrap().trim(), "Bench");
    }
}
