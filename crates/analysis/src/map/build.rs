//! Making the map: which files are new, reading and parsing those on every processor, and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use tree_sitter::Parser;

use super::RepositoryMap;
use super::cache::{Key, MapCache, key};
use super::entry::{BlobId, Blobs, Content, EntryKind, TreeEntry};
use super::extract::{self, MOST_BYTES};
use super::facts::{Facts, Skipped};
use super::files::Files;
use super::languages::{self, Reads};
use super::project::Known;

/// Files that one thread asks for at once. Their ids fit into a pipe (64 KiB) four times, so that asking never waits
/// for an answer to be read; and few enough that no thread is left with much to do when the others are done.
const AT_ONCE: usize = 128;

/// Fewer files than this are not worth a thread more.
const WORTH_A_THREAD: usize = 64;

/// The most threads: each has a process of git beside it and holds a file and its tree.
const MOST_THREADS: usize = 16;

/// Something to be parsed.
struct Wanted<'p> {
    key: Key,
    id: BlobId,
    reads: Reads,
    path: &'p str,
}

pub(super) fn build(
    mut entries: Vec<TreeEntry>,
    blobs: &dyn Blobs,
    cache: &mut MapCache,
) -> io::Result<RepositoryMap> {
    entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    entries.dedup_by(|one, other| one.path == other.path);
    let mut known: Vec<Known> = entries
        .iter()
        .map(|entry| {
            let file = entry.kind == EntryKind::File;
            Known { language: languages::of(&entry.path).filter(|_| file), record: None }
        })
        .collect();
    let keys: Vec<Option<Key>> = entries
        .iter()
        .zip(&known)
        .map(|(entry, known)| known.language.map(|(language, _)| key(&entry.id, language)))
        .collect();
    cache.begin();
    let found = cache.needs(keys.iter().flatten().copied());
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    let mut found = found.into_iter();
    for ((entry, known), key) in entries.iter().zip(&mut known).zip(&keys) {
        let (Some(key), Some((_, reads))) = (*key, known.language) else { continue };
        known.record = found.next().flatten();
        if known.record.is_none() {
            wanted.push(Wanted { key, id: entry.id, reads, path: &entry.path });
        }
    }
    let fresh = !wanted.is_empty();
    // Copies of one file are parsed once.
    wanted.sort_by(|one, other| (one.key, one.path).cmp(&(other.key, other.path)));
    wanted.dedup_by(|one, other| one.key == other.key);
    // In the order of the paths, which is about that of the pack.
    wanted.sort_unstable_by(|one, other| one.path.cmp(other.path));
    read_all(&wanted, blobs, cache)?;
    let needed = keys.iter().flatten().count();
    if cache.end(needed) || fresh {
        let found = cache.needs(keys.iter().flatten().copied());
        let mine = known.iter_mut().filter(|known| known.language.is_some());
        mine.zip(found).for_each(|(known, record)| known.record = record);
    }
    let paths = entries.into_iter().map(|entry| entry.path.into_boxed_str()).collect();
    Ok(RepositoryMap::new(Files::new(paths), known, cache.store()))
}

/// Reads and parses what is wanted, on as many threads as there are processors. What was found before an error is kept.
fn read_all(wanted: &[Wanted<'_>], blobs: &dyn Blobs, cache: &mut MapCache) -> io::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let processors = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let threads = processors.min(wanted.len().div_ceil(WORTH_A_THREAD));
    let (next, cache) = (AtomicUsize::new(0), Mutex::new(cache));
    let learn = |key, found: &Result<Facts<'_>, Skipped>| {
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.learn(key, found);
    };
    let work = || -> io::Result<()> {
        let mut reader = blobs.reader()?;
        let mut parser = Parser::new();
        loop {
            let start = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let Some(some) = wanted.get(start..wanted.len().min(start + AT_ONCE)) else { return Ok(()) };
            if some.is_empty() {
                return Ok(());
            }
            let ids: Vec<BlobId> = some.iter().map(|one| one.id).collect();
            reader.read(&ids, MOST_BYTES, &mut |at, content| {
                if let Some(one) = some.get(at) {
                    take(one, content, &mut parser, &learn);
                }
            })?;
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the map panicked")))
        });
        theirs.fold(mine, Result::and)
    })
}

fn take(
    one: &Wanted<'_>,
    content: Content<'_>,
    parser: &mut Parser,
    learn: &dyn Fn(Key, &Result<Facts<'_>, Skipped>),
) {
    let bytes = match content {
        Content::Bytes(bytes) => bytes,
        Content::Larger => return learn(one.key, &Err(Skipped::Large)),
        // Another time it may be there: nothing is kept.
        Content::Missing => return,
    };
    match extract::decode(bytes) {
        Ok(text) => {
            let language = languages::get(one.key.1);
            learn(one.key, &extract::facts(parser, language, one.reads, one.path, &text));
        }
        Err(why) => learn(one.key, &Err(why)),
    }
}
