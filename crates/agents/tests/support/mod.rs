//! A repository, a home and a real Claude Code for one test.
#![expect(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gadugi_agents::{
    AgentEvent, AgentKind, AgentLaunch, Delegation, LaunchOptions, StreamReader, TaskBrief, Whose,
};
use gadugi_core::{
    AgentEnd, AgentSettings, CommitId, RunId, SessionId, SessionMode, StepExit, TaskId, Timestamp,
};
use gadugi_testkit::claude;
use gadugi_testkit::model_api::ModelApi;
use tempfile::TempDir;

pub(crate) const SESSION: &str = "5e55105e-0000-4000-8000-000000000001";

/// 2026-11-21 09:00:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_795_251_600_000);

pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) api: ModelApi,
    program: PathBuf,
}

/// What one process came to.
pub(crate) struct Played {
    pub(crate) output: Output,
    pub(crate) events: Vec<AgentEvent>,
    pub(crate) end: AgentEnd,
}

impl Stage {
    /// Fails where there is no Claude Code.
    pub(crate) fn new() -> Self {
        let program = claude::program().unwrap_or_else(|missing| panic!("{missing}"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["repo", "home"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let stage = Self { folder, api: ModelApi::start().expect("a port"), program };
        fs::write(stage.repo().join("README.md"), "# Sample\n").expect("a file");
        for args in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "begin"]] {
            stage.git(args);
        }
        stage
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder is there").join("repo")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.repo())
            .envs(git_env())
            .output()
            .expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn brief(&self, prompt: &str) -> TaskBrief {
        TaskBrief {
            run: RunId::new("orchestration-20261121-090000-beef"),
            task: TaskId::new("greeting"),
            title: "A greeting".into(),
            attempt: 1,
            branch: "main".into(),
            base: CommitId::new("0".repeat(40)),
            workspace: self.repo().to_string_lossy().into_owned(),
            siblings: vec![],
            depends_on: vec![],
            verify: None,
            prompt: prompt.into(),
            note: None,
            resumed: false,
            question: None,
        }
    }

    /// The launch of a prompt with the built-in definition; `change` may turn the options' knobs.
    pub(crate) fn launch(&self, prompt: &str, change: impl FnOnce(&mut LaunchOptions<'_>)) -> AgentLaunch {
        self.launch_as(prompt, Whose::BuiltIn, change)
    }

    pub(crate) fn launch_as(
        &self,
        prompt: &str,
        definition: Whose,
        change: impl FnOnce(&mut LaunchOptions<'_>),
    ) -> AgentLaunch {
        let settings = AgentSettings {
            command: Some(self.program.to_string_lossy().into_owned()),
            ..AgentSettings::default()
        };
        let session = SessionId::new(SESSION);
        let mut options = LaunchOptions {
            kind: AgentKind::Claude,
            settings: &settings,
            session: &session,
            mode: SessionMode::Fresh,
            model: None,
            max_turns: 50,
            budget_microusd: None,
            uv: false,
            // Harmless for others, and this test does not know who runs it.
            as_root: true,
            gated: false,
            own_program: Path::new("/nonexistent"),
        };
        change(&mut options);
        let brief = TaskBrief { resumed: options.mode == SessionMode::Resume, ..self.brief(prompt) };
        Delegation::new(&brief, definition).launch(&options).expect("a delegation")
    }

    /// Runs a launch to its end and reads what it wrote.
    pub(crate) fn play(&self, launch: &AgentLaunch) -> Played {
        self.play_with(launch, &BTreeMap::new())
    }

    pub(crate) fn play_with(&self, launch: &AgentLaunch, env: &BTreeMap<String, String>) -> Played {
        let mut command = Command::new(launch.program());
        command.args(launch.args()).env_clear().envs(git_env()).envs(env);
        for name in launch.env_removed() {
            command.env_remove(name);
        }
        command.envs(claude::environment(&self.api.base_url(), &self.home())).envs(launch.env());
        let output = run(command.current_dir(self.repo()), launch.stdin());
        read(output)
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

pub(crate) fn run(command: &mut Command, stdin: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    let text = stdin.to_owned();
    // Beside the reading of the output, so that neither waits for the other. One that does not read its stdin is fine.
    let writer = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    output
}

pub(crate) fn read(output: Output) -> Played {
    let mut reader = StreamReader::new(AgentKind::Claude);
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let events = lines.flat_map(|line| reader.line(line)).collect();
    let exit = match output.status.code() {
        Some(code) => StepExit::Code(code),
        None => StepExit::Signal(std::os::unix::process::ExitStatusExt::signal(&output.status).unwrap_or(0)),
    };
    let end = reader.finish(&exit, false, &String::from_utf8_lossy(&output.stderr), NOW);
    Played { output, events, end }
}

/// An identity, and nobody's configuration.
pub(crate) fn git_env() -> Vec<(String, String)> {
    let path = gadugi_sys::env::get(gadugi_sys::env::PATH).expect("PATH");
    [
        ("PATH", path.as_str()),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", "Test"),
        ("GIT_AUTHOR_EMAIL", "test@example.com"),
        ("GIT_COMMITTER_NAME", "Test"),
        ("GIT_COMMITTER_EMAIL", "test@example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
