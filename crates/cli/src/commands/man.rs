//! `gadugi man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::args::Invocation;
use crate::error::{Done, Exit, Problem, Stop};
use crate::output;

/// Where the pages go.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page for each command into this folder instead of one to standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> Done {
    let mut command = Invocation::command();
    command.build();
    let Some(dir) = &args.dir else {
        output::result_bytes(&page(command)?)?;
        return Ok(Exit::Success);
    };
    std::fs::create_dir_all(dir).map_err(|error| Problem::io("make", dir, &error))?;
    let mut pages = vec![("gadugi".to_owned(), command.clone())];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        pages.push((format!("gadugi-{}", sub.get_name()), sub.clone()));
    }
    for (name, command) in pages {
        let path = dir.join(format!("{name}.1"));
        let page = page(command)?;
        std::fs::write(&path, page).map_err(|error| Problem::io("write", &path, &error))?;
        output::result(&format!("{}\n", path.display()))?;
    }
    Ok(Exit::Success)
}

fn page(command: clap::Command) -> Result<Vec<u8>, Stop> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Problem::internal(&error))?;
    Ok(page)
}
