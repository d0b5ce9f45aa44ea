//! Requests on standard input: which prompts somebody wants, in the words of `/agent:orchestrator-agent`.
//!
//! [`parse`] finds the names in the words, [`resolve`] finds the files. Names come from an agent, so they never
//! escape the repository.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use thiserror::Error;

use crate::error::PromptError;
use crate::markdown::list_marker;
use crate::paths::lexical;
use crate::prompts::{Gathered, PromptFile, Repository, locate};
use crate::text::one_line;

/// The most that a request may be, in bytes: twenty thousand names of fifty bytes.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;

static TRIGGER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)execute\s+these|prompts\s+in\s+parallel|prompt\s+files").expect("a constant pattern")
});

/// One thing that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The names that the words could mean, likeliest first: at least one.
    pub names: Vec<String>,
}

/// What a request came to.
#[derive(Debug)]
pub struct Requested {
    /// The prompts, in the order of the request: at least one.
    pub files: Vec<PromptFile>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
}

/// Why a request comes to nothing.
#[derive(Debug, Error)]
pub enum RequestError {
    /// More than [`MAX_REQUEST_BYTES`].
    #[error("the request has {0} bytes; at most {MAX_REQUEST_BYTES} are possible")]
    TooLarge(usize),
    /// No line of it says which prompts.
    #[error("the request names no prompts")]
    NothingNamed,
    /// None of the prompts that it names are there: why, for each.
    #[error("none of the prompts that the request names can be used: {}", .0.join("; "))]
    NothingLeft(Vec<String>),
    /// The repository itself cannot be read.
    #[error(transparent)]
    Repository(PromptError),
}

/// The names in a request.
///
/// They stand behind a line with `execute these`, `prompts in parallel` or `prompt files`: as items of a list, as bare
/// lines `x.md` or `folder/`, or behind the colon of that line itself. A request without such a line is read only
/// where each of its lines is a bare name: so `ls prompts/*.md` can be handed over as it is.
pub fn parse(request: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut triggered = false;
    for line in request.lines() {
        let line = line.trim();
        if let Some(trigger) = TRIGGER.find(line) {
            triggered = true;
            items.extend(behind_trigger(&line[trigger.end()..]));
        } else if triggered {
            items.extend(item(line));
        }
    }
    if triggered { items } else { bare_lines(request).unwrap_or_default() }
}

fn bare_lines(request: &str) -> Option<Vec<Item>> {
    request.lines().map(str::trim).filter(|line| !line.is_empty()).map(whole_name).collect()
}

/// A line that is nothing but a name.
fn whole_name(line: &str) -> Option<Item> {
    let words = list_marker(line).map_or(line, |skip| &line[skip..]);
    let (name, rest) = first_name(words)?;
    (rest.trim().is_empty() && is_file_name(&name)).then(|| Item { names: vec![name] })
}

/// The item that a line behind the trigger is, if it is one.
fn item(line: &str) -> Option<Item> {
    match list_marker(line) {
        Some(skip) => {
            let words = &line[skip..];
            let (name, _) = first_name(words)?;
            // A name with spaces is the likelier one: nobody writes `my prompt.md` and means `my.md`.
            let long = up_to_extension(words).filter(|long| !is_file_name(&name) && *long != name);
            Some(Item { names: long.into_iter().chain([name]).collect() })
        }
        None => {
            let (name, _) = first_name(line)?;
            let long = up_to_extension(line).filter(|_| !is_file_name(&name) && line.ends_with(".md"));
            is_file_name(&name).then_some(name).or(long).map(|name| Item { names: vec![name] })
        }
    }
}

/// The names on the trigger line itself: behind its colon, each between commas or by its `.md`; without a colon only
/// what ends in `.md`.
fn behind_trigger(rest: &str) -> Vec<Item> {
    let Some((_, names)) = rest.split_once(':') else { return file_names(rest) };
    names
        .split([',', ';'])
        .flat_map(|piece| piece.split(" and "))
        .flat_map(|piece| {
            let piece = piece.trim();
            let piece = list_marker(piece).map_or(piece, |skip| &piece[skip..]);
            match first_name(piece) {
                Some((name, rest)) if is_file_name(&name) || rest.trim().is_empty() => {
                    let mut items = vec![Item { names: vec![name] }];
                    items.extend(file_names(rest));
                    items
                }
                Some((_, rest)) => file_names(rest),
                None => Vec::new(),
            }
        })
        .collect()
}

fn file_names(mut words: &str) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some((name, rest)) = first_name(words) {
        if is_file_name(&name) {
            items.push(Item { names: vec![name] });
        }
        words = rest;
    }
    items
}

/// Whether a bare word is meant as a prompt: `x.md`, or a folder `x/`.
fn is_file_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (lower.ends_with(".md") && lower.len() > 3) || (name.ends_with('/') && name.len() > 1)
}

/// The first name of some words, out of its backticks, quotes, emphasis or link; and the words behind it.
fn first_name(words: &str) -> Option<(String, &str)> {
    let words = words.trim_start();
    for sign in ["**", "__", "`", "\"", "'"] {
        if let Some((name, rest)) = words.strip_prefix(sign).and_then(|inner| inner.split_once(sign)) {
            let name = name.trim_matches(['`', '"', '\'', ' ']);
            return (!name.is_empty()).then(|| (name.to_owned(), rest));
        }
    }
    if let Some(link) = words.strip_prefix('[')
        && let Some((_, behind)) = link.split_once("](")
        && let Some((target, rest)) = behind.split_once(')')
        && !target.is_empty()
    {
        return Some((target.to_owned(), rest));
    }
    let end = words.find(char::is_whitespace).unwrap_or(words.len());
    let name = words[..end].trim_matches([',', ';', ':', '(', ')', '`', '"', '\'', '*', '!', '?']);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        let rest = &words[end..];
        return (!rest.trim().is_empty()).then(|| first_name(rest)).flatten();
    }
    Some((name.to_owned(), &words[end..]))
}

/// The words up to the first `.md` that ends one: a name with spaces in it.
fn up_to_extension(words: &str) -> Option<String> {
    let lower = words.to_ascii_lowercase();
    let end = lower
        .match_indices(".md")
        .map(|(at, found)| at + found.len())
        .find(|end| words[*end..].chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '/'))?;
    let name = words[..end].trim_matches(['`', '"', '\'', '*', ' ']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The files that a request asks for. A name is looked for from `cwd`, from the repository's root, and in `prompts/`;
/// with `.md` where that is missing. What is not there or lies outside the repository is left out with a warning.
pub fn resolve(root: &Path, cwd: &Path, request: &str) -> Result<Requested, RequestError> {
    if request.len() > MAX_REQUEST_BYTES {
        return Err(RequestError::TooLarge(request.len()));
    }
    let repository = Repository::new(root).map_err(|source| {
        RequestError::Repository(PromptError::Unreadable { path: root.display().to_string(), source })
    })?;
    let items = parse(request);
    if items.is_empty() {
        return Err(RequestError::NothingNamed);
    }
    let mut found = Gathered::default();
    let mut warnings = Vec::new();
    for item in &items {
        match look_up(&repository, cwd, item) {
            Ok(located) => {
                let mut errors = Vec::new();
                found.take(located, &mut errors);
                warnings.extend(errors.iter().map(ToString::to_string));
            }
            Err(warning) => warnings.push(warning),
        }
    }
    if found.files.is_empty() {
        Err(RequestError::NothingLeft(warnings))
    } else {
        Ok(Requested { files: found.files, warnings })
    }
}

type Looked = Result<Vec<crate::prompts::Located>, Vec<PromptError>>;

fn look_up(repository: &Repository, cwd: &Path, item: &Item) -> Result<Looked, String> {
    let shown = one_line(item.names.last().map_or("", String::as_str), 80);
    let mut escaped = false;
    for name in &item.names {
        for candidate in spellings(name) {
            for base in [cwd.to_owned(), repository.root().to_owned(), repository.root().join("prompts")] {
                let path = lexical(&base.join(&candidate));
                if !repository.contains(&path) {
                    escaped = true;
                } else if path.symlink_metadata().is_ok() && (is_file_name(&candidate) || path.is_dir()) {
                    return Ok(locate(repository, &path, &candidate));
                }
            }
        }
    }
    let why = if escaped && item.names.iter().all(|name| leads_out(name)) {
        "leaves the repository"
    } else {
        "is not there"
    };
    Err(format!("{shown:?} {why} and is left out"))
}

/// Whether a name by itself points elsewhere.
fn leads_out(name: &str) -> bool {
    name.starts_with('/') || name.split('/').any(|part| part == "..")
}

/// A name as given, and with `.md`: that first where it has no extension, since a prompt is meant rather than a file
/// or folder that happens to be called the same.
fn spellings(name: &str) -> Vec<String> {
    if is_file_name(name) { vec![name.to_owned()] } else { vec![format!("{name}.md"), name.to_owned()] }
}

#[cfg(test)]
mod tests;
