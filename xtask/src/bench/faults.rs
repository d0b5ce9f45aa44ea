//! The fault matrix: real Claude Code, a scripted model API that misbehaves or an agent that dies, and whether the run
//! mends itself. With gadugi's own pauses, as they are where nobody configures any.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::sandbox::Sandbox;
use super::watch::Watch;
use super::{Measurement, median, rounded};
use crate::{names, shell, tools};

/// Every one of them recovers by itself.
const BAR: f64 = 1.0;
/// What the project that this one follows set itself as its goal.
const ANCHOR: f64 = 0.9;

/// How long the engine may take to leave when its run is over and its client gone.
const LEAVES_WITHIN: Duration = Duration::from_secs(20);

const ROUNDS: usize = 3;
/// Runs side by side: a Claude Code has some 300 MB.
const SLOTS: usize = 4;

/// How a run is disturbed.
#[derive(Clone)]
enum Disturbance {
    /// The request for the second of three commands meets this.
    Api(Value),
    /// The same, and Claude Code is told that it has a subscription, whose limits are told otherwise.
    Limit(Value),
    /// The same, with a Claude Code that waits for 1.5 s instead of two minutes.
    Silent(Value),
    /// The second command kills the agent, once.
    Killed,
    /// The first process that is started does this instead of being Claude Code. `REAL` is Claude Code.
    Instead(&'static str),
}

/// One row of the table.
struct Fault {
    name: &'static str,
    disturbance: Disturbance,
}

/// What one run came to.
struct Outcome {
    recovered: bool,
    /// Agent processes that it took.
    steps: usize,
    seconds: f64,
    /// Why not.
    amiss: String,
}

/// The matrix. Claude Code tries four times by itself: five refusals take two processes.
fn matrix() -> Vec<Fault> {
    let status = |status: u16| json!({"kind": "status", "status": status, "times": 5});
    let after = |seconds: u32, times: u32| json!({"kind": "status", "status": 429, "retry_after": seconds, "times": times});
    let at = |kind: &str, events: usize, times: u32| json!({"kind": kind, "events": events, "times": times});
    let down = |seconds: u32| json!({"kind": "down", "seconds": seconds});
    let limit = json!({"kind": "usage-limit", "resets_in": 20});
    let lost = "REAL \"$@\" | grep -v '\"type\":\"result\"'\nexit 0";
    [
        ("429", Disturbance::Api(status(429))),
        ("429, Retry-After 1", Disturbance::Api(after(1, 5))),
        ("429, Retry-After 120", Disturbance::Api(after(120, 1))),
        ("529", Disturbance::Api(status(529))),
        ("529 within the stream", Disturbance::Api(at("error-event", 3, 1))),
        ("500", Disturbance::Api(status(500))),
        ("503", Disturbance::Api(status(503))),
        ("refused for 7 s", Disturbance::Api(down(7))),
        ("reset before an answer", Disturbance::Api(at("cut", 0, 5))),
        ("reset mid-stream", Disturbance::Api(at("cut", 4, 1))),
        ("closed mid-stream", Disturbance::Api(at("truncated", 4, 1))),
        ("silent", Disturbance::Silent(json!({"kind": "silent", "times": 3}))),
        ("usage limit, reset in 20 s", Disturbance::Limit(limit)),
        ("agent killed mid-tool", Disturbance::Killed),
        ("exit 0 before a word", Disturbance::Instead("cat > /dev/null\nexit 0")),
        ("exit 0 without a result", Disturbance::Instead(lost)),
    ]
    .map(|(name, disturbance)| Fault { name, disturbance })
    .into()
}

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    tools::provide(&tools::FOR_TESTS)?;
    let scene = Scene { gadugi: binary.to_owned(), claude: claude(), api: api_program()? };
    let faults = matrix();
    let outcomes = play_all(&scene, &faults)?;
    let (mut recovered, mut runs) = (0, 0);
    let mut rows = Vec::new();
    shell::say(&format!("{:<28} {:>9} {:>9} {:>8}", "fault", "recovered", "processes", "seconds"));
    for (fault, outcomes) in faults.iter().zip(&outcomes) {
        let good = outcomes.iter().filter(|outcome| outcome.recovered).count();
        let steps: Vec<f64> = outcomes.iter().map(|outcome| outcome.steps as f64).collect();
        let seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
        let (steps, seconds) = (median(&steps), median(&seconds));
        let count = outcomes.len();
        shell::say(&format!("{:<28} {:>9} {steps:>9} {seconds:>8.1}", fault.name, format!("{good}/{count}")));
        for outcome in outcomes.iter().filter(|outcome| !outcome.recovered) {
            shell::say(&format!("    {}", outcome.amiss));
        }
        rows.push(json!({"fault": fault.name, "recovered": good, "runs": count, "processes": steps, "seconds": rounded(seconds)}));
        (recovered, runs) = (recovered + good, runs + count);
    }
    let value = recovered as f64 / runs as f64;
    let mut more = Map::new();
    more.insert("anchor".into(), json!(ANCHOR));
    more.insert("runs".into(), json!(runs));
    more.insert("faults".into(), json!(rows));
    Ok(Measurement { bench: "faults", value, bar: BAR, holds: recovered == runs, more })
}

/// The programs.
struct Scene {
    gadugi: PathBuf,
    claude: PathBuf,
    api: PathBuf,
}

fn claude() -> PathBuf {
    names::tools().join("claude-code/node_modules/.bin/claude")
}

/// Builds the scripted model API and says where it is.
fn api_program() -> Result<PathBuf> {
    let name = "gadugi-testkit";
    shell::run(shell::cargo(["build", "--release", "--locked", "--package", name, "--bin", name]))?;
    Ok(names::target()?.join("release").join(name))
}

/// Every fault so often, several side by side; by fault.
fn play_all(scene: &Scene, faults: &[Fault]) -> Result<Vec<Vec<Outcome>>> {
    let jobs: Mutex<Vec<usize>> = Mutex::new((0..ROUNDS).flat_map(|_| 0..faults.len()).rev().collect());
    let done: Mutex<BTreeMap<usize, Vec<Outcome>>> = Mutex::default();
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let Some(at) = jobs.lock().ok().and_then(|mut jobs| jobs.pop()) else { return Ok(()) };
                let fault = &faults[at];
                let outcome = play(scene, fault).with_context(|| fault.name)?;
                if let Ok(mut done) = done.lock() {
                    done.entry(at).or_default().push(outcome);
                }
            }
        };
        let threads: Vec<_> = (0..SLOTS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(worked) => worked?,
                Err(_) => bail!("a run of the matrix broke"),
            }
        }
        Ok(())
    })?;
    let done = done.into_inner().unwrap_or_default();
    ensure!(done.len() == faults.len(), "only {} of {} faults were tried", done.len(), faults.len());
    Ok(done.into_values().collect())
}

/// A scripted model API; dropped, it is gone.
struct Api {
    process: Child,
    url: String,
}

impl Api {
    fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .arg("model-api")
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut url = String::new();
        let said = process.stdout.take().map(|out| BufReader::new(out).read_line(&mut url));
        let api = Self { process, url: url.trim().to_owned() };
        said.context("no pipe")??;
        ensure!(!api.url.is_empty(), "the scripted model API did not say where it is");
        Ok(api)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One run of one task that meets the fault.
fn play(scene: &Scene, fault: &Fault) -> Result<Outcome> {
    let sandbox = Sandbox::new()?;
    sandbox.fill(&[])?;
    let (repository, api) = (sandbox.repository(), Api::start(&scene.api)?);
    fs::write(repository.join("prompts/work.md"), prompt(&sandbox, &fault.disturbance))?;
    fs::write(repository.join("gadugi.toml"), settings(scene, &sandbox, &fault.disturbance)?)?;
    sandbox.git(&["add", "--all"])?;
    sandbox.git(&["commit", "--quiet", "--message=the task"])?;

    let watch = Watch::begin(&repository);
    let began = Instant::now();
    let mut command = sandbox.command(&scene.gadugi);
    command
        .args(["run", "--no-review", "--json"])
        .env("ANTHROPIC_BASE_URL", &api.url)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    match fault.disturbance {
        Disturbance::Limit(_) => command.env("CLAUDE_CODE_OAUTH_TOKEN", "sk-test-local"),
        _ => command.env("ANTHROPIC_API_KEY", "sk-test-local"),
    };
    let output = command.stdin(Stdio::null()).output()?;
    let seconds = began.elapsed().as_secs_f64();
    watch.end(LEAVES_WITHIN)?;
    judge(&sandbox, &output.stdout, seconds)
}

/// Whether the task succeeded in its one attempt, and each of its commands ran once.
fn judge(sandbox: &Sandbox, stdout: &[u8], seconds: f64) -> Result<Outcome> {
    let text = String::from_utf8_lossy(stdout);
    let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let started = |event: &&Value| event["type"] == "step-intended" && event["what"]["kind"] == "agent";
    let steps = events.iter().filter(started).count();
    let finished = events.last().filter(|event| event["type"] == "run-finished");
    let amiss = match finished {
        None => format!("the run did not end by itself: {}", text.lines().last().unwrap_or_default()),
        Some(finished) => match &finished["tasks"][0] {
            task if task["outcome"] != "succeeded" => format!("{}: {}", task["outcome"], task["detail"]),
            task if task["attempts"] != 1 => format!("it took {} attempts", task["attempts"]),
            _ => {
                let branch = finished["branch"].as_str().context("run-finished names no branch")?;
                let made = sandbox.git(&["show", &format!("{branch}:work.txt")])?;
                if made == WORK { String::new() } else { format!("its work is {made:?}") }
            }
        },
    };
    Ok(Outcome { recovered: amiss.is_empty(), steps, seconds, amiss })
}

/// What the task's three commands write.
const WORK: &str = "one\ntwo\nthree\n";

fn prompt(sandbox: &Sandbox, disturbance: &Disturbance) -> String {
    let bash =
        |command: &str| json!({"tool": "Bash", "input": {"command": command, "description": "as told"}});
    let mut second = bash("echo two >> work.txt");
    match disturbance {
        Disturbance::Api(fault) | Disturbance::Limit(fault) | Disturbance::Silent(fault) => {
            second["fault"] = fault.clone();
        }
        Disturbance::Killed => {
            let once = sandbox.path("killed");
            let once = once.display();
            // Claude Code writes its transcript a moment after what it tells: what came just before would be forgotten.
            second = bash(&format!(
                "if mkdir '{once}' 2>/dev/null; then sleep 2; kill -9 $PPID; exec sleep 60; fi; echo two >> work.txt"
            ));
        }
        Disturbance::Instead(_) => {}
    }
    let turns =
        [bash("echo one >> work.txt"), second, bash("echo three >> work.txt"), json!({"text": "done"})];
    format!("# Work\n\n```model\n{}\n```\n", turns.map(|turn| turn.to_string()).join("\n"))
}

/// The run's `gadugi.toml`.
fn settings(scene: &Scene, sandbox: &Sandbox, disturbance: &Disturbance) -> Result<String> {
    let program = match disturbance {
        Disturbance::Instead(first) => wrapper(scene, sandbox, first)?,
        _ => scene.claude.clone(),
    };
    // JSON's strings are TOML's too.
    let mut text = format!("[agents.claude]\ncommand = {}\n", json!(program.to_string_lossy()));
    if matches!(disturbance, Disturbance::Silent(_)) {
        text.push_str("[agents.claude.env]\nAPI_TIMEOUT_MS = \"1500\"\nCLAUDE_CODE_MAX_RETRIES = \"1\"\n");
    }
    Ok(text)
}

/// A program that does `first` the first time it is called, and is Claude Code from then on.
fn wrapper(scene: &Scene, sandbox: &Sandbox, first: &str) -> Result<PathBuf> {
    let (path, once) = (sandbox.path("once.sh"), sandbox.path("once"));
    let (once, real) = (once.display(), format!("'{}'", scene.claude.display()));
    let first = first.replace("REAL", &real);
    let text = format!("#!/bin/sh\nif mkdir '{once}' 2>/dev/null; then\n{first}\nfi\nexec {real} \"$@\"\n");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_carries_its_fault_and_a_wrapper_runs_once() {
        let sandbox = Sandbox::new().unwrap();
        let fault = matrix().swap_remove(0);
        let text = prompt(&sandbox, &fault.disturbance);
        let second: Value = serde_json::from_str(text.lines().nth(4).unwrap()).unwrap();
        assert_eq!(second["fault"], json!({"kind": "status", "status": 429, "times": 5}));
        let scene = Scene { gadugi: PathBuf::new(), claude: "/bin/echo".into(), api: PathBuf::new() };
        let program = wrapper(&scene, &sandbox, "REAL first\nexit 0").unwrap();
        let said =
            || String::from_utf8(Command::new(&program).arg("again").output().unwrap().stdout).unwrap();
        assert_eq!([said(), said()], ["first\n", "again\n"]);
    }

    #[test]
    fn a_run_that_did_not_end_well_has_not_recovered() {
        let sandbox = Sandbox::new().unwrap();
        for said in [
            "",
            r#"{"type":"step-ended"}"#,
            r#"{"type":"run-finished","branch":"main","tasks":[{"outcome":"failed","attempts":1}]}"#,
            r#"{"type":"run-finished","branch":"main","tasks":[{"outcome":"succeeded","attempts":2}]}"#,
        ] {
            let outcome = judge(&sandbox, said.as_bytes(), 1.0).unwrap();
            assert!(!outcome.recovered && !outcome.amiss.is_empty(), "{said}");
        }
    }
}
