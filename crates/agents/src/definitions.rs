//! The agent definitions that gadugi carries: Markdown files with front matter, as Claude Code reads them from
//! `.claude/agents/`.

use gadugi_core::Purpose;

/// One agent definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The agent's name, and its file's stem.
    pub name: &'static str,
    /// The whole file.
    pub text: &'static str,
}

/// Does one task, phases 4, 5, 7 and 10 of the workflow.
pub const WORKFLOW_MANAGER: Definition =
    Definition { name: "workflow-manager", text: include_str!("../definitions/workflow-manager.md") };

/// Hands lists of prompts to `gadugi run --stdin`.
pub const ORCHESTRATOR_AGENT: Definition =
    Definition { name: "orchestrator-agent", text: include_str!("../definitions/orchestrator-agent.md") };

/// Reads prompts and says what can run side by side.
pub const TASK_ANALYZER: Definition =
    Definition { name: "task-analyzer", text: include_str!("../definitions/task-analyzer.md") };

/// All of them: what `gadugi init` installs under `.claude/agents/`.
pub const DEFINITIONS: [Definition; 3] = [ORCHESTRATOR_AGENT, WORKFLOW_MANAGER, TASK_ANALYZER];

/// The slash command `/agent:orchestrator-agent`: without this file Claude Code knows no command of that name. What
/// `gadugi init` installs as [`ORCHESTRATOR_COMMAND_PATH`].
pub const ORCHESTRATOR_COMMAND: Definition = Definition {
    name: "agent:orchestrator-agent",
    text: include_str!("../definitions/orchestrator-command.md"),
};

/// Where Claude Code looks for the command: the folder is the part of its name before the colon.
pub const ORCHESTRATOR_COMMAND_PATH: &str = ".claude/commands/agent/orchestrator-agent.md";

/// As whom gadugi starts agents: these two, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Does the work of a task.
    WorkflowManager,
    /// Answers a question about a prompt.
    TaskAnalyzer,
}

/// Whose definition of its role an agent runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The repository's own, at the base commit.
    Repository,
    /// The one that gadugi carries.
    BuiltIn,
}

/// Tools of Claude Code that look and change nothing: all that whoever answers a question may use, whatever its definition
/// says.
pub(crate) const LOOKING: [&str; 3] = ["Read", "Grep", "Glob"];

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::WorkflowManager, Self::TaskAnalyzer];

    /// The role for what a task is for.
    pub fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Work => Self::WorkflowManager,
            Purpose::Decompose(_) => Self::TaskAnalyzer,
        }
    }

    /// The definition that gadugi carries.
    pub fn definition(self) -> &'static Definition {
        match self {
            Self::WorkflowManager => &WORKFLOW_MANAGER,
            Self::TaskAnalyzer => &TASK_ANALYZER,
        }
    }

    /// Where the repository keeps its own.
    pub fn path(self) -> String {
        format!(".claude/agents/{}.md", self.definition().name)
    }

    /// The choice for a repository whose file at [`Self::path`] reads so. A file that Claude Code would not take for
    /// an agent of that name (no front matter, another name, no description) does not count.
    pub fn whose(self, text: Option<&str>) -> Whose {
        match text.and_then(front_matter) {
            Some((matter, _))
                if value(matter, "name") == Some(self.definition().name)
                    && value(matter, "description").is_some_and(|text| !text.is_empty()) =>
            {
                Whose::Repository
            }
            _ => Whose::BuiltIn,
        }
    }

    /// The tools that the carried definition is started with.
    pub(crate) fn tools(self) -> Vec<&'static str> {
        match self {
            Self::WorkflowManager => self.definition().tools().collect(),
            Self::TaskAnalyzer => LOOKING.to_vec(),
        }
    }
}

impl Definition {
    /// The text below the front matter: the agent's system prompt.
    pub fn body(&self) -> &'static str {
        front_matter(self.text).map_or(self.text, |(_, body)| body.trim_start())
    }

    /// One sentence that says when to use it.
    pub fn description(&self) -> &'static str {
        front_matter(self.text).and_then(|(matter, _)| value(matter, "description")).unwrap_or_default()
    }

    /// The tools that it may use.
    pub fn tools(&self) -> impl Iterator<Item = &'static str> {
        let tools =
            front_matter(self.text).and_then(|(matter, _)| value(matter, "tools")).unwrap_or_default();
        tools.split(',').map(str::trim).filter(|tool| !tool.is_empty())
    }
}

/// Splits a file into the lines between its two `---` and the rest.
fn front_matter(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let end = rest.find("\n---")?;
    let (_, body) = rest[end + 4..].split_once('\n').unwrap_or(("", ""));
    Some((&rest[..end], body))
}

/// A scalar of the front matter's first level, without its quotes. A block scalar counts as its indicator: enough to
/// see that there is one.
fn value<'a>(matter: &'a str, key: &str) -> Option<&'a str> {
    matter.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(':')?.trim();
        let quoted = ['"', '\''].into_iter().find_map(|q| value.strip_prefix(q)?.strip_suffix(q));
        Some(quoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_definition_is_one_that_claude_code_reads() {
        for definition in DEFINITIONS {
            let (matter, body) = front_matter(definition.text).expect("front matter");
            assert_eq!(value(matter, "name"), Some(definition.name));
            assert!(definition.description().len() > 20, "{}", definition.name);
            assert!(definition.tools().count() > 1, "{}", definition.name);
            assert!(body.len() > 1000, "{}: the body is the whole system prompt", definition.name);
            // The built-in one travels in argv, whose single words may hold 128 KiB.
            assert!(definition.text.len() < 16 * 1024);
        }
    }

    #[test]
    fn the_repository_s_file_counts_where_claude_code_would_take_it() {
        for role in Role::ALL {
            let name = role.definition().name;
            let own = format!("---\nname: {name}\ndescription: does it\n---\nBody\n");
            assert_eq!(role.whose(Some(&own)), Whose::Repository);
            assert_eq!(role.whose(Some(&own.replace('\n', "\r\n"))), Whose::Repository);
            assert_eq!(role.whose(Some(role.definition().text)), Whose::Repository, "what `init` installs");
            for other in [
                None,
                Some(""),
                Some("# Workflow manager\n\nwords\n"),
                Some("---\nname: other\ndescription: x\n---\n"),
                Some(&*format!("---\nname: {name}\n---\nno description\n")),
                Some(&*format!("---\nname: {name}\ndescription: never closed\n")),
            ] {
                assert_eq!(role.whose(other), Whose::BuiltIn, "{other:?}");
            }
        }
    }

    #[test]
    fn each_purpose_has_its_role_and_who_is_asked_only_looks() {
        assert_eq!(Role::of(Purpose::Work), Role::WorkflowManager);
        assert_eq!(Role::of(Purpose::Decompose(3)), Role::TaskAnalyzer);
        assert_eq!(Role::TaskAnalyzer.tools(), LOOKING);
        assert!(Role::WorkflowManager.tools().contains(&"Write"));
        assert_eq!(Role::TaskAnalyzer.path(), ".claude/agents/task-analyzer.md");
    }
}
