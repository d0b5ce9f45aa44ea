//! The one place where what went wrong becomes words, a stable code and an exit code.
//!
//! Each error type of the other crates is mapped here and nowhere else. A [`Problem`] is one cause and one line; a
//! command that fails for several causes says each.

mod analysis;
mod config;
mod container;
mod engine;
mod image;
mod workspace;

use std::fmt::Display;

use gadugi_engine::client::ClientError;
use gadugi_engine::protocol::Reply;
use serde_json::json;

use crate::text;

/// How a command ends (contract, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every task succeeded; what was asked for is done.
    Success,
    /// Some task did not succeed, or what was asked for was refused.
    Failure,
    /// The request is wrong.
    BadRequest,
    /// The surroundings are wrong.
    Environment,
    /// Interrupted.
    Interrupted,
    /// What the scripted agent's script says.
    Agent(u8),
}

impl Exit {
    /// The number for the shell.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::BadRequest => 2,
            Self::Environment => 3,
            Self::Interrupted => 130,
            Self::Agent(code) => code,
        }
    }
}

/// One cause: one line for people, one object for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Stable; other programs go by it.
    pub(crate) code: String,
    /// How the command ends for it.
    pub(crate) exit: Exit,
    /// What was expected and what was found.
    pub(crate) message: String,
    /// What mends it.
    pub(crate) hint: Option<String>,
}

impl Problem {
    fn new(exit: Exit, code: &str, message: impl Display, hint: Option<&str>) -> Self {
        let (message, hint) = (message.to_string(), hint.map(str::to_owned));
        Self { code: code.to_owned(), exit, message, hint }
    }

    /// The request is wrong.
    pub(crate) fn request(code: &str, message: impl Display, hint: Option<&str>) -> Self {
        Self::new(Exit::BadRequest, code, message, hint)
    }

    /// The surroundings are wrong.
    pub(crate) fn environment(code: &str, message: impl Display, hint: Option<&str>) -> Self {
        Self::new(Exit::Environment, code, message, hint)
    }

    /// It was tried, and it did not come off.
    pub(crate) fn failure(code: &str, message: impl Display, hint: Option<&str>) -> Self {
        Self::new(Exit::Failure, code, message, hint)
    }

    /// A defect of gadugi's own.
    pub(crate) fn internal(error: &dyn Display) -> Self {
        Self::new(Exit::Environment, "internal", format_args!("gadugi itself failed: {error}"), None)
    }

    /// The engine answered something else than what was asked.
    pub(crate) fn unexpected(reply: &Reply) -> Self {
        ClientError::Unexpected(format!("{reply:?}").chars().take(200).collect()).into()
    }

    /// A file or folder could not be read or written.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let hint = gadugi_sys::files::is_disk_full(error).then_some("make room on that disk");
        let code = if hint.is_some() { "disk-full" } else { "io" };
        Self::new(Exit::Environment, code, format_args!("cannot {doing} {}: {error}", path.display()), hint)
    }

    /// The line, or the object.
    pub(crate) fn render(&self, json: bool, colours: bool) -> String {
        let (message, hint) = (text::line(&self.message), self.hint.as_deref().map(text::line));
        if json {
            return json!({"error": {"code": self.code, "message": message, "hint": hint}}).to_string();
        }
        let paint = |word, style: console::Style| style.force_styling(colours).apply_to(word);
        let error = paint("error:", console::Style::new().red().bold());
        let hint = hint.map_or_else(String::new, |hint| {
            format!(" ({} {hint})", paint("hint:", console::Style::new().cyan()))
        });
        format!("{error} {message}{hint}")
    }
}

/// Why a command ends before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// These are wrong, at least one.
    Problems(Vec<Problem>),
    /// Nobody reads standard output any more.
    ReaderGone,
}

impl Stop {
    /// The first cause in words, for where it is no error.
    pub(crate) fn first_words(&self) -> String {
        match self {
            Self::Problems(problems) => problems.first().map(|one| one.message.clone()).unwrap_or_default(),
            Self::ReaderGone => String::new(),
        }
    }

    /// How the command ends: the gravest cause decides.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problems(problems) => problems.iter().map(|one| one.exit).max().unwrap_or(Exit::Failure),
            Self::ReaderGone => Exit::Success,
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

/// What commands answer.
pub(crate) type Done = Result<Exit, Stop>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_is_in_it() {
        let problem =
            Problem::request("no-such-prompt", "no such prompt: \"a\nb\u{1b}[2J\"", Some("ls\nprompts/"));
        assert_eq!(problem.render(false, false), "error: no such prompt: \"a b\" (hint: ls prompts/)");
        let object: serde_json::Value = serde_json::from_str(&problem.render(true, true)).unwrap();
        assert_eq!(object["error"]["code"], "no-such-prompt");
        assert_eq!(object["error"]["hint"], "ls prompts/");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let problem = Problem::failure("x", "m", None);
        assert_eq!(problem.render(false, false), "error: m");
        assert!(problem.render(false, true).contains("\u{1b}["));
    }

    #[test]
    fn the_gravest_cause_decides() {
        let problems = vec![Problem::request("a", "a", None), Problem::environment("b", "b", None)];
        assert_eq!(Stop::Problems(problems).exit(), Exit::Environment);
        assert_eq!(
            [Exit::Success, Exit::Failure, Exit::BadRequest, Exit::Environment, Exit::Interrupted]
                .map(Exit::code),
            [0, 1, 2, 3, 130]
        );
    }
}
