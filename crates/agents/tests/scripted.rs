//! The scripted agent as a process, started by a delegation and read by the same reader as Claude Code.

#![expect(clippy::unwrap_used, reason = "all of it is test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gadugi_agents::{AgentEvent, AgentKind, Delegation, LaunchOptions, StreamReader, TaskBrief, Whose};
use gadugi_core::{
    AgentEnd, AgentSettings, CommitId, EndClass, RunId, SessionId, SessionMode, StepExit, TaskId, Timestamp,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

struct Stage {
    folder: TempDir,
    attempt: u32,
    mode: SessionMode,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, attempt: 1, mode: SessionMode::Fresh }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn start(&self, prompt: &str) -> Child {
        let brief = TaskBrief {
            run: RunId::new("r"),
            task: TaskId::new("greeting"),
            title: "A greeting".into(),
            attempt: self.attempt,
            branch: "b".into(),
            base: CommitId::new("0".repeat(40)),
            workspace: self.folder.path().to_string_lossy().into_owned(),
            siblings: vec![],
            depends_on: vec![],
            verify: None,
            prompt: prompt.into(),
            note: None,
            resumed: self.mode == SessionMode::Resume,
            question: None,
        };
        let launch = Delegation::new(&brief, Whose::BuiltIn)
            .launch(&LaunchOptions {
                kind: AgentKind::Scripted,
                settings: &AgentSettings::default(),
                session: &SessionId::new("5e55105e-0000-4000-8000-000000000001"),
                mode: self.mode,
                model: None,
                max_turns: 50,
                budget_microusd: None,
                uv: false,
                as_root: false,
                gated: false,
                own_program: Path::new(env!("CARGO_BIN_EXE_gadugi-scripted-agent")),
            })
            .unwrap();
        let mut child = Command::new(launch.program())
            .args(launch.args())
            .envs(launch.env())
            .env_remove("GIT_DIR")
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .env("HOME", self.folder.path())
            .env("ORCHESTRATOR_TASK_ID", "greeting")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(launch.stdin().as_bytes()).unwrap();
        child
    }

    fn play(&self, script: &str) -> (Vec<AgentEvent>, AgentEnd) {
        finish(self.start(&format!("# T\n\n```script\n{script}\n```\n")))
    }
}

fn finish(child: Child) -> (Vec<AgentEvent>, AgentEnd) {
    let output = child.wait_with_output().unwrap();
    let mut reader = StreamReader::new(AgentKind::Scripted);
    let events = output.stdout.split(|byte| *byte == b'\n').flat_map(|line| reader.line(line)).collect();
    let exit = match output.status.code() {
        Some(code) => StepExit::Code(code),
        None => StepExit::Signal(output.status.signal().unwrap()),
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (events, reader.finish(&exit, false, &stderr, Timestamp(0)))
}

#[test]
fn a_script_is_done_and_reported() {
    let stage = Stage::new();
    let (events, end) = stage.play(
        "phase 4\nsay planned\nphase 5\nwrite a/b.txt <<EOF\none\ntwo\nEOF\nappend a/b.txt three\nwrite c x\ndelete c\n\
         run echo hi > d.txt\nrun false\nusage 1200 300 0.25\nsay finished",
    );
    assert_eq!((end.class, end.detail.as_str()), (EndClass::Done, "finished"));
    assert_eq!(stage.read("a/b.txt"), "one\ntwo\nthree\n");
    assert_eq!(stage.read("d.txt"), "hi\n");
    assert!(!stage.path("c").exists());
    assert_eq!(end.claimed_phases, [4, 5]);
    let usage = (end.usage.input_tokens, end.usage.output_tokens, end.usage.cost_microusd);
    assert_eq!(usage, (1200, 300, 250_000));
    let failures = events.iter().filter(|event| **event == AgentEvent::ToolResult { is_error: true }).count();
    assert_eq!(failures, 1, "`run false` alone: {events:?}");
    assert!(!events.contains(&AgentEvent::Unknown), "{events:?}");
}

#[test]
fn a_commit_is_a_real_one_and_does_no_harm_when_repeated() {
    let stage = Stage::new();
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(stage.folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    let (events, end) = stage.play("write a.txt x\ncommit a: \"begin\" it's $HOME\ncommit again");
    assert_eq!(end.class, EndClass::Done);
    assert!(!events.contains(&AgentEvent::ToolResult { is_error: true }), "{events:?}");
    assert_eq!(git(&["log", "--format=%s"]), "a: \"begin\" it's $HOME\n");
}

#[test]
fn a_prompt_without_a_script_gets_a_small_honest_change() {
    let stage = Stage::new();
    let (_, end) = finish(stage.start("# Say hello\n\nwords\n"));
    assert_eq!((end.class, end.claimed_phases), (EndClass::Done, vec![4, 5]));
    assert!(stage.read("scripted/greeting.md").starts_with("# Say hello\n"));
}

#[test]
fn every_end_has_its_class() {
    let reset = Some(Timestamp(1_795_252_000_000));
    for (script, class) in [
        ("say a", EndClass::Done),
        ("no-change it is there", EndClass::Done),
        ("fail on purpose", EndClass::Crashed),
        ("dance", EndClass::Crashed),
        ("max-turns", EndClass::MaxTurns),
        ("auth-error", EndClass::Auth),
        ("overloaded", EndClass::Overloaded),
        ("usage-limit 1795252000", EndClass::UsageLimit { resets_at: reset }),
        ("exit 7", EndClass::Crashed),
        ("no-result", EndClass::Silent),
        ("garbage 100000\nno-result", EndClass::Silent),
        ("garbage 100000", EndClass::Done),
        ("invalid-utf8\nline 1000000", EndClass::Done),
        ("run kill -9 $PPID", EndClass::Crashed),
    ] {
        let (_, end) = Stage::new().play(script);
        assert_eq!(end.class, class, "{script}: {}", end.detail);
        assert_eq!(end.no_change.is_some(), script.starts_with("no-change"), "{script}");
    }
}

#[test]
fn a_long_line_has_the_length_that_was_asked_for() {
    let child = Stage::new().start("```script\nline 300000\n```");
    let output = child.wait_with_output().unwrap();
    let longest = output.stdout.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert_eq!(longest, Some(300_000));
}

#[test]
fn a_rate_of_lines_is_kept() {
    let begin = Instant::now();
    let (events, _) = Stage::new().play("lines 300 1000");
    assert_eq!(events.iter().filter(|event| matches!(event, AgentEvent::Text(_))).count(), 300);
    assert!(begin.elapsed() >= Duration::from_millis(250), "{:?}", begin.elapsed());
}

#[test]
fn stamped_lines_hold_the_moments_at_which_they_were_said() {
    let before = gadugi_sys::clock::now().0;
    let (_, end) = Stage::new().play("lines 20 200 stamped");
    let words = end.detail;
    let moment = words.strip_prefix("line 20 of 20 at ").unwrap_or_else(|| panic!("{words}"));
    let moment: i64 = moment.parse().unwrap();
    // The last is due after 95 ms by a clock that nobody sets; the one that people set is a little off at any time.
    assert!((before + 60..=gadugi_sys::clock::now().0).contains(&moment), "{words}, begun at {before}");
}

#[test]
fn a_try_and_a_process_can_have_actions_of_their_own() {
    let script = "fresh write a fresh\nresumed write a resumed\nattempt 2 write b second";
    let mut stage = Stage::new();
    stage.play(script);
    assert_eq!(stage.read("a"), "fresh\n");
    assert!(!stage.path("b").exists());
    stage.attempt = 2;
    stage.mode = SessionMode::Resume;
    stage.play(script);
    assert_eq!((stage.read("a").as_str(), stage.read("b").as_str()), ("resumed\n", "second\n"));
}

#[test]
fn an_agent_that_hangs_and_ignores_term_is_ended_by_kill_alone() {
    let stage = Stage::new();
    let mut child = stage.start("```script\nignore-term\nsay ready\nhang\n```");
    // It has said the last thing before it hangs, so the signal is ignored by now.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")), "it gets ready");
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_ne!(u64::from_str_radix(ignored, 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)), 0);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_daemon_lives_on_in_a_session_of_its_own() {
    let stage = Stage::new();
    let (_, end) = stage.play("spawn-daemon 31\nrun true");
    assert_eq!(end.class, EndClass::Done);
    let deadline = Instant::now() + Duration::from_secs(20);
    let daemon = loop {
        if let Some(pid) = process_in(stage.folder.path(), "sleep\u{0}31\u{0}") {
            break pid;
        }
        assert!(Instant::now() < deadline, "no daemon");
        std::thread::yield_now();
    };
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.as_raw_nonzero())).unwrap();
    let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap();
    assert_eq!(session, daemon.as_raw_nonzero().to_string());
    kill_process(daemon, Signal::KILL).unwrap();
}

/// The process with that command line that works in that folder.
fn process_in(folder: &Path, command: &str) -> Option<Pid> {
    let folder = folder.canonicalize().unwrap();
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.ok()?.path();
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let line = fs::read_to_string(path.join("cmdline")).ok()?;
        (line == command && fs::read_link(path.join("cwd")).ok()? == folder).then(|| Pid::from_raw(pid))?
    })
}
