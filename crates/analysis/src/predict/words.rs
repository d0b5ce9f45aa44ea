//! What a message or a prompt is about, as weighted words.
//!
//! Words are taken apart where names are (`parseHeader` is `pars` and `header`), brought to a common ending, and weighted:
//! the title says more than the text below it, and of a long text each word says less. Beside the plain words stand a few
//! marked ones: `=parseheader` for a whole name, `^net/http` for what stands before the title's colon, `(parser` for a
//! scope in brackets, `>fix` for the title's first word.

use std::collections::BTreeMap;

/// Bytes of a text that are looked at. What comes behind a page or two is logs and quotations.
const MOST_BYTES: usize = 6_000;
/// Different words of a text that count in full; of more, each counts less.
const FULL_WORDS: f64 = 60.0;
/// What a word of the title counts.
const TITLE: f64 = 2.0;
/// What stands before the title's colon.
const PREFIX: f64 = 2.5;
/// Longest prefix that is one, in characters.
const LONGEST_PREFIX: usize = 48;

/// Words that say nothing of what is to be changed.
const STOP: &[&str] = &[
    "a", "about", "after", "all", "allow", "allows", "already", "also", "an", "and", "any", "are", "as",
    "at", "be", "because", "been", "before", "between", "both", "but", "by", "can", "com", "could", "did",
    "do", "does", "done", "down", "etc", "even", "for", "from", "get", "had", "has", "have", "here", "how",
    "https", "i", "if", "in", "instead", "into", "is", "it", "its", "just", "let", "like", "made", "make",
    "makes", "may", "might", "more", "new", "no", "not", "now", "of", "on", "one", "only", "or", "org",
    "other", "our", "out", "over", "per", "same", "see", "set", "should", "since", "so", "some", "still",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to",
    "two", "up", "use", "used", "using", "very", "via", "was", "we", "were", "what", "when", "where",
    "which", "while", "who", "why", "will", "with", "within", "without", "would", "www", "you",
];

/// Whether a word in lower case says nothing.
pub(crate) fn is_stop(word: &str) -> bool {
    STOP.binary_search(&word).is_ok()
}

/// The words of a title and the text below it, each with its weight, in the order of the words.
pub(crate) fn weighted(title: &str, body: &str) -> Vec<(String, f64)> {
    let mut weights: BTreeMap<String, f64> = BTreeMap::new();
    each_word(title, &mut |word| *weights.entry(word.to_owned()).or_default() += TITLE);
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for line in head(body, MOST_BYTES).lines().filter(|line| !is_trailer(line)) {
        each_word(line, &mut |word| *counts.entry(word.to_owned()).or_default() += 1.0);
    }
    let scale = (FULL_WORDS / counts.len().max(1) as f64).min(1.0);
    for (word, count) in counts {
        *weights.entry(word).or_default() += (1.0 + count.ln()) * scale;
    }
    match prefix(title) {
        Some((kind, scope)) => {
            for (mark, text) in [('^', kind), ('(', scope)] {
                for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                    *weights.entry(format!("{mark}{}", part.to_lowercase())).or_default() += PREFIX;
                }
            }
        }
        None => {
            if let Some(first) = names(title).next() {
                *weights.entry(format!(">{}", stem(&first.to_lowercase()))).or_default() += 1.0;
            }
        }
    }
    weights.into_iter().collect()
}

/// A message's title and the text below.
pub(crate) fn parts(message: &str) -> (&str, &str) {
    let message = message.trim_start();
    message.split_once('\n').map_or((message, ""), |(title, body)| (title.trim_end(), body))
}

/// What stands before the title's colon, or in square brackets before all: the kind, and the scope in brackets behind it.
/// `fix(parser): x` is `fix` and `parser`; `net/http: x` is `net/http` and nothing.
pub(crate) fn prefix(title: &str) -> Option<(&str, &str)> {
    let title = title.trim_start();
    if let Some(rest) = title.strip_prefix('[') {
        let (inside, _) = rest.split_once(']')?;
        return (!inside.is_empty() && inside.chars().count() <= LONGEST_PREFIX).then_some((inside, ""));
    }
    let (before, behind) = title.split_once(':')?;
    let before = before.strip_suffix('!').unwrap_or(before);
    let sound = behind.starts_with(char::is_whitespace)
        && before.starts_with(|c: char| c.is_alphabetic() || c == '*')
        && before.chars().count() <= LONGEST_PREFIX
        && before.split_whitespace().count() <= 3;
    if !sound {
        return None;
    }
    match before.strip_suffix(')').and_then(|before| before.split_once('(')) {
        Some((kind, scope)) => Some((kind.trim(), scope)),
        None => Some((before.trim(), "")),
    }
}

/// Lines that say who, not what.
fn is_trailer(line: &str) -> bool {
    const WHO: [&str; 10] = [
        "signed-off-by:",
        "co-authored-by:",
        "reviewed-by:",
        "acked-by:",
        "tested-by:",
        "reported-by:",
        "change-id:",
        "cc:",
        "git-svn-id:",
        "(cherry picked",
    ];
    let line = line.trim_start();
    WHO.iter().any(|who| line.get(..who.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(who)))
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The names in a text: letters, digits and underscores, beginning with no digit. Links are none.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter(|word| !word.contains("://"))
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .map(|name| name.trim_start_matches(|c: char| c.is_numeric()))
        .filter(|name| !name.is_empty())
}

/// The words of a text: of each name its parts at one ending, and the whole name marked where it has several.
pub(crate) fn each_word(text: &str, each: &mut dyn FnMut(&str)) {
    let mut parts = Vec::new();
    for name in names(text) {
        parts.clear();
        split(name, &mut parts);
        for part in parts.iter().filter(|part| part.len() > 1 && !is_stop(part)) {
            each(&stem(part));
        }
        if parts.len() > 1 && name.len() <= 64 {
            each(&format!("={}", name.to_lowercase()));
        }
    }
}

/// The plain words of a path or a name.
pub(crate) fn each_part(name: &str, each: &mut dyn FnMut(&str)) {
    each_word(name, &mut |word| {
        if !word.starts_with('=') {
            each(word);
        }
    });
}

/// The parts of a name in lower case, without numbers: at underscores, and where a capital begins a word.
fn split(name: &str, parts: &mut Vec<String>) {
    let mut part = String::new();
    let mut characters = name.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(now) = characters.next() {
        let hump = now.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || characters.peek().is_some_and(|next| next.is_lowercase())
            });
        let turn = before.is_some_and(|before| before.is_numeric() != now.is_numeric());
        if (hump || turn || now == '_') && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if now.is_alphabetic() {
            part.extend(now.to_lowercase());
        }
        before = Some(now);
    }
    if !part.is_empty() {
        parts.push(part);
    }
}

/// A word without the endings that English gives it: enough that `parse`, `parses`, `parsed` and `parsing` are one.
pub(crate) fn stem(word: &str) -> String {
    if !word.is_ascii() {
        return word.to_owned();
    }
    let mut word = word;
    let length = word.len();
    if length > 5 && word.ends_with("ies") {
        return format!("{}y", &word[..length - 3]);
    }
    let sibilant = |word: &str| word[..word.len() - 2].ends_with(['s', 'x', 'z', 'h']);
    if length > 6 && word.ends_with("ing") {
        word = &word[..length - 3];
    } else if (length > 5 && word.ends_with("ed")) || (length > 4 && word.ends_with("es") && sibilant(word)) {
        word = &word[..length - 2];
    } else if length > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") {
        word = &word[..length - 1];
    }
    let bytes = word.as_bytes();
    let doubled = matches!(bytes, [.., one, other] if one == other && !b"lse".contains(one));
    if word.len() > 4 && doubled {
        word = &word[..word.len() - 1];
    }
    if word.len() > 4 && word.ends_with('e') {
        word = &word[..word.len() - 1];
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each_word(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn stop_words_are_in_order() {
        assert!(STOP.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(is_stop("with") && !is_stop("parser"));
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("parseHTTPHeader"), ["pars", "http", "header", "=parsehttpheader"]);
        assert_eq!(words("the max_retries of utf8"), ["max", "retry", "=max_retries", "utf"]);
        assert_eq!(words("see https://example.com/parser 12 x"), Vec::<String>::new());
        assert_eq!(words("größeÄndern"), ["größe", "ändern", "=größeändern"]);
    }

    #[test]
    fn endings_are_one() {
        for group in [
            &["parse", "parses", "parsed", "parsing"][..],
            &["stop", "stops", "stopped", "stopping"],
            &["retry", "retries"],
            &["match", "matches", "matched", "matching"],
        ] {
            let stems: Vec<String> = group.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|one| *one == stems[0]), "{stems:?}");
        }
        assert_eq!(stem("status"), "status");
        assert_eq!(stem("木"), "木");
    }

    #[test]
    fn prefixes_are_found() {
        for (title, expected) in [
            ("fix(parser): x", Some(("fix", "parser"))),
            ("feat!: x", Some(("feat", ""))),
            ("net/http: x", Some(("net/http", ""))),
            ("[core] x", Some(("core", ""))),
            ("Fix the thing: it is broken", Some(("Fix the thing", ""))),
            ("a title of many words that ends in a colon: x", None),
            ("std::fmt is used", None),
            ("[]", None),
            ("no prefix", None),
        ] {
            assert_eq!(prefix(title), expected, "{title}");
        }
    }

    #[test]
    fn the_title_weighs_most_and_names_of_people_nothing() {
        let weights =
            weighted("net: close sockets", "Sockets leak.\n\nSigned-off-by: Ada Lovelace <ada@example.com>");
        let of = |word: &str| weights.iter().find(|(known, _)| known == word).map(|(_, weight)| *weight);
        assert_eq!(of("clos"), Some(2.0));
        assert_eq!(of("socket"), Some(3.0));
        assert_eq!(of("leak"), Some(1.0));
        assert_eq!(of("^net"), Some(2.5));
        assert_eq!(of("ada"), None);
        assert!(weights.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
