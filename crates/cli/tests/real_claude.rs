//! The main job with real Claude Code, whose model is a scripted Messages API on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what is not as it should be fails the test"
)]

mod stage;

use std::path::Path;

use gadugi_testkit::claude;
use gadugi_testkit::model_api::{ModelApi, USAGE_PER_TURN};
use serde_json::{Value, json};
use stage::Stage;

/// A stage on which `claude` and `gadugi` are on `PATH` and talk to `api` alone.
fn stage_with(api: &ModelApi) -> Stage {
    let mut stage = Stage::new();
    let program = claude::program().unwrap_or_else(|missing| panic!("{missing}"));
    let (claude, gadugi) =
        (program.parent().unwrap(), Path::new(env!("CARGO_BIN_EXE_gadugi")).parent().unwrap());
    let path = format!("{}:{}:{}", claude.display(), gadugi.display(), std::env::var("PATH").unwrap());
    stage.variables.push(("PATH".into(), path));
    stage.variables.extend(claude::environment(&api.base_url(), &stage.home));
    stage
}

fn model_prompt(stage: &Stage, name: &str, front: &str, turns: &[Value]) {
    let front = if front.is_empty() { String::new() } else { format!("---\n{front}\n---\n") };
    let turns: Vec<String> = turns.iter().map(Value::to_string).collect();
    let text = format!("{front}# The task {name}\n\n```model\n{}\n```\n", turns.join("\n"));
    stage.write(&format!("prompts/{name}.md"), &text);
}

fn bash(command: &str) -> Value {
    json!({"tool": "Bash", "input": {"command": command, "description": "as told"}})
}

fn says(text: &str) -> Value {
    json!({"text": text})
}

#[test]
fn eight_tasks_with_edits_and_commits_become_one_branch() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    stage.write("src/lib.txt", "alpha\nbeta\ngamma\n");
    for name in ["one", "two", "three", "four"] {
        let file = json!({"file_path": format!("$CWD/src/{name}.txt"), "content": format!("{name}\n")});
        let plan =
            json!([{"text": format!("GADUGI-PHASE: 4\nI write {name}.")}, {"tool": "Write", "input": file}]);
        model_prompt(&stage, name, "", &[plan, says("GADUGI-PHASE: 5\ndone")]);
    }
    let commit = "git add -A && git commit -q -m 'by the agent'";
    model_prompt(&stage, "five", "", &[bash("echo five > src/five.txt"), bash(commit), says("done")]);
    model_prompt(&stage, "six", "", &[bash("sed -i s/beta/BETA/ src/lib.txt"), bash(commit), says("done")]);
    model_prompt(
        &stage,
        "seven",
        "depends_on: [five]",
        &[bash("cat src/five.txt > src/seven.txt"), says("done")],
    );
    model_prompt(
        &stage,
        "eight",
        "depends_on: [seven]",
        &[bash("cat src/seven.txt > src/eight.txt"), says("done")],
    );
    stage.commit("prompts");
    let before = stage::users_own(&stage);

    let args = "run --max-parallel 4 --no-review --json --verify".split(' ').chain(["test -f src/lib.txt"]);
    let ran = stage.gadugi(&args.collect::<Vec<_>>());
    ran.ends_with(0);
    stage::untouched(&stage, &before);
    let report = ran.report();
    assert_eq!((report["succeeded"].as_u64(), report["failed"].as_u64()), (Some(8), Some(0)), "{report:#}");
    let branch = report["branch"].as_str().unwrap();
    for name in ["one", "two", "three", "four", "five"] {
        assert_eq!(stage.blob(branch, &format!("src/{name}.txt")), name);
    }
    assert_eq!(stage.blob(branch, "src/eight.txt"), "five", "the chain began where the work before it was");
    assert_eq!(stage.blob(branch, "src/lib.txt"), "alpha\nBETA\ngamma");
    assert!(report["tasks"].as_array().unwrap().iter().all(|task| task["verdict"] == "verified"));

    let requests = api.scripted_requests();
    assert!(
        requests.iter().all(|request| request.system().contains("WorkflowManager")),
        "each was delegated"
    );
    assert_eq!(
        ran.report()["tokens"].as_u64(),
        Some(USAGE_PER_TURN.tokens() * requests.len() as u64),
        "what is reported is what the model said"
    );
    let phases: Vec<Value> =
        ran.events().into_iter().filter(|event| event["type"] == "phase-reached").collect();
    assert!(
        phases.iter().any(|event| event["task"] == "one" && event["phase"] == "implementation"),
        "{phases:?}"
    );

    let status: Value = serde_json::from_str(&stage.gadugi(&["status", "--json"]).stdout).unwrap();
    let one = status["tasks"].as_array().unwrap().iter().find(|task| task["id"] == "one").unwrap().clone();
    let session = one["session"].as_str().unwrap();
    let folder = one["workspace"].as_str().unwrap().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let transcript = stage.home.join(".claude/projects").join(folder).join(format!("{session}.jsonl"));
    assert!(transcript.is_file(), "the session can be taken up by hand: {}", transcript.display());
    let logs = stage.gadugi(&["logs", "one"]);
    logs.ends_with(0);
    assert!(logs.stdout.contains("I write one."), "{}", logs.stdout);
}

/// Two prompts, handed over by Claude Code itself: started with `args`, told `opening` and the list.
fn by_way_of_the_orchestrator(args: &[&str], opening: &str) {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    model_prompt(&stage, "greet", "", &[bash("echo hello > greeting.txt"), says("done")]);
    let reply = [bash("sed s/hello/hi/ greeting.txt > reply.txt"), says("done")];
    model_prompt(&stage, "reply", "depends_on: [greet]", &reply);
    stage.gadugi(&["init"]).ends_with(0);
    stage.commit("prompts, and what init wrote");

    let list = "Execute these prompts in parallel:\n- greet.md\n- reply.md\n";
    let heredoc = format!("gadugi run --no-review --stdin <<'GADUGI'\n{list}GADUGI");
    let script = format!("```model\n{}\n{}\n```\n", bash(&heredoc), says("Both are merged."));
    let mut claude = std::process::Command::new(claude::program().unwrap());
    claude
        .arg("-p")
        .args(args)
        .args(["--dangerously-skip-permissions", "--verbose", "--output-format", "stream-json"])
        .current_dir(&stage.root)
        .env_clear()
        .envs(stage.environment())
        .env("IS_SANDBOX", "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = claude.spawn().unwrap();
    let request = format!("{opening}{list}\n{script}");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), request.as_bytes()).unwrap();
    let ran = stage.finish(child);
    ran.ends_with(0);
    let result: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (result["is_error"].as_bool(), result["result"].as_str()),
        (Some(false), Some("Both are merged."))
    );

    let status: Value =
        serde_json::from_str(&stage.gadugi(&["status", "--json"]).ends_with(0).stdout).unwrap();
    let tasks = status["tasks"].as_array().unwrap_or_else(|| panic!("no run: {}", ran.stdout));
    let states: Vec<&str> = tasks.iter().map(|task| task["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "succeeded"], "{}\n{status:#}", ran.stdout);
    assert_eq!(stage.blob(status["branch"].as_str().unwrap(), "reply.txt"), "hi");
}

#[test]
fn the_orchestrator_agent_runs_prompts_by_its_bash_tool() {
    by_way_of_the_orchestrator(&["--agent", "orchestrator-agent"], "");
}

#[test]
fn the_slash_command_that_init_installs_runs_prompts_too() {
    by_way_of_the_orchestrator(&[], "/agent:orchestrator-agent ");
}

#[test]
fn an_interrupted_claude_is_taken_up_in_the_same_conversation() {
    let api = ModelApi::start().unwrap();
    let stage = stage_with(&api);
    stage.write("gadugi.toml", "[run]\ngrace = \"2s\"\n");
    let wait = "test -e once || { touch once; sleep 60; }";
    stage.write(".gitignore", "once\n");
    let turns = [bash("echo begun > begun.txt"), bash(wait), bash("echo ended > ended.txt"), says("done")];
    model_prompt(&stage, "long", "", &turns);
    stage.commit("prompts");
    let mut run = stage::Live::new(stage.spawn(&["run", "--no-review", "--json"]));
    let prepared = run.until_type("workspace-prepared");
    let workspace = Path::new(prepared["path"].as_str().unwrap()).to_owned();
    stage::until("the agent waits", || workspace.join("once").exists());
    run.signal("INT");
    run.end().ends_with(130);
    stage::until("no process of it is left", || stage.attempt_processes().is_empty());
    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    let task = resumed.task("long");
    assert_eq!((task["outcome"].as_str(), task["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{task}");
    let branch = resumed.report()["branch"].as_str().unwrap().to_owned();
    assert_eq!(stage.blob(&branch, "ended.txt"), "ended");
    let last = api.scripted_requests().pop().unwrap();
    assert!(
        last.user_texts().iter().any(|text| text.contains("may have run")),
        "it is told that its last command may have run"
    );
}

#[test]
fn an_agents_requests_go_where_it_is_configured_to_send_them() {
    let api = ModelApi::start().unwrap();
    let mut stage = stage_with(&api);
    // The shell has a key for something else: nobody listens there.
    stage.variables.retain(|(name, _)| name != "ANTHROPIC_BASE_URL");
    stage.variables.push(("ANTHROPIC_BASE_URL".into(), "http://127.0.0.1:9".into()));
    let own =
        format!("ANTHROPIC_BASE_URL = \"{}\"\nANTHROPIC_AUTH_TOKEN = \"of-the-agent\"\n", api.base_url());
    stage.write("gadugi.toml", &format!("[agents.claude.env]\n{own}"));
    model_prompt(&stage, "one", "", &[bash("echo hi > one.txt"), says("done")]);
    stage.commit("prompts");
    stage.gadugi(&["run", "--no-review", "--json"]).ends_with(0);
    let keys: Vec<_> = api.scripted_requests().into_iter().map(|request| request.key).collect();
    assert_eq!(keys, vec![Some("of-the-agent".to_owned()); 2]);
    assert!(stage.read(".gadugi/gateway.log").lines().count() >= 2, "by way of the gateway");
}

#[test]
fn without_the_agent_cli_a_run_says_what_installs_it() {
    let stage = Stage::new();
    stage.prompt("one", "", "write one.txt one");
    stage.commit("prompts");
    let mut command = stage.command(&["run", "--no-review"]);
    command.env("PATH", "/usr/bin:/bin");
    let ran = stage.finish(command.spawn().unwrap());
    ran.ends_with(3);
    assert!(ran.stderr.contains("npm install -g @anthropic-ai/claude-code"), "{}", ran.stderr);
}

/// One part of a prompt, as the model answers it.
fn part(id: &str, needs: &[&str]) -> Value {
    json!({"id": id, "title": format!("The part {id}"), "wanted": "Do it.", "done": ["it is done"],
        "depends_on": needs, "touches": [format!("src/{id}.txt")]})
}

fn tasks(parts: &[Value]) -> Value {
    says(&json!({ "tasks": parts }).to_string())
}

fn good() -> Value {
    tasks(&[part("one", &[]), part("two", &["one"])])
}

/// A stage on which `big.md` is a prompt whose model plays these turns when it is asked how the prompt divides.
fn stage_that_asks(api: &ModelApi, turns: &[Value]) -> Stage {
    let stage = stage_with(api);
    stage.write("src/lib.txt", "alpha\n");
    stage.write("gadugi.toml", "[run]\nexecutor = \"local\"\ngrace = \"2s\"\n");
    model_prompt(&stage, "big", "", turns);
    stage.commit("a large prompt");
    stage
}

#[test]
fn the_task_analyzer_looks_and_answers() {
    let api = ModelApi::start().unwrap();
    let look = json!({"tool": "Read", "input": {"file_path": "$CWD/src/lib.txt"}});
    let stage = stage_that_asks(&api, &[look, good()]);
    // The repository's own definition wins, but not with tools that change anything.
    let own =
        "---\nname: task-analyzer\ndescription: Ours.\ntools: Read, Write, Bash\n---\nSplit as we do.\n";
    stage.write(".claude/agents/task-analyzer.md", own);
    stage.commit("our own analyzer");
    let ran = stage.gadugi(&["plan", "--decompose", "--json", "prompts/big.md"]);
    ran.ends_with(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["tasks"].as_array().unwrap().len(), 2, "{plan}");
    assert!(stage.read("prompts/big/02-two.md").contains("depends_on: [one]"));
    let requests = api.scripted_requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(request.system().contains("Split as we do."));
        let tools = request.body["tools"].as_array().unwrap().iter();
        let mut names: Vec<&str> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert!(
            names.iter().all(|name| ["Glob", "Grep", "Read"].contains(name)) && names.contains(&"Read"),
            "{names:?}"
        );
    }
    assert!(
        requests[0]
            .user_texts()
            .iter()
            .any(|text| text.contains("You are the TaskAnalyzer") && text.contains("\"depends_on\""))
    );
    let task = stage.task("big");
    assert_eq!((task["state"].as_str(), task["steps"].as_u64()), (Some("succeeded"), Some(1)), "{task}");
    assert_eq!(stage.left_over(), Vec::<String>::new());
}

#[test]
fn an_answer_that_will_not_do_is_mended_once_by_the_same_session() {
    let circle = tasks(&[part("one", &["two"]), part("two", &["one"])]);
    for bad in [says("I would split it in two parts."), circle] {
        let api = ModelApi::start().unwrap();
        let stage = stage_that_asks(&api, &[bad, good()]);
        let ran = stage.gadugi(&["plan", "--decompose", "prompts/big.md"]);
        ran.ends_with(0);
        assert!(
            ran.stdout.contains("one") && ran.stderr.contains("prompts/big.md: 2 tasks"),
            "{}",
            ran.stderr
        );
        let requests = api.scripted_requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].session, requests[1].session, "the conversation is the same");
        assert!(requests[1].user_texts().iter().any(|text| text.contains("## Your answer will not do")));
        assert!(requests[1].system().contains("You are the TaskAnalyzer"), "{}", requests[1].system());
    }
}

#[test]
fn prose_and_again_prose_is_refused_with_the_reason() {
    let api = ModelApi::start().unwrap();
    let stage = stage_that_asks(&api, &[says("It is hard to say."), says("It still is.")]);
    let ran = stage.gadugi(&["plan", "--decompose", "prompts/big.md"]);
    ran.ends_with(1);
    let error = "prompts/big.md was not split: its answer will not do: it has no JSON object, and begins \"It still is.\"";
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    assert!(!stage.root.join("prompts/big").exists());
}

#[test]
fn an_interrupted_question_leaves_nothing_behind_and_is_taken_up() {
    let api = ModelApi::start().unwrap();
    let mut slow = good();
    slow["fault"] = json!({"kind": "silent"});
    let stage = stage_that_asks(&api, &[slow]);
    let child = stage.spawn(&["plan", "--decompose", "--json", "prompts/big.md"]);
    stage::until("the model is asked", || !api.scripted_requests().is_empty());
    stage::signal(i32::try_from(child.id()).unwrap(), "INT");
    let ran = stage.finish(child);
    ran.ends_with(130);
    stage::until("no process of it is left", || stage.attempt_processes().is_empty());
    assert!(!stage.root.join("prompts/big").exists());
    let ran = stage.gadugi(&["plan", "--decompose", "--json", "prompts/big.md"]);
    ran.ends_with(0);
    assert!(stage.root.join("prompts/big/01-one.md").exists());
    assert_eq!(stage.left_over(), Vec::<String>::new());
}

#[test]
fn an_engine_that_is_killed_in_a_question_is_followed_by_one_that_has_the_answer() {
    let api = ModelApi::start().unwrap();
    let mut slow = good();
    slow["fault"] = json!({"kind": "slow", "seconds": 3.0});
    let stage = stage_that_asks(&api, &[slow]);
    let child = stage.spawn(&["plan", "--decompose", "--json", "prompts/big.md"]);
    stage::until("the model is asked", || !api.scripted_requests().is_empty());
    stage.kill_engine();
    let ran = stage.finish(child);
    ran.ends_with(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["tasks"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(stage.left_over(), Vec::<String>::new());
}
