//! A stage whose tasks run in containers.

use std::cell::RefCell;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gadugi_testkit::docker::{self, AGENT_IMAGE};
use gadugi_testkit::model_api::ModelApi;
use serde_json::{Value, json};

use crate::stage::{Ran, Stage, until};

/// A stage, and the engine that its containers are on.
pub(crate) struct Scene {
    stage: Stage,
    // After the stage, whose engine stops what runs.
    sweep: Sweep,
}

/// Removes what a failed test leaves behind.
struct Sweep {
    engine: String,
    instance: RefCell<Option<String>>,
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl Scene {
    /// On the engine of the tests, with the agent image. `more` stands behind in `gadugi.toml`.
    pub(crate) fn new(more: &str) -> Self {
        Self::on(&docker::socket(), AGENT_IMAGE, more)
    }

    /// On that engine, with that image.
    pub(crate) fn on(engine: &str, image: &str, more: &str) -> Self {
        let mut stage = Stage::new();
        stage.variables.push(("DOCKER_HOST".into(), engine.into()));
        stage.variables.push(("GADUGI_EXECUTOR".into(), "docker".into()));
        stage.write("gadugi.toml", &format!("[container]\nimage = \"{image}\"\n{more}"));
        stage.commit("how it is run");
        Self { stage, sweep: Sweep { engine: engine.into(), instance: RefCell::default() } }
    }

    /// Claude Code in the containers talks to that server, by way of the gateway.
    pub(crate) fn ask(&mut self, api: &ModelApi) {
        self.stage.variables.extend([
            ("ANTHROPIC_BASE_URL".into(), api.base_url()),
            ("ANTHROPIC_API_KEY".into(), KEY.into()),
        ]);
    }

    /// The real credential, which nothing inside may ever see.
    pub(crate) fn model_prompt(&self, name: &str, front: &str, turns: &[Value]) {
        let front = if front.is_empty() { String::new() } else { format!("---\n{front}\n---\n") };
        let turns: Vec<String> = turns.iter().map(Value::to_string).collect();
        let text = format!("{front}# The task {name}\n\n```model\n{}\n```\n", turns.join("\n"));
        self.write(&format!("prompts/{name}.md"), &text);
    }

    /// `docker ARGS` towards this scene's engine.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        said(&docker_at(&self.sweep.engine).args(args).output().unwrap(), args)
    }

    /// What marks all containers of this repository.
    pub(crate) fn instance(&self) -> Option<String> {
        let text = fs::read_to_string(self.root.join(".gadugi/instance")).ok()?;
        Some(text.split_whitespace().next()?.to_owned())
    }

    /// Ids of the containers of this repository that are there, running or not; of one task, where it is named.
    pub(crate) fn containers(&self, task: Option<&str>) -> Vec<String> {
        let Some(instance) = self.instance() else { return Vec::new() };
        let mine = format!("label=gadugi.instance={instance}");
        let of_task = task.map(|task| format!("label=gadugi.task={task}"));
        let mut args = vec!["ps", "--all", "--quiet", "--no-trunc", "--filter", &mine];
        args.extend(of_task.iter().flat_map(|filter| ["--filter", filter.as_str()]));
        self.docker(&args).lines().map(str::to_owned).collect()
    }

    /// The one container in which that task's step runs.
    pub(crate) fn container(&self, task: &str) -> String {
        let found = self.containers(Some(task));
        assert_eq!(found.len(), 1, "{task}: {found:?}");
        found[0].clone()
    }

    /// The latest run's folder.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.run_dir_if_any().unwrap()
    }

    fn run_dir_if_any(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.root.join(".gadugi/runs")).ok()?.flatten();
        runs.map(|entry| entry.path()).max()
    }

    /// The first attempt's `/tmp`, as it is outside: where a test leaves a sign for who waits inside, and finds one.
    pub(crate) fn tmp(&self, task: &str) -> PathBuf {
        self.run_dir().join(task).join("1/tmp")
    }

    /// Waits for a sign of a task's, which is in its `/tmp`.
    pub(crate) fn await_sign(&self, task: &str, name: &str) {
        until(&format!("{task} says {name}"), || {
            self.run_dir_if_any().is_some() && self.tmp(task).join(name).exists()
        });
    }

    /// Leaves it one.
    pub(crate) fn give_sign(&self, task: &str, name: &str) {
        fs::write(self.tmp(task).join(name), "").unwrap();
    }

    /// Whose environment says that they belong to this repository's runs, in a container or not.
    fn processes(&self) -> Vec<String> {
        let Ok(runs) = fs::read_dir(self.root.join(".gadugi/runs")) else { return Vec::new() };
        let marks = runs.flatten().map(|run| format!("GADUGI_RUN_ID={}\0", run.file_name().display()));
        let marks: Vec<String> = marks.collect();
        let of_run = |process: &PathBuf| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            marks.iter().any(|mark| environment.contains(mark.as_str()))
        };
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        all.filter(of_run).map(|path| path.display().to_string()).collect()
    }

    /// Nothing is left of a run that is over: no container, no process, no half-written file, and no workspace but `kept`
    /// of them.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self, kept: usize) {
        assert_eq!(self.left_over(), Vec::<String>::new());
        until("containers are gone", || self.containers(None).is_empty());
        assert_eq!(self.processes(), Vec::<String>::new());
        let folders = fs::read_dir(self.root.join(".worktrees")).into_iter().flatten().flatten();
        let folders = folders.map(|run| run.path()).filter(|run| run.is_dir());
        let workspaces = folders.flat_map(|run| fs::read_dir(run).unwrap().flatten());
        let workspaces = workspaces.map(|entry| entry.path()).filter(|path| path.is_dir());
        let workspaces: Vec<PathBuf> = workspaces.collect();
        assert_eq!(workspaces.len(), kept, "{workspaces:?}");
    }

    /// Steps of a task's attempt that there were, by their folders: exports leave none.
    pub(crate) fn steps(&self, task: &str, attempt: u32) -> Vec<PathBuf> {
        let dir = self.run_dir().join(task).join(attempt.to_string());
        let entries = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
        let mut steps: Vec<PathBuf> = entries.filter(|path| path.join("spec.json").exists()).collect();
        steps.sort();
        steps
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The folder that says so goes before the sweep comes.
        self.sweep.instance.replace(self.instance());
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        let filter = format!("label=gadugi.instance={instance}");
        let listed = docker_at(&self.engine).args(["ps", "-aq", "--filter", &filter]).output();
        let Ok(listed) = listed else { return };
        let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
        if !ids.trim().is_empty() {
            let _ = docker_at(&self.engine).args(["rm", "--force"]).args(ids.split_whitespace()).output();
        }
    }
}

/// The key that leaves the gateway, and that nothing inside may ever see.
pub(crate) const KEY: &str = "sk-test-local";

/// `docker`, with nobody's configuration.
pub(crate) fn docker_at(engine: &str) -> Command {
    let mut docker = Command::new("docker");
    docker.args(["--host", engine]).env("DOCKER_CONFIG", "/nonexistent").env_remove("DOCKER_HOST");
    docker
}

#[track_caller]
pub(crate) fn said(output: &Output, what: &[&str]) -> String {
    assert!(output.status.success(), "{what:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub(crate) fn bash(command: &str) -> Value {
    json!({"tool": "Bash", "input": {"command": command, "description": "as told"}})
}

pub(crate) fn says(text: &str) -> Value {
    json!({"text": text})
}

/// The lines that a command said on stderr, without empty ones.
pub(crate) fn complaint(ran: &Ran) -> Vec<String> {
    ran.stderr.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// A JSON file, as far as it is there and whole.
pub(crate) fn json_file(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
