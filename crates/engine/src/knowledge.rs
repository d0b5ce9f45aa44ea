//! What a plan is made from beside the prompts: a map of the base, the commits before it, and what tasks of earlier runs came
//! to.
//!
//! Map and commits are read through git and understood by the analysis, which keeps what it has understood: in
//! `.gadugi/analysis/`, by blob and by commit, so that a plan reads what changed since the one before. Those files are no
//! state: where one is damaged, of another version, or cannot be written, everything is read anew. Earlier tasks are
//! read from the database beside an engine that may live; a plan is made without them where that cannot be read.

use std::io;
use std::path::Path;

use gadugi_analysis::history::{Changed, History, HistoryCache, MOST_COMMITS};
use gadugi_analysis::map::{self, BlobId, Blobs, Content, MapCache, RepositoryMap, TreeEntry};
use gadugi_core::{CommitId, PastTask};
use gadugi_store::{Store, StoreError};
use gadugi_sys::files;
use gadugi_workspace::{Blob, BlobReader, Entry, EntryKind, Error, MOST_FILES, Repository};
use thiserror::Error;

use crate::layout::Layout;

/// So many earlier tasks are learnt from, the latest.
const MOST_TASKS: usize = 2_000;

/// Bytes of a file that is kept, at most: records of 256 MiB, which is the most that a map has, and the names in them.
const MOST_KEPT: u64 = 384 << 20;

/// What is known of a repository at one commit.
#[derive(Debug)]
pub struct Knowledge {
    /// Its files, and what they define.
    pub map: RepositoryMap,
    /// The commits before it.
    pub history: History,
    /// What tasks of earlier runs came to, the latest first.
    pub past: Vec<PastTask>,
    /// Why there are none, where that has another reason than that there were none.
    pub forgotten: Option<StoreError>,
}

/// Why nothing can be known.
#[derive(Debug, Error)]
pub enum KnowledgeError {
    /// Git cannot tell of the commit.
    #[error(transparent)]
    Git(#[from] Error),
    /// What lies at the commit cannot be told: something is damaged, or, in a partial clone, elsewhere.
    #[error("the files of the base cannot be listed: {0}")]
    Tree(#[source] Error),
    /// Files of the commit cannot be read.
    #[error("the files of the base cannot be read: {0}")]
    Blobs(#[source] io::Error),
}

/// Gathers what is known at a commit.
pub fn gather(
    repository: &Repository,
    layout: &Layout,
    base: &CommitId,
) -> Result<Knowledge, KnowledgeError> {
    std::thread::scope(|scope| {
        let history = scope.spawn(|| history(repository, layout, base));
        let map = map(repository, layout, base)?;
        let mut history = history.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let (past, forgotten) = match past(&layout.database()) {
            Ok(past) => (past, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        history.learn_tasks(&past);
        Ok(Knowledge { map, history, past, forgotten })
    })
}

fn map(repository: &Repository, layout: &Layout, base: &CommitId) -> Result<RepositoryMap, KnowledgeError> {
    let entries =
        repository.tree_entries(base).map_err(KnowledgeError::Tree)?.into_iter().filter_map(entry).collect();
    let file = layout.analysis().join("map");
    let mut cache = MapCache::from_bytes(&kept(layout, &file));
    let map = RepositoryMap::build(entries, &BlobsOf(repository), &mut cache);
    let map = map.map_err(KnowledgeError::Blobs)?;
    if cache.is_changed() {
        keep(layout, &file, &cache.to_bytes());
    }
    Ok(map)
}

fn history(repository: &Repository, layout: &Layout, base: &CommitId) -> Result<History, Error> {
    let file = layout.analysis().join("history");
    let mut cache = HistoryCache::from_bytes(&kept(layout, &file));
    let commits = repository.past(base, MOST_COMMITS)?;
    let unknown = cache.unknown(&commits);
    for facts in repository.commit_facts(&unknown)? {
        let bulk = facts.files > MOST_FILES;
        let changes = facts.changes.iter();
        let changes = changes.map(|change| Changed { path: &change.path, from: change.from.as_deref() });
        cache.learn(facts.id, facts.seconds, &facts.message, bulk, changes);
    }
    if !unknown.is_empty() {
        keep(layout, &file, &cache.to_bytes(&commits));
    }
    Ok(cache.history(&commits))
}

fn past(database: &Path) -> Result<Vec<PastTask>, StoreError> {
    if !database.exists() {
        return Ok(Vec::new());
    }
    Store::open_to_read(database)?.past_tasks(MOST_TASKS)
}

/// Nothing where that is something else by now.
fn kept(layout: &Layout, file: &Path) -> Vec<u8> {
    if !lies_here(layout) {
        return Vec::new();
    }
    files::read_own(file, MOST_KEPT).unwrap_or_default()
}

/// Whether the folder is below the repository: a repository may come with a link of that name, which leads anywhere.
fn lies_here(layout: &Layout) -> bool {
    [layout.state_dir(), layout.analysis()].iter().all(|dir| files::is_own_dir(dir))
}

/// Keeps what was understood, where that can be: a repository on a disk that is full, or that cannot be written, is
/// analysed all the same.
fn keep(layout: &Layout, file: &Path, bytes: &[u8]) {
    let own = |dir: &Path| match files::is_own_dir(dir) {
        true => Ok(()),
        false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
    };
    let (state, folder) = (layout.state_dir(), layout.analysis());
    let kept = files::create_private_dir(&state)
        .and_then(|()| own(&state))
        .and_then(|()| files::create_ignored_dir(&state))
        .and_then(|()| files::create_private_dir(&folder))
        .and_then(|()| own(&folder))
        .and_then(|()| files::write_atomic(file, bytes));
    if let Err(error) = kept {
        tracing::debug!(file = %file.display(), %error, "not kept");
    }
}

fn entry(entry: Entry) -> Option<TreeEntry> {
    let kind = match entry.kind {
        EntryKind::File => map::EntryKind::File,
        EntryKind::Symlink => map::EntryKind::Symlink,
        EntryKind::Submodule => map::EntryKind::Submodule,
    };
    Some(TreeEntry { id: BlobId::from_hex(&entry.id)?, path: entry.path, kind })
}

/// The blobs of a repository, each reader with a git of its own.
struct BlobsOf<'a>(&'a Repository);

struct Reader(BlobReader);

impl Blobs for BlobsOf<'_> {
    fn reader(&self) -> io::Result<Box<dyn map::BlobReader + '_>> {
        Ok(Box::new(Reader(self.0.blob_reader().map_err(io::Error::other)?)))
    }
}

impl map::BlobReader for Reader {
    fn read(
        &mut self,
        ids: &[BlobId],
        most: u64,
        each: &mut dyn FnMut(usize, Content<'_>),
    ) -> io::Result<()> {
        let names: Vec<String> = ids.iter().map(BlobId::to_string).collect();
        let read = self.0.read(names.iter().map(String::as_str), most, |at, blob| {
            each(
                at,
                match blob {
                    Blob::Bytes(bytes) => Content::Bytes(bytes),
                    Blob::Larger => Content::Larger,
                    Blob::Missing => Content::Missing,
                },
            );
        });
        read.map_err(io::Error::other)
    }
}
