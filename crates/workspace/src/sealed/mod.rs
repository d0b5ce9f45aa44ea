//! Sealed workspaces: private repositories for agents in containers, of which the host opens none once an agent has
//! touched it.
//!
//! Each run has one bare **store** ([`Repository::seal_store`]): the history of the commits that its tasks start from,
//! and nothing else of the user's. A **sealed workspace** ([`Repository::add_sealed`]) is a repository of its own that
//! borrows from it; the agent owns its `.git`. What it made comes back as a stream: gadugi's own script
//! ([`Repository::export_command`]), run in a container that sees this one workspace, writes a header and a pack. The
//! host weighs the pack itself ([`weigh`]), lets git take it into a quarantine with strict checks and bounds, and
//! only what is reachable from the one commit moves on ([`Repository::import`], [`Repository::import_salvage`]).
//!
//! All that the export says is a claim: a header with wrong words, a pack that is not what it says, a commit that is not there
//! are refused ([`ImportRefusal`]), and then nothing in the user's repository has changed.
//!
//! What gadugi knows of a sealed workspace lies outside of it, in `.gadugi/sealed/<id>/`: how far it has come, and
//! whether all that it holds was taken.

mod add;
mod bare;
mod disk;
mod export;
mod header;
mod import;
mod marker;
mod plan;
mod quarantine;
mod refusal;
mod remove;
mod store;
mod weigh;

use std::path::{Path, PathBuf};

use gadugi_core::{AttemptId, CommitId};

use crate::collect::Collection;
use crate::salvage::Salvaged;

pub use disk::remove_tree;
pub use export::{ExportKind, ExportRequest};
pub use header::{Header, MOST_HEADER, header};
pub use refusal::{ExportFailure, ImportError, ImportRefusal};
pub use remove::SealedInfo;
pub use weigh::{Weight, weigh};

/// Which sealed workspace is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRequest {
    /// Where: an absolute path. The folder that holds it gets a `.gitignore` of `*` where it lies inside the main
    /// worktree.
    pub path: PathBuf,
    /// The branch, made in the user's repository at `base` unless it is there from an earlier try.
    pub branch: String,
    /// Where the branch begins.
    pub base: CommitId,
    /// The run's store; it is made, or extended by this base.
    pub store: PathBuf,
    /// Where the container sees the store.
    pub store_inside: PathBuf,
    /// Patterns, as in a `.gitignore`, of ignored files to copy from the main worktree, beside those of its
    /// `.worktreeinclude`.
    pub include: Vec<String>,
    /// To whom it is given: uid and gid of the agent. None: it stays this process's.
    pub owner: Option<(u32, u32)>,
}

/// A sealed workspace that is ready to be worked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Where it is, without symlinks.
    pub path: PathBuf,
    /// Its branch.
    pub branch: String,
    /// Where the branch is in the user's repository.
    pub commit: CommitId,
    /// Files that the patterns name but that git does not ignore: not copied. Always empty where the workspace was
    /// there already.
    pub not_included: Vec<String>,
}

/// What is to be taken from an export.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The file that holds what the export's step wrote to its standard output.
    pub exported: &'a Path,
    /// The workspace that was exported: to note what was taken of it. It is not looked at.
    pub workspace: &'a Path,
    /// Whose work it is.
    pub attempt: &'a AttemptId,
    /// Where the task's branch began.
    pub base: &'a CommitId,
    /// The task's branch.
    pub branch: &'a str,
    /// The run's store.
    pub store: &'a Path,
    /// A folder for the quarantine: anything there is thrown away, before and after.
    pub quarantine: &'a Path,
    /// How much is taken.
    pub limits: ImportLimits,
    /// What gadugi's commit of the uncommitted rest says.
    pub message: &'a str,
}

/// How much an export may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// The pack, in bytes.
    pub pack_bytes: u64,
    /// All of its objects inflated, in bytes.
    pub inflated_bytes: u64,
    /// One object inflated, in bytes.
    pub object_bytes: u64,
    /// The number of its objects.
    pub objects: u64,
}

impl Default for ImportLimits {
    /// A pack of 2 GiB that holds 8 GiB; a file of 1 GiB, which is as much as a salvage takes; a million objects, twenty
    /// times what a repository of 50,000 files holds in one commit.
    fn default() -> Self {
        Self { pack_bytes: 2 << 30, inflated_bytes: 8 << 30, object_bytes: 1 << 30, objects: 1_000_000 }
    }
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What stands on the task's branch now.
    pub collection: Collection,
    /// Commits that the agent left elsewhere (other branches, stashes) and that the branch does not hold.
    pub kept: Option<Salvaged>,
    /// What could not be exported, and why. It lies where it lay.
    pub left_out: Vec<String>,
}
