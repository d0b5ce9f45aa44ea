//! Commands that need no engine.

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use stage::Stage;

#[test]
fn init_writes_what_is_missing_and_leaves_the_rest() {
    let stage = Stage::new();
    let first = stage.gadugi(&["init"]);
    first.ends_with(0);
    assert!(first.stdout.lines().all(|line| line.starts_with("wrote ")), "{}", first.stdout);
    let files = [
        "gadugi.toml",
        ".claude/agents/orchestrator-agent.md",
        ".claude/agents/workflow-manager.md",
        ".claude/agents/task-analyzer.md",
        ".claude/orchestrator/run_orchestrator.sh",
        ".claude/commands/agent/orchestrator-agent.md",
        ".gitignore",
    ];
    let before: Vec<String> = files.iter().map(|file| stage.read(file)).collect();
    let mode = fs::metadata(stage.root.join(files[4])).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "the script can be executed");

    let second = stage.gadugi(&["init"]);
    assert!(second.stdout.lines().all(|line| line.starts_with("unchanged ")), "{}", second.stdout);

    stage.write(files[1], "mine\n");
    let third = stage.gadugi(&["init"]);
    third.ends_with(0);
    assert!(
        third.stdout.contains("left as it is (it differs): .claude/agents/orchestrator-agent.md"),
        "{}",
        third.stdout
    );
    assert_eq!(stage.read(files[1]), "mine\n");
    for (file, text) in files.iter().zip(before).filter(|(file, _)| **file != files[1]) {
        assert_eq!(stage.read(file), text, "{file}");
    }
    // What was written is what gadugi itself can read.
    stage.gadugi(&["doctor", "--config"]).ends_with(0);
}

#[test]
fn init_adds_to_a_gitignore_and_follows_no_link() {
    let stage = Stage::new();
    stage.write(".gitignore", "target\n/.gadugi");
    let outside = stage.home.join("outside.md");
    fs::create_dir_all(stage.root.join(".claude/agents")).unwrap();
    std::os::unix::fs::symlink(&outside, stage.root.join(".claude/agents/task-analyzer.md")).unwrap();
    stage.gadugi(&["init"]).ends_with(0);
    assert!(!outside.exists(), "nothing is written through a link");
    let lines = stage.read(".gitignore");
    assert!(lines.starts_with("target\n/.gadugi\n"), "{lines}");
    assert_eq!(lines.matches(".gadugi").count(), 1, "{lines}");
    assert!(lines.contains("\n.worktrees/\n") && lines.contains("worktree_state.json"), "{lines}");
}

#[test]
fn a_plan_is_shown_in_every_form() {
    let stage = Stage::new();
    stage.write("prompts/lexer.md", "# Lexer\n\nWrite `src/lexer.rs`.\n");
    stage.write("prompts/parser.md", "---\ndepends_on: [lexer]\n---\n# Parser\n\nWrite `src/parser.rs`.\n");
    let table = stage.gadugi(&["plan", "--max-parallel", "2"]);
    table.ends_with(0);
    assert!(table.stdout.contains("lexer") && table.stdout.contains("stage 2"), "{}", table.stdout);
    assert_eq!(table.stderr, "");

    let json = stage.gadugi(&["plan", "--json"]);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["stages"], serde_json::json!([["lexer"], ["parser"]]));
    assert_eq!(plan["edges"][0]["reason"], "declared");

    stage.gadugi(&["plan", "--output", "plan.json"]).ends_with(0);
    let written: Value = serde_json::from_str(&stage.read("plan.json")).unwrap();
    assert_eq!(written, plan);

    let mermaid = stage.gadugi(&["plan", "--format", "mermaid"]);
    assert!(mermaid.stdout.contains("flowchart"), "{}", mermaid.stdout);
    let dot = stage.gadugi(&["plan", "--format", "dot"]);
    assert!(dot.stdout.contains("digraph"), "{}", dot.stdout);
    let state = fs::read_dir(stage.root.join(".gadugi")).unwrap();
    let mut left: Vec<_> = state.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(
        left,
        [".gitignore", "analysis"],
        "a plan leaves what it understood of the repository, and nothing else"
    );
}

#[test]
fn prompts_that_are_done_leave_nothing_to_do() {
    let stage = Stage::new();
    stage.write("prompts/old.md", "# Old (IMPLEMENTED)\n\nwords\n");
    let ran = stage.gadugi(&["run", "--agent", "scripted"]);
    ran.ends_with(0);
    assert!(ran.stderr.contains("prompts/old.md is skipped"), "{}", ran.stderr);
    assert!(stage.engine().is_none());
}

#[test]
fn without_any_run_commands_say_so_and_start_nothing() {
    let stage = Stage::new();
    for (args, exit) in [
        (&["status"][..], 0),
        (&["ps", "--json"], 0),
        (&["resume"], 0),
        (&["clean"], 0),
        (&["pause"], 2),
        (&["logs", "x"], 2),
        (&["diff", "x"], 2),
        (&["cancel", "--all"], 2),
        (&["cancel"], 2),
        (&["retry", "x"], 2),
        (&["land"], 2),
        (&["export", "--output", "x.json"], 2),
    ] {
        let ran = stage.gadugi(args);
        ran.ends_with(exit);
        assert_eq!(ran.stderr.lines().count() + ran.stdout.lines().count(), 1, "{args:?}: {ran:?}");
    }
    assert!(!stage.root.join(".gadugi").exists());
}

#[test]
fn doctor_says_what_is_missing_and_how_to_mend_it() {
    let mut stage = Stage::new();
    let ran = stage.gadugi(&["doctor", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    let names: Vec<&str> =
        answer["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in [
        "git",
        "repository",
        "settings",
        "agent",
        "login",
        "node",
        "uv",
        "memory",
        "slots",
        "disk",
        "state",
        "engine",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    stage.write("gadugi.toml", "[run]\nagent = \"scripted\"\n");
    stage.gadugi(&["doctor"]).ends_with(0);
    stage.variables.push(("ANTHROPIC_API_KEY".into(), "sk-test-never-shown".into()));
    let ran = stage.gadugi(&["doctor"]);
    assert!(
        ran.stdout.contains("ANTHROPIC_API_KEY is set") && !ran.stdout.contains("never-shown"),
        "{}",
        ran.stdout
    );
    stage.write("gadugi.toml", "[agents.claude]\ncommand = \"no-such-agent\"\n");
    let ran = stage.gadugi(&["doctor"]);
    ran.ends_with(3);
    assert!(ran.stdout.contains("no-such-agent"), "{}", ran.stdout);
}

#[test]
fn doctor_shows_where_settings_come_from() {
    let mut stage = Stage::new();
    stage.write("gadugi.toml", "[run]\nmax_parallel = 3\n");
    stage.write("other.toml", "[run]\nmax_parallel = 5\n");
    stage.variables.push(("GADUGI_TIMEOUT".into(), "90m".into()));
    let shown = |args: &[&str]| -> Vec<Value> {
        let ran = stage.gadugi(args);
        ran.ends_with(0);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let find =
        |settings: &[Value], key: &str| settings.iter().find(|one| one["key"] == key).cloned().unwrap();
    let settings = shown(&["doctor", "--json", "--config"]);
    assert_eq!(find(&settings, "run.max_parallel")["value"], "3");
    assert!(find(&settings, "run.max_parallel")["source"].as_str().unwrap().ends_with("gadugi.toml:2"));
    assert_eq!(find(&settings, "run.timeout")["source"], "GADUGI_TIMEOUT");
    let settings = shown(&["doctor", "--json", "--config", "other.toml"]);
    assert_eq!(find(&settings, "run.max_parallel")["value"], "5");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = stage.gadugi(&["completions", shell]);
        ran.ends_with(0);
        assert!(ran.stdout.contains("worktrees") && !ran.stdout.contains("scripted-agent --"), "{shell}");
    }
    let page = stage.gadugi(&["man"]);
    assert!(page.stdout.contains(".TH"), "{}", page.stdout);
    let dir = stage.home.join("man");
    stage.gadugi(&["man", "--dir", &dir.display().to_string()]).ends_with(0);
    let run = fs::read_to_string(dir.join("gadugi-run.1")).unwrap();
    assert!(run.contains("max\\-parallel"), "{run}");
    assert!(!dir.join("gadugi-engine.1").exists(), "hidden commands have no page");
}

#[test]
fn help_and_version_are_results() {
    let stage = Stage::new();
    for args in [&["--help"][..], &["run", "--help"], &["--version"], &["help", "plan"]] {
        let ran = stage.gadugi(args);
        ran.ends_with(0);
        assert!(ran.stderr.is_empty() && ran.stdout.contains("gadugi"), "{args:?}: {ran:?}");
    }
    stage.gadugi(&[]).ends_with(2);
}

#[test]
fn a_demo_wants_a_new_folder() {
    let stage = Stage::new();
    let ran = stage.gadugi(&["demo", "--dir", "."]);
    ran.ends_with(2);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn an_agent_looks_at_runs_and_steers_none() {
    let mut stage = Stage::new();
    stage.prompt("one", "", "write one.txt x");
    stage.commit("a prompt");
    stage.run(&[]).ends_with(0);
    stage.variables.push(("GADUGI_ATTEMPT".into(), "run/one/1".into()));
    let before = stage.git(&["rev-parse", "HEAD"]);
    let steering: [&[&str]; 8] = [
        &["run"],
        &["resume"],
        &["cancel", "--all"],
        &["pause"],
        &["retry", "--all"],
        &["land"],
        &["clean", "--older-than", "0"],
        &["worktrees", "--repair"],
    ];
    for command in steering {
        let ran = stage.gadugi(command);
        ran.ends_with(2);
        assert!(ran.stderr.contains("inside a task of gadugi"), "{command:?}: {ran:?}");
    }
    assert_eq!(stage.git(&["rev-parse", "HEAD"]), before, "nothing was landed");
}
