//! A client of the page's server that can say anything: also what no browser would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

use crate::stage::{PATIENCE, Stage, signal};

/// A page that is open, held open by `gadugi dashboard`.
pub struct Page {
    child: Child,
    pub address: SocketAddr,
    pub token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Page {
    pub fn open(stage: &Stage) -> Self {
        Self::open_with(stage, &[])
    }

    pub fn open_with(stage: &Stage, more: &[&str]) -> Self {
        let mut child = stage.spawn(&[&["dashboard"], more].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("no link: {line:?}"));
        let (address, token) = rest.split_once("/?token=").unwrap();
        Self { child, address: address.parse().unwrap(), token: token.to_owned() }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Says a head of these lines, and a body, and hears the answer.
    pub fn say(&self, lines: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut bytes = lines.join("\r\n").into_bytes();
        bytes.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        bytes.extend_from_slice(body);
        // Who is refused early may not be listened to any more.
        let _ = stream.write_all(&bytes);
        hear(stream)
    }

    /// Asks as somebody who has the token.
    pub fn ask(&self, method: &str, path: &str, more: &[&str], body: &[u8]) -> Answer {
        let line = format!("{method} {path} HTTP/1.1");
        let host = format!("Host: {}", self.address);
        let token = format!("Authorization: Bearer {}", self.token);
        let length = format!("Content-Length: {}", body.len());
        let mut lines = vec![line.as_str(), &host, &token, &length];
        lines.extend(more);
        self.say(&lines, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &["Content-Type: application/json"], body.as_bytes())
    }

    /// A WebSocket, or the status that was answered in its place.
    pub fn upgrade(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tungstenite::client::client(request, self.connect()) {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    #[track_caller]
    pub fn socket(&self, path: &str) -> Socket {
        self.upgrade(path, &[("authorization", &format!("Bearer {}", self.token))]).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        signal(i32::try_from(self.child.id()).unwrap(), "INT");
        let _ = self.child.wait();
    }
}

/// Hears an answer to its end.
pub fn hear(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // One that is cut off has said what it had to.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head, body: if chunked { unchunk(&body) } else { body } }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        all.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    all
}

/// What a WebSocket says.
#[derive(Debug)]
pub enum Heard {
    Message(Value),
    /// Closed, with this code; 0 where none was given.
    Closed(u16),
}

pub struct Socket(pub WebSocket<TcpStream>);

impl Socket {
    pub fn next(&mut self) -> Heard {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Heard::Message(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => {
                    return Heard::Closed(frame.map_or(0, |frame| frame.code.into()));
                }
                Ok(_) => {}
                Err(_) => return Heard::Closed(0),
            }
        }
    }

    /// Reads on until a message is of that type.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Heard::Message(message) if message["type"] == kind => return message,
                Heard::Message(_) => {}
                Heard::Closed(code) => panic!("closed with {code} before {kind}"),
            }
        }
    }

    /// The code that it is closed with.
    pub fn closed(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.next() {
                return code;
            }
        }
    }

    pub fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }
}
