//! What a commit needs that git's objects do not hold: submodules and Git LFS.

use std::path::Path;

use gadugi_core::CommitId;

use super::Tree;
use crate::door::{Place, fields, lossy};
use crate::known::held;
use crate::repository::Repository;
use crate::{Error, Result};

impl Repository {
    /// Fails where a commit keeps files in Git LFS and `git-lfs` is not there: its checkout would hold pointers.
    pub(super) fn check_lfs(&self, commit: &CommitId) -> Result<()> {
        let _searching = held(&self.known.lfs);
        if self.known.lfs_checked(commit) {
            return Ok(());
        }
        if self.uses_lfs(commit)? && self.main(["lfs", "version"]).answer()?.code != Some(0) {
            return Err(Error::LfsMissing);
        }
        self.known.learn_lfs_checked(commit);
        Ok(())
    }

    /// Whether a commit keeps files in Git LFS.
    pub(crate) fn uses_lfs(&self, commit: &CommitId) -> Result<bool> {
        let find =
            ["grep", "--quiet", "-E", r"^[^#]*[[:space:]]filter=lfs([[:space:]]|$)", commit.as_str(), "--"];
        self.main(find).arg(":(glob)**/.gitattributes").yes()
    }

    /// Checks out the submodules that the main worktree has, from its copies and without a network. Those that it has not
    /// stay empty here too.
    pub(super) fn check_out_submodules(&self, tree: &Tree) -> Result<()> {
        let list = tree.path().join(".gitmodules");
        if !list.is_file() {
            return Ok(());
        }
        let read = ["config", "-z", "--file", ".gitmodules", "--get-regexp", r"^submodule\..*\.path$"];
        let listing = self.git.call(&tree.place, read).answer()?;
        for field in fields(&listing.stdout) {
            let field = lossy(field);
            let Some((key, path)) = field.split_once('\n') else { continue };
            let name = key.strip_prefix("submodule.").and_then(|key| key.strip_suffix(".path"));
            let Some(name) = name else { continue };
            let there = self.root().join(path);
            if there.join(".git").exists() && self.is_gitlink(tree, path)? {
                self.check_out_submodule(tree, name, path, &there)?;
            }
        }
        Ok(())
    }

    fn is_gitlink(&self, tree: &Tree, path: &str) -> Result<bool> {
        let call = self.git.call(&tree.place, ["ls-files", "-z", "--stage", "--", path]);
        Ok(call.env("GIT_LITERAL_PATHSPECS", "1").bytes()?.starts_with(b"160000 "))
    }

    fn check_out_submodule(&self, tree: &Tree, name: &str, path: &str, there: &Path) -> Result<()> {
        let place = Place { cwd: tree.path().to_owned(), git_dir: None, work_tree: None };
        // The address comes with the call: `submodule init` would write it into the user's configuration.
        let updated = self
            .git
            .call(&place, ["submodule", "--quiet", "update", "--checkout", "--", path])
            .config(format!("submodule.{name}.url"), there)
            .config("protocol.file.allow", "always")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .answer()?;
        match updated.code {
            Some(0) => Ok(()),
            _ => Err(Error::Submodule { submodule: path.to_owned(), detail: updated.stderr }),
        }
    }

    /// Whether the main worktree's copy of a submodule has this commit.
    pub(crate) fn submodule_has_commit(&self, submodule: &Path, commit: &str) -> bool {
        let place = Place { cwd: submodule.to_owned(), git_dir: None, work_tree: None };
        let call = self.git.call(&place, ["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        call.answer().is_ok_and(|answer| answer.code == Some(0))
    }
}
