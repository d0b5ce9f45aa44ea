//! Where git first sees an agent's objects: a repository of gadugi's own that borrows from the run's store and from nothing
//! else, thrown away afterwards. Git's processes there have bounds.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

use super::bare;
use super::disk::remove_tree;
use super::header::{Header, header};
use super::refusal::{ImportError, ImportRefusal};
use super::weigh::{Weight, after, beginning, weigh};
use super::{Import, ImportLimits};
use crate::diff::patch;
use crate::door::{Bounds, Call, Git, Place, lossy};
use crate::identity::Identity;
use crate::objects::{Change, GITLINK, parse_changes, unreadable};
use crate::repository::commit_id;
use crate::{Error, Result};

/// What index-pack may take: an object and its base in memory, for each a delta (the largest is a gigabyte, and git keeps
/// what is larger than 8 MiB and no delta out of memory).
const MEMORY: u64 = 4 << 30;
/// As much processor time as hashing the largest pack takes on a slow machine, and some.
const SECONDS: u64 = 1_800;
/// Beyond it a file is read as a stream.
const STREAMED_FROM: &str = "8m";
/// The list of what differs is at most so long, bytes: a million paths.
const MOST_LISTED: usize = 128 << 20;
/// What git may take for that list: some 300 bytes for each path.
const LISTING_MEMORY: u64 = 1 << 30;
/// What Linux takes for a path and for a name, bytes.
const MOST_PATH: usize = 4_095;
const MOST_NAME: usize = 255;
/// What fsck finds odd and lets pass, and what no checkout on this host is to meet.
const STRICT: &str = "--strict=badFilemode=error,zeroPaddedFilemode=error,nullSha1=error,fullPathname=error,emptyName=error,\
                      hasDot=error,hasDotdot=error,hasDotgit=error,duplicateEntries=error,treeNotSorted=error";

/// An export that git took, and the commit that it was made for.
pub(super) struct Quarantine {
    git: Git,
    folder: PathBuf,
    pub(super) place: Place,
    pub(super) header: Header,
    pub(super) weight: Weight,
    /// What the export's tree has beyond the base.
    pub(super) changes: Vec<Change>,
    bounds: Bounds,
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        let _ = remove_tree(&self.folder);
    }
}

impl Quarantine {
    /// Reads, weighs, takes and checks an export.
    pub(super) fn take(git: &Git, import: &Import<'_>) -> Result<Self, ImportError> {
        let file = || File::open(import.exported).map_err(Error::io(import.exported));
        let start = beginning(&file()?).map_err(Error::io(import.exported))?;
        let (header, length) = header(&start)?;
        if header.tip.as_str().len() != import.base.as_str().len() {
            return Err(ImportRefusal::Header("ids of another kind than the repository's").into());
        }
        let pack = after(file()?, length).map_err(Error::io(import.exported))?;
        let weight = weigh(pack, import.base.as_str().len() / 2, &import.limits)?;
        let folder = import.quarantine;
        remove_tree(folder).map_err(Error::io(folder))?;
        let mut quarantine = Self {
            git: git.alone(),
            folder: folder.to_owned(),
            place: bare::place(folder),
            header,
            weight,
            changes: Vec::new(),
            bounds: bounds(&import.limits, &weight),
        };
        bare::make(folder, &bare::format_of(import.base, true), "ref: refs/heads/none\n")?;
        bare::copy_shallow(import.store, folder)?;
        bare::borrow_from(folder, &import.store.join("objects"))?;
        let pack = after(file()?, length).map_err(Error::io(import.exported))?;
        quarantine.index(pack, &weight)?;
        quarantine.check_tip(&import.store.join("objects"))?;
        quarantine.check_whole(import.base)?;
        quarantine.changes = quarantine.check_paths(import.base)?;
        quarantine.check_room(import.limits.inflated_bytes)?;
        Ok(quarantine)
    }

    /// A call in the quarantine, with bounds. It must be one that waits for its input before it works.
    pub(super) fn call<'a, A: AsRef<std::ffi::OsStr>>(
        &'a self,
        args: impl IntoIterator<Item = A>,
    ) -> Call<'a> {
        let call = self.git.call(&self.place, args).config("core.bigFileThreshold", STREAMED_FROM);
        call.config("pack.threads", "1").bounded(self.bounds)
    }

    fn index(&self, pack: impl std::io::Read + Send, weight: &Weight) -> Result<(), ImportError> {
        let most = format!("--max-input-size={}", weight.pack_bytes);
        let call = self.call([
            "index-pack",
            STRICT,
            "--fsck-objects",
            "--fix-thin",
            "--threads=1",
            &most,
            "--stdin",
        ]);
        let answer = call.read_from(std::io::Read::take(pack, weight.pack_bytes))?;
        if answer.code == Some(0) {
            return Ok(());
        }
        if fatally_full(&answer.stderr) {
            return Err(answer.failed().into());
        }
        Err(ImportRefusal::Rejected { said: clean(&answer.stderr) }.into())
    }

    /// The commit that the header names is one of the pack's own.
    fn check_tip(&self, objects: &Path) -> Result<(), ImportError> {
        let borrowed = self.folder.join("objects/info/alternates");
        std::fs::remove_file(&borrowed).map_err(Error::io(&borrowed))?;
        let ask =
            self.call(["cat-file", "--batch-check=%(objecttype)"]).input(format!("{}\n", self.header.tip));
        let kind = ask.text()?;
        bare::borrow_from(&self.folder, objects)?;
        match kind.as_str() {
            "commit" => Ok(()),
            "tree" | "blob" | "tag" => Err(ImportRefusal::TipNotCommit.into()),
            _ => Err(ImportRefusal::NoTip.into()),
        }
    }

    /// All that the commit needs is there, in the pack or in the store.
    fn check_whole(&self, base: &CommitId) -> Result<(), ImportError> {
        let walk = self.call(["rev-list", "--objects", "--quiet", "--stdin"]);
        let answer = walk.input(format!("{}\n^{base}\n", self.header.tip)).answer()?;
        if answer.code == Some(0) {
            Ok(())
        } else {
            Err(ImportRefusal::Incomplete { said: clean(&answer.stderr) }.into())
        }
    }

    /// What differs from the base, where every path is one that can be checked out here.
    fn check_paths(&self, base: &CommitId) -> Result<Vec<Change>, ImportError> {
        // A tree that holds itself many times over is small in a pack and endless in a list.
        let endless = || ImportRefusal::BadPath { path: "more paths than can be listed".to_owned() };
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--stdin"];
        let pair = format!("{} {base}\n", self.header.tip);
        let bounds = Bounds { memory: LISTING_MEMORY, ..self.bounds };
        let listing = match self.call(args).bounded(bounds).input(pair).at_most(MOST_LISTED) {
            // Git has the whole list in memory before it writes any of it.
            Err(Error::Failed { stderr, .. }) if stderr.contains("out of memory") => None,
            listing => listing?,
        };
        let listing = listing.ok_or_else(endless)?;
        // The commit's own line comes first.
        let at = listing.iter().position(|byte| *byte == 0).map_or(listing.len(), |end| end + 1);
        let changes = parse_changes(&listing[at..]).ok_or_else(|| unreadable("diff-tree"))?;
        for change in &changes {
            if !fit(change) {
                return Err(ImportRefusal::BadPath { path: clean(&lossy(&change.path)) }.into());
            }
        }
        Ok(changes)
    }

    /// What differs is no more than `limit` bytes in a folder, where a file lies as often as it has a path.
    fn check_room(&self, limit: u64) -> Result<(), ImportError> {
        let mut paths: BTreeMap<&str, u64> = BTreeMap::new();
        for change in self.changes.iter().filter(|change| change.new_mode.starts_with("10")) {
            *paths.entry(&change.new_id).or_default() += 1;
        }
        let ids: String = paths.keys().map(|id| format!("{id}\n")).collect();
        let sizes = self.call(["cat-file", "--batch-check=%(objectsize)", "--buffer"]).input(ids).text()?;
        let sizes = sizes.lines().map(|size| size.parse().unwrap_or(u64::MAX));
        let bytes = paths
            .values()
            .zip(sizes)
            .fold(0, |sum: u64, (paths, size)| sum.saturating_add(paths.saturating_mul(size)));
        if bytes > limit { Err(ImportRefusal::ChecksOutTooFar { limit }.into()) } else { Ok(()) }
    }

    /// What differs between two commits that were checked.
    pub(super) fn changes_between(&self, from: &CommitId, to: &CommitId) -> Result<Vec<Change>> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", from.as_str(), to.as_str()];
        let listing = self.git.call(&self.place, args).at_most(MOST_LISTED)?;
        listing.as_deref().and_then(parse_changes).ok_or_else(|| unreadable("diff-tree"))
    }

    /// The patch from the base to the export.
    pub(super) fn patch(&self, base: &CommitId) -> Call<'_> {
        // What is larger is told to differ, and not compared line by line.
        let patch = patch(&self.git, &self.place, base.as_str(), self.header.tip.as_str());
        patch.config("core.bigFileThreshold", STREAMED_FROM)
    }

    pub(super) fn has_commit(&self, commit: &CommitId) -> bool {
        let ask = self.git.call(&self.place, ["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        ask.answer().is_ok_and(|answer| answer.code == Some(0))
    }

    pub(super) fn tree_of(&self, commit: &CommitId) -> Result<String> {
        self.git.call(&self.place, ["rev-parse", "--verify", "--quiet", &format!("{commit}^{{tree}}")]).text()
    }

    pub(super) fn parents_of(&self, commit: &CommitId) -> Result<Vec<CommitId>> {
        let line =
            self.git.call(&self.place, ["rev-list", "--parents", "--max-count=1", commit.as_str()]).text()?;
        Ok(line.split(' ').skip(1).map(CommitId::new).collect())
    }

    pub(super) fn is_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> Result<bool> {
        if ancestor == descendant {
            return Ok(true);
        }
        self.git
            .call(&self.place, ["merge-base", "--is-ancestor", ancestor.as_str(), descendant.as_str()])
            .yes()
    }

    pub(super) fn related(&self, one: &CommitId, other: &CommitId) -> Result<bool> {
        self.git.call(&self.place, ["merge-base", one.as_str(), other.as_str()]).yes()
    }

    pub(super) fn commit_tree(
        &self,
        tree: &str,
        parents: &[CommitId],
        message: &str,
        identity: &Identity,
    ) -> Result<CommitId> {
        let mut call = self.git.call(&self.place, ["commit-tree", tree]);
        for parent in parents {
            call = call.arg("-p").arg(parent.as_str());
        }
        let call = identity.on(call.arg("-F").arg("-").input(message.replace('\0', "")));
        Ok(commit_id(&call.bytes()?))
    }

    /// A call without bounds that packs what these commits have beyond the base.
    pub(super) fn pack<'a>(&'a self, commits: &[&CommitId], base: &CommitId) -> Call<'a> {
        let pack = ["pack-objects", "--revs", "--stdout", "--delta-base-offset", "--quiet"];
        let mut input = format!("^{base}\n");
        for commit in commits {
            input.push_str(&format!("{commit}\n"));
        }
        self.git.call(&self.place, pack).input(input)
    }
}

fn bounds(limits: &ImportLimits, weight: &Weight) -> Bounds {
    // The pack, with the bases that a thin one lacks, and its index.
    let file = limits.pack_bytes.saturating_mul(2).saturating_add(weight.objects * 64) + (64 << 20);
    Bounds { memory: MEMORY, seconds: SECONDS, file }
}

/// What git said, in one piece for people: without anything that a terminal could take for an order.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

/// Whether git itself gave up for want of room. What it says of objects can be their author's words.
fn fatally_full(stderr: &str) -> bool {
    stderr.lines().any(|line| line.starts_with("fatal: ") && crate::salvage::full(line))
}

fn fit(change: &Change) -> bool {
    const FILES_OF_GIT: [&[u8]; 4] = [b".gitmodules", b".gitattributes", b".gitignore", b".mailmap"];
    let gone = change.new_mode == "000000";
    let link = change.new_mode == "120000";
    let known = matches!(change.new_mode.as_str(), "000000" | "100644" | "100755" | "120000" | GITLINK);
    let part = |part: &[u8]| {
        !part.is_empty()
            && part.len() <= MOST_NAME
            && part != b"."
            && part != b".."
            && !part.eq_ignore_ascii_case(b".git")
            && !(link && FILES_OF_GIT.iter().any(|name| part.eq_ignore_ascii_case(name)))
    };
    // What is gone was the user's own.
    gone || (known && change.path.len() <= MOST_PATH && change.path.split(|byte| *byte == b'/').all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_no_checkout_is_to_make_are_known() {
        let change = |mode: &str, path: &str| Change {
            old_mode: "000000".into(),
            new_mode: mode.into(),
            new_id: String::new(),
            path: path.as_bytes().to_vec(),
        };
        for fine in ["a", "a/b", "a\\b", ".github/x", ".gitignore", "..a", "a..", "git"] {
            assert!(fit(&change("100644", fine)), "{fine}");
        }
        let (name, path) = ("n".repeat(256), "d/".repeat(2_048) + "f");
        for bad in ["../a", "a/../b", "./a", ".git/config", "a/.GIT/x", "/etc/passwd", "a//b", &name, &path] {
            assert!(!fit(&change("100644", bad)), "{bad}");
            assert!(fit(&change("000000", bad)), "gone: {bad}");
        }
        for mode in ["100664", "040000", "0100644", ""] {
            assert!(!fit(&change(mode, "a")), "{mode}");
        }
        assert!(!fit(&change("120000", "a/.GitModules")));
        assert!(fit(&change("120000", "a/link")));
    }
}
