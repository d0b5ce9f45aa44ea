//! What files are known to hold, kept from one plan to the next.
//!
//! Facts depend on nothing but a file's bytes and the adapter that read them, so they are kept by the id of the blob, the
//! language and the adapter's version: what did not change is never parsed again, on whichever branch it is. All of it
//! is one file, which the caller reads and replaces. Where that is missing, damaged, from another version or no such file
//! at all, the cache is empty and everything is parsed anew: nothing in it is worth an error.
//!
//! ```text
//! "gadugi map\n"   format   crc32 of the rest
//! languages: n, n × (name, version)
//! vocabulary: n, n × length, text
//! records: n, n × (blob id, language, age, length), bytes
//! ```

use std::sync::Arc;

use hashbrown::HashMap;

use super::entry::BlobId;
use super::facts::{Facts, Skipped};
use super::languages::{self, LanguageId};
use super::record::{self, Reader, Record, put};
use super::vocabulary::Vocabulary;

/// The first bytes of the file.
const MARK: &[u8] = b"gadugi map\n";

/// The format that this program reads and writes. A reader of another one sees an empty cache.
const FORMAT: u32 = 1;

/// How many files are kept that the last tree does not have: those of other branches and of commits before. With about
/// 200 bytes for each, they take 4 MB.
pub const MOST_OTHERS: usize = 20_000;

/// Bytes of records that one cache holds at most: those of ten times the files that gadugi is measured with. What does
/// not fit is parsed each time.
const MOST_RECORDS: usize = 256 << 20;

/// What a record is found by.
pub(crate) type Key = ([u8; 20], LanguageId);

/// A record's place.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    length: u32,
    /// The build that needed it last.
    used: u32,
}

/// Records and the names in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) words: Vocabulary,
    bytes: Vec<u8>,
    records: HashMap<Key, Place>,
}

/// Where a record lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordAt {
    start: u32,
    length: u32,
}

impl Store {
    /// The record that lies there.
    pub(crate) fn record(&self, at: RecordAt) -> Record<'_> {
        let (start, length) = (at.start as usize, at.length as usize);
        Record::trusted(self.bytes.get(start..start + length).unwrap_or_default())
    }
}

/// Facts of files by what they hold. See the module for what is kept.
#[derive(Clone, Debug, Default)]
pub struct MapCache {
    store: Arc<Store>,
    /// Counts builds, so that what was needed lately is told from what was not.
    generation: u32,
    changed: bool,
}

impl MapCache {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cache that these bytes are; an empty one where they are none. Whatever the bytes are, this neither panics nor
    /// takes more memory than a few times their number.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match read(bytes) {
            Some((store, generation)) => Self { store: Arc::new(store), generation, changed: false },
            None => Self { changed: !bytes.is_empty(), ..Self::default() },
        }
    }

    /// What is to be kept: all that the last build needed, and of the rest what was needed most lately, at most
    /// [`MOST_OTHERS`].
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&self.store, self.generation, &self.kept())
    }

    /// Whether it holds something that the bytes it was made from do not.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// How many files it knows.
    pub fn len(&self) -> usize {
        self.store.records.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a build: what is looked up from now on is what it needs.
    pub(crate) fn begin(&mut self) {
        self.generation = self.generation.saturating_add(1);
    }

    /// Whether it has a record; it is needed then.
    pub(crate) fn needs(&mut self, keys: impl Iterator<Item = Key>) -> Vec<Option<RecordAt>> {
        let generation = self.generation;
        let store = Arc::make_mut(&mut self.store);
        let look_up = |key| {
            let place: &mut Place = store.records.get_mut(&key)?;
            place.used = generation;
            Some(RecordAt { start: place.start, length: place.length })
        };
        keys.map(look_up).collect()
    }

    /// Takes in what was found in a file. None where there is no room.
    pub(crate) fn learn(&mut self, key: Key, found: &Result<Facts<'_>, Skipped>) -> Option<RecordAt> {
        let generation = self.generation;
        let store = Arc::make_mut(&mut self.store);
        let start = store.bytes.len();
        if start > MOST_RECORDS {
            return None;
        }
        match found {
            Ok(facts) => record::encode(facts, &mut store.words, &mut store.bytes),
            Err(why) => record::encode_skipped(*why, &mut store.bytes),
        }
        let length = u32::try_from(store.bytes.len() - start).ok()?;
        let at = RecordAt { start: u32::try_from(start).ok()?, length };
        store.records.insert(key, Place { start: at.start, length, used: generation });
        self.changed = true;
        Some(at)
    }

    /// Ends a build: where much more is held than would be kept, the rest is forgotten. Places that were given out are
    /// void then: gives whether that is so.
    pub(crate) fn end(&mut self, needed: usize) -> bool {
        let crowded = self.len() > 2 * (needed + MOST_OTHERS) || self.store.bytes.len() > MOST_RECORDS;
        if crowded && let Some((store, _)) = read(&self.to_bytes()) {
            self.store = Arc::new(store);
            return true;
        }
        false
    }

    /// What the records lie in.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    fn kept(&self) -> Vec<(Key, Place)> {
        let all = self.store.records.iter().map(|(key, place)| (*key, *place));
        let (mut kept, mut others): (Vec<_>, Vec<_>) =
            all.partition(|(_, place)| place.used == self.generation);
        others.sort_unstable_by_key(|(key, place)| (std::cmp::Reverse(place.used), *key));
        others.truncate(MOST_OTHERS);
        kept.append(&mut others);
        // The same facts are the same bytes.
        kept.sort_unstable_by_key(|(key, _)| *key);
        kept
    }
}

/// What the record of a blob is found by.
pub(crate) fn key(blob: &BlobId, language: LanguageId) -> Key {
    (blob.short(), language)
}

fn write(store: &Store, generation: u32, kept: &[(Key, Place)]) -> Vec<u8> {
    let mut numbers = vec![0; store.words.len()];
    let mut used: Vec<u32> = vec![0];
    let mut records = Vec::with_capacity(store.bytes.len());
    let mut table = Vec::with_capacity(kept.len() * 26);
    for ((blob, language), place) in kept {
        let before = records.len();
        let record = store.record(RecordAt { start: place.start, length: place.length });
        record.renumbered(
            &mut |id| {
                let Some(number) = numbers.get_mut(id as usize) else { return 0 };
                if *number == 0 && id > 0 {
                    *number = used.len() as u32;
                    used.push(id);
                }
                *number
            },
            &mut records,
        );
        table.extend_from_slice(blob);
        put(&mut table, u32::from(*language));
        put(&mut table, generation.saturating_sub(place.used));
        put(&mut table, (records.len() - before) as u32);
    }
    let mut rest = Vec::with_capacity(records.len() + table.len() + store.words.parts().0.len());
    put(&mut rest, languages::ALL.len() as u32);
    for language in languages::ALL {
        put(&mut rest, language.name().len() as u32);
        rest.extend_from_slice(language.name().as_bytes());
        put(&mut rest, language.version());
    }
    put(&mut rest, used.len() as u32);
    used.iter().for_each(|id| put(&mut rest, store.words.get(*id).len() as u32));
    used.iter().for_each(|id| rest.extend_from_slice(store.words.get(*id).as_bytes()));
    put(&mut rest, kept.len() as u32);
    rest.extend_from_slice(&table);
    rest.extend_from_slice(&records);

    let mut bytes = MARK.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&rest).to_le_bytes());
    bytes.extend_from_slice(&rest);
    bytes
}

/// None where the bytes are no cache. Gives the generation too: that of what was needed last.
fn read(bytes: &[u8]) -> Option<(Store, u32)> {
    let rest = bytes.strip_prefix(MARK)?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*format) != FORMAT || u32::from_le_bytes(*sum) != crc32fast::hash(rest) {
        return None;
    }
    read_rest(&mut Reader::new(rest))
}

/// The same without mark and sum: what is checked here is checked because a sum can be made to fit.
fn read_rest(reader: &mut Reader<'_>) -> Option<(Store, u32)> {
    let known = languages_of(reader)?;
    let words = vocabulary_of(reader)?;
    let count = reader.number()? as usize;
    // Each takes 23 bytes at least: a count beyond that is a lie.
    if count > reader.rest().len() / 23 {
        return None;
    }
    let mut table = Vec::with_capacity(count);
    for _ in 0..count {
        let blob: [u8; 20] = reader.take(20)?.try_into().ok()?;
        table.push((blob, reader.number()?, reader.number()?, reader.number()?));
    }
    let bytes = reader.rest();
    let mut records = HashMap::with_capacity(count);
    let mut start = 0;
    let generation = table.iter().map(|(_, _, age, _)| *age).max().unwrap_or_default();
    for (blob, language, age, length) in table {
        let end = start + length as usize;
        Record::check(bytes.get(start..end)?, words.len())?;
        if let Some(language) = *known.get(language as usize)? {
            let place = Place { start: u32::try_from(start).ok()?, length, used: generation - age };
            records.insert((blob, language), place);
        }
        start = end;
    }
    (start == bytes.len()).then(|| (Store { words, bytes: bytes.to_vec(), records }, generation))
}

/// What the languages of a file are here: none for one that is unknown or has another version.
fn languages_of(reader: &mut Reader<'_>) -> Option<Vec<Option<LanguageId>>> {
    let mut known = Vec::new();
    for _ in 0..reader.number()? {
        let length = reader.number()? as usize;
        let (name, version) = (reader.take(length)?, reader.number()?);
        let same = |language: &&dyn languages::Language| {
            language.name().as_bytes() == name && language.version() == version
        };
        known.push(languages::ALL.iter().position(same).and_then(|at| LanguageId::try_from(at).ok()));
    }
    Some(known)
}

fn vocabulary_of(reader: &mut Reader<'_>) -> Option<Vocabulary> {
    let count = reader.number()? as usize;
    // Each length is a byte at least.
    if count > reader.rest().len() {
        return None;
    }
    let mut ends = Vec::with_capacity(count);
    let mut end = 0_u32;
    for _ in 0..count {
        end = end.checked_add(reader.number()?)?;
        ends.push(end);
    }
    let text = std::str::from_utf8(reader.take(end as usize)?).ok()?;
    Vocabulary::from_parts(text.to_owned(), ends)
}

#[cfg(test)]
mod tests;
