//! Setup and verify commands: the shell lines that a user wrote into the configuration.
//!
//! They are the user's own and run with `/bin/sh`, but no agent is started by them: a word in command position that
//! names an agent CLI is refused. That is a trip wire for the honest mistake, not a wall: a shell can hide any word.

use std::collections::BTreeMap;

use gadugi_core::{AgentName, AgentSettings};

use crate::delegation::DelegationRefused;
use crate::kind::is_agent_program;
use crate::shell::commands;

/// What to start for a setup or verify step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLaunch {
    argv: [String; 3],
}

impl CheckLaunch {
    /// The program and its arguments.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }
}

/// What to start for a shell command that is no agent.
///
/// # Errors
/// Where a word in command position is an agent CLI: a known one, or the `command` of a configured agent.
pub fn check_launch(
    shell_command: &str,
    agents: &BTreeMap<AgentName, AgentSettings>,
) -> Result<CheckLaunch, DelegationRefused> {
    let configured: Vec<&str> = agents.values().filter_map(|agent| agent.command.as_deref()).collect();
    for word in commands(shell_command) {
        if is_agent_program(&word) || configured.contains(&word.as_str()) {
            return Err(DelegationRefused::ShellCommand { command: shell_command.to_owned(), word });
        }
    }
    Ok(CheckLaunch { argv: ["/bin/sh".into(), "-c".into(), shell_command.to_owned()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str) -> Result<CheckLaunch, DelegationRefused> {
        let own = AgentSettings { command: Some("/opt/my agent/run".into()), ..AgentSettings::default() };
        let plain = AgentSettings { command: Some("my-agent".into()), ..AgentSettings::default() };
        check_launch(command, &BTreeMap::from([("claude".into(), own), ("other".into(), plain)]))
    }

    #[test]
    fn a_command_becomes_one_shell_line() {
        let launch = check("cargo test && echo \"a b\"").unwrap();
        assert_eq!(launch.argv(), ["/bin/sh", "-c", "cargo test && echo \"a b\""]);
    }

    #[test]
    fn commands_that_merely_speak_of_agents_pass() {
        for command in [
            "cargo test -p claude",
            "test -d .claude && ls claude",
            "echo claude; cat claude | grep codex # claude",
            "scripts/claude-lint.sh",
            "cp -r claude /tmp/x",
            "A=claude make",
            "grep -r 'claude -p' .",
            "printf %s \"$(cat claude)\"",
            "[ \"$x\" = claude ]",
            "npm ci && npm test",
            "uv run pytest",
            "for f in claude codex; do echo $f; done",
            "case $x in claude) echo y;; esac",
        ] {
            assert!(check(command).is_ok(), "{command}");
        }
    }

    #[test]
    fn commands_that_start_an_agent_are_refused() {
        for command in [
            "claude -p x",
            "  claude",
            "true; claude -p x",
            "true && /usr/local/bin/claude",
            "true || codex exec x",
            "cat p | gemini",
            "sleep 1 & opencode run",
            "(claude)",
            "{ claude; }",
            "if true; then claude; fi",
            "while ! claude; do :; done",
            "A=b B='c d' claude",
            "x=$(claude -p y)",
            "echo \"$(claude)\"",
            "echo `claude`",
            "c\\laude -p",
            "'claude' -p",
            "cl\"au\"de",
            "env -i PATH=x claude",
            "exec claude",
            "command claude",
            "nohup claude",
            "timeout 5m claude",
            "timeout -k 5 10 claude",
            "nice -n 5 claude",
            "xargs -n1 claude < list",
            "setsid claude",
            "sudo -u bob claude",
            "time claude",
            "sh -c 'claude -p x'",
            "bash -lc \"true; claude\"",
            "eval claude -p",
            "uv run claude -p",
            "uvx claude",
            "npx @anthropic-ai/claude-code@2.1.197 -p x",
            "npx -y @openai/codex exec",
            "bunx opencode-ai run",
            "true\nclaude",
            "true |\n claude",
            "case $x in a) claude;; esac",
            "2>&1 claude",
            "</dev/null claude",
            "my-agent --go",
            "'/opt/my agent/run' x",
        ] {
            assert!(matches!(check(command), Err(DelegationRefused::ShellCommand { .. })), "{command}");
        }
    }
}
