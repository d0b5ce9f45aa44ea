//! The page's server of a measurement, and a scenario of `dashboard/e2e` in Chromium that looks at it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bench::sandbox::Sandbox;
use crate::{names, node, page, tools};

/// `gadugi dashboard`, until it is dropped.
pub(super) struct Dashboard {
    process: Child,
    link: String,
}

impl Dashboard {
    pub(super) fn open(binary: &Path, sandbox: &Sandbox) -> Result<Self> {
        let mut process =
            sandbox.command(binary).arg("dashboard").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("no pipe")?;
        let mut dashboard = Self { process, link: String::new() };
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(at) = line.find("http://") {
                dashboard.link = line[at..].split_whitespace().next().unwrap_or_default().to_owned();
                return Ok(dashboard);
            }
        }
        bail!("gadugi dashboard printed no link");
    }

    /// `127.0.0.1:PORT`
    pub(super) fn address(&self) -> Result<&str> {
        let rest = self.link.strip_prefix("http://").context("the link is none")?;
        rest.split('/').next().context("the link names no address")
    }

    pub(super) fn token(&self) -> Result<&str> {
        Ok(self.link.split_once("token=").context("the link holds no token")?.1)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::INT);
        let _ = self.process.wait();
    }
}

/// Plays it to its end and gives what it was done with; `act` does what it asks for.
pub(super) fn play(
    name: &str,
    dashboard: &Dashboard,
    sandbox: &Sandbox,
    more: &Value,
    mut act: impl FnMut(&str) -> Result<()>,
) -> Result<Value> {
    let mut given = json!({
        "name": name, "link": dashboard.link, "chromium": tools::chromium()?,
        "pictures": names::root().join("target/screenshots"),
    });
    if let (Some(given), Some(more)) = (given.as_object_mut(), more.as_object()) {
        given.extend(more.clone());
    }
    let mut command = node::call("node", &page::sources(), &[&format!("e2e/{name}.mjs")])?;
    command.env("HOME", sandbox.path("home")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().context("cannot start Node.js")?;
    let mut input = process.stdin.take().context("no pipe")?;
    writeln!(input, "{given}")?;
    let mut last = Value::Null;
    for line in BufReader::new(process.stdout.take().context("no pipe")?).lines() {
        last = serde_json::from_str(&line?).context("the scenario's words are no JSON")?;
        if let Some(what) = last["ask"].as_str() {
            act(what)?;
            writeln!(input, "{}", json!({"ok": null}))?;
        }
    }
    drop(input);
    process.wait()?;
    if let Some(words) = last["failed"].as_str() {
        bail!("the scenario {name} failed: {words}\n{:#}", last["pages"]);
    }
    ensure!(!last["done"].is_null(), "the scenario {name} ended without a word");
    Ok(last["done"].clone())
}
