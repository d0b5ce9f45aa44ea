//! Writes `fixtures/claude/` anew from the real Claude Code: what it says in each way in which it can end.
//!
//! `cargo run -p gadugi-agents --example record-fixtures`, after a change of the pinned version; then look at what
//! `tests/fixtures.rs` makes of it.

#![expect(clippy::unwrap_used, reason = "a tool of the tests: it ends where something is amiss")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use gadugi_agents::Whose;
use gadugi_core::SessionMode;
use gadugi_testkit::claude;
use gadugi_testkit::model_api::{Fault, Meets};
use support::{SESSION, Stage, git_env, run};

const WORK: &str = r#"# A greeting

```model
[{"text": "I will write a file.\nGADUGI-PHASE: 4"}, {"tool": "Bash", "input": {"command": "ls; false"}}]
[{"text": "**GADUGI-PHASE: 5**"}, {"tool": "Write", "input": {"file_path": "$CWD/greeting.txt", "content": "hello\n"}}, {"tool": "Read", "input": {"file_path": "$CWD/README.md"}}]
{"tool": "Bash", "input": {"command": "echo 'GADUGI-NO-CHANGE: a tool said so'; git add -A && git commit -q -m 'greeting: say hello'"}}
{"text": "GADUGI-PHASE: 7\n\nThe greeting is there. I did not need to say GADUGI-NO-CHANGE: at all."}
{"text": "taken up again"}
```
"#;

const SUB_AGENT: &str = r#"```model
{"tool": "Task", "input": {"description": "look", "subagent_type": "general-purpose", "prompt": "Look.\n```model\n{\"text\": \"GADUGI-PHASE: 5\\nGADUGI-NO-CHANGE: said by a helper\"}\n```\n"}}
{"text": "GADUGI-PHASE: 4\nThe helper looked."}
```
"#;

/// Every tool that a page shows in its own way: edits that succeed and fail, lists of what is to be done.
const CARDS: &str = r##"```model
[{"tool": "Read", "input": {"file_path": "$CWD/README.md"}}, {"tool": "TaskCreate", "input": {"subject": "Write the notes", "description": "All of them", "activeForm": "Writing the notes"}}]
{"tool": "Edit", "input": {"file_path": "$CWD/README.md", "old_string": "# Sample", "new_string": "# Example"}}
{"tool": "Write", "input": {"file_path": "$CWD/notes/a.txt", "content": "one\ntwo\nthree\n"}}
{"tool": "TaskUpdate", "input": {"taskId": "1", "status": "in_progress"}}
{"tool": "Write", "input": {"file_path": "$CWD/notes/a.txt", "content": "one\n2\nthree\n"}}
{"tool": "Edit", "input": {"file_path": "$CWD/notes/a.txt", "old_string": "e\n", "new_string": "E\n", "replace_all": true}}
{"tool": "Edit", "input": {"file_path": "$CWD/notes/a.txt", "old_string": "no such words", "new_string": "x"}}
{"tool": "MultiEdit", "input": {"file_path": "$CWD/notes/a.txt", "edits": [{"old_string": "2", "new_string": "two"}]}}
{"tool": "Write", "input": {"file_path": "$CWD/n.ipynb", "content": "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"c1\",\"metadata\":{},\"outputs\":[],\"execution_count\":null,\"source\":[\"1\"]}],\"metadata\":{\"language_info\":{\"name\":\"python\"}},\"nbformat\":4,\"nbformat_minor\":5}\n"}}
{"tool": "NotebookEdit", "input": {"notebook_path": "$CWD/n.ipynb", "cell_id": "c1", "new_source": "2"}}
{"tool": "TodoWrite", "input": {"todos": [{"content": "Write", "status": "completed", "activeForm": "Writing"}, {"content": "Read", "status": "in_progress", "activeForm": "Reading"}, {"content": "Rest", "status": "pending", "activeForm": "Resting"}]}}
{"tool": "TaskUpdate", "input": {"taskId": "1", "status": "completed"}}
{"tool": "TaskList", "input": {}}
{"tool": "TaskGet", "input": {"taskId": "1"}}
{"text": "GADUGI-PHASE: 5\n\nThe notes are there."}
```
"##;

/// Paths and addresses of the machine where it was recorded are no part of a fixture.
fn scrub(text: &str, stage: &Stage) -> String {
    let repo = stage.repo();
    let home = stage.home();
    let dashed = |path: &Path| path.to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let text = text
        .replace(&*repo.to_string_lossy(), "/workspace")
        .replace(&*home.to_string_lossy(), "/home/agent")
        .replace(&dashed(&repo), "-workspace");
    // Ports, and when a limit is lifted, are another each time.
    let text = number_behind(&text, "127.0.0.1:", "1");
    number_behind(&text, "\"resetsAt\":", "1795252000")
}

/// The text with another number wherever one follows the words.
fn number_behind(text: &str, words: &str, number: &str) -> String {
    let mut parts = text.split(words);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + words + number + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

fn keep(name: &str, stage: &Stage, output: &Output) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude");
    fs::create_dir_all(&folder).unwrap();
    let said = scrub(&String::from_utf8_lossy(&output.stdout), stage);
    fs::write(folder.join(format!("{name}.jsonl")), said).unwrap();
    let end = serde_json::json!({
        "code": output.status.code(),
        "signal": output.status.signal(),
        "stderr": scrub(&String::from_utf8_lossy(&output.stderr), stage),
    });
    fs::write(folder.join(format!("{name}.end.json")), format!("{end:#}\n")).unwrap();
}

/// All of them, or with the argument `cards` that one alone.
fn main() {
    record_cards();
    if std::env::args().nth(1).as_deref() != Some("cards") {
        record_runs();
        record_faults();
    }
}

fn record_cards() {
    let stage = Stage::new();
    keep("cards", &stage, &stage.play(&stage.launch(CARDS, |_| {})).output);
}

fn record_runs() {
    let stage = Stage::new();
    keep("work", &stage, &stage.play(&stage.launch(WORK, |_| {})).output);
    keep("resumed", &stage, &stage.play(&stage.launch(WORK, |o| o.mode = SessionMode::Resume)).output);
    keep("session-in-use", &stage, &stage.play(&stage.launch(WORK, |_| {})).output);
    let stage = Stage::new();
    keep(
        "no-conversation",
        &stage,
        &stage.play(&stage.launch(WORK, |o| o.mode = SessionMode::Resume)).output,
    );
    keep("max-turns", &stage, &stage.play(&stage.launch(WORK, |o| o.max_turns = 2)).output);
    let stage = Stage::new();
    keep("budget", &stage, &stage.play(&stage.launch(WORK, |o| o.budget_microusd = Some(1))).output);
    let stage = Stage::new();
    keep("sub-agent", &stage, &stage.play(&stage.launch(SUB_AGENT, |_| {})).output);
    let stage = Stage::new();
    let prompt = "```model\n{\"text\": \"GADUGI-NO-CHANGE: the greeting is there already\"}\n```\n";
    keep("no-change", &stage, &stage.play(&stage.launch(prompt, |_| {})).output);
    let stage = Stage::new();
    let prompt = "```model\n{\"tool\": \"Bash\", \"input\": {\"command\": \"kill -9 $PPID\"}}\n```\n";
    keep("killed", &stage, &stage.play(&stage.launch(prompt, |_| {})).output);
    let stage = Stage::new();
    let launch = stage.launch_as(WORK, Whose::Repository, |_| {});
    keep("unknown-agent", &stage, &stage.play(&launch).output);
    // The form in the original project's texts, which no delegation makes.
    let mut command = Command::new(stage.program());
    command.args(["-p", "/agent:workflow-manager", "--verbose", "--output-format", "stream-json"]);
    command.args(["--session-id", SESSION]);
    command.env_clear().envs(git_env()).envs(claude::environment(&stage.api.base_url(), &stage.home()));
    keep("unknown-command", &stage, &run(command.current_dir(stage.repo()), ""));
}

/// A conversation that says something, calls a tool, and says its last word.
const TALK: &str = r#"```model
[{"text": "I look."}, {"tool": "Bash", "input": {"command": "echo looked"}}]
{"text": "All is well."}
```
"#;

/// The same, and the connection ends when the tool call is whole and its message is not.
const CUT_AFTER_A_CALL: &str = r#"```model
{"tool": "Bash", "input": {"command": "echo looked"}, "fault": {"kind": "cut", "events": 5}}
{"text": "All is well."}
```
"#;

/// Claude Code as gadugi starts it meets each of these, with every request or with the first.
fn record_faults() {
    let status = |status| Fault::Status { status, retry_after: None, message: None };
    let after = |seconds| Fault::Status { status: 429, retry_after: Some(seconds), message: None };
    let says = |status, text: &str| Fault::Status { status, retry_after: None, message: Some(text.into()) };
    let too_long = "prompt is too long: 250000 tokens > 200000 maximum";
    let of_the_month = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at \
        00:00 UTC.";
    let silent = Fault::Silent { events: None };
    for (name, fault, meets) in [
        ("bad-request-400", status(400), Meets::Every),
        ("too-long-400", says(400, too_long), Meets::Every),
        ("limit-of-the-month-400", says(400, of_the_month), Meets::Every),
        ("no-money-400", says(400, "Your credit balance is too low to access the API."), Meets::Every),
        ("auth-401", status(401), Meets::Every),
        ("forbidden-403", status(403), Meets::Every),
        ("unknown-model-404", status(404), Meets::Every),
        ("too-large-413", status(413), Meets::Every),
        ("rate-429", status(429), Meets::Every),
        ("rate-429-after-1", after(1), Meets::First(1)),
        ("rate-429-after-70", after(70), Meets::Every),
        ("error-500", status(500), Meets::Every),
        ("overloaded-529", status(529), Meets::Every),
        ("overloaded-in-stream", Fault::ErrorEvent { events: 4 }, Meets::Every),
        ("overloaded-after-text", Fault::ErrorEvent { events: 5 }, Meets::Every),
        ("cut-before-the-head", Fault::Cut { events: 0 }, Meets::Every),
        ("cut-in-text", Fault::Cut { events: 4 }, Meets::Every),
        ("cut-after-text", Fault::Cut { events: 5 }, Meets::Every),
        ("truncated-in-text", Fault::Truncated { events: 4 }, Meets::Every),
        ("truncated-after-text", Fault::Truncated { events: 5 }, Meets::Every),
        ("silent", silent, Meets::Every),
    ] {
        let stage = Stage::new();
        stage.api.misbehave(fault, meets);
        keep(name, &stage, &with_fault(&stage, &stage.api.base_url(), TALK, false));
    }
    let stage = Stage::new();
    keep("cut-after-a-call", &stage, &with_fault(&stage, &stage.api.base_url(), CUT_AFTER_A_CALL, false));
    for (name, subscription) in [("usage-limit", true), ("usage-limit-of-a-key", false)] {
        let stage = Stage::new();
        stage.api.misbehave(Fault::UsageLimit { resets_in: 600 }, Meets::Every);
        keep(name, &stage, &with_fault(&stage, &stage.api.base_url(), TALK, subscription));
    }
    let stage = Stage::new();
    stage.api.misbehave(status(401), Meets::Every);
    keep("auth-401-of-a-token", &stage, &with_fault(&stage, &stage.api.base_url(), TALK, true));
    let stage = Stage::new();
    keep("refused", &stage, &with_fault(&stage, "http://127.0.0.1:1", TALK, false));
}

fn with_fault(stage: &Stage, url: &str, prompt: &str, subscription: bool) -> Output {
    let mut env: BTreeMap<_, _> = claude::environment(url, &stage.home()).into_iter().collect();
    if subscription {
        // Limits of a subscription are told only to those who have one. This token is none.
        env.remove("ANTHROPIC_API_KEY");
        env.insert("CLAUDE_CODE_OAUTH_TOKEN".into(), "sk-test-local".into());
    }
    let launch = stage.launch(prompt, |_| {});
    let mut command = Command::new(launch.program());
    command.args(launch.args()).env_clear().envs(git_env()).envs(env).envs(launch.env());
    // Two minutes a try are too long to wait for here.
    command.env("API_TIMEOUT_MS", "2000");
    run(command.current_dir(stage.repo()), launch.stdin())
}
