//! From what the user named to prompt files, and from those to their text.
//!
//! Files are read here and never written. What is inside the repository stays there: a symbolic link that leads out of
//! it is refused, since whoever wrote the repository could otherwise have any file of the user's sent to an agent.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::PromptError;
use crate::front_matter;
use crate::paths::lexical;

/// What stays free for the header that gadugi puts before a prompt, in bytes.
pub const HEADER_ROOM: u64 = 128 * 1024;

/// The most that a prompt may be, in bytes: the agent's standard input takes 10 MB, header included.
pub const MAX_PROMPT_BYTES: u64 = 10_000_000 - HEADER_ROOM;

/// A prompt file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFile {
    /// Path from the repository's root where it lies inside, else as it was given.
    pub shown: String,
    /// Where it is read.
    pub path: PathBuf,
}

/// A repository, as far as prompts are concerned.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its root, as it was given, without `.` and `..`.
    given: PathBuf,
    /// Its root, without symbolic links.
    real: PathBuf,
}

impl Repository {
    /// The repository whose root this absolute path is.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { given: lexical(root), real: fs::canonicalize(root)? })
    }

    /// The part of a lexical path below the root, if it lies there.
    fn below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.given).or_else(|_| path.strip_prefix(&self.real)).ok()
    }

    /// Whether an absolute path without `..` lies in the repository, by its words.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.below(path).is_some()
    }

    /// The root as it was given.
    pub(crate) fn root(&self) -> &Path {
        &self.given
    }
}

/// The prompts that arguments name: files, and folders for every `*.md` in them, sorted by name. No arguments: the
/// folder `prompts/` of the repository. A file that is named twice counts once, where it is named first. Relative
/// paths begin at `cwd`. Errors are all that were found, at least one.
pub fn resolve(root: &Path, cwd: &Path, arguments: &[PathBuf]) -> Result<Vec<PromptFile>, Vec<PromptError>> {
    let repository = Repository::new(root)
        .map_err(|source| vec![PromptError::Unreadable { path: root.display().to_string(), source }])?;
    let mut found = Gathered::default();
    let mut errors = Vec::new();
    if arguments.is_empty() {
        let folder = repository.given.join("prompts");
        if !folder.is_dir() {
            return Err(vec![PromptError::NoFolder]);
        }
        found.take(locate(&repository, &folder, "prompts"), &mut errors);
    }
    for argument in arguments {
        let shown = argument.to_string_lossy();
        found.take(locate(&repository, &cwd.join(argument), &shown), &mut errors);
    }
    if errors.is_empty() { Ok(found.files) } else { Err(errors) }
}

/// Files, each once.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) files: Vec<PromptFile>,
    seen: std::collections::HashSet<PathBuf>,
}

impl Gathered {
    pub(crate) fn take(
        &mut self,
        located: Result<Vec<Located>, Vec<PromptError>>,
        errors: &mut Vec<PromptError>,
    ) {
        match located {
            Ok(located) => {
                for Located { file, real } in located {
                    if self.seen.insert(real) {
                        self.files.push(file);
                    }
                }
            }
            Err(mut more) => errors.append(&mut more),
        }
    }
}

/// A prompt file, and where it really is.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) file: PromptFile,
    pub(crate) real: PathBuf,
}

/// The prompt file, or those of the folder, at an absolute path that the user wrote as `shown`.
pub(crate) fn locate(
    repository: &Repository,
    path: &Path,
    shown: &str,
) -> Result<Vec<Located>, Vec<PromptError>> {
    let path = lexical(path);
    let located = one(repository, &path, shown).map_err(|error| vec![error])?;
    if !located.real.is_dir() {
        return Ok(vec![located]);
    }
    let names = prompts_in(&located.real).map_err(|source| vec![unreadable(shown, source)])?;
    if names.is_empty() {
        return Err(vec![PromptError::NoPromptsIn { path: shown.to_owned() }]);
    }
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        let path = path.join(&name);
        let shown = Path::new(shown).join(&name);
        match one(repository, &path, &shown.to_string_lossy()) {
            Ok(located) => files.push(located),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// Names of the prompts in a folder, sorted: `*.md`, as a shell takes it, without the hidden ones. Folders of such a
/// name are none.
fn prompts_in(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_prompt = {
            let bytes = name.as_encoded_bytes();
            bytes.len() > 3
                && bytes[bytes.len() - 3..].eq_ignore_ascii_case(b".md")
                && !bytes.starts_with(b".")
        };
        if is_prompt && !folder.join(&name).is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// One file or folder: there, of the right sort, and within the repository if it claims to be.
fn one(repository: &Repository, path: &Path, shown: &str) -> Result<Located, PromptError> {
    let real = fs::canonicalize(path).map_err(|source| unreadable(shown, source))?;
    let below = repository.below(path);
    if below.is_some() && !real.starts_with(&repository.real) {
        return Err(PromptError::LeavesRepository {
            path: shown.to_owned(),
            target: real.to_string_lossy().into_owned(),
        });
    }
    let kind = fs::metadata(&real).map_err(|source| unreadable(shown, source))?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(PromptError::NotAFile { path: shown.to_owned() });
    }
    let shown = below.map_or_else(|| shown.to_owned(), |below| below.to_string_lossy().into_owned());
    Ok(Located { file: PromptFile { shown, path: path.to_owned() }, real })
}

fn unreadable(shown: &str, source: io::Error) -> PromptError {
    let path = shown.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PromptError::Missing { path },
        _ => PromptError::Unreadable { path, source },
    }
}

/// The text of a prompt, checked.
pub(crate) fn read(file: &PromptFile) -> Result<String, PromptError> {
    let path = || file.shown.clone();
    let failed = |source| unreadable(&file.shown, source);
    // Looked at before it is opened: opening a pipe would wait for whoever writes into it.
    if !fs::metadata(&file.path).map_err(failed)?.is_file() {
        return Err(PromptError::NotAFile { path: path() });
    }
    let opened = File::open(&file.path).map_err(failed)?;
    let size = opened.metadata().map_err(failed)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_PROMPT_BYTES)).unwrap_or(0));
    opened.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let read = bytes.len() as u64;
    if read > MAX_PROMPT_BYTES {
        return Err(PromptError::TooLarge { path: path(), bytes: size.max(read), most: MAX_PROMPT_BYTES });
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| PromptError::NotUtf8 { path: path(), offset: error.utf8_error().valid_up_to() })?;
    let split = front_matter::split(&text);
    if is_blank(&text[split.body..]) {
        return Err(if split.yaml.is_some() {
            PromptError::OnlyFrontMatter { path: path() }
        } else {
            PromptError::Empty { path: path() }
        });
    }
    Ok(text)
}

fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim().is_empty()
}
