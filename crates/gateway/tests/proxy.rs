//! The way to other hosts: those that are permitted, at addresses that may be reached, and nobody else.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod common;

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::upstream::{Act, Upstream, head, whole};
use common::{Client, Stage, soon};
use gadugi_gateway::{HostPort, Notice, Permit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

/// Says back what it hears, on both kinds of loopback if there are both.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn stage(hosts: &[String]) -> (Stage, Client) {
    let hosts: Vec<HostPort> = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let stage = Stage::new();
    let client =
        stage.admit_with("a", "http://127.0.0.1:1", |permit: &mut Permit| permit.network = hosts).await;
    (stage, client)
}

fn authorization(token: &str) -> String {
    format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(format!("gadugi:{token}")))
}

/// Asks, and returns the connection and the head of the answer.
async fn ask(client: &Client, line: &str, headers: &str) -> (UnixStream, String) {
    let mut stream = UnixStream::connect(&client.socket).await.unwrap();
    stream.write_all(format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn connect(client: &Client, host: &str) -> (UnixStream, String) {
    ask(client, &format!("CONNECT {host}"), &authorization(client.token.reveal())).await
}

async fn status(client: &Client, host: &str) -> u16 {
    connect(client, host).await.1[9..12].parse().unwrap()
}

#[tokio::test]
async fn a_permitted_host_is_reached_and_what_passes_is_counted() {
    let echo = echo().await;
    let (stage, client) = stage(&[echo.to_string(), format!("localhost:{}", echo.port())]).await;
    let (mut tunnel, head) = connect(&client, &echo.to_string()).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    tunnel.write_all(&[b'x'; 100_000]).await.unwrap();
    let mut back = vec![0; 100_000];
    soon(tunnel.read_exact(&mut back)).await.unwrap();
    tunnel.shutdown().await.unwrap();
    assert_eq!(soon(tunnel.read(&mut back)).await.unwrap(), 0, "its end comes through");
    let line = &stage.log(1).await[0];
    assert_eq!((&line["kind"], &line["host"]), (&"connect".into(), &echo.to_string().into()));
    let metered = stage.gateway.metered(&client.step).unwrap();
    assert_eq!((metered.bytes_in, metered.bytes_out, metered.requests), (100_000, 100_000, 0));
    for host in ["LOCALHOST", "localhost."] {
        assert_eq!(status(&client, &format!("{host}:{}", echo.port())).await, 200, "{host}");
    }
}

#[tokio::test]
async fn other_hosts_are_not_reached() {
    let echo = echo().await;
    let port = echo.port();
    // Names that the system takes for loopback without asking anybody.
    let odd = ["0x7f000001", "2130706433", "127.1", "0177.0.0.1"].map(|name| format!("{name}:{port}"));
    let mut hosts = odd.to_vec();
    hosts.push(format!("127.0.0.2:{port}"));
    let (mut stage, client) = stage(&hosts).await;
    for host in &odd {
        assert_eq!(status(&client, host).await, 403, "{host}");
    }
    let Notice::HostRefused { reason, .. } = stage.notice().await else { panic!() };
    assert!(reason.contains("127.0.0.1") && reason.contains("private"), "{reason}");
    for host in [
        format!("127.0.0.1:{port}"),
        format!("127.0.0.2:{}", port ^ 1),
        format!("localhost:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "169.254.169.254:80".to_owned(),
        "example.com:443".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert!(matches!(status(&client, &host).await, 400 | 403), "{host}");
    }
    assert_eq!(status(&client, &format!("[::ffff:127.0.0.2]:{port}")).await, 502, "it is one of those named");
}

#[tokio::test]
async fn the_proxy_takes_the_steps_token_alone() {
    let echo = echo().await;
    let (stage, client) = stage(&[echo.to_string()]).await;
    let other = stage.admit("b", "http://127.0.0.1:1").await;
    let line = format!("CONNECT {echo}");
    let tokens = [
        authorization(other.token.reveal()),
        authorization(""),
        String::new(),
        "proxy-authorization: Basic !\r\n".into(),
    ];
    for headers in tokens {
        let (_, head) = ask(&client, &line, &headers).await;
        assert!(head.starts_with("HTTP/1.1 407") && head.contains("Basic realm"), "{head}");
    }
    // Without a list there is no way out at all.
    assert_eq!(status(&other, &echo.to_string()).await, 403);
}

#[tokio::test]
async fn a_tunnel_ends_with_the_token() {
    let echo = echo().await;
    let (stage, client) = stage(&[echo.to_string()]).await;
    let (mut tunnel, _) = connect(&client, &echo.to_string()).await;
    tunnel.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    soon(tunnel.read_exact(&mut back)).await.unwrap();
    let metered = soon(stage.gateway.revoke(&client.step)).await.unwrap();
    assert_eq!((metered.bytes_in, metered.bytes_out), (5, 5));
    assert!(matches!(soon(tunnel.read(&mut back)).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn plain_http_is_passed_to_a_permitted_host() {
    let upstream = Upstream::start(|_, seen| {
        if seen.head.starts_with("GET /slow") {
            return vec![Act::Say(head(200, &[])), Act::Linger];
        }
        whole(200, &[("x-a", "b"), ("keep-alive", "1")], format!("{}|{}", seen.head, seen.body.len()))
    })
    .await;
    let (stage, client) = stage(&[upstream.address.to_string()]).await;
    let headers = authorization(client.token.reveal())
        + "proxy-connection: x\r\nconnection: close, x-hop\r\nx-hop: 1\r\ncontent-length: 3\r\n";
    let mut stream = UnixStream::connect(&client.socket).await.unwrap();
    let line = format!("POST http://{}/p?q HTTP/1.1\r\nhost: lie\r\n{headers}\r\nabc", upstream.address);
    stream.write_all(line.as_bytes()).await.unwrap();
    let mut said = String::new();
    soon(stream.read_to_string(&mut said)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("x-a: b") && said.ends_with("|3"), "{said}");
    let seen = &upstream.seen()[0];
    assert!(seen.head.starts_with("POST /p?q HTTP/1.1"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some(upstream.address.to_string().as_str()));
    for gone in ["proxy-authorization", "proxy-connection", "x-hop"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    let (_, head) = ask(&client, "GET http://127.0.0.1:9/", &authorization(client.token.reveal())).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (_, head) = ask(&client, &format!("GET http://{}/", upstream.address), "").await;
    assert!(head.starts_with("HTTP/1.1 407"), "{head}");
    // A client that goes takes the connection to the host with it.
    let line = format!("GET http://{}/slow", upstream.address);
    let (slow, _) = ask(&client, &line, &authorization(client.token.reveal())).await;
    drop(slow);
    common::until(|| (upstream.left() == 1).then_some(())).await;
    drop(stage);
}
