//! The run's store: the history of some commits, and nothing else of the user's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gadugi_core::CommitId;
use gadugi_sys::lock::FileLock;

use super::bare;
use crate::door::{Place, lossy};
use crate::repository::Repository;
use crate::{Error, Result};

/// Where the store says what it holds: one ref for each commit that it was asked for.
const HELD: &str = "refs/gadugi/held/";

impl Repository {
    /// Makes the bare repository at `store`, or extends it: afterwards it holds these commits with their whole history, and
    /// nothing else. It has no hooks, no alternates, no refs but its own, and nothing collects garbage in it.
    ///
    /// What it holds already is not copied again. Safe against other callers (a lock lies beside it) and repeatable after a
    /// crash at any point. Agents read it and never write it. Fails with [`Error::BadRevision`] where a commit is none.
    pub fn seal_store(&self, store: &Path, commits: &[CommitId]) -> Result<()> {
        let Some(first) = commits.first() else { return Ok(()) };
        if self.store_holds(store, commits) {
            return Ok(());
        }
        let parent = store.parent().filter(|_| store.is_absolute());
        let parent = parent.ok_or_else(|| Error::PathInUse { path: store.to_owned() })?;
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let lock = store.with_extension("lock");
        let _lock = FileLock::acquire(&lock).map_err(Error::io(&lock))?;
        // All tasks of a run begin together, and one of them has made it by now.
        if self.store_holds(store, commits) {
            return Ok(());
        }
        self.make_store(store, first)?;
        let place = bare::place(store);
        let held = self.held_by(&place)?;
        let wanted: BTreeSet<_> = commits.iter().filter(|commit| !held.contains(commit.as_str())).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        if wanted.is_empty() {
            return bare::open_to_readers(store);
        }
        self.check_commits(&wanted)?;
        self.copy_history(&self.main, &place, &wanted, &held)?;
        bare::open_to_readers(store)?;
        let mut refs = String::new();
        for commit in wanted {
            refs.push_str(&format!("update {HELD}{commit}\0{commit}\0\0"));
        }
        self.git.alone().call(&place, ["update-ref", "-z", "--stdin"]).input(refs).done()
    }

    /// Looked up without a process: refs of the store are gadugi's own, and lie loose until somebody packs them, which nobody
    /// does.
    fn store_holds(&self, store: &Path, commits: &[CommitId]) -> bool {
        commits.iter().all(|commit| store.join(HELD).join(commit.as_str()).is_file())
    }

    fn make_store(&self, store: &Path, commit: &CommitId) -> Result<()> {
        let config = bare::format_of(commit, true);
        bare::make(
            store,
            &format!("{config}[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"),
            "ref: refs/heads/none\n",
        )?;
        bare::copy_shallow(self.common_dir(), store)?;
        bare::write(&store.join("info/exclude"), &self.excludes()?)?;
        // What index-pack left where it was killed.
        let packs = store.join("objects/pack");
        for entry in fs::read_dir(&packs).map_err(Error::io(&packs))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("tmp_") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// What the user has git ignore beside the `.gitignore` files that the work itself carries.
    fn excludes(&self) -> Result<Vec<u8>> {
        const MOST: u64 = 1 << 20;
        let named = self.main(["config", "--type=path", "--get", "core.excludesFile"]).answer()?;
        let global = if named.code == Some(0) {
            self.root().join(lossy(&named.stdout).trim_end_matches('\n'))
        } else {
            let variable = |name| self.git.variable(name).filter(|value| !value.is_empty());
            let home = variable("HOME").map(|home| Path::new(home).join(".config"));
            let config = variable("XDG_CONFIG_HOME").map(Into::into).or(home);
            config.unwrap_or_default().join("git/ignore")
        };
        let mut text = Vec::new();
        for file in [global, self.common_dir().join("info/exclude")] {
            if fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= MOST) {
                text.extend(fs::read(&file).map_err(Error::io(&file))?);
                text.push(b'\n');
            }
        }
        Ok(text)
    }

    fn held_by(&self, place: &Place) -> Result<BTreeSet<String>> {
        let listing =
            self.git.alone().call(place, ["for-each-ref", "--format=%(objectname)", HELD]).text()?;
        Ok(listing.lines().map(str::to_owned).collect())
    }

    fn check_commits(&self, commits: &[&CommitId]) -> Result<()> {
        for commit in commits {
            let name = commit.as_str();
            let bad = || Error::BadRevision { rev: name.to_owned() };
            if !crate::repository::is_object_id(name) || self.ref_tip(name)?.is_none() {
                return Err(bad());
            }
        }
        Ok(())
    }

    /// Copies the history of commits from one repository to another that holds that of others. Git takes what it finds in
    /// packs as it is, deltas included.
    pub(super) fn copy_history(
        &self,
        from: &Place,
        to: &Place,
        wanted: &[&CommitId],
        held: &BTreeSet<String>,
    ) -> Result<()> {
        let mut input = String::new();
        for commit in wanted {
            input.push_str(&format!("{commit}\n"));
        }
        for commit in held {
            // One that the user's repository has no longer tells nothing.
            if self.git.call(from, ["cat-file", "-e", &format!("{commit}^{{commit}}")]).answer()?.code
                == Some(0)
            {
                input.push_str(&format!("^{commit}\n"));
            }
        }
        // With the other's objects borrowed, git writes pack and index where they are to lie, the index last. What comes of the
        // user's own is not inflated and hashed once more, which would take four times as long.
        let folder =
            self.git.call(from, ["rev-parse", "--path-format=absolute", "--git-path", "objects"]).path()?;
        let objects = to.git_dir.as_deref().unwrap_or(&to.cwd).join("objects");
        let pack = self.git.call(from, ["pack-objects", "--revs", "--delta-base-offset", "--quiet"]);
        pack.arg(objects.join("pack/pack"))
            .env("GIT_OBJECT_DIRECTORY", &objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", bare::listed(&folder))
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .input(input)
            .done()
    }
}
