//! Whoever looks for what a dead shim left must find it whatever it is doing just then.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// While a process becomes another program the kernel shows no environment of it.
#[test]
fn a_process_that_becomes_another_all_the_time_is_found() {
    // One at a time: of several the first that is found gives the others a second look.
    const ROUNDS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("again.sh");
    std::fs::write(&script, "exec sh \"$0\"\n").unwrap();
    for round in 0..ROUNDS {
        let attempt = format!("sweeping-{}/again/{round}", std::process::id());
        let mut command = Command::new("sh");
        command.arg(&script).env("GADUGI_ATTEMPT", &attempt).stdin(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        gadugi_exec::sweep(&attempt);
        let left = child.try_wait().unwrap().is_none();
        let _ = child.kill();
        let _ = child.wait();
        assert!(!left, "in round {round} it was not found");
    }
}
