//! Everything that can go wrong with git, as a closed space.

use std::io;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `git` on `PATH`.
    #[error("git was not found on PATH")]
    GitMissing,
    /// Git is older than 2.38, which merges in memory.
    #[error("git {found} is too old: 2.38 is the least")]
    TooOld {
        /// What `git version` says.
        found: String,
    },
    /// The folder is in no git repository.
    #[error("{} is not in a git repository", .path.display())]
    NotARepository {
        /// The folder.
        path: PathBuf,
    },
    /// The repository has no main worktree.
    #[error("{} is a bare repository", .path.display())]
    BareRepository {
        /// Its git directory.
        path: PathBuf,
    },
    /// The repository belongs to another user, and `safe.directory` does not name it.
    #[error("git does not trust {}, which belongs to another user", .path.display())]
    DubiousOwnership {
        /// The folder.
        path: PathBuf,
    },
    /// Seen from a linked worktree, git does not tell where the main one is (a separate git directory).
    #[error("the main worktree of {} is not known from here", .common_dir.display())]
    MainWorktreeUnknown {
        /// The git directory.
        common_dir: PathBuf,
    },
    /// `HEAD` points at a branch that has no commit yet.
    #[error("the repository has no commits yet")]
    NoCommits,
    /// It names no commit.
    #[error("{rev:?} names no commit")]
    BadRevision {
        /// What was asked for.
        rev: String,
    },
    /// Git does not take it as the name of a branch.
    #[error("{branch:?} is no name for a branch")]
    BadBranch {
        /// What was asked for.
        branch: String,
    },
    /// The branch belongs to something else.
    #[error("branch {branch} is in use: {by}")]
    BranchInUse {
        /// The branch.
        branch: String,
        /// By what.
        by: String,
    },
    /// The branch is not where it was a moment ago.
    #[error("branch {branch} was moved by somebody else")]
    BranchMoved {
        /// The branch.
        branch: String,
        /// Where it stands now; none: it is gone.
        actual: Option<CommitId>,
    },
    /// Something that gadugi did not make lies where a worktree is to be.
    #[error("{} is there already and was not made by gadugi for this", .path.display())]
    PathInUse {
        /// The path.
        path: PathBuf,
    },
    /// Worktrees cannot lie in a folder of the repository that holds files of its own: they would show in `git status`.
    #[error("{} holds files of the repository: worktrees need a folder of their own", .dir.display())]
    WorktreeDirTracked {
        /// The folder.
        dir: PathBuf,
    },
    /// There is no worktree of this repository.
    #[error("{} is no worktree of this repository", .path.display())]
    WorktreeMissing {
        /// The path.
        path: PathBuf,
    },
    /// The folder of one of gadugi's worktrees was deleted.
    #[error("{} was deleted; what was committed in it is on {branch}", .path.display())]
    WorktreeGone {
        /// The path.
        path: PathBuf,
        /// Its branch.
        branch: String,
    },
    /// The worktree's `.git` no longer points at this repository: somebody put a repository of their own there.
    #[error("{}/.git does not belong to this repository any more", .path.display())]
    PointerChanged {
        /// The worktree.
        path: PathBuf,
    },
    /// The worktree is in the middle of a merge, rebase, …
    #[error("{} is in the middle of a {operation}", .path.display())]
    MidOperation {
        /// The worktree.
        path: PathBuf,
        /// `merge`, `rebase`, `cherry-pick`, `revert`, `bisect`.
        operation: &'static str,
    },
    /// The worktree's `HEAD` went where its work cannot be put on the branch.
    #[error("HEAD of {} left {branch}: {reason}", .path.display())]
    Strayed {
        /// The worktree.
        path: PathBuf,
        /// Its branch.
        branch: String,
        /// Where `HEAD` is; none: on a branch without commits.
        head: Option<CommitId>,
        /// How they are related, for people.
        reason: &'static str,
    },
    /// Repositories inside the work: a commit would hold pointers to commits that nobody else has.
    #[error("git repositories lie inside the work: {}", .nested.join(", "))]
    NestedRepositories {
        /// The worktree.
        path: PathBuf,
        /// Their paths in it.
        nested: Vec<String>,
    },
    /// A submodule cannot be had from what the main worktree holds.
    #[error("submodule {submodule} cannot be checked out: {detail}")]
    Submodule {
        /// Its path.
        submodule: String,
        /// What git said.
        detail: String,
    },
    /// The repository keeps files in Git LFS, and `git-lfs` is not installed.
    #[error("the repository uses Git LFS, and git-lfs was not found")]
    LfsMissing,
    /// The repository keeps files in Git LFS: what an agent changes there would stay in its sealed workspace.
    #[error("the repository uses Git LFS, which sealed workspaces cannot carry")]
    LfsSealed,
    /// Nothing of what is uncommitted in a worktree could be stored; it lies there still.
    #[error("nothing of {} could be stored: {}", .path.display(), .left_out.join("; "))]
    NotSalvaged {
        /// The worktree.
        path: PathBuf,
        /// What was left, and why.
        left_out: Vec<String>,
    },
    /// Git failed.
    #[error("git {command} failed ({}): {stderr}", .code.map_or_else(|| "signal".to_owned(), |code| code.to_string()))]
    Failed {
        /// Its arguments, shortened.
        command: String,
        /// Its exit code; none: a signal.
        code: Option<i32>,
        /// What it said, shortened.
        stderr: String,
    },
    /// The system failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: what failed at this path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
