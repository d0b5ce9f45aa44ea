//! A scenario of `dashboard/e2e` in real Chromium. It runs in Node.js and talks by JSON lines: it asks for what only the test can
//! do (kill the engine, cut the network, let an agent go on), the test does it and answers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use gadugi_testkit::programs::{self, workspace_root};
use serde_json::{Value, json};

use crate::stage::PATIENCE;

/// Where pictures of the page go.
pub(crate) fn pictures() -> PathBuf {
    workspace_root().join("target/screenshots")
}

/// A scenario that plays.
pub(crate) struct Scenario {
    name: &'static str,
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    words: Receiver<String>,
}

impl Scenario {
    /// Starts `dashboard/e2e/<name>.mjs` with the link and whatever else it is given.
    pub(crate) fn start(name: &'static str, home: &Path, link: &str, more: &Value) -> Self {
        let program =
            |program: programs::Program| program.path().unwrap_or_else(|missing| panic!("{missing}"));
        let mut given = json!({
            "name": name, "link": link, "chromium": program(programs::CHROMIUM), "pictures": pictures(),
        });
        given.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let mut command = Command::new(program(programs::NODE));
        command.arg(workspace_root().join(format!("dashboard/e2e/{name}.mjs")));
        // Chromium keeps things in its user's home.
        command.env("HOME", home).env_remove("NODE_OPTIONS").env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (lines, words) = (follow(process.stdout.take()), follow(process.stderr.take()));
        let mut scenario = Self { name, input: process.stdin.take(), process, lines, words };
        scenario.answer(&given);
        scenario
    }

    /// Does what it asks for until it is done; what it was done with.
    pub(crate) fn play(mut self, mut act: impl FnMut(&str, &Value) -> Value) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("{}", self.complaint("it is silent"))
            };
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if let Some(what) = said["ask"].as_str() {
                let ok = act(what, &said);
                self.answer(&json!({ "ok": ok }));
                continue;
            }
            drop(self.input.take());
            if let Some(words) = said["failed"].as_str() {
                let pages = said["pages"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let pages = pages.collect::<Vec<_>>().join("\n---\n");
                panic!(
                    "{}\n\nwhat was amiss: {:#}\n\nwhat the tabs showed:\n{pages}",
                    self.complaint(words),
                    said["amiss"]
                );
            }
            self.process.wait().unwrap();
            return said["done"].clone();
        }
    }

    fn answer(&mut self, value: &Value) {
        // One that is gone says so on its way out.
        let _ = writeln!(self.input.as_mut().unwrap(), "{value}");
    }

    fn complaint(&mut self, words: &str) -> String {
        drop(self.input.take());
        let _ = self.process.wait();
        let said: Vec<String> = self.words.iter().collect();
        format!("{}: {words}\n{}", self.name, said.join("\n"))
    }
}

impl Drop for Scenario {
    /// Without its input it closes its browser and ends.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

fn follow(stream: Option<impl std::io::Read + Send + 'static>) -> Receiver<String> {
    let (to, from) = channel();
    let lines = BufReader::new(stream.unwrap()).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
    from
}
