//! What the repository's packages and configurations say about modules.

use hashbrown::HashMap;

use super::NAME;
use super::resolve;
use crate::map::entry::FileId;
use crate::map::files::{folder_of, join, name_of};
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;

/// Configurations that extend each other: a circle ends here.
const MOST_EXTENDS: usize = 16;

/// Packages and configurations, by their folders.
#[derive(Default)]
pub(super) struct Modules {
    /// Folders by the names of their packages.
    pub(super) named: HashMap<String, String>,
    pub(super) packages: HashMap<String, Package>,
    pub(super) configurations: HashMap<String, Configuration>,
}

/// A `package.json`.
#[derive(Default)]
pub(super) struct Package {
    pub(super) mains: Vec<String>,
    pub(super) exports: Vec<Pattern>,
    pub(super) imports: Vec<Pattern>,
}

/// The `tsconfig*.json` and `jsconfig.json` of a folder, taken together.
#[derive(Default)]
pub(super) struct Configuration {
    pub(super) bases: Vec<String>,
    pub(super) paths: Vec<Pattern>,
}

/// `@/*` and `src/*`. A target of a configuration is a path from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) from: String,
    pub(super) to: String,
}

impl Pattern {
    fn new(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(' ')?;
        Some(Self { from: from.to_owned(), to: to.to_owned() })
    }

    /// What it makes of a name, where that fits.
    pub(super) fn apply(&self, name: &str) -> Option<String> {
        let Some((start, end)) = self.from.split_once('*') else {
            return (self.from == name).then(|| self.to.clone());
        };
        let star = name.strip_prefix(start)?.strip_suffix(end)?;
        Some(self.to.replacen('*', star, 1))
    }
}

impl Modules {
    pub(super) fn new(project: &Project<'_>) -> Self {
        let mut all = Self::default();
        let mut configurations = Vec::new();
        for manifest in project.files_of(NAME, Reads::Manifest) {
            let path = project.files.path(manifest);
            if name_of(path) == "package.json" {
                all.add_package(project, manifest, folder_of(path));
            } else {
                configurations.push(manifest);
            }
        }
        for manifest in configurations {
            let folder = folder_of(project.files.path(manifest)).to_owned();
            let mut whole = all.configurations.remove(&folder).unwrap_or_default();
            all.read_configuration(project, manifest, &mut whole);
            // The longest beginning decides, as it does for the compiler.
            whole.paths.sort_by_key(|pattern| std::cmp::Reverse(pattern.from.len()));
            whole.paths.dedup();
            all.configurations.insert(folder, whole);
        }
        all
    }

    fn add_package(&mut self, project: &Project<'_>, manifest: FileId, folder: &str) {
        let mut package = Package::default();
        for (key, value) in project.settings(manifest) {
            match key {
                // Of two packages of one name, the one that lies higher is no example or fixture.
                "name" => drop(self.named.entry_ref(value).or_insert_with(|| folder.to_owned())),
                "main" => package.mains.push(value.to_owned()),
                "export" => package.exports.extend(Pattern::new(value)),
                "import" => package.imports.extend(Pattern::new(value)),
                _ => {}
            }
        }
        self.packages.insert(folder.to_owned(), package);
    }

    /// What a configuration says, and those that it extends.
    fn read_configuration(&self, project: &Project<'_>, manifest: FileId, into: &mut Configuration) {
        let mut todo = vec![manifest];
        let mut seen = 0;
        while let Some(manifest) = todo.pop() {
            seen += 1;
            if seen > MOST_EXTENDS {
                return;
            }
            let path = project.files.path(manifest);
            let folder = folder_of(path);
            let base = project.settings(manifest).find(|(key, _)| *key == "baseUrl").map(|(_, base)| base);
            let base = base.and_then(|base| join(folder, base));
            for (key, value) in project.settings(manifest) {
                match key {
                    "extends" => todo.extend(self.extended(project, folder, value)),
                    "path" => into.paths.extend(Pattern::new(value).and_then(|pattern| {
                        let to = join(base.as_deref().unwrap_or(folder), &pattern.to)?;
                        Some(Pattern { to, ..pattern })
                    })),
                    _ => {}
                }
            }
            into.bases.extend(base);
        }
    }

    fn extended(&self, project: &Project<'_>, folder: &str, name: &str) -> Option<FileId> {
        let path = if name.starts_with('.') {
            join(folder, name)?
        } else {
            let (package, below) = resolve::split_package(name);
            join(self.named.get(package)?, below)?
        };
        let ends = ["", ".json", "/tsconfig.json"];
        ends.iter().find_map(|end| project.files.find(&format!("{path}{end}")))
    }
}

impl Layout for Modules {
    fn resolve(&self, project: &Project<'_>, from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let folder = folder_of(project.files.path(from));
        into.extend(resolve::module(self, project.files, folder, project.word(import.module)));
    }

    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        let (package, _) = resolve::split_package(name);
        if self.named.contains_key(package) {
            into.extend(resolve::package(self, project.files, name));
        } else if name.contains('/') && !name.starts_with('.') {
            // `src/net/http`, as a path without its extension.
            into.extend(resolve::file_at(self, project.files, name));
        }
    }
}
