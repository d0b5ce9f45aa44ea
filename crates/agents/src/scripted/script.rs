//! Reading a script out of a prompt.

use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Say(String),
    Phase(u8),
    NoChange(String),
    Sleep(Duration),
    Write {
        path: String,
        text: String,
        append: bool,
    },
    Delete(String),
    Commit(String),
    Run(String),
    Usage {
        input: u64,
        output: u64,
        usd: f64,
    },
    Lines {
        count: u64,
        per_second: u64,
        stamped: bool,
    },
    Garbage(u64),
    Line(u64),
    InvalidUtf8,
    Fail(String),
    MaxTurns,
    AuthError,
    Overloaded,
    UsageLimit(Reset),
    /// Says its last word and lives on.
    Linger,
    Exit(i32),
    Hang,
    IgnoreTerm,
    SpawnDaemon {
        seconds: u64,
    },
}

/// When an account's limit is lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// In seconds since 1970.
    At(i64),
    /// So long after it was met.
    After(Duration),
}

/// When an action counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Fresh,
    Resumed,
    Attempt(u32),
}

/// What is so in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) resumed: bool,
    pub(super) attempt: u32,
}

/// A line of a script that says nothing that the agent can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct ScriptError {
    line: usize,
    what: String,
}

#[derive(Debug)]
pub(super) struct Script {
    actions: Vec<(When, Action)>,
}

impl Script {
    /// The script of a prompt, or what the agent does where there is none.
    pub(super) fn of_prompt(prompt: &str, task: &str, asked: bool) -> Result<Self, ScriptError> {
        match block(prompt) {
            Some(lines) => Self::parse(&lines),
            None if asked => {
                let answer =
                    serde_json::json!({"whole": "the prompt holds no script, and so it is one task"});
                Ok(Self { actions: vec![(When::Always, Action::Say(answer.to_string()))] })
            }
            None => Ok(Self::small_change(prompt, task)),
        }
    }

    pub(super) fn actions(&self, conditions: Conditions) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter_map(move |(when, action)| {
            let counts = match when {
                When::Always => true,
                When::Fresh => !conditions.resumed,
                When::Resumed => conditions.resumed,
                When::Attempt(number) => *number == conditions.attempt,
            };
            counts.then_some(action)
        })
    }

    fn small_change(prompt: &str, task: &str) -> Self {
        let title = prompt.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(task).trim();
        let text = format!("# {title}\n\nDone by the scripted agent for the task `{task}`.\n");
        let path = format!("scripted/{task}.md");
        let actions = [
            Action::Phase(4),
            Action::Say(format!("The prompt holds no script, so I will write {path}.")),
            Action::Phase(5),
            Action::Write { path, text, append: false },
        ];
        Self { actions: actions.map(|action| (When::Always, action)).into() }
    }

    fn parse(lines: &[&str]) -> Result<Self, ScriptError> {
        let mut actions = Vec::new();
        let mut rest = lines.iter().enumerate();
        while let Some((at, line)) = rest.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let error = |what: String| ScriptError { line: at + 1, what };
            let (when, line) = condition(line).map_err(error)?;
            let text = match heredoc(line) {
                Some(end) => {
                    let mut text = String::new();
                    loop {
                        match rest.next() {
                            Some((_, line)) if line.trim() == end => break,
                            Some((_, line)) => text.extend([line, "\n"]),
                            None => return Err(error(format!("`{end}` never comes"))),
                        }
                    }
                    Some(text)
                }
                None => None,
            };
            actions.push((when, action(line, text).map_err(error)?));
        }
        Ok(Self { actions })
    }
}

/// The lines of the first fenced block that is marked `script`.
fn block(prompt: &str) -> Option<Vec<&str>> {
    let mut lines = prompt.lines();
    let fence = loop {
        let line = lines.next()?.trim();
        let ticks = line.len() - line.trim_start_matches('`').len();
        if ticks >= 3 && line[ticks..].trim() == "script" {
            break ticks;
        }
    };
    let closes = |line: &str| {
        let line = line.trim();
        line.len() >= fence && line.chars().all(|c| c == '`')
    };
    Some(lines.take_while(|line| !closes(line)).collect())
}

fn condition(line: &str) -> Result<(When, &str), String> {
    let (word, rest) = split(line);
    match word {
        "fresh" => Ok((When::Fresh, rest)),
        "resumed" => Ok((When::Resumed, rest)),
        "attempt" => {
            let (number, rest) = split(rest);
            Ok((When::Attempt(parse(number)?), rest))
        }
        _ => Ok((When::Always, line)),
    }
}

/// `write PATH <<WORD`, `say <<WORD`.
fn heredoc(line: &str) -> Option<&str> {
    let (word, rest) = split(line);
    let text = match word {
        "write" | "append" => split(rest).1,
        "say" => rest,
        _ => return None,
    };
    text.strip_prefix("<<").map(str::trim).filter(|end| !end.is_empty() && !end.contains(' '))
}

fn action(line: &str, text: Option<String>) -> Result<Action, String> {
    let (word, rest) = split(line);
    let action = match word {
        "say" => Action::Say(text.unwrap_or_else(|| rest.to_owned())),
        "phase" => Action::Phase(parse(rest)?),
        "no-change" => Action::NoChange(rest.to_owned()),
        "sleep" => Action::Sleep(length(rest)?),
        "write" | "append" => {
            let (path, line) = split(rest);
            let text = text.unwrap_or_else(|| format!("{line}\n"));
            Action::Write { path: path.to_owned(), text, append: word == "append" }
        }
        "delete" => Action::Delete(rest.to_owned()),
        "commit" => Action::Commit(rest.to_owned()),
        "run" => Action::Run(rest.to_owned()),
        "usage" => match rest.split_whitespace().collect::<Vec<_>>()[..] {
            [input, output, usd] => {
                Action::Usage { input: parse(input)?, output: parse(output)?, usd: parse(usd)? }
            }
            _ => return Err("`usage` takes tokens in, tokens out, and dollars".into()),
        },
        "lines" => match rest.split_whitespace().collect::<Vec<_>>()[..] {
            [count, rate, ref more @ ..] if matches!(more, [] | ["stamped"]) => {
                Action::Lines { count: parse(count)?, per_second: parse(rate)?, stamped: !more.is_empty() }
            }
            _ => return Err("`lines` takes a count and a rate, and may be `stamped`".into()),
        },
        "garbage" => Action::Garbage(parse(rest)?),
        "line" => Action::Line(parse(rest)?),
        "invalid-utf8" => Action::InvalidUtf8,
        "fail" => Action::Fail(rest.to_owned()),
        "max-turns" => Action::MaxTurns,
        "auth-error" => Action::AuthError,
        "overloaded" => Action::Overloaded,
        "usage-limit" => Action::UsageLimit(reset(rest)?),
        "linger" => Action::Linger,
        "exit" => Action::Exit(parse(rest)?),
        "no-result" => Action::Exit(0),
        "hang" => Action::Hang,
        "ignore-term" => Action::IgnoreTerm,
        "spawn-daemon" => Action::SpawnDaemon { seconds: if rest.is_empty() { 600 } else { parse(rest)? } },
        other => return Err(format!("there is no action `{other}`")),
    };
    Ok(action)
}

fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (line, ""),
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

fn reset(text: &str) -> Result<Reset, String> {
    match text.strip_prefix('+') {
        Some(after) => length(after).map(Reset::After),
        None => parse(text).map(Reset::At),
    }
}

fn length(text: &str) -> Result<Duration, String> {
    let (number, unit) = [("ms", 0.001), ("s", 1.0), ("m", 60.0)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1.0));
    let seconds = parse::<f64>(number.trim())? * unit;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is no length of time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Conditions = Conditions { resumed: false, attempt: 1 };

    fn actions(prompt: &str, conditions: Conditions) -> Vec<Action> {
        Script::of_prompt(prompt, "t", false).unwrap().actions(conditions).cloned().collect()
    }

    #[test]
    fn a_script_is_the_first_marked_block() {
        let prompt = "# T\n\n```sh\nsay no\n```\n\n````script\n# words\nsay a b\n```\nphase 5\n````\n```script\nsay c\n```";
        let error = Script::of_prompt(prompt, "t", false).unwrap_err();
        assert_eq!(error, ScriptError { line: 3, what: "there is no action `````".into() });
        let prompt = prompt.replace("```\nphase", "phase");
        assert_eq!(actions(&prompt, FRESH), [Action::Say("a b".into()), Action::Phase(5)]);
    }

    #[test]
    fn text_can_have_many_lines() {
        let prompt = "```script\nwrite a/b.txt <<END\n x\n\nEOF\nEND\nappend c one line\nwrite d <<E\nE\nsay <<E\na\nb\nE\n```\n";
        let write =
            |path: &str, text: &str, append| Action::Write { path: path.into(), text: text.into(), append };
        assert_eq!(
            actions(prompt, FRESH),
            [
                write("a/b.txt", " x\n\nEOF\n", false),
                write("c", "one line\n", true),
                write("d", "", false),
                Action::Say("a\nb\n".into())
            ]
        );
    }

    #[test]
    fn actions_can_be_for_some_processes_only() {
        let prompt = "```script\nfresh exit 1\nresumed say back\nattempt 2 fail x\nsay all\n```";
        let all = Action::Say("all".into());
        assert_eq!(actions(prompt, FRESH), [Action::Exit(1), all.clone()]);
        let resumed = Conditions { resumed: true, attempt: 2 };
        assert_eq!(actions(prompt, resumed), [Action::Say("back".into()), Action::Fail("x".into()), all]);
    }

    #[test]
    fn a_limit_is_lifted_at_a_moment_or_after_a_while() {
        let limit = |text: &str| actions(&format!("```script\nusage-limit {text}\n```"), FRESH);
        assert_eq!(limit("1800000000"), [Action::UsageLimit(Reset::At(1_800_000_000))]);
        assert_eq!(limit("+3s"), [Action::UsageLimit(Reset::After(Duration::from_secs(3)))]);
    }

    #[test]
    fn what_cannot_be_done_is_said_with_its_line() {
        for (line, what) in [
            ("dance", "there is no action `dance`"),
            ("sleep long", "`long` is no number that fits here"),
            ("sleep -1s", "`-1s` is no length of time"),
            ("phase 300", "`300` is no number that fits here"),
            ("usage 1 2", "`usage` takes tokens in, tokens out, and dollars"),
            ("write a <<END", "`END` never comes"),
            ("usage-limit +soon", "`soon` is no number that fits here"),
            ("attempt x say", "`x` is no number that fits here"),
        ] {
            let error = Script::of_prompt(&format!("```script\nsay a\n{line}\n```"), "t", false).unwrap_err();
            assert_eq!(error, ScriptError { line: 2, what: what.into() });
        }
    }

    #[test]
    fn without_a_script_there_is_a_small_change() {
        let actions = actions("intro\n# The title\nwords", FRESH);
        assert!(actions.iter().any(|action| matches!(action,
            Action::Write { path, text, .. } if path == "scripted/t.md" && text.starts_with("# The title\n"))));
    }
}
