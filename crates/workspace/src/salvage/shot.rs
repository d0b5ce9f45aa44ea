//! A worktree as a tree object, made in an index of its own that is thrown away.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use crate::door::{Answer, Call, Place, fields, lossy};
use crate::objects::GITLINK;
use crate::repository::Repository;
use crate::snapshot::{copy_index, remove_if_there};
use crate::worktree::{Tree, path_of};
use crate::{Error, Result};

/// A file beyond it stays where it lies and is named: git would keep it in the user's repository for good.
const LARGEST: u64 = 1 << 30;
/// Files beyond it go to the object store as a stream; below, git has each in memory.
const STREAMED: &str = "core.bigFileThreshold";
const STREAMED_FROM: &str = "16m";
/// Repositories within repositories are followed so deep.
const DEPTH: usize = 8;

/// A worktree's state.
pub(super) struct Shot {
    pub(super) tree: String,
    pub(super) staged: Option<Staged>,
    pub(super) left_out: Vec<String>,
}

/// What was staged where the files say something else.
pub(super) struct Staged {
    pub(super) tree: String,
    /// The paths where they differ.
    pub(super) only: Vec<Vec<u8>>,
}

/// An index file of gadugi's own; removed with this value.
struct Index(PathBuf);

static NEXT: AtomicU64 = AtomicU64::new(0);
const NAME: &str = "gadugi-salvage.";

impl Index {
    /// In the worktree's administration; what an engine that died left there is cleared away.
    fn new(folder: &Path) -> Self {
        let own = format!("{NAME}{}.", std::process::id());
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_bytes().starts_with(NAME.as_bytes()) && !name.as_bytes().starts_with(own.as_bytes()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Self(folder.join(format!("{own}{}", NEXT.fetch_add(1, Ordering::Relaxed))))
    }

    fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.env("GIT_INDEX_FILE", &self.0).config(STREAMED, STREAMED_FROM)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let mut lock = std::mem::take(&mut self.0).into_os_string();
        lock.push(".lock");
        let _ = fs::remove_file(lock);
    }
}

impl Repository {
    /// The state of a worktree whose folder is there. Where the index names objects that are gone (a `git gc --prune=now`
    /// came between, a disk broke), every file is stored anew.
    pub(super) fn shoot(&self, source: &Source<'_>) -> Result<Shot> {
        match self.shoot_with(source, false) {
            Err(Error::Failed { code: Some(_), stderr, .. }) if !full(&stderr) => {
                self.shoot_with(source, true)
            }
            shot => shot,
        }
    }

    fn shoot_with(&self, source: &Source<'_>, anew: bool) -> Result<Shot> {
        let folder = source.tree.map_or_else(|| self.state_dir(), |tree| tree.git_dir.clone());
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let index = Index::new(&folder);
        let place = &source.place;
        let staged = if anew {
            self.index_of_head(source, &index)?;
            None
        } else {
            self.begin_index(source, &index)?;
            self.show_hidden(place, &index)?;
            Some(self.write_tree(place, &index)?)
        };
        let (mut left_out, shut) = match source.tree {
            Some(_) => (self.submodules_changed(place, &index)?, Vec::new()),
            None => self.submodules_unread(place, &index)?,
        };
        if place.cwd.join(".git").is_dir() && source.tree.is_some() {
            left_out.push(
                ".git: a repository of its own took the place of git's pointer; its history is not stored"
                    .into(),
            );
        }
        let nested = self.add_all(place, &index, shut, &mut left_out)?;
        for name in nested {
            self.add_nested(place, &index, &name, &mut left_out, DEPTH)?;
        }
        let tree = self.write_tree(place, &index)?;
        let staged = staged.map_or(Ok(None), |staged| self.staged_apart(source, staged, &tree))?;
        Ok(Shot { tree, staged, left_out })
    }

    /// The state of one whose folder is gone: what is committed, and what was staged.
    pub(super) fn no_shot(&self, source: &Source<'_>) -> Result<Shot> {
        let plain = match &source.head {
            Some(head) => self.tree_of(head)?,
            None => self.empty_tree()?,
        };
        let mut staged = None;
        if let Some(tree) = source.tree.filter(|tree| tree.git_dir.join("index").exists()) {
            let index = Index::new(&tree.git_dir);
            self.begin_index(source, &index)?;
            // A tree whose files are gone would be worth nothing, and break every later `git gc`.
            if let Ok(all) = self.write_tree(&source.place, &index)
                && all != plain
            {
                let changes = self.changes(&plain, &all)?;
                let only: Vec<_> = changes.into_iter().map(|change| change.path).collect();
                staged = Some(Staged { tree: all, only });
            }
        }
        Ok(Shot { tree: plain, staged, left_out: Vec::new() })
    }

    /// The tree that holds nothing.
    pub(crate) fn empty_tree(&self) -> Result<String> {
        self.main(["mktree"]).input(Vec::new()).text()
    }

    /// The worktree's own index as it is, or, where there is none that can be read, that of its `HEAD`.
    fn begin_index(&self, source: &Source<'_>, index: &Index) -> Result<()> {
        if let Some(tree) = source.tree {
            let copied = copy_index(&tree.git_dir.join("index"), &index.0)?;
            let reads = || index.on(self.git.call(&source.place, ["ls-files", "--error-unmatch", "--", "."]));
            // An exit of 1 says that it holds nothing, which is an index too; a broken one is 128.
            if copied && matches!(reads().answer()?.code, Some(0 | 1)) {
                return Ok(());
            }
            remove_if_there(&index.0)?;
        }
        self.index_of_head(source, index)
    }

    /// Knows nothing of the files: all of them will be read.
    fn index_of_head(&self, source: &Source<'_>, index: &Index) -> Result<()> {
        let from = match &source.head {
            Some(head) => vec!["read-tree", head.as_str()],
            None => vec!["read-tree", "--empty"],
        };
        index.on(self.git.call(&source.place, from)).done()
    }

    /// How many files differ that the index was told to take for unchanged, so that `git status` says nothing of them.
    pub(crate) fn hidden_changes(&self, tree: &Tree) -> Result<usize> {
        let index = Index::new(&tree.git_dir);
        if !copy_index(&tree.git_dir.join("index"), &index.0)? || !self.show_hidden(&tree.place, &index)? {
            return Ok(0);
        }
        index.on(self.git.call(&tree.place, ["update-index", "-q", "--refresh"])).answer()?;
        Ok(self.differing(&tree.place, &index)?.len())
    }

    /// Files that the index was told to take for unchanged are looked at as well. Whether there are any.
    fn show_hidden(&self, place: &Place, index: &Index) -> Result<bool> {
        let listing = index.on(self.git.call(place, ["ls-files", "-v", "-z"])).bytes()?;
        let (mut assumed, mut skipped) = (Vec::new(), Vec::new());
        for field in fields(&listing) {
            let Some((tag, name)) = field.split_first().filter(|(_, rest)| rest.len() > 1) else { continue };
            let name = &name[1..];
            if tag.is_ascii_lowercase() {
                assumed.extend_from_slice(name);
                assumed.push(0);
            }
            // Sparse checkouts skip what is not there.
            if tag.eq_ignore_ascii_case(&b'S') && fs::symlink_metadata(place.cwd.join(path_of(name))).is_ok()
            {
                skipped.extend_from_slice(name);
                skipped.push(0);
            }
        }
        let any = !assumed.is_empty() || !skipped.is_empty();
        for (flag, names) in [("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)] {
            if !names.is_empty() {
                let call = index.on(self.git.call(place, ["update-index", "-z", flag, "--stdin"]));
                call.input(names).done()?;
            }
        }
        Ok(any)
    }

    /// Conflicts are no part of a tree: where they hinder they go from this index, and the files as they lie come in.
    fn write_tree(&self, place: &Place, index: &Index) -> Result<String> {
        let write = || index.on(self.git.call(place, ["write-tree"]));
        let answer = write().answer()?;
        if answer.code == Some(0) {
            return Ok(lossy(&answer.stdout).trim().to_owned());
        }
        let listing = index.on(self.git.call(place, ["ls-files", "--unmerged", "-z"])).bytes()?;
        if listing.is_empty() {
            return Err(answer.failed());
        }
        let mut lines = Vec::new();
        for field in fields(&listing) {
            let tab = field.iter().position(|byte| *byte == b'\t').unwrap_or(field.len());
            let id = field[..tab].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            lines.extend_from_slice(format!("0 {}", "0".repeat(id.len())).as_bytes());
            lines.extend_from_slice(&field[tab..]);
            lines.push(0);
        }
        let call = index.on(self.git.call(place, ["update-index", "-z", "--index-info"]));
        call.input(lines).done()?;
        write().text()
    }

    /// A commit holds which commit a submodule is at, and nothing of what is inside.
    fn submodules_changed(&self, place: &Place, index: &Index) -> Result<Vec<String>> {
        let call = self.git.call(place, ["diff-files", "--raw", "-z", "--ignore-submodules=none"]);
        let listing = index.on(call).bytes()?;
        let mut fields = fields(&listing);
        let mut changed = Vec::new();
        while let (Some(head), Some(name)) = (fields.next(), fields.next()) {
            if lossy(head).trim_start_matches(':').split(' ').take(2).any(|mode| mode == GITLINK)
                && place.cwd.join(path_of(name)).join(".git").exists()
            {
                changed.push(format!("{}: a submodule; what changed inside it is not stored", lossy(name)));
            }
        }
        Ok(changed)
    }

    /// In a folder that nobody knows: to say whether a submodule has changed, git would go into it, and do there what its
    /// configuration says. They are named and left out, the second.
    fn submodules_unread(&self, place: &Place, index: &Index) -> Result<(Vec<String>, Vec<Vec<u8>>)> {
        let listing = index.on(self.git.call(place, ["ls-files", "--stage", "-z"])).bytes()?;
        let (mut there, mut shut) = (Vec::new(), Vec::new());
        for field in fields(&listing).filter(|field| field.starts_with(GITLINK.as_bytes())) {
            let Some(tab) = field.iter().position(|byte| *byte == b'\t') else { continue };
            let name = &field[tab + 1..];
            if place.cwd.join(path_of(name)).join(".git").exists() {
                there.push(format!("{}: a submodule; it is not looked into", lossy(name)));
            }
            shut.push(name.to_vec());
        }
        Ok((there, shut))
    }

    /// Stages all but what is excluded, what is too large, and repositories inside the work, which it gives.
    fn add_all(
        &self,
        place: &Place,
        index: &Index,
        mut excluded: Vec<Vec<u8>>,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut nested = Vec::new();
        for name in self.differing(place, index)? {
            if let Some(folder) = name.strip_suffix(b"/") {
                excluded.push(folder.to_vec());
                nested.push(folder.to_vec());
            } else if let Ok(meta) = fs::symlink_metadata(place.cwd.join(path_of(&name)))
                && meta.is_file()
                && meta.len() > LARGEST
            {
                left_out.push(format!("{}: larger than 1 GiB", lossy(&name)));
                excluded.push(name);
            }
        }
        let mut call = self.git.call(place, ["add", "--all", "--sparse", "--ignore-errors", "--", "."]);
        for name in &excluded {
            let mut pattern = OsString::from(":(exclude,top,literal)");
            pattern.push(OsString::from_vec(name.clone()));
            call = call.arg(pattern);
        }
        let answer = index.on(call).answer()?;
        if answer.code != Some(0) {
            if !may_be_single_files(&answer) {
                return Err(answer.failed());
            }
            let mut rest = self.differing(place, index)?;
            rest.retain(|name| {
                !excluded.iter().any(|other| name.strip_suffix(b"/").unwrap_or(name) == other)
            });
            self.add_raw(place, index, &rest, left_out)?;
        }
        Ok(nested)
    }

    /// What differs from the index: changed, deleted, untracked. Repositories end in a slash.
    fn differing(&self, place: &Place, index: &Index) -> Result<Vec<Vec<u8>>> {
        let changed = ["diff-files", "--name-only", "-z", "--ignore-submodules=all"];
        let changed = index.on(self.git.call(place, changed)).bytes()?;
        let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
        let untracked = index.on(self.git.call(place, untracked)).bytes()?;
        Ok(fields(&changed).chain(fields(&untracked)).map(<[u8]>::to_vec).collect())
    }

    /// Files that git would not take, most likely since one of the user's filters failed: byte for byte, each by itself.
    fn add_raw(
        &self,
        place: &Place,
        index: &Index,
        names: &[Vec<u8>],
        left_out: &mut Vec<String>,
    ) -> Result<()> {
        for name in names {
            let path = place.cwd.join(path_of(name));
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let stored = if meta.is_symlink() {
                let target = fs::read_link(&path).map_err(Error::io(&path))?;
                let call = self.git.call(place, ["hash-object", "-w", "--stdin", "--no-filters"]);
                call.input(target.as_os_str().as_bytes()).answer()
            } else if let Err(error) = fs::File::open(&path) {
                left_out.push(format!("{}: {}", lossy(name), words(&error)));
                continue;
            } else {
                let call = self.git.call(place, ["hash-object", "-w", "--no-filters", "--"]).arg(&path);
                call.config(STREAMED, STREAMED_FROM).answer()
            }?;
            if stored.code != Some(0) {
                if !may_be_single_files(&stored) {
                    return Err(stored.failed());
                }
                left_out.push(format!(
                    "{}: {}",
                    lossy(name),
                    stored.stderr.lines().last().unwrap_or_default()
                ));
                continue;
            }
            let mode = match meta.permissions().mode() & 0o111 {
                _ if meta.is_symlink() => "120000",
                0 => "100644",
                _ => "100755",
            };
            let mut entry = OsString::from(format!("{mode},{},", lossy(&stored.stdout).trim()));
            entry.push(OsString::from_vec(name.clone()));
            let call = index.on(self.git.call(place, ["update-index", "--add", "--replace", "--cacheinfo"]));
            let taken = call.arg(entry).answer()?;
            if taken.code != Some(0) {
                left_out.push(format!("{}: git takes no such name", lossy(name)));
            }
        }
        Ok(())
    }

    /// The files of a repository inside the work, as files of the work.
    fn add_nested(
        &self,
        place: &Place,
        index: &Index,
        name: &[u8],
        left_out: &mut Vec<String>,
        depth: usize,
    ) -> Result<()> {
        let shown = lossy(name);
        let top = place.cwd.join(path_of(name));
        if depth == 0 {
            left_out.push(format!("{shown}/: a repository of its own, inside too many others"));
            return Ok(());
        }
        left_out.push(format!("{shown}/: a repository of its own; its files are stored, its history is not"));
        let inner = Place { cwd: top.clone(), work_tree: Some(top), git_dir: place.git_dir.clone() };
        let inner_index = Index::new(index.0.parent().unwrap_or(&index.0));
        inner_index.on(self.git.call(&inner, ["read-tree", "--empty"])).done()?;
        let mut inner_left = Vec::new();
        for deeper in self.add_all(&inner, &inner_index, Vec::new(), &mut inner_left)? {
            self.add_nested(&inner, &inner_index, &deeper, &mut inner_left, depth - 1)?;
        }
        left_out.extend(inner_left.into_iter().map(|line| format!("{shown}/{line}")));
        let tree = self.write_tree(&inner, &inner_index)?;
        let mut prefix = OsString::from("--prefix=");
        prefix.push(OsString::from_vec(name.to_vec()));
        prefix.push("/");
        index.on(self.git.call(place, ["read-tree"])).arg(prefix).arg(tree).done()
    }

    /// What was staged, where the files say something else at the same paths; elsewhere they hold it too.
    fn staged_apart(&self, source: &Source<'_>, staged: String, tree: &str) -> Result<Option<Staged>> {
        let Some(head) = &source.head else { return Ok(None) };
        let plain = self.tree_of(head)?;
        if staged == plain || staged == tree {
            return Ok(None);
        }
        let by_stage = self.changes(&plain, &staged)?;
        let since = self.changes(&staged, tree)?;
        let since: std::collections::HashSet<&[u8]> = since.iter().map(|change| &change.path[..]).collect();
        let only: Vec<_> = by_stage
            .into_iter()
            .filter(|change| since.contains(&change.path[..]) && change.new_mode != "000000")
            .map(|change| change.path)
            .collect();
        if only.is_empty() { Ok(None) } else { Ok(Some(Staged { tree: staged, only })) }
    }
}

/// Whether git failed over some of the files, and not because somebody killed it or the disk is full.
fn may_be_single_files(answer: &Answer) -> bool {
    answer.code.is_some() && !full(&answer.stderr)
}

pub(crate) fn full(stderr: &str) -> bool {
    ["No space left on device", "unable to write", "Disk quota"].iter().any(|words| stderr.contains(words))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it cannot be read".to_owned(),
        _ => error.to_string(),
    }
}
