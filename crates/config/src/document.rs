//! One file: read, checked, and with the place of every key in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Source, Warning};
use crate::model::ConfigFile;
use crate::schema;

/// A file that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// What it says.
    pub(crate) model: ConfigFile,
    /// The line of every key, dotted, from 1.
    pub(crate) lines: BTreeMap<String, usize>,
    /// Keys that nobody knows.
    pub(crate) warnings: Vec<Warning>,
}

/// Reads a file; none where it is not there.
pub(crate) fn load(path: &Path) -> Result<Option<Document>, ConfigError> {
    let unreadable = |detail: String| ConfigError::Unreadable { path: path.to_owned(), detail };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("expected UTF-8, found other bytes in line {line}"))
    })?;
    parse(path, &text).map(Some)
}

/// Reads the text of a file.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Document, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sorted = |error: toml::de::Error, keys: &Keys| {
        let span = error.span().unwrap_or(0..0);
        let (line, column) = place(text, span.start);
        let message = error.message().trim_end().replace('\n', ", ");
        ConfigError::File { path: path.to_owned(), line, column, key: keys.at(&span), message }
    };
    let table = DeTable::parse(text).map_err(|error| sorted(error, &Keys::default()))?;
    let mut keys = Keys::default();
    keys.walk(table.get_ref(), "");
    let model = toml::from_str(text).map_err(|error| sorted(error, &keys))?;
    let unknown = schema::unknown_keys(&keys.found.iter().map(|(key, _, _)| key.clone()).collect::<Vec<_>>());
    let warnings = unknown
        .into_iter()
        .map(|(at, meant)| {
            let (key, span, _) = &keys.found[at];
            let (line, column) = place(text, span.start);
            Warning::UnknownKey { path: path.to_owned(), line, column, key: key.clone(), meant }
        })
        .collect();
    let lines = keys.found.into_iter().map(|(key, span, _)| (key, place(text, span.start).0)).collect();
    Ok(Document { model, lines, warnings })
}

impl Document {
    /// Where a key of this file stands.
    pub(crate) fn source(&self, path: &Path, user: bool, key: &str) -> Source {
        let line = self.lines.get(key).copied().unwrap_or(1);
        let path: PathBuf = path.to_owned();
        if user { Source::UserFile { path, line } } else { Source::ProjectFile { path, line } }
    }
}

/// Every key of a document: its dotted name, where it stands, where its value stands.
#[derive(Default)]
struct Keys {
    found: Vec<(String, Range<usize>, Range<usize>)>,
}

impl Keys {
    fn walk(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (key, value) in table {
            let name = match prefix {
                "" => key.get_ref().to_string(),
                _ => format!("{prefix}.{}", key.get_ref()),
            };
            self.found.push((name.clone(), key.span(), value.span()));
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(inner, &name),
                DeValue::Array(items) => {
                    let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                    tables.for_each(|inner| self.walk(inner, &name));
                }
                _ => {}
            }
        }
    }

    /// The innermost key whose value holds the place.
    fn at(&self, place: &Range<usize>) -> String {
        let holds = |value: &Range<usize>| value.start <= place.start && place.end <= value.end;
        let holding = self.found.iter().filter(|(_, _, value)| holds(value));
        let innermost = holding.max_by_key(|(name, _, _)| name.matches('.').count());
        innermost.map(|(name, _, _)| name.clone()).unwrap_or_default()
    }
}

/// Line and column, in characters and from 1, of a byte of the text.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
