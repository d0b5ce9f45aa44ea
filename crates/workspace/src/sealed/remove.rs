//! Sealed workspaces on record, and putting them away.

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

use super::disk::remove_tree;
use super::marker::{Marker, Stage};
use crate::repository::Repository;
use crate::worktree::{KeptReason, Removal, canonical, is_link};
use crate::{Error, Result};

/// A sealed workspace that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedInfo {
    /// Where it is, or was.
    pub path: PathBuf,
    /// Its branch.
    pub branch: String,
    /// Whether it is there.
    pub there: bool,
    /// Whether all that it holds was taken, and nobody has been let into it since.
    pub taken: bool,
    /// Whether it was filled: before, nobody can have worked in it.
    pub filled: bool,
}

impl Repository {
    /// All sealed workspaces, by path. None of them is looked into.
    pub fn sealed_workspaces(&self) -> Vec<SealedInfo> {
        let info = |marker: Marker| SealedInfo {
            there: fs::symlink_metadata(&marker.path).is_ok(),
            taken: marker.stage == Stage::Taken,
            filled: matches!(marker.stage, Stage::Ready | Stage::Taken),
            path: marker.path,
            branch: marker.branch,
        };
        self.sealed_markers().into_iter().map(info).collect()
    }

    /// Says that somebody is let into a sealed workspace: what was taken before is not all any more. To be called before
    /// each step that can write there; without a record it does nothing.
    pub fn open_sealed(&self, path: &Path) -> Result<()> {
        self.note_sealed(path, |marker| {
            if marker.stage == Stage::Taken {
                marker.stage = Stage::Ready;
            }
        })
    }

    /// Forgets a sealed workspace whose folder is gone. Its branch stays. Whether there was anything to forget.
    pub fn forget_sealed(&self, path: &Path) -> Result<bool> {
        let path = place_of(path);
        let record = self.record_of(&path);
        if record.marker().is_none() {
            return Ok(false);
        }
        let _lock = record.lock()?;
        // Somebody may have made it anew meanwhile.
        let gone = fs::symlink_metadata(&path).is_err();
        if gone {
            record.remove()?;
        }
        Ok(gone)
    }

    /// Changes what is on record of a workspace.
    pub(super) fn note_sealed(&self, path: &Path, change: impl FnOnce(&mut Marker)) -> Result<()> {
        let record = self.record_of(&place_of(path));
        if record.marker().is_none() {
            return Ok(());
        }
        let _lock = record.lock()?;
        let Some(mut marker) = record.marker() else { return Ok(()) };
        let before = marker.clone();
        change(&mut marker);
        if marker == before { Ok(()) } else { record.mark(&marker) }
    }

    /// Where the last import put the branch of a workspace.
    pub(super) fn last_of(&self, path: &Path) -> Option<CommitId> {
        self.record_of(&place_of(path)).marker()?.last
    }

    /// Removes the sealed workspace of an attempt whose work `merged_into` holds. Its branch stays.
    ///
    /// Nobody on this side can look into it. It goes where an import recorded that all it holds was taken and nobody was
    /// let in since ([`Self::open_sealed`]), or where the caller knows that nobody ever was (`untouched`); else it is kept
    /// ([`KeptReason::NotTaken`]). The attempt's processes must be over.
    pub fn remove_sealed(
        &self,
        path: &Path,
        branch: &str,
        merged_into: &CommitId,
        untouched: bool,
    ) -> Result<Removal> {
        let kept = |reason| Ok(Removal::Kept { reason });
        let path = place_of(path);
        let record = self.record_of(&path);
        if record.marker().is_none() {
            let empty = fs::symlink_metadata(&path).is_err() || fs::remove_dir(&path).is_ok();
            return if empty { Ok(Removal::Removed) } else { kept(KeptReason::NotOurs) };
        }
        let _lock = record.lock()?;
        let Some(mut marker) = record.marker() else { return Ok(Removal::Removed) };
        if marker.branch != branch {
            return kept(KeptReason::NotOurs);
        }
        if is_link(&path) {
            return kept(KeptReason::PointerChanged);
        }
        let there = fs::symlink_metadata(&path).is_ok();
        match marker.stage {
            Stage::Ready if there && !untouched => return kept(KeptReason::NotTaken),
            Stage::Ready | Stage::Taken => match self.branch_tip(branch) {
                Ok(Some(tip)) if !self.is_merged(&tip, merged_into).unwrap_or(false) => {
                    return kept(KeptReason::Unmerged);
                }
                Err(error) => return kept(KeptReason::Failed(error.to_string())),
                Ok(_) => {}
            },
            Stage::Preparing | Stage::Removing => {}
        }
        marker.stage = Stage::Removing;
        record.mark(&marker)?;
        remove_tree(&path).map_err(Error::io(&path))?;
        record.remove()?;
        Ok(Removal::Removed)
    }
}

/// The path without symlinks, but for what stands at its very end: that is an agent's to replace.
fn place_of(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => path.to_owned(),
    }
}
