//! Writes `fixtures/claude/` anew from the real Claude Code: what it says in each way in which it can end.
//!
//! `cargo run -p gadugi-agents --example record-fixtures`, after a change of the pinned version; then look at what
//! `tests/fixtures.rs` makes of it.

#![expect(clippy::unwrap_used, reason = "a tool of the tests: it ends where something is amiss")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use gadugi_agents::WorkflowManager;
use gadugi_core::SessionMode;
use gadugi_testkit::claude;
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

/// Paths and addresses of the machine where it was recorded are no part of a fixture.
fn scrub(text: &str, stage: &Stage) -> String {
    let repo = stage.repo();
    let home = stage.home();
    let dashed = |path: &Path| path.to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let text = text
        .replace(&*repo.to_string_lossy(), "/workspace")
        .replace(&*home.to_string_lossy(), "/home/agent")
        .replace(&dashed(&repo), "-workspace");
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "127.0.0.1:1" + part.trim_start_matches(|c: char| c.is_ascii_digit())
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

fn main() {
    record_runs();
    record_faults();
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
    let launch = stage.launch_as(WORK, WorkflowManager::Repository, |_| {});
    keep("unknown-agent", &stage, &stage.play(&launch).output);
    // The form in the original project's texts, which no delegation makes.
    let mut command = Command::new(stage.program());
    command.args(["-p", "/agent:workflow-manager", "--verbose", "--output-format", "stream-json"]);
    command.args(["--session-id", SESSION]);
    command.env_clear().envs(git_env()).envs(claude::environment(&stage.api.base_url(), &stage.home()));
    keep("unknown-command", &stage, &run(command.current_dir(stage.repo()), ""));
}

fn record_faults() {
    let error = |kind: &str, text: &str| {
        format!("{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"{text}\"}}}}")
    };
    let limit = "anthropic-ratelimit-unified-status: rejected\r\nanthropic-ratelimit-unified-reset: 1795252000\r\n\
        anthropic-ratelimit-unified-representative-claim: five_hour\r\n";
    let table = [
        ("auth-401", 401, "", error("authentication_error", "invalid x-api-key"), false),
        ("bad-request-400", 400, "", error("invalid_request_error", "nothing of this kind"), false),
        ("forbidden-403", 403, "", error("permission_error", "not you"), false),
        ("rate-429", 429, "retry-after: 1\r\n", error("rate_limit_error", "slower"), false),
        ("error-500", 500, "", error("api_error", "Internal server error"), false),
        ("overloaded-529", 529, "", error("overloaded_error", "Overloaded"), false),
        ("usage-limit", 429, limit, error("rate_limit_error", "limit"), true),
    ];
    for (name, status, headers, body, subscription) in table {
        let stage = Stage::new();
        keep(name, &stage, &with_fault(&stage, &fault(status, headers, &body), subscription));
    }
    let stage = Stage::new();
    keep("refused", &stage, &with_fault(&stage, "http://127.0.0.1:1", false));
}

fn with_fault(stage: &Stage, url: &str, subscription: bool) -> Output {
    let mut env: BTreeMap<_, _> = claude::environment(url, &stage.home()).into_iter().collect();
    env.insert("CLAUDE_CODE_MAX_RETRIES".into(), "1".into());
    if subscription {
        // Limits of a subscription are told only to those who have one. This token is none.
        env.remove("ANTHROPIC_API_KEY");
        env.insert("CLAUDE_CODE_OAUTH_TOKEN".into(), "sk-test-local".into());
    }
    let launch = stage.launch(WORK, |_| {});
    let mut command = Command::new(launch.program());
    command.args(launch.args()).env_clear().envs(git_env()).envs(env).envs(launch.env());
    run(command.current_dir(stage.repo()), launch.stdin())
}

/// A server that gives every request the same answer, until the process ends.
fn fault(status: u16, headers: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\
         {headers}\r\n{body}"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            drain_request(&mut stream);
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    url
}

/// Reads one request whole: an answer before its end would look like a connection that was cut.
fn drain_request(stream: &mut impl Read) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    loop {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length =
                text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if bytes.len() >= head + 4 + length.unwrap_or(0) {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}
