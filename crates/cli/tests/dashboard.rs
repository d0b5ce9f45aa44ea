//! `gadugi dashboard`, and `--dashboard` of `run` and `resume`: where the page is, how long it is there, and what is said of it.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc;

use serde_json::Value;
use stage::{PATIENCE, Ran, Stage, signal, until};

/// A command that goes on, with its lines as they come.
struct Going {
    child: Child,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

impl Going {
    fn begin(stage: &Stage, args: &[&str]) -> Self {
        let mut child = stage.spawn(args);
        let (stdout, stderr) = (lines(child.stdout.take()), lines(child.stderr.take()));
        Self { child, stdout, stderr }
    }

    /// Its next line of standard output.
    fn says(&self) -> String {
        self.stdout
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{:?}", self.stderr.try_iter().collect::<Vec<_>>()))
    }

    /// The next line of standard error that is as wanted.
    fn tells(&self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE).expect("it says no such thing");
            if wanted(&line) {
                return line;
            }
        }
    }

    fn end(mut self, name: &str) -> Ran {
        signal(i32::try_from(self.child.id()).unwrap(), name);
        self.ends()
    }

    fn ends(&mut self) -> Ran {
        let all = |lines: &mpsc::Receiver<String>| lines.iter().collect::<Vec<_>>().join("\n");
        let (stdout, stderr) = (all(&self.stdout), all(&self.stderr));
        Ran { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

fn lines(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (to, from) = mpsc::channel();
    let stream = stream.unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
    from
}

/// Where a link leads, and its token.
fn parts(link: &str) -> (SocketAddr, String) {
    let rest = link.strip_prefix("http://").unwrap_or_else(|| panic!("no link: {link}"));
    let (address, token) = rest.split_once("/?token=").unwrap_or_else(|| panic!("no link: {link}"));
    (address.parse().unwrap(), token.to_owned())
}

/// Asks the page; its status and body. None where nobody listens.
fn ask(link: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let (address, token) = parts(link);
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn lives(link: &str) -> bool {
    ask(link, "GET", "/health", "").is_some_and(|(status, _)| status == 200)
}

/// Begins, and finishes once it may.
fn patient(stage: &Stage, name: &str) {
    let wait = format!("run until test -e {}; do sleep 0.02; done", stage.home.join("go").display());
    stage.prompt(name, "", &format!("write {name}.begun begun\n{wait}\nwrite {name}.txt done"));
    stage.commit("a prompt");
}

fn let_go(stage: &Stage) {
    fs::write(stage.home.join("go"), "").unwrap();
}

const RUN: [&str; 4] = ["run", "--agent", "scripted", "--no-review"];

#[test]
fn the_page_is_there_without_any_run_until_ctrl_c_and_where_it_was_the_next_time() {
    let stage = Stage::new();
    let going = Going::begin(&stage, &["dashboard"]);
    let link = going.says();
    let (address, token) = parts(&link);
    assert!(address.ip().is_loopback() && token.len() >= 43, "{link}");
    assert!(lives(&link));
    let ran = going.end("INT");
    ran.ends_with(130);
    assert_eq!(ran.stdout, "", "the link is all that it says there");
    stage.engine_leaves();
    assert!(!lives(&link));
    let going = Going::begin(&stage, &["dashboard", "--json"]);
    let said: Value = serde_json::from_str(&going.says()).unwrap();
    assert_eq!(
        (said["link"].as_str(), said["address"].as_str()),
        (Some(&*link), Some(&*address.to_string()))
    );
    going.end("TERM").ends_with(130);
}

#[test]
fn who_asks_too_is_told_where_it_is_and_another_address_is_one_more() {
    let stage = Stage::new();
    let first = Going::begin(&stage, &["dashboard"]);
    let link = first.says();
    let second = Going::begin(&stage, &["dashboard"]);
    assert_eq!(second.says(), link);
    let third = Going::begin(&stage, &["dashboard", "--listen", "[::1]:0"]);
    let other = third.says();
    assert!(parts(&other).0.is_ipv6() && lives(&other) && lives(&link));
    first.end("INT").ends_with(130);
    assert!(lives(&link), "somebody still wants it");
    second.end("INT").ends_with(130);
    third.end("INT").ends_with(130);
    stage.engine_leaves();
}

#[test]
fn an_engine_that_dies_takes_the_page_away_for_a_moment_only() {
    let stage = Stage::new();
    let going = Going::begin(&stage, &["dashboard"]);
    let link = going.says();
    for _ in 0..2 {
        stage.kill_engine();
        until("the page is there again", || lives(&link));
    }
    let (status, body) = ask(&link, "GET", "/api/runs", "").unwrap();
    assert_eq!((status, body.contains("\"runs\":[]")), (200, true), "the link is as good as before: {body}");
    let ran = going.end("INT");
    ran.ends_with(130);
    assert_eq!(ran.stdout, "", "the link is the same");
}

#[test]
fn an_address_that_somebody_else_has_is_an_error_and_nothing_begins() {
    let stage = Stage::new();
    patient(&stage, "one");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flag = format!("--dashboard={address}");
    let run: Vec<&str> = RUN.into_iter().chain([flag.as_str()]).collect();
    for args in [&["dashboard", "--listen", &address][..], &run] {
        let ran = stage.gadugi(args);
        ran.ends_with(3);
        assert_eq!(ran.stdout, "");
        let said = ran.stderr.lines().filter(|line| line.contains("error:")).collect::<Vec<_>>();
        assert!(said.len() == 1 && said[0].contains(&address), "{}", ran.stderr);
    }
    assert_eq!(stage.gadugi(&["status", "--json"]).stdout.trim(), "null", "nothing was run");
}

#[test]
fn listening_for_others_says_what_it_means() {
    let stage = Stage::new();
    let going = Going::begin(&stage, &["dashboard", "--listen", "0.0.0.0:0"]);
    let link = going.says();
    let warned = going.tells(|line| line.contains("warning:"));
    assert!(warned.contains("0.0.0.0:") && warned.contains("commands the agents"), "{warned}");
    assert!(lives(&link));
    going.end("INT").ends_with(130);
    let going = Going::begin(&stage, &["dashboard"]);
    going.says();
    let told = going.end("INT").stderr;
    assert!(!told.contains("warning"), "{told}");
}

#[test]
fn a_run_has_its_page_for_as_long_as_it_goes_on() {
    let stage = Stage::new();
    patient(&stage, "one");
    let run: Vec<&str> = RUN.into_iter().chain(["--json", "--dashboard"]).collect();
    let mut going = Going::begin(&stage, &run);
    let said: Value = serde_json::from_str(&going.tells(|line| line.contains("\"dashboard\""))).unwrap();
    let link = said["dashboard"]["link"].as_str().unwrap().to_owned();
    until("the run is on the page", || {
        let (_, body) = ask(&link, "GET", "/api/runs/latest", "").unwrap();
        body.contains("\"running\"")
    });
    stage.kill_engine();
    until("the page is there again", || lives(&link));
    let_go(&stage);
    let ran = going.ends();
    ran.ends_with(0);
    assert!(ran.events().iter().all(|event| event["seq"].is_u64()), "events alone: {}", ran.stdout);
    assert_eq!(ran.report()["succeeded"], 1);
    stage.engine_leaves();
    assert!(!lives(&link));
}

#[test]
fn what_an_engine_left_behind_goes_on_from_the_page_in_the_environment_of_whoever_opened_it() {
    let mut stage = Stage::new();
    let seen = stage.home.join("seen");
    stage.prompt(
        "one",
        "",
        &format!("fresh hang\nrun sh -c 'echo \"$WHOSE\" > {}'\nwrite one.txt done", seen.display()),
    );
    stage.commit("a prompt");
    stage.variables.push(("WHOSE".into(), "the run's".into()));
    let mut run = stage.start_run(&[]);
    run.until_type("step-started");
    run.signal("KILL");
    run.child.wait().unwrap();
    stage.kill_engine();
    for pid in stage.attempt_processes() {
        signal(pid, "KILL");
    }
    stage.variables.retain(|(name, _)| name != "WHOSE");
    // An engine that somebody else started, in a shell that knows nothing.
    let holds = Going::begin(&stage, &["dashboard"]);
    holds.says();
    stage.variables.push(("WHOSE".into(), "the page's".into()));
    let going = Going::begin(&stage, &["dashboard"]);
    let link = going.says();
    until("what ran is taken in", || stage.status()["tasks"][0]["state"] == "suspended");
    let (status, body) = ask(&link, "POST", "/api/runs/latest/resume", "").unwrap();
    assert!((200..300).contains(&status), "{status}: {body}");
    until("the run is over", || stage.status()["status"] == "finished");
    assert_eq!(fs::read_to_string(seen).unwrap().trim(), "the page's");
    going.end("INT").ends_with(130);
    holds.end("INT").ends_with(130);
}

#[test]
fn a_run_that_is_taken_up_or_left_alone_has_its_page_too() {
    let stage = Stage::new();
    patient(&stage, "one");
    let run: Vec<&str> = RUN.into_iter().chain(["--detach", "--dashboard"]).collect();
    let ran = stage.gadugi(&run);
    ran.ends_with(0);
    let link = ran.stderr.lines().find_map(|line| line.strip_prefix("page: ")).expect("a link").to_owned();
    assert!(lives(&link), "for as long as the run goes on");
    stage.gadugi(&["pause"]).ends_with(0);
    let mut going = Going::begin(&stage, &["resume", "--quiet", "--dashboard=[::1]:0"]);
    let other = going.tells(|line| line.starts_with("page: "));
    assert!(parts(&other["page: ".len()..]).0.is_ipv6(), "{other}");
    let_go(&stage);
    going.ends().ends_with(0);
    stage.engine_leaves();
    assert!(!lives(&link));
}

#[test]
fn inside_a_task_there_is_no_page() {
    let mut stage = Stage::new();
    stage.variables.push(("GADUGI_ATTEMPT".into(), "run/task/1".into()));
    let ran = stage.gadugi(&["dashboard"]);
    ran.ends_with(2);
    assert!(ran.stderr.contains("inside a task"), "{}", ran.stderr);
    assert!(stage.engine().is_none());
}
