//! Serves testkit's doubles to programs outside a test: `gadugi-testkit model-api [PORT]` prints the address of a scripted
//! model API and serves it until it is killed.

use std::io::{self, Write};
use std::process::ExitCode;

use gadugi_testkit::model_api::ModelApi;

#[expect(clippy::print_stderr, reason = "a tool of tests: its own arguments and its own words")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let port = match args[..] {
        ["model-api"] => Some(0),
        ["model-api", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: gadugi-testkit model-api [PORT]");
        return ExitCode::from(2);
    };
    match serve(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> io::Result<()> {
    let api = ModelApi::start_on(port)?;
    let mut out = io::stdout();
    writeln!(out, "{}", api.base_url())?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
