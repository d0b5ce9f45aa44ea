//! Bringing work home: the one place where the user's own branch and files change.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};

use gadugi_core::CommitId;

use crate::compose::TreeMerge;
use crate::door::{Place, lossy};
use crate::objects::Change;
use crate::refs::branch_ref;
use crate::repository::Repository;
use crate::status::{Entry, operation};
use crate::{Error, Result};

/// What landing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// The branch that holds the work now.
    pub into: String,
    /// Its tip.
    pub commit: CommitId,
    /// How it got there.
    pub how: LandedHow,
    /// The worktree whose files were brought to it; none: the branch was checked out nowhere, or nothing changed.
    pub updated: Option<PathBuf>,
}

/// How work landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LandedHow {
    /// It was there already.
    AlreadyThere,
    /// The branch had not moved meanwhile.
    FastForward,
    /// With a merge commit.
    Merge,
}

/// Why nothing was landed. The repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LandRefusal {
    /// There is no such branch to land.
    #[error("there is no branch {branch}")]
    NoSuchBranch {
        /// The branch.
        branch: String,
    },
    /// There is no such local branch to land in.
    #[error("there is no local branch {into}")]
    NoSuchTarget {
        /// The branch.
        into: String,
    },
    /// `HEAD` is detached and no branch was named.
    #[error("HEAD of {} is detached", .worktree.display())]
    DetachedHead {
        /// The worktree.
        worktree: PathBuf,
    },
    /// The two do not merge.
    #[error("{branch} and {into} conflict in {}", .files.join(", "))]
    Conflict {
        /// What was to land.
        branch: String,
        /// In what.
        into: String,
        /// The paths, sorted.
        files: Vec<String>,
        /// The worktree that has `into` checked out, where the merge can be made by hand.
        worktree: Option<PathBuf>,
    },
    /// Uncommitted changes (staged, unstaged, or untracked and ignored files in the way) touch the same files.
    #[error("uncommitted changes in {} touch the same files: {}", .worktree.display(), .files.join(", "))]
    LocalChanges {
        /// The worktree that has the branch checked out.
        worktree: PathBuf,
        /// The paths, sorted.
        files: Vec<String>,
    },
    /// The worktree that has the branch checked out is in the middle of something.
    #[error("{} is in the middle of a {operation}", .worktree.display())]
    MidOperation {
        /// The worktree.
        worktree: PathBuf,
        /// `merge`, `rebase`, …
        operation: &'static str,
    },
    /// Another git process works on the index, or died and left its lock.
    #[error("{} is there: another git process works there, or died", .lock.display())]
    IndexLocked {
        /// The lock.
        lock: PathBuf,
    },
    /// Several worktrees have the branch checked out: none can be brought along without the others.
    #[error("{into} is checked out more than once: {}", .worktrees.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    CheckedOutTwice {
        /// The branch.
        into: String,
        /// The worktrees.
        worktrees: Vec<PathBuf>,
    },
    /// The branch moved meanwhile.
    #[error("{into} moved meanwhile")]
    Moved {
        /// The branch.
        into: String,
    },
    /// Something failed.
    #[error(transparent)]
    Git(#[from] Error),
}

impl LandRefusal {
    /// The commands that resolve a conflict by hand, as arguments; empty for every other refusal.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let Self::Conflict { branch, into, worktree, .. } = self else { return Vec::new() };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match worktree {
            Some(worktree) => vec![words(&["git", "-C", &worktree.to_string_lossy(), "merge", branch])],
            None => vec![words(&["git", "switch", into]), words(&["git", "merge", branch])],
        }
    }
}

/// What is to be landed: from where to where.
struct Landing {
    into: String,
    old: CommitId,
    new: CommitId,
    how: LandedHow,
}

impl Repository {
    /// Brings `branch` to the user's branch: `into`, or without it the one that is checked out in [`Self::here`]. A
    /// fast-forward where that branch has not moved, else a merge commit. Where a worktree has the branch checked out,
    /// its files and index come along, and uncommitted changes to other files stay as they are. None of the user's
    /// hooks run.
    ///
    /// A refusal leaves everything as it was: the branch's ref is locked, the files are brought along (git looks at all
    /// of them before it changes the first), and only then the ref moves.
    pub fn land(&self, branch: &str, into: Option<&str>, message: &str) -> Result<Landed, LandRefusal> {
        let tip = self.branch_tip(branch)?;
        let tip = tip.ok_or_else(|| LandRefusal::NoSuchBranch { branch: branch.to_owned() })?;
        let into = match into {
            Some(into) => into.to_owned(),
            None => self
                .head()?
                .branch
                .ok_or_else(|| LandRefusal::DetachedHead { worktree: self.here().to_owned() })?,
        };
        Self::check_branch_name(&into).map_err(|_| LandRefusal::NoSuchTarget { into: into.clone() })?;
        let old = self.branch_tip(&into)?.ok_or_else(|| LandRefusal::NoSuchTarget { into: into.clone() })?;
        let places = self.places_on(&into)?;
        if self.is_ancestor(&tip, &old)? {
            return Ok(Landed { into, commit: old, how: LandedHow::AlreadyThere, updated: None });
        }
        self.refuse_rebased(&into)?;
        let (new, how) = if self.is_ancestor(&old, &tip)? {
            (tip, LandedHow::FastForward)
        } else {
            (self.merge_home(branch, &into, &old, &tip, message, places.first())?, LandedHow::Merge)
        };
        let landing = Landing { into, old, new, how };
        match places.as_slice() {
            [] => self.land_ref(&landing, &self.main, || Ok(()))?,
            [place] => self.land_in(&landing, place)?,
            several => {
                let worktrees = several.iter().map(|place| place.cwd.clone()).collect();
                return Err(LandRefusal::CheckedOutTwice { into: landing.into, worktrees });
            }
        }
        let updated = places.into_iter().next().map(|place| place.cwd);
        Ok(Landed { into: landing.into, commit: landing.new, how: landing.how, updated })
    }

    fn merge_home(
        &self,
        branch: &str,
        into: &str,
        old: &CommitId,
        tip: &CommitId,
        message: &str,
        place: Option<&Place>,
    ) -> Result<CommitId, LandRefusal> {
        match self.merge_trees(old, tip)? {
            TreeMerge::Clean(tree) => {
                let identity = self.identity(None)?;
                Ok(self.commit_tree(&self.main, &tree, &[old, tip], message, &identity)?)
            }
            TreeMerge::Conflict(files) => Err(LandRefusal::Conflict {
                branch: branch.to_owned(),
                into: into.to_owned(),
                files,
                worktree: place.map(|place| place.cwd.clone()),
            }),
        }
    }

    /// A branch that is being rebased is checked out nowhere by name, but is about to be moved.
    fn refuse_rebased(&self, into: &str) -> Result<(), LandRefusal> {
        let name = branch_ref(into);
        let linked = self.trees()?.into_iter().map(|tree| (tree.git_dir.clone(), tree.path().to_owned()));
        let main = (self.common_dir().to_owned(), self.root().to_owned());
        for (git_dir, worktree) in linked.chain([main]) {
            for state in ["rebase-merge", "rebase-apply"] {
                let head_name = fs::read_to_string(git_dir.join(state).join("head-name"));
                if head_name.is_ok_and(|head_name| head_name.trim_end() == name) {
                    return Err(LandRefusal::MidOperation { worktree, operation: "rebase" });
                }
            }
        }
        Ok(())
    }

    /// Moves the branch and the files of the worktree that has it checked out.
    fn land_in(&self, landing: &Landing, place: &Place) -> Result<(), LandRefusal> {
        let git_dir = place.git_dir.as_deref().unwrap_or(self.common_dir());
        if let Some(operation) = operation(git_dir) {
            return Err(LandRefusal::MidOperation { worktree: place.cwd.clone(), operation });
        }
        let lock = git_dir.join("index.lock");
        if lock.exists() {
            return Err(LandRefusal::IndexLocked { lock });
        }
        let changes = self.changes(landing.old.as_str(), landing.new.as_str())?;
        let status = self.status_of(place)?;
        let files = in_the_way(&place.cwd, &changes, &status);
        if !files.is_empty() {
            return Err(LandRefusal::LocalChanges { worktree: place.cwd.clone(), files });
        }
        let mut brought = false;
        let landed = self.land_ref(landing, place, || {
            self.bring_along(landing, place)?;
            brought = true;
            Ok(())
        });
        if landed.is_err() && brought {
            let back = ["read-tree", "-m", "-u", landing.new.as_str(), landing.old.as_str()];
            self.git.call(place, back).done()?;
        }
        landed
    }

    /// A two-way merge of the index and the files: what differs between the two commits changes, all else stays.
    fn bring_along(&self, landing: &Landing, place: &Place) -> Result<(), LandRefusal> {
        // A file whose times changed without its text looks changed until the index is refreshed. Exit code 1: some are.
        self.git.call(place, ["update-index", "-q", "--refresh"]).answer()?;
        let merge = |options: &[&str], from: &CommitId, to: &CommitId| {
            let call = self.git.call(place, ["read-tree", "-m", "-u"].iter().chain(options));
            call.arg(from.as_str()).arg(to.as_str()).done()
        };
        merge(&["--dry-run"], &landing.old, &landing.new)?;
        let Err(error) = merge(&[], &landing.old, &landing.new) else { return Ok(()) };
        self.put_back(landing, place)?;
        Err(error.into())
    }

    /// After git gave up half-way through the files (a full disk): what it had changed is as it was before. The index
    /// was not written, so it still lists the old state of every file that was touched.
    fn put_back(&self, landing: &Landing, place: &Place) -> Result<()> {
        let mut listed = Vec::new();
        for change in self.changes(landing.old.as_str(), landing.new.as_str())? {
            if change.old_mode == "000000" {
                let path = place.cwd.join(OsStr::from_bytes(&change.path));
                // It was not there before: `in_the_way` has looked.
                let _ = fs::remove_file(&path);
            } else {
                listed.extend_from_slice(&change.path);
                listed.push(0);
            }
        }
        self.git.call(place, ["checkout-index", "--force", "-z", "--stdin", "-q"]).input(listed).done()
    }

    /// Locks the ref at its old commit, does what has to be done meanwhile, and moves it.
    fn land_ref(
        &self,
        landing: &Landing,
        place: &Place,
        meanwhile: impl FnOnce() -> Result<(), LandRefusal>,
    ) -> Result<(), LandRefusal> {
        let call = self.git.call(place, ["update-ref", "-m", "gadugi land", "-z", "--stdin"]);
        let mut talk = Talk::begin(self.identity(None)?.on(call).converse()?, &place.cwd)?;
        let moved = || LandRefusal::Moved { into: landing.into.clone() };
        let update = format!("update {}\0{}\0{}\0", branch_ref(&landing.into), landing.new, landing.old);
        let prepared =
            talk.say("start\0", "start: ok") && talk.say(&format!("{update}prepare\0"), "prepare: ok");
        if !prepared {
            talk.end();
            return Err(moved());
        }
        if let Err(refusal) = meanwhile() {
            talk.end();
            return Err(refusal);
        }
        let committed = talk.say("commit\0", "commit: ok");
        talk.end();
        if committed || self.branch_tip(&landing.into)?.as_ref() == Some(&landing.new) {
            return Ok(());
        }
        Err(moved())
    }
}

/// A conversation with `update-ref --stdin`. When it ends before `commit`, git lets the ref go unchanged.
struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Talk {
    fn begin(mut child: Child, path: &Path) -> Result<Self> {
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let missing = || Error::Io { path: path.to_owned(), source: std::io::ErrorKind::BrokenPipe.into() };
        let stdout = BufReader::new(stdout.ok_or_else(missing)?);
        Ok(Self { child, stdin, stdout })
    }

    /// Whether git answers as it should. What it says instead goes to its standard error, and it ends.
    fn say(&mut self, words: &str, answer: &str) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        if stdin.write_all(words.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return false;
        }
        let mut line = String::new();
        self.stdout.read_line(&mut line).is_ok() && line.trim_end() == answer
    }

    fn end(mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// The paths of uncommitted changes that the landing would touch, and of files that lie where it would put new ones.
fn in_the_way(top: &Path, changes: &[Change], status: &[Entry]) -> Vec<String> {
    let mut files = BTreeSet::new();
    for change in changes {
        for entry in status {
            if overlaps(&entry.path, &change.path) {
                files.insert(lossy(&entry.path));
            }
        }
        if change.old_mode == "000000"
            && let Some(obstacle) = obstacle(top, &change.path, changes)
        {
            files.insert(obstacle);
        }
    }
    files.into_iter().collect()
}

/// The same path, or one is a folder that holds the other.
fn overlaps(one: &[u8], other: &[u8]) -> bool {
    let inside =
        |inner: &[u8], outer: &[u8]| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(b"/"));
    let (one, other) = (one.strip_suffix(b"/").unwrap_or(one), other.strip_suffix(b"/").unwrap_or(other));
    one == other || inside(one, other) || inside(other, one)
}

/// What lies, untracked or ignored, where a new file is to be: git would write over an ignored one.
fn obstacle(top: &Path, path: &[u8], changes: &[Change]) -> Option<String> {
    let goes = |path: &[u8]| {
        changes.iter().any(|change| change.old_mode != "000000" && overlaps(&change.path, path))
    };
    let mut end = 0;
    loop {
        let next = path[end..].iter().position(|byte| *byte == b'/').map(|at| end + at);
        let part = &path[..next.unwrap_or(path.len())];
        let meta = fs::symlink_metadata(top.join(OsStr::from_bytes(part))).ok()?;
        let folder_on_the_way = next.is_some() && meta.is_dir();
        if !folder_on_the_way && !goes(part) {
            return Some(lossy(part));
        }
        end = next? + 1;
    }
}
