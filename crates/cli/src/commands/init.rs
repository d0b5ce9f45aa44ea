//! `gadugi init`: what a repository needs. What is there already is left as it is, and said to be.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::Args;
use gadugi_agents::{DEFINITIONS, ORCHESTRATOR_COMMAND, ORCHESTRATOR_COMMAND_PATH};

use crate::args::Global;
use crate::error::{Done, Exit, Problem, Stop};
use crate::output;
use crate::place::Place;

/// What `/agent:orchestrator-agent` calls.
const RUN_ORCHESTRATOR: &str = include_str!("init/run_orchestrator.sh");

/// What git is to ignore.
const IGNORED: [&str; 3] = [".gadugi/", ".worktrees/", ".claude/orchestrator/worktree_state.json"];

/// Nothing can be chosen.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {}

/// A file that `init` writes.
struct Piece {
    path: String,
    text: &'static str,
    mode: u32,
}

pub(crate) fn run(global: &Global, _: &InitArgs) -> Done {
    let place = Place::find(global)?;
    // Seen from a linked worktree, that is where the user works and commits.
    let root = place.repository.here();
    let piece = |path: &str, text| Piece { path: path.to_owned(), text, mode: 0o644 };
    let mut pieces = vec![piece(gadugi_config::FILE_NAME, gadugi_config::SAMPLE)];
    for definition in DEFINITIONS {
        pieces.push(piece(&format!(".claude/agents/{}.md", definition.name), definition.text));
    }
    pieces.push(piece(ORCHESTRATOR_COMMAND_PATH, ORCHESTRATOR_COMMAND.text));
    let script = Piece { mode: 0o755, ..piece(".claude/orchestrator/run_orchestrator.sh", RUN_ORCHESTRATOR) };
    pieces.push(script);
    for piece in pieces {
        let word = write(root, &piece)?;
        output::result(&format!("{word} {}\n", piece.path))?;
    }
    let word = ignore(root)?;
    output::result(&format!("{word} .gitignore\n"))?;
    output::say("next: put prompts into prompts/, then gadugi doctor, gadugi plan, gadugi run");
    Ok(Exit::Success)
}

/// Writes a file that is not there; answers what happened.
fn write(root: &Path, piece: &Piece) -> Result<&'static str, Stop> {
    let path = root.join(&piece.path);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|error| Problem::io("make", dir, &error))?;
    }
    // Made anew or not at all: no link is followed, and nothing of the user's is opened for writing.
    match OpenOptions::new().write(true).create_new(true).mode(piece.mode).open(&path) {
        Ok(mut file) => {
            file.write_all(piece.text.as_bytes()).map_err(|error| Problem::io("write", &path, &error))?;
            Ok("wrote")
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let same = fs::read(&path).is_ok_and(|there| there == piece.text.as_bytes());
            Ok(if same { "unchanged" } else { "left as it is (it differs):" })
        }
        Err(error) => Err(Problem::io("write", &path, &error).into()),
    }
}

/// Adds the lines that are missing to `.gitignore`.
fn ignore(root: &Path) -> Result<&'static str, Stop> {
    let path = root.join(".gitignore");
    let there = match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Problem::io("read", &path, &error).into()),
    };
    let lines = there.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let known = |wanted: &str| {
        let bare = wanted.trim_matches('/');
        lines.lines().any(|line| line.trim().trim_matches('/') == bare)
    };
    let missing: Vec<&str> = IGNORED.into_iter().filter(|wanted| !known(wanted)).collect();
    if missing.is_empty() {
        return Ok("unchanged");
    }
    let mut added = String::new();
    if !lines.is_empty() {
        added.push_str(if lines.ends_with('\n') { "\n" } else { "\n\n" });
    }
    added.push_str("# gadugi's own state\n");
    for line in missing {
        added.push_str(line);
        added.push('\n');
    }
    let append = |added: &str| {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(added.as_bytes())
    };
    append(&added).map_err(|error| Problem::io("write", &path, &error))?;
    Ok(if there.is_some() { "added lines to" } else { "wrote" })
}
