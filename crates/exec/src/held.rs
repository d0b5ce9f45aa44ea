//! Files that were deleted and are still held open: they take room of the disk that no walk through folders can see.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use gadugi_core::Process;

use crate::procfs::{self, Stat};

/// Open files that are looked at, at most: some seconds' worth.
const MOST: usize = 1_000_000;

/// How many bytes of the disks under `folders` are held by files without a name that this process and its descent have open;
/// each file counts once. What cannot be seen (another user's process, a mapping without its descriptor) is not in it.
pub fn held_open(root: &Process, folders: &[PathBuf]) -> u64 {
    if !gadugi_sys::process::exists(root) {
        return 0;
    }
    let disks: HashSet<u64> = folders
        .iter()
        .filter_map(|folder| fs::symlink_metadata(folder).ok())
        .map(|meta| meta.dev())
        .collect();
    let all = procfs::all();
    let mut children: HashMap<u32, Vec<&Stat>> = HashMap::new();
    for stat in &all {
        children.entry(stat.parent).or_default().push(stat);
    }
    let (mut pending, mut looked) = (vec![root.pid], 0);
    let (mut bytes, mut known) = (0, HashSet::new());
    while let Some(pid) = pending.pop() {
        pending.extend(children.remove(&pid).into_iter().flatten().map(|stat| stat.pid));
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            looked += 1;
            if looked > MOST {
                return bytes;
            }
            // What the descriptor leads to; nothing is opened.
            let Ok(meta) = fs::metadata(entry.path()) else { continue };
            let nameless = meta.is_file() && meta.nlink() == 0 && disks.contains(&meta.dev());
            if nameless && known.insert((meta.dev(), meta.ino())) {
                bytes += meta.blocks() * 512;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_file_without_a_name_takes_what_it_takes_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![1; 3 << 20]).unwrap();
        file.sync_all().unwrap();
        // Held by a process and by its child, under two numbers.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec 7<&0; sleep 1000 & echo; wait"]).stdin(file).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let process = gadugi_sys::process::identify(child.id()).unwrap();
        let folders = [dir.path().to_owned()];
        let named = held_open(&process, &folders);
        fs::remove_file(&path).unwrap();
        let (nameless, elsewhere) = (held_open(&process, &folders), held_open(&process, &["/proc".into()]));
        let tree = procfs::all()
            .into_iter()
            .filter(|stat| stat.parent == child.id())
            .map(|stat| stat.pid.to_string());
        Command::new("kill").args(tree).status().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((named, elsewhere), (0, 0));
        assert!((3 << 20..4 << 20).contains(&nameless), "{nameless}");
        assert_eq!(held_open(&process, &folders), 0, "it is gone");
    }
}
