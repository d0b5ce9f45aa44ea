//! The scripted agent as a program of its own, for tests that have no `gadugi` at hand: takes the same arguments.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use gadugi_agents::scripted;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).skip_while(|arg| arg == scripted::SUBCOMMAND).collect();
    let code = scripted::run(&args, &mut stdin().lock(), &mut stdout().lock());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
