//! The metrics of a real engine, scraped by a real Prometheus and looked at by its `promtool`.
#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have is a failed test")]

mod stage;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gadugi_testkit::programs::{PROMETHEUS, PROMTOOL, Program};
use serde_json::Value;
use stage::{Stage, until};

/// The program, or why the test cannot be: what installs it.
fn program(program: Program) -> std::path::PathBuf {
    program.path().unwrap_or_else(|missing| panic!("{missing}"))
}

/// A process of this test's own: ended when this is, by its pid.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page of the stage's engine.
struct Page {
    _holder: Started,
    address: String,
    token: String,
}

impl Page {
    fn open(stage: &Stage) -> Self {
        let mut holder = Started(stage.spawn(&["dashboard"]));
        let mut line = String::new();
        BufReader::new(holder.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line:?}"));
        let (address, token) = rest.split_once("/?token=").unwrap();
        Self { address: address.to_owned(), token: token.to_owned(), _holder: holder }
    }

    fn scrape(&self) -> String {
        let (status, body) = get(&self.address, "/metrics", Some(&self.token));
        assert_eq!(status, 200, "{body}");
        body
    }
}

/// `GET`: status and body.
fn get(address: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(stage::PATIENCE)).unwrap();
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Connection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    (status, if chunked { unchunked(body) } else { body.to_owned() })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

fn promtool_is_content(text: &str) {
    let mut child = Command::new(program(PROMTOOL))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && said.iter().all(String::is_empty), "{said:?}\n{text}");
}

/// A stage on which one task waits for a word, one for the first, and one fails.
fn performance() -> Stage {
    let mut stage = Stage::new();
    stage.keep_ledger();
    let wait = "run sh -c 'until test -e \"$LEDGER.go\"; do sleep 0.02; done'";
    stage.prompt("one", "", &format!("{wait}\nwrite one.txt done"));
    stage.prompt("two", "depends_on: [one]", "write two.txt done");
    stage.prompt("three", "", "fail");
    stage.commit("prompts");
    stage
}

#[test]
fn a_run_is_seen_in_the_metrics_and_promtool_has_nothing_to_say() {
    let stage = performance();
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    run.until("the failure", |event| event["type"] == "task-finished" && event["task"] == "three");
    let page = Page::open(&stage);
    assert_eq!(get(&page.address, "/metrics", None).0, 401, "nobody reads them without the token");
    let now = |series: &str| value(&page.scrape(), series);
    until("what runs is seen", || now("gadugi_tasks{state=\"running\"}") == Some(1.0));
    let text = page.scrape();
    promtool_is_content(&text);
    for (series, expected) in [
        ("gadugi_tasks{state=\"waiting\"}", 1.0),
        ("gadugi_tasks{state=\"failed\"}", 1.0),
        ("gadugi_running_steps", 1.0),
        ("gadugi_slots", 2.0),
        ("gadugi_runs{status=\"active\"}", 1.0),
        ("gadugi_runs_started_total", 1.0),
        ("gadugi_needs_person{kind=\"failed\"}", 1.0),
        ("gadugi_attempts_total{outcome=\"failed\"}", 1.0),
        ("gadugi_steps_total{end=\"done\",kind=\"agent\"}", 0.0),
        ("gadugi_workspace_preparation_duration_seconds_count{executor=\"local\"}", 2.0),
        // The one that fails is tried three times.
        ("gadugi_step_start_duration_seconds_count{executor=\"local\"}", 4.0),
        ("gadugi_attempt_suspensions_total", 2.0),
        ("gadugi_websocket_clients", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}: {text}");
    }
    assert!(value(&text, "gadugi_event_log_last_sequence") > Some(5.0), "{text}");
    assert!(
        value(&text, "gadugi_machine_cpus") > Some(0.0)
            && value(&text, "gadugi_machine_disk_free_bytes") > Some(0.0)
    );
    assert!(value(&text, "gadugi_heartbeat_age_seconds") < Some(60.0), "{text}");

    fs::write(stage.home.join("ledger.go"), "").unwrap();
    run.end().ends_with(1);
    let text = page.scrape();
    promtool_is_content(&text);
    for (series, expected) in [
        ("gadugi_tasks_finished_total{outcome=\"succeeded\"}", 2.0),
        ("gadugi_tasks_finished_total{outcome=\"failed\"}", 1.0),
        ("gadugi_merges_total{result=\"merged\"}", 2.0),
        ("gadugi_merge_duration_seconds_count", 2.0),
        ("gadugi_task_queue_wait_seconds_count", 3.0),
        ("gadugi_runs{status=\"finished\"}", 1.0),
        ("gadugi_running_steps", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}: {text}");
    }
    for named in ["orchestration-", "prompts/", stage.root.to_str().unwrap()] {
        assert!(!text.contains(named), "{named} is in it: {text}");
    }
}

/// A Prometheus that scrapes the page, with everything of its own in a folder.
fn prometheus(folder: &Path, stage: &Stage, page: &Page) -> (Started, String) {
    // As the guide says: the file that the page's token stands in.
    let token = stage.home.join(".local/state/gadugi/page-token");
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: gadugi\n  authorization: {{credentials_file: {}}}\n  \
         static_configs: [{{targets: [\"{}\"]}}]\n",
        token.display(),
        page.address
    );
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    // It cannot say which port it took: one that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let log = fs::File::create(folder.join("log")).unwrap();
    let child = Command::new(program(PROMETHEUS))
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={free}"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    (Started(child), free)
}

#[test]
fn a_real_prometheus_scrapes_it_without_a_word() {
    let stage = performance();
    let mut run = stage.start_run(&["--max-parallel", "2"]);
    run.until("the failure", |event| event["type"] == "task-finished" && event["task"] == "three");
    let page = Page::open(&stage);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, address) = prometheus(folder.path(), &stage, &page);
    let log = || fs::read_to_string(folder.path().join("log")).unwrap();
    until("it is ready", || {
        assert!(server.0.try_wait().unwrap().is_none(), "it ended: {}", log());
        TcpStream::connect(&address).is_ok() && get(&address, "/-/ready", None).0 == 200
    });
    let ask = |path: &str| -> Value {
        let (status, body) = get(&address, path, None);
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}: {body}"))
    };
    let query = |query: &str| {
        let answer = ask(&format!("/api/v1/query?query={query}"));
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    until("the running task is on its record", || {
        query("gadugi_tasks%7Bstate%3D%22running%22%7D").as_deref() == Some("1")
    });
    let targets = ask("/api/v1/targets");
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    fs::write(stage.home.join("ledger.go"), "").unwrap();
    run.end().ends_with(1);
    until("the end is on its record", || {
        query("gadugi_tasks_finished_total%7Boutcome%3D%22succeeded%22%7D").as_deref() == Some("2")
    });
    let metadata = ask("/api/v1/metadata?metric=gadugi_task_duration_seconds");
    assert_eq!(metadata["data"]["gadugi_task_duration_seconds"][0]["type"], "histogram", "{metadata}");
    let log = log();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["level=warn", "level=error", "level=WARN", "level=ERROR"].iter().any(|word| line.contains(word))
        })
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
