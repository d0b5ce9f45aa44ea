//! The handle on the engine: connects to the one that lives, or starts one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gadugi_core::RunId;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::layout::Layout;
use crate::protocol::{Failure, Frame, Reply, Request, VERSION};

/// How often an engine that is just leaving or just coming is asked again, and how long between. Its lock is held
/// before its socket is there and a little after it is gone: some 50 ms each, 200 times as long at the most.
const TRIES: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(50);

/// Why the engine could not be asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// It answered that it will not.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// It could not be started.
    #[error("the engine did not start: {}", .0.message)]
    NotStarted(Failure),
    /// It is of another version.
    #[error("the engine that runs here speaks version {found}, this gadugi speaks {VERSION}")]
    OtherVersion {
        /// Its version.
        found: u32,
    },
    /// It went away in the middle of an answer.
    #[error("the engine went away")]
    Gone,
    /// It said something that is not in the protocol.
    #[error("the engine said something unexpected: {0}")]
    Unexpected(String),
    /// The system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A connection to the engine of one repository.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Client {
    /// The engine that lives, or none.
    pub async fn connect(layout: &Layout) -> Result<Option<Self>, ClientError> {
        let Ok(stream) = UnixStream::connect(layout.socket()).await else { return Ok(None) };
        let (reader, writer) = stream.into_split();
        let mut client = Self { reader: BufReader::new(reader), writer };
        match client.ask(&Request::Hello).await {
            Ok(Reply::Hello { version: VERSION, .. }) => Ok(Some(client)),
            Ok(Reply::Hello { version, .. }) => Err(ClientError::OtherVersion { found: version }),
            Ok(other) => Err(ClientError::Unexpected(format!("{other:?}"))),
            // It was about to leave: as if it were gone.
            Err(ClientError::Gone | ClientError::Io { .. }) => Ok(None),
            Err(ClientError::Refused(failure)) if failure.code == "leaving" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The engine that lives; where none does, one is started from `program` (the gadugi binary).
    pub async fn connect_or_start(layout: &Layout, program: &Path) -> Result<Self, ClientError> {
        for _ in 0..TRIES {
            if let Some(client) = Self::connect(layout).await? {
                return Ok(client);
            }
            if gadugi_sys::env::get(gadugi_sys::env::ATTEMPT).is_some() {
                // It would be a process of that task, and end with it.
                return Err(ClientError::NotStarted(Failure {
                    code: "inside-attempt".into(),
                    message: "no engine lives, and inside a task of gadugi none is started".into(),
                    hint: None,
                }));
            }
            match start(layout, program).await? {
                Started::Ready => {}
                // Another one holds the lock: it is about to listen or about to leave, and the lock does not say which.
                Started::Busy => tokio::time::sleep(BETWEEN).await,
            }
        }
        Err(ClientError::NotStarted(Failure {
            code: "busy".into(),
            message: format!("another engine holds {} and does not answer", layout.lock().display()),
            hint: Some("see its pid there".into()),
        }))
    }

    /// Asks, and waits for the answer. A refusal is an error.
    pub async fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.send(request).await?;
        match self.receive().await? {
            Some(Reply::Failed(failure)) => Err(ClientError::Refused(failure)),
            Some(reply) => Ok(reply),
            None => Err(ClientError::Gone),
        }
    }

    /// Begins to follow a run: [`Client::next_frame`] gives what happens. The connection is good for nothing else from
    /// here on.
    pub async fn follow(&mut self, run: &RunId, after: u64) -> Result<(), ClientError> {
        self.send(&Request::Follow { run: run.clone(), after }).await
    }

    /// The next piece of a followed run; none where the engine went away.
    pub async fn next_frame(&mut self) -> Result<Option<Frame>, ClientError> {
        self.receive().await
    }

    /// Waits until the engine is gone. For clients that ask nothing more and are there so that it stays.
    pub async fn gone(&mut self) {
        // Nobody was asked, so nothing is said: whatever comes is the end.
        while matches!(self.receive::<serde::de::IgnoredAny>().await, Ok(Some(_))) {}
    }

    async fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| ClientError::Unexpected(error.to_string()))?;
        line.push(b'\n');
        self.writer.write_all(&line).await.map_err(|source| io("asking the engine", source))
    }

    async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        let mut line = Vec::new();
        let read = self.reader.read_until(b'\n', &mut line).await;
        match read.map_err(|source| io("reading from the engine", source))? {
            0 => Ok(None),
            _ if line.last() != Some(&b'\n') => Ok(None),
            _ => serde_json::from_slice(&line)
                .map(Some)
                .map_err(|error| ClientError::Unexpected(error.to_string())),
        }
    }
}

enum Started {
    Ready,
    Busy,
}

/// What a new engine says on its standard output before it closes it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "engine")]
pub(crate) enum Announcement {
    /// It listens.
    Ready,
    /// Another one lives.
    Busy,
    /// It cannot.
    Failed(Failure),
}

async fn start(layout: &Layout, program: &Path) -> Result<Started, ClientError> {
    let mut child = tokio::process::Command::new(program)
        .arg("engine")
        .arg("--project-root")
        .arg(layout.root())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| io("starting the engine", source))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.map_err(|source| io("starting the engine", source))?;
    }
    match serde_json::from_str(&line) {
        Ok(Announcement::Ready) => Ok(Started::Ready),
        Ok(Announcement::Busy) => Ok(Started::Busy),
        Ok(Announcement::Failed(failure)) => Err(ClientError::NotStarted(failure)),
        Err(_) => Err(ClientError::NotStarted(Failure {
            code: "engine".into(),
            message: "it ended before it said anything".into(),
            hint: Some(format!("see {}", layout.log().display())),
        })),
    }
}

fn io(doing: &str, source: std::io::Error) -> ClientError {
    ClientError::Io { doing: doing.to_owned(), source }
}
