//! The languages of the map, one file each, all alike.
//!
//! Another language is one file more: write `languages/NAME.rs` with a type that implements [`Language`], and put it into
//! [`ALL`]. It says which files it reads ([`Language::reads`]), which grammar parses them ([`Language::grammar`]), what a node
//! of the tree means ([`Language::visit`]: take what it defines or imports, and say whether to look into it), how
//! the repository's files make modules ([`Language::layout`], from paths, manifests and facts), and what a test is called
//! ([`Language::subject`]). Whenever it would find something else in the same bytes than before, its
//! [`Language::version`] goes up, so that no cache answers for it. Its tests stand beside it: a source with everything
//! that the language has, and a table of imports and where they lead.
//!
//! What an adapter leaves to others: reading, decoding, bounds, parsing and walking (`extract.rs`), bytes and caching
//! (`record.rs`, `cache.rs`), turning names into files and back (`graph.rs`), choosing among several files that a test could be
//! meant for (`companions.rs`).

mod c;
mod go;
mod java;
mod javascript;
mod python;
mod rust;

use tree_sitter::Node;

use super::entry::FileId;
use super::extract::{Extraction, Walk};
use super::facts::Facts;
use super::files::Files;
use super::project::Project;
use super::record::ImportAt;

/// A language, by its place in [`ALL`].
pub(crate) type LanguageId = u8;

/// All of them. The order is that of asking whose a file is.
pub(crate) static ALL: [&dyn Language; 6] =
    [&python::Python, &rust::Rust, &javascript::JavaScript, &go::Go, &java::Java, &c::C];

/// What an adapter does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Parses it.
    Source,
    /// Reads from it where modules are.
    Manifest,
}

/// One language.
pub(crate) trait Language: Sync {
    /// What it is called, in caches too.
    fn name(&self) -> &'static str;

    /// Goes up whenever the same bytes give other facts.
    fn version(&self) -> u32;

    /// Whether that file is one of its own.
    fn reads(&self, path: &str) -> Option<Reads>;

    /// What parses this text.
    fn grammar(&self, path: &str, text: &str) -> tree_sitter::Language;

    /// Takes what a node says.
    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t>;

    /// Takes what only the whole file tells, when all its nodes were visited.
    fn finish(&self, _into: &mut Extraction<'_>) {}

    /// Takes what a manifest says.
    fn manifest<'t>(&self, _path: &str, _text: &'t str, _into: &mut Facts<'t>) {}

    /// Works out how the repository's files make modules.
    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout>;

    /// What a test is about, by its path; none where the path is no test's.
    fn subject(&self, path: &str, files: &Files) -> Option<Subject>;
}

/// How the files of one language make modules.
pub(crate) trait Layout: Send + Sync {
    /// The files that an import leads to; none where it leaves the repository.
    fn resolve(&self, project: &Project<'_>, from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>);

    /// The files of the module that people call by this name.
    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>);
}

/// What a test's path says about its subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Files that it is about, where they are there: the first that is.
    pub(crate) exactly: Vec<String>,
    /// Else a file whose path ends with one of these (a name, or folders and a name), the nearest; the first of them that
    /// there is.
    pub(crate) named: Vec<String>,
}

/// `tcp_stream` → `tcp/stream`, and with more words each place for the slash: tests that lie in one folder write a path
/// so. The first word alone is not tried, for the module of everything would have all tests.
pub(super) fn as_paths(stem: &str) -> impl Iterator<Item = String> {
    stem.match_indices('_').map(|(at, _)| format!("{}/{}", &stem[..at], &stem[at + 1..]))
}

/// The language whose the file is.
pub(crate) fn of(path: &str) -> Option<(LanguageId, Reads)> {
    ALL.iter().zip(0..).find_map(|(language, id)| Some((id, language.reads(path)?)))
}

/// The language.
pub(crate) fn get(id: LanguageId) -> &'static dyn Language {
    ALL[usize::from(id) % ALL.len()]
}
