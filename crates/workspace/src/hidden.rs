//! Files that an index was told to take for unchanged (`git update-index --assume-unchanged`, `--skip-worktree`): `git
//! status` says nothing of what is done to them.

use std::fs;
use std::path::Path;

/// Entry of an index: stat data before the object's id, and its flags behind it.
const STAT: usize = 40;
const ASSUME_UNCHANGED: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;
const NAME_LENGTH: u16 = 0x0fff;

/// Whether an index may hide changes. Read from the file itself, which costs no process for the many indices that hide
/// nothing; `id` is the length of an object's id in hexadecimal. Where the file is not understood: it may.
pub(crate) fn may_hide(index: &Path, id: usize) -> bool {
    match fs::read(index) {
        Ok(bytes) => hides(&bytes, id / 2).unwrap_or(true),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn hides(bytes: &[u8], id: usize) -> Option<bool> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let flags = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let version = number(4)?;
    if bytes.get(..4)? != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let mut at = 12;
    for _ in 0..number(8)? {
        let own = flags(at + STAT + id)?;
        let mut name = at + STAT + id + 2;
        if own & EXTENDED != 0 {
            if flags(name)? & SKIP_WORKTREE != 0 {
                return Some(true);
            }
            name += 2;
        }
        if own & ASSUME_UNCHANGED != 0 {
            return Some(true);
        }
        let ends = |from: usize| Some(from + bytes.get(from..)?.iter().position(|byte| *byte == 0)?);
        at = if version == 4 {
            // How much of the name before is dropped, seven bits a byte, and what follows.
            let more = bytes.get(name..)?.iter().take_while(|byte| **byte & 0x80 != 0).count();
            ends(name + more + 1)? + 1
        } else {
            let length = own & NAME_LENGTH;
            let end = if length < NAME_LENGTH { name + usize::from(length) } else { ends(name)? };
            // Padded with one to eight zeros.
            at + ((end - at + 8) & !7)
        };
    }
    // Another index, shared with this one, holds the rest.
    if bytes.get(at..at + 4)? == b"link" { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::process::Command;

    fn git(dir: &Path, args: &[&str]) {
        let done = Command::new("git").args(args).current_dir(dir).output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    #[test]
    fn every_format_of_gits_is_read() {
        for (format, id) in [("sha1", 40), ("sha256", 64)] {
            for version in ["2", "3", "4"] {
                let temp = tempfile::tempdir().unwrap();
                let dir = temp.path();
                git(dir, &["init", "-q", &format!("--object-format={format}")]);
                let long = "n".repeat(200);
                let mut names: Vec<PathBuf> =
                    (0..40).map(|n| format!("some/folder/{n}.txt").into()).collect();
                names.push(std::iter::repeat_n(long.as_str(), 15).collect());
                for name in &names {
                    fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
                    fs::write(dir.join(name), "x").unwrap();
                }
                git(dir, &["add", "-A"]);
                git(dir, &["update-index", "--index-version", version]);
                let index = dir.join(".git/index");
                let reads = || hides(&fs::read(&index).unwrap(), id / 2);
                assert_eq!(reads(), Some(false), "{format} {version}");
                for (hide, show) in [
                    ("--assume-unchanged", "--no-assume-unchanged"),
                    ("--skip-worktree", "--no-skip-worktree"),
                ] {
                    git(dir, &["update-index", hide, "some/folder/39.txt"]);
                    assert_eq!(reads(), Some(true), "{format} {version} {hide}");
                    git(dir, &["update-index", show, "some/folder/39.txt"]);
                    assert_eq!(reads(), Some(false), "{format} {version} {show}");
                }
                git(dir, &["update-index", "--split-index"]);
                git(dir, &["update-index", "--assume-unchanged", "some/folder/1.txt"]);
                assert_ne!(reads(), Some(false), "what it does not say itself is asked of git");
            }
        }
        for bytes in [&b""[..], b"DIRC", b"DIRC\0\0\0\x02\0\0\0\x05", b"nonsense, and a lot of it"] {
            assert_eq!(hides(bytes, 20), None);
        }
        assert!(!may_hide(Path::new("/nowhere"), 40));
    }
}
