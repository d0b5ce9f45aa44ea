//! Where attackers meet: a repository with secrets, a neighbour, a victim outside of both, and an engine.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use gadugi_testkit::docker::{self, AGENT_IMAGE};
use serde_json::{Value, json};

use crate::stage::{Ran, Stage, until, users_own};

/// What attackers do.
const KIT: &str = include_str!("kit.py");
/// What the shim's own suite tries on it.
const REACH: &str = include_str!("../../../exec/tests/hostile/reach.pl");

/// Texts that are the user's alone: on another branch, in a stash, in a file that git ignores, in another repository.
pub(crate) const SECRETS: [&str; 4] =
    ["secret-of-a-branch-91c3", "secret-of-a-stash-77ab", "secret-of-a-file-05de", "secret-of-another-4f1e"];

pub(crate) struct Arena {
    stage: Stage,
    // After the stage, whose engine stops what runs.
    _sweep: Sweep,
    /// What attackers are told.
    pub(crate) world: Value,
    /// The user's own things, as they were before the first attack.
    before: BTreeMap<String, Vec<u8>>,
}

/// Removes the containers that a failed test leaves behind.
struct Sweep {
    instance: PathBuf,
    known: std::cell::RefCell<Option<String>>,
}

impl Deref for Arena {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl Arena {
    /// With this behind the image in `gadugi.toml`, and that beside what attackers are told anyway.
    pub(crate) fn new(more: &str, known: &Value) -> Self {
        let mut stage = Stage::new();
        stage.variables.push(("DOCKER_HOST".into(), docker::socket()));
        stage.variables.push(("GADUGI_EXECUTOR".into(), "docker".into()));
        stage.write("gadugi.toml", &format!("[container]\nimage = \"{AGENT_IMAGE}\"\n{more}"));
        stage.write(".gitignore", "private.txt\n__pycache__/\n");
        stage.write("config/app.txt", "the repository's\n");
        stage.write("attack/kit.py", KIT);
        stage.write("attack/reach.pl", REACH);
        stage.commit("how it is run");
        let mut world = outside(&stage);
        world.as_object_mut().unwrap().extend(secrets(&stage).as_object().unwrap().clone());
        world.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
        stage.write("attack/world.json", &world.to_string());
        stage.commit("what attackers know");
        let sweep = Sweep { instance: stage.root.join(".gadugi/instance"), known: None.into() };
        Self { stage, _sweep: sweep, world, before: BTreeMap::new() }
    }

    /// A task for each attack by its name in `kit.py`; a name may carry arguments.
    pub(crate) fn attackers(&self, attacks: &[&str]) {
        for attack in attacks {
            let name = attack.split(' ').next().unwrap();
            self.prompt(&name.replace('_', "-"), "", &format!("run python3 attack/kit.py {attack}"));
        }
    }

    /// The battle: a run of all prompts.
    pub(crate) fn battle(&mut self, more: &[&str]) -> Ran {
        self.begin();
        self.run(&[&["--verify", "", "--max-parallel", "5"], more].concat())
    }

    /// Remembers what is the user's own.
    pub(crate) fn begin(&mut self) {
        self.commit("prompts");
        self.before = users_own(&self.stage);
    }

    /// Nothing happened outside: nobody left a witness, the victim and the other repository are as they were, and so is all
    /// that is the user's; no container is left.
    #[track_caller]
    pub(crate) fn nothing_happened(&self) {
        crate::stage::untouched(&self.stage, &self.before);
        self.nothing_outside();
        self.no_containers();
    }

    #[track_caller]
    pub(crate) fn nothing_outside(&self) {
        assert_eq!(self.witness(), "", "something of an agent's ran on the host");
        let victim = self.path("victim");
        let names: Vec<_> = fs::read_dir(&victim)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, ["app.txt"]);
        assert_eq!(fs::read_to_string(victim.join("app.txt")).unwrap(), "the host's own\n");
    }

    #[track_caller]
    pub(crate) fn no_containers(&self) {
        until("its containers are gone", || containers(&self.root.join(".gadugi/instance")).is_empty());
    }

    /// What ran on the host and should not have.
    pub(crate) fn witness(&self) -> String {
        fs::read_to_string(self.world["witness"].as_str().unwrap()).unwrap_or_default()
    }

    /// The trap in that workspace works: git, called on the host as nobody does it, is caught in it.
    #[track_caller]
    pub(crate) fn catches(&self, task: &str, args: &[&str]) {
        self.git_in(&self.workspace(task), args);
        let said = self.witness();
        assert!(said.contains(task), "a trap that catches nobody: {task}: {said:?}");
        fs::remove_file(self.world["witness"].as_str().unwrap()).unwrap();
    }

    /// Git, in a repository that an agent wrote. Whether it succeeded, and what it said.
    pub(crate) fn git_in(&self, folder: &Path, args: &[&str]) -> (bool, String) {
        let mut git = Command::new("git");
        git.args(["-c", "safe.directory=*"]).args(args).current_dir(folder);
        let output = git.env_clear().envs(self.environment()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The workspace of a task, as the host sees it.
    pub(crate) fn workspace(&self, task: &str) -> PathBuf {
        PathBuf::from(self.task(task)["workspace"].as_str().unwrap())
    }

    /// A folder of the test's own outside the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.parent().unwrap().join("outside").join(name)
    }

    /// The latest run's folder of a task's first attempt.
    pub(crate) fn attempt_dir(&self, task: &str) -> PathBuf {
        let runs = fs::read_dir(self.root.join(".gadugi/runs")).unwrap().flatten();
        runs.map(|entry| entry.path()).max().unwrap().join(task).join("1")
    }

    /// Whether the user's repository has an object.
    pub(crate) fn has_object(&self, id: &str) -> bool {
        self.git_in(&self.root, &["cat-file", "-e", id]).0
    }

    /// Whether it has a file of that text anywhere, reachable or not.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        let file = self.path("probe");
        fs::write(&file, text).unwrap();
        let id = self.git(&["hash-object", file.to_str().unwrap()]);
        fs::remove_file(file).unwrap();
        self.has_object(&id)
    }

    /// What an attack found out, as it came home.
    #[track_caller]
    pub(crate) fn found(&self, ran: &Ran, attack: &str) -> String {
        self.blob(ran.report()["branch"].as_str().unwrap(), &format!("found/{attack}.txt"))
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(instance) = self.known.take() {
            remove(&instance);
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // The folder that says so goes before the sweep comes.
        self._sweep.known.replace(fs::read_to_string(&self._sweep.instance).ok());
    }
}

fn docker(args: &[&str]) -> String {
    let engine = docker::socket();
    let mut docker = Command::new("docker");
    docker.args(["--host", &engine]).args(args).env("DOCKER_CONFIG", "/nonexistent");
    String::from_utf8_lossy(&docker.output().unwrap().stdout).into_owned()
}

/// Containers of this repository that are there, running or not.
fn containers(instance: &Path) -> Vec<String> {
    let instance = fs::read_to_string(instance).unwrap();
    let filter = format!("label=gadugi.instance={}", instance.split_whitespace().next().unwrap_or_default());
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines().map(str::to_owned).collect()
}

fn remove(instance: &str) {
    let filter = format!("label=gadugi.instance={}", instance.split_whitespace().next().unwrap_or_default());
    let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    if !ids.trim().is_empty() {
        docker(&[&["rm", "--force"], ids.split_whitespace().collect::<Vec<_>>().as_slice()].concat());
    }
}

/// The victim, and a repository that is nobody's business.
fn outside(stage: &Stage) -> Value {
    let outside = stage.root.parent().unwrap().join("outside");
    fs::create_dir_all(outside.join("victim")).unwrap();
    fs::write(outside.join("victim/app.txt"), "the host's own\n").unwrap();
    let other = outside.join("other");
    let at = other.to_str().unwrap();
    stage.git(&["init", "-q", "-b", "main", at]);
    fs::write(other.join("other.txt"), format!("{}\n", SECRETS[3])).unwrap();
    stage.git(&["-C", at, "add", "-A"]);
    stage.git(&["-C", at, "commit", "-q", "-m", "another's"]);
    json!({
        "user": stage.root,
        "other": other,
        "other_commit": stage.git(&["-C", at, "rev-parse", "HEAD"]),
        "victim": outside.join("victim"),
        "witness": outside.join("witness"),
        "docker": docker::socket().trim_start_matches("unix://"),
        "mark": format!("gadugi-attack-{}", std::process::id()),
    })
}

/// A branch, a stash and a file of the user's that are no task's business.
fn secrets(stage: &Stage) -> Value {
    stage.git(&["switch", "-q", "-c", "secret"]);
    stage.write("secret.txt", &format!("{}\n", SECRETS[0]));
    stage.commit("a secret");
    let commit = stage.git(&["rev-parse", "HEAD"]);
    let blob = stage.git(&["rev-parse", "HEAD:secret.txt"]);
    stage.git(&["tag", "secret-tag"]);
    stage.git(&["switch", "-q", "main"]);
    stage.write("README.md", &format!("{}\n", SECRETS[1]));
    stage.git(&["stash"]);
    stage.write("private.txt", &format!("{}\n", SECRETS[2]));
    symlink("private.txt", stage.root.join("link-to-private.txt")).unwrap();
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    json!({
        "secret_commits": [commit, stage.git(&["rev-parse", "refs/stash"])],
        "secret_blob": blob,
        "secret_texts": SECRETS.map(backwards),
        "refs": [
            "refs/heads/main", "refs/heads/secret", "refs/heads/innocent", "refs/tags/v1", "refs/remotes/origin/main",
            "refs/gadugi/salvage/refs/1", "refs/gadugi/held/x", "refs/notes/commits", "refs/replace/x", "refs/heads/gadugi/x",
            "refs/heads/feature/parallel-hooks-x",
        ],
    })
}
