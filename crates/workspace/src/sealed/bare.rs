//! Repositories of gadugi's own, written by hand: no template, no hook, no process.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;

use crate::door::Place;
use crate::{Error, Result};

/// A call in a repository without a worktree.
pub(super) fn place(git_dir: &Path) -> Place {
    Place { cwd: git_dir.to_owned(), git_dir: Some(git_dir.to_owned()), work_tree: None }
}

/// The `[core]` and `[extensions]` of a repository for objects with ids like this one's.
pub(super) fn format_of(commit: &CommitId, bare: bool) -> String {
    let sha256 = commit.as_str().len() == 64;
    let (version, extension) = if sha256 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
    format!("[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = {bare}\n{extension}")
}

/// Makes the folders and files of a repository. What is there already stays.
pub(super) fn make(git_dir: &Path, config: &str, head: &str) -> Result<()> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        let folder = git_dir.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    }
    for (name, text) in [("config", config), ("HEAD", head)] {
        let path = git_dir.join(name);
        if !path.exists() {
            write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Has a repository borrow from a folder of objects.
pub(super) fn borrow_from(git_dir: &Path, objects: &Path) -> Result<()> {
    let mut line = quoted(objects);
    line.push(b'\n');
    write(&git_dir.join("objects/info/alternates"), &line)
}

/// Where a history ends that the user's repository has not whole.
pub(super) fn copy_shallow(from: &Path, git_dir: &Path) -> Result<()> {
    copy_if_there(&from.join("shallow"), &git_dir.join("shallow"))
}

pub(super) fn copy_if_there(from: &Path, to: &Path) -> Result<()> {
    match fs::read(from) {
        Ok(bytes) => write(to, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io { path: from.to_owned(), source }),
    }
}

/// Readable for the agent's user too, who may be another: nothing of these is a secret to him.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    fs::write(&draft, bytes).map_err(Error::io(&draft))?;
    // Whatever the umask is.
    fs::set_permissions(&draft, Permissions::from_mode(0o644)).map_err(Error::io(&draft))?;
    fs::rename(&draft, path).map_err(Error::io(path))
}

/// Lets everybody read a repository, whatever the umask was when it was made: the agent's user is another one where
/// gadugi works as root. The folders around it are gadugi's alone.
pub(super) fn open_to_readers(git_dir: &Path) -> Result<()> {
    let mode = |path: &Path, mode| match fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    };
    for folder in ["", "objects", "objects/info", "objects/pack", "info", "refs"] {
        mode(&git_dir.join(folder), 0o755)?;
    }
    for file in ["config", "HEAD", "shallow", "info/exclude"] {
        mode(&git_dir.join(file), 0o644)?;
    }
    let packs = git_dir.join("objects/pack");
    for entry in fs::read_dir(&packs).map_err(Error::io(&packs))?.flatten() {
        mode(&entry.path(), 0o444)?;
    }
    Ok(())
}

/// A path as git reads it in a file of paths: where it could be taken for something else, quoted.
fn quoted(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    let odd = bytes.iter().any(|byte| *byte < b' ' || *byte == 0x7f);
    if odd || bytes.starts_with(b"#") || bytes.starts_with(b"\"") {
        listed(path).into_vec()
    } else {
        bytes.to_vec()
    }
}

/// A path as git reads it in a variable that lists paths: quoted as in C.
pub(super) fn listed(path: &Path) -> OsString {
    let mut text = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            0..b' ' | 0x7f.. => text.extend(format!("\\{byte:03o}").into_bytes()),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    OsString::from_vec(text)
}
