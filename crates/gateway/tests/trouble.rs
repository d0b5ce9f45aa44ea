//! Upstreams that are absent, cannot be trusted, are slow or too quick; clients that are slow, many, or gone.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::upstream::{Act, EVENTS, Upstream, event, head, whole};
use common::{Stage, account, ask, connect, soon, text, until};
use gadugi_gateway::{Account, Notice, Proxies, Secret, Trust};
use http_body_util::BodyExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::net::UnixStream;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/certificate.pem");

/// A server with a certificate that it signed itself.
fn tls() -> tokio_rustls::TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("common/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    Arc::new(config).into()
}

fn message() -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    json!({"type": "message", "model": "claude-sonnet-4-5", "usage": usage}).to_string()
}

#[tokio::test]
async fn a_certificate_has_to_be_trusted() {
    let upstream = Upstream::start_with(Some(tls()), |_, _| whole(200, &[], message())).await;
    let url = format!("https://localhost:{}", upstream.address.port());
    let mut stage = Stage::new();
    let client = stage.admit("a", &url).await;
    let response = client.send(client.request(&ask(false))).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-should-retry"]),
        (502, &"false".parse().unwrap())
    );
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let said = stage.notice().await;
    let Notice::Unreachable { lasting: true, reason, .. } = said else { panic!("{said:?}") };
    assert!(
        reason.starts_with(&format!("the model API at {} cannot be reached: its certificate", &url[8..])),
        "{reason}"
    );
    assert!(reason.lines().count() == 1);
    assert_eq!(body["error"]["message"], format!("gadugi: {reason}"));
    assert_eq!(client.ask(&ask(false)).await.0, 502);
    assert!(stage.notices.try_recv().is_err(), "it is said once");

    let named: [fn() -> Trust; 2] = [
        || Trust { extra: Some(CERTIFICATE.into()), ..Trust::default() },
        || Trust { file: Some(CERTIFICATE.into()), ..Trust::default() },
    ];
    for (number, trust) in named.into_iter().enumerate() {
        let trusting = Account { trust: trust(), ..account(&url) };
        let task = format!("trusting-{number}");
        let client = stage.admit_with(&task, &url, |permit| permit.account = Some(trusting)).await;
        assert_eq!(client.ask(&ask(false)).await.0, 200);
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_left_out() {
    let upstream = Upstream::start(|_, _| whole(200, &[], message())).await;
    let mut stage = Stage::new();
    let named: [fn() -> Trust; 2] = [
        || Trust { extra: Some("/nowhere.pem".into()), ..Trust::default() },
        || Trust { file: Some("/nowhere.pem".into()), ..Trust::default() },
    ];
    let url = format!("http://{}", upstream.address);
    for (number, trust) in named.into_iter().enumerate() {
        let account = Account { trust: trust(), ..account(&url) };
        let client =
            stage.admit_with(&format!("{number}"), &url, |permit| permit.account = Some(account)).await;
        let said = stage.notice().await;
        let Notice::CertificatesUnread { reason } = said else { panic!("{said:?}") };
        assert!(reason.contains("nowhere.pem") && reason.lines().count() == 1, "{reason}");
        assert_eq!(client.ask(&ask(false)).await.0, 200);
    }
}

#[tokio::test]
async fn an_absent_upstream_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut stage = Stage::new();
    let client = stage.admit("a", &format!("http://{address}")).await;
    let response = client.send(client.request(&ask(true))).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-should-retry"]),
        (502, &"true".parse().unwrap())
    );
    let said = text(response).await;
    assert!(said.contains("Connection refused") && !said.contains(common::SECRET), "{said}");
    assert!(matches!(stage.notice().await, Notice::Unreachable { lasting: false, .. }));
    let nowhere = stage.admit("b", "http://no-such-host.invalid").await;
    assert_eq!(nowhere.ask(&ask(true)).await.0, 502);
    let Notice::Unreachable { reason, .. } = stage.notice().await else { panic!() };
    assert!(reason.contains("no-such-host.invalid"), "{reason}");
}

#[tokio::test]
async fn the_users_proxy_is_taken() {
    let proxy = Upstream::start(|_, _| whole(200, &[("content-type", "application/json")], message())).await;
    let stage = Stage::new();
    let url = "http://api.invalid/base";
    let proxies = Proxies {
        http: Some(Secret::new(format!("http://u:hunter2@{}", proxy.address))),
        ..Proxies::default()
    };
    let through = Account { proxies: proxies.clone(), ..account(url) };
    let client = stage.admit_with("a", url, |permit| permit.account = Some(through)).await;
    assert_eq!(client.ask(&ask(false)).await.0, 200);
    let seen = &proxy.seen()[0];
    assert!(seen.head.starts_with("POST http://api.invalid/base/v1/messages?beta=true"), "{}", seen.head);
    assert!(seen.header("proxy-authorization").is_some());
    let past = Account { proxies: Proxies { none: Some("api.invalid".into()), ..proxies }, ..account(url) };
    let client = stage.admit_with("b", url, |permit| permit.account = Some(past)).await;
    assert_eq!(client.ask(&ask(false)).await.0, 502);
    assert_eq!(proxy.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_upstream_back() {
    const PIECES: usize = 2000;
    let upstream = Upstream::start(|_, _| {
        let delta =
            json!({"type": "content_block_delta", "index": 0, "delta": {"text": "x".repeat(32 << 10)}});
        vec![Act::Say(head(200, &EVENTS)), Act::Repeat(event(&delta), PIECES)]
    })
    .await;
    let stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let mut sender = connect(&client.socket).await;
    let response = soon(sender.send_request(client.request(&ask(true)))).await.unwrap();
    // It writes until all buffers are full, and then no more.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let written = upstream.written();
        if written > 0 && written == before {
            break;
        }
        before = written;
    }
    assert!(before < 16 << 20, "{before} of {} bytes", PIECES * (32 << 10));
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    assert!(body.len() > PIECES * (32 << 10));
}

#[tokio::test]
async fn a_client_that_goes_ends_its_request() {
    let upstream = Upstream::start(|_, _| vec![Act::Linger]).await;
    let stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let mut sender = connect(&client.socket).await;
    let asking = tokio::spawn(sender.send_request(client.request(&ask(true))));
    until(|| (upstream.seen().len() == 1).then_some(())).await;
    asking.abort();
    drop(sender);
    until(|| (upstream.left() == 1).then_some(())).await;
    assert_eq!(stage.log(1).await[0]["status"], 499);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_step_takes_no_more_connections_than_are_its_own() {
    let upstream = Upstream::start(|_, _| whole(200, &[], message())).await;
    let stage = Stage::new();
    let (greedy, other) = (stage.admit("a", &upstream.url()).await, stage.admit("b", &upstream.url()).await);
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(UnixStream::connect(&greedy.socket).await.unwrap());
    }
    assert_eq!(other.ask(&ask(false)).await.0, 200);
    // Its own next request waits until one of its connections is gone.
    let mut sender = connect(&greedy.socket).await;
    let waiting = tokio::spawn(sender.send_request(greedy.request(&ask(false))));
    assert_eq!(other.ask(&ask(false)).await.0, 200);
    assert!(!waiting.is_finished());
    drop(held);
    assert_eq!(soon(waiting).await.unwrap().unwrap().status(), 200);
}
