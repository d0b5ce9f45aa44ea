//! Prompt files become drafts of tasks: read, divided from their front matter, given their ids.

use std::collections::HashMap;

use gadugi_core::SkippedPrompt;

use super::{AnalysisRequest, PromptText};
use crate::error::{AnalysisError, InputError};
use crate::front_matter::{self, FrontMatter, Known};
use crate::ids::{self, Wanted};
use crate::inference::ReadPrompt;
use crate::markdown;
use crate::prompts::{self, PromptFile};
use crate::text::one_line;

/// Longest name of a task, in characters: a title is a line, and a paragraph behind `#` is none.
const LONGEST_NAME: usize = 120;

/// A prompt that will be a task.
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) title: String,
    pub(super) text: PromptText,
    pub(super) matter: FrontMatter,
}

impl Draft {
    /// What an analyser sees of it.
    pub(super) fn read(&self) -> ReadPrompt<'_> {
        ReadPrompt { id: &self.id, path: &self.path, title: &self.title, body: self.text.body() }
    }
}

/// What was read of all prompts.
#[derive(Default)]
pub(super) struct Read {
    pub(super) drafts: Vec<Draft>,
    pub(super) skipped: Vec<SkippedPrompt>,
    pub(super) warnings: Vec<String>,
}

/// Reads every prompt, skips those that are done, and gives the others their ids.
pub(super) fn read_all(request: &AnalysisRequest<'_>) -> Result<Read, AnalysisError> {
    let mut read = Read::default();
    let mut errors: Vec<InputError> = Vec::new();
    for prompt in request.prompts {
        match read_one(prompt, request.options.agents, &mut read.warnings) {
            Ok(One::Draft(draft)) => read.drafts.push(*draft),
            Ok(One::Skipped(skipped)) => read.skipped.push(skipped),
            Err(more) => errors.extend(more),
        }
    }
    errors.extend(duplicates(&read.drafts));
    if !errors.is_empty() {
        return Err(AnalysisError::Input(errors));
    }
    let wanted: Vec<Wanted<'_>> = read
        .drafts
        .iter()
        .map(|draft| Wanted { path: &draft.path, own: draft.matter.id.as_ref().map(|id| id.value.as_str()) })
        .collect();
    let ids = ids::assign(&wanted);
    for (draft, id) in read.drafts.iter_mut().zip(ids) {
        draft.id = id;
    }
    Ok(read)
}

enum One {
    Draft(Box<Draft>),
    Skipped(SkippedPrompt),
}

fn read_one(
    prompt: &PromptFile,
    agents: &[String],
    warnings: &mut Vec<String>,
) -> Result<One, Vec<InputError>> {
    let whole = prompts::read(prompt).map_err(|error| vec![error.into()])?;
    let split = front_matter::split(&whole);
    let body = &whole[split.body..];
    if let Some(word) = done_word(&whole).or_else(|| done_word(body)) {
        let because = format!("{word} in its first line");
        return Ok(One::Skipped(SkippedPrompt { path: prompt.shown.clone(), because }));
    }
    let matter = match split.yaml {
        Some(range) => {
            let read = front_matter::read(&prompt.shown, &whole, range, Known { agents });
            let (matter, more) =
                read.map_err(|errors| errors.into_iter().map(InputError::from).collect::<Vec<_>>())?;
            warnings.extend(more);
            matter
        }
        None => FrontMatter::default(),
    };
    let blocks = markdown::blocks(body);
    let title = one_line(markdown::title(body, &blocks).unwrap_or(""), LONGEST_NAME);
    let title = if title.is_empty() { one_line(ids::stem(&prompt.shown), LONGEST_NAME) } else { title };
    let text = PromptText { body_start: split.body, whole };
    Ok(One::Draft(Box::new(Draft { id: String::new(), path: prompt.shown.clone(), title, text, matter })))
}

/// The word in the first line with words in it that says that the prompt is done. It stands for itself: a prompt about
/// UNIMPLEMENTED things is not done.
pub(crate) fn done_word(text: &str) -> Option<&'static str> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    ["IMPLEMENTED", "COMPLETED"].into_iter().find(|word| {
        first.match_indices(word).any(|(at, _)| {
            let before = first[..at].chars().next_back();
            let after = first[at + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    })
}

fn duplicates(drafts: &[Draft]) -> Vec<InputError> {
    let mut first: HashMap<&str, &str> = HashMap::new();
    let mut errors = Vec::new();
    for draft in drafts {
        let Some(id) = &draft.matter.id else { continue };
        match first.get(id.value.as_str()) {
            Some(first) => errors.push(InputError::DuplicateId {
                id: id.value.clone(),
                first: (*first).to_owned(),
                second: draft.path.clone(),
            }),
            None => {
                first.insert(&id.value, &draft.path);
            }
        }
    }
    errors
}
