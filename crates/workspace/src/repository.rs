//! Finding a repository, and reading from it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gadugi_core::CommitId;
use gadugi_sys::lock::FileLock;

use crate::door::{Call, Git, Place, fields};
use crate::worktree::Turnstile;
use crate::{Error, Result};

/// Where `HEAD` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// The branch (`main`, not `refs/heads/main`); none: detached.
    pub branch: Option<String>,
}

/// One git repository with a main worktree. Cheap to clone; clones share what they have learnt.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) git: Git,
    root: PathBuf,
    common_dir: PathBuf,
    pub(crate) main: Place,
    /// The worktree where the search began.
    pub(crate) here: Place,
    pub(crate) checkouts: Arc<Turnstile>,
    /// The last commit of which it is known that its files can be checked out, as to Git LFS.
    pub(crate) lfs_checked: Arc<Mutex<Option<CommitId>>>,
}

impl Repository {
    /// The repository that holds `start`, seen from there: also from a subfolder, from a linked worktree, or from
    /// inside `.git`. Fails where git is missing or older than 2.38, where there is no repository, where it is bare.
    pub fn discover(start: &Path) -> Result<Self> {
        Self::discover_in(start, gadugi_sys::env::all())
    }

    /// The same with an environment other than this process's own: `PATH`, `HOME` and `GIT_*` are taken from it.
    pub fn discover_in(start: &Path, environment: Vec<(OsString, OsString)>) -> Result<Self> {
        let git = Git::find(environment)?;
        let start = fs::canonicalize(start).map_err(Error::io(start))?;
        let cwd = if start.is_dir() { start.as_path() } else { start.parent().unwrap_or(&start) };
        let place = Place { cwd: cwd.to_owned(), git_dir: None, work_tree: None };
        let common_dir = common_dir(&git, &place)?;
        let common = Place { cwd: common_dir.clone(), git_dir: Some(common_dir.clone()), work_tree: None };
        if says(&git, &common, "--is-bare-repository")? {
            return Err(Error::BareRepository { path: common_dir });
        }
        let git_dir = absolute(&git, &place, "--git-dir")?;
        let inside = says(&git, &place, "--is-inside-work-tree")?;
        let top = if inside { Some(absolute(&git, &place, "--show-toplevel")?) } else { None };
        let root = match &top {
            Some(top) if git_dir == common_dir => top.clone(),
            _ => main_worktree(&git, &common, &common_dir)?,
        };
        let main = worktree_place(&root, &common_dir);
        let here = match top {
            Some(top) => worktree_place(&top, &git_dir),
            None => main.clone(),
        };
        let checkouts = Arc::new(Turnstile::for_this_machine());
        let lfs_checked = Arc::new(Mutex::new(None));
        Ok(Self { git, root, common_dir, main, here, checkouts, lfs_checked })
    }

    /// The main worktree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The git directory that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The top of the worktree where the search began: the main one, or a linked one of the user's.
    pub fn here(&self) -> &Path {
        &self.here.cwd
    }

    /// Where gadugi's own state lies: `.gadugi` in the main worktree. Not made by asking.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(".gadugi")
    }

    /// The commit that `rev` names, seen from [`Self::here`]. Fails with [`Error::BadRevision`], or with
    /// [`Error::NoCommits`] where there is none yet.
    pub fn resolve(&self, rev: &str) -> Result<CommitId> {
        // A rev never begins with a dash (git would read an option), nor holds what no name can.
        if !rev.is_empty() && !rev.starts_with('-') && !rev.contains(['\0', '\n']) {
            let args = ["rev-parse", "--verify", "--quiet", &format!("{rev}^{{commit}}")];
            let answer = self.git.call(&self.here, args).answer()?;
            if answer.code == Some(0) {
                return Ok(commit_id(&answer.stdout));
            }
        }
        match self.head() {
            Err(Error::NoCommits) => Err(Error::NoCommits),
            _ => Err(Error::BadRevision { rev: rev.to_owned() }),
        }
    }

    /// `HEAD` of [`Self::here`]. Fails with [`Error::NoCommits`] on a branch without commits.
    pub fn head(&self) -> Result<Head> {
        let (commit, branch) = self.head_of(&self.here)?;
        commit.map(|commit| Head { commit, branch }).ok_or(Error::NoCommits)
    }

    /// How many paths of [`Self::here`] differ from `HEAD`: staged, unstaged or untracked, without ignored ones.
    pub fn uncommitted(&self) -> Result<usize> {
        Ok(self.status_of(&self.here)?.len())
    }

    /// The names of all files in a commit, sorted as git sorts them (bytewise). Names that are not UTF-8 are left out
    /// (no plan can name them), and so are submodules.
    pub fn tree_files(&self, commit: &CommitId) -> Result<Vec<String>> {
        let listing = self.main(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]).bytes()?;
        let files = fields(&listing).filter(|entry| !entry.starts_with(b"160000 "));
        Ok(files
            .filter_map(|entry| {
                let name = entry.splitn(2, |byte| *byte == b'\t').nth(1)?;
                String::from_utf8(name.to_vec()).ok()
            })
            .collect())
    }

    /// Whether a commit holds this path: a file, a folder or anything else.
    pub fn has_path(&self, commit: &CommitId, path: &str) -> Result<bool> {
        Ok(self.tree_entry(commit, path)?.is_some())
    }

    /// What a regular file holds in a commit; none where there is no regular file at this path.
    pub fn read_blob(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>> {
        match self.tree_entry(commit, path)? {
            Some((mode, id)) if mode.starts_with("100") => {
                self.main(["cat-file", "blob", id.as_str()]).bytes().map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Mode and object id of what lies at a path.
    fn tree_entry(&self, commit: &CommitId, path: &str) -> Result<Option<(String, String)>> {
        let path = path.trim_matches('/');
        if path.is_empty() || path.contains('\0') {
            return Ok(None);
        }
        let call = self.main(["ls-tree", "-z", "--full-tree", commit.as_str(), "--", path]);
        let listing = call.env("GIT_LITERAL_PATHSPECS", "1").bytes()?;
        let entry = fields(&listing).next().and_then(|entry| {
            let (head, name) = entry.split_at(entry.iter().position(|byte| *byte == b'\t')?);
            let mut words = std::str::from_utf8(head).ok()?.split(' ');
            let mode = words.next()?.to_owned();
            (&name[1..] == path.as_bytes()).then_some((mode, words.nth(1)?.to_owned()))
        });
        Ok(entry)
    }

    /// A call in the main worktree.
    pub(crate) fn main<'a, A: AsRef<std::ffi::OsStr>>(
        &'a self,
        args: impl IntoIterator<Item = A>,
    ) -> Call<'a> {
        self.git.call(&self.main, args)
    }

    /// `HEAD` of a worktree: commit (none: no commits yet) and branch (none: detached).
    pub(crate) fn head_of(&self, place: &Place) -> Result<(Option<CommitId>, Option<String>)> {
        let symbolic = self.git.call(place, ["symbolic-ref", "--quiet", "HEAD"]).answer()?;
        let branch = match symbolic.code {
            Some(0) => {
                let name = crate::door::lossy(&symbolic.stdout);
                Some(name.trim_end().trim_start_matches("refs/heads/").to_owned())
            }
            Some(1) => None,
            _ => return Err(symbolic.failed()),
        };
        let answer = self.git.call(place, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).answer()?;
        Ok(((answer.code == Some(0)).then(|| commit_id(&answer.stdout)), branch))
    }

    /// The lock around everything that changes the list of worktrees: git's own handling of it is not safe against
    /// itself (one `worktree add` trips over another's half-made folder).
    pub(crate) fn worktree_lock(&self) -> Result<FileLock> {
        let state = self.state_dir();
        gadugi_sys::files::create_ignored_dir(&state).map_err(Error::io(&state))?;
        let path = state.join("worktree.lock");
        FileLock::acquire(&path).map_err(Error::io(&path))
    }
}

/// A worktree whose git directory is known, so that its `.git` file is not asked.
pub(crate) fn worktree_place(top: &Path, git_dir: &Path) -> Place {
    Place { cwd: top.to_owned(), git_dir: Some(git_dir.to_owned()), work_tree: Some(top.to_owned()) }
}

pub(crate) fn commit_id(stdout: &[u8]) -> CommitId {
    CommitId::new(crate::door::lossy(stdout).trim())
}

fn common_dir(git: &Git, place: &Place) -> Result<PathBuf> {
    absolute(git, place, "--git-common-dir").map_err(|error| match error {
        Error::Failed { stderr, .. } if stderr.contains("dubious ownership") => {
            Error::DubiousOwnership { path: place.cwd.clone() }
        }
        Error::Failed { stderr, .. } if stderr.contains("not a git repository") => {
            Error::NotARepository { path: place.cwd.clone() }
        }
        other => other,
    })
}

fn absolute(git: &Git, place: &Place, what: &str) -> Result<PathBuf> {
    let path = git.call(place, ["rev-parse", "--path-format=absolute", what]).path()?;
    fs::canonicalize(&path).map_err(Error::io(&path))
}

fn says(git: &Git, place: &Place, what: &str) -> Result<bool> {
    Ok(git.call(place, ["rev-parse", what]).text()? == "true")
}

/// The main worktree, seen from elsewhere: what holds `.git`, or what `core.worktree` names (a submodule's).
fn main_worktree(git: &Git, common: &Place, common_dir: &Path) -> Result<PathBuf> {
    let configured = git.call(common, ["config", "--type=path", "--get", "core.worktree"]).answer()?;
    let root = match configured.code {
        Some(0) => {
            use std::os::unix::ffi::OsStringExt;
            let bytes = configured.stdout.strip_suffix(b"\n").unwrap_or(&configured.stdout).to_vec();
            common_dir.join(OsString::from_vec(bytes))
        }
        _ if common_dir.ends_with(".git") => common_dir.parent().unwrap_or(common_dir).to_owned(),
        _ => return Err(Error::MainWorktreeUnknown { common_dir: common_dir.to_owned() }),
    };
    fs::canonicalize(&root).map_err(Error::io(&root))
}
