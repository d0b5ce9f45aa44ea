//! One line of JSON for each request: whose, which model, what came of it. No bodies, no secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gadugi_core::StepId;
use serde::{Deserialize, Serialize};

use crate::metered::{Costs, Metered, Tokens};
use crate::notice::Notice;
use crate::traffic::Notices;

/// A line. Fields can be added; a reader ignores what it does not know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// RFC 3339, UTC: when the request came.
    pub(crate) at: String,
    /// Whose it is: `run`, `task`, `attempt`, `step`.
    #[serde(flatten)]
    pub(crate) step: StepId,
    /// `messages`, `count-tokens`, `models`, `connect`, `http`; or `none` for what the gateway does not pass.
    pub(crate) kind: String,
    /// The model that was asked for; the host, for `connect` and `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// What the step got; 499 where it did not wait for it.
    pub(crate) status: u16,
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    /// US dollars.
    #[serde(default)]
    pub(crate) cost_usd: f64,
    /// The same by kind, in millionths of a millionth.
    #[serde(default)]
    pub(crate) costs: Costs,
    #[serde(default)]
    pub(crate) price_guessed: bool,
    /// From the first byte of the request to the last of the answer.
    pub(crate) ms: u64,
    /// How much of that it waited here for its turn.
    #[serde(default)]
    pub(crate) waited_ms: u64,
    /// How often it was sent.
    #[serde(default)]
    pub(crate) sent: u32,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Whether the answer came whole. What was written of one that did not is guessed.
    #[serde(default)]
    pub(crate) whole: bool,
    /// Whether it was refused for the step's budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) over_budget: bool,
}

/// The log: appended to, and turned once it is large; one turned file is kept.
pub(crate) struct Log {
    path: PathBuf,
    most: u64,
    state: Mutex<State>,
    notices: Notices,
}

struct State {
    file: File,
    length: u64,
    failed: bool,
}

impl Log {
    pub(crate) fn open(path: &Path, most: u64, notices: Notices) -> io::Result<Self> {
        let file = append(path)?;
        let length = file.metadata()?.len();
        let state = Mutex::new(State { file, length, failed: false });
        Ok(Self { path: path.to_owned(), most, state, notices })
    }

    /// Writes a line: one system call. A log that cannot be written stops no request.
    pub(crate) fn write(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.put(&mut state, &text) {
            Ok(()) => state.failed = false,
            Err(_) if state.failed => {}
            Err(error) => {
                state.failed = true;
                self.notices.tell(Notice::LogFailed { reason: error.to_string() });
            }
        }
    }

    fn put(&self, state: &mut State, text: &[u8]) -> io::Result<()> {
        if state.length > 0 && state.length + text.len() as u64 > self.most {
            std::fs::rename(&self.path, turned(&self.path))?;
            (state.file, state.length) = (append(&self.path)?, 0);
        }
        state.file.write_all(text)?;
        state.length += text.len() as u64;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Where the log before this one lies.
fn turned(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// What the log says that a step used, for [`crate::Permit::already`] after an engine that died: requests that were under
/// way then are not in it, nor is what was written before the last two turns.
///
/// # Errors
/// Where a log is there and cannot be read.
pub fn metered_in_log(log: &Path, step: &StepId) -> io::Result<Metered> {
    let mut metered = Metered::default();
    let task = format!("\"task\":{:?}", step.attempt.task.as_str());
    for path in [turned(log), log.to_owned()] {
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes);
        // Most lines are others': they are not read. A torn last line is no line.
        let theirs = text.lines().filter(|line| line.contains(&task));
        let lines = theirs.filter_map(|line| serde_json::from_str::<Line>(line).ok());
        for line in lines.filter(|line| line.step == *step) {
            metered.bytes_in += line.bytes_in;
            metered.bytes_out += line.bytes_out;
            metered.over_budget |= line.over_budget;
            metered.requests +=
                u64::from(matches!(line.kind.as_str(), "messages" | "count-tokens" | "models"));
            if let Some(model) = line.model.filter(|_| line.tokens != Tokens::default()) {
                metered.add(&model, line.tokens, line.costs, line.price_guessed);
            }
        }
    }
    Ok(metered)
}
