//! The words of files, for retrieval: parts of paths and of the names that are defined.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::entry::FileId;
use super::project::Project;
use crate::lists::Lists;

/// A word, by its number in one map.
pub type WordNumber = u32;

/// Symbols of a file whose names count. A file with more is a table, and would be found for every word.
const MOST_SYMBOLS: usize = 2000;

/// The words of all files.
pub(crate) struct Words {
    list: WordList,
    /// Of each file, sorted, each once.
    words: Lists<WordNumber>,
}

/// Different words.
#[derive(Default)]
struct WordList {
    text: String,
    ends: Vec<u32>,
    hasher: DefaultHashBuilder,
    table: HashTable<WordNumber>,
}

impl Words {
    pub(crate) fn new(project: &Project<'_>) -> Self {
        let mut list = WordList::default();
        // Names that many files define are taken apart once: of each name that was, where its words lie.
        let mut parts: Vec<WordNumber> = Vec::new();
        let mut places: Vec<Option<(u32, u32)>> = vec![None; project.store.words.len()];
        let (mut words, mut own) = (Lists::default(), Vec::new());
        for file in project.files.all() {
            own.clear();
            split(project.files.path(file), &mut |word| own.push(list.intern(word)));
            let symbols = project.record(file).into_iter().flat_map(|record| record.symbols());
            for (_, symbol) in symbols.take(MOST_SYMBOLS) {
                let place = &mut places[symbol.name as usize];
                let (start, end) = *place.get_or_insert_with(|| {
                    let start = parts.len() as u32;
                    split(project.word(symbol.name), &mut |word| parts.push(list.intern(word)));
                    (start, parts.len() as u32)
                });
                own.extend_from_slice(&parts[start as usize..end as usize]);
            }
            own.sort_unstable();
            own.dedup();
            words.push(&own);
        }
        Self { list, words }
    }

    pub(crate) fn of(&self, file: FileId) -> &[WordNumber] {
        self.words.of(file.0)
    }

    pub(crate) fn get(&self, word: WordNumber) -> &str {
        self.list.get(word)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.ends.len()
    }
}

impl WordList {
    fn get(&self, word: WordNumber) -> &str {
        spelled(&self.text, &self.ends, word)
    }

    fn intern(&mut self, word: &str) -> WordNumber {
        let (text, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        let hash = hasher.hash_one(word);
        if let Some(known) = self.table.find(hash, |number| spelled(text, ends, *number) == word) {
            return *known;
        }
        let number = self.ends.len() as WordNumber;
        self.text.push_str(word);
        self.ends.push(self.text.len() as u32);
        let (text, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        self.table.insert_unique(hash, number, |number| hasher.hash_one(spelled(text, ends, *number)));
        number
    }
}

fn spelled<'t>(text: &'t str, ends: &[u32], word: WordNumber) -> &'t str {
    let at = word as usize;
    let start = if at == 0 { 0 } else { ends.get(at - 1).copied().unwrap_or_default() };
    let end = ends.get(at).copied().unwrap_or_default();
    text.get(start as usize..end as usize).unwrap_or_default()
}

/// The parts of a name or a path in lower case: between whatever is neither letter nor digit, and where a lower-case
/// letter or a digit is followed by a capital (`parseHTMLPage` → `parse`, `html`, `page`). Single letters are no words.
pub(crate) fn split(name: &str, each: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    let mut characters = name.chars().peekable();
    let mut before = None;
    while let Some(now) = characters.next() {
        let lower = |c: char| c.is_lowercase() || c.is_ascii_digit();
        let hump = now.is_uppercase()
            && (before.is_some_and(lower)
                || (before.is_some_and(char::is_uppercase)
                    && characters.peek().is_some_and(|c| c.is_lowercase())));
        if hump || !now.is_alphanumeric() {
            give(&mut word, each);
        }
        if now.is_alphanumeric() {
            word.extend(now.to_lowercase());
        }
        before = Some(now);
    }
    give(&mut word, each);
}

fn give(word: &mut String, each: &mut dyn FnMut(&str)) {
    // A word of one character that takes more than a byte may be one: 木.
    if word.len() > 1 {
        each(word);
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_taken_apart() {
        for (name, expected) in [
            ("src/HttpServer_v2.rs", "src http server v2 rs"),
            ("parseHTMLPage", "parse html page"),
            ("MAX_RETRIES", "max retries"),
            ("x", ""),
            ("utf8ToUTF16le", "utf8 to utf16le"),
            ("größeÄndern", "größe ändern"),
            ("", ""),
        ] {
            let mut words = Vec::new();
            super::split(name, &mut |word| words.push(word.to_owned()));
            assert_eq!(words.join(" "), expected, "{name}");
        }
    }
}
