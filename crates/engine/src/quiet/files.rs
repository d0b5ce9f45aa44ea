//! What files look like, from the disk.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, Metadata};
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Files;

/// Files and folders of a workspace that are looked at, those near its top first: some 20 ms' worth. Beyond that a change
/// goes unseen.
const MOST: usize = 10_000;

/// The step's own files that grow: `stdout.jsonl` also without a line's end, and `stderr.log`, which nobody follows.
const OUTPUT: [&str; 2] = ["stdout.jsonl", "stderr.log"];

/// The real ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk;

impl Files for Disk {
    fn output(&mut self, dir: &Path) -> u64 {
        let marks =
            OUTPUT.iter().filter_map(|name| Some(mark(name.as_bytes(), &fs::metadata(dir.join(name)).ok()?)));
        marks.fold(0, u64::wrapping_add)
    }

    fn workspace(&mut self, path: &Path) -> u64 {
        walk(path, MOST)
    }
}

/// The sum over all entries: the order in which a folder lists them does not matter, and a time in the future hides no
/// change of another file, as it would if only the newest counted.
fn walk(root: &Path, most: usize) -> u64 {
    let (mut sum, mut left) = (0_u64, most);
    let mut folders = VecDeque::from([root.to_owned()]);
    while let Some(folder) = folders.pop_front() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.map_while(Result::ok) {
            if left == 0 {
                return sum;
            }
            left -= 1;
            // Not followed where it is a link.
            let Ok(data) = entry.metadata() else { continue };
            let name = entry.file_name();
            sum = sum.wrapping_add(mark(name.as_bytes(), &data));
            let own_objects = name.as_bytes() == b"objects" && is_git(&folder);
            if data.is_dir() && !own_objects {
                folders.push_back(entry.path());
            }
        }
    }
    sum
}

fn is_git(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == ".git")
}

/// Written, made, grown, replaced or renamed: any of it shows.
fn mark(name: &[u8], data: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn every_change_shows_also_beside_a_file_from_the_future() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| root.path().join(name);
        fs::create_dir_all(file("a/b")).unwrap();
        fs::write(file("a/b/deep"), "1").unwrap();
        fs::write(file("future"), "").unwrap();
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
        let future = File::options().write(true).open(file("future")).unwrap();
        future.set_times(FileTimes::new().set_modified(far)).unwrap();
        let mut seen = Disk.workspace(root.path());
        assert_eq!(Disk.workspace(root.path()), seen, "nothing has changed");
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(file("a/b/deep"), "22").unwrap(),
            &|| fs::write(file("a/new"), "").unwrap(),
            &|| fs::rename(file("a/new"), file("a/newer")).unwrap(),
            &|| fs::remove_file(file("a/newer")).unwrap(),
        ];
        for change in changes {
            change();
            let now = Disk.workspace(root.path());
            assert_ne!(now, seen);
            seen = now;
        }
    }

    #[test]
    fn the_walk_is_bounded_follows_no_link_and_leaves_gits_objects_out() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("work");
        fs::create_dir_all(inside.join(".git/objects/ab")).unwrap();
        fs::create_dir_all(root.path().join("outside")).unwrap();
        std::os::unix::fs::symlink(root.path().join("outside"), inside.join("link")).unwrap();
        std::os::unix::fs::symlink(&inside, inside.join("loop")).unwrap();
        let seen = Disk.workspace(&inside);
        fs::write(root.path().join("outside/file"), "").unwrap();
        fs::write(inside.join(".git/objects/ab/cdef"), "").unwrap();
        assert_eq!(Disk.workspace(&inside), seen);
        fs::write(inside.join(".git/index"), "").unwrap();
        assert_ne!(Disk.workspace(&inside), seen);

        for number in 0..100 {
            fs::write(inside.join(number.to_string()), "").unwrap();
        }
        assert_ne!(walk(&inside, 10), walk(&inside, 1000));
        assert_eq!(Disk.workspace(Path::new("/no/such/place")), 0, "what is gone does not change");
    }

    #[test]
    fn output_without_a_line_shows() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Disk.output(dir.path()), 0);
        let mut seen = 0;
        for (name, text) in [("stdout.jsonl", "x"), ("stderr.log", "x"), ("stdout.jsonl", "xx")] {
            fs::write(dir.path().join(name), text).unwrap();
            let now = Disk.output(dir.path());
            assert_ne!(now, seen, "{name}");
            seen = now;
        }
        fs::write(dir.path().join("lease"), "").unwrap();
        assert_eq!(Disk.output(dir.path()), seen, "the lease is the engine's own sign of life");
    }
}
