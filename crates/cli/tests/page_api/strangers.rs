//! Who may not come in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::client::Page;
use crate::stage::{Stage, until};

/// Every path of the document, with the ways in which it is asked; names in it are those of nothing.
fn everything(page: &Page) -> Vec<(String, String)> {
    let document = page.json("/api/openapi.json");
    let mut all = vec![("GET".to_owned(), "/".to_owned()), ("GET".to_owned(), "/assets/x.js".to_owned())];
    for (path, ways) in document["paths"].as_object().unwrap() {
        for way in ways.as_object().unwrap().keys() {
            all.push((way.to_uppercase(), path.replace("{run}", "latest").replace("{task}", "one")));
        }
    }
    assert!(all.len() > 20, "{all:?}");
    all
}

#[test]
fn every_path_wants_the_token_the_name_and_the_page() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let host = format!("Host: {}", page.address);
    let token = format!("Authorization: Bearer {}", page.token);
    let port = page.address.port();
    let rebound = format!("Host: evil.example:{port}");
    let elsewhere = "Origin: http://evil.example";
    for (method, path) in everything(&page) {
        let line = format!("{method} {path} HTTP/1.1");
        let status = |lines: &[&str]| page.say(&[&[line.as_str()], lines].concat(), b"").status;
        if path != "/health" {
            assert_eq!(status(&[&host]), 401, "{line}: no token");
            assert_eq!(status(&[&host, "Authorization: Bearer 0"]), 401, "{line}: a wrong token");
            assert_eq!(status(&[&host, "Cookie: gadugi_token=0"]), 401, "{line}: a wrong cookie");
        }
        assert_eq!(status(&[&rebound, &token]), 403, "{line}: a name that was rebound");
        assert_eq!(status(&[&token]), 403, "{line}: no host");
        assert_eq!(status(&[&host, &token, elsewhere]), 403, "{line}: a page of somebody else's");
        assert_eq!(status(&[&host, &token, "Origin: null"]), 403, "{line}: a page of nobody's");
        assert_eq!(status(&[&host, &token, "Sec-Fetch-Site: cross-site"]), 403, "{line}: from elsewhere");
    }
    assert_eq!(page.get("/health").json()["status"], "ok");
}

#[test]
fn a_websocket_is_no_way_round() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let bearer = format!("Bearer {}", page.token);
    let cookie = cookies(&page);
    let ours = format!("http://{}", page.address);
    let status = |headers: &[(&'static str, &str)]| page.upgrade("/api/events", headers).err();
    assert_eq!(status(&[]), Some(401));
    assert_eq!(status(&[("origin", &ours)]), Some(401));
    assert_eq!(status(&[("origin", "http://evil.example"), ("cookie", &cookie)]), Some(403));
    assert_eq!(status(&[("origin", "null"), ("authorization", &bearer)]), Some(403));
    assert_eq!(status(&[("origin", &ours), ("cookie", &cookie), ("host", "evil.example")]), Some(403));
    assert_eq!(status(&[("origin", &ours), ("cookie", &cookie)]), None);
    assert_eq!(status(&[("authorization", &bearer)]), None);
    let plain = page.get("/api/events");
    assert_eq!((plain.status, plain.json()["code"].as_str()), (400, Some("no-upgrade")));
}

const BROWSER: &str = "Accept: text/html,*/*";

/// What a browser keeps that opened the link.
fn cookies(page: &Page) -> String {
    let host = format!("Host: {}", page.address);
    let answer = page.say(&[&format!("GET /?token={} HTTP/1.1", page.token), &host, BROWSER], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).map(|cookie| {
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    });
    let set: Vec<String> = set.collect();
    assert_eq!(set.len(), 2, "{answer:?}");
    set.join("; ")
}

#[test]
fn the_link_lets_a_browser_in_and_outlives_the_engine() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let host = format!("Host: {}", page.address);
    let cookie = format!("Cookie: {}", cookies(&page));
    let runs = ["GET /api/runs HTTP/1.1", &host, &cookie];
    assert_eq!(page.say(&runs, b"").status, 200);
    let refused = page.say(&["GET / HTTP/1.1", &host, BROWSER], b"");
    let words = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(refused.status == 401 && words.contains("gadugi dashboard"), "{refused:?}");
    stage.kill_engine();
    // Whoever holds the page open asks the next engine for the same address.
    until("the page is back", || {
        std::net::TcpStream::connect(page.address).is_ok() && page.say(&runs, b"").status == 200
    });
    cookies(&page);
}

#[test]
fn a_user_has_one_token_and_nobody_else_can_read_it() {
    let (one, mut two) = (Stage::new(), Stage::new());
    two.variables.push(("HOME".into(), one.home.to_str().unwrap().into()));
    let (first, second) = (Page::open(&one), Page::open(&two));
    assert_eq!(first.token, second.token);
    assert_ne!(first.address, second.address);
    // Browsers show the cookie of one page to the other, and to whatever else listens on this host.
    let (host, cookie) = (format!("Host: {}", second.address), format!("Cookie: {}", cookies(&first)));
    assert_eq!(second.say(&["GET /api/runs HTTP/1.1", &host, &cookie], b"").status, 401);
    assert!(!cookie.contains(&first.token));
    let file = one.home.join(".local/state/gadugi/page-token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), first.token);
    // The token is nowhere else.
    let log = fs::read_to_string(one.root.join(".gadugi/engine.log")).unwrap();
    assert!(!log.contains(&first.token), "{log}");
}
