//! The YAML in front of a prompt: every key checked, every error with its line and column in the file.

mod keys;
mod yaml;

use std::ops::Range;

use gadugi_core::{DoneWhen, ExecutorKind, Kind, Millis};

use crate::error::{FrontMatterError, FrontMatterPlace};
use yaml::Node;

/// The most that front matter may be, in bytes: a hundred times what a person would write, and little to parse.
pub const MAX_FRONT_MATTER_BYTES: usize = 64 * 1024;

/// A prompt's text, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// The YAML between the lines of dashes, where there is any.
    pub(crate) yaml: Option<Range<usize>>,
    /// Where the rest begins.
    pub(crate) body: usize,
}

/// Finds the front matter. As pandoc has it, a line of three dashes opens it only as the first line of the text, and
/// not where an empty line follows: that is a horizontal rule. An opening that nothing closes is a rule, too.
pub(crate) fn split(text: &str) -> Split {
    let none = Split { yaml: None, body: 0 };
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = start;
    for (number, line) in text[start..].split_inclusive('\n').enumerate() {
        let words = line.trim_end();
        match number {
            0 if words != "---" => return none,
            1 if words.is_empty() => return none,
            _ if number > 0 && (words == "---" || words == "...") => {
                let from = start + text[start..].find('\n').map_or(0, |end| end + 1);
                return Split { yaml: Some(from..at), body: at + line.len() };
            }
            _ => {}
        }
        at += line.len();
    }
    none
}

/// A prompt's text without its front matter.
pub fn without_front_matter(text: &str) -> &str {
    &text[split(text).body..]
}

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: FrontMatterPlace,
}

/// What a prompt says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FrontMatter {
    pub(crate) id: Option<Placed<String>>,
    pub(crate) depends_on: Vec<Placed<String>>,
    /// Paths and patterns; an empty list says that nothing is written.
    pub(crate) touches: Option<Vec<String>>,
    pub(crate) kind: Option<Kind>,
    pub(crate) priority: Option<i64>,
    pub(crate) timeout: Option<Millis>,
    pub(crate) agent: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) budget_microusd: Option<u64>,
    pub(crate) verify: Option<String>,
    pub(crate) done_when: Vec<DoneWhen>,
    pub(crate) executor: Option<ExecutorKind>,
    pub(crate) network: Vec<String>,
}

/// What is known beside the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Agents that there are. Empty: every name that is not reserved will do.
    pub(crate) agents: &'a [String],
}

/// Where errors and warnings are gathered while the keys are read.
pub(crate) struct Findings<'a> {
    path: &'a str,
    pub(crate) errors: Vec<FrontMatterError>,
    pub(crate) warnings: Vec<String>,
}

impl Findings<'_> {
    pub(crate) fn place(&self, node: &Node) -> FrontMatterPlace {
        FrontMatterPlace { path: self.path.to_owned(), line: node.line, column: node.column }
    }

    pub(crate) fn error(&mut self, node: &Node, problem: impl Into<String>) {
        let FrontMatterPlace { path, line, column } = self.place(node);
        self.errors.push(FrontMatterError { path, line, column, problem: problem.into() });
    }

    pub(crate) fn warn(&mut self, node: &Node, warning: &str) {
        let place = self.place(node);
        self.warnings.push(format!("{place}: {warning}"));
    }
}

/// Reads the YAML at `range` of `text`. Errors are all that were found, at least one; beside the result stand
/// warnings.
pub(crate) fn read(
    path: &str,
    text: &str,
    range: Range<usize>,
    known: Known<'_>,
) -> Result<(FrontMatter, Vec<String>), Vec<FrontMatterError>> {
    let first_line = 1 + text[..range.start].matches('\n').count() as u64;
    if range.len() > MAX_FRONT_MATTER_BYTES {
        let problem =
            format!("front matter of {} bytes; at most {MAX_FRONT_MATTER_BYTES} are possible", range.len());
        return Err(vec![FrontMatterError { path: path.to_owned(), line: first_line, column: 1, problem }]);
    }
    let yaml = &text[range];
    let root = yaml::parse(yaml, first_line).map_err(|error| {
        vec![FrontMatterError {
            path: path.to_owned(),
            line: error.line,
            column: error.column,
            problem: error.problem,
        }]
    })?;
    let mut findings = Findings { path, errors: Vec::new(), warnings: Vec::new() };
    let matter = keys::read(&root, known, &mut findings);
    if findings.errors.is_empty() { Ok((matter, findings.warnings)) } else { Err(findings.errors) }
}

#[cfg(test)]
mod tests;
