//! Bad input and bad surroundings, each with its exit code, its stable code, and exactly one line on standard error.
//! None of them gets as far as an engine.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on has failed its test")]

mod stage;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stage::{Ran, Stage};

/// A stage with one prompt that is sound.
fn set() -> Stage {
    let stage = Stage::new();
    stage.write("prompts/good.md", "# Good\n\nWrite `src/good.txt`.\n");
    stage.commit("prompts");
    stage
}

/// Refused with one line for people, and with one object for programs. Answers the line.
#[track_caller]
fn refused(stage: &Stage, args: &[&str], exit: i32, code: &str) -> String {
    let ran = stage.gadugi(args);
    let line = one_line(&ran, exit);
    assert!(line.starts_with("error: "), "{line}");
    let json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let ran = stage.gadugi(&json);
    let object: Value = serde_json::from_str(&one_line(&ran, exit)).expect("an object");
    assert_eq!(object["error"]["code"], code, "{object}");
    assert!(line.contains(object["error"]["message"].as_str().unwrap()), "{line}\n{object}");
    assert!(stage.engine().is_none(), "no engine was started for it");
    line
}

#[track_caller]
fn one_line(ran: &Ran, exit: i32) -> String {
    ran.ends_with(exit);
    assert_eq!(ran.stdout, "", "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.stderr);
    lines[0].to_owned()
}

#[test]
fn no_repository() {
    let mut stage = set();
    let outside = stage.home.join("outside");
    fs::create_dir(&outside).unwrap();
    stage.variables.push(("GIT_CEILING_DIRECTORIES".into(), stage.home.display().to_string()));
    let root = outside.display().to_string();
    let line = refused(&stage, &["run", "--project-root", &root], 3, "no-repository");
    assert!(line.contains("git init"), "{line}");
    refused(&stage, &["plan", "--project-root", "nowhere"], 2, "no-such-folder");
}

#[test]
fn a_bare_repository() {
    let stage = set();
    let bare = stage.home.join("bare.git").display().to_string();
    stage.git(&["init", "-q", "--bare", &bare]);
    refused(&stage, &["run", "--project-root", &bare], 3, "bare-repository");
}

#[test]
fn no_commits_yet() {
    let stage = set();
    let empty = stage.home.join("empty");
    stage.git(&["init", "-q", &empty.display().to_string()]);
    fs::create_dir(empty.join("prompts")).unwrap();
    fs::write(empty.join("prompts/a.md"), "# A\n\nwords\n").unwrap();
    let root = empty.display().to_string();
    refused(&stage, &["run", "--project-root", &root], 3, "no-commits");
}

#[test]
fn an_unborn_branch_beside_commits() {
    let stage = set();
    stage.git(&["symbolic-ref", "HEAD", "refs/heads/unborn"]);
    refused(&stage, &["run"], 3, "no-commits");
    // Another base will do.
    stage.gadugi(&["plan", "--base", "main"]).ends_with(0);
}

#[test]
fn a_detached_head_works() {
    let stage = set();
    stage.git(&["checkout", "-q", "--detach"]);
    stage.gadugi(&["plan"]).ends_with(0);
}

#[test]
fn prompts_that_cannot_be_taken() {
    let stage = set();
    stage.write("prompts/empty.md", "");
    stage.write("prompts/blank.md", " \n\t\n");
    stage.write("prompts/only.md", "---\npriority: 1\n---\n");
    fs::write(stage.root.join("prompts/latin.md"), b"# caf\xe9\n").unwrap();
    fs::write(stage.root.join("prompts/huge.md"), vec![b'x'; 10_000_001]).unwrap();
    fs::create_dir(stage.root.join("nothing")).unwrap();
    fs::write(stage.home.join("secret.md"), "# Secret\n\nwords\n").unwrap();
    symlink(stage.home.join("secret.md"), stage.root.join("prompts/link.md")).unwrap();
    for (name, code, words) in [
        ("missing.md", "no-such-prompt", "missing.md"),
        ("empty.md", "empty-prompt", "is empty"),
        ("blank.md", "empty-prompt", "is empty"),
        ("only.md", "empty-prompt", "front matter"),
        ("latin.md", "not-utf8", "byte 5"),
        ("huge.md", "prompt-too-large", "10000001 bytes"),
        ("link.md", "leaves-repository", "secret.md"),
    ] {
        let path = format!("prompts/{name}");
        let line = refused(&stage, &["run", &path], 2, code);
        assert!(line.contains(words), "{name}: {line}");
    }
    refused(&stage, &["run", "nothing"], 2, "no-prompts");
    refused(&stage, &["run", "/dev/null"], 2, "not-a-file");
}

#[test]
fn no_prompts_at_all() {
    let stage = Stage::new();
    refused(&stage, &["run"], 2, "no-prompts");
}

#[test]
fn odd_names_work() {
    let stage = Stage::new();
    for name in
        ["with space.md", "it's \"quoted\".md", "new\nline.md", "日本語.md", "-n.md", "--force.md", "$(x).md"]
    {
        stage.write(&format!("prompts/{name}"), "# Odd\n\nwords\n");
    }
    let ran = stage.gadugi(&["plan", "--json"]);
    ran.ends_with(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["tasks"].as_array().unwrap().len(), 7);
    // What looks like an option is one, unless it is said to be none.
    refused(&stage, &["plan", "-n.md"], 2, "unknown-argument");
    let ran = stage.gadugi(&["plan", "--", "prompts/-n.md"]);
    ran.ends_with(0);
    let table = stage.gadugi(&["plan"]);
    assert!(table.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{}", table.stdout);
}

#[test]
fn duplicate_ids() {
    let stage = Stage::new();
    stage.write("prompts/a.md", "---\nid: same\n---\n# A\n\nwords\n");
    stage.write("prompts/b.md", "---\nid: same\n---\n# B\n\nwords\n");
    let line = refused(&stage, &["run"], 2, "duplicate-id");
    assert!(line.contains("prompts/a.md") && line.contains("prompts/b.md"), "{line}");
}

#[test]
fn front_matter_that_is_wrong_is_named_by_line_and_column() {
    let stage = Stage::new();
    for (matter, place, words) in [
        ("priority: [1", "prompts/bad.md:", ""),
        ("id: a\npriority: high", "prompts/bad.md:3:11", "high"),
        ("kind: magic", "prompts/bad.md:2:7", "magic"),
        ("executor: kubernetes", "prompts/bad.md:2:11", "kubernetes"),
    ] {
        stage.write("prompts/bad.md", &format!("---\n{matter}\n---\n# Bad\n\nwords\n"));
        let line = refused(&stage, &["run"], 2, "bad-front-matter");
        assert!(line.contains(place) && line.contains(words), "{line}");
    }
}

#[test]
fn dependencies_that_cannot_be() {
    let stage = Stage::new();
    let write = |name: &str, on: &str| {
        stage.write(
            &format!("prompts/{name}.md"),
            &format!("---\ndepends_on: [{on}]\n---\n# {name}\n\nwords\n"),
        );
    };
    write("a", "nothing-of-that-name");
    refused(&stage, &["run"], 2, "unknown-dependency");
    write("a", "a");
    refused(&stage, &["run"], 2, "depends-on-itself");
    write("a", "b");
    write("b", "c");
    write("c", "a");
    let line = refused(&stage, &["run"], 2, "dependency-cycle");
    assert!(line.contains("a -> ") && line.contains("b") && line.contains("c"), "{line}");
    stage.commit("prompts");
    let line = refused(&stage, &["run", "prompts/a.md"], 2, "dependency-not-planned");
    assert!(line.contains("name prompts/b.md too"), "{line}");
}

#[test]
fn flags_that_cannot_be() {
    let stage = set();
    for (flags, code) in [
        (&["--max-parallel", "0"][..], "bad-value"),
        (&["--max-parallel", "many"], "bad-value"),
        (&["--max-parallel", "-1"], "bad-value"),
        (&["--timeout", "soon"], "bad-value"),
        (&["--timeout", "0"], "bad-value"),
        (&["--agent", "nobody"], "bad-value"),
        (&["--budget", "-1"], "bad-value"),
        (&["--max-turns", "0"], "bad-value"),
        (&["--base", "nowhere"], "bad-revision"),
        (&["--base", "--all"], "unknown-argument"),
        (&["--config", "nowhere.toml"], "config-not-found"),
        (&["--frobnicate"], "unknown-argument"),
        (&["--executor", "moon"], "bad-value"),
    ] {
        let args: Vec<&str> = std::iter::once("run").chain(flags.iter().copied()).collect();
        let line = refused(&stage, &args, 2, code);
        assert!(!line.contains("panicked"), "{line}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_named_by_line_and_column() {
    let stage = set();
    stage.write("gadugi.toml", "[run]\ntimeout = \"soon\"\n");
    let line = refused(&stage, &["run"], 2, "bad-config");
    assert!(line.contains("gadugi.toml:2:11"), "{line}");
}

#[test]
fn what_comes_later_is_refused_in_one_line() {
    let stage = set();
    for flags in [
        &["--executor", "kubernetes"][..],
        &["--agent", "codex"],
        &["--agent", "gemini"],
        &["--agent", "opencode"],
    ] {
        let args: Vec<&str> = std::iter::once("run").chain(flags.iter().copied()).collect();
        let line = refused(&stage, &args, 2, "not-yet");
        assert!(line.contains("later version"), "{line}");
    }
    for args in [&["mcp"][..], &["tell", "x", "y"], &["shell", "x", "--", "ls", "-l"], &["land", "--pr"]] {
        let line = one_line(&stage.gadugi(args), 2);
        assert!(line.contains("later version"), "{line}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_in_one_line() {
    let stage = set();
    for wrong in ["nonsense", ":", "65536", "127.0.0.1", "::1:80", "http://127.0.0.1:80"] {
        let flag = format!("--dashboard={wrong}");
        for args in [&["run", &flag][..], &["resume", &flag], &["dashboard", "--listen", wrong]] {
            let line = refused(&stage, args, 2, "bad-value");
            assert!(line.contains(wrong) && line.contains("expected an address"), "{line}");
        }
    }
    assert!(stage.engine().is_none());
}

#[test]
fn without_a_container_engine_a_wish_for_containers_is_refused_and_none_is_said() {
    let mut stage = set();
    let nowhere = stage.home.join("no.sock");
    stage.variables.push(("DOCKER_HOST".into(), format!("unix://{}", nowhere.display())));
    stage.write("prompts/boxed.md", "---\nexecutor: docker\n---\n# Boxed\n\nwords\n");
    for args in [&["run"][..], &["run", "--executor", "docker"]] {
        let line = refused(&stage, args, 3, "no-container-engine");
        assert!(line.contains("no.sock"), "{line}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_written_to() {
    let stage = set();
    // A file in its place: also root cannot write into that.
    stage.write(".gadugi", "in the way\n");
    stage.commit("a file of that name");
    let line = refused(&stage, &["run", "--agent", "scripted", "-q"], 3, "state-unwritable");
    assert!(line.contains(".gadugi"), "{line}");
}

#[test]
fn an_agent_that_is_not_there() {
    let mut stage = set();
    // Git, and nothing else of this machine's own.
    let bin = stage.home.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(which("git"), bin.join("git")).unwrap();
    stage.variables.push(("PATH".into(), bin.display().to_string()));
    let line = refused(&stage, &["run"], 3, "agent-missing");
    assert!(line.contains("npm install -g @anthropic-ai/claude-code"), "{line}");

    fs::write(bin.join("claude"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(bin.join("claude"), fs::Permissions::from_mode(0o644)).unwrap();
    let line = refused(&stage, &["run"], 3, "agent-not-executable");
    assert!(line.contains("chmod +x"), "{line}");

    stage.write("gadugi.toml", "[agents.claude]\ncommand = \"./tools/claude\"\n");
    let line = refused(&stage, &["run"], 3, "agent-missing");
    assert!(line.contains("tools/claude"), "{line}");
}

#[test]
fn a_run_inside_an_attempt() {
    let mut stage = set();
    stage.variables.push(("GADUGI_ATTEMPT".into(), "orchestration-x/t/1".into()));
    let line = refused(&stage, &["run"], 2, "inside-attempt");
    assert!(line.contains("orchestration-x/t/1"), "{line}");
    refused(&stage, &["resume"], 2, "inside-attempt");
    // Looking is no harm.
    stage.gadugi(&["plan"]).ends_with(0);
}

#[test]
fn a_git_that_is_too_old_or_missing() {
    let mut stage = set();
    let bin = stage.home.join("bin");
    fs::create_dir(&bin).unwrap();
    stage.variables.push(("PATH".into(), bin.display().to_string()));
    refused(&stage, &["run"], 3, "git-missing");
    fs::write(bin.join("git"), "#!/bin/sh\necho git version 2.37.4\n").unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let line = refused(&stage, &["run"], 3, "git-too-old");
    assert!(line.contains("2.37.4") && line.contains("2.38"), "{line}");
}

#[test]
fn a_request_that_names_nothing() {
    let stage = set();
    for (request, code) in [
        ("", "nothing-named"),
        ("please do something\n", "nothing-named"),
        ("Execute these prompts:\n- gone.md\n", "no-such-prompt"),
        ("Execute these prompts:\n- ../../etc/passwd\n", "no-such-prompt"),
    ] {
        let ran = stage.gadugi_with_stdin(&["run", "--stdin", "--json"], request);
        let object: Value = serde_json::from_str(&one_line(&ran, 2)).unwrap();
        assert_eq!(object["error"]["code"], code, "{request:?}");
    }
    let ran = stage.gadugi_with_stdin(&["plan", "--stdin"], "Execute these prompts:\n- good.md\n- gone.md\n");
    ran.ends_with(0);
    assert!(ran.stderr.contains("warning:") && ran.stderr.contains("gone.md"), "{}", ran.stderr);
}

#[test]
fn questions_need_somebody_to_answer_them() {
    let stage = set();
    let line = one_line(&stage.gadugi(&["run", "-i"]), 2);
    assert!(line.contains("terminal"), "{line}");
    one_line(&stage.gadugi(&["run", "-i", "--json"]), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let stage = set();
    let mut command = stage.command(&["plan"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(Stdio::from(writer)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_full_disk_is_said_in_one_line() {
    let stage = set();
    let mut command = stage.command(&["plan", "--output", "/dev/full"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("No space left"), "{stderr}");
}

fn which(program: &str) -> std::path::PathBuf {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    Path::new(String::from_utf8_lossy(&found.stdout).trim()).to_owned()
}
