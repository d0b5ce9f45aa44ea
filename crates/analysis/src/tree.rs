//! The files of the repository's base tree, indexed by name.

use std::collections::{BTreeSet, HashMap, HashSet};

/// An index of the tree.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    files: HashSet<&'a str>,
    folders: BTreeSet<&'a str>,
    by_name: HashMap<&'a str, Vec<&'a str>>,
}

/// What a path-like word stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A file, by its whole path.
    File(&'a str),
    /// A file, by the end of its path or by its name, of which there is one only.
    Unique(&'a str),
    /// A folder, by its whole path.
    Folder(&'a str),
    /// Several files.
    Ambiguous,
    /// Nothing.
    Nothing,
}

impl<'a> Tree<'a> {
    /// Indexes paths from the repository's root, `/` between their parts.
    pub fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut tree = Self::default();
        for path in paths {
            if path.is_empty() || !tree.files.insert(path) {
                continue;
            }
            let name = path.rsplit('/').next().unwrap_or(path);
            tree.by_name.entry(name).or_default().push(path);
            let mut folder = path;
            while let Some(at) = folder.rfind('/') {
                folder = &folder[..at];
                if folder.is_empty() || !tree.folders.insert(folder) {
                    break;
                }
            }
        }
        tree
    }

    /// All files, in no order.
    pub fn files(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.files.iter().copied()
    }

    /// Whether there is such a folder; the root is one.
    pub fn has_folder(&self, path: &str) -> bool {
        path.is_empty() || self.folders.contains(path)
    }

    /// Whether there is such a file.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    pub(crate) fn find(&self, path: &str) -> Found<'a> {
        if let Some(file) = self.files.get(path) {
            return Found::File(file);
        }
        if let Some(folder) = self.folders.get(path.trim_end_matches('/')) {
            return Found::Folder(folder);
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some(candidates) = self.by_name.get(name) else { return Found::Nothing };
        let mut fitting = candidates.iter().filter(|file| {
            file.strip_suffix(path).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        });
        match (fitting.next(), fitting.next()) {
            (Some(file), None) => Found::Unique(file),
            (Some(_), Some(_)) => Found::Ambiguous,
            (None, _) => Found::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_resolved() {
        let tree = Tree::new(["src/a.rs", "src/b/mod.rs", "lib/mod.rs", "Makefile", "src/a.rs"]);
        for (word, expected) in [
            ("src/a.rs", Found::File("src/a.rs")),
            ("a.rs", Found::Unique("src/a.rs")),
            ("b/mod.rs", Found::Unique("src/b/mod.rs")),
            ("mod.rs", Found::Ambiguous),
            ("od.rs", Found::Nothing),
            ("src/b", Found::Folder("src/b")),
            ("src/b/", Found::Folder("src/b")),
            ("Makefile", Found::File("Makefile")),
            ("nothing.rs", Found::Nothing),
            ("", Found::Nothing),
        ] {
            assert_eq!(tree.find(word), expected, "{word}");
        }
    }
}
