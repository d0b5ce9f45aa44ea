//! Real files that grow, real sockets, hostile folders. What the engine would say of tasks is said by [`Stage`]; all else is what
//! ships.

mod following;
mod pages;
mod places;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures_util::{SinkExt, StreamExt};
use gadugi_core::{AttemptId, CommitId, RunId, SessionId, SessionMode, StepId, StepKind, TaskId};
use gadugi_engine::handle::Located;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower_service::Service;

use super::place::{Ended, Found, Source};
use super::{Streams, router};
use crate::error::ApiError;

const RUN: &str = "orchestration-20261121-090000-beef";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// One task whose first step of its first attempt runs.
struct Stage {
    folder: TempDir,
    known: Arc<Known>,
    leaving: watch::Sender<bool>,
    router: Router,
}

struct Known {
    found: Mutex<Found>,
    kind: Mutex<StepKind>,
    endings: broadcast::Sender<Ended>,
    /// How often a task was looked up.
    finds: AtomicU32,
}

impl Source for Known {
    fn find(
        &self,
        _: Option<String>,
        task: String,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Found, ApiError>> + Send + '_>> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let found = self.found.lock().unwrap().clone();
        let unknown = ApiError::new(StatusCode::NOT_FOUND, "unknown-task", "no such task");
        Box::pin(std::future::ready(if task == found.now.task.as_str() { Ok(found) } else { Err(unknown) }))
    }

    fn kind(
        &self,
        step: StepId,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<StepKind>, ApiError>> + Send + '_>> {
        assert_eq!(step.attempt.task.as_str(), "greeting");
        Box::pin(std::future::ready(Ok(Some(self.kind.lock().unwrap().clone()))))
    }

    fn endings(&self) -> broadcast::Receiver<Ended> {
        self.endings.subscribe()
    }
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        fs::create_dir_all(runs.join(RUN).join("greeting/1/1")).unwrap();
        let kind = StepKind::Agent { session: SessionId::new("s"), mode: SessionMode::Fresh };
        let now = Located {
            run: RunId::new(RUN),
            task: TaskId::new("greeting"),
            agent: "claude".into(),
            attempts: 1,
            steps: 1,
            running: Some(kind.clone()),
        };
        let known = Arc::new(Known {
            found: Mutex::new(Found { runs, now }),
            kind: Mutex::new(kind),
            endings: broadcast::Sender::new(16),
            finds: AtomicU32::new(0),
        });
        let (leaving, left) = watch::channel(false);
        let router = router(Streams::of(known.clone(), left).unwrap()).split_for_parts().0;
        let stage = Self { folder, known, leaving, router };
        fs::write(stage.step().join("stdout.jsonl"), "").unwrap();
        stage
    }

    /// One whose step is over and wrote that.
    fn over(stdout: impl AsRef<[u8]>) -> Self {
        let stage = Self::new();
        fs::write(stage.stdout(), stdout).unwrap();
        stage.end();
        stage
    }

    fn step(&self) -> PathBuf {
        self.folder.path().join("runs").join(RUN).join("greeting/1/1")
    }

    fn stdout(&self) -> PathBuf {
        self.step().join("stdout.jsonl")
    }

    fn append(&self, bytes: impl AsRef<[u8]>) {
        let mut file = fs::OpenOptions::new().append(true).open(self.stdout()).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn end(&self) {
        self.known.found.lock().unwrap().now.running = None;
        self.tell_end(1);
    }

    /// Whoever follows is told that this step of the first attempt ended.
    fn tell_end(&self, step: u32) {
        let (run, task) = (RunId::new(RUN), TaskId::new("greeting"));
        let step = StepId { attempt: AttemptId { run, task, attempt: 1 }, step };
        // Nobody may be there to hear it.
        let _ = self.known.endings.send(Ended::Step(Arc::new(step)));
    }

    /// The step was a check of the agent's work.
    fn is_check(&self) {
        *self.known.kind.lock().unwrap() = StepKind::Verify { commit: CommitId::new("c") };
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let request = Request::get(format!("/api/tasks/{path}")).body(Body::empty()).unwrap();
        let response = self.router.clone().call(request).await.unwrap();
        let status = response.status().as_u16();
        (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// The status and the code of a refusal, whose message is one line.
    async fn refused(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get(path).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        (status, body["code"].as_str().unwrap().to_owned())
    }

    /// A server on a port of its own.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("ws://{address}/api/tasks")
    }
}

/// A reader over a WebSocket.
struct Reader(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// All that a reader was told.
#[derive(Debug, Default)]
struct Told {
    begin: Value,
    entries: Vec<Value>,
    bytes: Vec<u8>,
    end: Option<u64>,
    close: Option<u16>,
}

impl Reader {
    async fn connect(url: &str) -> Self {
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    /// The next message; pings are answered on the way.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time")?.unwrap() {
                Message::Ping(_) => {}
                message => return Some(message),
            }
        }
    }

    async fn text(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn all(&mut self) -> Told {
        self.until(|_| false).await
    }

    /// What comes until that is so, or until nothing comes any more.
    async fn until(&mut self, enough: impl Fn(&Told) -> bool) -> Told {
        let mut told = Told::default();
        while !enough(&told)
            && let Some(message) = self.next().await
        {
            match message {
                Message::Binary(bytes) => {
                    assert!(bytes.len() <= 64 << 10);
                    told.bytes.extend_from_slice(&bytes);
                }
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    match message["type"].as_str().unwrap() {
                        "begin" => told.begin = message,
                        "entries" => {
                            let entries = message["entries"].as_array().unwrap();
                            assert_eq!(entries.last().unwrap()["end"], message["next"]);
                            told.entries.extend(entries.iter().cloned());
                        }
                        "end" => told.end = message["next"].as_u64(),
                        other => panic!("{other}"),
                    }
                }
                Message::Close(frame) => told.close = frame.map(|frame| frame.code.into()),
                other => panic!("{other:?}"),
            }
        }
        told
    }

    async fn say(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }
}

/// A line of an agent's words.
fn words(text: &str) -> String {
    json!({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}).to_string() + "\n"
}

fn texts(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["text"].as_str().unwrap_or_default()).collect()
}
