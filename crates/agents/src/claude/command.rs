//! Claude Code's command line for one step.

use std::collections::BTreeMap;

use gadugi_core::SessionMode;

use crate::claude::args;
use crate::definitions::LOOKING;
use crate::delegation::{CommandLine, DelegationRefused, LaunchOptions};
use crate::{AgentKind, Role, Whose};

/// What a Claude Code must not inherit.
///
/// The first group is what Claude Code sets for the commands that it runs: gadugi may be one of them
/// (`orchestrator-agent` starts it), and its agents are no children of that session. The second turns off what the
/// delegation rests on: agent definitions (`SIMPLE`, `SAFE_MODE`), the kept session (`SKIP_PROMPT_HISTORY`), the
/// agent's own work (`COORDINATOR_MODE`).
const ENV_REMOVED: &[&str] = &[
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_AGENT",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SESSION_KIND",
    "CLAUDE_CODE_SESSION_LOG",
    "CLAUDE_CODE_SESSION_NAME",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_EFFORT",
    "CLAUDE_JOB_DIR",
    "CLAUDE_PROJECT_DIR",
    "TRACEPARENT",
    "CLAUDE_CODE_COORDINATOR_MODE",
    "CLAUDE_CODE_MAX_TURNS",
    "CLAUDE_CODE_SAFE_MODE",
    "CLAUDE_CODE_SIMPLE",
    "CLAUDE_CODE_SIMPLE_SYSTEM_PROMPT",
    "CLAUDE_CODE_SKIP_PROMPT_HISTORY",
];

/// How Claude Code is told to leave failures to the engine, which sees all agents at once and keeps what it decides.
/// The user's own values (`[agents.claude] env`) win. Read in 2.1.197 and measured against the scripted API
/// (`examples/record-fixtures.rs`):
///
/// - `CLAUDE_CODE_MAX_RETRIES`: tries after the first, 10 unless told otherwise, at most 15. The waits are 0.5 s, 1 s,
///   2 s … 32 s and up to a quarter more, so ten of them are some three minutes; three are 3.5 s to 4.4 s, which a
///   short hiccup does not outlast and which costs no new process. `retry-after` is heeded up to 60 s a try; beyond,
///   the turn ends at once.
/// - `API_TIMEOUT_MS`: from a request to the **head** of its answer, not to its end, and not between events: an answer
///   that has begun is not cut by it, however long the model thinks. A server that says nothing costs 300 s a try unless
///   told otherwise; two minutes is beyond any wait for a first token that is worth waiting for. What falls silent in
///   the middle of a stream is given up by Claude Code itself after 300 s (measured: 301 s) without a byte, or with
///   nothing but pings (`CLAUDE_STREAM_IDLE_TIMEOUT_MS`, which cannot be made shorter); that is left as it is.
/// - `CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK`: a stream that breaks before its first whole block is asked for again
///   as one object, whose head comes with its end: minutes without a sign of life, and an answer cut by the timeout
///   above, written again and paid for again. With this the turn ends, and the engine resumes the session.
const RETRIES: [(&str, &str); 3] = [
    ("CLAUDE_CODE_MAX_RETRIES", "3"),
    ("API_TIMEOUT_MS", "120000"),
    ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1"),
];

/// The same behind the gateway. It holds a request for minutes where the API is to be spared, so the head may take long; and
/// answers break off whenever gadugi's engine dies: then the agent asks again by itself, for an answer as one object, and its
/// process outlives that. (Behind a whole block Claude Code 2.1.197 ends its turn in any case.)
const GATED: [(&str, &str); 3] = [
    ("CLAUDE_CODE_MAX_RETRIES", "3"),
    ("API_TIMEOUT_MS", "600000"),
    ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", ""),
];

pub(crate) fn command_line(
    options: &LaunchOptions<'_>,
    role: Role,
    whose: Whose,
) -> Result<CommandLine, DelegationRefused> {
    args::check(&options.settings.args)?;
    check_env(options)?;
    let mut line: Vec<String> = ["-p", "--agent", role.definition().name].map(str::to_owned).into();
    if whose == Whose::BuiltIn {
        line.extend(["--agents".to_owned(), definition_json(role)]);
    }
    if role == Role::TaskAnalyzer {
        // The repository's own definition may say otherwise, and so may servers of tools that somebody configured.
        line.extend(
            ["--tools", &LOOKING.join(","), "--disallowedTools", &CHANGING.join(",")].map(str::to_owned),
        );
        line.push("--strict-mcp-config".to_owned());
    }
    line.extend(["--dangerously-skip-permissions", "--verbose", "--max-turns"].map(str::to_owned));
    line.push(options.max_turns.to_string());
    line.extend(["--output-format", "stream-json"].map(str::to_owned));
    let session = match options.mode {
        SessionMode::Fresh => "--session-id",
        SessionMode::Resume => "--resume",
    };
    line.extend([session.to_owned(), options.session.to_string()]);
    if let Some(model) = options.model {
        line.extend(["--model".to_owned(), model.to_owned()]);
    }
    if let Some(budget) = options.budget_microusd {
        // Claude Code crashes at 0; at the least that there is it ends by its budget after one request.
        line.extend(["--max-budget-usd".to_owned(), usd(budget.max(1))]);
    }
    line.extend(options.settings.args.iter().cloned());
    Ok(CommandLine {
        program: options.settings.command.clone().unwrap_or_else(|| AgentKind::Claude.name().to_owned()),
        args: line,
        env_defaults: if options.gated { &GATED } else { &RETRIES },
        env: environment(options),
        env_removed: ENV_REMOVED,
    })
}

fn environment(options: &LaunchOptions<'_>) -> BTreeMap<String, String> {
    // An agent that replaces its own program while seven others run it helps nobody.
    let mut env = BTreeMap::from([("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned())]);
    if options.as_root {
        env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
    }
    env
}

/// Tools that whoever only looks is denied by name too, so that no list of the user's (`[agents.claude] args`) allows them.
const CHANGING: [&str; 7] = ["Bash", "Edit", "MultiEdit", "NotebookEdit", "Skill", "Task", "Write"];

/// What `--agents` takes: `{"workflow-manager": {"description", "prompt", "tools"}}`.
fn definition_json(role: Role) -> String {
    let definition = role.definition();
    let agent = serde_json::json!({
        "description": definition.description(),
        "prompt": definition.body(),
        "tools": role.tools(),
    });
    serde_json::json!({ definition.name: agent }).to_string()
}

/// Millionths as a decimal number without losing one.
fn usd(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

fn check_env(options: &LaunchOptions<'_>) -> Result<(), DelegationRefused> {
    for name in options.settings.env.keys() {
        let because = if name == "IS_SANDBOX" {
            "gadugi sets it where it is true"
        } else if ENV_REMOVED.contains(&name.as_str()) {
            "it would change what the agent is"
        } else {
            continue;
        };
        let agent = AgentKind::Claude.name();
        return Err(DelegationRefused::Variable { agent, variable: name.clone(), because });
    }
    Ok(())
}
