//! From the name of a module to its file.

use super::EXTENSIONS;
use super::layout::Modules;
use crate::map::entry::FileId;
use crate::map::files::{Files, folder_of, join, upwards};

/// What else an import can name without an extension.
const OTHERS: [&str; 4] = ["d.ts", "json", "vue", "svelte"];

/// Folders that builds write to: what lies there was made from `src`.
const BUILT: [&str; 8] = ["dist", "lib", "build", "out", "esm", "cjs", "es", "types"];

/// Where a package begins that does not say so, or says it of a file that is built.
const BEGINNINGS: [&str; 5] = ["src/index", "index", "src/main", "src/lib", "lib/index"];

/// The file that a file in `folder` means by a module's name.
pub(super) fn module(modules: &Modules, files: &Files, folder: &str, name: &str) -> Option<FileId> {
    let name = name.split(['?', '!']).next().unwrap_or_default();
    match name.chars().next()? {
        '.' => {
            let path = join(folder, name)?;
            file_at(modules, files, &path).or_else(|| {
                let own = upwards(folder_of(&path)).find(|folder| modules.packages.contains_key(*folder))?;
                built(modules, files, own, path.get(own.len()..)?.trim_start_matches('/'))
            })
        }
        '/' => upwards(folder)
            .filter(|folder| folder.is_empty() || modules.packages.contains_key(*folder))
            .find_map(|folder| file_at(modules, files, &join(folder, name)?)),
        '#' => own_import(modules, files, folder, name).or_else(|| configured(modules, files, folder, name)),
        _ => configured(modules, files, folder, name).or_else(|| package(modules, files, name)),
    }
}

/// By `paths` and `baseUrl` of the configurations above.
fn configured(modules: &Modules, files: &Files, folder: &str, name: &str) -> Option<FileId> {
    upwards(folder).filter_map(|folder| modules.configurations.get(folder)).find_map(|configuration| {
        let targets = configuration.paths.iter().filter_map(|pattern| pattern.apply(name));
        let based = configuration.bases.iter().filter_map(|base| join(base, name));
        targets.chain(based).find_map(|path| file_at(modules, files, &path))
    })
}

/// By `imports` of the package around.
fn own_import(modules: &Modules, files: &Files, folder: &str, name: &str) -> Option<FileId> {
    let own = upwards(folder).find(|folder| modules.packages.contains_key(*folder))?;
    let targets = modules.packages.get(own)?.imports.iter().filter_map(|pattern| pattern.apply(name));
    targets.into_iter().find_map(|target| built(modules, files, own, &target))
}

/// By the name of a package of the repository: `@scope/name/below`.
pub(super) fn package(modules: &Modules, files: &Files, name: &str) -> Option<FileId> {
    let (name, below) = split_package(name);
    let folder = modules.named.get(name)?;
    let package = modules.packages.get(folder)?;
    let wanted = if below.is_empty() { ".".to_owned() } else { format!("./{below}") };
    let mut exports = package.exports.iter().filter_map(|pattern| pattern.apply(&wanted));
    if let Some(file) = exports.find_map(|target| built(modules, files, folder, &target)) {
        return Some(file);
    }
    if !below.is_empty() {
        let direct = file_at(modules, files, &join(folder, below)?);
        return direct.or_else(|| file_at(modules, files, &join(&join(folder, "src")?, below)?));
    }
    let mains = package.mains.iter().find_map(|main| built(modules, files, folder, main));
    mains.or_else(|| BEGINNINGS.iter().find_map(|start| file_at(modules, files, &join(folder, start)?)))
}

/// The file at a path of a package; where that is built, the source that it is built from.
fn built(modules: &Modules, files: &Files, folder: &str, target: &str) -> Option<FileId> {
    let path = target.trim_start_matches("./");
    if let Some(file) = file_at(modules, files, &join(folder, path)?) {
        return Some(file);
    }
    let (first, rest) = path.split_once('/')?;
    if !BUILT.contains(&first) {
        return None;
    }
    let bare = without_extension(rest);
    let inner =
        bare.split_once('/').filter(|(first, _)| BUILT.contains(first)).map_or(bare, |(_, rest)| rest);
    [bare, inner].iter().find_map(|bare| file_at(modules, files, &join(&join(folder, "src")?, bare)?))
}

fn without_extension(path: &str) -> &str {
    let path = path.strip_suffix(".map").unwrap_or(path);
    let all = ["d.ts", "d.mts", "d.cts"].iter().chain(&EXTENSIONS);
    all.into_iter().find_map(|extension| path.strip_suffix(extension)?.strip_suffix('.')).unwrap_or(path)
}

/// The file at a path: itself, with an extension, what a `.js` is compiled from, or a folder's beginning.
pub(super) fn file_at(modules: &Modules, files: &Files, path: &str) -> Option<FileId> {
    if path.is_empty() {
        return EXTENSIONS.iter().find_map(|extension| files.find(&format!("index.{extension}")));
    }
    let with = |path: &str| {
        let mut buffer = String::with_capacity(path.len() + 8);
        EXTENSIONS.iter().chain(&OTHERS).find_map(|extension| {
            buffer.clear();
            buffer.push_str(path);
            buffer.push('.');
            buffer.push_str(extension);
            files.find(&buffer)
        })
    };
    if let Some(file) = files.find(path).or_else(|| with(path)) {
        return Some(file);
    }
    let compiled =
        ["js", "jsx", "mjs", "cjs"].iter().find_map(|end| path.strip_suffix(end)?.strip_suffix('.'));
    if let Some(file) = compiled.and_then(with) {
        return Some(file);
    }
    if !files.has_folder(path) {
        return None;
    }
    let package = modules.packages.get(path);
    let mains = package.into_iter().flat_map(|package| &package.mains).filter_map(|main| join(path, main));
    let mut mains = mains.filter(|main| main != path);
    mains
        .find_map(|main| files.find(&main).or_else(|| with(&main)))
        .or_else(|| with(&format!("{path}/index")))
}

/// `@scope/name/a/b` → `@scope/name`, `a/b`.
pub(super) fn split_package(name: &str) -> (&str, &str) {
    let parts = if name.starts_with('@') { 2 } else { 1 };
    match name.match_indices('/').nth(parts - 1) {
        Some((at, _)) => (&name[..at], &name[at + 1..]),
        None => (name, ""),
    }
}
