//! What git told of commits, kept by their ids.
//!
//! As bytes: a line that names the format, the paths, the commits, and a checksum over all of it
//! (against damage, not against malice). Numbers are little-endian.
//! Whatever is not exactly that (another version's, cut off, damaged) is no cache: one begins with none, and git is
//! asked again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gadugi_core::{CommitId, fingerprint};

use super::{Changed, History, Names};

/// Names the format. A version that writes another one writes another line: neither reads the other's.
const HEAD: &[u8] = b"gadugi history 1\n";

/// Commits that are kept beside those of the last history: other branches have pasts of their own.
const MOST_OTHERS: usize = 4_000;

/// What is known of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    seconds: i64,
    message: Arc<str>,
    /// It went through the whole repository: only its renames count.
    bulk: bool,
    /// Path, and path before.
    changes: Vec<(u32, Option<u32>)>,
}

/// What git told of commits, by their ids.
#[derive(Clone, Debug, Default)]
pub struct HistoryCache {
    commits: HashMap<CommitId, Facts>,
    paths: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl HistoryCache {
    /// Of these commits those that nothing is known of, in their order.
    pub fn unknown(&self, commits: &[CommitId]) -> Vec<CommitId> {
        commits.iter().filter(|commit| !self.commits.contains_key(*commit)).cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// How many commits are known.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Takes up what git told of a commit. `bulk`: it went through the whole repository, and `changes` holds its renames
    /// alone.
    pub fn learn<'a>(
        &mut self,
        commit: CommitId,
        seconds: i64,
        message: &str,
        bulk: bool,
        changes: impl IntoIterator<Item = Changed<'a>>,
    ) {
        let changes = changes
            .into_iter()
            .map(|changed| (self.intern(changed.path), changed.from.map(|from| self.intern(from))))
            .collect();
        self.commits.insert(commit, Facts { seconds, message: message.into(), bulk, changes });
    }

    fn intern(&mut self, path: &str) -> u32 {
        if let Some(known) = self.ids.get(path) {
            return *known;
        }
        let id = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        let path: Arc<str> = path.into();
        self.paths.push(Arc::clone(&path));
        self.ids.insert(path, id);
        id
    }

    /// The history that these commits are, newest first. Those that nothing is known of are left out.
    pub fn history<'a>(&self, commits: impl IntoIterator<Item = &'a CommitId>) -> History {
        let (mut history, mut names) = (History::default(), Names::default());
        for id in commits {
            let Some(facts) = self.commits.get(id) else { continue };
            let renames = || facts.changes.iter().filter_map(|(path, from)| Some(((*from)?, *path)));
            if !facts.bulk {
                let files: Vec<&str> =
                    facts.changes.iter().map(|(path, _)| self.path(names.now(*path))).collect();
                history.push(id.clone(), facts.seconds, Arc::clone(&facts.message), files);
            }
            // All are seen from after the commit: of two files that change names, neither may become the other.
            let back: Vec<(u32, u32)> = renames().map(|(from, to)| (from, names.now(to))).collect();
            renames().for_each(|(_, to)| names.forget(to));
            back.into_iter().for_each(|(from, now)| names.before(from, now));
        }
        history
    }

    /// The files that one commit changed, under all the names that it knew them by; none where it is not known, or went
    /// through the whole repository.
    pub fn files(&self, commit: &CommitId) -> Option<Vec<&str>> {
        let facts = self.commits.get(commit).filter(|facts| !facts.bulk)?;
        let both = facts.changes.iter().flat_map(|(path, from)| [Some(*path), *from]);
        let mut files: Vec<&str> = both.flatten().map(|path| self.path(path)).collect();
        files.sort_unstable();
        files.dedup();
        Some(files)
    }

    fn path(&self, id: u32) -> &str {
        self.paths.get(id as usize).map_or("", |path| path)
    }

    /// All of it but what has lain longest: beside the commits of this history (see [`Self::history`]), the newest of
    /// the others stay.
    pub fn to_bytes(&self, keep: &[CommitId]) -> Vec<u8> {
        let kept: HashSet<&CommitId> = keep.iter().collect();
        let mut others: Vec<(&CommitId, &Facts)> =
            self.commits.iter().filter(|(id, _)| !kept.contains(id)).collect();
        others.sort_unstable_by_key(|(id, facts)| (std::cmp::Reverse(facts.seconds), id.as_str()));
        others.truncate(MOST_OTHERS);
        let first = keep.iter().filter_map(|id| self.commits.get_key_value(id));
        Writer::new(self).all(first.chain(others))
    }

    /// What [`Self::to_bytes`] made; empty where the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Reader::cache(bytes).unwrap_or_default()
    }
}

/// With the format's name before and the checksum behind.
pub(super) fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = [HEAD, body].concat();
    let sum = fingerprint(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Writes commits first and learns on the way which paths they need.
struct Writer<'a> {
    cache: &'a HistoryCache,
    paths: Vec<u8>,
    count: u32,
    numbers: HashMap<u32, u32>,
}

impl<'a> Writer<'a> {
    fn new(cache: &'a HistoryCache) -> Self {
        Self { cache, paths: Vec::new(), count: 0, numbers: HashMap::new() }
    }

    fn all(mut self, commits: impl Iterator<Item = (&'a CommitId, &'a Facts)>) -> Vec<u8> {
        let (mut body, mut count) = (Vec::new(), 0_u32);
        for (id, facts) in commits {
            count += 1;
            text(&mut body, id.as_str());
            body.extend(facts.seconds.to_le_bytes());
            text(&mut body, &facts.message);
            body.push(u8::from(facts.bulk));
            number(&mut body, u32::try_from(facts.changes.len()).unwrap_or(0));
            for (path, from) in &facts.changes {
                let (path, from) = (self.number(*path), from.map_or(0, |from| self.number(from) + 1));
                number(&mut body, path);
                number(&mut body, from);
            }
        }
        let mut bytes = Vec::with_capacity(self.paths.len() + body.len() + 8);
        number(&mut bytes, self.count);
        bytes.extend(self.paths);
        number(&mut bytes, count);
        bytes.extend(body);
        sealed(&bytes)
    }

    fn number(&mut self, path: u32) -> u32 {
        if let Some(known) = self.numbers.get(&path) {
            return *known;
        }
        text(&mut self.paths, self.cache.path(path));
        self.numbers.insert(path, self.count);
        self.count += 1;
        self.count - 1
    }
}

fn number(into: &mut Vec<u8>, value: u32) {
    into.extend(value.to_le_bytes());
}

fn text(into: &mut Vec<u8>, text: &str) {
    number(into, u32::try_from(text.len()).unwrap_or(0));
    into.extend(text.as_bytes());
}

/// What is still to be read. Every step is none where that is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn cache(bytes: &'a [u8]) -> Option<HistoryCache> {
        let (body, sum) = bytes.split_last_chunk::<8>()?;
        if fingerprint(body) != u64::from_le_bytes(*sum) {
            return None;
        }
        let mut reader = Self(body.strip_prefix(HEAD)?);
        let mut cache = HistoryCache::default();
        for _ in 0..reader.number()? {
            let path = reader.text()?;
            cache.intern(path);
        }
        for _ in 0..reader.number()? {
            let id = CommitId::new(reader.text()?);
            let facts = reader.facts(cache.paths.len())?;
            cache.commits.insert(id, facts);
        }
        reader.0.is_empty().then_some(cache)
    }

    fn facts(&mut self, paths: usize) -> Option<Facts> {
        let seconds = i64::from_le_bytes(self.chunk()?);
        let message = self.text()?.into();
        let [bulk] = self.chunk()?;
        let mut changes = Vec::new();
        for _ in 0..self.number()? {
            let (path, from) = (self.number()?, self.number()?.checked_sub(1));
            if path.max(from.unwrap_or(0)) as usize >= paths {
                return None;
            }
            changes.push((path, from));
        }
        Some(Facts { seconds, message, bulk: bulk != 0, changes })
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn number(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
