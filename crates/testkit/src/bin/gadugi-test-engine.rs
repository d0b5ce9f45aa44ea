//! Keeps a Docker engine for a whole test run: `gadugi-test-engine DATA_ROOT` starts it, prints its address, and stops it, with
//! all that it started, when its own standard input ends. So it ends with whoever started it, however that one ends.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gadugi_testkit::docker::{Options, TestEngine};
use rustix::fs::{FlockOperation, flock};

#[expect(clippy::print_stderr, reason = "a tool of tests: its own arguments and its own words")]
fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data_root] = &arguments[..] else {
        eprintln!("usage: gadugi-test-engine DATA_ROOT");
        return ExitCode::from(2);
    };
    match keep(data_root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn keep(data_root: &Path) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", data_root.display());
    std::fs::create_dir_all(data_root).map_err(said)?;
    // Two engines on one folder spoil it. The other may just be on its way out: this one waits.
    let lock = File::create(data_root.with_extension("lock")).map_err(said)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| said(error.into()))?;
    let options = Options { data_root: Some(data_root.to_owned()), in_network: true, ..Options::default() };
    let engine = TestEngine::start_with(options)?;
    let mut out = io::stdout();
    writeln!(out, "{}", engine.host()).and_then(|()| out.flush()).map_err(said)?;
    // What is written there means nothing; its end does.
    io::stdin().read_to_end(&mut Vec::new()).map_err(said)?;
    drop(engine);
    Ok(())
}
