//! Which of Claude Code's options a user may add.
//!
//! Known options pass or are refused with the reason; what is not known is refused too, since a later version may give
//! it any meaning. A word that is no option passes only as the value of an option that takes one: a stray word would
//! be a prompt or a subcommand.

use crate::AgentKind;
use crate::delegation::DelegationRefused;

/// How many values an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    None,
    One,
    Many,
}

/// Options that leave the delegation as it is.
const PASS: &[(&str, Takes)] = &[
    ("--add-dir", Takes::Many),
    ("--allowedTools", Takes::Many),
    ("--allowed-tools", Takes::Many),
    ("--ax-screen-reader", Takes::None),
    ("--betas", Takes::Many),
    ("--debug", Takes::One),
    ("-d", Takes::One),
    ("--debug-file", Takes::One),
    ("--disable-slash-commands", Takes::None),
    ("--disallowedTools", Takes::Many),
    ("--disallowed-tools", Takes::Many),
    ("--effort", Takes::One),
    ("--fallback-model", Takes::One),
    ("--file", Takes::Many),
    ("--include-hook-events", Takes::None),
    ("--include-partial-messages", Takes::None),
    ("--mcp-config", Takes::Many),
    ("--no-chrome", Takes::None),
    ("--plugin-dir", Takes::One),
    ("--plugin-url", Takes::One),
    ("--settings", Takes::One),
    ("--strict-mcp-config", Takes::None),
    ("--tools", Takes::Many),
];

const WHO: &str = "gadugi says as whom every agent is started";
const TOLD: &str = "gadugi alone says what the agent is told";
const SESSION: &str = "gadugi chooses the session";
const FORMAT: &str = "gadugi reads the output";
const ELSEWHERE: &str = "the agent works in the foreground, in the workspace that gadugi made";
const OWN: &str = "gadugi sets it (`--model`, `--max-turns`, `--task-budget`)";
const PERMISSIONS: &str = "gadugi sets the permissions";
const NOT_A_RUN: &str = "it does not run a task";

/// Options that are refused by name, short ones too.
const REFUSED: &[(&str, &str)] = &[
    ("--agent", WHO),
    ("--agents", WHO),
    ("--bare", WHO),
    ("--safe-mode", WHO),
    ("--setting-sources", WHO),
    ("-p", TOLD),
    ("--print", TOLD),
    ("--append-system-prompt", TOLD),
    ("--append-system-prompt-file", TOLD),
    ("--append-subagent-system-prompt", TOLD),
    ("--system-prompt", TOLD),
    ("--system-prompt-file", TOLD),
    ("--prefill", TOLD),
    ("--session-id", SESSION),
    ("--resume", SESSION),
    ("-r", SESSION),
    ("--resume-session-at", SESSION),
    ("--continue", SESSION),
    ("-c", SESSION),
    ("--fork-session", SESSION),
    ("--from-pr", SESSION),
    ("--no-session-persistence", SESSION),
    ("--teleport", SESSION),
    ("--output-format", FORMAT),
    ("--input-format", FORMAT),
    ("--json-schema", FORMAT),
    ("--replay-user-messages", FORMAT),
    ("--brief", FORMAT),
    ("--bg", ELSEWHERE),
    ("--background", ELSEWHERE),
    ("--worktree", ELSEWHERE),
    ("-w", ELSEWHERE),
    ("--tmux", ELSEWHERE),
    ("--remote", ELSEWHERE),
    ("--remote-control", ELSEWHERE),
    ("--model", OWN),
    ("--max-turns", OWN),
    ("--max-budget-usd", OWN),
    ("--verbose", OWN),
    ("--dangerously-skip-permissions", PERMISSIONS),
    ("--allow-dangerously-skip-permissions", PERMISSIONS),
    ("--permission-mode", PERMISSIONS),
    ("--permission-prompt-tool", PERMISSIONS),
    ("-h", NOT_A_RUN),
    ("--help", NOT_A_RUN),
    ("-v", NOT_A_RUN),
    ("--version", NOT_A_RUN),
    ("--init-only", NOT_A_RUN),
    ("--", "a word behind it would be a prompt or a command"),
];

/// Looks at the user's own arguments.
pub(crate) fn check(args: &[String]) -> Result<(), DelegationRefused> {
    let mut values = Takes::None;
    for arg in args {
        // Options are looked at wherever they stand, also where one before might swallow them as a value.
        if !arg.starts_with('-') || arg == "-" {
            if values == Takes::None {
                return refuse(arg, "a word that belongs to no option would be a prompt or a command");
            }
            if values == Takes::One {
                values = Takes::None;
            }
            continue;
        }
        values = check_option(arg)?;
    }
    Ok(())
}

/// Looks at one option; answers how many words behind it belong to it.
fn check_option(arg: &str) -> Result<Takes, DelegationRefused> {
    let (name, value) = match arg.split_once('=') {
        Some((name, _)) => (name, true),
        None => (arg, false),
    };
    if let Some((_, because)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return refuse(arg, because);
    }
    if let Some((_, takes)) = PASS.iter().find(|(pass, _)| *pass == name) {
        return Ok(if value && *takes == Takes::One { Takes::None } else { *takes });
    }
    if !name.starts_with("--") {
        // `-pc` is `-p -c`.
        return refuse(arg, "short options are taken one by one, and only `-d`");
    }
    refuse(arg, "gadugi does not know what it does")
}

fn refuse<T>(argument: &str, because: &'static str) -> Result<T, DelegationRefused> {
    let agent = AgentKind::Claude.name();
    Err(DelegationRefused::Argument { agent, argument: argument.to_owned(), because })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_leaves_the_delegation_alone_passes() {
        for line in [
            "",
            "--add-dir /a /b --effort high",
            "--allowedTools Bash Edit --mcp-config servers.json --strict-mcp-config",
            "--settings={\"x\":1} --debug api --include-partial-messages",
            "--allowedTools=Bash(git:*) Read -d",
        ] {
            assert_eq!(check(&words(line)), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_changes_the_delegation_is_refused_by_name() {
        for (name, _) in REFUSED {
            for arg in [(*name).to_owned(), format!("{name}=x")] {
                let error = check(std::slice::from_ref(&arg)).unwrap_err();
                assert!(
                    matches!(&error, DelegationRefused::Argument { argument, .. } if *argument == arg),
                    "{error}"
                );
                assert!(check(&words(&format!("--add-dir /a {arg}"))).is_err(), "behind a list: {arg}");
                assert!(check(&words(&format!("--debug {arg}"))).is_err(), "as a value: {arg}");
            }
        }
    }

    #[test]
    fn short_options_unknown_ones_and_stray_words_are_refused() {
        for line in [
            "-pc",
            "-rabc",
            "-dp",
            "mcp",
            "agents",
            "--effort high do-this-instead",
            "--strict-mcp-config words",
            "--settings=x words",
            "--persona other",
            "--AGENT x",
            "- x",
        ] {
            assert!(check(&words(line)).is_err(), "{line}");
        }
        assert!(check(&[String::new()]).is_err(), "an empty word is a prompt");
    }

    #[test]
    fn no_option_both_passes_and_is_refused() {
        for (name, _) in PASS {
            assert!(!REFUSED.iter().any(|(refused, _)| refused == name), "{name}");
        }
    }
}
