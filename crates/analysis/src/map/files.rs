//! The paths of a tree and the ways to find one: by path, by folder, by name.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::entry::FileId;

/// All paths, sorted bytewise.
#[derive(Debug, Default)]
pub(crate) struct Files {
    paths: Vec<Box<str>>,
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    folders: OnceLock<HashMap<String, Vec<FileId>>>,
    names: OnceLock<HashMap<String, Vec<FileId>>>,
}

impl Files {
    /// From paths that are sorted and of which none is there twice.
    pub(crate) fn new(paths: Vec<Box<str>>) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(paths.len());
        for (at, path) in paths.iter().enumerate() {
            let spelled = |at: &u32| hasher.hash_one(&*paths[*at as usize]);
            table.insert_unique(hasher.hash_one(&**path), at as u32, spelled);
        }
        Self { paths, hasher, table, folders: OnceLock::new(), names: OnceLock::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = FileId> + use<> {
        (0..self.paths.len() as u32).map(FileId)
    }

    pub(crate) fn path(&self, file: FileId) -> &str {
        self.paths.get(file.index()).map_or("", |path| path)
    }

    pub(crate) fn find(&self, path: &str) -> Option<FileId> {
        let same = |at: &u32| *self.paths[*at as usize] == *path;
        self.table.find(self.hasher.hash_one(path), same).copied().map(FileId)
    }

    /// The files that lie in a folder itself, sorted; `""` is the root.
    pub(crate) fn in_folder(&self, folder: &str) -> &[FileId] {
        self.folders().get(folder).map_or(&[], Vec::as_slice)
    }

    /// Whether there is such a folder; the root is one.
    pub(crate) fn has_folder(&self, folder: &str) -> bool {
        folder.is_empty() || self.folders().contains_key(folder)
    }

    /// All files of that name, in whichever folders, sorted by path.
    pub(crate) fn named(&self, name: &str) -> &[FileId] {
        let names = self.names.get_or_init(|| {
            let mut names: HashMap<String, Vec<FileId>> = HashMap::new();
            for file in self.all() {
                names.entry_ref(name_of(self.path(file))).or_default().push(file);
            }
            names
        });
        names.get(name).map_or(&[], Vec::as_slice)
    }

    fn folders(&self) -> &HashMap<String, Vec<FileId>> {
        self.folders.get_or_init(|| {
            let mut folders: HashMap<String, Vec<FileId>> = HashMap::new();
            for file in self.all() {
                let mut folder = folder_of(self.path(file));
                folders.entry_ref(folder).or_default().push(file);
                // Folders that hold nothing but folders are there too.
                while !folder.is_empty() {
                    folder = folder_of(folder);
                    if folders.contains_key(folder) {
                        break;
                    }
                    folders.entry_ref(folder).or_default();
                }
            }
            folders
        })
    }
}

/// `a/b/c.rs` → `a/b`; `c.rs` → ``.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// `a/b/c.rs` → `c.rs`.
pub(crate) fn name_of(path: &str) -> &str {
    path.rfind('/').map_or(path, |at| &path[at + 1..])
}

/// `a/b/c.d.rs` → `c.d`, `rs`; a name without a dot, or with one only in front, has no extension.
pub(crate) fn split_name(path: &str) -> (&str, &str) {
    let name = name_of(path);
    match name.rfind('.') {
        Some(at) if at > 0 => (&name[..at], &name[at + 1..]),
        _ => (name, ""),
    }
}

/// A path below a folder, `.` and `..` worked out; none where it leaves the repository.
pub(crate) fn join(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A folder and those above it, the nearest first, the root (``) last.
pub(crate) fn upwards(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| (!folder.is_empty()).then(|| folder_of(folder)))
}

/// How many folders two paths have in common from the root.
pub(crate) fn common_folders(one: &str, other: &str) -> usize {
    let (one, other) = (folder_of(one), folder_of(other));
    one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other && !one.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found() {
        let paths = ["a/b/c.rs", "a/b/d/e.rs", "c.rs"].map(Box::from).to_vec();
        let files = Files::new(paths);
        assert_eq!(files.find("a/b/c.rs"), Some(FileId(0)));
        assert_eq!((files.find("a/b"), files.find("")), (None, None));
        assert_eq!(files.named("c.rs"), [FileId(0), FileId(2)]);
        assert_eq!(files.in_folder("a/b"), [FileId(0)]);
        assert_eq!((files.in_folder("a"), files.in_folder("")), (&[][..], &[FileId(2)][..]));
        assert!(files.has_folder("a") && files.has_folder("a/b/d") && !files.has_folder("a/x"));
    }

    #[test]
    fn paths_are_joined_and_taken_apart() {
        assert_eq!(join("a/b", "../c/./d"), Some("a/c/d".into()));
        assert_eq!((join("a", "../.."), join("", "x")), (None, Some("x".into())));
        assert_eq!(upwards("a/b").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(split_name("x/y.test.ts"), ("y.test", "ts"));
        assert_eq!(
            (split_name(".gitignore"), split_name("Makefile")),
            ((".gitignore", ""), ("Makefile", ""))
        );
        assert_eq!(common_folders("a/b/x", "a/b/c/y"), 2);
        assert_eq!((common_folders("x", "y"), common_folders("a/x", "b/x")), (0, 0));
    }
}
