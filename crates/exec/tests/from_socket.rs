//! The shim as PID 1 of a real container, whose folder comes through a socket; and what its own step can do to it.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

use std::fs;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gadugi_shim::{Exit, ExitWord, Started};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const ENGINE: &str = "GADUGI_TEST_DOCKER";
const IMAGE: &str = "gadugi-test/base:bookworm";

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// One request to the engine. Status and body.
fn engine(method: &str, path: &str, body: &Value) -> (u16, Value) {
    let address = gadugi_sys::env::get(ENGINE);
    let address = address.expect("GADUGI_TEST_DOCKER names the tests' Docker Engine: unix:///PATH");
    let mut stream = UnixStream::connect(address.strip_prefix("unix://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A body that it does not read would cut its answer off.
    let body = if body.is_null() { String::new() } else { body.to_string() };
    write!(
        stream,
        "{method} /v1.41{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
}

/// The container's user where the test is root.
const USER: u32 = 10_001;

/// A container that runs one step, and what it needs on the host.
struct Stage {
    user: u32,
    root: tempfile::TempDir,
    name: String,
    listener: Option<UnixListener>,
}

impl Stage {
    fn new() -> Self {
        Self::of(USER)
    }

    fn of(user: u32) -> Self {
        let root = tempfile::tempdir().unwrap();
        // It puts the shim there.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { gadugi_exec::LocalExecutor::new(&root.path().join("state")).unwrap() });
        // The container's user has to come through.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let bin = root.path().join("state/bin");
        fs::rename(fs::read_dir(bin).unwrap().next().unwrap().unwrap().path(), root.path().join("shim"))
            .unwrap();
        for name in ["step", "gate", "workspace"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("step/stdin.md"), "the prompt\n").unwrap();
        fs::write(root.path().join("step/lease"), "").unwrap();
        let name =
            format!("gadugi-test-shim-{}-{}", std::process::id(), NUMBERS.fetch_add(1, Ordering::Relaxed));
        let this = Self { user, listener: None, root, name };
        this.give(this.root.path());
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What is in there to the container's user: another than root, where the test is root.
    fn give(&self, folder: &Path) {
        if rustix::process::geteuid().is_root() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                chown(entry.path(), Some(self.user), Some(self.user)).unwrap();
                if entry.file_type().unwrap().is_dir() {
                    self.give(&entry.path());
                }
            }
        }
    }

    fn order(&self, argv: &[&str]) -> Value {
        let _ = self;
        json!({"argv": argv, "env_names": [], "cwd": "/workspace", "stdin": "stdin.md", "attempt": "run/task/1",
            "grace_ms": 20_000, "lease_ms": 600_000})
    }

    fn script(&self, script: &str) -> Value {
        self.order(&["/bin/sh", "-c", script])
    }

    fn listen(&mut self) {
        let path = self.path("gate/launch.sock");
        self.listener = Some(UnixListener::bind(&path).unwrap());
        self.give(&self.path("gate"));
    }

    /// Starts the container. The folder is handed over by a thread, which then says who took it: uid and pid on the host.
    fn start(&mut self, order: &Value) -> JoinHandle<(u32, i32)> {
        self.listen();
        let served = self.serve(order);
        self.run_container();
        served
    }

    fn serve(&mut self, order: &Value) -> JoinHandle<(u32, i32)> {
        fs::write(self.path("step/spec.json"), order.to_string()).unwrap();
        self.give(&self.path("step"));
        fs::set_permissions(self.path("step"), fs::Permissions::from_mode(0o700)).unwrap();
        let (listener, step) = (self.listener.take().unwrap(), self.path("step"));
        thread::spawn(move || hand_over(&listener, &step))
    }

    fn run_container(&self) {
        let owner = fs::metadata(self.path("workspace")).unwrap();
        let bind = |name: &str, place: &str| format!("{}:{place}", self.path(name).display());
        let (status, answer) = engine(
            "POST",
            &format!("/containers/create?name={}", self.name),
            &json!({
                "Image": IMAGE, "Entrypoint": ["/gadugi/shim"], "Cmd": ["--from", "/gadugi/gate/launch.sock"],
                "User": format!("{}:{}", owner.uid(), owner.gid()), "NetworkDisabled": true,
                "Env": ["PATH=/usr/bin:/bin", "GADUGI_ATTEMPT=run/task/1", "PORT={gadugi-port}"],
                "HostConfig": {
                    "NetworkMode": "none", "ReadonlyRootfs": true, "CapDrop": ["ALL"],
                    "SecurityOpt": ["no-new-privileges"], "PidsLimit": 200, "Memory": 512 * 1024 * 1024,
                    "Binds": [bind("workspace", "/workspace"), bind("gate", "/gadugi/gate:ro"), bind("shim", "/gadugi/shim:ro")],
                },
            }),
        );
        assert_eq!(status, 201, "{answer}");
        let (status, answer) = engine("POST", &format!("/containers/{}/start", self.name), &Value::Null);
        assert_eq!(status, 204, "{answer}");
    }

    fn kill(&self, signal: &str) {
        let path = format!("/containers/{}/kill?signal={signal}", self.name);
        let (status, answer) = engine("POST", &path, &Value::Null);
        // It may have ended just before.
        assert!(matches!(status, 204 | 409), "{answer}");
    }

    /// The container's own exit status.
    fn wait(&self) -> i64 {
        let (status, answer) = engine("POST", &format!("/containers/{}/wait", self.name), &Value::Null);
        assert_eq!(status, 200, "{answer}");
        answer["StatusCode"].as_i64().unwrap()
    }

    /// What the shim itself said.
    fn log(&self) -> String {
        let path = format!("/containers/{}/logs?stdout=1&stderr=1", self.name);
        engine("GET", &path, &Value::Null).1.to_string()
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path("step").join(name)).unwrap()).into_owned()
    }

    fn exit(&self) -> Exit {
        serde_json::from_str(&self.read("exit.json")).unwrap()
    }

    /// Waits until the step has said so many lines.
    fn lines(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(self.path("step/stdout.jsonl")).unwrap_or_default();
            if said.lines().count() >= count {
                return said.lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < deadline, "{said}");
            gadugi_sys::clock::pause(Duration::from_millis(10));
        }
    }

    fn run(&mut self, order: &Value) -> (Exit, String) {
        let served = self.start(order);
        assert_eq!(self.wait(), 0, "{}", self.log());
        served.join().unwrap();
        (self.exit(), self.read("stdout.jsonl"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Without an engine there is nothing to remove, and one panic is enough.
        if gadugi_sys::env::get(ENGINE).is_none() {
            return;
        }
        engine("DELETE", &format!("/containers/{}?force=1", self.name), &Value::Null);
    }
}

fn hand_over(listener: &UnixListener, step: &Path) -> (u32, i32) {
    let (stream, _) = listener.accept().unwrap();
    let peer = rustix::net::sockopt::socket_peercred(&stream).unwrap();
    // Before the step can begin, as the executor does it: it never meets the socket.
    fs::remove_file(listener.local_addr().unwrap().as_pathname().unwrap()).unwrap();
    send(&stream, &fs::File::open(step).unwrap());
    // It closes the connection once it has it.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!((&stream).read(&mut [0]).unwrap(), 0);
    (peer.uid.as_raw(), peer.pid.as_raw_nonzero().get())
}

fn send(stream: &UnixStream, what: &impl AsFd) {
    let descriptors = [what.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(stream, &[IoSlice::new(b"x")], &mut control, SendFlags::NOSIGNAL).unwrap();
}

#[cfg(target_arch = "x86_64")]
mod calls {
    pub(crate) const REACH: [&str; 7] = ["101", "310", "311", "434", "438", "302", "304"];
    pub(crate) const SIGNALS: [&str; 3] = ["129", "434", "424"];
}
#[cfg(target_arch = "aarch64")]
mod calls {
    pub(crate) const REACH: [&str; 7] = ["117", "270", "271", "434", "438", "261", "265"];
    pub(crate) const SIGNALS: [&str; 3] = ["138", "434", "424"];
}

/// A Perl program in the workspace: the base image has no other way to make a bare system call.
fn hostile(stage: &Stage, name: &str, program: &str, calls: &[&str]) -> Value {
    fs::write(stage.path("workspace").join(name), program).unwrap();
    stage.order(&[&["/usr/bin/perl", name], calls].concat())
}

#[test]
fn a_step_in_a_container_leaves_the_files_of_every_step() {
    let mut stage = Stage::new();
    let order = stage.script("cat; pwd; id -u; echo problem >&2; echo $PPID; exit 7");
    let served = stage.start(&order);
    assert_eq!(stage.wait(), 0, "the shim has done its work, whatever the step came to");
    let (uid, pid) = served.join().unwrap();
    let owner = fs::metadata(stage.path("workspace")).unwrap().uid();
    assert_eq!(uid, owner);
    assert!(pid > 1, "the host's own number of it");

    let exit = stage.exit();
    assert_eq!((exit.exit, exit.stopped, exit.left_over), (ExitWord::Code(7), false, 0));
    assert_eq!((exit.shim.pid, exit.shim.boot.len()), (1, 36), "its own number of itself");
    let started: Started = serde_json::from_str(&stage.read("started.json")).unwrap();
    assert_eq!(started.shim, exit.shim);
    assert_eq!(stage.read("stdout.jsonl"), format!("the prompt\n/workspace\n{owner}\n1\n"));
    assert_eq!(stage.read("stderr.log"), "problem\n");
    assert_eq!(stage.log(), "\"\"");
    let mut names: Vec<_> =
        fs::read_dir(stage.path("step")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let whole =
        ["exit.json", "lease", "lock", "spec.json", "started.json", "stderr.log", "stdin.md", "stdout.jsonl"];
    assert_eq!(names, whole);
    for name in ["exit.json", "stdout.jsonl", "lock"] {
        let data = fs::metadata(stage.path("step").join(name)).unwrap();
        assert_eq!((data.uid(), data.mode() & 0o777), (owner, 0o600), "{name}");
    }
}

#[test]
fn what_escapes_to_pid_1_ends_with_the_main_process() {
    let mut stage = Stage::new();
    let order = stage.script(
        "mkfifo there; \
         (setsid env -i /bin/sh -c 'trap \"\" TERM; echo x > there; while :; do sleep 1000; done' &); \
         (setsid /bin/sleep 1000 &); read x < there; exit 5",
    );
    let begun = Instant::now();
    let (exit, _) = stage.run(&order);
    assert_eq!((exit.exit, exit.stopped, exit.left_over), (ExitWord::Code(5), false, 0));
    assert!(begun.elapsed() < Duration::from_secs(15), "a short grace, not the step's");
}

#[test]
fn what_cannot_be_started_says_why() {
    for (key, value, words) in [
        ("cwd", json!("/workspace/gone"), "working directory /workspace/gone: No such file"),
        ("cwd", json!("."), "not an absolute path"),
        ("stdin", json!("gone.md"), "standard input gone.md: No such file"),
        ("stdin", json!("/workspace/x"), "not the name of a file in the step's folder"),
        ("stdin", json!("../x"), "not the name of a file in the step's folder"),
        ("argv", json!(["/no/such"]), "/no/such: No such file"),
        ("argv", json!(["./spec.json"]), "./spec.json: No such file"),
    ] {
        let mut stage = Stage::new();
        let mut order = stage.script("true");
        order[key] = value;
        let served = stage.start(&order);
        assert_eq!(stage.wait(), 0);
        served.join().unwrap();
        let ExitWord::NotStarted(said) = stage.exit().exit else { panic!("{words}") };
        assert!(said.contains(words), "{said}");
        assert!(!stage.path("step/started.json").exists());
    }
}

#[test]
fn a_shim_that_is_handed_nothing_usable_says_so_in_its_log() {
    // Not a folder at all.
    let mut stage = Stage::new();
    stage.listen();
    let (listener, file) = (stage.listener.take().unwrap(), fs::File::open(stage.path("shim")).unwrap());
    let served = thread::spawn(move || send(&listener.accept().unwrap().0, &file));
    stage.run_container();
    assert_eq!(stage.wait(), 1);
    served.join().unwrap();
    assert!(stage.log().contains("what came is no folder"), "{}", stage.log());

    // A folder in which another shim was.
    let mut stage = Stage::new();
    fs::write(stage.path("step/started.json"), "").unwrap();
    let order = stage.script("echo again");
    stage.start(&order);
    assert_eq!(stage.wait(), 75);
    assert!(!stage.path("step/stdout.jsonl").exists());

    // Nobody there, and stopped while it waits.
    let stage = Stage::new();
    stage.run_container();
    stage.kill("TERM");
    assert_eq!(stage.wait(), 1);
    assert!(stage.log().contains("stopped before"), "{}", stage.log());
}

#[test]
fn a_late_executor_is_waited_for() {
    let mut stage = Stage::new();
    stage.run_container();
    stage.listen();
    let listener = stage.listener.as_ref().unwrap().try_clone().unwrap();
    // The first one dies with the connection in hand.
    drop(listener.accept().unwrap());
    let order = stage.script("echo here");
    let served = stage.serve(&order);
    assert_eq!(stage.wait(), 0);
    served.join().unwrap();
    assert_eq!(stage.read("stdout.jsonl"), "here\n");
}

#[test]
fn signals_from_outside_stop_it_gracefully_or_at_once() {
    for (signals, exit) in
        [(&["USR1"][..], ExitWord::Code(9)), (&["TERM"], ExitWord::Code(9)), (&["QUIT"], ExitWord::Signal(9))]
    {
        let mut stage = Stage::new();
        let order = stage.script("trap 'echo asked; exit 9' TERM; echo ready; sleep 1000 & wait");
        let served = stage.start(&order);
        stage.lines(1);
        signals.iter().for_each(|signal| stage.kill(signal));
        assert_eq!(stage.wait(), 0);
        served.join().unwrap();
        assert_eq!((stage.exit().exit, stage.exit().stopped), (exit, true), "{signals:?}");
    }
}

#[test]
fn a_wish_in_the_folder_counts_however_many_signals_come_from_inside() {
    for (wish, exit) in
        [(gadugi_shim::STOP_GRACE, ExitWord::Code(9)), (gadugi_shim::STOP_NOW, ExitWord::Signal(9))]
    {
        let mut stage = Stage::new();
        // Three that never cease, so that the one from outside is hardly ever the one that is pending.
        let order = stage.script(
            "trap 'echo asked; exit 9' TERM; \
             for i in 1 2 3; do perl -e 'while (1) { kill USR1 => 1; kill TERM => 1; kill QUIT => 1 }' & done; \
             echo ready; while :; do sleep 0.05; done",
        );
        let served = stage.start(&order);
        stage.lines(1);
        fs::write(stage.path("step/wish"), wish).unwrap();
        fs::rename(stage.path("step/wish"), stage.path("step").join(gadugi_shim::STOP)).unwrap();
        stage.kill("USR1");
        assert_eq!(stage.wait(), 0);
        served.join().unwrap();
        assert_eq!((stage.exit().exit, stage.exit().stopped), (exit, true));
    }
}

#[test]
fn a_lease_lapses_inside_too() {
    let mut stage = Stage::new();
    let mut order = stage.script("sleep 1000");
    order["lease_ms"] = json!(600);
    let (exit, _) = stage.run(&order);
    assert_eq!((exit.exit, exit.stopped), (ExitWord::LeaseLapsed, true));
}

/// What of the tries came to something.
fn reached(stage: &mut Stage) -> Vec<String> {
    let mut order = hostile(stage, "reach.pl", include_str!("hostile/reach.pl"), &calls::REACH);
    // With it, PID 1 has a second thread.
    order["relay"] = json!({"socket": "/gadugi/gate/gateway.sock", "port_in": []});
    let (exit, said) = stage.run(&order);
    assert_eq!(exit.exit, ExitWord::Code(0), "{}", stage.read("stderr.log"));
    assert_eq!(stage.read("stdin.md"), "the prompt\n");
    let mut tries: Vec<_> = said.lines().collect();
    assert_eq!(tries.pop(), Some("over"), "{said}");
    assert!(tries.len() > 55, "{}", tries.len());
    tries.into_iter().filter(|line| !line.ends_with(": refused")).map(str::to_owned).collect()
}

#[test]
fn nothing_of_the_shim_can_be_reached_by_its_step() {
    assert_eq!(reached(&mut Stage::new()), [""; 0]);
}

#[test]
fn a_step_that_is_root_without_its_privileges_reaches_no_more_than_names() {
    // As with a rootless engine, where the user is 0 inside. What `/proc` gives to root because a process is not dumpable is
    // then the step's: which descriptors there are, but none of them.
    assert!(rustix::process::geteuid().is_root(), "only root can give a folder to root");
    let reached = reached(&mut Stage::of(0));
    let harmless = |line: &String| {
        line.starts_with("list ")
            || ["oom_score_adj", "comm", "coredump_filter"]
                .iter()
                .any(|name| *line == format!("open /proc/1/{name} to write: DONE"))
    };
    assert!(reached.iter().all(harmless), "{reached:#?}");
}

#[test]
fn signals_from_inside_stop_nothing() {
    let mut stage = Stage::new();
    let order = hostile(&stage, "signals.pl", include_str!("hostile/signals.pl"), &calls::SIGNALS);
    let (exit, said) = stage.run(&order);
    assert_eq!(said, "queued many\nover\n", "{}", stage.read("stderr.log"));
    assert_eq!((exit.exit, exit.stopped), (ExitWord::Code(0), false));
}

#[test]
fn a_link_in_the_workspace_leads_nowhere() {
    // Where the shim stands as it starts the step is the folder on the host, and above it all else there.
    for place in ["/proc/self/cwd", "/proc/1/cwd", "/proc/self/cwd/../..", "/proc/thread-self/cwd"] {
        let mut stage = Stage::new();
        std::os::unix::fs::symlink(place, stage.path("workspace/link")).unwrap();
        let mut order = stage.script("/bin/pwd; ls -a");
        order["cwd"] = json!("/workspace/link");
        let (exit, said) = stage.run(&order);
        let refused = matches!(exit.exit, ExitWord::NotStarted(_)) && said.is_empty();
        let elsewhere = said.starts_with("/\n") && said.contains("\nusr\n") && !said.contains("spec.json");
        assert!(refused || elsewhere, "{place}: {exit:?} {said}");
    }
}

#[test]
fn the_relay_works_where_there_is_no_network() {
    let mut stage = Stage::new();
    let gateway = UnixListener::bind(stage.path("gate/gateway.sock")).unwrap();
    stage.give(&stage.path("gate"));
    let answered = thread::spawn(move || -> io::Result<String> {
        let (mut stream, _) = gateway.accept()?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        write!(stream, "answer to {said}")?;
        Ok(said)
    });
    let mut order = stage.order(&[
        "/usr/bin/perl",
        "-e",
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{PORT}) or die $!; \
         print $s 'question'; shutdown($s, 1); print while <$s>",
    ]);
    order["relay"] = json!({"socket": "/gadugi/gate/gateway.sock", "port_in": ["PORT"]});
    let (exit, said) = stage.run(&order);
    assert_eq!(
        (exit.exit, said.as_str()),
        (ExitWord::Code(0), "answer to question"),
        "{}",
        stage.read("stderr.log")
    );
    assert_eq!(answered.join().unwrap().unwrap(), "question");
}
