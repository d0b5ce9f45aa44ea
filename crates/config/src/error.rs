//! Where a value came from, and what can be wrong with one.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything: gadugi's own.
    Default,
    /// The user's own file.
    UserFile {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// The repository's file, or the one that was named instead of it.
    ProjectFile {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::UserFile { path, line } | Self::ProjectFile { path, line } => {
                write!(f, "{}:{line}", path.display())
            }
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Why the settings could not be resolved. Each is a wrong request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A file that was named is not there.
    #[error("{}: no such file (named by {named_by})", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
        /// The flag or variable that named it.
        named_by: Source,
    },
    /// A file is there and cannot be read.
    #[error("{}: cannot be read: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A file says something that cannot be.
    #[error("{}:{line}:{column}: {}{message}", path.display(), prefix(key))]
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The key, dotted; empty where the file is no TOML there.
        key: String,
        /// What was expected and what was found.
        message: String,
    },
    /// A flag or a variable says something that cannot be.
    #[error("{from}: {message}")]
    Value {
        /// Which.
        from: Source,
        /// What was expected and what was found.
        message: String,
    },
}

fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// Something in a file that stops nothing, and that its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that gadugi does not know.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The key, dotted.
        key: String,
        /// The known key that looks most like it, dotted.
        meant: Option<String>,
    },
    /// Settings of an agent that gadugi has no adapter for.
    UnknownAgent {
        /// Where.
        from: Source,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { path, line, column, key, meant } => {
                write!(f, "{}:{line}:{column}: unknown key {key}", path.display())?;
                meant.as_ref().map_or(Ok(()), |meant| write!(f, " (did you mean {meant}?)"))
            }
            Self::UnknownAgent { from, name } => {
                write!(f, "{from}: there is no agent called {name:?}, its settings have no effect")
            }
        }
    }
}
