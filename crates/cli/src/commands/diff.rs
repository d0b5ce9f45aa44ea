//! `gadugi diff TASK`.

use std::fs::File;
use std::io::{self, Write};

use clap::Args;
use console::Style;
use gadugi_core::{RunId, TaskId};
use gadugi_engine::client::ClientError;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem, Stop};
use crate::place::{Place, block_on};
use crate::{output, text};

/// Whose changes.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The task: its id, a unique prefix of it, or the prompt's name
    task: String,
    /// The run [default: the latest that has the task]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

pub(crate) fn run(global: &Global, args: &DiffArgs) -> Done {
    let place = Place::find(global)?;
    let (view, id) = block_on(async {
        let mut client = place.engine_for_run().await?;
        runs::task(&mut client, args.run.as_deref(), &args.task).await
    })?;
    let mut out = Patch { colours: output::is_terminal(), line: Vec::new(), empty: true, stopped: None };
    let written = write(&place, &view.run, &id, &mut out);
    out.end();
    match (out.stopped, written) {
        (Some(stop), _) => Err(stop),
        (None, Err(stop)) => Err(stop),
        (None, Ok(why)) => {
            let changed_nothing = out.empty.then(|| "it changed nothing".to_owned());
            if let Some(why) = why.or(changed_nothing) {
                output::say(&text::line(&format!("{id}: {why}")));
            }
            Ok(Exit::Success)
        }
    }
}

/// Writes the patch; answers with why there is none, where the engine says so.
fn write(place: &Place, run: &RunId, task: &TaskId, out: &mut Patch) -> Result<Option<String>, Stop> {
    let asked = block_on(async {
        let mut client = place.engine_for_run().await?;
        Ok(client.ask(&Request::Diff { run: run.clone(), task: task.clone() }).await)
    })?;
    let path = match asked {
        Ok(Reply::Patch { path }) => path,
        Ok(other) => return Err(Problem::unexpected(&other).into()),
        // Nothing is wrong: there is nothing to show, or not yet.
        Err(ClientError::Refused(failure))
            if ["not-begun", "nothing-left"].contains(&failure.code.as_str()) =>
        {
            return Ok(Some(failure.message));
        }
        Err(error) => return Err(error.into()),
    };
    let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, out));
    // It was made for this one reading.
    let _ = std::fs::remove_file(&path);
    match copied {
        Err(_) if out.stopped.is_some() => Ok(None),
        copied => Ok(copied.map(|_| None).map_err(|error| Problem::io("read", &path, &error))?),
    }
}

/// A patch on its way to standard output: as it is for programs, coloured and cleaned for people.
struct Patch {
    colours: bool,
    line: Vec<u8>,
    /// Nothing came yet.
    empty: bool,
    stopped: Option<Stop>,
}

impl Patch {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        output::result_bytes(bytes).map_err(|stop| {
            self.stopped = Some(stop);
            io::Error::from(io::ErrorKind::BrokenPipe)
        })
    }

    fn put_line(&mut self) -> io::Result<()> {
        let line = paint(&text::block(&String::from_utf8_lossy(&std::mem::take(&mut self.line))));
        self.put(format!("{line}\n").as_bytes())
    }

    fn end(&mut self) {
        if !self.line.is_empty() && self.stopped.is_none() {
            // A failure is kept in `stopped`.
            let _ = self.put_line();
        }
    }
}

impl Write for Patch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.empty &= bytes.is_empty();
        if !self.colours {
            self.put(bytes)?;
            return Ok(bytes.len());
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                self.put_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn paint(line: &str) -> String {
    let line = line.trim_end_matches('\n');
    let kind = match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::new().bold(),
        [b'+', ..] => Style::new().green(),
        [b'-', ..] => Style::new().red(),
        [b'@', b'@', ..] => Style::new().cyan(),
        _ if line.starts_with("diff ") || line.starts_with("index ") => Style::new().bold(),
        _ => return line.to_owned(),
    };
    kind.apply_to(line).to_string()
}
