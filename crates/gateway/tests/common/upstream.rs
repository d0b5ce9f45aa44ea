//! A server that says what it is told, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// One thing that it does.
#[derive(Clone)]
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Waits until the test says so.
    Wait(Arc<Notify>),
    /// Until the client is gone.
    Linger,
    /// Says the same, so often.
    Repeat(Vec<u8>, usize),
}

/// What it does about one request; then the connection is closed.
pub(crate) type Acts = Vec<Act>;

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// Bytes that it could write.
    pub(crate) written: Mutex<usize>,
    /// Clients that went before they had all.
    pub(crate) left: Mutex<usize>,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) record: Arc<Record>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Answers the n-th request (from 0) with what `script` says.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Acts + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    pub(crate) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        script: impl Fn(usize, &Seen) -> Acts + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (record, script) = (Arc::new(Record::default()), Arc::new(script));
        let kept = Arc::clone(&record);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, script, tls) = (Arc::clone(&kept), Arc::clone(&script), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &record, &*script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &record, &*script).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, record, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.record.seen.lock().unwrap().clone()
    }

    pub(crate) fn written(&self) -> usize {
        *self.record.written.lock().unwrap()
    }

    pub(crate) fn left(&self) -> usize {
        *self.record.left.lock().unwrap()
    }
}

async fn serve<S>(mut stream: S, record: &Record, script: &(dyn Fn(usize, &Seen) -> Acts + Send + Sync))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(seen) = request(&mut stream).await else { return };
    let number = {
        let mut all = record.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    for act in script(number, &seen) {
        let (bytes, times) = match act {
            Act::Say(bytes) => (bytes, 1),
            Act::Repeat(bytes, times) => (bytes, times),
            Act::Wait(signal) => {
                signal.notified().await;
                continue;
            }
            Act::Linger => {
                while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
                *record.left.lock().unwrap() += 1;
                return;
            }
        };
        for _ in 0..times {
            if stream.write_all(&bytes).await.is_err() {
                *record.left.lock().unwrap() += 1;
                return;
            }
            *record.written.lock().unwrap() += bytes.len();
        }
        let _ = stream.flush().await;
    }
    let _ = stream.shutdown().await;
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut seen = Seen { head, body: bytes.split_off(end + 4) };
    let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while seen.body.len() < length {
        (stream.read_buf(&mut seen.body).await.ok()? > 0).then_some(())?;
    }
    Some(seen)
}

/// A whole answer.
pub(crate) fn whole(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Acts {
    let body = body.as_ref();
    let mut said = head(status, headers);
    said.truncate(said.len() - 2);
    said.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    said.extend_from_slice(body);
    vec![Act::Say(said)]
}

/// The head of an answer that goes on until its connection is closed.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

pub(crate) const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream; charset=utf-8")];

pub(crate) fn event(data: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()).into_bytes()
}
