//! What passes through the gateway, for whom, and how.

mod common;

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;

use common::upstream::{Act, EVENTS, Upstream, event, head, whole};
use common::{SECRET, Stage, account, ask, connect, soon, text, until};
use gadugi_gateway::{Account, AdmitError, Notice, Secret};
use gadugi_testkit::model_api::ModelApi;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;

#[tokio::test]
async fn the_credential_takes_the_tokens_place() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    let (status, body) = client.ask(&ask(false)).await;
    assert_eq!(status, 200, "{body}");
    let mut bearer = client.request(&ask(true));
    let key = bearer.headers_mut().remove("x-api-key").unwrap();
    let value = format!("Bearer {}", key.to_str().unwrap()).parse().unwrap();
    bearer.headers_mut().insert("authorization", value);
    let (status, events) = client.tell(bearer).await;
    assert!(status == 200 && events.contains("message_stop"), "{events}");
    let requests = api.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.key.as_deref() == Some(SECRET)), "{requests:?}");
    assert!(requests.iter().all(|request| request.path == "/v1/messages?beta=true"));
}

#[tokio::test]
async fn the_accounts_own_headers_go_along() {
    let message = json!({"type": "message", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let upstream =
        Upstream::start(move |_, _| whole(401, &[], format!("{message} you said hunter2-is-long"))).await;
    let stage = Stage::new();
    let url = format!("http://{}", upstream.address);
    let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    let headers = vec![
        header("x-portkey-key", "hunter2-is-long"),
        header("cookie", "a=b"),
        header("anthropic-beta", "ours-1"),
    ];
    let client = stage
        .admit_with("a", &url, |permit| permit.account = Some(Account { headers, ..account(&url) }))
        .await;
    let mut request = client.request(&ask(false));
    request.headers_mut().insert("anthropic-beta", "theirs-1,ours-1".parse().unwrap());
    request.headers_mut().insert("x-of-the-agent", "kept".parse().unwrap());
    request.headers_mut().insert("x-portkey-key", "another".parse().unwrap());
    let (status, said) = client.tell(request).await;
    assert!(status == 401 && !said.contains("hunter2"), "{said}");
    let seen = &upstream.seen()[0];
    let sent = ["x-portkey-key", "cookie", "anthropic-beta", "x-of-the-agent", "x-api-key"];
    let sent = sent.map(|name| seen.header(name).unwrap_or_default());
    assert_eq!(sent, ["hunter2-is-long", "a=b", "theirs-1,ours-1", "kept", SECRET], "{}", seen.head);
}

#[tokio::test]
async fn a_token_is_good_on_its_own_socket_alone() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let (one, other) = (stage.admit("a", &api.base_url()).await, stage.admit("b", &api.base_url()).await);
    let mut crossed = one.request(&ask(false));
    crossed.headers_mut().insert("x-api-key", other.token.reveal().parse().unwrap());
    let mut none = one.request(&ask(false));
    none.headers_mut().remove("x-api-key");
    let mut real = one.request(&ask(false));
    real.headers_mut().insert("x-api-key", SECRET.parse().unwrap());
    for request in [crossed, none, real] {
        let (status, body) = one.tell(request).await;
        assert_eq!((status, &body.contains("authentication_error")), (401, &true), "{body}");
    }
    assert!(api.requests().is_empty());
}

#[tokio::test]
async fn nothing_but_messages_and_models_is_passed() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    for (method, path, status) in [
        ("GET", "/v1/models?limit=1000", 200),
        ("POST", "/v1/messages/count_tokens?beta=true", 200),
        ("HEAD", "/", 200),
        ("GET", "/v1/models/../files", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/files", 404),
        ("POST", "/v1/messages/batches", 404),
        ("GET", "/v1/messages", 404),
        ("POST", "/v1/messages/", 404),
        ("POST", "//v1/messages", 404),
        ("POST", "/v1/%6dessages", 404),
        ("GET", "/v1/organizations/api_keys", 404),
    ] {
        let body = if method == "POST" { ask(false) } else { Value::Null };
        let (got, body) = client.tell(client.request_to(method, path, &body)).await;
        assert_eq!(got, status, "{method} {path}: {body}");
    }
    assert_eq!(api.requests().len(), 2);
    let log = stage.log(12).await;
    assert_eq!(log[0]["kind"], "models");
    assert_eq!((&log[5]["kind"], &log[5]["status"]), (&json!("none"), &json!(404)));
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let signal = Arc::new(Notify::new());
    let wait = Arc::clone(&signal);
    let upstream = Upstream::start(move |_, _| {
        let (one, two) = (event(&json!({"type": "ping"})), event(&json!({"type": "message_stop"})));
        vec![Act::Say(head(200, &EVENTS)), Act::Say(one), Act::Wait(Arc::clone(&wait)), Act::Say(two)]
    })
    .await;
    let stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let mut body = client.send(client.request(&ask(true))).await.into_body();
    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    // Upstream says the second only now that the first has come through.
    signal.notify_one();
    let rest = soon(body.collect()).await.unwrap().to_bytes();
    assert!(rest.starts_with(b"event: message_stop"));
    let seen = &upstream.seen()[0];
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("host"), Some(upstream.address.to_string().as_str()));
}

#[tokio::test]
async fn a_revoked_step_has_no_way_left() {
    let upstream = Upstream::start(|_, _| {
        let usage = json!({"input_tokens": 70, "output_tokens": 1});
        let start = event(
            &json!({"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": usage}}),
        );
        vec![Act::Say(head(200, &EVENTS)), Act::Say(start), Act::Linger]
    })
    .await;
    let stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let mut body = client.send(client.request(&ask(true))).await.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    let metered = soon(stage.gateway.revoke(&client.step)).await.unwrap();
    assert_eq!(metered.tokens().input, 70, "what was cut off is counted");
    assert!(soon(body.frame()).await.is_none_or(|frame| frame.is_err()), "its connection is cut");
    assert!(!client.socket.exists() && UnixStream::connect(&client.socket).await.is_err());
    until(|| (upstream.left() == 1).then_some(())).await;
    assert!(
        stage.gateway.revoke(&client.step).await.is_none() && stage.gateway.metered(&client.step).is_none()
    );
    // A later step at the same place does not take the old token.
    let later = stage.admit("a", &upstream.url()).await;
    let (status, _) = later.tell(client.request(&ask(false))).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_socket_lies_at_any_path_and_takes_the_place_of_a_dead_one() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let folder = stage.folder.path().join("x".repeat(120)).join("y".repeat(120));
    std::fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("gateway.sock");
    std::fs::write(&socket, "left behind").unwrap();
    let mut client = stage.admit_with("a", &api.base_url(), |permit| permit.socket = socket.clone()).await;
    let meta = std::fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket() && meta.permissions().mode() & 0o777 == 0o600);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let link = stage.folder.path().join("short");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    client.socket = link.join("gateway.sock");
    assert_eq!(client.ask(&ask(false)).await.0, 200);

    let (_, again) = stage.permit("a", None);
    assert!(matches!(stage.gateway.admit(again).await, Err(AdmitError::Already(_))));
    let (_, mut amiss) = stage.permit("b", None);
    amiss.socket = stage.folder.path().join("nowhere/b.sock");
    assert!(matches!(stage.gateway.admit(amiss).await, Err(AdmitError::Socket { .. })));
    let (_, mut amiss) = stage.permit("b", None);
    amiss.token_sha256 = "nonsense".into();
    assert!(matches!(stage.gateway.admit(amiss).await, Err(AdmitError::Token(_))));
    // Nothing of that is left in the way.
    stage.admit("b", &api.base_url()).await;
}

#[tokio::test]
async fn requests_wait_for_a_credential_but_not_for_ever() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let (client, permit) = stage.permit("a", None);
    stage.gateway.admit(permit).await.unwrap();
    let mut sender = connect(&client.socket).await;
    let held = tokio::spawn(sender.send_request(client.request(&ask(false))));
    // Another request of the same step is answered, so this one was read or is about to be.
    assert_eq!(client.tell(client.request_to("HEAD", "/", &Value::Null)).await.0, 200);
    assert!(!held.is_finished());
    assert!(stage.gateway.supply(&client.step, account(&api.base_url())).await.unwrap());
    assert_eq!(soon(held).await.unwrap().unwrap().status(), 200);
    assert!(!stage.gateway.supply(&common::step("nobody"), account(&api.base_url())).await.unwrap());

    let hasty = Stage::with(|options| options.patience = std::time::Duration::from_millis(50));
    let (client, permit) = hasty.permit("a", None);
    hasty.gateway.admit(permit).await.unwrap();
    let response = client.send(client.request(&ask(false))).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-should-retry"], "true");
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("api_error")));
}

#[tokio::test]
async fn a_refusal_of_the_vendors_is_passed_without_the_credential() {
    let upstream = Upstream::start(|_, _| {
        let body = json!({"type": "error", "error": {"type": "authentication_error", "message": format!("{SECRET} is no key")}});
        whole(401, &[("x-echo", SECRET), ("set-cookie", "a=b"), ("request-id", "req_1")], body.to_string())
    })
    .await;
    let mut stage = Stage::new();
    let client = stage.admit("a", &upstream.url()).await;
    let response = client.send(client.request(&ask(true))).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(response.headers()["request-id"], "req_1");
    assert!(!response.headers().contains_key("set-cookie"));
    let said = format!("{:?}", response.headers()) + &text(response).await;
    assert!(!said.contains(SECRET) && said.contains("… is no key"), "{said}");
    let notice = stage.notice().await;
    assert!(matches!(&notice, Notice::AuthRefused { status: 401, .. }), "{notice:?}");
    assert!(!format!("{notice:?}").contains(SECRET));
    stage.log(1).await;
    assert!(!std::fs::read_to_string(stage.log_path()).unwrap().contains(SECRET));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stage = Stage::new();
    let upstream = Upstream::start(|_, _| whole(307, &[("location", "http://169.254.169.254/")], "")).await;
    let client = stage.admit("a", &upstream.url()).await;
    assert_eq!(client.ask(&ask(false)).await.0, 307);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let (stage, api) = (Stage::new(), ModelApi::start().unwrap());
    let client = stage.admit("a", &api.base_url()).await;
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2000));
    for bytes in [
        "\x16\x03\x01\x02\x00\x01",
        "GET\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        &large,
        &many,
    ] {
        let mut stream = UnixStream::connect(&client.socket).await.unwrap();
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let _ = soon(stream.read_to_end(&mut said)).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    }
    for (body, status) in [("not json", 400), ("{\"model\":\"m\"}", 400), ("[]", 400)] {
        let mut request = client.request(&Value::Null);
        *request.body_mut() = body.to_owned().into();
        assert_eq!(client.tell(request).await.0, status, "{body}");
    }
    let mut request = client.request(&Value::Null);
    request.headers_mut().insert("content-length", "99999999".parse().unwrap());
    let mut stream = UnixStream::connect(&client.socket).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 99999999\r\n\r\n",
        client.token.reveal()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 12];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 413");
    assert!(api.requests().is_empty());
    assert_eq!(client.ask(&ask(false)).await.0, 200);
}
