//! What the analysis is given that nobody would give it on purpose: odd repositories, damaged notes, names that a terminal
//! would obey, and a repository that would like to run something. A plan is made all the same, or refused in one line.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on has failed its test")]

mod stage;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stage::{Ran, Stage, signal, until};

/// A source file, and a prompt that wants it changed.
fn stage() -> Stage {
    of(Stage::new())
}

fn of(stage: Stage) -> Stage {
    stage.write("src/client.py", "def parse_header(line):\n    return line\n");
    stage.write("prompts/fix.md", "# Fix\n\nFix `src/client.py`.\n");
    stage.commit("a client");
    stage
}

fn json_of(ran: &Ran) -> Value {
    ran.ends_with(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The plan, which was made without a word of complaint.
#[track_caller]
fn plan(stage: &Stage) -> Value {
    let ran = stage.gadugi(&["plan", "--json"]);
    let plan = json_of(&ran);
    assert_eq!(ran.stderr, "");
    plan
}

/// What the plan says that a task writes.
fn writes(plan: &Value, id: &str) -> Vec<String> {
    let task = plan["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).unwrap();
    let writes = task["writes"].as_array().unwrap().iter();
    writes.map(|claim| claim["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn notes_that_are_something_else_are_made_anew() {
    let stage = stage();
    let sound = plan(&stage);
    let outside = stage.home.join("outside");
    for name in ["map", "history"] {
        let file = stage.root.join(".gadugi/analysis").join(name);
        let kept = fs::read(&file).unwrap();
        let again = |what: &str| {
            assert_eq!(plan(&stage), sound, "{name}: {what}");
            if !file.is_dir() {
                assert_eq!(fs::read(&file).unwrap(), kept, "{name}: {what}");
                assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
                fs::remove_file(&file).unwrap();
            }
        };
        fs::write(&file, &kept[..kept.len() / 2]).unwrap();
        again("cut off");
        fs::write(&file, vec![0xa5; 100_000]).unwrap();
        again("garbage");
        fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        again("a terabyte of zeros");
        // Nobody writes into it: reading it would never end.
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        again("a pipe");
        symlink("/dev/zero", &file).unwrap();
        again("a link to what has no end");
        fs::write(&outside, "outside").unwrap();
        symlink(&outside, &file).unwrap();
        again("a link to a file of the user's");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
        fs::create_dir(&file).unwrap();
        again("a folder");
        fs::remove_dir(&file).unwrap();
    }
}

#[test]
fn no_notes_are_left_outside_of_the_repository() {
    let stage = stage();
    let sound = plan(&stage);
    let outside = stage.home.join("outside");
    fs::create_dir(&outside).unwrap();
    for name in [".gadugi/analysis", ".gadugi"] {
        let link = stage.root.join(name);
        fs::remove_dir_all(&link).unwrap();
        symlink(&outside, &link).unwrap();
        assert_eq!(plan(&stage), sound, "{name}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{name}");
        fs::remove_file(&link).unwrap();
        fs::create_dir_all(&link).unwrap();
    }
    fs::remove_dir_all(stage.root.join(".gadugi")).unwrap();
    fs::write(stage.root.join(".gadugi"), "a file").unwrap();
    assert_eq!(plan(&stage), sound);
}

/// What nobody wants in a terminal: a title, colours, a C1 sequence, marks that reorder and hide.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}31m\u{61c}\u{202e}\u{200b}\u{ad}\u{e0041}";

#[test]
fn nothing_of_a_repository_is_obeyed_by_the_terminal() {
    let stage = Stage::new();
    let names = [
        "src/new\nline.py".as_bytes(),
        b"src/tab\there.py",
        b"src/latin\xe9.py",
        "src/mark\u{61c}s.py".as_bytes(),
        "src/order\u{202e}s.py".as_bytes(),
        b"src/quote\"s.py",
    ];
    for name in names {
        let path = stage.root.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("def odd_{EVIL}_name(): pass\n")).unwrap();
    }
    stage.commit(&format!("marks {EVIL}"));
    let body = format!(
        "# Title {EVIL}\n\nFix `src/mark\u{61c}s.py`, `src/order\u{202e}s.py` {EVIL} and src/{EVIL}.py marks\n"
    );
    stage.write("prompts/a.md", &body);
    stage.write("prompts/b.md", &body);
    let front = "---\ntouches: [\"src/\\u061cm\\x9b31m.py\"]\nodd\u{61c}: 1\n---\n";
    stage.write("prompts/c.md", &format!("{front}{body}"));
    stage.commit("prompts");
    let why = ["plan", "--why", "a", "b"];
    let (mermaid, dot) = (["plan", "--format", "mermaid"], ["plan", "--format", "dot"]);
    for args in [&["plan"][..], &["plan", "--json"], &why, &[&why[..], &["--json"]].concat(), &mermaid, &dot]
    {
        let ran = stage.gadugi(args);
        ran.ends_with(0);
        for text in [&ran.stdout, &ran.stderr] {
            let obeyed = |c: &char| c.is_control() && *c != '\n' || EVIL.contains(*c) && !c.is_ascii();
            assert_eq!(text.chars().find(obeyed), None, "{args:?}: {text:?}");
        }
    }
    // Programs get it as it is.
    let plan = json_of(&stage.gadugi(&["plan", "--json"]));
    assert!(writes(&plan, "a").contains(&"src/mark\u{61c}s.py".to_owned()), "{plan}");
    assert_eq!(writes(&plan, "c"), ["src/\u{61c}m\u{9b}31m.py"]);
}

/// Makes a repository whose configuration names a program wherever git would start one.
fn hostile(stage: &Stage) -> std::path::PathBuf {
    let (program, marker) = (stage.home.join("program"), stage.home.join("marker"));
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\ncat\n", marker.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    for key in [
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.command",
        "diff.evil.textconv",
        "merge.evil.driver",
        "diff.external",
        "core.fsmonitor",
        "core.sshCommand",
        "core.gitProxy",
        "core.pager",
        "core.askPass",
        "credential.helper",
        "gpg.program",
        "core.alternateRefsCommand",
    ] {
        stage.git(&["config", key, program]);
    }
    for (key, value) in [
        ("log.showSignature", "true"),
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "ssh://nowhere.invalid/x"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialCloneFilter", "blob:none"),
    ] {
        stage.git(&["config", key, value]);
    }
    let hooks = stage.root.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
        fs::copy(program, hooks.join(hook)).unwrap();
    }
    marker
}

fn lose(stage: &Stage, object: &str) {
    let id = stage.git(&["rev-parse", object]);
    fs::remove_file(stage.root.join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
}

#[test]
fn a_plan_runs_nothing_that_a_repository_names() {
    let stage = Stage::new();
    stage.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    stage.write("src/old.py", "def parse_header(line):\n    return line\n");
    stage.commit("an old name");
    stage.git(&["mv", "src/old.py", "src/client.py"]);
    let stage = of(stage);
    let tree = stage.git(&["rev-parse", "HEAD:src"]);
    let before = stage.git(&["rev-parse", "HEAD~1:src"]);
    let blob = stage.git(&["rev-parse", "HEAD:src/client.py"]);
    let marker = hostile(&stage);
    let fresh = || fs::remove_dir_all(stage.root.join(".gadugi")).unwrap();
    // What was touched is looked at again, by whoever does.
    stage.write("src/client.py", "changed\n");
    for missing in [None, Some(&blob), Some(&before)] {
        missing.into_iter().for_each(|object| lose(&stage, object));
        assert_eq!(writes(&plan(&stage), "fix"), ["src/client.py"], "{missing:?}");
        fresh();
    }
    lose(&stage, &tree);
    let ran = stage.gadugi(&["plan", "--json"]);
    ran.ends_with(3);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], "base-unreadable", "{error}");
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap());
}

#[test]
fn odd_histories_make_plans() {
    let stage = stage();
    let whole = plan(&stage);
    // A merge of three, and objects that stand in for others.
    for branch in ["x", "y", "z"] {
        stage.git(&["checkout", "-q", "-b", branch, "main"]);
        stage.write(&format!("{branch}.txt"), branch);
        stage.commit(branch);
    }
    stage.git(&["checkout", "-q", "main"]);
    stage.git(&["merge", "-q", "-m", "three at once", "x", "y", "z"]);
    assert_eq!(writes(&plan(&stage), "fix"), writes(&whole, "fix"));
    stage.git(&["replace", "--graft", "HEAD", "HEAD~1"]);
    assert_eq!(writes(&plan(&stage), "fix"), writes(&whole, "fix"));
    stage.git(&["checkout", "-q", "--detach"]);
    // Clones that have less.
    stage.git(&["config", "uploadpack.allowFilter", "true"]);
    let origin = format!("file://{}", stage.root.display());
    let away = stage.home.join("away");
    for (name, filter) in
        [("shallow", "--depth=1"), ("blobless", "--filter=blob:none"), ("treeless", "--filter=tree:0")]
    {
        let clone = stage.home.join(name).display().to_string();
        stage.git(&["clone", "-q", filter, &origin, &clone]);
        // What is not there cannot be had.
        fs::rename(stage.root.join(".git"), &away).unwrap();
        let ran = stage.gadugi(&["plan", "--json", "--project-root", &clone]);
        fs::rename(&away, stage.root.join(".git")).unwrap();
        assert_eq!(ran.stderr, "", "{name}");
        assert_eq!(writes(&json_of(&ran), "fix"), writes(&whole, "fix"), "{name}");
    }
}

#[test]
fn other_hashes_and_odd_entries_make_plans() {
    let stage = Stage::new();
    let other = stage.home.join("other");
    let root = other.display().to_string();
    stage.git(&["init", "-q", "-b", "main", "--object-format=sha256", &root]);
    write(&other, "src/client.py", b"def parse_header(line):\n    return line\n");
    write(&other, "prompts/fix.md", b"# Fix\n\nFix `src/client.py`.\n");
    for (name, bytes) in [
        ("src/latin.py", &b"# caf\xe9\ndef a(): pass\n"[..]),
        ("src/wide.py", b"\xff\xfed\0e\0f\0"),
        ("src/mark.py", b"\xef\xbb\xbfdef marked(): pass\n"),
        ("src/nul.py", b"def nul(): pass\n\0\0\n"),
        ("src/broken.py", "def (((( class ]]]] {{{{\n".repeat(500).as_bytes()),
        ("src/deep.js", "(".repeat(100_000).as_bytes()),
        ("src/deep.rs", "mod a {".repeat(20_000).as_bytes()),
        ("src/one.py", b"from src.two import b\ndef a(): return b()\n"),
        ("src/two.py", b"from src.one import a\ndef b(): return a()\n"),
    ] {
        write(&other, name, bytes);
    }
    for (link, to) in
        [("loop", "loop"), ("one", "two"), ("two", "one"), ("self", "."), ("src/up.py", "/etc/passwd")]
    {
        symlink(to, other.join(link)).unwrap();
    }
    stage.git(&["-C", &root, "add", "-A"]);
    let pointer = format!("160000,{},vendor/lib", "1".repeat(64));
    stage.git(&["-C", &root, "update-index", "--add", "--cacheinfo", &pointer]);
    stage.git(&["-C", &root, "commit", "-q", "-m", "all of it"]);
    for _ in 0..2 {
        let ran = stage.gadugi(&["plan", "--json", "--project-root", &root]);
        assert_eq!(ran.stderr, "");
        assert_eq!(writes(&json_of(&ran), "fix"), ["src/client.py"]);
    }
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn prompts_that_all_want_one_file_form_one_line() {
    let stage = stage();
    for number in 0..300 {
        stage.write(
            &format!("prompts/p{number}.md"),
            &format!("# P{number}\n\nFix `src/client.py`, case {number}.\n"),
        );
    }
    let plan = plan(&stage);
    assert_eq!(plan["edges"].as_array().unwrap().len(), 300);
    assert_eq!(plan["stages"].as_array().unwrap().len(), 301);
    assert_eq!(plan["sequential_seconds"], plan["parallel_seconds"]);
}

#[test]
fn a_file_that_is_not_there_yet_is_written() {
    let stage = stage();
    stage.write("prompts/a.md", "# New\n\nCreate `src/limits.py` with a class `RateLimit`.\n");
    stage.write("prompts/b.md", "# Other\n\nAdd `src/limits.py` for the limits.\n");
    stage.write("prompts/c.md", "# 文档\n\n写 `docs/guide.md`。\n");
    let plan = plan(&stage);
    assert!(writes(&plan, "a").contains(&"src/limits.py".to_owned()), "{plan}");
    let edges = plan["edges"].as_array().unwrap();
    assert!(edges.iter().any(|edge| edge["from"] == "a" && edge["to"] == "b"), "{plan}");
}

#[test]
fn what_is_to_be_known_is_said_once() {
    let stage = stage();
    stage.write("prompts/fix.md", "---\nkin: feature\n---\n# Fix\n\nFix `src/client.py`.\n");
    stage.write("prompts/old.md", "IMPLEMENTED\n# Old\n\nwords\n");
    let ran = stage.gadugi(&["plan"]);
    ran.ends_with(0);
    let both = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(both.matches("unknown key").count(), 1, "{both}");
    assert_eq!(both.matches("prompts/old.md").count(), 1, "{both}");
}

#[test]
fn who_interrupts_a_plan_leaves_no_program_behind() {
    let stage = stage();
    let (program, pids) = (stage.home.join("program"), stage.home.join("pids"));
    // What it starts itself goes with it.
    let script =
        format!("#!/bin/sh\nsleep 600 &\necho $$ $! > {0}.new\nmv {0}.new {0}\nwait\n", pids.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    stage.write("gadugi.toml", &format!("[analysis]\ncommand = [\"{}\"]\n", program.display()));
    for kind in ["INT", "TERM"] {
        let plan = stage.spawn(&["plan"]);
        until("the program is asked", || pids.exists());
        let asked = fs::read_to_string(&pids).unwrap();
        fs::remove_file(&pids).unwrap();
        signal(i32::try_from(plan.id()).unwrap(), kind);
        let ran = stage.finish(plan);
        ran.ends_with(130);
        let said = format!("asked: {} ([analysis] command)\n", program.display());
        assert_eq!((ran.stdout.as_str(), ran.stderr), ("", said));
        let is_alive = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // One that nobody has waited for yet is dead all the same.
            !stat.is_empty() && !stat.contains(") Z ")
        };
        until("nothing of it is left", || !asked.split_whitespace().any(is_alive));
    }
}
