//! `gadugi demo`: a sample repository and prompts, from the plan to one merged branch, with the agent that is part of
//! gadugi. The commands are those that anybody would type, and they are shown.

mod sample;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use gadugi_sys::clock;
use gadugi_workspace::Repository;

use crate::args::Invocation;
use crate::commands::dispatch;
use crate::error::{Done, Exit, Problem, Stop};
use crate::output;
use crate::programs::{self, Found};
use crate::text::shell_word;

/// Where and how.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A new or empty folder for the sample repository [default: one below the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Which agent does the tasks
    #[arg(long, value_name = "NAME", default_value = "scripted")]
    agent: String,
    /// Tasks at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = crate::args::slots)]
    max_parallel: u32,
}

pub(crate) fn run(args: &DemoArgs) -> Done {
    let dir = prepare(args.dir.as_deref())?;
    for (path, text, mode) in sample::FILES {
        write(&dir.join(path), text, *mode)?;
    }
    Repository::create(&dir, "A sample repository").map_err(Problem::from)?;
    let root = dir.to_string_lossy().into_owned();
    let parallel = args.max_parallel.to_string();
    output::say(&format!("a sample repository is in {}\n", shell_word(&root)));
    gadugi(&root, &["plan", "--max-parallel", &parallel])?;
    output::say("");
    let exit = gadugi(&root, &["run", "--agent", &args.agent, "--max-parallel", &parallel])?;
    if exit != Exit::Interrupted {
        look(&root, args);
    }
    Ok(exit)
}

/// A new or empty folder.
fn prepare(wanted: Option<&Path>) -> Result<PathBuf, Stop> {
    let dir = match wanted {
        Some(dir) => dir.to_owned(),
        None => {
            let stamp = clock::run_stamp(clock::now());
            std::env::temp_dir().join(format!("gadugi-demo-{stamp}-{}", std::process::id()))
        }
    };
    fs::create_dir_all(&dir).map_err(|error| Problem::io("make", &dir, &error))?;
    let mut entries = fs::read_dir(&dir).map_err(|error| Problem::io("read", &dir, &error))?;
    if entries.next().is_some() {
        let message = format!("--dir: {} is not empty", dir.display());
        return Err(Problem::request("not-empty", message, Some("name a new folder")).into());
    }
    Ok(fs::canonicalize(&dir).map_err(|error| Problem::io("use", &dir, &error))?)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Stop> {
    let write = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    Ok(write().map_err(|error| Problem::io("write", path, &error))?)
}

/// Does what somebody would type, and shows it.
fn gadugi(root: &str, words: &[&str]) -> Done {
    let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    output::say(&format!("$ gadugi {}", shown.join(" ")));
    match Invocation::try_parse_from([&["gadugi", "--project-root", root], words].concat()) {
        Ok(invocation) => dispatch(invocation),
        Err(error) => Err(Problem::internal(&error).into()),
    }
}

fn look(root: &str, args: &DemoArgs) {
    if args.agent == "scripted" {
        output::say(
            "\nThe scripted agent did as its prompts say; its tokens and dollars are made up, its times are not.",
        );
    }
    let me = name();
    output::say(&format!("Look around: cd {}", shell_word(root)));
    for (command, what) in [
        ("ls prompts".to_owned(), "what was asked for"),
        (format!("{me} status"), "how each task stands"),
        (format!("{me} logs parser"), "what its agent said and did"),
        (format!("{me} diff parser"), "what it changed"),
        ("git log --graph --oneline --all".to_owned(), "how it came together"),
        (format!("{me} land"), "bring the merged branch home to main"),
    ] {
        output::say(&format!("  {command:<34} {what}"));
    }
}

/// How this program is called from a shell: by its name where that leads to it, else by its path.
fn name() -> String {
    let own = programs::own().map(|path| fs::canonicalize(&path).unwrap_or(path));
    match (programs::on_path("gadugi"), own) {
        (Found::Program(found), Ok(own)) if fs::canonicalize(&found).is_ok_and(|found| found == own) => {
            "gadugi".to_owned()
        }
        (_, Ok(own)) => shell_word(&own.to_string_lossy()),
        (_, Err(_)) => "gadugi".to_owned(),
    }
}
