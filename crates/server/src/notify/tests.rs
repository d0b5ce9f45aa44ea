//! Notifications from a real log, to real receivers: over HTTP, and by programs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use gadugi_core::*;
use gadugi_store::{Store, StoredEvent};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::command::Command;
use super::cursor::Cursor;
use super::message::Stage;
use super::reader::Log;
use super::webhook::Webhook;
use super::worker::{Sink, Wake, Worker};
use super::{Kind, Settings};
use crate::metrics::tests::{commit, finished, run, started};

const SECRET: &str = "a secret of theirs";
const PATIENCE: Duration = Duration::from_secs(60);

/// The log, read as the engine's handle reads it.
#[derive(Clone)]
struct Database(PathBuf);

impl Log for Database {
    async fn read(&self, run: Option<&RunId>, after: u64, limit: usize) -> Result<Vec<StoredEvent>, String> {
        let store = Store::open_to_read(&self.0).map_err(|error| error.to_string())?;
        store.events_after(run, after, limit).map_err(|error| error.to_string())
    }
}

/// What a receiver got, and how it answers.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<(HeaderMap, Bytes)>>,
    more: Notify,
    /// What it answers, one after another; then 200. 0: nothing, ever.
    answers: Mutex<Vec<u16>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> (Arc<Self>, String) {
        let receiver = Arc::new(Self { answers: Mutex::new(answers.to_vec()), ..Self::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, address)
    }

    /// Waits for so many requests in all, and says what their bodies are.
    async fn bodies(&self, count: usize) -> Vec<Value> {
        let come = async {
            loop {
                let more = self.more.notified();
                if self.got.lock().unwrap().len() >= count {
                    return;
                }
                more.await;
            }
        };
        tokio::time::timeout(PATIENCE, come).await.expect("they come");
        let got = self.got.lock().unwrap();
        assert_eq!(got.len(), count);
        got.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

async fn take(Shared(receiver): Shared<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.got.lock().unwrap().push((headers, body));
    receiver.more.notify_one();
    let answer = {
        let mut answers = receiver.answers.lock().unwrap();
        if answers.is_empty() { 200 } else { answers.remove(0) }
    };
    if answer == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(answer).unwrap()
}

/// A repository with a log, and whoever tells of it.
struct World {
    folder: TempDir,
    store: Store,
    wake: watch::Sender<Wake>,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("gadugi.db")).unwrap();
        Self { folder, store, wake: watch::Sender::default() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn cursor(&self) -> Cursor {
        Cursor::at(&self.root().join("notify"), "one")
    }

    /// It becomes true, so many seconds after the beginning.
    fn at(&mut self, seconds: i64, events: &[Event]) {
        self.store.append(Timestamp(1_700_000_000_000 + seconds * 1000), events).unwrap();
        self.wake.send_modify(|wake| wake.facts += 1);
    }

    fn tell(&self, sink: Sink, on: &[Kind]) -> JoinHandle<()> {
        let on = on.iter().copied().collect();
        let worker = Worker::new(sink, self.cursor(), Stage::at(self.root()), on, self.wake.subscribe());
        let worker = worker.pausing(Duration::from_millis(1));
        let end = self.store.last_seq().unwrap();
        tokio::spawn(worker.work(Database(self.root().join("gadugi.db")), end))
    }

    fn post(&self, address: &str) -> JoinHandle<()> {
        let webhook = Webhook::signed(address, Some(SECRET), PATIENCE).unwrap();
        self.tell(Sink::Webhook(Box::new(webhook)), &ALL)
    }

    /// The engine has left.
    async fn end(&self, worker: JoinHandle<()>) {
        self.wake.send_modify(|wake| wake.leaving = true);
        tokio::time::timeout(PATIENCE, worker).await.expect("it ends").unwrap();
    }

    fn told_up_to(&self) -> u64 {
        self.cursor().read(u64::MAX)
    }
}

const ALL: [Kind; 4] = [Kind::Done, Kind::Failed, Kind::NeedsPerson, Kind::Limit];

fn failed(task: &str, verdict: Option<Verdict>, detail: &str) -> Event {
    let detail = detail.to_owned();
    Event::TaskFinished { run: run(), task: TaskId::new(task), outcome: Outcome::Failed, verdict, detail }
}

fn over(kept: &[(&str, &str)]) -> [Event; 2] {
    let kept = kept.iter().map(|(path, why)| ((*path).to_owned(), (*why).to_owned())).collect();
    [Event::RunEnding { run: run() }, Event::RunFinished { run: run(), wall: Millis::seconds(62), kept }]
}

#[tokio::test]
async fn a_run_that_is_over_is_posted_and_signed() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[]).await;
    let worker = world.post(&address);
    world.at(0, &[started(&[("a", None)])]);
    world.at(60, &[finished("a", Outcome::Succeeded, Some(Verdict::Verified))]);
    world.at(62, &over(&[]));
    let bodies = receiver.bodies(1).await;
    world.end(worker).await;
    let body = &bodies[0];
    assert_eq!((&body["kind"], &body["schema"], &body["seq"]), (&"done".into(), &1.into(), &4.into()));
    assert_eq!(body["run"], run().as_str());
    assert_eq!((&body["report"]["tasks"], &body["report"]["succeeded"]), (&1.into(), &1.into()));
    assert_eq!((&body["report"]["wall_seconds"], &body["report"]["failed"]), (&62.0.into(), &0.into()));
    assert!(
        body["text"].as_str().unwrap().ends_with("1 of 1 tasks succeeded in 1 min 2 s (speed-up 0.0, $0.00)")
    );

    let (headers, bytes) = receiver.got.lock().unwrap()[0].clone();
    let signature = headers["x-gadugi-signature"].to_str().unwrap().strip_prefix("sha256=").unwrap();
    let digits = |at: usize| u8::from_str_radix(&signature[at..at + 2], 16).unwrap();
    let tag: Vec<u8> = (0..signature.len()).step_by(2).map(digits).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    ring::hmac::verify(&key, &bytes, &tag).expect("whoever knows the secret sent it");
    assert_eq!(headers["x-gadugi-delivery"], body["id"].as_str().unwrap());
    assert_eq!(
        (&headers["x-gadugi-event"], &headers["content-type"]),
        (&"done".parse().unwrap(), &"application/json".parse().unwrap())
    );
    assert!(!format!("{headers:?}").contains(SECRET));
    assert_eq!(world.told_up_to(), world.store.last_seq().unwrap());
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_again_under_the_same_id() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[500, 503, 429]).await;
    let worker = world.post(&address);
    world.at(0, &[started(&[("a", None), ("b", None)])]);
    world.at(1, &[failed("a", None, "it crashed")]);
    let bodies = receiver.bodies(4).await;
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    assert_eq!((&bodies[0]["kind"], &bodies[0]["task"]), (&"failed".into(), &"a".into()));
    assert_eq!((&bodies[0]["need"], &bodies[0]["actions"][0]), (&"failed".into(), &"retry".into()));
    world.end(worker).await;
}

#[tokio::test]
async fn what_is_refused_is_given_up_and_the_next_is_told() {
    let mut world = World::new();
    let away = [500; 6];
    let (receiver, address) = Receiver::start(&[&[404][..], &away, &[500]].concat()).await;
    let worker = world.post(&address);
    let names = ["a", "b", "c", "d", "e"];
    world.at(0, &[started(&names.map(|name| (name, None)))]);
    // Refused for good: one try. Away: six. After that each has one, until one arrives.
    for (at, name) in names.into_iter().enumerate() {
        world.at(at as i64, &[failed(name, None, "x")]);
        receiver.bodies([1, 7, 8, 9, 10][at]).await;
    }
    let tasks: Vec<Value> = receiver.bodies(10).await.iter().map(|body| body["task"].clone()).collect();
    assert_eq!(tasks, [&["a"][..], &["b"; 6], &["c", "d", "e"]].concat());
    world.end(worker).await;
    assert_eq!(world.told_up_to(), world.store.last_seq().unwrap());
}

#[tokio::test]
async fn a_receiver_that_hangs_is_not_waited_for_for_ever() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[0]).await;
    let webhook = Webhook::signed(&address, None, Duration::from_millis(200)).unwrap();
    let worker = world.tell(Sink::Webhook(Box::new(webhook)), &ALL);
    world.at(0, &[started(&[("a", None)])]);
    world.at(1, &[failed("a", None, "x")]);
    let bodies = receiver.bodies(2).await;
    assert_eq!(bodies[0]["id"], bodies[1]["id"]);
    assert!(
        receiver.got.lock().unwrap().iter().all(|(headers, _)| !headers.contains_key("x-gadugi-signature"))
    );
    world.end(worker).await;
}

#[tokio::test]
async fn who_dies_between_event_and_delivery_tells_it_the_next_time() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[200, 0]).await;
    let worker = world.post(&address);
    world.at(0, &[started(&[("a", None), ("b", None)])]);
    world.at(1, &[failed("a", None, "x")]);
    receiver.bodies(1).await;
    world.at(2, &[failed("b", None, "x")]);
    let first = receiver.bodies(2).await.remove(1);
    // It is gone, with what it had not delivered; meanwhile the run goes on.
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    world.at(3, &over(&[]));
    let worker = world.post(&address);
    let bodies = receiver.bodies(4).await;
    assert_eq!((&first["task"], &bodies[2]["task"]), (&"b".into(), &"b".into()));
    assert_eq!(first["id"], bodies[2]["id"], "the same again has the same id");
    assert_eq!((&bodies[3]["kind"], &bodies[3]["report"]["failed"]), (&"failed".into(), &2.into()));
    let ids: std::collections::BTreeSet<&str> =
        bodies.iter().map(|body| body["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    world.end(worker).await;
}

#[tokio::test]
async fn what_was_before_anybody_was_to_be_told_is_not_told() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[]).await;
    world.at(0, &[started(&[("a", None), ("b", None)])]);
    world.at(1, &[failed("a", None, "long ago")]);
    let worker = world.post(&address);
    world.at(2, &[failed("b", None, "now")]);
    let bodies = receiver.bodies(1).await;
    assert_eq!(bodies[0]["task"], "b");
    world.end(worker).await;
    // A log that was put away begins anew.
    world.cursor().write(1_000_000).unwrap();
    assert_eq!(world.cursor().read(7), 7);
}

#[tokio::test]
async fn what_wants_a_person_is_told_once_and_what_they_did_themselves_is_not() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[]).await;
    let worker = world.post(&address);
    let limit = Event::AccountLimited {
        run: run(),
        agent: "claude".into(),
        until: Timestamp(1_800_000_000_000),
        reason: "x".into(),
    };
    let paused = |cause| Event::RunPaused { run: run(), cause, detail: String::new() };
    world.at(0, &[started(&[("a", None), ("b", None), ("c", None)])]);
    world.at(1, &[failed("a", Some(Verdict::Conflict), "src/lib.rs")]);
    receiver.bodies(1).await;
    world.at(2, std::slice::from_ref(&limit));
    receiver.bodies(2).await;
    world.at(3, &[limit, Event::TaskHeld { run: run(), task: TaskId::new("b") }, paused(PauseCause::Asked)]);
    world.at(4, &[Event::RunResumed { run: run() }]);
    world.at(5, &[paused(PauseCause::EngineLost)]);
    receiver.bodies(3).await;
    let revived = Event::TaskRevived { run: run(), task: TaskId::new("a"), with: None };
    world.at(6, &[Event::RunResumed { run: run() }, revived]);
    world.at(7, &[failed("a", Some(Verdict::Conflict), "src/lib.rs")]);
    let bodies = receiver.bodies(4).await;
    let told: Vec<(&str, &str)> =
        bodies.iter().map(|body| (body["kind"].as_str().unwrap(), body["need"].as_str().unwrap())).collect();
    let person = "needs-person";
    assert_eq!(told, [(person, "conflict"), ("limit", "limit"), (person, "paused"), (person, "conflict")]);
    assert_eq!(bodies[1]["until"], "2027-01-15T08:00:00.000Z");
    assert_ne!(bodies[0]["id"], bodies[3]["id"], "what happens again is another one");
    world.end(worker).await;
}

#[tokio::test]
async fn only_what_somebody_wants_to_hear_is_told() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[]).await;
    let webhook = Webhook::signed(&address, None, PATIENCE).unwrap();
    let worker = world.tell(Sink::Webhook(Box::new(webhook)), &[Kind::Done]);
    world.at(0, &[started(&[("a", None)])]);
    world.at(1, &[failed("a", None, "x")]);
    let revived = Event::TaskRevived { run: run(), task: TaskId::new("a"), with: None };
    world.at(2, &over(&[]));
    world.at(3, &[revived, finished("a", Outcome::Succeeded, None)]);
    world.at(4, &over(&[("/w", "dirty")]));
    world.at(5, &[Event::RunLanded { run: run(), into: "main".into(), commit: commit() }]);
    let bodies = receiver.bodies(1).await;
    assert_eq!((&bodies[0]["kind"], &bodies[0]["report"]["kept"][0]), (&"done".into(), &"/w".into()));
    world.end(worker).await;
}

#[tokio::test]
async fn words_of_others_are_shown_harmlessly() {
    let mut world = World::new();
    let (receiver, address) = Receiver::start(&[]).await;
    let worker = world.post(&address);
    world.at(0, &[started(&[("a", None)])]);
    world.at(1, &[failed("a", None, &format!("\u{1b}[31mred\u{202e}\r\nsecond{}", "x".repeat(5000)))]);
    let text = receiver.bodies(1).await[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("[31mred second") && !text.contains(['\u{1b}', '\u{202e}', '\n']), "{text}");
    assert_eq!(text.chars().count(), 301);
    world.end(worker).await;
}

/// A program that writes what it gets into a file.
fn recorder(world: &World) -> (Vec<String>, PathBuf) {
    let file = world.root().join("got");
    let script = format!(
        "cat >>{0}; printf '\\n%s|%s|%s\\n' \"$GADUGI_NOTIFY_KIND\" \"$GADUGI_NOTIFY_TASK\" \"$GADUGI_NOTIFY_TEXT\" >>{0}",
        file.display()
    );
    (["sh", "-c", &script].map(str::to_owned).to_vec(), file)
}

#[tokio::test]
async fn a_program_gets_json_and_variables() {
    let mut world = World::new();
    let (argv, file) = recorder(&world);
    let worker = world.tell(Sink::Command(Command::new(argv, world.root())), &ALL);
    world.at(0, &[started(&[("a", None)])]);
    world.at(1, &[failed("a", None, "it crashed")]);
    world.at(2, &over(&[]));
    world.end(worker).await;
    let got = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines.len(), 4, "{got}");
    let first: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&first["kind"], &first["task"]), (&"failed".into(), &"a".into()));
    assert!(lines[1].starts_with("failed|a|") && lines[1].ends_with("a: failed: it crashed"), "{}", lines[1]);
    assert!(lines[3].starts_with("failed||") && lines[3].contains("0 of 1 tasks succeeded"), "{}", lines[3]);
}

#[tokio::test]
async fn a_program_that_hangs_fails_or_is_missing_holds_nobody_up() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for argv in [words(&["sleep", "600"]), words(&["false"]), words(&["no-such-program-anywhere"])] {
        let mut world = World::new();
        let command = Command::new(argv, world.root()).within(Duration::from_millis(100));
        let worker = world.tell(Sink::Command(command), &ALL);
        world.at(0, &[started(&[("a", None)])]);
        world.at(1, &[failed("a", None, "x")]);
        world.at(2, &over(&[]));
        world.end(worker).await;
        assert_eq!(world.told_up_to(), world.store.last_seq().unwrap());
    }
}

#[test]
fn a_secret_that_is_not_there_is_said_and_nothing_is_sent_unsigned() {
    let error = Webhook::new("https://example.com", Some("GADUGI_TEST_NO_SUCH_SECRET")).unwrap_err();
    assert!(error.to_string().starts_with("GADUGI_TEST_NO_SUCH_SECRET, which is to hold"), "{error}");
    let shown =
        format!("{:?}", Webhook::signed("https://example.com/T0/secret-path", Some(SECRET), PATIENCE));
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(Settings::default().on.len(), 0);
}
