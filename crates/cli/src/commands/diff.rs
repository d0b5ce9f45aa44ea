//! `gadugi diff TASK`.

use std::fs::File;
use std::io::{self, Write};

use clap::Args;
use console::Style;
use gadugi_core::RunId;
use gadugi_engine::protocol::{Reply, Request, TaskView};
use gadugi_workspace::Error;

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
    let task = view.find(id.as_str())?;
    let mut out = Patch { colours: output::is_terminal(), line: Vec::new(), empty: true, stopped: None };
    let written = write(&place, &view.run, task, &mut out);
    out.end();
    match (out.stopped, written) {
        (Some(stop), _) => Err(stop),
        (None, Err(stop)) => Err(stop),
        (None, Ok(said)) => {
            if out.empty && !said {
                output::say(&text::line(&format!("{}: it changed nothing", task.id)));
            }
            Ok(Exit::Success)
        }
    }
}

/// Writes the patch; answers whether it was said in words why there is none.
fn write(place: &Place, run: &RunId, task: &TaskView, out: &mut Patch) -> Result<bool, Stop> {
    let nothing = |why: &str| {
        output::say(&text::line(&format!("{}: {why}", task.id)));
        Ok(true)
    };
    let Some(base) = &task.base else { return nothing("it has not begun") };
    // While it works, what lies in its workspace counts; afterwards what stands on its branch, or, where a bad end left
    // nothing there, what still lies in the workspace that was kept.
    let unfinished = !task.over || task.commit.is_none();
    let workspace = task.workspace.as_ref().filter(|path| unfinished && path.is_dir());
    let result = match (workspace, &task.commit) {
        // A repository that an agent wrote: the engine has it taken out as its work will be.
        (Some(_), _) if task.executor == "docker" => return write_exported(place, run, task, out),
        (Some(path), _) => place.repository.diff_worktree(path, base, out),
        (None, Some(commit)) => place.repository.diff_into(base, commit, out),
        (None, None) => return nothing("it left nothing on its branch"),
    };
    match result {
        Err(Error::Io { .. }) if out.stopped.is_some() => Ok(false),
        other => Ok(other.map(|()| false)?),
    }
}

fn write_exported(place: &Place, run: &RunId, task: &TaskView, out: &mut Patch) -> Result<bool, Stop> {
    let reply = block_on(async {
        let mut client = place.engine_for_run().await?;
        Ok(client.ask(&Request::Diff { run: run.clone(), task: task.id.clone() }).await?)
    })?;
    let Reply::Patch { path } = reply else { return Err(Problem::unexpected(&reply).into()) };
    let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, out));
    // It was made for this one reading.
    let _ = std::fs::remove_file(&path);
    match copied {
        Err(_) if out.stopped.is_some() => Ok(false),
        copied => Ok(copied.map(|_| false).map_err(|error| Problem::io("read", &path, &error))?),
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
