//! Gadugi's only caller of git: where work is done, and how it comes together.
//!
//! A [`Repository`] is found from any folder inside it. It makes a worktree for each attempt
//! ([`Repository::add_worktree`]), commits what a finished agent left ([`Repository::collect`]), merges in memory
//! ([`Repository::compose`]), moves the integration branch ([`Repository::advance`]) and at last brings it to the
//! user's branch ([`Repository::land`]). For agents in containers it makes sealed workspaces, and takes their work as packs
//! that it trusts in nothing ([`Repository::add_sealed`], [`Repository::import`]). Every call of git goes through one private door (`git.rs`) that fixes what
//! git sees: its configuration comes by `GIT_CONFIG_COUNT` and is never written, and no hook, signature, prompt,
//! pager or external diff of the user's runs. All of it is synchronous; call it where blocking is allowed.
//!
//! The user's checkout, index, branches, stash and configuration are touched by [`Repository::land`] alone. What
//! gadugi writes beside them: the branches that it is asked for, `refs/gadugi/…`, and the administration of its own
//! worktrees. Every function that changes something can be repeated after a crash at any point.
//!
//! **Never in here:** what a run or a task is, when something is done, how to say it to people; deleting anything
//! that holds work; a network connection of gadugi's own.

mod advance;
mod beginnings;
mod collect;
mod compose;
mod diff;
mod door;
mod entries;
mod error;
mod hidden;
mod history;
mod identity;
mod known;
mod land;
mod locks;
mod objects;
mod reborn;
mod refname;
mod refs;
mod repository;
mod salvage;
mod sealed;
mod snapshot;
mod stale;
mod status;
mod strewn;
mod worktree;

pub use beginnings::git_version;
pub use collect::{Collection, Stray};
pub use diff::{DiffStat, FileStat};
pub use entries::{Blob, BlobReader, Entry, EntryKind};
pub use error::Error;
pub use history::{Ancestor, CommitFacts, FileChange, MOST_FILES};
pub use land::{LandRefusal, Landed, LandedHow};
pub use locks::LockInfo;
pub use refs::BranchRemoval;
pub use repository::{Head, Repository};
pub use salvage::{SalvageInfo, Salvaged, Salvaging, attempt_at, salvage_ref};
pub use sealed::{
    ExportFailure, ExportKind, ExportRequest, Header, Import, ImportError, ImportLimits, ImportRefusal,
    Imported, MOST_HEADER, Sealed, SealedInfo, SealedRequest, Weight, header, remove_tree, weigh,
};
pub use strewn::{COMPOSED, OwnBranch, is_composed};
pub use worktree::{KeptReason, Removal, Repair, Worktree, WorktreeInfo, WorktreeRequest};

/// What can go wrong, in every function that has no refusals of its own.
pub type Result<T, E = Error> = std::result::Result<T, E>;
