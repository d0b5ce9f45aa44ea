//! A log of 100,000 events about 1,000 tasks, 50 of them running when the engine was killed: how much longer than an
//! empty engine the next one takes until it has taken up all 50 and says so.
//!
//! What is real and what is made: the run is real, and so are its engine, its plan, the task that failed some times and was
//! retried until it succeeded, the thousand tasks that were skipped and revived with it each time, and the 50 steps that
//! run when the engine is killed. The events of the other 949 tasks are those of that one task, told anew with their
//! ids; the program that does it (an example of the store's) has the core apply each before it is stored, and the engine
//! applies each again when it reads the log.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, median, rounded, watch};
use crate::shell;

const TASKS: usize = 1000;
const RUNNING: usize = 50;
const EVENTS: u64 = 100_000;

/// How often the one task fails before it succeeds. Each time gives it some 20 events, and each of those behind it two.
const FAILURES: usize = 4;

/// Seconds beyond those of an empty engine.
const BAR: f64 = 1.0;
const ROUNDS: usize = 5;

/// The task whose story is told anew.
const STORY: &str = "story-0000";
/// How the ids of the tasks begin of which it is told.
const RETOLD: &str = "retold-";

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let empty = empty_engine(binary)?;
    let sandbox = Sandbox::new()?;
    let measured = recover(binary, &sandbox);
    // Whatever happened: 50 steps that would wait for an hour are not left to themselves.
    let stopped = stop(binary, &sandbox);
    let (events, seconds) = measured?;
    stopped?;

    let (nothing, all) = (median(&empty), median(&seconds));
    let value = all - nothing;
    let worst = seconds.iter().copied().fold(0.0, f64::max) - nothing;
    shell::say(&format!(
        "{events} events, {TASKS} tasks, {RUNNING} running: all taken up {all:.3} s after the question, an empty engine \
         answers after {nothing:.3} s: {value:.3} s more (at worst {worst:.3}, {ROUNDS} rounds), nothing left over"
    ));
    let mut more = Map::new();
    more.insert("events".into(), json!(events));
    more.insert("tasks".into(), json!(TASKS));
    more.insert("adopted".into(), json!(RUNNING));
    more.insert("empty_seconds".into(), json!(rounded(nothing)));
    more.insert("recovered_seconds".into(), json!(rounded(all)));
    more.insert("worst".into(), json!(rounded(worst)));
    Ok(Measurement { bench: "recovery", value, bar: BAR, holds: value <= BAR, more })
}

/// Seconds until an engine that knows of no run has started and answers.
fn empty_engine(binary: &Path) -> Result<Vec<f64>> {
    let sandbox = Sandbox::new()?;
    let script = vec!["no-change there is nothing to do".into()];
    sandbox.fill_small(&[Prompt { id: "nothing".into(), after: Vec::new(), script }])?;
    gadugi(binary, &sandbox, &["run", "prompts", "--agent", "scripted", "--no-review", "--quiet"])?;
    gadugi(binary, &sandbox, &["clean", "--older-than", "0"])?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        engine_gone(&sandbox)?;
        let began = Instant::now();
        let status = status(binary, &sandbox)?;
        seconds.push(began.elapsed().as_secs_f64());
        ensure!(status.is_null(), "a run is left in the store that was to be empty: {status}");
    }
    engine_gone(&sandbox)?;
    Ok(seconds)
}

/// The number of events in the log, and the seconds of each round.
fn recover(binary: &Path, sandbox: &Sandbox) -> Result<(u64, Vec<f64>)> {
    let run = one_story(binary, sandbox)?;
    let events = retell(sandbox, &run)?;
    ensure!(events >= EVENTS, "only {events} events: let the story fail more often");
    let agents = begin_the_others(binary, sandbox, &run)?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        kill_engine(sandbox)?;
        let alive = agents.values().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).count();
        ensure!(alive == RUNNING, "{alive} of {RUNNING} agents outlived the engine");
        let began = Instant::now();
        while !all_adopted(&status(binary, sandbox)?, &agents) {
            ensure!(began.elapsed() < PATIENCE, "not all {RUNNING} were taken up within {PATIENCE:?}");
        }
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok((events, seconds))
}

/// Has one task fail and be retried until it succeeds, while the run is paused so that nothing follows. Gives the run.
fn one_story(binary: &Path, sandbox: &Sandbox) -> Result<String> {
    let mut script: Vec<String> = ["4", "5", "7", "10"].map(|phase| format!("phase {phase}")).into();
    script.extend((1..=FAILURES).map(|number| format!("attempt {number} fail not yet")));
    // Long enough for the run to be paused meanwhile.
    script.extend(["sleep 5s".into(), format!("write out/{STORY}.txt done at last")]);
    let mut prompts = vec![Prompt { id: STORY.into(), after: Vec::new(), script }];
    let behind = |id: String| {
        let script = vec!["sleep 3600s".into(), format!("write out/{id}.txt done by {id}")];
        Prompt { id, after: vec![STORY.into()], script }
    };
    prompts.extend((1..TASKS - RUNNING).map(|number| behind(format!("{RETOLD}{number:04}"))));
    prompts.extend((0..RUNNING).map(|number| behind(format!("running-{number:02}"))));
    sandbox.fill_small(&prompts)?;

    let slots = RUNNING.to_string();
    let mut started = sandbox.command(binary);
    started.args(["run", "prompts", "--agent", "scripted", "--no-review", "--detach", "--json"]);
    let started = shell::output_of(started.args(["--max-parallel", &slots]))?;
    let started: Value = serde_json::from_str(started.trim()).context("run --detach says no run")?;
    let run = started["run"].as_str().context("run --detach names no run")?.to_owned();
    for _ in 0..FAILURES {
        wait_for(binary, sandbox, |status| status["status"] == "finished")?;
        gadugi(binary, sandbox, &["retry", STORY])?;
    }
    gadugi(binary, sandbox, &["pause", &run])?;
    let story_over = |status: &Value| {
        status["status"] == "paused" && task(status, STORY).is_some_and(|task| task["state"] == "succeeded")
    };
    wait_for(binary, sandbox, story_over)?;
    engine_gone(sandbox)?;
    Ok(run)
}

/// Puts the story of the one task into the log for each of the others. Gives the number of events.
fn retell(sandbox: &Sandbox, run: &str) -> Result<u64> {
    let example =
        ["run", "--release", "--locked", "--quiet", "--package", "gadugi-store", "--example", "retell"];
    let mut retell = shell::cargo(example);
    retell.arg("--").arg(sandbox.repository().join(".gadugi/gadugi.db")).args([run, STORY, RETOLD]);
    let count = shell::output(retell)?;
    count.trim().parse().context("the example says no number")
}

/// Takes the run up until all 50 run. Gives the pid of each task's agent.
fn begin_the_others(binary: &Path, sandbox: &Sandbox, run: &str) -> Result<BTreeMap<String, u64>> {
    let mut resumed = sandbox
        .command(binary)
        .args(["resume", run, "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start gadugi resume")?;
    let begun = started(&mut resumed);
    // Only a reader of what happens: the run goes on without it.
    resumed.kill()?;
    resumed.wait()?;
    ensure!(begun? == RUNNING, "not all {RUNNING} began");
    let status = status(binary, sandbox)?;
    let agents = agents(&status)?;
    if agents.len() != RUNNING {
        let other = tasks(&status).iter().find(|task| task["state"] != "running" && task["over"] == false);
        bail!("{} of {RUNNING} agents run; another task: {other:?}", agents.len());
    }
    Ok(agents)
}

fn started(resumed: &mut Child) -> Result<usize> {
    let mut begun = 0;
    for line in BufReader::new(resumed.stdout.take().context("no pipe")?).lines() {
        let event: Value = serde_json::from_str(&line?).context("a line of --json is no JSON")?;
        begun += usize::from(event["type"] == "step-started");
        if begun == RUNNING {
            break;
        }
    }
    Ok(begun)
}

/// The agent of each task that runs, as its shim has written it down.
fn agents(status: &Value) -> Result<BTreeMap<String, u64>> {
    let running = tasks(status).iter().filter(|task| task["state"] == "running");
    running
        .map(|task| {
            let dir = task["attempt_dir"].as_str().context("a running task has no folder")?;
            let path = Path::new(dir).join(format!("{}/started.json", task["steps"]));
            let record: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
            let pid = record["child_pid"].as_u64().context("a shim did not say whom it started")?;
            Ok((task["id"].as_str().unwrap_or_default().to_owned(), pid))
        })
        .collect()
}

/// Whether every agent is known to the engine again. The log holds the pids of their shims; the agents' own are known
/// only to an engine that has found the step and follows it.
fn all_adopted(status: &Value, agents: &BTreeMap<String, u64>) -> bool {
    let known = |(id, pid): (&String, &u64)| {
        task(status, id).is_some_and(|task| task["state"] == "running" && task["pid"].as_u64() == Some(*pid))
    };
    agents.iter().all(known)
}

fn stop(binary: &Path, sandbox: &Sandbox) -> Result<()> {
    if sandbox.repository().join(".gadugi/gadugi.db").exists() {
        gadugi(binary, sandbox, &["cancel", "--all"])?;
        engine_gone(sandbox)?;
    }
    let left = sandbox.processes();
    ensure!(left.is_empty(), "{} processes are left over", left.len());
    Ok(())
}

fn tasks(status: &Value) -> &[Value] {
    status["tasks"].as_array().map_or(&[], Vec::as_slice)
}

fn task<'a>(status: &'a Value, id: &str) -> Option<&'a Value> {
    tasks(status).iter().find(|task| task["id"] == *id)
}

fn gadugi(binary: &Path, sandbox: &Sandbox, arguments: &[&str]) -> Result<String> {
    shell::output_of(sandbox.command(binary).args(arguments))
}

fn status(binary: &Path, sandbox: &Sandbox) -> Result<Value> {
    serde_json::from_str(&gadugi(binary, sandbox, &["status", "--json"])?).context("status --json is no JSON")
}

fn wait_for(binary: &Path, sandbox: &Sandbox, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let status = status(binary, sandbox)?;
        if is_so(&status) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let story = task(&status, STORY);
            bail!("the run is {} and its first task {story:?} after {PATIENCE:?}", status["status"]);
        }
        watch::pause(LOOK_EVERY);
    }
}

/// Waits until no engine lives here.
fn engine_gone(sandbox: &Sandbox) -> Result<()> {
    let began = Instant::now();
    while watch::engine_of(&sandbox.repository()).is_some() {
        ensure!(began.elapsed() < PATIENCE, "the engine did not leave");
        watch::pause(LOOK_EVERY);
    }
    Ok(())
}

fn kill_engine(sandbox: &Sandbox) -> Result<()> {
    let (pid, start) =
        watch::engine_of(&sandbox.repository()).context("no engine lives that could be killed")?;
    watch::kill(pid, start);
    engine_gone(sandbox)
}
