//! `cargo xtask fuzz`: libFuzzer on what others write, each target for a bounded time.
//!
//! cargo-fuzz builds the targets with its instrumentation and without a sanitizer, which needs no more than the stable
//! toolchain: the code is safe Rust, and what is looked for is a panic, a hang, or memory without end. New inputs go to
//! `target/fuzz/corpus`, so that the repository's own corpora stay small; what fails goes to `target/fuzz/artifacts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{names, shell, tools};

/// Memory that a target may use, MiB. The inputs have a few kilobytes.
const MOST_MEMORY: u32 = 1024;

/// Seconds that one input may take; the slowest takes some hundredths.
const LONGEST_INPUT: u32 = 20;

/// Bytes of the longest input.
const LONGEST: u32 = 16 * 1024;

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets; none: all of them
    targets: Vec<String>,
}

/// Builds the targets, runs one after another, and fails where one of them found something.
pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    tools::provide(&tools::FOR_FUZZING)?;
    let known = targets()?;
    let unknown: Vec<&String> = fuzz.targets.iter().filter(|name| !known.contains(name)).collect();
    ensure!(unknown.is_empty(), "no such target: {unknown:?}; there are {}", known.join(", "));
    let chosen = if fuzz.targets.is_empty() { &known } else { &fuzz.targets };
    // What is fuzzed is what is shipped: the same versions of everything.
    fs::copy(names::root().join("Cargo.lock"), harness().join("Cargo.lock"))
        .context("cannot copy Cargo.lock")?;
    shell::run(cargo_fuzz("build", &[])?)?;
    let mut failed = Vec::new();
    for target in chosen {
        if let Err(error) = fuzz_one(target, fuzz.seconds) {
            shell::complain(&format!("{error:#}"));
            failed.push(target.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "found something in: {}. The input is in {}; put it into fuzz/corpus/<target> with the repair",
            failed.join(", "),
            work().join("artifacts").display()
        );
    }
    shell::say(&format!("{} targets, {} s each: nothing found", chosen.len(), fuzz.seconds));
    Ok(())
}

fn fuzz_one(target: &str, seconds: u32) -> Result<()> {
    let (corpus, artifacts) = (work().join("corpus").join(target), work().join("artifacts").join(target));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // The first folder takes what is new; the others are only read.
    let own = names::root().join("fuzz/corpus").join(target);
    let arguments = [
        target.to_owned(),
        corpus.display().to_string(),
        own.display().to_string(),
        "--".to_owned(),
        format!("-max_total_time={seconds}"),
        format!("-timeout={LONGEST_INPUT}"),
        format!("-rss_limit_mb={MOST_MEMORY}"),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/", artifacts.display()),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
    ];
    shell::run(cargo_fuzz("run", &arguments)?)
}

/// A call of cargo-fuzz.
fn cargo_fuzz(verb: &str, arguments: &[String]) -> Result<Command> {
    let mut command = Command::new(tools::cargo_fuzz().context("cargo-fuzz is missing")?);
    command.args([verb, "--sanitizer", "none", "--fuzz-dir"]).arg(harness());
    command.arg("--target-dir").arg(names::target()?.join("fuzz/build"));
    command.args(arguments).current_dir(names::root());
    Ok(command)
}

/// The package of the binaries for libFuzzer.
fn harness() -> PathBuf {
    names::root().join("fuzz/libfuzzer")
}

/// What fuzzing leaves behind.
fn work() -> PathBuf {
    names::root().join("target/fuzz")
}

/// The targets: each is a binary.
fn targets() -> Result<Vec<String>> {
    let folder = harness().join("src/bin");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry?.path();
        targets.extend(stem(&path));
    }
    targets.sort();
    Ok(targets)
}

fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_and_others_are_refused() {
        let targets = targets().unwrap();
        assert!(targets.contains(&"stream".to_owned()), "{targets:?}");
        for target in &targets {
            assert!(names::root().join("fuzz/corpus").join(target).is_dir(), "{target} has no corpus");
        }
    }
}
