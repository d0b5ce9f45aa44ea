//! Calling other programs and talking to whoever started the chore.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::names;

/// One line on standard output.
#[expect(clippy::print_stdout, reason = "this is the door")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// One line on standard error.
#[expect(clippy::print_stderr, reason = "this is the door")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// `PATH`, to look programs up in and to hand on where the rest of the environment is left out.
#[expect(
    clippy::disallowed_methods,
    reason = "the chores use none of gadugi's own crates; this is their door"
)]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// A variable of the environment, where it is set, not empty, and UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "the chores use none of gadugi's own crates; this is their door"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A call of cargo in the repository.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(names::root());
    command
}

/// Shows the call and runs it with the chore's own input and output; an error where it does not exit with 0.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = display(&command);
    say(&format!("$ {shown}"));
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Runs a call and gives its standard output; an error, with what it wrote to standard error, where it does not exit
/// with 0.
pub(crate) fn output(mut command: Command) -> Result<String> {
    output_of(&mut command)
}

/// The same of a call that somebody else holds.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let shown = display(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown}: its output is not UTF-8"))
}

/// What a program says of its version: the first dotted number of the first line that has one, as numbers. None where
/// the program is not there or does not say.
pub(crate) fn version(program: &Path, argument: &str) -> Option<Vec<u32>> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    output.status.success().then_some(())?;
    first_version(&String::from_utf8_lossy(&output.stdout))
}

fn first_version(text: &str) -> Option<Vec<u32>> {
    text.split(|c: char| c.is_whitespace() || c == '(' || c == ')').find_map(|word| {
        let numbers: Vec<u32> =
            word.trim_start_matches('v').split('.').map_while(|part| part.parse().ok()).collect();
        (numbers.len() >= 2).then_some(numbers)
    })
}

fn display(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_tools_print_them() {
        for (text, expected) in [
            ("git version 2.47.3", vec![2, 47, 3]),
            ("git version 2.39.5 (Apple Git-154)", vec![2, 39, 5]),
            ("v20.20.2\n", vec![20, 20, 2]),
            ("2.1.197 (Claude Code)", vec![2, 1, 197]),
            ("cargo-deny 0.20.2", vec![0, 20, 2]),
            ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", vec![12, 2, 0]),
        ] {
            let version = first_version(text).expect(text);
            assert!(version.starts_with(&expected[..2]), "{text}: {version:?}");
        }
        assert_eq!(first_version("no number here"), None);
    }

    #[test]
    fn a_call_that_fails_is_an_error_with_its_words() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo why >&2; exit 3"]);
        let error = output(failing).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("why"), "{error}");
        let mut failing = Command::new("sh");
        failing.args(["-c", "exit 3"]);
        assert!(run(failing).is_err());
    }
}
