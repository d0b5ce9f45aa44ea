use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tower_service::Service;

use super::*;

fn guarded() -> (Router, Token) {
    let dir = tempfile::tempdir().unwrap();
    let token = Token::at(&dir.path().join("token")).unwrap();
    let guard = Arc::new(Guard::new(token.clone()));
    guard.listens(|hosts| hosts.add("127.0.0.1:4000".parse().unwrap()));
    let router = Router::new().route("/", get(|| async { "page" })).route("/health", get(|| async { "ok" }));
    (router.layer(axum::middleware::from_fn_with_state(guard, stand)), token)
}

async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = axum::http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().call(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn status(router: &Router, path: &str, headers: &[(&str, &str)]) -> u16 {
    ask(router, path, headers).await.status().as_u16()
}

const HOST: (&str, &str) = ("host", "localhost:4000");

#[tokio::test]
async fn nobody_without_the_token_comes_in() {
    let (router, secret) = guarded();
    let (token, kept) = (secret.reveal(), secret.cookie("4000"));
    let bearer = format!("Bearer {token}");
    assert_eq!(status(&router, "/", &[HOST]).await, 401);
    assert_eq!(status(&router, "/health", &[HOST]).await, 200);
    assert_eq!(status(&router, "/", &[HOST, ("authorization", &bearer)]).await, 200);
    let long = format!("{bearer}0");
    for wrong in ["Bearer ", "Bearer 0", "Basic x", "", &bearer[..bearer.len() - 1], &long] {
        assert_eq!(status(&router, "/", &[HOST, ("authorization", wrong)]).await, 401, "{wrong}");
    }
    for name in ["gadugi_token", "gadugi_token_4000"] {
        let cookie = format!("other=1; {name}={kept}");
        assert_eq!(status(&router, "/", &[HOST, ("cookie", &cookie)]).await, 200, "{cookie}");
        let both = [HOST, ("cookie", cookie.as_str()), ("authorization", "Bearer 0")];
        assert_eq!(status(&router, "/", &both).await, 401, "what is said outright counts");
    }
    for name in ["gadugi_tokens", "xgadugi_token", "gadugi_token_x"] {
        assert_eq!(status(&router, "/", &[HOST, ("cookie", &format!("{name}={kept}"))]).await, 401, "{name}");
    }
    // What a browser keeps for another page, and what is no cookie at all.
    for wrong in [&secret.cookie("4001"), token] {
        let cookie = format!("gadugi_token={wrong}; gadugi_token_4000={wrong}");
        assert_eq!(status(&router, "/", &[HOST, ("cookie", &cookie)]).await, 401, "{wrong}");
    }
    let bearer = format!("Bearer {kept}");
    assert_eq!(status(&router, "/", &[HOST, ("authorization", &bearer)]).await, 401, "a cookie is no token");
    let two = format!("gadugi_token=0; gadugi_token_4000={kept}");
    assert_eq!(
        status(&router, "/", &[HOST, ("cookie", &two)]).await,
        200,
        "another user's page set the first"
    );
}

#[tokio::test]
async fn the_link_becomes_cookies_and_goes_on_without_the_token() {
    let (router, token) = guarded();
    let answer = ask(&router, &format!("/?token={}", token.reveal()), &[HOST]).await;
    assert_eq!(answer.status(), 200);
    let cookies: Vec<String> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    let rest = "HttpOnly; SameSite=Strict; Path=/";
    let wanted =
        ["gadugi_token", "gadugi_token_4000"].map(|name| format!("{name}={}; {rest}", token.cookie("4000")));
    assert_eq!(cookies, wanted);
    let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("url=/\"") && !body.contains(token.reveal()), "{body}");
    let wrong = ask(&router, "/?token=0", &[HOST]).await;
    assert_eq!((wrong.status().as_u16(), wrong.headers().get("set-cookie")), (401, None));
    // A link is no way round the token elsewhere.
    assert_eq!(status(&router, &format!("/health/?token={}", token.reveal()), &[HOST]).await, 401);
}

#[tokio::test]
async fn foreign_names_and_foreign_pages_are_refused_whatever_they_show() {
    let (router, token) = guarded();
    let bearer = format!("Bearer {}", token.reveal());
    let auth = ("authorization", bearer.as_str());
    for path in ["/", "/health"] {
        for host in ["evil.example:4000", "localhost:4001", "localhost", ""] {
            assert_eq!(status(&router, path, &[("host", host), auth]).await, 403, "{host}");
        }
        assert_eq!(status(&router, path, &[auth]).await, 403, "no host");
        assert_eq!(status(&router, path, &[HOST, HOST, auth]).await, 403, "two hosts");
        let foreign = [
            "http://evil.example",
            "null",
            "https://localhost:4000",
            "http://127.0.0.1:4000",
            "http://localhost:4000.evil",
        ];
        for origin in foreign {
            assert_eq!(status(&router, path, &[HOST, auth, ("origin", origin)]).await, 403, "{origin}");
        }
        assert_eq!(status(&router, path, &[HOST, auth, ("origin", "http://localhost:4000")]).await, 200);
        for site in ["cross-site", "same-site"] {
            assert_eq!(status(&router, path, &[HOST, auth, ("sec-fetch-site", site)]).await, 403, "{site}");
        }
        assert_eq!(status(&router, path, &[HOST, auth, ("sec-fetch-site", "same-origin")]).await, 200);
    }
    assert_eq!(status(&router, "http://evil.example/", &[HOST, auth]).await, 403, "in the request line");
}

#[tokio::test]
async fn what_is_followed_from_elsewhere_reads_and_changes_nothing() {
    let (router, token) = guarded();
    for (method, wanted) in [("GET", 200), ("HEAD", 200), ("POST", 403), ("DELETE", 403)] {
        let request = axum::http::Request::builder()
            .method(method)
            .uri("/")
            .header("host", HOST.1)
            .header("authorization", format!("Bearer {}", token.reveal()))
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate");
        let answer = router.clone().call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), wanted, "{method}");
    }
}

#[tokio::test]
async fn every_answer_keeps_browsers_in() {
    let (router, token) = guarded();
    let bearer = format!("Bearer {}", token.reveal());
    for (path, headers) in
        [("/", vec![HOST, ("authorization", bearer.as_str())]), ("/", vec![HOST]), ("/x", vec![])]
    {
        let answer = ask(&router, path, &headers).await;
        let says = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let policy = says("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(says("x-content-type-options"), "nosniff");
        assert_eq!(says("referrer-policy"), "no-referrer");
        assert_eq!(says("cross-origin-resource-policy"), "same-origin");
        assert_eq!(says("cache-control"), "no-store");
        assert!(answer.headers().get("access-control-allow-origin").is_none());
    }
}
