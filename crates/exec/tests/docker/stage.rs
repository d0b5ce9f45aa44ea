//! Steps in containers of a real engine, in folders of the test's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use gadugi_core::Millis;
use gadugi_exec::docker::AgentUser;
use gadugi_exec::{ContainerOrder, DockerExecutor, Ended, Limits, Mount, StepOrder};
use gadugi_testkit::docker;

use crate::common::{patiently, text, to_end};

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// What steps are run in, and what they leave.
pub(crate) struct Stage {
    pub(crate) root: tempfile::TempDir,
    pub(crate) executor: DockerExecutor,
    pub(crate) user: AgentUser,
    /// Of this stage alone.
    pub(crate) instance: String,
    pub(crate) host: String,
}

impl Stage {
    /// With the engine of all tests.
    pub(crate) async fn new() -> Self {
        Self::at(docker::socket()).await
    }

    pub(crate) async fn at(host: String) -> Self {
        let root = tempfile::tempdir().unwrap();
        let executor = connect(&host, root.path()).await;
        let user = executor.user_for((0, 0));
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let instance = format!("test-{}-{number}", std::process::id());
        let stage = Self { root, executor, user, instance, host };
        for name in ["work", "home", "tmp"] {
            stage.folder(name);
        }
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A folder of the agent's.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        if let Some((user, group)) = self.user.outside {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
        path
    }

    pub(crate) fn order(&self, argv: &[&str]) -> StepOrder {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let dir = self.path(&format!("runs/run/task/{number}/1"));
        let mount = |source: &str, target: &str| Mount {
            source: self.path(source),
            target: target.into(),
            read_only: false,
        };
        let labels = [("gadugi.instance", self.instance.clone()), ("gadugi.attempt", number.to_string())];
        let labels: BTreeMap<_, _> =
            labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let container = ContainerOrder {
            image: docker::BASE_IMAGE.into(),
            name: format!("gadugi-{}-{number}", self.instance),
            labels,
            user: self.user.inside,
            mounts: vec![mount("work", "/workspace"), mount("home", "/gadugi/home"), mount("tmp", "/tmp")],
            overlays: Vec::new(),
            gate: dir.join("gate"),
            memory_bytes: Some(512 << 20),
            cpus_permille: Some(2000),
            pids: Some(200),
        };
        StepOrder {
            dir,
            argv: argv.iter().map(OsString::from).collect(),
            env: vec![("HOME".into(), "/gadugi/home".into()), ("GREETING".into(), "good day = 1".into())],
            cwd: "/workspace".into(),
            stdin: None,
            attempt: format!("{}/task/{number}", self.root.path().display()),
            grace: Millis::seconds(20),
            lease: Millis::seconds(600),
            limits: Limits::default(),
            relay: None,
            container: Some(container),
        }
    }

    pub(crate) fn script(&self, script: &str) -> StepOrder {
        self.order(&["/bin/sh", "-c", script])
    }

    pub(crate) async fn run(&self, order: &StepOrder) -> (Vec<String>, Ended) {
        let mut follower = patiently(self.executor.launch(order)).await.unwrap();
        let (lines, ended) = to_end(&mut follower).await;
        (lines.into_iter().map(text).collect(), ended)
    }

    pub(crate) async fn run_script(&self, script: &str) -> (Vec<String>, Ended) {
        self.run(&self.script(script)).await
    }

    /// `docker` with this stage's engine: what it printed.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker").arg("-H").arg(&self.host).args(arguments).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "docker {arguments:?}: {error}");
        out.trim().to_owned()
    }

    /// Containers of this stage, by name.
    pub(crate) fn containers(&self) -> Vec<String> {
        let filter = format!("label=gadugi.instance={}", self.instance);
        let names = self.docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// A container is removed behind its end.
    pub(crate) async fn until_removed(&self) {
        patiently(async {
            while !self.containers().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Another executor, as a new engine has it.
    pub(crate) async fn another(&self) -> DockerExecutor {
        connect(&self.host, self.root.path()).await
    }
}

async fn connect(host: &str, root: &Path) -> DockerExecutor {
    let environment = [("DOCKER_HOST".into(), host.into())];
    patiently(DockerExecutor::connect(&environment, &root.join("state"))).await.unwrap()
}

impl Drop for Stage {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let filter = format!("label=gadugi.instance={}", self.instance);
        let mut docker = Command::new("docker");
        let listed =
            docker.arg("-H").arg(&self.host).args(["ps", "-aq", "--filter", &filter]).output().unwrap();
        for id in String::from_utf8_lossy(&listed.stdout).lines() {
            let removal = Command::new("docker").arg("-H").arg(&self.host).args(["rm", "-fv", id]).output();
            drop(removal);
        }
    }
}
