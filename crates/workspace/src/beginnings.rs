//! What is asked before there is a repository: which git there is, and for a new repository.

use std::path::Path;

use crate::door::{Git, Place};
use crate::{Repository, Result};

/// The version of the git on `PATH` as it names it itself: `2.39.5`. Fails where there is none and where it is older
/// than 2.38.
pub fn git_version() -> Result<String> {
    let git = Git::find(gadugi_sys::env::all())?;
    let place = Place { cwd: "/".into(), git_dir: None, work_tree: None };
    let text = git.call(&place, ["version"]).text()?;
    Ok(text.trim().trim_start_matches("git version ").to_owned())
}

impl Repository {
    /// Makes a folder a new repository on the branch `main`, with all that lies in it as its first commit.
    pub fn create(dir: &Path, message: &str) -> Result<Self> {
        let git = Git::find(gadugi_sys::env::all())?;
        let place = Place { cwd: dir.to_owned(), git_dir: None, work_tree: None };
        git.call(&place, ["init", "--quiet", "--initial-branch=main"]).bytes()?;
        let repository = Self::discover(dir)?;
        repository.main(["add", "--all"]).bytes()?;
        let identity = repository.identity(None)?;
        identity.on(repository.main(["commit", "--quiet", "--message", message])).bytes()?;
        Ok(repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_a_repository() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.txt"), "a\n").unwrap();
        let repository = Repository::create(dir.path(), "begin").unwrap();
        let head = repository.head().unwrap();
        assert_eq!(head.branch.as_deref(), Some("main"));
        assert_eq!(repository.tree_files(&head.commit).unwrap(), ["a.txt"]);
        assert_eq!(repository.uncommitted().unwrap(), 0);
    }

    #[test]
    fn git_says_its_version() {
        assert!(git_version().unwrap().starts_with(|c: char| c.is_ascii_digit()));
    }
}
