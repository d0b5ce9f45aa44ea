//! Everything that can be wrong with a container engine, told apart: each has one thing that mends it.

use std::io;
use std::path::{Path, PathBuf};

use bollard::errors::Error;

/// Why a container engine could not be used. How a *step* ended is never here: see [`crate::Ended`].
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// No engine's socket was found.
    #[error("no container engine: there is no socket at {}", list(.looked))]
    Absent {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The socket is there and closed to this user.
    #[error("no permission to use the container engine's socket {socket}")]
    NoPermission {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket is there and nobody listens.
    #[error("no container engine listens at {socket}")]
    NotListening {
        /// The socket.
        socket: PathBuf,
    },
    /// Somebody listens and does not answer, or the connection broke.
    #[error("the container engine at {socket} does not answer: {words}")]
    NotAnswering {
        /// The socket.
        socket: PathBuf,
        /// What was seen.
        words: String,
    },
    /// The engine is reached by something else than a Unix socket.
    #[error(
        "the container engine {address} ({named_by}) is not on this machine: only a Unix socket (unix://) can be used"
    )]
    Remote {
        /// Its address.
        address: String,
        /// What names it: a variable, or a context.
        named_by: String,
    },
    /// The engine's socket is here, and its containers run in a virtual machine.
    #[error(
        "the container engine at {socket} runs its containers in another machine ({words}): gadugi's sockets and files are not there"
    )]
    OtherMachine {
        /// The socket.
        socket: PathBuf,
        /// By what that was seen.
        words: String,
    },
    /// The engine is too old, or runs no Linux containers.
    #[error("the container engine at {socket} cannot be used: {words}")]
    Unsuitable {
        /// The socket.
        socket: PathBuf,
        /// What it lacks.
        words: String,
    },
    /// The context that is asked for is not there, or its file cannot be read.
    #[error("docker context {name:?}: {words}")]
    Context {
        /// Its name.
        name: String,
        /// What is wrong.
        words: String,
    },
    /// The image is not there.
    #[error("the image {image} is not there")]
    ImageMissing {
        /// Its name.
        image: String,
    },
    /// The image is for other processors.
    #[error("the image {image} is for {has}, and this machine is {needs}")]
    WrongArchitecture {
        /// Its name.
        image: String,
        /// What it is for, in the engine's words.
        has: String,
        /// What is needed.
        needs: String,
    },
    /// The engine has no room on disk.
    #[error("the container engine has no space left: {words}")]
    NoSpace {
        /// What it said.
        words: String,
    },
    /// Another container, not of this step, has the name.
    #[error("there is another container named {name}, which is not this step's")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The order of a step cannot be carried out in a container.
    #[error("{0}")]
    Order(String),
    /// The shim was started and could not begin.
    #[error("the step's shim could not begin in container {name}: {words}")]
    Shim {
        /// The container.
        name: String,
        /// Its last words, or its exit status.
        words: String,
    },
    /// The container runs, and its shim was not heard of.
    #[error(
        "the step's shim in container {name} was not heard of within {seconds} s: does the engine run in a virtual machine?"
    )]
    NoHandshake {
        /// The container.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The engine refused what it was asked.
    #[error("the container engine refused to {what}: {words}")]
    Refused {
        /// What it was asked.
        what: &'static str,
        /// The HTTP status of its answer.
        status: u16,
        /// What it said.
        words: String,
    },
    /// A file that the executor itself needs.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What an engine's answer comes to, short of knowing what was asked.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 404.
    Missing,
    /// 409.
    Conflict,
    /// Any other refusal.
    Refused,
    /// There was no answer: the engine is away, or too busy.
    None,
}

/// Sorts an error of the client.
pub(crate) fn answer(error: &Error) -> Answer {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => Answer::Missing,
        Error::DockerResponseServerError { status_code: 409, .. } => Answer::Conflict,
        // Podman's proxy, and an engine that is shutting down.
        Error::DockerResponseServerError { status_code: 502..=504, .. } => Answer::None,
        Error::DockerResponseServerError { .. } | Error::DockerContainerWaitError { .. } => Answer::Refused,
        _ => Answer::None,
    }
}

impl DockerError {
    /// What the client's error means where nothing more special is known of it.
    pub(crate) fn of(socket: &Path, what: &'static str, error: &Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let words = one_line(message);
                if is_no_space(&words) {
                    Self::NoSpace { words }
                } else if matches!(answer(error), Answer::None) {
                    Self::NotAnswering { socket: socket.to_owned(), words }
                } else {
                    Self::Refused { what, status: *status_code, words }
                }
            }
            Error::RequestTimeoutError => Self::NotAnswering {
                socket: socket.to_owned(),
                words: format!("no answer when asked to {what}"),
            },
            other => Self::of_io(socket, other),
        }
    }

    /// The connection could not be made, or broke.
    fn of_io(socket: &Path, error: &Error) -> Self {
        let socket = socket.to_owned();
        match io_kind(error) {
            Some(io::ErrorKind::NotFound) => Self::Absent { looked: vec![socket] },
            Some(io::ErrorKind::PermissionDenied) => Self::NoPermission { socket },
            Some(io::ErrorKind::ConnectionRefused) => Self::NotListening { socket },
            _ => Self::NotAnswering { socket, words: one_line(&causes(error)) },
        }
    }

    /// Whether the engine is away rather than unwilling.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::NotListening { .. } | Self::NotAnswering { .. })
    }
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    if let Error::IOError { err } = error {
        return Some(err.kind());
    }
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

/// The error and what is beneath it: the outermost layer often says no more than that there was an error.
fn causes(error: &Error) -> String {
    let mut words = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        next = cause.source();
    }
    words
}

/// The system's words for a full disk, and for a full quota, as the engine passes them on.
pub(crate) fn is_no_space(words: &str) -> bool {
    words.contains("no space left on device") || words.contains("disk quota exceeded")
}

/// Engines pass on what runc or a shell said, over several lines.
pub(crate) fn one_line(words: &str) -> String {
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(600) {
        line.truncate(at);
        line.push('…');
    }
    line
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status_code: u16, message: &str) -> DockerError {
        let error = Error::DockerResponseServerError { status_code, message: message.into() };
        DockerError::of(Path::new("/s"), "do it", &error)
    }

    #[test]
    fn answers_are_told_apart() {
        assert!(matches!(refused(500, "mkdir /x: no space left on device"), DockerError::NoSpace { .. }));
        assert!(matches!(refused(503, "shutting down"), DockerError::NotAnswering { .. }));
        let error = refused(500, "OCI runtime\n  create failed").to_string();
        assert_eq!(error, "the container engine refused to do it: OCI runtime create failed");
        for (kind, away, words) in [
            (io::ErrorKind::NotFound, true, "no container engine: there is no socket at /s"),
            (io::ErrorKind::PermissionDenied, false, "no permission to use the container engine's socket /s"),
            (io::ErrorKind::ConnectionRefused, true, "no container engine listens at /s"),
        ] {
            let error = DockerError::of(Path::new("/s"), "do it", &Error::IOError { err: kind.into() });
            assert_eq!((error.to_string().as_str(), error.is_away()), (words, away));
        }
    }

    #[test]
    fn words_are_one_line_of_bounded_length() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), 601);
    }
}
