//! The parts of a prompt as files below `prompts/`. No file that is there is ever overwritten, and a folder of parts is there
//! whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gadugi_analysis::PromptFile;
use gadugi_analysis::decompose::{PartFile, Parts, Whole};
use gadugi_core::TaskId;
use gadugi_engine::protocol::{RunView, TaskView};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::place::Place;
use crate::text::shell_word;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The folder, from the repository's root.
    pub(super) folder: String,
    /// The prompts.
    pub(super) files: Vec<PromptFile>,
    /// The parts, as programs read them.
    pub(super) parts: Vec<Value>,
}

/// The plan that parts take their place in, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Ids that other tasks have.
    pub(super) taken: BTreeSet<String>,
    /// What the prompts that are split depend on.
    pub(super) needs: BTreeMap<TaskId, Vec<String>>,
}

/// The folder of a prompt's parts, from the repository's root.
fn folder_of(id: &TaskId) -> String {
    let id = id.as_str();
    let plain = [".txt", ".text", ".markdown"].iter().find_map(|end| id.strip_suffix(end));
    format!("prompts/{}", plain.filter(|plain| !plain.is_empty()).unwrap_or(id))
}

/// Whether there is room for the parts of that task: before anybody is paid for them.
pub(super) fn check_free(place: &Place, id: &TaskId) -> Result<(), Problem> {
    let folder = folder_of(id);
    let path = place.repository.here().join(&folder);
    match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(is_there(&folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(is_there(&folder)),
    }
}

fn is_there(folder: &str) -> Problem {
    let hint = format!("gadugi plan {folder} shows it; to split anew: mv {} elsewhere", shell_word(folder));
    let message = format!("{folder} is there already, and nothing in it is overwritten");
    Problem::request("parts-exist", message, Some(&hint))
}

/// Writes the parts.
pub(super) fn write(
    place: &Place,
    run: &RunView,
    task: &TaskView,
    parts: &Parts,
    around: &mut Around,
) -> Result<Written, Problem> {
    let folder = folder_of(&task.id);
    let text = fs::read_to_string(place.layout.prompt(&run.run, &task.id)).ok();
    let depends_on = around.needs.get(&task.id).map_or(&[][..], Vec::as_slice);
    let whole = Whole { shown: &task.prompt, id: task.id.as_str(), text: text.as_deref(), depends_on };
    let files = parts.files(&whole, &mut around.taken);
    let path = put(place, &folder, &files)?;
    let file = |part: &PartFile| PromptFile {
        shown: format!("{folder}/{}", part.name),
        path: path.join(&part.name),
    };
    let json = |part: &PartFile| {
        json!({
            "id": part.id,
            "file": format!("{folder}/{}", part.name),
            "title": part.part.title,
            "depends_on": part.needs,
            "touches": part.part.touches,
            "kind": part.part.kind.map(gadugi_core::Kind::word),
            "priority": part.part.priority.unwrap_or(0),
            "done": part.part.done,
        })
    };
    let (prompts, parts) = (files.iter().map(file).collect(), files.iter().map(json).collect());
    Ok(Written { folder, files: prompts, parts })
}

/// Puts the files into a folder of their own beside its place, and that folder into its place.
fn put(place: &Place, folder: &str, files: &[PartFile]) -> Result<PathBuf, Problem> {
    let root = place.repository.here();
    let (path, prompts) = (root.join(folder), root.join("prompts"));
    let failed = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Problem::io(doing, &path, &error)
    };
    fs::create_dir_all(&prompts).map_err(failed("make", &prompts))?;
    let real = fs::canonicalize(&prompts).map_err(failed("read", &prompts))?;
    let inside = fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
    if !inside {
        let message =
            format!("prompts/ is a symbolic link that leaves the repository: it leads to {}", real.display());
        return Err(Problem::request("leaves-repository", message, None));
    }
    let beside =
        prompts.join(format!(".{}.{}", folder.rsplit('/').next().unwrap_or("parts"), std::process::id()));
    fs::create_dir(&beside).map_err(failed("make", &beside))?;
    let written = files.iter().try_for_each(|file| {
        let path = beside.join(&file.name);
        fs::write(&path, &file.text).map_err(failed("write", &path))
    });
    // It takes the place of nothing, or of an empty folder; and not of what came there meanwhile.
    let moved = written.and_then(|()| {
        fs::rename(&beside, &path).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory => is_there(folder),
            _ => Problem::io("write", &path, &error),
        })
    });
    if moved.is_err() {
        // Ours alone, and of no use to anybody.
        let _ = fs::remove_dir_all(&beside);
    }
    moved.map(|()| path)
}
