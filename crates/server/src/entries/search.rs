//! Words in a stream: a look at every entry's texts, whatever their case.

use std::io;
use std::ops::ControlFlow;

use gadugi_agents::one_line;
use gadugi_agents::transcript::{Call, Edit, Entry, Language, Outcome, Said, Todo, entries};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::card::kind;
use super::file::Readable;
use super::lines::{Bounds, READ_MOST, walk};
use crate::error::ApiError;
use crate::wire::{EntryKind, Hit, Hits};

/// Hits in one answer.
const HITS: usize = 500;

/// Characters that can be searched for.
const LONGEST: usize = 200;

/// Characters around the words on either side.
const AROUND: usize = 60;

/// What is searched for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// In the form in which texts are compared.
    words: String,
    /// None: all.
    kinds: Option<Vec<EntryKind>>,
}

impl Wanted {
    pub(super) fn new(words: &str, kinds: Option<&str>) -> Result<Self, ApiError> {
        if words.is_empty() || words.chars().count() > LONGEST {
            return Err(ApiError::bad_request(format!("q: 1 to {LONGEST} characters")));
        }
        let kind = |word: &str| {
            let word: StrDeserializer<'_, Error> = word.into_deserializer();
            EntryKind::deserialize(word).map_err(|error| ApiError::bad_request(format!("kinds: {error}")))
        };
        let kinds = kinds.filter(|kinds| !kinds.is_empty());
        let kinds = kinds.map(|kinds| kinds.split(',').map(kind).collect()).transpose()?;
        Ok(Self { words: folded(words), kinds })
    }

    fn wants(&self, said: &Said) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind(said)))
    }

    /// The words with some around them, where the text holds them.
    fn find(&self, text: &str) -> Option<String> {
        let folded = folded(text);
        let at = folded.find(&self.words)?;
        // A character stands for each character: what is counted in one is counted in the other.
        let before = folded[..at].chars().count();
        let begin = before.saturating_sub(AROUND);
        let length = before - begin + self.words.chars().count() + AROUND;
        let excerpt: String = text.chars().skip(begin).take(length).collect();
        Some(one_line(&excerpt, 2 * AROUND + LONGEST))
    }
}

/// The hits in lines that begin at `from` or behind it.
pub(super) fn search(
    file: &Readable,
    language: Language,
    from: u64,
    wanted: &Wanted,
    bounds: Bounds,
) -> io::Result<Hits> {
    let mut hits = Vec::new();
    let mut next = None;
    let walked = walk(file, from, &bounds, |line, place| {
        let found = entries(language, line).into_iter().zip(0..).filter_map(|(entry, index)| {
            let excerpt = look(&entry, wanted)?;
            Some(Hit { offset: place.offset, index, kind: kind(&entry.said), excerpt })
        });
        hits.extend(found.take(HITS));
        if hits.len() >= HITS || place.end - from >= READ_MOST {
            next = (place.end < bounds.size).then_some(place.end);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(Hits { hits, next: next.or(walked.more_at) })
}

/// The first place of an entry that holds the words.
fn look(entry: &Entry, wanted: &Wanted) -> Option<String> {
    if !wanted.wants(&entry.said) {
        return None;
    }
    let find = |text: &str| wanted.find(text);
    let call = |call: &Call| find(&call.title).or_else(|| find(&call.input));
    let edit = |edit: &Edit| {
        let hunks = || edit.hunks.iter().find_map(|hunk| find(&hunk.old).or_else(|| find(&hunk.new)));
        find(&edit.path).or_else(hunks)
    };
    let todo = |items: &[Todo]| items.iter().find_map(|item| find(&item.text));
    match &entry.said {
        Said::Text(text) | Said::Thinking(text) | Said::Raw(text) | Said::NoChange(text) => find(text),
        Said::Tool(used) => call(used),
        Said::Edit(used, written) => edit(written).or_else(|| call(used)),
        Said::Todo(used, items) => todo(items).or_else(|| call(used)),
        Said::Outcome(Outcome { text, structured, edit: written, todo: items, .. }) => find(text)
            .or_else(|| edit(written.as_ref()?))
            .or_else(|| todo(items.as_ref()?))
            .or_else(|| find(structured.as_ref()?)),
        Said::Error { title, text } | Said::Note { title, text, .. } => {
            find(title).or_else(|| find(text.as_ref()?))
        }
        Said::Phase(phase) => find(&format!("phase {} {}", phase.number(), phase.title())),
        Said::Final(word) => find(&word.text).or_else(|| find(&word.word)),
    }
}

/// The form in which texts are compared: one character for each, whatever its case.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(|character| character.to_lowercase().next().unwrap_or(character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_case() {
        let excerpt = |words: &str, text: &str| Wanted::new(words, None).unwrap().find(text);
        assert_eq!(excerpt("ÄB", "xx äb yy").as_deref(), Some("xx äb yy"));
        assert_eq!(excerpt("i", "İ").as_deref(), Some("İ"));
        assert_eq!(excerpt("a b", "A\nb"), None);
        let long = format!("{} Needle {}", "ß".repeat(10_000), "y".repeat(10_000));
        let found = excerpt("nEEDLE", &long).unwrap();
        assert!(found.contains(" Needle ") && found.chars().count() < 140, "{found}");
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        assert!(Wanted::new("", None).is_err());
        assert!(Wanted::new(&"x".repeat(201), None).is_err());
        assert!(Wanted::new("x", Some("text,nonsense")).is_err());
        let wanted = Wanted::new("x", Some("text,tool")).unwrap();
        assert_eq!(wanted.kinds, Some(vec![EntryKind::Text, EntryKind::Tool]));
        assert_eq!(Wanted::new("x", Some("")).unwrap().kinds, None);
    }
}
