//! A map of the repository: what each file defines, what it imports, which files import it, and which test goes with
//! what.
//!
//! A [`RepositoryMap`] is made from the tree of one commit ([`RepositoryMap::build`]), so that what `.gitignore` keeps out of
//! the repository is not in it, and what lies uncommitted in somebody's folder neither. Files in the languages of the
//! map (`languages.rs`) are parsed by tree-sitter, and nothing is run: not a build, not a configuration. Facts are kept by
//! blob in a [`MapCache`], so that only what changed is parsed again. All other files are known by their paths.
//!
//! What a question needs beyond the facts (where a name is defined, what an import leads to, which words a file has) is
//! worked out when it is first asked, for all files at once; after that an answer is a look-up.
//!
//! A parse is no compiler: names are found by their spelling, macros are not expanded, types are not known. What the map
//! says is evidence, and the rest of the analysis says how much it is worth.

mod build;
mod cache;
mod companions;
mod entry;
mod extract;
mod facts;
mod files;
mod graph;
mod languages;
mod project;
mod record;
#[cfg(test)]
mod testing;
mod texts;
mod vocabulary;
mod words;

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

pub use cache::{MOST_OTHERS, MapCache};
pub use entry::{BlobId, BlobReader, Blobs, Content, EntryKind, FileId, TreeEntry};
pub use extract::MOST_BYTES;
pub use facts::{ImportKind, Skipped, SymbolKind};
pub use words::WordNumber;

use cache::Store;
use companions::Companions;
use files::Files;
use graph::{Definitions, Graph};
use project::{Known, Project};
use words::Words;

/// The map of one tree. It owns what it says, and can be asked from several threads.
pub struct RepositoryMap {
    files: Files,
    known: Vec<Known>,
    store: Arc<Store>,
    graph: OnceLock<Graph>,
    definitions: OnceLock<Definitions>,
    companions: OnceLock<Companions>,
    words: OnceLock<Words>,
}

/// Something that a file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'m> {
    /// Where.
    pub file: FileId,
    /// What it is called.
    pub name: &'m str,
    /// What it is.
    pub kind: SymbolKind,
    /// Its line, from 1.
    pub line: u32,
    /// The class, trait, … that it belongs to.
    pub owner: Option<&'m str>,
    /// Whether other files can see it, by the language's rules.
    pub exported: bool,
}

/// An import of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import<'m> {
    /// The module as it is written, or nearly so: `pkg.mod`, `crate::a`, `./b`, `net/http`.
    pub raw: &'m str,
    /// The files that it leads to: none where it leaves the repository, several where a module is a folder or
    /// the names come from several files.
    pub files: &'m [FileId],
    /// What is taken from it.
    pub names: Vec<ImportedName<'m>>,
    /// How.
    pub kind: ImportKind,
    /// Its line, from 1.
    pub line: u32,
}

/// A name that is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedName<'m> {
    /// What it is called where it is defined; `*` is everything.
    pub name: &'m str,
    /// What it is called here, where that is something else.
    pub alias: Option<&'m str>,
}

impl RepositoryMap {
    /// The map of a tree. What `cache` does not know is read through `blobs` and parsed, on every processor that this
    /// process may use, and `cache` learns it. Nothing that a file holds is an error; what is, is that blobs cannot be read.
    pub fn build(entries: Vec<TreeEntry>, blobs: &dyn Blobs, cache: &mut MapCache) -> io::Result<Self> {
        build::build(entries, blobs, cache)
    }

    fn new(files: Files, known: Vec<Known>, store: Arc<Store>) -> Self {
        Self {
            files,
            known,
            store,
            graph: OnceLock::new(),
            definitions: OnceLock::new(),
            companions: OnceLock::new(),
            words: OnceLock::new(),
        }
    }

    fn project(&self) -> Project<'_> {
        Project { files: &self.files, known: &self.known, store: &self.store }
    }

    /// How many entries the tree has: files, links and submodules.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, sorted bytewise by path.
    pub fn files(&self) -> impl ExactSizeIterator<Item = FileId> + use<> {
        self.files.all()
    }

    /// The path from the repository's root, `/` between its parts.
    pub fn path(&self, file: FileId) -> &str {
        self.files.path(file)
    }

    /// The file of that path.
    pub fn file(&self, path: &str) -> Option<FileId> {
        self.files.find(path)
    }

    /// The language that the map reads the file in (`python`, `rust`, …); none: only its path is known. A manifest
    /// (`Cargo.toml`, `package.json`) has the language that it belongs to.
    pub fn language(&self, file: FileId) -> Option<&'static str> {
        let (language, _) = self.known.get(file.index())?.language?;
        Some(languages::get(language).name())
    }

    /// Why a file of one of the map's languages was not looked into.
    pub fn skipped(&self, file: FileId) -> Option<Skipped> {
        self.project().record(file)?.skipped()
    }

    /// What a file defines, in its order.
    pub fn symbols(&self, file: FileId) -> impl Iterator<Item = Definition<'_>> {
        let project = self.project();
        let symbols = project.record(file).into_iter().flat_map(|record| record.symbols());
        symbols.map(move |(_, symbol)| graph::definition(&project, file, symbol))
    }

    /// Where a name is defined, in the order of the paths. The name is that of the symbol alone, spelled as it is there.
    pub fn definitions(&self, name: &str) -> Vec<Definition<'_>> {
        let project = self.project();
        self.definitions.get_or_init(|| Definitions::new(&project)).of(&project, name)
    }

    /// What a file imports, in its order.
    pub fn imports(&self, file: FileId) -> Vec<Import<'_>> {
        self.graph().imports(&self.project(), file)
    }

    /// The files that import this one, sorted.
    pub fn importers(&self, file: FileId) -> &[FileId] {
        self.graph().importers(file)
    }

    /// The file in which a name is defined that `file` defines or hands on: `from flask import Flask` leads to
    /// `flask/__init__.py`, and `origin` of that and of `Flask` to `flask/app.py`.
    pub fn origin(&self, file: FileId, name: &str) -> Option<Definition<'_>> {
        self.graph().origin(&self.project(), file, name)
    }

    /// The files of the module that is called so: `pkg.mod`, `crate::a::b`, `@scope/pkg/x`, `example.com/x/y`,
    /// `com.example.Name`. Sorted; none where there is no such module.
    pub fn module(&self, name: &str) -> Vec<FileId> {
        self.graph().module(&self.project(), name)
    }

    /// The tests of a file, sorted: those that are called after it by the conventions of its language.
    pub fn tests_of(&self, file: FileId) -> &[FileId] {
        self.companions().tests_of(file)
    }

    /// The file that a test is called after.
    pub fn subject_of(&self, test: FileId) -> Option<FileId> {
        self.companions().subject_of(test)
    }

    /// Whether a file's path says that it is a test.
    pub fn is_test(&self, file: FileId) -> bool {
        self.companions().is_test(file)
    }

    /// The words of a file: the parts of its path and of the names that it defines (`HttpServer_v2` → `http`, `server`,
    /// `v2`), in lower case, each once.
    pub fn words(&self, file: FileId) -> impl Iterator<Item = &str> {
        let words = self.all_words();
        words.of(file).iter().map(|word| words.get(*word))
    }

    /// The same as numbers, sorted: [`Self::word`] gives the word. Below [`Self::word_count`].
    pub fn word_numbers(&self, file: FileId) -> &[WordNumber] {
        self.all_words().of(file)
    }

    /// How many different words all files have.
    pub fn word_count(&self) -> usize {
        self.all_words().len()
    }

    /// The word of a number.
    pub fn word(&self, number: WordNumber) -> &str {
        self.all_words().get(number)
    }

    /// Works out where names are defined and what imports lead to, which the first question after either would wait for.
    pub(crate) fn prepare(&self) {
        self.definitions("");
        self.graph();
    }

    fn graph(&self) -> &Graph {
        self.graph.get_or_init(|| Graph::new(&self.project()))
    }

    fn companions(&self) -> &Companions {
        self.companions.get_or_init(|| Companions::new(&self.project()))
    }

    fn all_words(&self) -> &Words {
        self.words.get_or_init(|| Words::new(&self.project()))
    }
}

impl fmt::Debug for RepositoryMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryMap").field("files", &self.len()).finish_non_exhaustive()
    }
}
