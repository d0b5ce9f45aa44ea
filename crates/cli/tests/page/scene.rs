//! A stage on which real Claude Code works, whose agents wait where they are told to, and which serves its page.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::channel;

use gadugi_testkit::claude;
use gadugi_testkit::model_api::ModelApi;
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, signal};

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    _api: ModelApi,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let api = ModelApi::start().unwrap();
        let mut stage = Stage::new();
        let program = claude::program().unwrap_or_else(|missing| panic!("{missing}"));
        let gadugi = Path::new(env!("CARGO_BIN_EXE_gadugi"));
        let folders = [&program, gadugi].map(|program| program.parent().unwrap().display().to_string());
        let path = format!("{}:{}", folders.join(":"), std::env::var("PATH").unwrap());
        stage.variables.push(("PATH".into(), path));
        stage.variables.extend(claude::environment(&api.base_url(), &stage.home));
        Self { stage, _api: api }
    }

    /// A prompt whose model plays these turns.
    pub(crate) fn prompt(&self, name: &str, title: &str, front: &str, turns: &[Value]) {
        let front = if front.is_empty() { String::new() } else { format!("---\n{front}\n---\n") };
        let turns: Vec<String> = turns.iter().map(Value::to_string).collect();
        let text = format!("{front}# {title}\n\n```model\n{}\n```\n", turns.join("\n"));
        self.stage.write(&format!("prompts/{name}.md"), &text);
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.stage.home.join(format!("gate-{name}"))
    }

    /// A turn in which the agent waits until the gate is opened.
    pub(crate) fn waits_at(&self, name: &str) -> Value {
        let gate = self.gate(name);
        bash(&format!("while [ ! -e {} ]; do sleep 0.05; done; echo the gate {name} is open", gate.display()))
    }

    pub(crate) fn open_gate(&self, name: &str) {
        std::fs::write(self.gate(name), "").unwrap();
    }

    /// Numbers of every event of the latest run, as `gadugi export` has them.
    pub(crate) fn events(&self) -> Vec<u64> {
        let exported = self.stage.gadugi(&["export", "--output", "-"]);
        let exported: Value = serde_json::from_str(&exported.ends_with(0).stdout).unwrap();
        let events = exported["events"].as_array().unwrap_or_else(|| panic!("no events: {exported}"));
        events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    }
}

pub(crate) fn bash(command: &str) -> Value {
    json!({"tool": "Bash", "input": {"command": command, "description": "as told"}})
}

pub(crate) fn write(path: &str, text: &str) -> Value {
    json!({"tool": "Write", "input": {"file_path": format!("$CWD/{path}"), "content": text}})
}

pub(crate) fn says(text: &str) -> Value {
    json!({"text": text})
}

/// A program that printed the page's link and holds it open.
pub(crate) struct Dashboard {
    process: Child,
    pub(crate) link: String,
}

impl Dashboard {
    /// `gadugi dashboard`.
    pub(crate) fn open(stage: &Stage) -> Self {
        Self::of(stage.spawn(&["dashboard"]))
    }

    /// Whatever prints the link, on whichever of its outputs.
    pub(crate) fn of(mut process: Child) -> Self {
        let (to, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
        for output in outputs {
            let to = to.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Read on where nobody listens: who writes must not wait.
                    let _ = to.send(line);
                }
            });
        }
        let mut said = Vec::new();
        let link = loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no link: {said:#?}"));
            // Beside events as JSON, the link may stand in a string.
            if let Some(at) = line.find("http://").filter(|_| line.contains("/?token=")) {
                let ends = |c: char| c.is_whitespace() || c == '"';
                break line[at..].split(ends).next().unwrap_or_default().to_owned();
            }
            said.push(line);
        };
        Self { process, link }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self.link.strip_prefix("http://").unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            signal(i32::try_from(self.process.id()).unwrap(), "INT");
        }
        let _ = self.process.wait();
    }
}
