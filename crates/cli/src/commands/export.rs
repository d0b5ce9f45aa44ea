//! `gadugi export --output FILE`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem};
use crate::place::{Place, block_on};
use crate::{output, text};

/// What is written, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// The file; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(global: &Global, args: &ExportArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let run = runs::status(&mut client, args.run.as_deref()).await?.run;
        let value = match client.ask(&Request::Export { run: run.clone() }).await? {
            Reply::Export { run } => run,
            other => return Err(Problem::unexpected(&other).into()),
        };
        if args.output.as_os_str() == "-" {
            output::result_json_pretty(&value)?;
            return Ok(Exit::Success);
        }
        let path = place.cwd.join(&args.output);
        let write = |value: &serde_json::Value| {
            // What agents were told stands in it: for the user's eyes alone.
            let mut file = std::io::BufWriter::new(gadugi_sys::files::create_private(&path)?);
            serde_json::to_writer_pretty(&mut file, value)?;
            file.write_all(b"\n")?;
            file.flush()
        };
        write(&value).map_err(|error| Problem::io("write", &path, &error))?;
        output::say(&format!("{run} is written to {}", text::line(&path.to_string_lossy())));
        Ok(Exit::Success)
    })
}
