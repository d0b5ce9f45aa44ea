//! Those who want too much of it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::client::{Page, hear};
use crate::stage::Stage;

#[test]
fn ten_thousand_connections_shut_nobody_out() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events");
    socket.until("snapshot");
    // More than there are places, all the time, and none of them says anything.
    let mut held = VecDeque::new();
    for at in 0..10_000 {
        held.extend(TcpStream::connect(page.address));
        if held.len() > 400 {
            held.pop_front();
        }
        if at % 1000 == 999 {
            assert_eq!(page.get("/api/runs").status, 200, "{at}");
        }
    }
    // Who was let in before is still there.
    socket.say(r#"{"type":"watch","run":"nothing"}"#);
    socket.until("unknown");
}

#[test]
fn where_all_places_are_taken_by_those_who_may_another_one_is_told() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut held: Vec<_> = (0..256).map(|_| page.socket("/api/events")).collect();
    let refused = hear(page.connect());
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("too-many")), "{refused:?}");
    held[0].until("snapshot");
    held.pop();
    crate::stage::until("there is room again", || page.get("/health").status == 200);
}

#[test]
fn who_speaks_too_slowly_is_not_waited_for() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut silent = page.connect();
    let mut slow = page.connect();
    write!(slow, "GET /health HTTP/1.1\r\nHost: {}\r\nX-Slow: ", page.address).unwrap();
    let mut bytes = Vec::new();
    // It ends: what is read here would else be waited for until the test gives up.
    let _ = silent.read_to_end(&mut bytes);
    let _ = slow.read_to_end(&mut bytes);
    assert_eq!(page.get("/health").status, 200);
}

#[test]
fn heads_have_bounds() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let long = format!("X-Long: {}", "x".repeat(64 << 10));
    let status = page.ask("GET", "/api/runs", &[&long], b"").status;
    assert!(matches!(status, 431 | 0), "{status}");
    let many: Vec<String> = (0..500).map(|at| format!("X-{at}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(page.ask("GET", "/api/runs", &many, b"").status, 431);
    let path = format!("/api/runs?before={}", "x".repeat(100 << 10));
    let status = page.get(&path).status;
    assert!(matches!(status, 414 | 431 | 0), "{status}");
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut stream = page.connect();
        let _ = stream.write_all(garbage.as_bytes());
        let answer = hear(stream);
        assert!(matches!(answer.status, 400 | 505 | 403 | 0), "{garbage:?}: {answer:?}");
    }
    assert_eq!(page.get("/health").status, 200);
}
