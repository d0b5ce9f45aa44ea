//! A trivial step in a container, from the order to its first line of output, through gadugi's executor (shim, step's folder, lease, way
//! to the gateway and all) and through `docker run` with the same image, user, mounts, limits and hardening. One of each in
//! turn, so that what the machine does besides meets both alike; the value is the ratio of the medians.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, json};

use super::{Measurement, median, rounded};
use crate::{containers, names, shell};

/// Pairs that are measured, and pairs before them that warm both ways up.
const PAIRS: usize = 40;
const WARM: usize = 3;

/// gadugi's over docker's.
const BAR: f64 = 1.15;

pub(super) fn measure() -> Result<Measurement> {
    for package in ["gadugi", "gadugi-testkit"] {
        shell::run(shell::cargo(["build", "--locked", "--package", package]))?;
    }
    let build = ["build", "--release", "--locked", "--package", "gadugi-exec", "--example", "first-output"];
    shell::run(shell::cargo(build))?;
    let engine = containers::Engine::start()?;
    let folder = tempfile::tempdir()?;
    let program = names::target()?.join("release/examples/first-output");
    let mut steps = Steps::start(&program, engine.address(), folder.path())?;
    let (mut gadugi, mut docker) = (Vec::new(), Vec::new());
    for pair in 0..WARM + PAIRS {
        let (step, bare) = (steps.next()?, bare(engine.address(), folder.path())?);
        if pair >= WARM {
            gadugi.push(step);
            docker.push(bare);
        }
    }
    let (gadugi_ms, docker_ms) = (median(&gadugi), median(&docker));
    let value = gadugi_ms / docker_ms;
    let mut more = Map::new();
    more.insert("pairs".into(), json!(PAIRS));
    more.insert("gadugi_ms".into(), json!(rounded(gadugi_ms)));
    more.insert("docker_ms".into(), json!(rounded(docker_ms)));
    Ok(Measurement { bench: "container", value, bar: BAR, holds: value <= BAR, more })
}

/// `docker run`, up to its first byte of output; what comes after is waited for and not counted.
fn bare(address: &str, folder: &Path) -> Result<f64> {
    let mount = |name: &str, target: &str| format!("type=bind,src={}/{name},dst={target}", folder.display());
    let mut command = Command::new("docker");
    command.args(["-H", address, "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"]);
    command.args(["--security-opt=no-new-privileges", "--user=10001:10001", "--workdir=/workspace"]);
    command.args(["--memory=1g", "--memory-swap=1g", "--cpus=2", "--pids-limit=512", "--ulimit=core=0"]);
    for (name, target) in [("work", "/workspace"), ("home", "/gadugi/home"), ("tmp", "/tmp")] {
        command.arg("--mount").arg(mount(name, target));
    }
    command.args([containers::BASE_IMAGE, "sh", "-c", "echo here"]);
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut first = [0];
    let read = child.stdout.take().context("no pipe")?.read(&mut first)?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(read == 1 && child.wait()?.success(), "docker run said nothing");
    Ok(took)
}

/// The program that starts steps as they are asked for.
struct Steps {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Steps {
    fn start(program: &Path, address: &str, folder: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(containers::BASE_IMAGE).arg(folder).env("DOCKER_HOST", address);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut steps = Self { child, input, output };
        ensure!(steps.line()? == "ready", "first-output did not begin");
        Ok(steps)
    }

    fn next(&mut self) -> Result<f64> {
        self.input.as_mut().context("it has no input")?.write_all(b"\n")?;
        Ok(self.line()?.parse()?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "first-output ended");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
