//! The past, made ready for questions: which words stood in which commits, and which commits changed which files.
//!
//! Commits are numbered from the newest on, so that a number is also an age. Files are numbered as the map numbers
//! them, and behind those the ones that are gone: nobody is told to write them, but they say what their folders are for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::history::History;
use crate::lists::Lists;
use crate::map::RepositoryMap;
use crate::parallel::shares;

use super::meaning;
use super::words;

/// Words of messages are looked at to this byte of the body.
const BODY: usize = 3_000;

/// Commits after which a commit weighs half, for what is going on just now.
const SHORT: f64 = 50.0;
/// The same for what is done to this repository in general.
const LONG: f64 = 700.0;
/// The same for how alike a commit is to a prompt.
const FADING: f64 = 500.0;
/// The same for what words and files mean to each other: that hardly changes.
const MEANING: f64 = 1_500.0;

/// What `commits` ago weighs, where `half` ago weighs a half.
pub(crate) fn decay(commits: f64, half: f64) -> f64 {
    (-commits / half * std::f64::consts::LN_2).exp()
}

/// Files, folders, or kinds of files: what each commit changed of them, and how often they are changed in general.
#[derive(Debug, Default)]
pub(crate) struct Things {
    /// By commit, each once.
    pub(crate) of_commit: Lists<u32>,
    /// Share of the commits that change it, the newer ones weighing more.
    pub(crate) usual: Vec<f64>,
}

impl Things {
    fn new(length: usize, commits: usize, pairs: &[(u32, u32)]) -> Self {
        let weights = (0..commits).map(|age| decay(age as f64, LONG)).sum::<f64>() + 2.0;
        let mut usual = vec![0.0; length];
        for (commit, thing) in pairs {
            usual[*thing as usize] += decay(f64::from(*commit), LONG) / weights;
        }
        Self { of_commit: Lists::new(commits, pairs), usual }
    }

    pub(crate) fn len(&self) -> usize {
        self.usual.len()
    }
}

/// The past of one tree.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Of each commit.
    pub(crate) messages: Vec<Arc<str>>,
    /// How much each commit's words mean today.
    pub(crate) meaning: Vec<f64>,
    /// How much of each is not yet forgotten.
    pub(crate) fading: Vec<f64>,
    /// Paths of all files: those of the tree, then those that are gone.
    pub(crate) files: Things,
    pub(crate) folders: Things,
    pub(crate) groups: Things,
    /// Of each file.
    pub(crate) folder_of: Vec<u32>,
    pub(crate) group_of: Vec<u32>,
    /// The commits that changed a file, newest first.
    pub(crate) commits_of: Lists<u32>,
    /// Share of the last commits that change a file.
    pub(crate) lately: Vec<f64>,
    /// What words have meant for files, folders and groups.
    meant: [meaning::Words; 3],
    vocabulary: HashMap<String, u32>,
    /// The commits in which a word stands, newest first, with its weight in the commit's message of length 1.
    postings: Lists<(u32, f32)>,
    rarity: Vec<f64>,
}

impl Past {
    /// Reads it. Of the tree's files the first is 0.
    pub(crate) fn new(map: &RepositoryMap, history: &History) -> Self {
        let commits = history.commits().len();
        let mut paths: Vec<&str> = map.files().map(|file| map.path(file)).collect();
        let ids: Vec<u32> = history
            .paths()
            .iter()
            .map(|path| match map.file(path) {
                Some(file) => file.index() as u32,
                None => {
                    paths.push(path);
                    paths.len() as u32 - 1
                }
            })
            .collect();
        let mut changed: Vec<(u32, u32)> = Vec::new();
        for (at, commit) in history.commits().iter().enumerate() {
            changed.extend(commit.files.iter().filter_map(|file| Some((at as u32, *ids.get(file.index())?))));
        }
        let (folder_of, folders) = numbered(paths.iter().map(|path| folder(path)));
        let folder_is_of_tests = of_tests(&paths, &folder_of, folders);
        let group_of = paths.iter().zip(&folder_of).map(|(path, folder)| {
            (extension(path), folder_is_of_tests[*folder as usize] || is_test(name(path)))
        });
        let (group_of, groups) = numbered(group_of);
        let of = |place: &[u32]| {
            let mut pairs: Vec<(u32, u32)> =
                changed.iter().map(|(commit, file)| (*commit, place[*file as usize])).collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        };
        let by_file: Vec<(u32, u32)> = changed.iter().map(|(commit, file)| (*file, *commit)).collect();
        let mut lately = vec![0.0; paths.len()];
        let weights = (0..commits).map(|age| decay(age as f64, SHORT)).sum::<f64>() + 1.0;
        for (commit, file) in &changed {
            lately[*file as usize] += decay(f64::from(*commit), SHORT) / weights;
        }
        let mut past = Self {
            messages: history.commits().iter().map(|commit| Arc::clone(&commit.message)).collect(),
            fading: (0..commits).map(|age| decay(age as f64, FADING)).collect(),
            meaning: (0..commits).map(|age| decay(age as f64, MEANING)).collect(),
            folders: Things::new(folders, commits, &of(&folder_of)),
            groups: Things::new(groups, commits, &of(&group_of)),
            files: Things::new(paths.len(), commits, &changed),
            folder_of,
            group_of,
            commits_of: Lists::new(paths.len(), &by_file),
            lately,
            ..Self::default()
        };
        past.read_messages();
        past
    }

    fn read_messages(&mut self) {
        let read = read(&self.messages);
        let mut found: Vec<(u32, (u32, f32))> = Vec::new();
        for (commit, weights) in read.into_iter().enumerate() {
            for (word, weight) in weights {
                let next = self.vocabulary.len() as u32;
                let number = *self.vocabulary.entry(word).or_insert(next);
                found.push((number, (commit as u32, weight as f32)));
            }
        }
        let mut counts = vec![0_u32; self.vocabulary.len()];
        for (word, _) in &found {
            counts[*word as usize] += 1;
        }
        self.rarity = counts.iter().map(|count| self.rarity_of(*count)).collect();
        let mut lengths = vec![0.0_f64; self.messages.len()];
        for (word, (commit, weight)) in &found {
            lengths[*commit as usize] += (f64::from(*weight) * self.rarity[*word as usize]).powi(2);
        }
        for (word, (commit, weight)) in &mut found {
            let length = lengths[*commit as usize].sqrt() + 1e-9;
            *weight = (f64::from(*weight) * self.rarity[*word as usize] / length) as f32;
        }
        self.postings = Lists::new(self.vocabulary.len(), &found);
        self.meant = std::array::from_fn(|_| meaning::Words::new(self.vocabulary.len()));
    }

    fn rarity_of(&self, commits: u32) -> f64 {
        (1.0 + (self.messages.len() as f64 + 0.5) / (f64::from(commits) + 0.5)).ln()
    }

    /// The number of a word that stands in a message.
    pub(crate) fn word(&self, word: &str) -> Option<u32> {
        self.vocabulary.get(word).copied()
    }

    /// How much a word says: the fewer messages it stands in, the more. Of none, for words in no message.
    pub(crate) fn rarity(&self, word: Option<u32>) -> f64 {
        word.and_then(|word| self.rarity.get(word as usize).copied()).unwrap_or_else(|| self.rarity_of(0))
    }

    /// The commits in which a word stands, newest first, with what it weighs there.
    pub(crate) fn commits_with(&self, word: u32) -> &[(u32, f32)] {
        self.postings.of(word)
    }

    /// What a word has meant for files, for folders and for groups.
    pub(crate) fn meant(&self, word: u32) -> [Option<&meaning::Told>; 3] {
        let commits = self.commits_with(word);
        let [files, folders, groups] = &self.meant;
        [
            files.of(word, &self.files, commits, &self.meaning),
            folders.of(word, &self.folders, commits, &self.meaning),
            groups.of(word, &self.groups, commits, &self.meaning),
        ]
    }

    /// The commits in which a word stands and that changed a file, newest first.
    pub(crate) fn with_word_and_file(&self, word: u32, file: u32) -> Vec<u32> {
        let (with, changed) = (self.commits_with(word), self.commits_of.of(file));
        if changed.len() <= with.len() {
            let stands = |commit: &&u32| with.binary_search_by_key(*commit, |(commit, _)| *commit).is_ok();
            return changed.iter().filter(stands).copied().collect();
        }
        let with = with.iter().map(|(commit, _)| *commit);
        with.filter(|commit| changed.binary_search(commit).is_ok()).collect()
    }

    /// The commits that changed both files, newest first.
    pub(crate) fn that_changed_both(&self, one: u32, other: u32) -> Vec<u32> {
        let (one, other) = (self.commits_of.of(one), self.commits_of.of(other));
        let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
        short.iter().filter(|commit| long.binary_search(commit).is_ok()).copied().collect()
    }

    /// How many commits there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}

/// The words of all messages, read on several threads.
fn read(messages: &[Arc<str>]) -> Vec<Vec<(String, f64)>> {
    /// Fewer are not worth a thread.
    const LEAST: usize = 256;
    let of = |message: &Arc<str>| {
        let (title, body) = words::parts(message);
        words::weighted(title, words::head(body, BODY))
    };
    let read = shares(messages, LEAST, |some| some.iter().map(of).collect::<Vec<_>>());
    read.into_iter().flatten().collect()
}

/// Numbers different names in the order in which they come.
fn numbered<T: Eq + std::hash::Hash>(names: impl Iterator<Item = T>) -> (Vec<u32>, usize) {
    let mut known: HashMap<T, u32> = HashMap::new();
    let numbers = names
        .map(|name| {
            let next = known.len() as u32;
            *known.entry(name).or_insert(next)
        })
        .collect();
    (numbers, known.len())
}

/// The folder of a path; the root is empty.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The name of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Of each folder, whether it is one of tests.
fn of_tests(paths: &[&str], folder_of: &[u32], folders: usize) -> Vec<bool> {
    let mut known: Vec<Option<bool>> = vec![None; folders];
    for (path, at) in paths.iter().zip(folder_of) {
        known[*at as usize].get_or_insert_with(|| is_test(folder(path)));
    }
    known.into_iter().map(|known| known == Some(true)).collect()
}

/// What is behind the last dot of a name; all of a name that has none.
fn extension(path: &str) -> &str {
    let name = name(path);
    name.rsplit_once('.').map_or(name, |(_, extension)| extension)
}

/// Whether a path says that it is one of tests: `test_a.py`, `a_test.go`, `a.spec.ts`, `ATest.java`, `tests/a.rs`.
pub(crate) fn is_test(path: &str) -> bool {
    let mut found = false;
    words::each_part(path, &mut |word| found |= is_test_word(word));
    found
}

/// Whether a word (at its common ending) says so.
pub(crate) fn is_test_word(word: &str) -> bool {
    matches!(word, "test" | "spec" | "testing")
}

/// Whether a path says that it is read by people.
pub(crate) fn is_text(path: &str) -> bool {
    let folders = folder(path).split('/').any(|part| matches!(part, "doc" | "docs"));
    let extension = name(path).rsplit_once('.').map_or("", |(_, extension)| extension);
    folders || matches!(extension, "md" | "rst" | "txt" | "adoc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_paths() {
        for path in [
            "test_a.py",
            "a_test.go",
            "web/a.spec.ts",
            "src/test/java/ATest.java",
            "tests/a.rs",
            "x/__tests__/b.js",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in ["src/latest.rs", "contest.py", "src/lib.rs"] {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn extensions_and_texts() {
        assert_eq!(
            (extension("a/b.rs"), extension("a/Makefile"), extension("a.d/x")),
            ("rs", "Makefile", "x")
        );
        assert!(is_text("README.md") && is_text("docs/conf.py") && !is_text("src/docs.py"));
    }

    #[test]
    fn half_of_a_weight_is_left_after_the_half() {
        assert!((decay(50.0, 50.0) - 0.5).abs() < 1e-12 && (decay(0.0, 9.0) - 1.0).abs() < 1e-12);
    }
}
