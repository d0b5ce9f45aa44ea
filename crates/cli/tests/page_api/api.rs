//! What can be asked and wished.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::client::Page;
use crate::stage::{Stage, until};

/// Where the document is checked in.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let served = String::from_utf8(page.get("/api/openapi.json").body).unwrap();
    if gadugi_sys::env::get("WRITE_OPENAPI").is_some() {
        fs::write(DOCUMENT, &served).unwrap();
    }
    let there = fs::read_to_string(Path::new(DOCUMENT)).unwrap_or_default();
    assert!(
        there == served,
        "docs/openapi.json is not what the server says: WRITE_OPENAPI=1 cargo test -p gadugi --test page_api"
    );
    let document: Value = serde_json::from_str(&served).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut all: Vec<String> = Vec::new();
    for (path, ways) in paths {
        for way in ways.as_object().unwrap().keys() {
            all.push(format!("{} {path}", way.to_uppercase()));
            let path = path.replace("{run}", "nothing").replace("{task}", "nothing");
            let answer = page.ask(&way.to_uppercase(), &path, &[], b"");
            let code =
                serde_json::from_slice(&answer.body).map_or(Value::Null, |body: Value| body["code"].clone());
            assert!(code != "unknown-path" && code != "method", "{way} {path}: {answer:?}");
        }
    }
    all.sort();
    insta::assert_snapshot!("routes", all.join("\n"));
}

#[test]
fn a_run_that_is_over_can_be_looked_at_from_all_sides() {
    let stage = Stage::new();
    stage.prompt("one", "", "say hello\nphase 5\nwrite one.txt first\nusage 1200 300 0.01");
    stage.prompt("two", "depends_on: [one]", "write two.txt second");
    stage.commit("prompts");
    stage.run(&["prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let runs = page.json("/api/runs");
    let id = runs["runs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(runs["runs"][0]["counts"]["succeeded"], 2);
    let run = page.json("/api/runs/latest");
    assert_eq!(run, page.json(&format!("/api/runs/{id}")));
    assert_eq!(
        (run["run"]["status"].as_str(), run["tasks"].as_array().unwrap().len()),
        (Some("finished"), 2)
    );
    assert_eq!(run["plan"]["edges"][0]["reason"], "declared");
    let span = &run["spans"][0];
    assert!(span["task"] == "one" && span["kind"] == "agent" && span["to"].is_string(), "{span}");
    assert!(
        run["run"]["needs"].as_array().unwrap().iter().any(|need| need["kind"] == "land"),
        "{}",
        run["run"]
    );
    let task = page.json("/api/tasks/one.md");
    assert_eq!(task["task"], page.json(&format!("/api/tasks/one?run={id}"))["task"]);
    assert!(task["prompt"].as_str().unwrap().contains("# The task one"));
    let step = &task["attempts"][0]["steps"][0];
    assert!(step["exit"] == "exit 0" && step["came_to"] == "done", "{step}");
    assert!(step["stdout_bytes"].as_u64().unwrap() > 100 && task["task"]["usage"]["cost_usd"] == 0.01);
    let patch = page.get("/api/tasks/one/diff");
    assert!(String::from_utf8(patch.body.clone()).unwrap().contains("+first"), "{patch:?}");
    assert_eq!(
        (patch.header("x-gadugi-cut"), patch.header("cache-control")),
        (Some("false"), Some("no-store"))
    );
    assert!(!page.json("/api/runs/latest/figures?points=10")["series"].as_array().unwrap().is_empty());
    assert!(page.json("/api/machine")["now"]["cpus"].as_f64().unwrap() > 0.0);
    let metrics = page.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let landed = page.post("/api/runs/latest/land", "{}");
    assert_eq!((landed.status, stage.read("one.txt").trim()), (200, "first"), "{landed:?}");
    assert_eq!(landed.json()["into"], "main");
}

#[test]
fn the_list_of_runs_has_pages() {
    let stage = Stage::new();
    stage.prompt("one", "", "no-change nothing to do");
    stage.commit("prompts");
    for _ in 0..3 {
        stage.run(&["prompts"]).ends_with(0);
    }
    let page = Page::open(&stage);
    let all: Vec<String> = ids(&page.json("/api/runs"));
    let first = page.json("/api/runs?limit=2");
    let second = page.json(&format!("/api/runs?limit=2&before={}", first["next"].as_str().unwrap()));
    assert_eq!([ids(&first), ids(&second)].concat(), all);
    assert!(second.get("next").is_none() && all.len() == 3);
}

fn ids(runs: &Value) -> Vec<String> {
    runs["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn names_of_nothing_lead_nowhere() {
    let stage = Stage::new();
    stage.prompt("one", "", "no-change nothing to do");
    stage.commit("prompts");
    stage.run(&["prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let long = "x".repeat(10_000);
    let names = [
        "..",
        "../x",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%2fetc%2fpasswd",
        "%00",
        "one%00",
        "%0a",
        "%ff",
        "*",
        "-x",
        "--help",
        "%3Cscript%3E",
        "one%2f..%2fone",
        "%25%32%65",
        "nothing",
        ".",
        &long,
    ];
    for name in names {
        let under = ["", "/output", "/entries", "/entry", "/search?q=x", "/diff"]
            .map(|end| format!("/api/tasks/{name}{end}"));
        let runs = [
            format!("/api/runs/{name}"),
            format!("/api/runs/{name}/figures"),
            format!("/api/tasks/one?run={name}"),
        ];
        for path in under.iter().chain(&runs) {
            let answer = page.get(path);
            assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
            assert!(answer.json()["code"].is_string(), "{path}: {answer:?}");
        }
        for wish in ["cancel", "retry", "pause", "resume"] {
            let status = page.post(&format!("/api/tasks/{name}/{wish}"), "").status;
            assert!(matches!(status, 400 | 404), "{name} {wish}: {status}");
        }
    }
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/assets/../../Cargo.toml",
        "/.gitignore",
        "//etc/passwd",
    ] {
        let answer = page.get(path);
        let words = String::from_utf8_lossy(&answer.body);
        assert!(
            !words.contains("root:") && !words.contains("[package]") && words != "*\n",
            "{path}: {words}"
        );
    }
    for query in ["limit=0", "limit=501", "limit=x", "limit=-1", "before=nothing", "before=%00"] {
        assert!(matches!(page.get(&format!("/api/runs?{query}")).status, 400 | 404), "{query}");
    }
    for query in ["points=0", "points=1000000000", "from=yesterday", "to=%00"] {
        assert_eq!(page.get(&format!("/api/runs/latest/figures?{query}")).status, 400, "{query}");
    }
}

#[test]
fn wishes_are_the_engines_own() {
    let stage = Stage::new();
    stage.prompt("slow", "", "attempt 1 hang\nwrite slow.txt done");
    stage.commit("prompts");
    stage.gadugi(&["run", "--agent", "scripted", "--no-review", "--detach", "prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let state = || page.json("/api/tasks/slow")["task"]["state"].as_str().unwrap().to_owned();
    until("it runs", || state() == "running");
    let paused = page.post("/api/tasks/slow/pause", "");
    assert_eq!((paused.status, paused.json()["tasks"].as_u64()), (200, Some(1)), "{paused:?}");
    until("it is held", || page.json("/api/tasks/slow")["task"]["held"] == true && state() != "running");
    assert_eq!(page.post("/api/tasks/slow/resume", "").status, 200);
    until("it runs again", || state() == "running");
    assert_eq!(page.post("/api/runs/latest/pause", "{}").status, 200);
    assert_eq!(page.json("/api/runs/latest")["run"]["status"], "paused");
    assert_eq!(page.post("/api/runs/latest/resume", "").status, 200);
    assert_eq!(page.json("/api/runs/latest")["run"]["status"], "active");
    assert_eq!(page.post("/api/tasks/slow/cancel", "").status, 200);
    until("it is cancelled", || state() == "cancelled");
    let retried = page.post("/api/tasks/slow/retry", r#"{"with":"say please"}"#);
    assert_eq!(retried.status, 200, "{retried:?}");
    until("it has succeeded", || state() == "succeeded");
    assert_eq!(page.json("/api/tasks/slow")["attempts"].as_array().unwrap().len(), 2);
    let again = page.post("/api/tasks/slow/retry", "");
    // Which of the two depends on whether the run is at its end by now.
    let code = again.json()["code"].clone();
    assert!(again.status == 409 && (code == "not-retryable" || code == "run-over"), "{again:?}");
}

#[test]
fn what_is_no_wish_is_refused() {
    let stage = Stage::new();
    stage.prompt("one", "", "no-change nothing to do");
    stage.commit("prompts");
    stage.run(&["prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let retry = "/api/tasks/one/retry";
    let status =
        |kind: &str, body: &[u8]| page.ask("POST", retry, &[&format!("Content-Type: {kind}")], body).status;
    assert_eq!(status("text/plain", br#"{"with":"x"}"#), 415);
    assert_eq!(status("application/x-www-form-urlencoded", b"with=x"), 415);
    assert_eq!(status("application/json", b"{"), 400);
    assert_eq!(status("application/json", br#"{"with":"x","force":true}"#), 400);
    assert_eq!(status("application/json", &[0xff; 16]), 400);
    let large = page.ask("POST", retry, &["Content-Type: application/json"], &vec![b' '; (1 << 20) + 1]);
    assert_eq!(large.status, 413, "{large:?}");
    let host = format!("Host: {}", page.address);
    let token = format!("Authorization: Bearer {}", page.token);
    let line = format!("POST {retry} HTTP/1.1");
    let huge =
        page.say(&[&line, &host, &token, "Content-Type: application/json", "Content-Length: 104857600"], b"");
    assert_eq!(huge.status, 413, "it is not waited for: {huge:?}");
    for (method, path) in [
        ("POST", "/api/runs"),
        ("DELETE", "/api/runs/latest"),
        ("PUT", "/"),
        ("GET", "/api/tasks/one/cancel"),
    ] {
        assert_eq!(page.ask(method, path, &[], b"").status, 405, "{method} {path}");
    }
    assert_eq!(
        page.json("/api/tasks/one")["attempts"].as_array().unwrap().len(),
        1,
        "nothing of it did anything"
    );
}

#[test]
fn the_page_is_there_or_says_how_to_get_it() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let first = page.get("/");
    let html = String::from_utf8(first.body.clone()).unwrap();
    assert_eq!((first.status, first.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(first.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    // Whatever else it is, the page itself knows where it leads.
    assert_eq!(page.get("/runs/some.run/tasks/one").body, first.body);
    let missing = page.get("/assets/missing.js");
    assert_eq!((missing.status, missing.json()["code"].as_str()), (404, Some("unknown-path")));
    let assets: Vec<&str> = html.split('"').filter(|part| part.starts_with("/assets/")).collect();
    if assets.is_empty() {
        assert!(html.contains("cargo xtask dist"), "{html}");
        return;
    }
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    for asset in assets {
        let answer = page.get(asset);
        assert_eq!((answer.status, answer.body.is_empty()), (200, false), "{asset}");
        assert!(answer.header("cache-control").unwrap().ends_with("immutable"), "{answer:?}");
        let tag = format!("If-None-Match: {}", answer.header("etag").unwrap());
        assert_eq!(page.ask("GET", asset, &[&tag], b"").status, 304, "{asset}");
        let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
        assert!(
            matches!(kind, "text/javascript" | "text/css" | "image/svg+xml" | "font/woff2"),
            "{asset}: {kind}"
        );
    }
}
