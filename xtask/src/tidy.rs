//! The repository's own rules, as checks that can fail: what `ARCHITECTURE.md` and `CONTRIBUTING.md` say is so.

mod rules;

use std::collections::BTreeMap;
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::{names, shell};

/// Files of the repository by path, those that git ignores left out; none of a file that is no text.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// What the work tree holds now, whether committed yet or not.
    fn of_repository() -> Result<Self> {
        let mut list = Command::new("git");
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(names::root());
        let mut tree = Self::default();
        for path in shell::output(list)?.split_terminator('\0') {
            match fs::read(names::root().join(path)) {
                Ok(bytes) => tree.files.insert(path.to_owned(), String::from_utf8(bytes).ok()),
                // Deleted and not committed yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            };
        }
        Ok(tree)
    }

    /// The text of one file.
    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Text files with one of these endings: path and text.
    fn ending(&self, endings: &'static [&'static str]) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(|(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Folders that hold a package: `crates/core`, …, `xtask`.
    fn packages(&self) -> impl Iterator<Item = &str> {
        self.files.keys().filter_map(|path| path.strip_suffix("/Cargo.toml"))
    }
}

/// Holds the repository against every rule and tells what breaks one.
pub(crate) fn check() -> Result<()> {
    let tree = Tree::of_repository()?;
    let complaints: Vec<String> = rules::ALL.iter().flat_map(|rule| rule(&tree)).collect();
    for complaint in &complaints {
        shell::complain(complaint);
    }
    if !complaints.is_empty() {
        bail!("{} places break the repository's rules", complaints.len());
    }
    shell::say(&format!("{} rules hold over {} files", rules::ALL.len(), tree.files.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_its_rules() {
        check().unwrap();
    }

    #[test]
    fn the_tree_is_the_repository() {
        let tree = Tree::of_repository().unwrap();
        assert!(tree.packages().any(|package| package == "crates/core"));
        assert!(tree.text("xtask/src/tidy.rs").unwrap().contains("the_tree_is_the_repository"));
        assert!(!tree.files.keys().any(|path| path.starts_with("target/")));
    }
}
