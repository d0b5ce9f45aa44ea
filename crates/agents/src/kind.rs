//! The agents that gadugi knows.

use std::fmt;

use gadugi_core::RESERVED_AGENTS;

/// An agent that gadugi can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentKind {
    /// Claude Code.
    Claude,
    /// Gadugi's own agent that does what a script in the prompt says: for the demo, tests and benches.
    Scripted,
}

/// A name that is no agent's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent `{name}`{}", if *.reserved { " yet: the name is reserved" } else { "" })]
pub struct UnknownAgent {
    /// The name that was given.
    pub name: String,
    /// Whether an adapter of that name is to come.
    pub reserved: bool,
}

impl AgentKind {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Claude, Self::Scripted];

    /// The agent of that name.
    pub fn from_name(name: &str) -> Result<Self, UnknownAgent> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownAgent { name: name.to_owned(), reserved: RESERVED_AGENTS.contains(&name) })
    }

    /// Its name in flags, front matter and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Scripted => "scripted",
        }
    }

    /// The command by which a person gives it a new credential; none where it needs none.
    pub fn login(self) -> Option<&'static str> {
        match self {
            Self::Claude => Some("claude setup-token"),
            Self::Scripted => None,
        }
    }
}

impl fmt::Display for AgentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a program's file name, or a package's name, is that of a coding-agent CLI. A version behind an `@` does
/// not hide it.
pub(crate) fn is_agent_program(word: &str) -> bool {
    const PACKAGES: [&str; 4] =
        ["@anthropic-ai/claude-code", "@openai/codex", "@google/gemini-cli", "opencode-ai"];
    if PACKAGES.iter().any(|package| word == *package || word.starts_with(&format!("{package}@"))) {
        return true;
    }
    let name = word.rsplit('/').next().unwrap_or(word);
    let name = name.split('@').next().unwrap_or(name);
    name == "claude" || RESERVED_AGENTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_reserved_or_unknown() {
        assert_eq!(AgentKind::ALL.map(AgentKind::name), gadugi_core::AGENTS);
        assert_eq!(AgentKind::from_name("claude"), Ok(AgentKind::Claude));
        assert_eq!(AgentKind::from_name("scripted"), Ok(AgentKind::Scripted));
        for name in ["codex", "gemini", "opencode"] {
            let error = AgentKind::from_name(name).unwrap_err();
            assert!(error.reserved, "{error}");
        }
        for name in ["Claude", "", "claude ", "gpt"] {
            let error = AgentKind::from_name(name).unwrap_err();
            assert!(!error.reserved, "{error}");
        }
    }

    #[test]
    fn agent_programs_are_recognized_by_their_file_name() {
        for word in ["claude", "/usr/bin/claude", "./codex", "@anthropic-ai/claude-code@latest", "gemini"] {
            assert!(is_agent_program(word), "{word}");
        }
        for word in ["claude-lint", "cargo", "claude.md", "docs/claude/", "@me/claude-code"] {
            assert!(!is_agent_program(word), "{word}");
        }
    }
}
