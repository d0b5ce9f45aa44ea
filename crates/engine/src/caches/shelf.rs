//! The generations of one cache, in `.gadugi/caches/NAME/`:
//!
//! | | |
//! |---|---|
//! | `00000012-10001-89abcdef01234567/tree` | a generation: its number, the user that its files belong to, what it was made from. Nobody writes there any more. The time of the folder around it is that of its last use |
//! | `passing-…` | on its way in or out; an engine that begins removes it |

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gadugi_core::{CacheKind, Timestamp};
use gadugi_sys::clock;
use gadugi_sys::files::create_private_dir;

use super::tree::fresh;

/// Generations that are kept though nothing uses them: the one that the next tasks begin with, and the one before it, for whoever goes
/// back to an older commit.
const KEPT: usize = 2;

const PASSING: &str = "passing-";
const TREE: &str = "tree";

/// What cargo keeps beside its cache and nobody shares.
const SECRETS: [&str; 2] = ["credentials", "credentials.toml"];

/// Where the generations of a cache lie.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    number: u32,
    /// The user that its files belong to, and what it was made from.
    key: String,
    folder: PathBuf,
}

impl Generation {
    /// Its name, by which those who use it are known.
    pub(super) fn name(&self) -> String {
        format!("{:08}-{}", self.number, self.key)
    }

    /// What a task sees of it.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join(TREE)
    }

    /// Somebody begins to use it.
    pub(super) fn touch(&self) {
        if let Ok(folder) = File::open(&self.folder) {
            let _ = folder.set_modified(system_time(clock::now()));
        }
    }

    fn of(folder: PathBuf) -> Option<Self> {
        let (number, key) = folder.file_name()?.to_str()?.split_once('-')?;
        let number = number.parse().ok()?;
        let key = key.to_owned();
        Some(Self { number, key, folder })
    }
}

/// The same moment as files' times have it.
pub(super) fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

impl Shelf {
    pub(super) fn new(caches: &Path, kind: CacheKind) -> Self {
        Self { folder: caches.join(kind.word()) }
    }

    /// All generations, the newest first.
    pub(super) fn generations(&self) -> Vec<Generation> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().map_while(Result::ok);
        let mut all: Vec<_> = entries.filter_map(|entry| Generation::of(entry.path())).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.name()));
        all
    }

    /// The newest that was made from just that, else the newest of that user's.
    pub(super) fn best(&self, key: &str) -> Option<Generation> {
        let user = key.split('-').next().unwrap_or_default();
        let mut all = self.generations();
        all.retain(|one| one.key.split('-').next() == Some(user));
        let exact = all.iter().position(|one| one.key == key);
        (!all.is_empty()).then(|| all.swap_remove(exact.unwrap_or(0)))
    }

    /// The one of that name.
    pub(super) fn find(&self, name: &str) -> Option<Generation> {
        self.generations().into_iter().find(|one| one.name() == name)
    }

    /// Whether there is one that was made from just that.
    pub(super) fn has(&self, key: &str) -> bool {
        self.generations().iter().any(|one| one.key == key)
    }

    /// Makes a folder the newest generation. Nobody may have it open. Where one of that key is there already, nothing
    /// is done. Whether it was made; one at a time.
    pub(super) fn take_in(&self, kind: CacheKind, made: &Path, key: &str) -> io::Result<bool> {
        if self.has(key) {
            return Ok(false);
        }
        if kind == CacheKind::Cargo {
            for name in SECRETS {
                match fs::remove_file(made.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        create_private_dir(&self.folder)?;
        let passing = fresh(&self.folder, PASSING);
        create_private_dir(&passing)?;
        fs::rename(made, passing.join(TREE))?;
        // Whoever finds it after a power cut finds all of it.
        rustix::fs::syncfs(File::open(&passing)?)?;
        let number = self.generations().first().map_or(1, |newest| newest.number + 1);
        let folder = self.folder.join(format!("{number:08}-{key}"));
        fs::rename(passing, folder)?;
        Ok(true)
    }

    /// Takes out what is over and above those to be kept, and is not used. Nobody may begin to use one meanwhile. What it
    /// gives is to be removed.
    pub(super) fn thin_out(&self, used: &BTreeSet<String>) -> Vec<PathBuf> {
        let all = self.generations().into_iter().skip(KEPT);
        all.filter(|one| !used.contains(&one.name())).filter_map(|one| self.take_out(&one)).collect()
    }

    /// The same with all that nobody has used since then.
    pub(super) fn clear(&self, used: &BTreeSet<String>, since: SystemTime) -> Vec<PathBuf> {
        let old = |one: &Generation| {
            let last = fs::metadata(&one.folder).and_then(|folder| folder.modified());
            last.is_ok_and(|last| last <= since) && !used.contains(&one.name())
        };
        self.generations().into_iter().filter(old).filter_map(|one| self.take_out(&one)).collect()
    }

    /// What was on its way when an engine died.
    pub(super) fn stranded(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().map_while(Result::ok);
        let passing = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PASSING));
        passing.map(|entry| entry.path()).collect()
    }

    fn take_out(&self, generation: &Generation) -> Option<PathBuf> {
        let passing = fresh(&self.folder, PASSING);
        match fs::rename(&generation.folder, &passing) {
            Ok(()) => Some(passing),
            Err(error) => {
                tracing::warn!(folder = %generation.folder.display(), %error, "a cache is kept for now");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(dir: &Path, text: &str) -> PathBuf {
        let path = fresh(dir, "made-");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), text).unwrap();
        fs::write(path.join("credentials.toml"), "token").unwrap();
        path
    }

    #[test]
    fn the_newest_are_kept_and_whatever_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path(), CacheKind::Cargo);
        assert!(shelf.best("1-a").is_none());
        for key in ["1-a", "1-b", "2-a", "1-c"] {
            assert!(shelf.take_in(CacheKind::Cargo, &made(dir.path(), key), key).unwrap());
        }
        let again = made(dir.path(), "again");
        assert!(
            !shelf.take_in(CacheKind::Cargo, &again, "1-a").unwrap() && again.exists(),
            "it is there already"
        );
        let read = |key: &str| fs::read_to_string(shelf.best(key).unwrap().tree().join("file")).unwrap();
        assert_eq!([read("1-a"), read("1-zz"), read("2-zz")], ["1-a", "1-c", "2-a"]);
        assert!(shelf.best("3-a").is_none(), "nobody gets files of another user");
        assert!(!shelf.best("1-a").unwrap().tree().join("credentials.toml").exists());

        let used = BTreeSet::from([shelf.best("1-a").unwrap().name()]);
        let out = shelf.thin_out(&used);
        let left: Vec<_> = shelf.generations().into_iter().map(|one| one.key).collect();
        assert_eq!((left, out.len()), (vec!["1-c".into(), "2-a".into(), "1-a".into()], 1));
        assert_eq!(shelf.stranded(), out);

        let soon = system_time(clock::now()) + Duration::from_secs(60);
        assert!(shelf.clear(&used, SystemTime::UNIX_EPOCH).is_empty(), "all were used since");
        assert_eq!((shelf.clear(&used, soon).len(), shelf.generations().len()), (2, 1));
    }
}
