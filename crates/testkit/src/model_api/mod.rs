//! A scripted Messages API on loopback, for real Claude Code.
//!
//! What the "model" does stands in the conversation itself, so that the server keeps nothing and any number of agents
//! can talk to one: the first user text that holds a fenced block marked `model` is the script, one assistant turn a
//! line, JSON:
//!
//! ````text
//! ```model
//! {"tool": "Bash", "input": {"command": "echo hello > greeting.txt"}}
//! [{"text": "GADUGI-PHASE: 5"}, {"tool": "Write", "input": {"file_path": "$CWD/a.txt", "content": "a\n"}}]
//! {"text": "all done"}
//! ```
//! ````
//!
//! A line is a block or a list of blocks. Where a turn calls a tool, the client runs it and asks again: the next line
//! answers. A turn of text alone ends the client's turn; if the conversation is taken up again later, the following line
//! answers. Behind the last line comes the text `done`. `$CWD` is the client's working directory, as the system prompt
//! names it. Requests without a script (titles, summaries) get a short text. Every answer has the usage
//! [`USAGE_PER_TURN`].
//!
//! It can misbehave as the real one does on a bad day: [`Fault`] says how, `fault.rs` says how it is asked for.
//!
//! `script.rs` finds an [`Answer`], `fault.rs` what stands in its place, `wire.rs` renders either, `server.rs` holds the
//! port and breaks connections.

mod fault;
mod script;
mod server;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use gadugi_core::{Timestamp, Usage};
use serde_json::{Value, json};
use tokio::sync::Notify;

use fault::{Asker, Faults, Met};
pub use fault::{Fault, Meets};
pub use script::{Answer, Block};
use server::{Broken, Connection, Order};

/// What every answer says that it used. The client makes money of it by its own price list.
pub const USAGE_PER_TURN: Usage = Usage {
    input_tokens: 1000,
    output_tokens: 50,
    cache_read_tokens: 200,
    cache_write_tokens: 30,
    cost_microusd: 0,
};

/// Requests that the log keeps, the latest: a body has some 100 KiB, so 50 MB at most or so.
const KEPT_REQUESTS: usize = 512;

/// One request, for assertions.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `x-api-key`, or what stands behind `Bearer` in `authorization`.
    pub key: Option<String>,
    /// The body where it is JSON, else null.
    pub body: Value,
    /// When it came.
    pub at: Timestamp,
    /// The client's own id of the conversation; empty where it sent none.
    pub session: String,
    /// Whether a fault stood in place of its answer.
    pub met_fault: bool,
}

impl Request {
    /// The system prompt as one text.
    pub fn system(&self) -> String {
        script::text_of(&self.body["system"])
    }

    /// The texts of all user messages, in order.
    pub fn user_texts(&self) -> Vec<String> {
        script::user_texts(&self.body)
    }

    /// The model that was asked for.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }
}

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub struct ModelApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Vec<Request>>,
    answers: AtomicU64,
    faults: Mutex<Faults>,
    orders: Mutex<mpsc::Sender<Order>>,
    wake: Arc<Notify>,
}

impl ModelApi {
    /// Starts a server on a free port of loopback.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts a server on that port of loopback (0: a free one). It runs in a thread of its own, so that tests with and
    /// without a runtime can use it.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (orders, received) = mpsc::channel();
        let wake = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            answers: AtomicU64::default(),
            faults: Mutex::default(),
            orders: Mutex::new(orders),
            wake: Arc::clone(&wake),
        });
        let router = router(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("model-api".into())
            .spawn(move || server::run(listener, &router, &received, &wake))?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// For `ANTHROPIC_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Requests that ask the model with a script meet this from now on. What was asked for earlier comes first.
    pub fn misbehave(&self, fault: Fault, meets: Meets) {
        lock(&self.shared.faults).add(fault, meets);
    }

    /// All is well from now on, but for what scripts ask for themselves.
    pub fn behave(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Goes down now: every connection is gone and the port is closed for so long.
    pub fn go_down(&self, length: Duration) {
        self.shared.order(Order::Down(length));
    }

    /// The latest requests (at most 512), the earliest first.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.log).clone()
    }

    /// Those of them that asked the model with a script.
    pub fn scripted_requests(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests
            .retain(|request| request.path.starts_with("/v1/messages?") || request.path == "/v1/messages");
        requests.retain(|request| script::has_script(&request.body));
        requests
    }
}

impl Drop for ModelApi {
    fn drop(&mut self) {
        self.shared.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Where the thread is gone there is nobody to be told.
    fn order(&self, order: Order) {
        let _ = lock(&self.orders).send(order);
        self.wake.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn router(shared: Arc<Shared>) -> Router {
    // Conversations grow long; the API's own limit is 32 MB.
    Router::new().fallback(answer).layer(DefaultBodyLimit::max(32 << 20)).with_state(shared)
}

/// Everything that a client asks: logged, then answered.
async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = request(&method, &uri, &headers, body.clone());
    match (method.as_str(), uri.path()) {
        ("POST", "/v1/messages") => return message(&shared, connection, request, body).await,
        _ => note(&shared, request),
    }
    match (method.as_str(), uri.path()) {
        ("POST", "/v1/messages/count_tokens") => wire::json(StatusCode::OK, &json!({ "input_tokens": 1000 })),
        ("GET", "/v1/models") => wire::json(
            StatusCode::OK,
            &json!({"data": [], "has_more": false, "first_id": null, "last_id": null}),
        ),
        ("HEAD" | "GET", "/") => Response::new(Body::empty()),
        _ => wire::refusal(404, None, Some("not scripted")),
    }
}

/// The model's next words, or what stands in their place.
async fn message(shared: &Shared, connection: Connection, mut request: Request, body: Value) -> Response {
    let next = script::next(&body);
    let met = next.line.and_then(|line| {
        let asker = Asker { session: request.session.clone(), line, scripted: next.fault };
        lock(&shared.faults).meet(&asker, request.at)
    });
    request.met_fault = met.is_some();
    note(shared, request);
    let number = shared.answers.fetch_add(1, Ordering::Relaxed);
    let id = format!("msg_scripted_{number:06}");
    let whole = || wire::whole(&id, &body, &next.answer);
    let streamed = body["stream"].as_bool() == Some(true);
    let events = wire::events(&id, &body, &next.answer);
    // Faults within a stream need one: who asked for the answer as one object gets it cut before its first byte.
    let first = |count: usize| {
        if streamed { events.iter().take(count).map(String::as_str).collect() } else { String::new() }
    };
    let fault = match met {
        Some(Met::Limit(resets_at)) => return wire::limit_reached(resets_at),
        Some(Met::Fault(fault)) => fault,
        None if streamed => return wire::stream(events.concat().into()),
        None => return whole(),
    };
    match fault {
        Fault::Status { status, retry_after, message } => {
            wire::refusal(status, retry_after, message.as_deref())
        }
        // A limit is met as one: `Faults` keeps it.
        Fault::UsageLimit { .. } => wire::limit_reached(0),
        Fault::ErrorEvent { .. } if !streamed => wire::refusal(529, None, None),
        Fault::ErrorEvent { events } => wire::stream((first(events) + &wire::overloaded_event()).into()),
        Fault::Cut { events } => {
            let body = Broken::cut(first(events), connection);
            wire::stream(Body::from_stream(body))
        }
        Fault::Truncated { events } => wire::stream(Body::from_stream(Broken::truncated(first(events)))),
        Fault::Silent { events: Some(events) } if streamed => {
            wire::stream(Body::from_stream(Broken::silent(first(events))))
        }
        Fault::Silent { .. } => std::future::pending().await,
        Fault::Slow { seconds, events: Some(before) } if streamed => {
            let rest = events[before.min(events.len())..].concat();
            let body = Broken::paused(first(before), Duration::from_secs_f64(seconds), rest);
            wire::stream(Body::from_stream(body))
        }
        Fault::Slow { seconds, .. } => {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            if streamed { wire::stream(events.concat().into()) } else { whole() }
        }
        Fault::Down { seconds } => {
            connection.reset_at_close();
            shared.order(Order::Down(Duration::from_secs_f64(seconds)));
            std::future::pending().await
        }
    }
}

fn request(method: &Method, uri: &Uri, headers: &HeaderMap, body: Value) -> Request {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let session = header("x-claude-code-session-id").or_else(|| body["metadata"]["user_id"].as_str());
    Request {
        method: method.to_string(),
        path: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
        key: header("x-api-key").or_else(bearer).map(str::to_owned),
        session: session.unwrap_or_default().to_owned(),
        at: gadugi_sys::clock::now(),
        met_fault: false,
        body,
    }
}

fn note(shared: &Shared, request: Request) {
    let mut log = lock(&shared.log);
    if log.len() == KEPT_REQUESTS {
        log.remove(0);
    }
    log.push(request);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn ask(api: &ModelApi, request: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(api.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: sk-test-local\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[test]
    fn an_answer_comes_whole_or_as_a_stream() {
        let api = ModelApi::start().unwrap();
        let request = |stream: bool| {
            let script = "```model\n{\"tool\": \"Bash\", \"input\": {\"command\": \"ls\"}}\n```";
            let messages = json!([{"role": "user", "content": script}]);
            json!({"model": "m", "stream": stream, "messages": messages}).to_string()
        };
        let (status, body) = ask(&api, "POST /v1/messages?beta=true", &request(false));
        assert_eq!(status, "HTTP/1.1 200 OK");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["content"][0]["input"]["command"], "ls");
        assert_eq!(body["stop_reason"], "tool_use");
        assert_eq!(body["usage"]["output_tokens"], 50);
        let (_, events) = ask(&api, "POST /v1/messages", &request(true));
        let names: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        assert_eq!(
            names,
            [&["message_start", "ping"][..], &block, &["message_delta", "message_stop"]].concat()
        );
        let requests = api.scripted_requests();
        assert_eq!(requests.len(), 2);
        assert_eq!((requests[0].key.as_deref(), requests[0].model()), (Some("sk-test-local"), "m"));
    }

    #[test]
    fn other_questions_have_answers_too() {
        let api = ModelApi::start().unwrap();
        for (request, status) in [
            ("POST /v1/messages/count_tokens", "HTTP/1.1 200 OK"),
            ("GET /v1/models?limit=1000", "HTTP/1.1 200 OK"),
            ("HEAD /", "HTTP/1.1 200 OK"),
            ("GET /api/hello", "HTTP/1.1 404 Not Found"),
            ("POST /v1/messages", "HTTP/1.1 200 OK"),
        ] {
            assert_eq!(ask(&api, request, "not json").0, status, "{request}");
        }
        assert_eq!(api.requests().len(), 5);
        assert!(api.scripted_requests().is_empty());
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let api = ModelApi::start().unwrap();
        let address = api.address;
        drop(api);
        assert!(TcpStream::connect(address).is_err());
    }
}
