//! Why an export is not taken.

use crate::Error;

/// What the export's script said instead of exporting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportFailure {
    /// The image has no git.
    #[error("there is no git in the image")]
    NoGit,
    /// The image's git is older than 2.31, or behaves as nothing known.
    #[error("the image's git cannot do what is needed")]
    BadGit,
    /// The workspace is not there.
    #[error("the workspace is not there")]
    NoWorkspace,
    /// The store is not there, or lacks the base.
    #[error("the run's store is not there, or lacks the base")]
    NoStore,
    /// There is no room for temporary files.
    #[error("there is no room for temporary files")]
    NoRoom,
    /// The files could not be read into a tree.
    #[error("the files could not be read")]
    NoSnapshot,
}

impl ExportFailure {
    /// All of them with the words by which the script says them.
    pub(crate) const WORDS: [(&'static str, Self); 6] = [
        ("no-git", Self::NoGit),
        ("bad-git", Self::BadGit),
        ("no-workspace", Self::NoWorkspace),
        ("no-store", Self::NoStore),
        ("no-room", Self::NoRoom),
        ("no-snapshot", Self::NoSnapshot),
    ];
}

/// Why nothing of an export was taken. The user's repository is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// The script came to no export.
    #[error("the export failed: {0}")]
    Export(ExportFailure),
    /// The output does not begin as an export does.
    #[error("the export's header is not one: {0}")]
    Header(&'static str),
    /// The pack is larger than allowed.
    #[error("the pack is larger than {limit} bytes")]
    PackTooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// Inflated, the pack is larger than allowed.
    #[error("the pack inflates to more than {limit} bytes")]
    InflatesTooFar {
        /// What is allowed.
        limit: u64,
    },
    /// An object is larger than allowed.
    #[error("an object of {bytes} bytes is larger than {limit}")]
    ObjectTooLarge {
        /// What it says of itself.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The files that differ are more than allowed, each as often as it has a path: a file of some kilobytes in a pack can be
    /// terabytes in a folder.
    #[error("checked out, the work takes more than {limit} bytes")]
    ChecksOutTooFar {
        /// What is allowed.
        limit: u64,
    },
    /// There are more objects than allowed.
    #[error("the pack has {objects} objects, more than {limit}")]
    TooManyObjects {
        /// How many.
        objects: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// It ends before its end.
    #[error("the pack is cut short")]
    Truncated,
    /// Something follows its end.
    #[error("something follows the pack")]
    Trailing,
    /// It is no pack.
    #[error("the pack is broken: {0}")]
    BadPack(&'static str),
    /// Git found its checksum, a delta or an object wrong, or a base missing.
    #[error("git does not take the pack: {said}")]
    Rejected {
        /// What git said, shortened.
        said: String,
    },
    /// The commit that the header names is not in the pack.
    #[error("the commit that the header names is not in the pack")]
    NoTip,
    /// What the header names is no commit.
    #[error("what the header names is no commit")]
    TipNotCommit,
    /// Objects that the commit needs are neither in the pack nor in the store.
    #[error("the work is incomplete: {said}")]
    Incomplete {
        /// What git said, shortened.
        said: String,
    },
    /// A path that no checkout on this host is to make.
    #[error("the work holds a path that is not taken: {path:?}")]
    BadPath {
        /// The path, as far as it is text.
        path: String,
    },
    /// Files that are too large to be exported: they are work, so the rest alone is not taken for it.
    #[error("files are too large: {}", .paths.join(", "))]
    FilesTooLarge {
        /// Their paths.
        paths: Vec<String>,
    },
    /// Files that could not be read.
    #[error("files could not be read: {}", .paths.join(", "))]
    FilesUnreadable {
        /// Their paths.
        paths: Vec<String>,
    },
}

impl ImportRefusal {
    /// Its kind in one word, for records.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Export(failure) => ExportFailure::WORDS
                .iter()
                .find(|(_, known)| known == failure)
                .map_or("export", |(word, _)| word),
            Self::Header(_) => "header",
            Self::PackTooLarge { .. } => "pack-too-large",
            Self::InflatesTooFar { .. } => "inflates-too-far",
            Self::ChecksOutTooFar { .. } => "checks-out-too-far",
            Self::ObjectTooLarge { .. } => "object-too-large",
            Self::TooManyObjects { .. } => "too-many-objects",
            Self::Truncated => "truncated",
            Self::Trailing => "trailing",
            Self::BadPack(_) => "bad-pack",
            Self::Rejected { .. } => "rejected",
            Self::NoTip => "no-tip",
            Self::TipNotCommit => "tip-not-commit",
            Self::Incomplete { .. } => "incomplete",
            Self::BadPath { .. } => "bad-path",
            Self::FilesTooLarge { .. } => "files-too-large",
            Self::FilesUnreadable { .. } => "files-unreadable",
        }
    }
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export is not taken; asking again changes nothing.
    #[error(transparent)]
    Refused(#[from] ImportRefusal),
    /// The work is in a state that is not collected ([`Error::MidOperation`], [`Error::Strayed`],
    /// [`Error::NestedRepositories`]), the branch moved, or git or the system failed.
    #[error(transparent)]
    Git(#[from] Error),
}
