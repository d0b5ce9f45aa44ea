//! The command line, and what is said where it is wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, Parser};

use crate::commands::Command;
use crate::error::{Exit, Problem};
use crate::output;

/// Turns a folder of prompts into reviewed, tested, merged commits.
#[derive(Debug, Parser)]
#[command(name = "gadugi", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Invocation {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Global {
    /// Look for the repository here instead of in the current folder
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) project_root: Option<PathBuf>,
    /// Use this file in place of the repository's gadugi.toml
    // `gadugi doctor --config` needs no file; everybody else does ([`parse`]).
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, help_heading = "Everywhere")]
    pub(crate) config: Option<Option<PathBuf>>,
}

impl Global {
    /// The file, where one is named.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.config.as_ref()?.as_deref()
    }
}

/// Reads the command line. Where it is wrong, or asks for help alone, all is said here and the command ends so.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    try_parse(&words).map_err(|error| {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // Where nobody reads the help there is nobody to tell.
                let _ = error.print();
                return Exit::Success;
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let _ = error.print();
            }
            _ => output::problem(words.iter().any(|word| word == "--json"), &wrong_words(&error)),
        }
        Exit::BadRequest
    })
}

fn try_parse(words: &[OsString]) -> Result<Invocation, clap::Error> {
    let invocation = Invocation::try_parse_from(words)?;
    if matches!(invocation.global.config, Some(None)) && !matches!(invocation.command, Command::Doctor(_)) {
        let message = "a value is required for '--config <FILE>' but none was supplied";
        return Err(Invocation::command().error(ErrorKind::InvalidValue, message));
    }
    Ok(invocation)
}

/// Clap's several lines as one.
fn wrong_words(error: &clap::Error) -> Problem {
    let text = error.render().to_string();
    let mut message: Vec<&str> = Vec::new();
    let mut hints: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")) {
        if let Some(tip) = line.strip_prefix("tip:") {
            hints.push(tip.trim());
        } else if !line.is_empty() && !line.starts_with("For more information") {
            message.push(line.strip_prefix("error:").map_or(line, str::trim));
        }
    }
    let code = match error.kind() {
        ErrorKind::UnknownArgument => "unknown-argument",
        ErrorKind::InvalidSubcommand => "unknown-command",
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand => "missing-argument",
        _ => "bad-value",
    };
    if hints.is_empty() && error.get(ContextKind::Usage).is_some() {
        hints.push("see gadugi help");
    }
    let hint = (!hints.is_empty()).then(|| hints.join("; "));
    Problem::request(code, message.join(" "), hint.as_deref())
}

/// A number of tasks at a time. The range is the settings' to check; here it is a number at all.
pub(crate) fn slots(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 1 to 1024".to_owned())
}

/// A number of model turns, checked as [`slots`] is.
pub(crate) fn turns(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 1 to 10000".to_owned())
}

/// A share, checked as [`slots`] is.
pub(crate) fn percent(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 1 to 100, in percent".to_owned())
}

/// An amount in US dollars, checked as [`slots`] is.
pub(crate) fn dollars(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected an amount in US dollars above 0, such as 2.50".to_owned())
}

/// The number of a step.
pub(crate) fn step(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected the number of a step, from 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Invocation::command().debug_assert();
    }

    fn wrong(words: &[&str]) -> Problem {
        let words = std::iter::once("gadugi").chain(words.iter().copied());
        wrong_words(&try_parse(&words.map(OsString::from).collect::<Vec<_>>()).expect_err("it is wrong"))
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (words, code) in [
            (&["run", "--frobnicate"][..], "unknown-argument"),
            (&["ruin"], "unknown-command"),
            (&["run", "--max-parallel", "many"], "bad-value"),
            (&["export"], "missing-argument"),
            (&["plan", "--format", "png"], "bad-value"),
            (&["diff"], "missing-argument"),
            (&["run", "--config"], "bad-value"),
            (&["run", "-q", "-v"], "bad-value"),
            (&["run", "--max-turns", "-1"], "bad-value"),
            (&["plan", "--max-parallel", "-1"], "bad-value"),
            (&["run", "--budget", "lots"], "bad-value"),
            (&["logs", "a", "--step", "0"], "bad-value"),
        ] {
            let problem = wrong(words);
            assert_eq!((problem.code.as_str(), problem.exit), (code, Exit::BadRequest), "{words:?}");
            assert!(!problem.render(false, false).contains('\n'));
            assert!(!problem.message.is_empty() && !problem.message.contains("Usage"), "{problem:?}");
        }
    }

    #[test]
    fn a_bad_number_is_told_what_was_expected() {
        for words in [
            ["run", "--max-parallel", "many"],
            ["run", "--max-parallel", "-1"],
            ["run", "--max-turns", "1.5"],
            ["run", "--budget", "lots"],
            ["run", "--task-budget", "2,50"],
            ["logs", "--step", "x"],
        ] {
            let message = wrong(&words).message;
            assert!(message.contains("expected") && message.contains(words[2]), "{message}");
        }
    }

    #[test]
    fn a_slip_of_the_hand_gets_its_tip() {
        assert!(wrong(&["run", "--max-paralell", "3"]).hint.unwrap().contains("--max-parallel"));
    }
}
