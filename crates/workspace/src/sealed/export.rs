//! The command that runs in the export container.

use std::ffi::OsString;
use std::path::PathBuf;

use gadugi_core::CommitId;

use crate::Result;
use crate::repository::Repository;

/// Run by `sh` in the container; what it needs of gadugi comes as arguments.
const SCRIPT: &str = include_str!("export.sh");

/// Beyond it a file stays where it lies and is named, as in a salvage of a worktree.
const LARGEST: u64 = 1 << 30;

/// What an export does to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Commits what is left on the task's branch in the workspace itself, so that an agent that goes on there goes on from
    /// its own commit. For work that is done. The attempt's processes must be over.
    Collect {
        /// What that commit says.
        message: String,
    },
    /// Touches nothing, and takes also what `HEAD` left behind. For a salvage, or to look at work that is under way.
    Look,
}

/// Which workspace is exported, as the container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// What is done to the workspace.
    pub kind: ExportKind,
    /// Where the task's branch began; the store holds it.
    pub base: CommitId,
    /// The task's branch.
    pub branch: String,
    /// The workspace: an absolute path.
    pub workspace: PathBuf,
    /// The store, read only.
    pub store: PathBuf,
    /// A folder for temporary files; the script makes one of its own in it and removes that.
    pub scratch: PathBuf,
}

impl Repository {
    /// The command line: `sh -c …`. It writes a header and a pack to standard output, whatever it finds, and exits with 0;
    /// another exit, or a pack that is cut short, is an export that was broken off, and it can be repeated.
    pub fn export_command(&self, request: &ExportRequest) -> Result<Vec<OsString>> {
        Self::check_branch_name(&request.branch)?;
        let (name, email, date) = self.identity(None)?.of_author();
        let (kind, message) = match &request.kind {
            ExportKind::Collect { message } => ("collect", message.replace('\0', "")),
            ExportKind::Look => ("look", String::new()),
        };
        let words: [OsString; 15] = [
            "sh".into(),
            "-c".into(),
            SCRIPT.into(),
            "gadugi-export".into(),
            kind.into(),
            request.workspace.clone().into(),
            request.store.clone().into(),
            request.scratch.clone().into(),
            request.base.as_str().into(),
            request.branch.clone().into(),
            LARGEST.to_string().into(),
            name.into(),
            email.into(),
            date.into(),
            message.into(),
        ];
        Ok(words.into())
    }
}
