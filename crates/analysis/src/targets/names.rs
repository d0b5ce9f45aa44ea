//! What a name of a program in a prompt stands for: something that files define, or a module.

use gadugi_core::ClaimSource;

use crate::map::{Definition, FileId, RepositoryMap};

/// A name that is defined in more files says nothing of which is meant.
const MOST_FILES: usize = 3;
/// How sure it is, in percent, that a file is meant where so many define the name: all of them may be.
const SURE: [u8; MOST_FILES] = [90, 60, 45];
/// The same where the words say to what it belongs, or in which module it stands.
const SURE_OF_QUALIFIED: [u8; MOST_FILES] = [95, 75, 60];
/// And where the name is a word of prose too (`lexer`, `config`), marked as code.
const SURE_OF_WORDS: [u8; MOST_FILES] = [65, 40, 25];
/// Shorter names are variables of examples.
const SHORTEST: usize = 3;

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The name alone, without what it belongs to; of a module, as it was written.
    pub(super) name: String,
    /// The files that define it, sorted.
    pub(super) files: Vec<FileId>,
    /// Symbol or module.
    pub(super) source: ClaimSource,
    /// How sure it is that each of the files is meant, in percent.
    pub(super) sure: u8,
}

/// What a word stands for; none where nothing of that name is in the map, or too much.
pub(super) fn resolve(word: &str, code: bool, map: &RepositoryMap) -> Option<Named> {
    let word = clean(word)?;
    let (qualifier, name) = split(word);
    if name.len() >= SHORTEST {
        let found = definitions(qualifier, name, map);
        if !found.is_empty() {
            return symbol(name, &found, qualifier.is_some());
        }
    }
    if !code && qualifier.is_none() {
        return None;
    }
    let files = map.module(word);
    let sure = SURE_OF_QUALIFIED.get(files.len().checked_sub(1)?)?;
    Some(Named { name: word.to_owned(), files, source: ClaimSource::Module, sure: *sure })
}

fn symbol(name: &str, found: &[Definition<'_>], qualified: bool) -> Option<Named> {
    let mut files: Vec<FileId> = found.iter().map(|definition| definition.file).collect();
    files.sort_unstable();
    files.dedup();
    let sure = match () {
        () if qualified => SURE_OF_QUALIFIED,
        () if is_word(name) => SURE_OF_WORDS,
        () => SURE,
    };
    let sure = *sure.get(files.len().checked_sub(1)?)?;
    Some(Named { name: name.to_owned(), files, source: ClaimSource::Symbol, sure })
}

/// Where the name is defined: where it belongs to what the words say, else, of a name that stands alone, anywhere. Tests
/// define what is called as what they test: they count only where nobody else does.
fn definitions<'m>(qualifier: Option<&str>, name: &str, map: &'m RepositoryMap) -> Vec<Definition<'m>> {
    let mut found = map.definitions(name);
    if let Some(qualifier) = qualifier {
        found.retain(|definition| belongs(definition, qualifier, map));
    }
    if found.iter().any(|definition| !map.is_test(definition.file)) {
        found.retain(|definition| !map.is_test(definition.file));
    }
    found
}

/// Whether a definition is `qualifier`'s: its class, its file, or its folder is called so.
fn belongs(definition: &Definition<'_>, qualifier: &str, map: &RepositoryMap) -> bool {
    if definition.owner == Some(qualifier) {
        return true;
    }
    let mut parts = map.path(definition.file).rsplit('/');
    let stem = parts.next().map(|name| name.split_once('.').map_or(name, |(stem, _)| stem));
    stem == Some(qualifier) || parts.next() == Some(qualifier)
}

/// A word without what code puts around a name; none where it can be no name.
fn clean(word: &str) -> Option<&str> {
    let word = word.trim_start_matches(['&', '*', '@', '.', ':']);
    let word = word.split_once('<').map_or(word, |(name, _)| name);
    let word = word.trim_end_matches(['!', '.', ':', ';', ',', '?']);
    let sound = !word.is_empty()
        && word.len() <= 256
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '#' | '$' | '-' | '/' | '@'))
        && word.contains(|c: char| c.is_alphabetic());
    sound.then_some(word)
}

/// A name and what stands right before it: `Foo::bar`, `pkg.mod.name`, `Foo#bar`.
fn split(word: &str) -> (Option<&str>, &str) {
    let mut parts = word.rsplit(['.', ':', '#']).filter(|part| !part.is_empty());
    let name = parts.next().unwrap_or(word);
    (parts.next(), name)
}

/// Whether a name looks like a word of any language.
fn is_word(name: &str) -> bool {
    name.chars().all(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 6] = [
        ("src/lib.rs", "mod http;\nmod lexer;\npub fn run_all() {}\n"),
        (
            "src/http.rs",
            "pub struct Client;\nimpl Client { pub fn send_it(&self) {} }\npub fn parse_header() {}\n",
        ),
        ("src/lexer.rs", "pub struct Token;\npub fn token() {}\nfn reset_it() {}\n"),
        ("src/other.rs", "fn reset_it() {}\nfn many() {}\n"),
        ("tests/http.rs", "fn parse_header() {}\nfn reset_it() {}\n"),
        ("Cargo.toml", "[package]\nname = \"demo\"\n"),
    ];

    fn found(word: &str, code: bool) -> Option<(Vec<String>, ClaimSource, u8)> {
        let map = RepositoryMap::of_texts(&FILES).unwrap();
        let named = resolve(word, code, &map)?;
        let files = named.files.iter().map(|file| map.path(*file).to_owned()).collect();
        Some((files, named.source, named.sure))
    }

    #[test]
    fn names_lead_to_the_files_that_define_them() {
        for (word, files, source, sure) in [
            ("parse_header", vec!["src/http.rs"], ClaimSource::Symbol, 90),
            ("parse_header()", vec![], ClaimSource::Symbol, 0),
            ("http::parse_header", vec!["src/http.rs"], ClaimSource::Symbol, 95),
            ("Client::send_it", vec!["src/http.rs"], ClaimSource::Symbol, 95),
            ("Client.send_it", vec!["src/http.rs"], ClaimSource::Symbol, 95),
            ("reset_it", vec!["src/lexer.rs", "src/other.rs"], ClaimSource::Symbol, 60),
            ("lexer::reset_it", vec!["src/lexer.rs"], ClaimSource::Symbol, 95),
            ("token", vec!["src/lexer.rs"], ClaimSource::Symbol, 65),
            ("Token<T>", vec!["src/lexer.rs"], ClaimSource::Symbol, 90),
            ("crate::lexer", vec!["src/lexer.rs"], ClaimSource::Module, 95),
        ] {
            let expected = (!files.is_empty())
                .then(|| (files.iter().map(|file| (*file).to_owned()).collect(), source, sure));
            assert_eq!(found(word, true), expected, "{word}");
        }
    }

    #[test]
    fn what_is_nothing_of_the_repository_gives_nothing() {
        for word in ["std::fs::read", "nowhere", "Other::send_it", "", "::", "a b", "1.2.3", "…"] {
            assert_eq!(found(word, true), None, "{word}");
        }
        assert_eq!(found("http", false), None, "a word of prose is no module");
    }
}
