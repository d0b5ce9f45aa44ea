//! `cargo xtask test` and `cargo xtask lint`: every part runs, each that fails is named at the end, and one that fails
//! fails the whole.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::containers::Engine;
use crate::shell::{cargo, complain, run, say};
use crate::{containers, lint, page, strays, tools};

type Part = (&'static str, fn() -> Result<()>);

const LINTS: [Part; 4] = [
    ("formatting", lint::formatting),
    ("rules of the repository", crate::tidy::check),
    ("clippy", lint::clippy),
    ("dependencies", lint::dependencies),
];

/// Before everything that is compiled: what it leaves goes into the binary.
const PAGE: [Part; 2] = [("the page", page::build), ("the page's own tests", page::check)];

const TESTS: [Part; 2] = [("tests", tests), ("documentation", documentation)];

/// Installs what is missing, then lints and tests everything.
pub(crate) fn test() -> Result<()> {
    containers::refuse_without_root()?;
    tools::provide(&tools::FOR_TESTS)?;
    perform(&[PAGE.as_slice(), LINTS.as_slice(), TESTS.as_slice()].concat())
}

/// The lints alone.
pub(crate) fn lint() -> Result<()> {
    tools::provide(&tools::FOR_LINTS)?;
    perform(&LINTS)
}

fn tests() -> Result<()> {
    let all = ["test", "--workspace", "--all-features", "--locked"];
    // Built beforehand and unmarked: a compiler's own server is none of ours to stop.
    let mut build = cargo(all);
    build.arg("--no-run");
    run(build)?;
    // Started unmarked and beforehand, too: it is nothing that the tests started.
    let engine = Engine::start()?;
    let before = strays::before()?;
    // `--no-fail-fast`: one red test hides no other.
    let mut tests = cargo(all);
    tests.arg("--no-fail-fast").env(strays::MARK, "1").env(containers::VARIABLE, engine.address());
    let (mut running, counting) = start_and_count(tests)?;
    let tested = running.wait()?;
    // Before the count is complete: what was left behind may hold the other end of the pipe.
    let left = before.stop_what_is_left()?;
    let tally = counting.join().map_err(|_| anyhow!("cannot read what cargo test prints"))??;
    let containers = engine.remove_what_is_left()?;
    drop(engine);
    say(&format!("{} passed, {} failed", tally.passed, tally.failed));
    ensure!(
        containers.is_empty(),
        "the tests left containers behind (removed now): {}",
        containers.join("; ")
    );
    ensure!(left.is_empty(), "the tests left processes behind (stopped now): {}", left.join("; "));
    ensure!(tested.success(), "cargo test: {tested}");
    ensure!(tally.passed > 0, "no test was run");
    ensure!(tally.ignored == 0, "{} tests are marked as ignored; a test is run or taken out", tally.ignored);
    Ok(())
}

/// What cargo's `test result:` lines add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let behind_word = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in behind_word.split("; ") {
            match count.split_once(' ').map(|(number, what)| (number.parse::<u64>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Starts it; a thread hands on each line of its output as it comes and adds up what the lines say.
fn start_and_count(mut command: Command) -> Result<(Child, JoinHandle<io::Result<Tally>>)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut lines = BufReader::new(child.stdout.take().context("no pipe")?);
    let counting = thread::spawn(move || {
        let mut tally = Tally::default();
        let mut line = Vec::new();
        // What a failing test prints may be anything: it is handed on as far as it is text, and stops nothing.
        while lines.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            say(text);
            tally.add(text);
            line.clear();
        }
        Ok(tally)
    });
    Ok((child, counting))
}

fn documentation() -> Result<()> {
    let mut doc = cargo(["doc", "--workspace", "--all-features", "--no-deps", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)
}

fn perform(parts: &[Part]) -> Result<()> {
    let mut failed = Vec::new();
    let mut table = Vec::new();
    for (name, part) in parts {
        say(&format!("\n== {name}"));
        let began = Instant::now();
        let done = part();
        let word = if done.is_ok() { "ok" } else { "FAILED" };
        table.push(format!("{word:>6}  {:6.1} s  {name}", began.elapsed().as_secs_f64()));
        if let Err(error) = done {
            complain(&format!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    say("");
    table.iter().for_each(|line| say(line));
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_runs_and_one_that_fails_fails_the_whole() {
        use std::sync::atomic::{AtomicBool, Ordering};
        static REACHED: AtomicBool = AtomicBool::new(false);
        let last = || {
            REACHED.store(true, Ordering::Relaxed);
            Ok(())
        };
        let error = perform(&[("first", || bail!("broken")), ("second", last)]).unwrap_err().to_string();
        assert!(error.contains("first") && !error.contains("second"), "{error}");
        assert!(REACHED.load(Ordering::Relaxed), "a part behind a failing one was left out");
        perform(&[("second", last)]).unwrap();
    }

    #[test]
    fn the_lines_of_cargo_test_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s",
            "99 passed; not one of cargo's",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 15, failed: 2, ignored: 1 });
    }

    #[test]
    fn output_that_is_no_text_stops_nothing() {
        let mut command = Command::new("printf");
        command.arg("\\377\\n\ntest result: ok. 1 passed; 0 failed; 0 ignored");
        let (mut child, counting) = start_and_count(command).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(counting.join().unwrap().unwrap().passed, 1);
    }
}
