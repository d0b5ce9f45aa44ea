//! Finding a repository, and reading from it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_core::CommitId;
use gadugi_sys::lock::FileLock;

use crate::door::{Call, Git, Place, fields};
use crate::known::{Known, Listing, Lying};
use crate::objects::GITLINK;
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
    pub(crate) known: Arc<Known>,
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
        let View { common_dir, git_dir, top } = view(&git, &place)?;
        let root = match &top {
            Some(top) if git_dir == common_dir => top.clone(),
            _ => main_worktree(&git, &common_dir)?,
        };
        let main = worktree_place(&root, &common_dir);
        let here = match top {
            Some(top) => worktree_place(&top, &git_dir),
            None => main.clone(),
        };
        let checkouts = Arc::new(Turnstile::for_this_machine());
        Ok(Self { git, root, common_dir, main, here, checkouts, known: Arc::default() })
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
        let mut files = Vec::new();
        let mut all = Listing::new();
        for (mode, id, name) in fields(&listing).filter_map(entry) {
            if mode != GITLINK {
                files.extend(String::from_utf8(name.to_vec()));
            }
            all.insert(name.to_vec(), lying(mode, id));
        }
        self.known.learn_listing(commit, all);
        Ok(files)
    }

    /// The same with the id of what each file holds.
    pub fn tree_ids(&self, commit: &CommitId) -> Result<Vec<(String, String)>> {
        let listing = self.main(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]).bytes()?;
        let files = fields(&listing).filter_map(entry).filter(|(mode, ..)| *mode != GITLINK);
        let named = files
            .filter_map(|(_, id, name)| Some((std::str::from_utf8(name).ok()?.to_owned(), id.to_owned())));
        Ok(named.collect())
    }

    /// Whether a commit holds this path: a file, a folder or anything else.
    pub fn has_path(&self, commit: &CommitId, path: &str) -> Result<bool> {
        Ok(self.tree_entry(commit, path)?.is_some())
    }

    /// What a regular file holds in a commit; none where there is no regular file at this path.
    pub fn read_blob(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>> {
        match self.tree_entry(commit, path)? {
            Some(Lying::File(id)) => self.main(["cat-file", "blob", id.as_str()]).bytes().map(Some),
            Some(Lying::Other) | None => Ok(None),
        }
    }

    /// The files of a folder of a commit (the empty path: all of it) as a tar archive, as `git archive` makes it.
    pub fn archive(&self, commit: &CommitId, folder: &str) -> Result<Vec<u8>> {
        let tree = format!("{commit}:{}", folder.trim_matches('/'));
        self.main(["archive", "--format=tar", &tree]).bytes()
    }

    fn tree_entry(&self, commit: &CommitId, path: &str) -> Result<Option<Lying>> {
        let path = path.trim_matches('/');
        if path.is_empty() || path.contains('\0') {
            return Ok(None);
        }
        if let Some(known) = self.known.entry(commit, path) {
            return Ok(known);
        }
        let call = self.main(["ls-tree", "-z", "--full-tree", commit.as_str(), "--", path]);
        let listing = call.env("GIT_LITERAL_PATHSPECS", "1").bytes()?;
        let found = fields(&listing).next().and_then(entry);
        let found = found.filter(|(.., name)| *name == path.as_bytes()).map(|(mode, id, _)| lying(mode, id));
        self.known.learn_entry(commit, path, found.clone());
        Ok(found)
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
        let both = ["rev-parse", "--quiet", "HEAD^{commit}", "--symbolic-full-name", "HEAD"];
        let answer = self.git.call(place, both).answer()?;
        let said = crate::door::lossy(&answer.stdout);
        let mut lines = said.lines();
        match (answer.code, lines.next(), lines.next(), lines.next()) {
            (Some(0), Some(id), Some("HEAD"), None) if is_object_id(id) => {
                Ok((Some(CommitId::new(id)), None))
            }
            (Some(0), Some(id), Some(name), None) if is_object_id(id) && name.starts_with("refs/") => {
                Ok((Some(CommitId::new(id)), Some(short(name))))
            }
            // No commits yet, or a branch whose name is `HEAD`: one after the other.
            _ => self.head_in_steps(place),
        }
    }

    fn head_in_steps(&self, place: &Place) -> Result<(Option<CommitId>, Option<String>)> {
        let symbolic = self.git.call(place, ["symbolic-ref", "--quiet", "HEAD"]).answer()?;
        let branch = match symbolic.code {
            Some(0) => Some(short(crate::door::lossy(&symbolic.stdout).trim_end())),
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

/// `refs/heads/main` → `main`
fn short(name: &str) -> String {
    name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()
}

/// SHA-1 or SHA-256.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `100644 blob <id>\t<path>`: mode, object, path.
pub(crate) fn entry(field: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (head, name) = field.split_at(field.iter().position(|byte| *byte == b'\t')?);
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    Some((words.next()?, words.nth(1)?, &name[1..]))
}

fn lying(mode: &str, id: &str) -> Lying {
    if mode.starts_with("100") { Lying::File(id.to_owned()) } else { Lying::Other }
}

/// What git finds from a folder, without symlinks.
struct View {
    common_dir: PathBuf,
    git_dir: PathBuf,
    /// The worktree that the folder is in; none: it is inside a git directory.
    top: Option<PathBuf>,
}

/// Fails where nothing is found and where the repository is bare.
fn view(git: &Git, place: &Place) -> Result<View> {
    let canonical = |path: &str| fs::canonicalize(path).map_err(Error::io(Path::new(path)));
    let all = ["--git-common-dir", "--git-dir", "--is-inside-work-tree", "--show-toplevel"];
    let answer = git.call(place, ["rev-parse", "--path-format=absolute"].iter().chain(&all)).answer()?;
    // A path with a newline gives a line more, and one that is not UTF-8 no text.
    let said = String::from_utf8(answer.stdout).unwrap_or_default();
    if answer.code == Some(0)
        && let [common_dir, git_dir, "true", top] =
            said.strip_suffix('\n').unwrap_or(&said).split('\n').collect::<Vec<_>>()[..]
    {
        let (common_dir, git_dir, top) = (canonical(common_dir)?, canonical(git_dir)?, canonical(top)?);
        // A bare repository has linked worktrees, but no main one.
        if git_dir != common_dir {
            refuse_bare(git, &common_dir)?;
        }
        return Ok(View { common_dir, git_dir, top: Some(top) });
    }
    let common_dir = common_dir(git, place)?;
    refuse_bare(git, &common_dir)?;
    let git_dir = absolute(git, place, "--git-dir")?;
    let inside = says(git, place, "--is-inside-work-tree")?;
    let top = if inside { Some(absolute(git, place, "--show-toplevel")?) } else { None };
    Ok(View { common_dir, git_dir, top })
}

/// A call that sees the shared git directory and no worktree.
fn common_place(common_dir: &Path) -> Place {
    Place { cwd: common_dir.to_owned(), git_dir: Some(common_dir.to_owned()), work_tree: None }
}

fn refuse_bare(git: &Git, common_dir: &Path) -> Result<()> {
    if says(git, &common_place(common_dir), "--is-bare-repository")? {
        return Err(Error::BareRepository { path: common_dir.to_owned() });
    }
    Ok(())
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
fn main_worktree(git: &Git, common_dir: &Path) -> Result<PathBuf> {
    let common = common_place(common_dir);
    let configured = git.call(&common, ["config", "--type=path", "--get", "core.worktree"]).answer()?;
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
