//! Notifications of a real engine: a webhook and a program, also where the engine dies between an event and its delivery.
#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have is a failed test")]

mod stage;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;
use stage::{PATIENCE, Stage, signal, until};

/// One request: its head in small letters, its body.
type Posted = (String, Value);

/// Takes requests; leaves the first so many without an answer, and answers 200 to the others.
fn receiver(silent: usize) -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (to, posted) = channel();
    std::thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(request) = read(&stream) else { continue };
            if to.send(request).is_err() {
                break;
            }
            if held.len() < silent {
                held.push(stream);
                continue;
            }
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, posted)
}

fn read(stream: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).unwrap()))
}

fn header<'a>(posted: &'a Posted, name: &str) -> &'a str {
    let found = posted.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name}: {}", posted.0))
}

fn stage_that_tells(address: &str) -> Stage {
    let mut stage = Stage::new();
    stage.variables.push(("HOOK_SECRET".into(), "nobody-knows".into()));
    let told = stage.home.join("told.jsonl");
    let script = format!("cat >>{0}; echo >>{0}", told.display());
    stage.write(
        "gadugi.toml",
        &format!(
            "[notify]\ncommand = [\"sh\", \"-c\", {script:?}]\nwebhook = {address:?}\nwebhook_secret_env = \"HOOK_SECRET\"\n"
        ),
    );
    stage.prompt("one", "", "run sh -c 'env > environment.txt'\nwrite one.txt done");
    stage.commit("prompts");
    stage
}

#[test]
fn an_engine_that_dies_between_event_and_delivery_tells_it_the_next_time() {
    let (address, posted) = receiver(1);
    let stage = stage_that_tells(&address);
    let mut run = stage.start_run(&[]);
    run.until_type("run-started");
    let engine = stage.engine().expect("an engine lives");
    let ran = run.end();
    ran.ends_with(0);
    let first = posted.recv_timeout(PATIENCE).expect("it is posted");
    let end = ran.report()["seq"].as_u64().unwrap();
    // The program was told, and that is on record; whoever was posted to has not answered.
    until("the program was told", || {
        let cursor = fs::read_to_string(stage.root.join(".gadugi/notify/command.json")).unwrap_or_default();
        serde_json::from_str(&cursor).is_ok_and(|cursor: Value| cursor["seq"].as_u64() >= Some(end))
    });
    signal(engine, "KILL");

    let mut holder = stage.spawn(&["dashboard"]);
    let second = posted.recv_timeout(PATIENCE).expect("it is posted again");
    for request in [&first, &second] {
        assert_eq!((&request.1["kind"], &request.1["seq"]), (&"done".into(), &end.into()), "{}", request.1);
        assert_eq!(request.1["report"]["succeeded"], 1);
        assert_eq!(header(request, "x-gadugi-delivery"), request.1["id"].as_str().unwrap());
        let signature = header(request, "x-gadugi-signature").strip_prefix("sha256=").unwrap();
        assert!(
            signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{signature}"
        );
        assert!(!request.0.contains("nobody-knows"));
    }
    assert_eq!(first.1["id"], second.1["id"], "whoever got it already can tell");
    holder.kill().unwrap();
    holder.wait().unwrap();
    stage.engine_leaves();

    let told = fs::read_to_string(stage.home.join("told.jsonl")).unwrap();
    let kinds: Vec<Value> = told
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, ["done"], "{told}");
    // No agent sees the secret, and no log.
    let seen = stage.blob(ran.report()["branch"].as_str().unwrap(), "environment.txt");
    assert!(seen.contains("ORCHESTRATOR_TASK_ID=one") && !seen.contains("HOOK_SECRET"), "{seen}");
    let log = fs::read_to_string(stage.root.join(".gadugi/engine.log")).unwrap();
    assert!(log.contains("[notify] command") && !log.contains("nobody-knows"), "{log}");
    assert!(posted.try_recv().is_err(), "once it has arrived it is not told again");
}

#[test]
fn a_run_does_not_wait_for_whoever_is_told() {
    // Nobody listens there, and the program is not there: neither is the run's business.
    let stage = Stage::new();
    stage.write(
        "gadugi.toml",
        "[notify]\non = [\"done\"]\ncommand = [\"no-such-program-anywhere\"]\nwebhook = \"http://127.0.0.1:9/\"\n",
    );
    stage.prompt("one", "", "write one.txt done");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    let log = || fs::read_to_string(stage.root.join(".gadugi/engine.log")).unwrap();
    until("the program was given up", || log().contains("a notification was given up"));
}
