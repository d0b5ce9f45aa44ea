//! Which tasks a prompt says it follows, in its own words.
//!
//! Only a name that a task of this plan bears makes an edge. A phrase such as "requires the parser" is followed by
//! thousands of words in thousands of prompts; the original took each of them for a dependency on everything.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use gadugi_core::{Confidence, TaskId};
use regex::Regex;

use crate::ids;
use crate::inference::ReadPrompt;
use crate::markdown::{Block, BlockKind};
use crate::text::evidence;

/// From here on the words say it so plainly that a circle of them is the user's mistake; below, it is rather ours.
pub(crate) const PLAIN: Confidence = Confidence(80);
/// A name that is marked as one: in backticks, as a link, with `.md`.
const MARKED: Confidence = Confidence(90);
/// A bare name behind words that speak of tasks: "depends on", "prerequisites".
const STRONG: Confidence = Confidence(85);
/// A bare name behind words that speak of anything: "after", "requires", "needs".
const WEAK: Confidence = Confidence(60);
/// The most names that one phrase lists.
const MOST_NAMES: usize = 200;

/// A prompt names another task as one that it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The task that comes first.
    pub task: TaskId,
    /// How plainly it is said.
    pub confidence: Confidence,
    /// The words.
    pub evidence: String,
}

/// What the prompts of a plan are called: by id, by path, by file name, by stem, in this order.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: Vec<String>,
    by: [HashMap<String, Vec<usize>>; 4],
    by_lower_case: [HashMap<String, Vec<usize>>; 4],
}

impl Names {
    /// Adds the prompt at `path` whose task has this id.
    pub(crate) fn add(&mut self, id: &str, path: &str) {
        let index = self.ids.len();
        self.ids.push(id.to_owned());
        let file = path.rsplit('/').next().unwrap_or(path);
        for (level, name) in [id, path, file, ids::stem(path)].into_iter().enumerate() {
            self.by[level].entry(name.to_owned()).or_default().push(index);
            self.by_lower_case[level].entry(name.to_lowercase()).or_default().push(index);
        }
    }

    /// The id at an index that [`Names::find`] gave.
    pub(crate) fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    /// All ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Indices of the prompts that a name fits, in the order in which they were added: all of the first sort of name
    /// that any prompt has. `beside` is the prompt that says it, whose folder a relative path begins in.
    pub(crate) fn find(&self, name: &str, beside: &str) -> &[usize] {
        let plain = name.strip_prefix("./").unwrap_or(name);
        let in_folder = Path::new(beside).parent().map(|folder| crate::paths::lexical(&folder.join(name)));
        let in_folder = in_folder.as_deref().and_then(Path::to_str);
        for level in &self.by {
            if let Some(found) = level.get(plain).or_else(|| level.get(in_folder?)) {
                return found;
            }
        }
        let lower = plain.to_lowercase();
        self.by_lower_case.iter().find_map(|level| level.get(&lower)).map_or(&[], Vec::as_slice)
    }
}

static TRIGGERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(?:
            (?P<strong> depends?\s+(?:up)?on | depending\s+on | dependent\s+on | blocked\s+by | waits?\s+for
              | prerequisites?\s*(?:\*\*)?\s*(?:: | \bis\b | \bare\b) | dependenc(?:y|ies)\s*(?:\*\*)?\s*(?:: | \bis\b | \bare\b)
              | depends_on\s*: )
          | (?P<weak> after | once | requires? | needs? | builds?\s+(?:up)?on | based\s+on | following )\b
        )",
    )
    .expect("a constant pattern")
});

static DEPENDENCY_HEADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:dependenc(?:y|ies)|prerequisites?|depends on|blocked by)\b")
        .expect("a constant pattern")
});

/// The tasks that a prompt says it follows, each once, as plainly as it is said anywhere.
pub(crate) fn mentions(prompt: &ReadPrompt<'_>, blocks: &[Block], names: &Names) -> Vec<Mention> {
    let mut found = Found { prompt, names, mentions: Vec::new(), place: HashMap::new() };
    for block in blocks {
        let range = block.range.clone();
        match block.kind {
            BlockKind::Fence | BlockKind::Heading(_) => continue,
            BlockKind::Item if lists_dependencies(prompt.body, blocks, block) => {
                found.names_at(range.start, range.end, STRONG, true);
            }
            BlockKind::Item | BlockKind::Paragraph => {}
        }
        for trigger in TRIGGERS.captures_iter(&prompt.body[range.clone()]) {
            let Some(whole) = trigger.get(0) else { continue };
            if is_negated(&prompt.body[range.start..range.start + whole.start()]) {
                continue;
            }
            let confidence = if trigger.name("strong").is_some() { STRONG } else { WEAK };
            found.names_at(range.start + whole.end(), range.end, confidence, false);
        }
    }
    found.mentions
}

/// Whether an item stands under a heading, or behind a line, that announces dependencies.
fn lists_dependencies(body: &str, blocks: &[Block], item: &Block) -> bool {
    let Some(heading) = item.section.and_then(|section| blocks.get(section)) else { return false };
    let words = &body[heading.range.clone()];
    // A heading that says more than that ("Remove unused dependencies") is about something else.
    words.split_whitespace().count() <= 3 && DEPENDENCY_HEADING.is_match(words)
}

/// Whether the words before a trigger turn it round: "does not depend on", "no longer requires".
fn is_negated(before: &str) -> bool {
    let clause = before.rsplit(['.', ';', ':', '!', '?', '\n']).next().unwrap_or(before);
    clause.split_whitespace().rev().take(3).any(|word| {
        let word = word.to_ascii_lowercase();
        matches!(word.as_str(), "not" | "no" | "never" | "nothing" | "without" | "cannot" | "neither")
            || word.ends_with("n't")
            || word.ends_with("n’t")
    })
}

struct Found<'a> {
    prompt: &'a ReadPrompt<'a>,
    names: &'a Names,
    mentions: Vec<Mention>,
    /// Where in `mentions` a prompt is.
    place: HashMap<usize, usize>,
}

impl Found<'_> {
    /// Takes the names that stand from `at` on: `lexer.md, `parser` and the types task`.
    fn names_at(&mut self, mut at: usize, end: usize, bare: Confidence, in_list: bool) {
        let body = self.prompt.body;
        for _ in 0..MOST_NAMES {
            let Some(token) = name_token(body, at, end) else { return };
            let rest = &body[token.end..end];
            let words = token.words.trim_end_matches(['.', ',']);
            let marked = token.marked || words.to_ascii_lowercase().ends_with(".md");
            if marked || may_follow(rest, in_list) {
                let confidence = if marked { MARKED } else { bare };
                self.name(words, confidence, token.start, token.end);
            }
            // A full stop that the bare word took along ends the list.
            let Some(next) = (!token.words.ends_with('.')).then(|| behind_separator(rest)).flatten() else {
                return;
            };
            at = end - next.len();
        }
    }

    fn name(&mut self, words: &str, confidence: Confidence, start: usize, end: usize) {
        let &[index] = self.names.find(words, self.prompt.path) else { return };
        let id = self.names.id(index);
        if id == self.prompt.id {
            return;
        }
        let mention =
            Mention { task: TaskId::new(id), confidence, evidence: evidence(self.prompt.body, start, end) };
        match self.place.get(&index) {
            Some(place) if self.mentions[*place].confidence >= confidence => {}
            Some(place) => self.mentions[*place] = mention,
            None => {
                self.place.insert(index, self.mentions.len());
                self.mentions.push(mention);
            }
        }
    }
}

struct Token<'a> {
    words: &'a str,
    start: usize,
    end: usize,
    /// In backticks, quotes or a link: meant as a name.
    marked: bool,
}

/// The next word or marked name, behind articles and the like.
fn name_token(body: &str, mut at: usize, end: usize) -> Option<Token<'_>> {
    for _ in 0..6 {
        let rest = body[at..end]
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '(' | '-'));
        at = end - rest.len();
        for (open, close) in [("`", "`"), ("\"", "\""), ("'", "'"), ("“", "”")] {
            if let Some(inner) = rest.strip_prefix(open)
                && let Some(length) =
                    inner.find(close).filter(|length| *length > 0 && !inner[..*length].contains('\n'))
            {
                let start = at + open.len();
                return Some(Token {
                    words: &inner[..length],
                    start,
                    end: start + length + close.len(),
                    marked: true,
                });
            }
        }
        if let Some(inner) = rest.strip_prefix('[')
            && let Some(middle) = inner.find("](")
            && let Some(length) = inner[middle + 2..].find(')')
        {
            let start = at + 1 + middle + 2;
            return Some(Token {
                words: &body[start..start + length],
                start,
                end: start + length + 1,
                marked: true,
            });
        }
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')))
            .unwrap_or(rest.len());
        if length == 0 {
            return None;
        }
        let words = &rest[..length];
        if !is_filler(words) {
            return Some(Token { words, start: at, end: at + length, marked: false });
        }
        at += length;
    }
    None
}

fn is_filler(word: &str) -> bool {
    const FILLERS: [&str; 16] = [
        "the",
        "a",
        "both",
        "task",
        "tasks",
        "prompt",
        "prompts",
        "file",
        "files",
        "on",
        "of",
        "completion",
        "completing",
        "finishing",
        "merging",
        "running",
    ];
    FILLERS.iter().any(|filler| word.eq_ignore_ascii_case(filler))
}

/// Whether what stands behind a bare word leaves it a name: "after lexer." does, "after parsing the file" does not.
fn may_follow(rest: &str, in_list: bool) -> bool {
    const NOUNS: [&str; 9] =
        ["and", "or", "task", "prompt", "first", "lands", "merges", "finishes", "completes"];
    const DONE: [&str; 9] =
        ["done", "complete", "completed", "finished", "merged", "landed", "implemented", "ready", "in"];
    let rest = rest.trim_start();
    let Some(next) = rest.chars().next() else { return true };
    if matches!(next, '.' | ',' | ';' | ':' | '!' | '?' | ')' | '*' | '&')
        || (in_list && matches!(next, '(' | '-' | '–' | '—'))
    {
        return true;
    }
    let mut words = rest
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase);
    match words.next().as_deref() {
        Some(word) if NOUNS.contains(&word) => true,
        Some("is" | "are" | "has" | "have" | "was") => {
            words.take(2).any(|word| DONE.contains(&word.as_str()))
        }
        _ => false,
    }
}

/// What stands behind a comma or an "and", if the list goes on.
fn behind_separator(rest: &str) -> Option<&str> {
    let mut rest = rest.trim_start_matches(['*', '_', ' ', '\t']);
    for noun in ["tasks", "task", "prompts", "prompt"] {
        if let Some(behind) = rest.strip_prefix(noun) {
            rest = behind.trim_start();
            break;
        }
    }
    let behind_comma = rest.trim_start().strip_prefix([',', '&', '+']).map(str::trim_start);
    let rest = behind_comma.unwrap_or(rest).trim_start();
    for word in ["and ", "or ", "and\n", "or\n"] {
        if let Some(behind) = rest.strip_prefix(word) {
            return Some(behind);
        }
    }
    behind_comma
}

#[cfg(test)]
mod tests;
