//! Programs that gadugi needs: itself, and the agents' CLIs.

use std::path::{Path, PathBuf};

use gadugi_agents::AgentKind;
use gadugi_core::RunSettings;
use gadugi_sys::env;
use rustix::fs::{Access, access};

use crate::error::Problem;

/// What installs Claude Code.
pub(crate) const INSTALL_CLAUDE: &str = "npm install -g @anthropic-ai/claude-code";

/// This very program. Where it was replaced while it runs, the new one at the same place.
pub(crate) fn own() -> Result<PathBuf, Problem> {
    let path = std::env::current_exe().map_err(|error| Problem::internal(&error))?;
    let shown = path.to_string_lossy();
    match shown.strip_suffix(" (deleted)") {
        Some(replaced) if !path.exists() => Ok(PathBuf::from(replaced)),
        _ => Ok(path),
    }
}

/// What was found where a program should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there.
    Program(PathBuf),
    /// It is there and may not be executed.
    NotExecutable(PathBuf),
    /// It is not there.
    Missing,
}

/// Looks for a program: on `path` (as `PATH` is written) where its name has no slash.
pub(crate) fn find(name: &str, path: &str) -> Found {
    if name.contains('/') {
        return look(Path::new(name));
    }
    let mut found = Found::Missing;
    for dir in path.split(':').filter(|dir| !dir.is_empty()) {
        match look(&Path::new(dir).join(name)) {
            program @ Found::Program(_) => return program,
            other if found == Found::Missing => found = other,
            _ => {}
        }
    }
    found
}

/// [`find`] on this process's own `PATH`.
pub(crate) fn on_path(name: &str) -> Found {
    find(name, &env::get(env::PATH).unwrap_or_default())
}

fn look(path: &Path) -> Found {
    if !path.exists() {
        Found::Missing
    } else if path.is_file() && access(path, Access::EXEC_OK).is_ok() {
        Found::Program(path.to_owned())
    } else {
        Found::NotExecutable(path.to_owned())
    }
}

/// The program that is started for an agent, where it is not gadugi itself.
pub(crate) fn of_agent(agent: &str, settings: &RunSettings) -> Option<String> {
    let configured = settings.agents.get(agent).and_then(|agent| agent.command.clone());
    configured.or_else(|| match AgentKind::from_name(agent) {
        Ok(AgentKind::Claude) => Some("claude".to_owned()),
        _ => None,
    })
}

/// Whether the CLI of an agent can be started.
pub(crate) fn check_agent(agent: &str, settings: &RunSettings) -> Result<(), Problem> {
    let Some(program) = of_agent(agent, settings) else { return Ok(()) };
    match on_path(&program) {
        Found::Program(_) => Ok(()),
        Found::Missing => {
            let hint = if program == "claude" {
                INSTALL_CLAUDE.to_owned()
            } else {
                format!("install it, or correct [agents.{agent}] command in gadugi.toml")
            };
            let place = if program.contains('/') { "" } else { " on PATH" };
            let message = format!("the agent {agent} cannot start: there is no {program}{place}");
            Err(Problem::environment("agent-missing", message, Some(&hint)))
        }
        Found::NotExecutable(path) => {
            let message = format!("the agent {agent} cannot start: {} is not executable", path.display());
            let hint = format!("chmod +x {}", crate::text::shell_word(&path.to_string_lossy()));
            Err(Problem::environment("agent-not-executable", message, Some(&hint)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for folder in [&one, &two] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("tool"), "#!/bin/sh\n").unwrap();
        }
        let path = format!("{}:{}", one.display(), two.display());
        std::fs::set_permissions(two.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", &path), Found::Program(two.join("tool")));
        assert_eq!(find("tool", &one.display().to_string()), Found::NotExecutable(one.join("tool")));
        assert_eq!(find("other", &path), Found::Missing);
        assert_eq!(find("tool", ""), Found::Missing);
        let named = two.join("tool").display().to_string();
        assert_eq!(find(&named, ""), Found::Program(two.join("tool")));
        std::fs::create_dir(one.join("folder")).unwrap();
        assert_eq!(find("folder", &path), Found::NotExecutable(one.join("folder")));
    }
}
