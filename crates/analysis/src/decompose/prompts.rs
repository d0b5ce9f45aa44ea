//! Parts as the text of prompt files, for a person to read and change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Part, Parts};
use crate::front_matter;
use crate::text::one_line;

/// What was split.
#[derive(Clone, Debug, Default)]
pub struct Whole<'a> {
    /// Its prompt, as people know it.
    pub shown: &'a str,
    /// The id of its task: it keeps parts of several prompts apart where they have the same names.
    pub id: &'a str,
    /// Its text, where it is a prompt: what it says of itself holds for its parts.
    pub text: Option<&'a str>,
    /// Tasks that it needs: the parts that need no other part need those.
    pub depends_on: &'a [String],
}

/// A part as a prompt file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// Its task's id.
    pub id: String,
    /// The file's name, `01-lexer.md`: in the order in which the parts stand.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Ids of the tasks that it needs.
    pub needs: Vec<String>,
    /// The part.
    pub part: Part,
}

/// Keys of the whole's front matter that hold for each part as they stand there. (Not its budget, which is for all of it, nor
/// what says that all of it is done.)
const INHERITED: [&str; 6] = ["agent", "model", "executor", "network", "timeout", "verify"];

impl Parts {
    /// The files that the parts become. `taken` are ids that other tasks have; those of the parts are added.
    pub fn files(&self, whole: &Whole<'_>, taken: &mut BTreeSet<String>) -> Vec<PartFile> {
        let ids = ids(self, whole.id, taken);
        let inherited = lines_of(whole, &INHERITED);
        // What the whole needs, the parts need that need no other part.
        let needed =
            if whole.depends_on.is_empty() { lines_of(whole, &["depends_on"]) } else { String::new() };
        let digits = self.len().to_string().len().max(2);
        let file = |(at, part): (usize, &Part)| {
            let id = ids[part.id.as_str()].clone();
            let needs: Vec<String> = match part.depends_on.is_empty() {
                true => whole.depends_on.to_vec(),
                false => part.depends_on.iter().map(|name| ids[name.as_str()].clone()).collect(),
            };
            let mut text = String::from("---\n");
            matter(&mut text, part, &id, &needs);
            if part.depends_on.is_empty() {
                text.push_str(&needed);
            }
            text.push_str(&inherited);
            text.push_str("---\n");
            body(&mut text, part);
            place_in_whole(&mut text, self, at, whole, &ids);
            PartFile { name: format!("{:0digits$}-{id}.md", at + 1), id, text, needs, part: part.clone() }
        };
        self.iter().enumerate().map(file).collect()
    }
}

/// The ids of tasks: the parts' own, unless another task is called so.
fn ids<'a>(parts: &'a Parts, whole: &str, taken: &mut BTreeSet<String>) -> BTreeMap<&'a str, String> {
    let mut ids = BTreeMap::new();
    for part in parts.iter() {
        let own = std::iter::once(part.id.clone());
        let longer = std::iter::once(crate::ids::safe(&format!("{whole}-{}", part.id)));
        let numbered = (2_u32..).map(|number| crate::ids::safe(&format!("{}-{number}", part.id)));
        let free = own.chain(longer).chain(numbered).find(|id| !taken.contains(id));
        let id = free.unwrap_or_else(|| part.id.clone());
        taken.insert(id.clone());
        ids.insert(part.id.as_str(), id);
    }
    ids
}

fn matter(text: &mut String, part: &Part, id: &str, needs: &[String]) {
    let list = |items: &[String]| items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "id: {}", scalar(id));
    if !needs.is_empty() {
        let _ = writeln!(text, "depends_on: [{}]", list(needs));
    }
    let _ = writeln!(text, "touches: [{}]", list(&part.touches));
    if let Some(kind) = part.kind {
        let _ = writeln!(text, "kind: {}", kind.word());
    }
    if let Some(priority) = part.priority.filter(|priority| *priority != 0) {
        let _ = writeln!(text, "priority: {priority}");
    }
}

/// A word of YAML: plain where nobody could take it for anything else, else in quotes as JSON has them.
fn scalar(word: &str) -> String {
    const SENSES: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !SENSES.contains(&word.to_ascii_lowercase().as_str());
    if plain { word.to_owned() } else { serde_json::Value::from(word).to_string() }
}

/// The lines of these keys in the whole's front matter, as they stand there.
fn lines_of(whole: &Whole<'_>, keys: &[&str]) -> String {
    let Some(text) = whole.text else { return String::new() };
    let Some(yaml) = front_matter::split(text).yaml else { return String::new() };
    let mut lines = String::new();
    let mut taking = false;
    for line in text[yaml].lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with([' ', '\t', '-', '#']) {
            taking &= !line.starts_with('#');
        } else {
            taking = line.split_once(':').is_some_and(|(key, _)| keys.contains(&key.trim()));
        }
        if taking && !line.is_empty() {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

fn body(text: &mut String, part: &Part) {
    let _ = write!(text, "# {}\n\n{}\n", part.title, part.wanted.trim());
    if !part.context.trim().is_empty() {
        let _ = write!(text, "\n## Context\n\n{}\n", part.context.trim());
    }
    text.push_str("\n## Done when\n\n");
    for line in &part.done {
        let _ = writeln!(text, "- {line}");
    }
}

/// What else the whole becomes, so that nobody does another's part.
fn place_in_whole(
    text: &mut String,
    parts: &Parts,
    at: usize,
    whole: &Whole<'_>,
    ids: &BTreeMap<&str, String>,
) {
    let _ = write!(
        text,
        "\n## The whole\n\nThis is part {} of {} of `{}`. Other tasks do the others, leave those to them:\n\n```text\n",
        at + 1,
        parts.len(),
        one_line(whole.shown, 200),
    );
    // In a fence, where no words of a title ("clean up after the lexer") are taken for an order.
    for (other, part) in parts.iter().enumerate().filter(|(other, _)| *other != at) {
        let _ = writeln!(text, "{}. {}: {}", other + 1, ids[part.id.as_str()], part.title.replace('`', "'"));
    }
    text.push_str("```\n");
}
