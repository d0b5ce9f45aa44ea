//! Where Java's classes are.

use hashbrown::HashMap;

use super::NAME;
use crate::map::entry::FileId;
use crate::map::files::split_name;
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;

/// Classes by their names, and packages.
pub(super) struct Classes {
    /// Files by what they would be imported as: package and name of the file.
    classes: HashMap<String, Vec<FileId>>,
    packages: HashMap<String, Vec<FileId>>,
}

impl Classes {
    pub(super) fn new(project: &Project<'_>) -> Self {
        let (mut classes, mut packages) = (HashMap::new(), HashMap::new());
        for file in project.files_of(NAME, Reads::Source) {
            let package = project.record(file).and_then(|record| record.package());
            let package = package.map_or("", |package| project.word(package));
            let stem = split_name(project.files.path(file)).0;
            let name = if package.is_empty() { stem.to_owned() } else { format!("{package}.{stem}") };
            classes.entry(name).or_insert_with(Vec::new).push(file);
            packages.entry_ref(package).or_insert_with(Vec::new).push(file);
        }
        Self { classes, packages }
    }

    /// The files of a class, or of the one that it is written in: `a.b.Outer.Inner`.
    fn class(&self, name: &str) -> &[FileId] {
        let outer = std::iter::successors(Some(name), |name| Some(name.rsplit_once('.')?.0));
        outer.into_iter().find_map(|name| self.classes.get(name)).map_or(&[], Vec::as_slice)
    }
}

impl Layout for Classes {
    fn resolve(&self, project: &Project<'_>, _from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let module = project.word(import.module);
        for (name, _) in import.names() {
            let name = project.word(name);
            if name == "*" {
                // Of a package, or of what a class has.
                let package = self.packages.get(module).map(Vec::as_slice);
                into.extend(package.unwrap_or_else(|| self.class(module)));
            } else {
                into.extend(self.class(&format!("{module}.{name}")));
            }
        }
    }

    fn module(&self, _project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        match self.packages.get(name).filter(|_| name.contains('.')) {
            Some(package) => into.extend(package),
            None if name.contains('.') => into.extend(self.class(name)),
            None => {}
        }
    }
}
