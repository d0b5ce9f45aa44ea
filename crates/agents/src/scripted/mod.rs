//! The scripted agent: a real process that does what a script in its prompt says. For the demo, tests and benches,
//! where no model is at hand or what happens must be known beforehand.
//!
//! It is the gadugi program itself (`gadugi scripted-agent …`), takes the same text on stdin as any agent, and speaks
//! Claude Code's `stream-json`, so that whatever reads the one reads the other.
//!
//! # Scripts
//!
//! The script is the first fenced block of the prompt that is marked `script`, one action a line; empty lines and lines
//! that begin with `#` are left out:
//!
//! ````text
//! ```script
//! phase 4
//! say I will write a lexer.
//! phase 5
//! write src/lexer.rs <<EOF
//! pub fn lex() {}
//! EOF
//! commit lexer: begin
//! usage 1200 300 0.01
//! ```
//! ````
//!
//! | action | what it does |
//! |---|---|
//! | `say TEXT` | a message; with `<<WORD` in place of the text: the lines up to `WORD` |
//! | `phase N` | claims phase N (`GADUGI-PHASE: N`) |
//! | `no-change REASON` | claims that nothing needs changing (`GADUGI-NO-CHANGE: REASON`) |
//! | `sleep 2s` | waits (`ms`, `s`, `m`; a bare number is seconds) |
//! | `write PATH TEXT`, `append PATH TEXT` | writes one line; with `<<WORD` in place of the text: the lines up to `WORD` |
//! | `delete PATH` | deletes a file |
//! | `commit MESSAGE` | `git add -A` and `git commit`; nothing to commit is no failure |
//! | `run SHELL` | a shell command; its failure is reported and the script goes on |
//! | `usage IN OUT USD` | adds tokens and dollars to what it says it used |
//! | `lines COUNT RATE [stamped]` | messages, RATE a second (0: as fast as it can); each with the moment, in milliseconds since 1970 |
//! | `fail TEXT` | ends with a failed result and exit 1 |
//! | `max-turns`, `auth-error`, `overloaded`, `usage-limit EPOCH` | ends as Claude Code does in these cases; `usage-limit +3s` is lifted so long after it was met |
//! | `exit N`, `no-result` | ends at once with that code (0) and no result |
//! | `garbage BYTES` | so many bytes that are no JSON |
//! | `line BYTES` | one message so many bytes long |
//! | `invalid-utf8` | a line that is not UTF-8 |
//! | `hang` | does nothing until it is killed |
//! | `linger` | says its last word, a successful result, and does nothing until it is killed |
//! | `ignore-term` | SIGTERM does nothing from now on |
//! | `spawn-daemon [SECONDS]` | leaves a process behind, in a session of its own, that lives so long (600) |
//!
//! In front of an action: `fresh` (only where the conversation begins), `resumed` (only where it is taken up again),
//! `attempt N` (only in that try). A resumed agent goes through its script from the start; `write`, `delete` and
//! `commit` do no harm when repeated.
//!
//! A prompt without a script gets a small honest change: `scripted/<task>.md`, with the prompt's title, uncommitted. Where it
//! is to be split, it stays one task.
//! Behind the last action stands a successful result.

mod actions;
mod script;
mod voice;

use std::io::{self, Read, Write};

use crate::brief::PROMPT_FOLLOWS;
use crate::delegation::{CommandLine, DelegationRefused, LaunchOptions};
use crate::{AgentKind, Role};
use actions::{Actor, Ending};
use gadugi_core::SessionMode;
use script::{Conditions, Script};
use voice::Voice;

/// The hidden subcommand of gadugi that is this agent.
pub const SUBCOMMAND: &str = "scripted-agent";

pub(crate) fn command_line(
    options: &LaunchOptions<'_>,
    role: Role,
) -> Result<CommandLine, DelegationRefused> {
    let agent = AgentKind::Scripted.name();
    if let Some(argument) = options.settings.args.first() {
        let because = "the scripted agent takes none";
        return Err(DelegationRefused::Argument { agent, argument: argument.clone(), because });
    }
    let own = || {
        options.own_program.to_str().map(str::to_owned).ok_or_else(|| DelegationRefused::Command {
            agent,
            command: options.own_program.to_string_lossy().into_owned(),
            because: "its path is not UTF-8",
        })
    };
    let program = options.settings.command.clone().map_or_else(own, Ok)?;
    let session = match options.mode {
        SessionMode::Fresh => "--session-id",
        SessionMode::Resume => "--resume",
    };
    let mut args: Vec<String> =
        [SUBCOMMAND, "--agent", role.definition().name, session, options.session.as_str()]
            .map(str::to_owned)
            .into();
    if let Some(model) = options.model {
        args.extend(["--model".to_owned(), model.to_owned()]);
    }
    Ok(CommandLine { program, args, env_defaults: &[], env: Default::default(), env_removed: &[] })
}

/// Runs the agent to its end: `args` are those behind [`SUBCOMMAND`]. Returns the exit code.
pub fn run(args: &[String], stdin: &mut dyn Read, stdout: &mut dyn Write) -> i32 {
    // Whoever reads the output may be gone; like any program on a broken pipe, the agent then ends.
    perform(args, stdin, stdout).unwrap_or(1)
}

fn perform(args: &[String], stdin: &mut dyn Read, stdout: &mut dyn Write) -> io::Result<i32> {
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (header, prompt) = text.split_once(PROMPT_FOLLOWS).unwrap_or(("", &text));
    let value = |name: &str| {
        args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).map(String::as_str)
    };
    let conditions = Conditions { resumed: value("--resume").is_some(), attempt: attempt(header) };
    let session = value("--resume").or_else(|| value("--session-id")).unwrap_or_default();
    let mut voice = Voice::new(stdout, session, value("--model").unwrap_or("scripted"));
    voice.begin()?;
    let asked = value("--agent") == Some(Role::TaskAnalyzer.definition().name);
    let script = match Script::of_prompt(prompt, &task_name(), asked) {
        Ok(script) => script,
        Err(error) => return voice.end(&Ending::Failed(format!("script: {error}"))),
    };
    let mut actor = Actor::new(&mut voice);
    for action in script.actions(conditions) {
        if let Some(ending) = actor.perform(action)? {
            return voice.end(&ending);
        }
    }
    voice.end(&Ending::Done)
}

/// From the header: `- Attempt: 2`.
fn attempt(header: &str) -> u32 {
    header.lines().find_map(|line| line.strip_prefix("- Attempt: ")?.trim().parse().ok()).unwrap_or(1)
}

/// What the contract calls the task in an agent's environment.
fn task_name() -> String {
    gadugi_sys::env::get("ORCHESTRATOR_TASK_ID").unwrap_or_else(|| "task".into())
}
