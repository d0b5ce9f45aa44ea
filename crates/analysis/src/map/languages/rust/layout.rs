//! Where Rust's crates and modules are.

use hashbrown::HashMap;

use super::NAME;
use crate::map::entry::FileId;
use crate::map::facts::ImportKind;
use crate::map::files::{Files, folder_of, join, name_of, split_name, upwards};
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;

/// How deep modules are nested at most: a circle of `#[path]` ends here.
const DEEPEST: usize = 64;

/// All crates of the repository.
#[derive(Default)]
pub(super) struct Crates {
    packages: HashMap<String, Package>,
    crates: Vec<Crate>,
    /// The libraries, by the names under which they are imported.
    libraries: HashMap<String, usize>,
    /// The same by the names of their packages.
    by_package: HashMap<String, usize>,
    /// Which module of which crate a file is.
    homes: HashMap<FileId, (usize, String)>,
}

/// What a manifest says, by its folder.
#[derive(Default)]
struct Package {
    name: String,
    library: String,
    library_path: String,
    targets: Vec<String>,
    renames: HashMap<String, String>,
}

/// A tree of modules.
struct Crate {
    package: String,
    /// Files of a module by its path in the crate (`` is the root): several, where a platform chooses.
    modules: HashMap<String, Vec<FileId>>,
}

impl Crates {
    pub(super) fn new(project: &Project<'_>) -> Self {
        let mut all = Self::default();
        for manifest in project.files_of(NAME, Reads::Manifest) {
            let folder = folder_of(project.files.path(manifest)).to_owned();
            all.packages.insert(folder, package(project, manifest));
        }
        let mut folders: Vec<String> = all.packages.keys().cloned().collect();
        folders.sort_unstable();
        let sources: Vec<FileId> = project.files_of(NAME, Reads::Source).collect();
        let mut roots: HashMap<&str, Vec<FileId>> = HashMap::new();
        for file in &sources {
            let path = project.files.path(*file);
            if let Some(folder) = upwards(folder_of(path)).find(|folder| all.packages.contains_key(*folder))
                && is_root(path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/'))
            {
                roots.entry(folder).or_default().push(*file);
            }
        }
        for folder in &folders {
            all.add_package(project, folder, roots.get(folder.as_str()).map_or(&[], Vec::as_slice));
        }
        for file in sources {
            all.add_unreached(project, file);
        }
        all
    }

    /// The crates of a package, its library first.
    fn add_package(&mut self, project: &Project<'_>, folder: &str, found: &[FileId]) {
        let Some(package) = self.packages.get(folder) else { return };
        let (name, library) = (package.name.clone(), package.library.clone());
        let file = |path: &String| join(folder, path).and_then(|path| project.files.find(&path));
        let root = file(&package.library_path);
        let mut others: Vec<FileId> = package.targets.iter().filter_map(file).collect();
        others.extend(found);
        if let Some(root) = root {
            let number = self.add_crate(project, folder, root);
            self.libraries.entry(library).or_insert(number);
            self.by_package.entry(name).or_insert(number);
        }
        for other in others {
            if !self.homes.contains_key(&other) {
                self.add_crate(project, folder, other);
            }
        }
    }

    /// Follows `mod` from a crate's root.
    fn add_crate(&mut self, project: &Project<'_>, package: &str, root: FileId) -> usize {
        let number = self.crates.len();
        let mut modules: HashMap<String, Vec<FileId>> = HashMap::new();
        let mut todo = vec![(root, String::new(), folder_of(project.files.path(root)).to_owned(), 0)];
        while let Some((file, module, below, depth)) = todo.pop() {
            let known = modules.entry(module.clone()).or_default();
            if known.contains(&file) || depth > DEEPEST {
                continue;
            }
            known.push(file);
            self.homes.entry(file).or_insert_with(|| (number, module.clone()));
            let imports = project.record(file).into_iter().flat_map(|record| record.imports());
            for import in imports.filter(|import| import.kind == ImportKind::Declares) {
                let name = project.word(import.module);
                // The inline modules around it are in this file.
                for inline in
                    std::iter::successors(parent(name), |name| parent(name)).filter(|name| !name.is_empty())
                {
                    modules.entry(under(&module, inline)).or_insert_with(|| vec![file]);
                }
                if let Some((child, below)) = declared(project, file, &below, &import) {
                    todo.push((child, under(&module, name), below, depth + 1));
                }
            }
        }
        self.crates.push(Crate { package: package.to_owned(), modules });
        number
    }

    /// A file that no `mod` leads to (a macro makes it) is the module that its path says, of the library there.
    fn add_unreached(&mut self, project: &Project<'_>, file: FileId) {
        if self.homes.contains_key(&file) {
            return;
        }
        let path = project.files.path(file);
        let Some(folder) = upwards(folder_of(path)).find(|folder| self.packages.contains_key(*folder)) else {
            return;
        };
        let Some(source) = join(folder, "src") else { return };
        let Some(below) = path.strip_prefix(&source).and_then(|path| path.strip_prefix('/')) else { return };
        let below = below.strip_suffix(".rs").unwrap_or(below);
        let module = below.strip_suffix("/mod").unwrap_or(below).replace('/', "::");
        let number = self.crates.iter().position(|one| one.package == folder);
        if let Some((number, own)) = number.and_then(|number| Some((number, self.crates.get_mut(number)?))) {
            own.modules.entry(module.clone()).or_default().push(file);
            self.homes.insert(file, (number, module));
        }
    }

    /// Where a path begins: a crate and a module of it, and how much of the path that was.
    fn begin(&self, from: FileId, path: &[&str]) -> Option<(usize, String, usize)> {
        let home = self.homes.get(&from);
        match *path.first()? {
            "crate" | "$crate" => Some((home?.0, String::new(), 1)),
            "self" | "super" => {
                let (number, module) = home?;
                let supers = path.iter().take_while(|part| matches!(**part, "self" | "super"));
                let count = supers.clone().count();
                let mut module = module.as_str();
                for _ in supers.filter(|part| **part == "super") {
                    module = parent(module)?;
                }
                Some((*number, module.to_owned(), count))
            }
            first => {
                // A module beside it comes before a crate of that name.
                if let Some((number, module)) = home
                    && self.crates[*number].modules.contains_key(&under(module, first))
                {
                    return Some((*number, under(module, first), 1));
                }
                let renamed = home.and_then(|(number, _)| {
                    let package = self.packages.get(&self.crates[*number].package)?;
                    self.by_package.get(package.renames.get(first)?)
                });
                if let Some(number) = renamed.or_else(|| self.libraries.get(first)) {
                    return Some((*number, String::new(), 1));
                }
                // Before 2018, paths began at the root.
                let (number, _) = home?;
                let modules = &self.crates[*number].modules;
                modules.contains_key(first).then(|| (*number, first.to_owned(), 1))
            }
        }
    }

    /// Goes on from a module as far as there are modules; gives the rest of the path.
    fn follow<'p>(&self, number: usize, mut module: String, path: &'p [&'p str]) -> (String, &'p [&'p str]) {
        for (at, part) in path.iter().enumerate() {
            let next = under(&module, part);
            if !self.crates[number].modules.contains_key(&next) {
                return (module, &path[at..]);
            }
            module = next;
        }
        (module, &[])
    }

    fn files(&self, number: usize, module: &str) -> &[FileId] {
        // An inline module is in the file of the one around it.
        std::iter::successors(Some(module), |module| parent(module))
            .find_map(|module| self.crates[number].modules.get(module))
            .map_or(&[], Vec::as_slice)
    }
}

impl Layout for Crates {
    fn resolve(&self, project: &Project<'_>, from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let name = project.word(import.module);
        if import.kind == ImportKind::Declares {
            if let Some((number, module)) = self.homes.get(&from) {
                let declared = self.crates[*number].modules.get(&under(module, name));
                into.extend(declared.into_iter().flatten());
            }
            return;
        }
        let path: Vec<&str> = name.split("::").collect();
        let Some((number, module, used)) = self.begin(from, &path) else { return };
        let (module, rest) = self.follow(number, module, &path[used..]);
        let mut own = import.count() == 0 || !rest.is_empty();
        if rest.is_empty() {
            for (name, _) in import.names() {
                match self.crates[number].modules.get(&under(&module, project.word(name))) {
                    Some(files) => into.extend(files),
                    None => own = true,
                }
            }
        }
        if own {
            into.extend(self.files(number, &module));
        }
    }

    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        let path: Vec<&str> = name.split("::").collect();
        let begun: Vec<(usize, usize)> = match path[0] {
            "crate" if path.len() > 1 => (0..self.crates.len()).map(|number| (number, 1)).collect(),
            first => match self.libraries.get(&first.replace('-', "_")) {
                Some(number) => vec![(*number, 1)],
                None if path.len() > 1 => (0..self.crates.len()).map(|number| (number, 0)).collect(),
                None => Vec::new(),
            },
        };
        for (number, used) in begun {
            let (module, rest) = self.follow(number, String::new(), &path[used..]);
            let files = self.files(number, &module);
            match *rest {
                [] => into.extend(files),
                // `crate::a::Name`: the module that defines it.
                [last] if !module.is_empty() || used > 0 => {
                    let defines = |file: &&FileId| {
                        let id = project.find(last);
                        let symbols = project.record(**file).into_iter().flat_map(|record| record.symbols());
                        id.is_some_and(|id| symbols.into_iter().any(|(_, symbol)| symbol.name == id))
                    };
                    into.extend(files.iter().filter(defines));
                }
                _ => {}
            }
        }
    }
}

fn package(project: &Project<'_>, manifest: FileId) -> Package {
    let mut package = Package { library_path: "src/lib.rs".to_owned(), ..Package::default() };
    for (key, value) in project.settings(manifest) {
        match (key, value.split_once(' ')) {
            ("package", _) => value.clone_into(&mut package.name),
            ("lib", Some((name, path))) => {
                name.clone_into(&mut package.library);
                path.clone_into(&mut package.library_path);
            }
            ("target", _) => package.targets.push(value.to_owned()),
            ("rename", Some((name, of))) => drop(package.renames.insert(name.to_owned(), of.to_owned())),
            _ => {}
        }
    }
    package
}

/// Whether Cargo takes a file of a package for the root of a crate, by its path in the package.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts[..],
        ["build.rs"]
            | ["src", "main.rs" | "lib.rs"]
            | ["src", "bin", _]
            | ["src", "bin", _, "main.rs"]
            | ["tests" | "examples" | "benches", _]
            | ["tests" | "examples" | "benches", _, "main.rs"]
    )
}

/// The file of `mod name;` and the folder of its own modules. `below` is that of the file that says it.
fn declared(
    project: &Project<'_>,
    file: FileId,
    below: &str,
    import: &ImportAt<'_>,
) -> Option<(FileId, String)> {
    let files = project.files;
    let name = project.word(import.module);
    if let Some((path, _)) = import.names().next() {
        let path = project.word(path);
        let inline = name.rsplit_once("::").map(|(inline, _)| inline.replace("::", "/"));
        let base = match inline {
            Some(inline) => join(below, &inline)?,
            None => folder_of(files.path(file)).to_owned(),
        };
        let found = files.find(&join(&base, path)?)?;
        return Some((found, own_folder(files, found, true)));
    }
    let name = name.replace("::", "/");
    let name = name.strip_prefix("r#").unwrap_or(&name);
    let found = [format!("{name}.rs"), format!("{name}/mod.rs")]
        .iter()
        .find_map(|path| files.find(&join(below, path)?))?;
    Some((found, own_folder(files, found, false)))
}

/// The folder of a file's own modules. A file that `#[path]` names counts as `mod.rs` does.
fn own_folder(files: &Files, file: FileId, named: bool) -> String {
    let path = files.path(file);
    if named || name_of(path) == "mod.rs" {
        return folder_of(path).to_owned();
    }
    join(folder_of(path), split_name(path).0).unwrap_or_default()
}

fn under(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> Option<&str> {
    if module.is_empty() {
        return None;
    }
    Some(module.rsplit_once("::").map_or("", |(parent, _)| parent))
}
