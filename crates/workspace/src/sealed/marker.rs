//! What gadugi knows of a sealed workspace, kept where no agent writes: `.gadugi/sealed/<id>/`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;
use gadugi_sys::lock::FileLock;

use crate::repository::Repository;
use crate::worktree::path_of;
use crate::{Error, Result};

/// How far a sealed workspace has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its files are not all there; nobody has worked in it.
    Preparing,
    /// Somebody may have worked in it since anybody looked.
    Ready,
    /// Somebody worked in it, and all that it held then was taken.
    Taken,
    /// It is being deleted.
    Removing,
}

/// A sealed workspace as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) stage: Stage,
    pub(super) branch: String,
    pub(super) path: PathBuf,
    /// Where the branch was put by the last import.
    pub(super) last: Option<CommitId>,
}

impl Marker {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.split(|byte| *byte == 0);
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (stage, branch) = (text()?, text()?.to_owned());
        let last = text()?;
        let last = (!last.is_empty()).then(|| CommitId::new(last));
        let path = path_of(fields.next()?);
        let stage = match stage {
            "preparing" => Stage::Preparing,
            "ready" => Stage::Ready,
            "taken" => Stage::Taken,
            "removing" => Stage::Removing,
            _ => return None,
        };
        Some(Self { stage, branch, path, last })
    }

    fn text(&self) -> Vec<u8> {
        let stage = match self.stage {
            Stage::Preparing => "preparing",
            Stage::Ready => "ready",
            Stage::Taken => "taken",
            Stage::Removing => "removing",
        };
        let last = self.last.as_ref().map_or("", CommitId::as_str);
        let path = self.path.as_os_str().as_bytes();
        [stage.as_bytes(), self.branch.as_bytes(), last.as_bytes(), path].join(&0)
    }
}

/// Where the record of one workspace lies.
pub(super) struct Record {
    pub(super) folder: PathBuf,
}

impl Record {
    pub(super) fn marker(&self) -> Option<Marker> {
        Marker::parse(&fs::read(self.folder.join("marker")).ok()?)
    }

    pub(super) fn mark(&self, marker: &Marker) -> Result<()> {
        gadugi_sys::files::create_private_dir(&self.folder).map_err(Error::io(&self.folder))?;
        let path = self.folder.join("marker");
        gadugi_sys::files::write_atomic(&path, &marker.text()).map_err(Error::io(&path))
    }

    /// One process at a time.
    pub(super) fn lock(&self) -> Result<FileLock> {
        gadugi_sys::files::create_private_dir(&self.folder).map_err(Error::io(&self.folder))?;
        let path = self.folder.join("lock");
        FileLock::acquire(&path).map_err(Error::io(&path))
    }

    pub(super) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(Error::io(&self.folder))
    }
}

impl Repository {
    fn sealed_folder(&self) -> PathBuf {
        self.state_dir().join("sealed")
    }

    /// The record of the workspace at a path, whether there is one or not.
    pub(super) fn record_of(&self, path: &Path) -> Record {
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, path.as_os_str().as_bytes());
        let name = path.file_name().unwrap_or(OsStr::new("root")).to_string_lossy();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
            .take(60)
            .collect();
        Record { folder: self.sealed_folder().join(format!("{name}.{id}")) }
    }

    /// All sealed workspaces that are on record.
    pub(super) fn sealed_markers(&self) -> Vec<Marker> {
        let entries = fs::read_dir(self.sealed_folder()).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries.filter_map(|entry| Record { folder: entry.path() }.marker()).collect();
        all.sort_by(|one, other| one.path.cmp(&other.path));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let commit = CommitId::new("0123456789012345678901234567890123456789");
        for (stage, last) in [
            (Stage::Preparing, None),
            (Stage::Ready, None),
            (Stage::Ready, Some(commit.clone())),
            (Stage::Taken, Some(commit)),
            (Stage::Removing, None),
        ] {
            let path = path_of(b"/odd\n\xff name/x");
            let marker = Marker { stage, branch: "feature/one".into(), path, last };
            assert_eq!(Marker::parse(&marker.text()), Some(marker));
        }
        for bad in [&b""[..], b"ready", b"ready\0x\0", b"other\0x\0\0/y", b"ready\0\xff\0\0/y"] {
            assert_eq!(Marker::parse(bad), None, "{bad:?}");
        }
    }
}
