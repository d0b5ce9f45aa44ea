//! What happens, as it happens: nothing missing, nothing twice.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Heard, Page, Socket};
use crate::stage::{Stage, until};

/// The numbers in the log after that one.
fn log(stage: &Stage, after: u64) -> Vec<u64> {
    let path = stage.root.join(".gadugi/gadugi.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let mut query = database.prepare("SELECT seq FROM events WHERE seq > ?1 ORDER BY seq").unwrap();
    let rows = query.query_map([i64::try_from(after).unwrap()], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|seq| u64::try_from(seq.unwrap()).unwrap()).collect()
}

/// Reads events until that number is there.
fn events_up_to(socket: &mut Socket, last: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.push(socket.until("event")["event"]["seq"].as_u64().unwrap());
    }
    seen
}

fn many(stage: &Stage) {
    for at in 0..8 {
        stage.prompt(
            &format!("t{at}"),
            "",
            &format!("say hello\nphase 4\nphase 5\nwrite {at}.txt x\nlines 20 0"),
        );
    }
    stage.commit("prompts");
}

#[test]
fn every_event_reaches_whoever_comes_at_any_moment() {
    let stage = Stage::new();
    many(&stage);
    let page = Page::open(&stage);
    let mut sockets: Vec<(u64, Socket)> = Vec::new();
    let mut first = page.socket("/api/events");
    let snapshot = first.until("snapshot");
    // Which repository's page this is.
    let name = Value::from(stage.root.file_name().unwrap().to_str().unwrap());
    assert_eq!(snapshot["repository"], name);
    sockets.push((snapshot["seq"].as_u64().unwrap(), first));
    let mut run = stage.start_run(&["prompts", "--max-parallel", "4"]);
    // With each event of the run two more come: one from there on, one with a cursor of before.
    for _ in 0..12 {
        let event = run.until("an event", |event| event["seq"].is_u64());
        let after = event["seq"].as_u64().unwrap() / 2;
        let mut resumed = page.socket(&format!("/api/events?after={after}"));
        let said = resumed.until("resumed");
        assert_eq!((&said["seq"], &said["repository"]), (&Value::from(after), &name));
        sockets.push((after, resumed));
        let mut fresh = page.socket("/api/events");
        let seq = fresh.until("snapshot")["seq"].as_u64().unwrap();
        sockets.push((seq, fresh));
    }
    run.end().ends_with(0);
    let last = *log(&stage, 0).last().unwrap();
    for (after, mut socket) in sockets {
        assert_eq!(events_up_to(&mut socket, last), log(&stage, after), "after {after}");
    }
}

#[test]
fn a_cursor_outlives_the_engine() {
    let stage = Stage::new();
    many(&stage);
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events");
    let first = socket.until("snapshot")["seq"].as_u64().unwrap();
    let mut run = stage.start_run(&["prompts", "--max-parallel", "2"]);
    let mut seen = vec![socket.until("event")["event"]["seq"].as_u64().unwrap()];
    run.until_type("step-started");
    stage.kill_engine();
    while let Heard::Message(message) = socket.next() {
        seen.extend(message["event"]["seq"].as_u64());
    }
    until("the page is back", || {
        std::net::TcpStream::connect(page.address).is_ok() && page.get("/health").status == 200
    });
    let after = *seen.last().unwrap();
    let mut again = page.socket(&format!("/api/events?after={after}"));
    assert_eq!(again.until("resumed")["seq"], after);
    drop(run);
    stage.gadugi(&["resume"]);
    let last = *log(&stage, 0).last().unwrap();
    seen.extend(events_up_to(&mut again, last));
    assert_eq!(seen, log(&stage, first));
}

#[test]
fn a_cursor_of_another_log_gets_a_snapshot() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events?after=1000000000");
    let Heard::Message(first) = socket.next() else { panic!("closed") };
    assert_eq!((first["type"].as_str(), first["runs"].as_array().unwrap().len()), (Some("snapshot"), 0));
    for query in ["after=x", "after=-1", "after=99999999999999999999999", "run=%00"] {
        let bearer = format!("Bearer {}", page.token);
        let refused = page.upgrade(&format!("/api/events?{query}"), &[("authorization", &bearer)]).err();
        assert_eq!(refused, Some(400), "{query}");
    }
}

#[test]
fn the_states_of_a_watched_run_add_up_to_how_it_stands() {
    let stage = Stage::new();
    many(&stage);
    stage.gadugi(&["run", "--agent", "scripted", "--no-review", "--detach", "prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events");
    let snapshot = socket.until("snapshot");
    let mut run = snapshot["detail"]["run"].clone();
    let id = run["id"].as_str().unwrap().to_owned();
    let task = |task: &Value| (task["id"].as_str().unwrap().to_owned(), task.clone());
    let mut tasks: BTreeMap<String, Value> =
        snapshot["detail"]["tasks"].as_array().unwrap().iter().map(task).collect();
    assert_eq!(tasks.len(), 8);
    while run["status"] != "finished" {
        let state = socket.until("state");
        run = state["run"].clone();
        tasks.extend(state["tasks"].as_array().unwrap().iter().map(task));
    }
    // Asked again, it is the same.
    socket.say(&format!(r#"{{"type":"watch","run":"{id}"}}"#));
    let detail = socket.until("detail")["detail"].clone();
    assert_eq!(detail["run"], run);
    assert_eq!(detail["tasks"].as_array().unwrap().iter().map(task).collect::<BTreeMap<_, _>>(), tasks);
    socket.say(r#"{"type":"watch","run":"nothing"}"#);
    assert_eq!(socket.until("unknown")["run"], "nothing");
}

#[test]
fn rows_of_runs_follow_what_happens() {
    let stage = Stage::new();
    many(&stage);
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events");
    assert!(socket.until("snapshot")["runs"].as_array().unwrap().is_empty());
    stage.run(&["prompts"]).ends_with(0);
    loop {
        let rows = socket.until("runs")["runs"].clone();
        if rows[0]["status"] == "finished" {
            assert_eq!(
                (rows[0]["counts"]["succeeded"].as_u64(), rows.as_array().unwrap().len()),
                (Some(8), 1)
            );
            break;
        }
    }
}

#[test]
fn what_a_page_may_not_say_ends_its_socket_and_no_other() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut other = page.socket("/api/events");
    for nonsense in ["", "{", "null", r#"{"type":"land"}"#, r#"{"type":"watch","run":"x","more":1}"#] {
        let mut socket = page.socket("/api/events");
        socket.say(nonsense);
        assert_eq!(socket.closed(), 1008, "{nonsense}");
    }
    let mut socket = page.socket("/api/events");
    socket.say(&" ".repeat((64 << 10) + 1));
    assert_eq!(socket.closed(), 1009);
    // A head that promises 100 MB is enough.
    let mut socket = page.socket("/api/events");
    let head = [0x81, 0xff, 0, 0, 0, 0, 0x06, 0x40, 0, 0, 1, 2, 3, 4];
    std::io::Write::write_all(socket.0.get_mut(), &head).unwrap();
    assert_eq!(socket.closed(), 1009);
    other.say(r#"{"type":"watch","run":"nothing"}"#);
    other.until("unknown");
}

#[test]
fn who_never_reads_is_cut_off_and_slows_nobody() {
    let stage = Stage::new();
    many(&stage);
    stage.run(&["prompts"]).ends_with(0);
    let page = Page::open(&stage);
    let mut greedy = page.socket("/api/events");
    // Each is answered with the whole run, which nobody takes.
    let wish = r#"{"type":"watch","run":"latest"}"#;
    let mut wished = 0;
    while wished < 5000 && greedy.0.send(tungstenite::Message::text(wish)).is_ok() {
        wished += 1;
    }
    let mut other = page.socket("/api/events");
    let seq = other.until("snapshot")["seq"].as_u64().unwrap();
    stage.run(&["prompts"]).ends_with(0);
    let last = *log(&stage, 0).last().unwrap();
    assert_eq!(events_up_to(&mut other, last), log(&stage, seq));
    // What it was sent before it was cut off is there, and then why it ends, where it can still hear that.
    let code = greedy.closed();
    assert!(matches!(code, 4008 | 0), "{code}");
}

#[test]
fn an_engine_that_leaves_says_so() {
    let stage = Stage::new();
    let page = Page::open(&stage);
    let mut socket = page.socket("/api/events");
    socket.until("snapshot");
    drop(page);
    assert_eq!(socket.closed(), 1001);
    stage.engine_leaves();
}
