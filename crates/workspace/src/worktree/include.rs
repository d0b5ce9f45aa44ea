//! Files that git does not carry but work needs (`.env`, local settings), copied from the main worktree.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::door::{fields, lossy};
use crate::repository::Repository;
use crate::{Error, Result};

/// The file of patterns that a repository keeps.
const LIST: &str = ".worktreeinclude";

impl Repository {
    /// Copies the ignored files that the patterns name, and gives those that they name but that are not ignored.
    ///
    /// The patterns are git's own, read by git; `admin` is a folder of gadugi's for them. Only regular files are copied; nothing is copied through a symlink on
    /// either side, over a file that is there, out of `.git`, or out of gadugi's own folders.
    pub(crate) fn copy_included(&self, admin: &Path, top: &Path, patterns: &[String]) -> Result<Vec<String>> {
        let list = self.root().join(LIST);
        let mut text = match fs::symlink_metadata(&list) {
            Ok(meta) if meta.is_file() => fs::read(&list).map_err(Error::io(&list))?,
            _ => Vec::new(),
        };
        for pattern in patterns {
            text.push(b'\n');
            text.extend_from_slice(pattern.as_bytes());
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let file = admin.join("gadugi-include");
        gadugi_sys::files::write_atomic(&file, &text).map_err(Error::io(&file))?;
        let named =
            self.main(["ls-files", "-z", "--others", "--ignored", "--exclude-from"]).arg(&file).bytes()?;
        let parent = top.parent().map(Path::to_owned).unwrap_or_default();
        let own = [self.state_dir(), parent];
        let named: Vec<_> = fields(&named)
            .filter(|name| {
                let path = self.root().join(OsStr::from_bytes(name));
                // A trailing slash: a repository of its own.
                !name.ends_with(b"/")
                    && !own.iter().any(|own| path.starts_with(own) && own.starts_with(self.root()))
            })
            .collect();
        let ignored = self.ignored_of(&named)?;
        let mut left_out = Vec::new();
        for name in named {
            if ignored.contains(name) {
                copy(self.root(), top, Path::new(OsStr::from_bytes(name)))?;
            } else {
                left_out.push(lossy(name));
            }
        }
        Ok(left_out)
    }

    fn ignored_of(&self, names: &[&[u8]]) -> Result<BTreeSet<Vec<u8>>> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let answer = self.main(["check-ignore", "-z", "--stdin"]).input(names.join(&0)).answer()?;
        match answer.code {
            Some(0 | 1) => Ok(fields(&answer.stdout).map(<[u8]>::to_vec).collect()),
            _ => Err(answer.failed()),
        }
    }
}

fn copy(from: &Path, to: &Path, name: &Path) -> Result<()> {
    let plain = name.components().all(|part| matches!(part, Component::Normal(part) if part != ".git"));
    let source = from.join(name);
    if !plain || !real_folders(from, name) || !fs::symlink_metadata(&source).is_ok_and(|meta| meta.is_file())
    {
        return Ok(());
    }
    let target = to.join(name);
    if !real_folders(to, name) || fs::symlink_metadata(&target).is_ok() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    match fs::copy(&source, &target) {
        // It went away while we looked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::Io { path: source, source: error }),
        Ok(_) => Ok(()),
    }
}

/// Whether every folder between `top` and the file is a real one, or is not there yet.
fn real_folders(top: &Path, name: &Path) -> bool {
    let Some(folders) = name.parent() else { return true };
    let mut path = top.to_owned();
    folders.components().all(|part| {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) => meta.is_dir(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    })
}
