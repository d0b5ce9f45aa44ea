//! Where Go's packages are.

use hashbrown::HashMap;

use super::NAME;
use crate::map::entry::FileId;
use crate::map::facts::{Facts, Text};
use crate::map::files::{folder_of, join, upwards};
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;
use crate::map::vocabulary::WordId;

/// Modules and what their packages define.
pub(super) struct Packages {
    /// The path of a module and its folder.
    modules: HashMap<String, String>,
    /// Where a package (by its first file) defines a name.
    defined: HashMap<(FileId, WordId), FileId>,
}

impl Packages {
    pub(super) fn new(project: &Project<'_>) -> Self {
        let mut modules = HashMap::new();
        for manifest in project.files_of(NAME, Reads::Manifest) {
            let folder = folder_of(project.files.path(manifest));
            for (key, value) in project.settings(manifest) {
                match (key, value.split_once(' ')) {
                    ("module", _) => drop(modules.insert(value.to_owned(), folder.to_owned())),
                    ("replace", Some((module, place))) => {
                        // What the other module calls itself is known from its own manifest, if it has one.
                        if let Some(place) = join(folder, place) {
                            modules.entry(module.to_owned()).or_insert(place);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut defined = HashMap::new();
        for file in project.files_of(NAME, Reads::Source) {
            let path = project.files.path(file);
            let (Some(record), Some(first)) = (project.record(file), first_of(project, folder_of(path)))
            else {
                continue;
            };
            if !path.ends_with("_test.go") {
                let own = record.symbols().filter(|(_, symbol)| symbol.exported && symbol.owner.is_none());
                for (_, symbol) in own {
                    defined.entry((first, symbol.name)).or_insert(file);
                }
            }
        }
        Self { modules, defined }
    }

    fn folder(&self, project: &Project<'_>, import: &str) -> Option<String> {
        for module in upwards(import) {
            if let Some(folder) = self.modules.get(module) {
                return join(folder, import.get(module.len()..)?);
            }
        }
        // Before there were modules, a repository lay at the end of its path.
        if !self.modules.is_empty() {
            return None;
        }
        let ends = import.match_indices('/').map(|(at, _)| &import[at + 1..]);
        ends.skip(1).find(|end| project.files.has_folder(end)).map(str::to_owned)
    }
}

/// The first file of the package in a folder.
fn first_of(project: &Project<'_>, folder: &str) -> Option<FileId> {
    sources(project, folder).next()
}

/// The files of the package in a folder, without its tests.
fn sources<'p>(project: &Project<'p>, folder: &str) -> impl Iterator<Item = FileId> + use<'p> {
    let files = project.files;
    files.in_folder(folder).iter().copied().filter(move |file| {
        let path = files.path(*file);
        path.ends_with(".go") && !path.ends_with("_test.go")
    })
}

impl Layout for Packages {
    fn resolve(&self, project: &Project<'_>, _from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let Some(folder) = self.folder(project, project.word(import.module)) else { return };
        let Some(first) = first_of(project, &folder) else { return };
        let before = into.len();
        into.extend(import.names().filter_map(|(name, _)| self.defined.get(&(first, name))));
        // It is imported for what it does when it starts, or under another name than its path says.
        if into.len() == before {
            into.extend(sources(project, &folder));
        }
    }

    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        if let Some(folder) = self.folder(project, name) {
            into.extend(sources(project, &folder));
        }
    }
}

/// `module example.com/x`, and `replace a => ./b`, alone or in a block.
pub(super) fn read_manifest<'t>(text: &'t str, into: &mut Facts<'t>) {
    let mut block = "";
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        let (directive, rest) = match (first, second) {
            (")", _) => {
                block = "";
                continue;
            }
            (directive, Some("(")) => {
                block = directive;
                continue;
            }
            ("module" | "replace", Some(_)) if block.is_empty() => {
                (first, line.get(first.len()..).unwrap_or_default().trim())
            }
            _ => (block, line),
        };
        match directive {
            "module" => into.settings.push(("module".into(), rest.trim_matches('"').into())),
            "replace" => {
                if let Some((module, place)) = rest.split_once("=>")
                    && place.trim().starts_with('.')
                {
                    let module = module.split_whitespace().next().unwrap_or_default();
                    let place = format!("{module} {}", place.trim());
                    into.settings.push(("replace".into(), Text::Owned(place)));
                }
            }
            _ => {}
        }
    }
}
