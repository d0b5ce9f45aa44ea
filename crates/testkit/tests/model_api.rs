//! The scripted Messages API on a bad day, seen from a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gadugi_testkit::model_api::{Fault, Meets, ModelApi};
use serde_json::json;

/// What came, and how it ended.
struct Heard {
    text: String,
    end: Result<(), ErrorKind>,
}

impl Heard {
    fn status(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn events(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
    }
}

fn connect(api: &ModelApi) -> io::Result<TcpStream> {
    TcpStream::connect(("127.0.0.1", api.port()))
}

/// Sends one scripted request of a conversation and listens to the end, or until nothing comes for `patience`.
fn ask(api: &ModelApi, session: &str, line: &str, patience: Duration) -> Heard {
    let prompt = format!("```model\n{line}\n```");
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": prompt}]});
    let body = body.to_string();
    let length = body.len();
    let mut stream = connect(api).expect("the port is open");
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    write!(
        stream,
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-claude-code-session-id: {session}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .expect("it listens");
    let mut bytes = Vec::new();
    let end = loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) => break Err(error.kind()),
        }
    };
    Heard { text: String::from_utf8_lossy(&bytes).into_owned(), end }
}

const LONG: Duration = Duration::from_secs(20);
const HELLO: &str = r#"{"text": "hello"}"#;

fn server() -> ModelApi {
    ModelApi::start().expect("a port")
}

#[test]
fn the_first_requests_are_refused_and_then_all_is_well() {
    let api = server();
    api.misbehave(Fault::Status { status: 429, retry_after: Some(7), message: None }, Meets::First(2));
    for _ in 0..2 {
        let heard = ask(&api, "a", HELLO, LONG);
        assert_eq!(heard.status(), "HTTP/1.1 429 Too Many Requests");
        assert!(heard.text.contains("retry-after: 7\r\n") && heard.text.contains("rate_limit_error"));
    }
    let heard = ask(&api, "a", HELLO, LONG);
    assert!(heard.status().ends_with("200 OK") && heard.events().ends_with(&["message_stop"]));
    let met: Vec<_> = api.requests().iter().map(|request| request.met_fault).collect();
    assert_eq!(met, [true, true, false]);
}

#[test]
fn each_conversation_meets_what_its_script_asks_for() {
    let api = server();
    let line = r#"{"text": "hello", "fault": {"kind": "status", "status": 529}}"#;
    let heard = ["a", "a", "b", "b"].map(|session| ask(&api, session, line, LONG).status().to_owned());
    let statuses = heard.each_ref().map(|status| status.contains("529"));
    assert_eq!(statuses, [true, false, true, false], "{heard:?}");
    assert_eq!(api.requests()[2].session, "b");
}

#[test]
fn a_stream_is_cut_truncated_or_falls_silent_where_it_is_told_to() {
    let api = server();
    let start = ["message_start", "ping", "content_block_start"];
    api.misbehave(Fault::Cut { events: 3 }, Meets::First(1));
    let cut = ask(&api, "a", HELLO, LONG);
    assert_eq!((cut.events(), cut.end), (start.to_vec(), Err(ErrorKind::ConnectionReset)));
    api.misbehave(Fault::Cut { events: 0 }, Meets::First(1));
    let cut = ask(&api, "a", HELLO, LONG);
    assert_eq!((cut.events(), cut.end), (vec![], Err(ErrorKind::ConnectionReset)));
    api.misbehave(Fault::Truncated { events: 3 }, Meets::First(1));
    let truncated = ask(&api, "a", HELLO, LONG);
    assert_eq!(
        (truncated.events(), truncated.end),
        (start.to_vec(), Ok(())),
        "closed, and no end of the answer"
    );
    api.misbehave(Fault::ErrorEvent { events: 3 }, Meets::First(1));
    let error = ask(&api, "a", HELLO, LONG);
    assert_eq!(error.events(), [&start[..], &["error"]].concat());
    api.misbehave(Fault::Silent { events: Some(3) }, Meets::First(1));
    let silent = ask(&api, "a", HELLO, Duration::from_millis(300));
    assert_eq!((silent.events(), silent.end), (start.to_vec(), Err(ErrorKind::WouldBlock)));
    api.misbehave(Fault::Silent { events: None }, Meets::First(1));
    let silent = ask(&api, "a", HELLO, Duration::from_millis(300));
    assert_eq!((silent.text.as_str(), silent.end), ("", Err(ErrorKind::WouldBlock)));
    let whole = ask(&api, "a", HELLO, LONG).events().join(" ");
    for events in [None, Some(3)] {
        api.misbehave(Fault::Slow { seconds: 0.2, events }, Meets::First(1));
        let began = Instant::now();
        assert_eq!(ask(&api, "a", HELLO, LONG).events().join(" "), whole, "late, and all of it");
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}

#[test]
fn a_limit_meets_everybody_and_says_when_it_is_lifted() {
    let api = server();
    api.misbehave(Fault::UsageLimit { resets_in: 1 }, Meets::First(1));
    let first = ask(&api, "a", HELLO, LONG);
    assert!(first.text.contains("anthropic-ratelimit-unified-status: rejected"), "{}", first.text);
    let (_, reset) = first.text.split_once("anthropic-ratelimit-unified-reset: ").expect("the reset");
    let reset: i64 = reset.lines().next().and_then(|second| second.parse().ok()).expect("a second");
    let now = gadugi_sys::clock::now;
    let refused = ask(&api, "b", HELLO, LONG);
    let lifted = gadugi_core::Timestamp(reset * 1000);
    assert!(refused.status().contains("429") || now() >= lifted, "{}", refused.status());
    while now() < lifted {
        gadugi_sys::clock::pause(Duration::from_millis(lifted.since(now()).0));
    }
    assert!(ask(&api, "b", HELLO, LONG).status().contains("200"));
}

#[test]
fn a_server_that_is_down_refuses_and_comes_back_on_its_port() {
    let api = server();
    let mut idle = connect(&api).expect("the port is open");
    let down = r#"{"text": "hello", "fault": {"kind": "down", "seconds": 0.5}}"#;
    assert!(ask(&api, "a", down, LONG).text.is_empty(), "no answer");
    idle.set_read_timeout(Some(LONG)).expect("a timeout");
    assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)), "other connections are gone too");
    assert_eq!(connect(&api).err().map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
    let until = Instant::now() + LONG;
    while connect(&api).is_err() {
        assert!(Instant::now() < until, "it never came back");
        gadugi_sys::clock::pause(Duration::from_millis(10));
    }
    assert!(ask(&api, "a", down, LONG).events().ends_with(&["message_stop"]));
}
