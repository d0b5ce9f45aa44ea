//! A stage for whole runs: a repository of its own, a home of its own, the real program, and nothing left over.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a stage that cannot be set up is a failed test")]
#![expect(clippy::disallowed_methods, reason = "a test waits for other processes, and reads its own PATH")]

pub mod aftermath;
pub mod play;
pub mod side_by_side;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing in these tests takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A repository to run in.
pub struct Stage {
    _dir: tempfile::TempDir,
    pub root: PathBuf,
    pub home: PathBuf,
    pub variables: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The JSON lines of its standard output.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect()
    }

    /// Its last JSON line: the report of a run.
    pub fn report(&self) -> Value {
        let last = self.events().pop().unwrap_or_else(|| panic!("no events: {self:?}"));
        assert_eq!(last["type"], "run-finished", "{self:?}");
        last
    }

    /// The report's word on a task.
    pub fn task(&self, id: &str) -> Value {
        let report = self.report();
        let found = report["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).cloned();
        found.unwrap_or_else(|| panic!("no task {id}: {report}"))
    }

    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Stage {
    /// A repository with one commit and no prompts.
    pub fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    /// The same in a folder of the test's own.
    pub fn within(dir: tempfile::TempDir) -> Self {
        let base = dir.path().canonicalize().unwrap();
        let stage =
            Self { _dir: dir, root: base.join("repo"), home: base.join("home"), variables: Vec::new() };
        fs::create_dir_all(&stage.root).unwrap();
        fs::create_dir_all(&stage.home).unwrap();
        stage.git(&["init", "-q", "-b", "main"]);
        stage.write("README.md", "# A repository\n");
        stage.write("src/shared.txt", "one\ntwo\nthree\n");
        stage.commit("the beginning");
        stage
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// A prompt that the scripted agent performs. `front` is front matter without its fences.
    pub fn prompt(&self, name: &str, front: &str, script: &str) {
        let front = if front.is_empty() { String::new() } else { format!("---\n{front}\n---\n") };
        self.write(
            &format!("prompts/{name}.md"),
            &format!("{front}# The task {name}\n\n```script\n{script}\n```\n"),
        );
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Prompts committed, a run of all of them with the scripted agent and JSON.
    pub fn run(&self, more: &[&str]) -> Ran {
        let mut args = vec!["run", "--agent", "scripted", "--no-review", "--json"];
        args.extend(more);
        self.gadugi(&args)
    }

    /// Runs gadugi to its end.
    pub fn gadugi(&self, args: &[&str]) -> Ran {
        self.finish(self.spawn(args))
    }

    pub fn gadugi_with_stdin(&self, args: &[&str], stdin: &str) -> Ran {
        let path = self.home.join("stdin.txt");
        fs::write(&path, stdin).unwrap();
        let mut command = self.command(args);
        command.stdin(fs::File::open(path).unwrap());
        self.finish(command.spawn().unwrap())
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gadugi"));
        command.args(args).current_dir(&self.root).env_clear().envs(self.environment());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let path = std::env::var("PATH").unwrap();
        let mut variables: Vec<(String, String)> = [
            ("PATH", path.as_str()),
            ("HOME", self.home.to_str().unwrap()),
            ("LANG", "C.UTF-8"),
            // Whoever tests containers says so; a machine that has some changes no other test.
            ("GADUGI_EXECUTOR", "local"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A Tester"),
            ("GIT_AUTHOR_EMAIL", "tester@example.com"),
            ("GIT_COMMITTER_NAME", "A Tester"),
            ("GIT_COMMITTER_EMAIL", "tester@example.com"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend(self.variables.iter().cloned());
        variables
    }

    /// Waits for the end of a command, with patience, and gives what it said.
    pub fn finish(&self, mut child: Child) -> Ran {
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let status = wait(&mut child);
        Ran {
            code: status.code(),
            stdout: stdout.recv_timeout(PATIENCE).unwrap(),
            stderr: stderr.recv_timeout(PATIENCE).unwrap(),
        }
    }

    /// Starts a run and gives its events as they come.
    pub fn start_run(&self, more: &[&str]) -> Live {
        let mut args = vec!["run", "--agent", "scripted", "--no-review", "--json"];
        args.extend(more);
        Live::new(self.spawn(&args))
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(&self.root)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The text of a file in a commit.
    pub fn blob(&self, commit: &str, path: &str) -> String {
        self.git(&["show", &format!("{commit}:{path}")])
    }

    pub fn files_at(&self, commit: &str) -> Vec<String> {
        self.git(&["ls-tree", "-r", "--name-only", commit]).lines().map(str::to_owned).collect()
    }

    /// How the latest run stands.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.gadugi(&["status", "--json"]).ends_with(0).stdout).unwrap()
    }

    /// How a task of it stands.
    pub fn task(&self, id: &str) -> Value {
        let status = self.status();
        let found = status["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).cloned();
        found.unwrap_or_else(|| panic!("no task {id}: {status}"))
    }

    /// The pid in `engine.lock`, where an engine lives.
    pub fn engine(&self) -> Option<i32> {
        let text = fs::read_to_string(self.root.join(".gadugi/engine.lock")).ok()?;
        let holder: Value = serde_json::from_str(&text).ok()?;
        let pid = i32::try_from(holder["pid"].as_i64()?).ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(19)?.parse::<u64>().ok()?;
        (holder["start_ticks"].as_u64() == Some(start)).then_some(pid)
    }

    pub fn engine_leaves(&self) {
        until("the engine has left", || self.engine().is_none());
    }

    pub fn kill_engine(&self) {
        let pid = self.engine().expect("an engine lives");
        signal(pid, "KILL");
        // Somebody who follows may have started another by now.
        until("the engine is gone", || self.engine() != Some(pid));
    }

    /// Pids of processes that carry this stage's attempts in their environment.
    pub fn attempt_processes(&self) -> Vec<i32> {
        let mark = format!("HOME={}\0", self.home.display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&environment);
            if text.contains(&mark) && text.contains("GADUGI_ATTEMPT=") {
                found.push(pid);
            }
        }
        found
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(pid) = self.engine() {
            // Asked to leave, it stops what runs and goes; a test that failed may leave one that cannot.
            signal(pid, "TERM");
            let end = Instant::now() + Duration::from_secs(20);
            while self.engine().is_some() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
            if let Some(pid) = self.engine() {
                signal(pid, "KILL");
            }
        }
        for pid in self.attempt_processes() {
            signal(pid, "KILL");
        }
    }
}

/// A run whose events are read while it goes on.
pub struct Live {
    pub child: Child,
    lines: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
    pub seen: Vec<Value>,
}

impl Live {
    pub fn new(mut child: Child) -> Self {
        let (to, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = drain(child.stderr.take());
        Self { child, lines, stderr, seen: Vec::new() }
    }

    /// Reads on until an event is `wanted`, and gives it.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
                    self.seen.push(event.clone());
                    if wanted(&event) {
                        return event;
                    }
                }
                Err(_) => panic!("no {what}; seen: {:#?}; stderr: {:?}", self.seen, self.stderr.try_recv()),
            }
        }
    }

    pub fn until_type(&mut self, wanted: &str) -> Value {
        self.until(wanted, |event| event["type"] == wanted)
    }

    /// Reads to the end.
    pub fn end(mut self) -> Ran {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}")));
        }
        let status = wait(&mut self.child);
        let stdout: Vec<String> = self.seen.iter().map(ToString::to_string).collect();
        Ran {
            code: status.code(),
            stdout: stdout.join("\n"),
            stderr: self.stderr.recv_timeout(PATIENCE).unwrap(),
        }
    }

    pub fn signal(&self, name: &str) {
        signal(i32::try_from(self.child.id()).unwrap(), name);
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (to, from) = mpsc::channel();
    if let Some(mut stream) = stream {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = to.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    from
}

fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("the command did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a condition, with patience.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn signal(pid: i32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output().unwrap();
    let gone = String::from_utf8_lossy(&sent.stderr).contains("No such process");
    assert!(sent.status.success() || gone, "kill -{name} {pid}: {sent:?}");
}

/// Everything of a user's that a run must not touch: refs but gadugi's, index, configuration, `HEAD`, stash, and files.
pub fn users_own(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    let git = stage.root.join(".git");
    let mut all = BTreeMap::new();
    for name in
        ["HEAD", "index", "config", "ORIG_HEAD", "info/exclude", "logs/HEAD", "refs/stash", "logs/refs/stash"]
    {
        all.insert(format!(".git/{name}"), fs::read(git.join(name)).unwrap_or_default());
    }
    let refs = stage.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let users: Vec<&str> = refs
        .lines()
        .filter(|line| {
            let gadugis = ["refs/heads/gadugi/", "refs/heads/feature/parallel-", "refs/gadugi/"];
            !gadugis.iter().any(|start| line.starts_with(start))
        })
        .collect();
    all.insert("refs".into(), users.join("\n").into_bytes());
    let status = stage.git(&["--no-optional-locks", "status", "--porcelain=v2", "--branch"]);
    all.insert("status".into(), status.into_bytes());
    collect_files(&stage.root, &stage.root, &mut all);
    all
}

/// Says which of the user's own things are not as they were.
#[track_caller]
pub fn untouched(stage: &Stage, before: &BTreeMap<String, Vec<u8>>) {
    let after = users_own(stage);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let text = |all: &BTreeMap<String, Vec<u8>>| {
            all.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        assert_eq!(text(before), text(&after), "{name}");
    }
}

fn collect_files(root: &Path, dir: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if [".git", ".gadugi", ".worktrees"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect_files(root, &path, all);
        } else {
            all.insert(name, fs::read(&path).unwrap());
        }
    }
}
