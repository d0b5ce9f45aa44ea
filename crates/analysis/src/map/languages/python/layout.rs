//! Where Python's modules are.

use hashbrown::{HashMap, HashSet};

use super::NAME;
use crate::map::entry::FileId;
use crate::map::files::{Files, common_folders, folder_of, join, split_name, upwards};
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;

/// Folders below one with a manifest in which modules are looked for, where they are there.
const USUAL: [&str; 3] = ["src", "lib", "python"];

/// Top-level names and the folders that they lie in.
pub(super) struct Modules {
    tops: HashMap<String, Vec<Root>>,
}

/// A folder in which a top-level name is found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    folder: String,
    /// From everywhere; else from that folder and those below it alone.
    everywhere: bool,
}

impl Modules {
    pub(super) fn new(project: &Project<'_>) -> Self {
        let mut places: HashSet<String> = HashSet::from([String::new()]);
        for manifest in project.files_of(NAME, Reads::Manifest) {
            let folder = folder_of(project.files.path(manifest));
            places.insert(folder.to_owned());
            let named = project.settings(manifest).filter(|(key, _)| *key == "root").map(|(_, root)| root);
            places.extend(USUAL.into_iter().chain(named).filter_map(|below| join(folder, below)));
        }
        places.extend(USUAL.map(str::to_owned));
        let mut tops: HashMap<String, Vec<Root>> = HashMap::new();
        for file in project.files_of(NAME, Reads::Source) {
            let path = project.files.path(file);
            let folder = folder_of(path);
            let outside =
                upwards(folder).find(|folder| !is_package(project.files, folder)).unwrap_or_default();
            note(&mut tops, path, outside, outside != folder || places.contains(outside));
            for place in upwards(folder).filter(|folder| places.contains(*folder)) {
                note(&mut tops, path, place, true);
            }
        }
        Self { tops }
    }

    /// The folder and the module's parts below it, best first, for an absolute name.
    fn roots<'s>(&'s self, from: &'s str, first: &str) -> Vec<&'s str> {
        let folder = folder_of(from);
        let seen = |root: &&Root| {
            root.everywhere || root.folder.is_empty() || upwards(folder).any(|above| above == root.folder)
        };
        let mut roots: Vec<&str> = self
            .tops
            .get(first)
            .into_iter()
            .flatten()
            .filter(seen)
            .map(|root| root.folder.as_str())
            .collect();
        // The nearest: of several projects in one repository, a file means its own.
        roots.sort_by_key(|root| std::cmp::Reverse(common_folders(from, &format!("{root}/x"))));
        roots
    }
}

fn note(tops: &mut HashMap<String, Vec<Root>>, path: &str, folder: &str, everywhere: bool) {
    let below = if folder.is_empty() { path } else { path.get(folder.len() + 1..).unwrap_or_default() };
    let top = below.split('/').next().unwrap_or_default();
    let top = if below.contains('/') { top } else { split_name(below).0 };
    let roots = tops.entry_ref(top).or_default();
    match roots.iter_mut().find(|root| root.folder == folder) {
        Some(root) => root.everywhere |= everywhere,
        None => roots.push(Root { folder: folder.to_owned(), everywhere }),
    }
}

fn is_package(files: &Files, folder: &str) -> bool {
    !folder.is_empty()
        && (inside(files, folder, "__init__.py").is_some() || inside(files, folder, "__init__.pyi").is_some())
}

fn inside(files: &Files, folder: &str, name: &str) -> Option<FileId> {
    if folder.is_empty() { files.find(name) } else { files.find(&format!("{folder}/{name}")) }
}

/// The file of a module, by its path without an extension.
fn file_of(files: &Files, module: &str) -> Option<FileId> {
    if module.is_empty() {
        return None;
    }
    [".py", "/__init__.py", ".pyi", "/__init__.pyi"]
        .iter()
        .find_map(|end| files.find(&format!("{module}{end}")))
}

impl Modules {
    /// The files of names taken from the module at a path; false where there is no such module.
    fn take(
        &self,
        project: &Project<'_>,
        module: &str,
        import: &ImportAt<'_>,
        into: &mut Vec<FileId>,
    ) -> bool {
        let files = project.files;
        let own = file_of(files, module).or_else(|| inside(files, module, "__init__.py"));
        let before = into.len();
        let mut whole = import.count() == 0;
        for (name, _) in import.names() {
            match file_of(files, &below(module, project.word(name))) {
                Some(file) => into.push(file),
                None => whole = true,
            }
        }
        if whole {
            into.extend(own);
        }
        into.len() > before
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl Layout for Modules {
    fn resolve(&self, project: &Project<'_>, from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let (path, name) = (project.files.path(from), project.word(import.module));
        let absolute = name.trim_start_matches('.');
        let dots = name.len() - absolute.len();
        if dots > 0 {
            let folder = upwards(folder_of(path)).nth(dots - 1);
            let Some(folder) = folder else { return };
            let module = absolute.split('.').filter(|part| !part.is_empty());
            let module = module.fold(folder.to_owned(), |module, part| below(&module, part));
            self.take(project, &module, import, into);
            return;
        }
        let first = absolute.split('.').next().unwrap_or_default();
        let rest = absolute.replace('.', "/");
        for root in self.roots(path, first) {
            if self.take(project, &below(root, &rest), import, into) {
                return;
            }
        }
    }

    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        let first = name.split('.').next().unwrap_or_default();
        let Some(roots) = self.tops.get(first) else { return };
        let rest = name.replace('.', "/");
        for root in roots.iter().filter(|root| root.everywhere) {
            if let Some(file) = file_of(project.files, &below(&root.folder, &rest)) {
                into.push(file);
                continue;
            }
            // `pkg.mod.Name`: the module that defines it.
            let Some((module, last)) = rest.rsplit_once('/') else { continue };
            let Some(file) = file_of(project.files, &below(&root.folder, module)) else { continue };
            let defines = |id| project.record(file)?.symbols().find(|(_, symbol)| symbol.name == id);
            if project.find(last).and_then(defines).is_some() {
                into.push(file);
            }
        }
    }
}

/// The folders that a `pyproject.toml` names: setuptools, Poetry, Hatch, pytest.
pub(super) fn roots_of(table: &toml::Table) -> Vec<String> {
    let at = |path: &[&str]| {
        let mut value = table.get(*path.first()?)?;
        for key in &path[1..] {
            value = value.get(key)?;
        }
        Some(value)
    };
    let texts = |value: Option<&toml::Value>| -> Vec<String> {
        match value {
            Some(toml::Value::String(text)) => vec![text.clone()],
            Some(toml::Value::Array(all)) => {
                all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
            }
            _ => Vec::new(),
        }
    };
    let mut roots = texts(at(&["tool", "setuptools", "packages", "find", "where"]));
    roots.extend(texts(at(&["tool", "setuptools", "package-dir", ""])));
    roots.extend(texts(at(&["tool", "pytest", "ini_options", "pythonpath"])));
    roots.extend(texts(at(&["tool", "hatch", "build", "sources"])));
    if let Some(packages) = at(&["tool", "poetry", "packages"]).and_then(toml::Value::as_array) {
        roots.extend(packages.iter().flat_map(|package| texts(package.get("from"))));
    }
    roots
}
