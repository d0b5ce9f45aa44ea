//! What is to be split: prompts that are named, or a text on standard input that is none yet.

use std::io::Read;
use std::path::{Path, PathBuf};

use gadugi_analysis::request::{MAX_REQUEST_BYTES, RequestError, Requested, resolve};
use gadugi_analysis::{MAX_PROMPT_BYTES, PromptFile};
use gadugi_sys::files;

use super::Named;
use crate::error::{Problem, Stop};
use crate::output::Manner;
use crate::place::Place;
use crate::planning;

/// The prompts that words name, each with whether it is named by itself.
pub(crate) fn named(
    place: &Place,
    words: &[PathBuf],
    stdin: bool,
    manner: Manner,
) -> Result<Vec<Named>, Stop> {
    if stdin {
        return on_stdin(place, manner);
    }
    let all = planning::named(place, words)?;
    let files: Vec<PathBuf> = words.iter().filter(|word| !place.cwd.join(word).is_dir()).cloned().collect();
    let by_itself = if files.is_empty() { Vec::new() } else { planning::named(place, &files)? };
    Ok(all.into_iter().map(|file| Named { by_itself: by_itself.contains(&file), file }).collect())
}

/// A request that names prompts, or else a text that says what is wanted.
fn on_stdin(place: &Place, manner: Manner) -> Result<Vec<Named>, Stop> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
        Problem::environment("stdin", format_args!("cannot read the request: {error}"), None)
    })?;
    if bytes.len() as u64 > MAX_PROMPT_BYTES {
        let message =
            format!("standard input has more than the {MAX_PROMPT_BYTES} bytes that a prompt may have");
        return Err(Problem::request("prompt-too-large", message, None).into());
    }
    let Ok(words) = String::from_utf8(bytes) else {
        let message = "what stands on standard input is not UTF-8";
        return Err(Problem::request("not-utf8", message, None).into());
    };
    if words.trim().is_empty() {
        return Err(Problem::request("empty-prompt", "there is nothing on standard input", None).into());
    }
    if words.len() > MAX_REQUEST_BYTES {
        return as_prompt(place, &words);
    }
    match resolve(place.repository.here(), &place.cwd, &words) {
        Ok(Requested { files, warnings }) => {
            warnings.iter().for_each(|warning| manner.warn(warning));
            Ok(files.into_iter().map(|file| Named { file, by_itself: true }).collect())
        }
        Err(RequestError::NothingNamed) => as_prompt(place, &words),
        Err(error) => Err(error.into()),
    }
}

/// The text as a prompt file of gadugi's own, below its state folder: nothing that is the user's is written for a question.
fn as_prompt(place: &Place, words: &str) -> Result<Vec<Named>, Stop> {
    let folder = place.layout.state_dir().join("requests");
    crate::place::check_writable(&place.layout.state_dir())?;
    let failed = |path: &Path, error: &std::io::Error| Problem::io("write", path, error);
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let path = folder.join(format!("{}.md", name_of(words)));
    files::write_atomic(&path, words.as_bytes()).map_err(|error| failed(&path, &error))?;
    let shown = path.strip_prefix(place.repository.root()).unwrap_or(&path).to_string_lossy().into_owned();
    Ok(vec![Named { file: PromptFile { shown, path }, by_itself: true }])
}

/// A short name from the first words of a text.
fn name_of(words: &str) -> String {
    const WORDS: usize = 5;
    const LONGEST: usize = 40;
    let line = words.lines().find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default();
    let mut name = String::new();
    let parts = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    for part in parts.take(WORDS) {
        if name.len() + part.len() >= LONGEST {
            break;
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(&part.to_ascii_lowercase());
    }
    if name.is_empty() { "request".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_called_by_its_first_words() {
        for (words, name) in [
            ("# Build a parser, and a lexer too, please\nmore", "build-a-parser-and-a"),
            ("\n\n---\nHello", "hello"),
            ("日本語", "request"),
            ("../../etc/passwd", "etc-passwd"),
            (&format!("{} b", "x".repeat(100)), "request"),
        ] {
            assert_eq!(name_of(words), name, "{words}");
        }
    }
}
