//! Each rule is broken once, to see that it notices.

use super::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
    Tree { files: files.collect() }
}

/// The rule holds for the one tree, and complains about the other with these words.
#[track_caller]
fn holds_and_breaks(rule: Rule, good: &[(&str, &str)], bad: &[(&str, &str)], words: &str) {
    assert_eq!(rule(&tree(good)), Vec::<String>::new());
    let complaints = rule(&tree(bad));
    assert!(
        complaints.iter().any(|complaint| complaint.contains(words)),
        "{words:?} is not in {complaints:?}"
    );
}

const MANIFEST: &str = "[package]\n\n[lints]\nworkspace = true\n";
const HEAD: &str = "//! What the crate is, in a few words.\n//!\n//! **Never in here:** a thing.\n";

#[test]
fn a_crate_without_its_first_words() {
    let good = [("crates/a/Cargo.toml", MANIFEST), ("crates/a/src/lib.rs", HEAD)];
    let bad = [
        ("crates/a/Cargo.toml", MANIFEST),
        ("crates/a/src/main.rs", "//! What the crate is.\nfn main() {}\n"),
    ];
    holds_and_breaks(crates_say_what_they_are, &good, &bad, "Never in here");
    let bad = [("crates/a/Cargo.toml", MANIFEST), ("crates/a/src/lib.rs", "//! (later)\n")];
    holds_and_breaks(crates_say_what_they_are, &good, &bad, "open with a paragraph");
    holds_and_breaks(crates_say_what_they_are, &good, &bad[..1], "neither");
}

#[test]
fn a_crate_without_the_lints() {
    let good = [("crates/a/Cargo.toml", MANIFEST)];
    holds_and_breaks(crates_take_the_workspace_lints, &good, &[("xtask/Cargo.toml", "[package]\n")], "lints");
}

#[test]
fn a_place_that_is_not_on_the_map() {
    let files = [("crates/a/Cargo.toml", MANIFEST), ("docs/x.md", "")];
    let with = |map| [files.as_slice(), &[("ARCHITECTURE.md", map)]].concat();
    let good = with("`crates/`, `crates/a`, `docs/`");
    holds_and_breaks(the_map_is_complete, &good, &with("`crates/`, `crates/a`"), "`docs/`");
    holds_and_breaks(the_map_is_complete, &good, &with("`crates/`, `docs/`"), "`crates/a`");
    holds_and_breaks(the_map_is_complete, &good, &files, "missing");
}

#[test]
fn a_file_that_is_too_long() {
    let (good, bad) = ("x\n".repeat(600), "x\n".repeat(601));
    let generated = format!("// Generated from b.\n{bad}");
    let short = [("a.rs", good.as_str()), ("a.md", &bad), ("a.ts", &generated)];
    for name in ["a.rs", "a.ts", "a.svelte", "a.mjs"] {
        holds_and_breaks(files_stay_short, &short, &[(name, &bad)], "601");
    }
}

#[test]
fn a_place_of_one_machine() {
    for (left, right) in WORKPLACES {
        let bad = format!("see {left}{right}there");
        holds_and_breaks(
            no_workplace_is_named,
            &[("a.md", "nothing of the sort")],
            &[("a.md", &bad)],
            "a.md:1",
        );
    }
    let part_of_a_path = format!("target{}{}x", "/wor", "k/");
    assert!(no_workplace_is_named(&tree(&[("a.md", &part_of_a_path)])).is_empty());
}

#[test]
fn a_dependency_that_must_not_be() {
    let core = |text| [("crates/core/Cargo.toml", text)];
    let good = core("[package]\nname = \"gadugi-core\"\n[dependencies]\nserde.workspace = true\n");
    let bad = core("[dev-dependencies]\ngadugi-sys.workspace = true\n");
    holds_and_breaks(the_core_stands_alone, &good, &bad, "gadugi-sys");
    let bad = [("crates/a/Cargo.toml", "[dependencies]\ngadugi = { path = \"../cli\" }\n")];
    holds_and_breaks(nothing_imports_the_cli, &good, &bad, "crates/a/Cargo.toml");
}

#[test]
fn git_called_elsewhere() {
    let call = "fn f() { Command::new(\"git\").arg(\"gc\"); }\n";
    let test = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ {call} }}\n");
    let good = [
        ("crates/workspace/src/a.rs", call),
        ("crates/a/tests/a.rs", call),
        ("crates/a/src/lib.rs", test.as_str()),
        ("crates/a/examples/a.rs", call),
        ("crates/testkit/src/a.rs", call),
    ];
    holds_and_breaks(one_crate_calls_git, &good, &[("crates/a/src/lib.rs", call)], "crates/a/src/lib.rs:1");
    let other = [("crates/a/src/lib.rs", "Command::new( \"/usr/bin/git\" )")];
    holds_and_breaks(one_crate_calls_git, &good, &other, "only crates/workspace");
}

#[test]
fn a_second_way_to_start_an_agent() {
    let launch = "executor.launch(step)\n";
    let good = [(LAUNCH_MODULE, launch), ("crates/exec/src/lib.rs", launch)];
    let bad = [(LAUNCH_MODULE, launch), ("crates/cli/src/run.rs", launch)];
    holds_and_breaks(one_module_launches, &good, &bad, "crates/cli/src/run.rs:1");
    let twice = launch.repeat(2);
    holds_and_breaks(one_module_launches, &good, &[(LAUNCH_MODULE, &twice)], "2 times");
    holds_and_breaks(one_module_launches, &good, &[(LAUNCH_MODULE, "")], "0 times");
}

#[test]
fn a_test_that_is_ignored() {
    let bad = format!("#[test]\n{}{}]\nfn x() {{}}\n", "#[ign", "ore");
    holds_and_breaks(no_test_is_ignored, &[("a.rs", "#[test]\nfn x() {}\n")], &[("a.rs", &bad)], "a.rs");
}

#[test]
fn documents_that_do_not_hold_together() {
    let decision = "# 1\n## Problem\n## Decision\n## What lost, and why\n";
    let good = [
        ("docs/design/0001-a.md", decision),
        ("README.md", "[a](docs/design/0001-a.md#x) [b](docs/) [c](https://x.y/z)"),
    ];
    for (name, text, words) in [
        ("docs/design/a.md", decision, "four digits"),
        ("docs/design/0001-b.md", decision, "another decision"),
        ("docs/design/0002-b.md", "# 2\n## Problem\n", "## Decision"),
        ("docs/guide/a.md", "[a](../design/0009-a.md)", "leads nowhere"),
    ] {
        let bad = [good.as_slice(), &[(name, text)]].concat();
        holds_and_breaks(documents_hold_together, &good, &bad, words);
    }
}
