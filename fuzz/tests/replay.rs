//! The corpora, replayed: every input that is worth keeping, among them one for each defect that was found.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gadugi_fuzz::TARGETS;

/// Every input of the target's corpus. One that fails is named, and hides no other.
fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() > 5, "{} holds {} inputs", folder.display(), inputs.len());
    let failed: Vec<_> = inputs
        .iter()
        .filter(|input| {
            let data = fs::read(input).expect("an input");
            catch_unwind(AssertUnwindSafe(|| target(&data))).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for data in [&b""[..], b"\n", b"\0", b"\xff\xfe", b"{}", b"[", b"null", b"\"\\ud800\""] {
        target(data);
    }
}

#[test]
fn attempt() {
    replay("attempt");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn events() {
    replay("events");
}

#[test]
fn export() {
    replay("export");
}

#[test]
fn map() {
    replay("map");
}

#[test]
fn prompts() {
    replay("prompts");
}

#[test]
fn request() {
    replay("request");
}

#[test]
fn stream() {
    replay("stream");
}

#[test]
fn transcript() {
    replay("transcript");
}

#[test]
fn wire() {
    replay("wire");
}

/// A target without a binary is not fuzzed, and a corpus without a target is not replayed.
#[test]
fn targets_binaries_and_corpora_are_the_same() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(here.join(folder)).expect("the folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    };
    let targets: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("libfuzzer/src/bin"), targets);
    let this = fs::read_to_string(here.join("tests/replay.rs")).expect("this file");
    for target in &targets {
        assert!(this.contains(&format!("replay(\"{target}\")")), "{target} is not replayed");
    }
}
