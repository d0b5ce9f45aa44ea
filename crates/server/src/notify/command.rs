//! A program of the user's that is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gadugi_sys::program::{self, AskError, Question};

use super::message::Message;
use super::worker::Undelivered;

/// How long it may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that it may say; they are not read by anybody.
const MOST: usize = 1 << 20;

/// The program, and where it runs.
#[derive(Clone, Debug)]
pub(super) struct Command {
    argv: Vec<String>,
    root: PathBuf,
    timeout: Duration,
}

impl Command {
    pub(super) fn new(argv: Vec<String>, root: &Path) -> Self {
        Self { argv, root: root.to_owned(), timeout: TIMEOUT }
    }

    #[cfg(test)]
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Starts it, gives it the message, and waits for its end.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        let (own, message) = (self.clone(), message.clone());
        let told = tokio::task::spawn_blocking(move || {
            let input = message.json();
            let question =
                Question { argv: &own.argv, cwd: &own.root, input: &input, timeout: own.timeout, most: MOST };
            program::ask_with(&question, &message.variables())
        });
        match told.await {
            Ok(Ok(_)) => Ok(()),
            // It will not be there the next moment either.
            Ok(Err(error @ (AskError::Missing { .. } | AskError::NotStarted { .. } | AskError::Unnamed))) => {
                Err(Undelivered::Never(error.to_string()))
            }
            Ok(Err(error)) => Err(Undelivered::NotNow(error.to_string())),
            Err(error) => Err(Undelivered::NotNow(error.to_string())),
        }
    }
}
