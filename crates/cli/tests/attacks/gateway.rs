//! The gateway and its tokens, attacked by what real Claude Code in containers is told to run.

use std::fs;
use std::os::unix::net::UnixStream;

use gadugi_testkit::model_api::ModelApi;
use serde_json::{Value, json};

use crate::arena::Arena;
use crate::stage::until;

/// The user's credential.
const KEY: &str = "sk-test-of-the-user-b6f20d";

fn arena(api: &ModelApi) -> Arena {
    let backwards: String = KEY.chars().rev().collect();
    let mut arena = Arena::new("", &json!({"key": backwards}));
    let own = [("ANTHROPIC_BASE_URL", api.base_url()), ("ANTHROPIC_API_KEY", KEY.to_owned())];
    arena.variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    arena
}

/// Tasks of real Claude Code, each of which runs one attack by its Bash tool.
fn claudes(arena: &Arena, attacks: &[&str]) {
    for attack in attacks {
        let command = format!("python3 attack/kit.py {attack}");
        let turn = json!({"tool": "Bash", "input": {"command": command, "description": "as told", "timeout": 110_000}});
        let text = format!("# The task {attack}\n\n```model\n{turn}\n{}\n```\n", json!({"text": "done"}));
        arena.write(&format!("prompts/{attack}.md"), &text);
    }
}

const RUN: [&str; 8] = ["run", "--no-review", "--json", "--verify", "", "--max-parallel", "5", "--keep"];

#[test]
fn the_credential_stays_outside_and_tokens_are_good_for_their_own_attempt_alone() {
    let api = ModelApi::start().unwrap();
    let mut arena = arena(&api);
    claudes(&arena, &["key", "smuggle", "giver", "thief", "slow"]);
    arena.begin();
    let mut run = crate::stage::Live::new(arena.spawn(&RUN));
    let tmp = |task: &str, name: &str| arena.attempt_dir(task).join("tmp").join(name);
    until("a run is there", || arena.root.join(".gadugi/runs").is_dir());
    // One who holds all the connections that it is given is in nobody's way.
    until("the slow one holds what it can", || tmp("slow", "holding").exists());
    until("there is a token", || tmp("giver", "token").exists());
    until("there is a thief", || tmp("thief", "").exists());
    fs::copy(tmp("giver", "token"), tmp("thief", "stolen")).unwrap();
    until("it was used", || tmp("thief", "used").exists());
    let step = arena.attempt_dir("giver").join("1");
    let socket = step.join("gate/gateway.sock");
    assert!(UnixStream::connect(&socket).is_ok(), "the way is open while the attempt lives");
    let token = fs::read_to_string(tmp("giver", "token")).unwrap();
    fs::write(tmp("giver", "go"), "").unwrap();
    run.until("the giver's end", |event| event["task"] == "giver" && event["type"] == "step-ended");
    until("its way is gone", || !socket.exists());
    fs::write(tmp("thief", "over"), "").unwrap();
    fs::write(tmp("slow", "go"), "").unwrap();
    let ran = run.end();
    ran.ends_with(0);
    arena.nothing_happened();

    // Its own: what upstream says of a model that it has not. Another's, both in one, and none.
    let tried = arena.found(&ran, "thief");
    let tried: Vec<&str> = tried.lines().collect();
    assert_eq!(tried[1..5], ["401"; 4], "{tried:?}");
    assert!(tried[0] != "401" && tried[0] != "none" && tried[0] == tried[5], "its own is good: {tried:?}");
    assert_eq!(arena.found(&ran, "key"), "asked 16");
    assert_eq!(arena.found(&ran, "smuggle"), "16");
    nothing_smuggled(&api, &token);
    no_secret_on_disk(&arena, &token);
}

/// What arrived at the model API: under the user's key, at its own places, one request for each, and no token.
#[track_caller]
fn nothing_smuggled(api: &ModelApi, token: &str) {
    let requests = api.requests();
    assert!(requests.len() > 10, "{}", requests.len());
    for request in &requests {
        let text = format!("{request:?}");
        assert!(!text.contains("smuggled") && !text.contains("injected"), "{text}");
        assert!(!text.contains("/batches") && !text.contains("/files"), "{text}");
        assert!(!text.contains(token), "a token went upstream: {text}");
    }
}

/// Neither the credential nor a token lies in gadugi's own files: log, database, monitoring, steps.
#[track_caller]
fn no_secret_on_disk(arena: &Arena, token: &str) {
    let mut folders = vec![arena.root.join(".gadugi")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            // What agents themselves wrote of their token is theirs.
            let agents = ["tmp", "home", "stdout.jsonl"].iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !agents {
                folders.push(entry.path());
            } else if kind.is_file() && !agents {
                files += 1;
                let bytes = fs::read(entry.path()).unwrap();
                let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
                assert!(!holds(KEY), "{} holds the credential", entry.path().display());
                assert!(!holds(token), "{} holds a token", entry.path().display());
            }
        }
    }
    assert!(files > 20, "{files}");
    let hash = fs::read_to_string(arena.attempt_dir("giver").join("1/token.sha256"));
    assert!(hash.is_ok_and(|hash| hash.len() >= 64), "it is known by its hash");
}

#[test]
fn what_claude_code_keeps_is_no_way_to_the_credential_either() {
    let api = ModelApi::start().unwrap();
    let mut arena = arena(&api);
    claudes(&arena, &["key"]);
    arena.begin();
    arena.gadugi(&RUN).ends_with(0);
    let asked: Vec<Value> = api.requests().iter().map(|request| json!(format!("{request:?}"))).collect();
    assert!(!asked.is_empty());
    let home = arena.attempt_dir("key").join("home");
    let holds = std::process::Command::new("grep").args(["-rl", KEY]).arg(&home).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&holds.stdout), "", "its home holds the credential");
}
