//! A gateway between real sockets: clients on its Unix sockets, an upstream that says what a test tells it to.

#![allow(dead_code, clippy::allow_attributes, reason = "each test takes what it needs")]
#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

pub(crate) mod upstream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gadugi_core::{AttemptId, RunId, StepId, TaskId};
use gadugi_gateway::{Account, Credential, Gateway, Metered, Notice, Options, Permit, Secret, Token};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Anything that a test waits for comes by then, or never.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const SECRET: &str = "sk-the-real-credential";

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) notices: Receiver<Notice>,
}

pub(crate) struct Client {
    pub(crate) step: StepId,
    pub(crate) socket: PathBuf,
    pub(crate) token: Token,
}

pub(crate) fn step(task: &str) -> StepId {
    let attempt = AttemptId { run: RunId::new("run"), task: TaskId::new(task), attempt: 1 };
    StepId { attempt, step: 1 }
}

pub(crate) fn account(upstream: &str) -> Account {
    Account::new(upstream, Credential::ApiKey(Secret::new(SECRET))).unwrap()
}

/// Waits for something, but not for ever.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it did not come in time")
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("gateway.jsonl"));
        change(&mut options);
        let (gateway, notices) = Gateway::start(options).unwrap();
        Self { folder, gateway, notices }
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("gateway.jsonl")
    }

    pub(crate) fn permit(&self, task: &str, account: Option<Account>) -> (Client, Permit) {
        let token = Token::mint().unwrap();
        let socket = self.folder.path().join(format!("{task}.sock"));
        let permit = Permit {
            step: step(task),
            socket: socket.clone(),
            socket_owner: None,
            token_sha256: token.sha256.clone(),
            account,
            budget_microusd: None,
            already: Metered::default(),
            network: Vec::new(),
        };
        (Client { step: step(task), socket, token }, permit)
    }

    pub(crate) async fn admit(&self, task: &str, upstream: &str) -> Client {
        self.admit_with(task, upstream, |_| {}).await
    }

    pub(crate) async fn admit_with(
        &self,
        task: &str,
        upstream: &str,
        change: impl FnOnce(&mut Permit),
    ) -> Client {
        let (client, mut permit) = self.permit(task, Some(account(upstream)));
        change(&mut permit);
        self.gateway.admit(permit).await.unwrap();
        client
    }

    pub(crate) async fn notice(&mut self) -> Notice {
        soon(self.notices.recv()).await.unwrap()
    }

    /// The log's lines, once there are so many.
    pub(crate) async fn log(&self, lines: usize) -> Vec<Value> {
        let path = self.log_path();
        until(|| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let read: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            (read.len() >= lines).then_some(read)
        })
        .await
    }
}

/// Looks until it is there. For what no event tells of.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    soon(async {
        let mut again = tokio::time::interval(Duration::from_millis(5));
        loop {
            if let Some(found) = look() {
                return found;
            }
            again.tick().await;
        }
    })
    .await
}

pub(crate) async fn connect(socket: &Path) -> SendRequest<Full<Bytes>> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

/// A request for a message.
pub(crate) fn ask(stream: bool) -> Value {
    json!({
        "model": "claude-sonnet-4-5-20250929",
        "max_tokens": 1000,
        "stream": stream,
        "messages": [{"role": "user", "content": "```model\n{\"text\": \"hello\"}\n```"}],
    })
}

impl Client {
    pub(crate) fn request(&self, body: &Value) -> Request<Full<Bytes>> {
        self.request_to("POST", "/v1/messages?beta=true", body)
    }

    pub(crate) fn request_to(&self, method: &str, path: &str, body: &Value) -> Request<Full<Bytes>> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header("host", "gateway");
        request.header("x-api-key", self.token.reveal()).body(Full::new(body.into())).unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let mut sender = connect(&self.socket).await;
        soon(sender.send_request(request)).await.unwrap()
    }

    /// Status and body.
    pub(crate) async fn tell(&self, request: Request<Full<Bytes>>) -> (u16, String) {
        let response = self.send(request).await;
        let status = response.status().as_u16();
        (status, text(response).await)
    }

    pub(crate) async fn ask(&self, body: &Value) -> (u16, String) {
        self.tell(self.request(body)).await
    }
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}
