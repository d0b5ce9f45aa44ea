//! Who gadugi's commits are by: the user, as git knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gadugi_core::Timestamp;

use crate::Result;
use crate::door::{Call, Place, lossy};
use crate::repository::Repository;

const FALLBACK_NAME: &str = "Gadugi";
const FALLBACK_EMAIL: &str = "gadugi@localhost";

/// Names, addresses and the time of one commit.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    author: (String, String),
    committer: (String, String),
    date: String,
}

/// What the configuration says of names and addresses, by key.
type Settings = BTreeMap<String, String>;

/// What the configuration said, and the files that it was read from, or would be, as they were then.
#[derive(Debug)]
pub(crate) struct Names {
    settings: Settings,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// By what a changed file is told: device, inode, size, and both of its times to the nanosecond.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Names {
    fn still_hold(&self) -> bool {
        self.files.iter().all(|(file, then)| stamp(file) == *then)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = fs::metadata(file).ok()?;
    let (changed, modified) = ((meta.ctime(), meta.ctime_nsec()), (meta.mtime(), meta.mtime_nsec()));
    Some((meta.dev(), meta.ino(), meta.size(), changed, modified))
}

impl Identity {
    /// Name, address and time as git takes them by environment.
    pub(crate) fn of_author(self) -> (String, String, String) {
        (self.author.0, self.author.1, self.date)
    }

    /// Puts it on a call of `commit-tree` (or of `update-ref`, whose log names the committer).
    pub(crate) fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.env("GIT_AUTHOR_NAME", &self.author.0)
            .env("GIT_AUTHOR_EMAIL", &self.author.1)
            .env("GIT_AUTHOR_DATE", &self.date)
            .env("GIT_COMMITTER_NAME", &self.committer.0)
            .env("GIT_COMMITTER_EMAIL", &self.committer.1)
            .env("GIT_COMMITTER_DATE", &self.date)
    }
}

impl Repository {
    /// The user's identity as the environment or the main worktree's configuration has it. Git would make one up from
    /// the host's name or refuse; here what is missing is gadugi's own. `at`: the time to write; none: now.
    pub(crate) fn identity(&self, at: Option<Timestamp>) -> Result<Identity> {
        let mut names = self.known.names();
        let settings = match &mut *names {
            Some(names) if names.still_hold() => &names.settings,
            names => &names.insert(self.read_names()?).settings,
        };
        let find = |variable: &str, keys: [&str; 2], last: Option<&str>, fallback: &str| {
            let from_env = |name| self.git.variable(name).map(|value| value.to_string_lossy().into_owned());
            let candidates = [
                from_env(variable),
                settings.get(keys[0]).cloned(),
                settings.get(keys[1]).cloned(),
                last.and_then(from_env),
            ];
            candidates.into_iter().flatten().find(|text| usable(text)).unwrap_or_else(|| fallback.to_owned())
        };
        let who = |role: &str, lower: &str| {
            let name = find(
                &format!("GIT_{role}_NAME"),
                [&format!("{lower}.name"), "user.name"],
                None,
                FALLBACK_NAME,
            );
            let email = find(
                &format!("GIT_{role}_EMAIL"),
                [&format!("{lower}.email"), "user.email"],
                Some("EMAIL"),
                FALLBACK_EMAIL,
            );
            (name, email)
        };
        let seconds = at.unwrap_or_else(gadugi_sys::clock::now).0.div_euclid(1_000);
        let (author, committer) = (who("AUTHOR", "author"), who("COMMITTER", "committer"));
        Ok(Identity { author, committer, date: format!("@{seconds} +0000") })
    }

    fn read_names(&self) -> Result<Names> {
        let place = &self.main;
        // Their state before they are read: a change in between is seen the next time.
        let usual = self.usual_config_files().into_iter().map(|file| (stamp(&file), file));
        let mut files: BTreeMap<PathBuf, Option<Stamp>> = usual.map(|(stamp, file)| (file, stamp)).collect();
        let list = || self.git.call(place, ["config", "-z", "--show-origin", "--list"]).answer();
        let mut listing = list()?;
        // Files that those include. They are read once more, so that what is stamped is what was read.
        let included: BTreeSet<_> =
            origins(&listing.stdout, place).filter(|file| !files.contains_key(file)).collect();
        if !included.is_empty() {
            files.extend(included.into_iter().map(|file| (file.clone(), stamp(&file))));
            listing = list()?;
        }
        let mut settings = Settings::new();
        for (_, setting) in fields_of(&listing.stdout) {
            if let Some((key, value)) = lossy(setting).split_once('\n') {
                settings.insert(key.to_lowercase(), value.to_owned());
            }
        }
        settings.retain(|key, _| {
            let (role, what) = key.split_once('.').unwrap_or_default();
            matches!(role, "user" | "author" | "committer") && matches!(what, "name" | "email")
        });
        Ok(Names { settings, files: files.into_iter().collect() })
    }

    /// Where git looks for configuration, whether there is any or not. A system's own, elsewhere, is seen only where
    /// it says something.
    fn usual_config_files(&self) -> Vec<PathBuf> {
        let variable = |name| self.git.variable(name).map(PathBuf::from);
        let home = variable("HOME");
        let mut files = vec![
            self.common_dir().join("config"),
            self.common_dir().join("config.worktree"),
            // `includeIf "onbranch:…"`
            self.common_dir().join("HEAD"),
            PathBuf::from("/etc/gitconfig"),
        ];
        files.extend(variable("GIT_CONFIG_GLOBAL"));
        files.extend(variable("GIT_CONFIG_SYSTEM"));
        files.extend(home.iter().map(|home| home.join(".gitconfig")));
        let xdg = variable("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        files.extend(xdg.map(|xdg| xdg.join("git/config")));
        files
    }
}

/// Origin and setting, in turns.
fn fields_of(listing: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut fields = listing.split(|byte| *byte == 0);
    std::iter::from_fn(move || fields.next().zip(fields.next()))
}

fn origins(listing: &[u8], place: &Place) -> impl Iterator<Item = PathBuf> {
    fields_of(listing)
        .filter_map(|(origin, _)| Some(place.cwd.join(OsStr::from_bytes(origin.strip_prefix(b"file:")?))))
}

/// Git drops such characters from both ends of a name and refuses what is empty then.
fn usable(text: &str) -> bool {
    !text.trim_matches(|c: char| c <= ' ' || ".,:;<>\"\\'".contains(c)).is_empty()
}
