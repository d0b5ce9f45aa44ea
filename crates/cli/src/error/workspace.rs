//! What is wrong with git or the repository.

use gadugi_engine::knowledge::KnowledgeError;
use gadugi_workspace::Error;

use super::{Problem, Stop};
use crate::text::shell_word;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let request = |code| Self::request(code, &error, None);
        let environment = |code, hint: Option<&str>| Self::environment(code, &error, hint);
        match &error {
            Error::GitMissing => environment("git-missing", Some("apt-get install git")),
            Error::TooOld { .. } => {
                environment("git-too-old", Some("install git 2.38 or later, then gadugi doctor"))
            }
            Error::NotARepository { .. } => {
                environment("no-repository", Some("run it inside a repository, or: git init && git commit"))
            }
            Error::BareRepository { .. } => {
                environment("bare-repository", Some("gadugi needs a checkout: git clone it, and run there"))
            }
            Error::DubiousOwnership { path } => {
                let mend = format!(
                    "git config --global --add safe.directory {}",
                    shell_word(&path.to_string_lossy())
                );
                environment("dubious-ownership", Some(&mend))
            }
            Error::MainWorktreeUnknown { .. } => {
                environment("main-worktree-unknown", Some("run it in the main worktree"))
            }
            Error::NoCommits => {
                environment("no-commits", Some("make the first one: git commit --allow-empty -m start"))
            }
            Error::BadRevision { .. } => request("bad-revision"),
            Error::BadBranch { .. } => request("bad-branch"),
            Error::BranchInUse { .. } => request("branch-in-use"),
            Error::WorktreeDirTracked { .. } => {
                Self::request("worktree-dir", &error, Some("set [workspace] dir in gadugi.toml"))
            }
            Error::LfsMissing => environment("git-lfs-missing", Some("apt-get install git-lfs")),
            Error::LfsSealed => environment("lfs-sealed", Some("gadugi run --executor local")),
            Error::Submodule { .. } => {
                environment("submodule", Some("git submodule update --init --recursive"))
            }
            Error::Io { path, source } => Self::io("use", path, source),
            Error::BranchMoved { .. }
            | Error::PathInUse { .. }
            | Error::WorktreeMissing { .. }
            | Error::PointerChanged { .. }
            | Error::MidOperation { .. }
            | Error::Strayed { .. }
            | Error::WorktreeGone { .. }
            | Error::NotSalvaged { .. }
            | Error::NestedRepositories { .. } => Self::failure("worktree", &error, None),
            Error::Failed { .. } => environment("git", None),
        }
    }
}

impl From<KnowledgeError> for Stop {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Git(error) => error.into(),
            KnowledgeError::Tree(_) => {
                let hint = "git fsck shows what is damaged; what a partial clone lacks: git ls-tree -r BASE";
                Problem::environment("base-unreadable", &error, Some(hint)).into()
            }
            KnowledgeError::Blobs(_) => {
                let hint = Some("git fsck shows what is damaged");
                Problem::environment("base-unreadable", &error, hint).into()
            }
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}
