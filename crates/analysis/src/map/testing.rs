//! What the map's tests have in common: a tree in memory.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BlobId, BlobReader, Blobs, Content, EntryKind, RepositoryMap, TreeEntry};

/// Blobs in memory, and how many were asked for.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    blobs: HashMap<BlobId, Vec<u8>>,
    pub(crate) asked: AtomicUsize,
}

impl Memory {
    /// Entries of these files.
    pub(crate) fn tree(&mut self, files: &[(&str, &[u8])]) -> Vec<TreeEntry> {
        let entry = |(path, bytes): &(&str, &[u8])| {
            let id = id_of(bytes);
            self.blobs.insert(id, bytes.to_vec());
            TreeEntry { path: (*path).to_owned(), id, kind: EntryKind::File }
        };
        files.iter().map(entry).collect()
    }
}

/// An id that no other bytes of a test have.
pub(crate) fn id_of(bytes: &[u8]) -> BlobId {
    let half = |seed: u64| {
        bytes.iter().fold(seed, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let (one, two) = (half(0xcbf2_9ce4_8422_2325), half(bytes.len() as u64));
    BlobId::from_hex(&format!("{one:016x}{two:016x}{:08x}", bytes.len())).unwrap()
}

impl Blobs for Memory {
    fn reader(&self) -> io::Result<Box<dyn BlobReader + '_>> {
        Ok(Box::new(self))
    }
}

impl BlobReader for &Memory {
    fn read(
        &mut self,
        ids: &[BlobId],
        most: u64,
        each: &mut dyn FnMut(usize, Content<'_>),
    ) -> io::Result<()> {
        for (at, id) in ids.iter().enumerate() {
            self.asked.fetch_add(1, Ordering::Relaxed);
            each(
                at,
                match self.blobs.get(id) {
                    Some(bytes) if bytes.len() as u64 > most => Content::Larger,
                    Some(bytes) => Content::Bytes(bytes),
                    None => Content::Missing,
                },
            );
        }
        Ok(())
    }
}

/// The map of these files.
pub(crate) fn map_of(files: &[(&str, &str)]) -> RepositoryMap {
    RepositoryMap::of_texts(files).unwrap()
}

/// What a file defines: `owner.name kind@line`, a dash behind what is not exported.
pub(crate) fn symbols(map: &RepositoryMap, path: &str) -> Vec<String> {
    let symbol = |symbol: super::Definition<'_>| {
        let owner = symbol.owner.map(|owner| format!("{owner}.")).unwrap_or_default();
        let hidden = if symbol.exported { "" } else { " -" };
        format!("{owner}{} {:?}@{}{hidden}", symbol.name, symbol.kind, symbol.line)
    };
    map.symbols(map.file(path).unwrap()).map(symbol).collect()
}

/// What a file imports: `raw(names) -> files`.
pub(crate) fn imports(map: &RepositoryMap, path: &str) -> Vec<String> {
    let import = |import: super::Import<'_>| {
        let name = |name: &super::ImportedName<'_>| match name.alias {
            Some(alias) => format!("{} as {alias}", name.name),
            None => name.name.to_owned(),
        };
        let names: Vec<String> = import.names.iter().map(name).collect();
        let files: Vec<&str> = import.files.iter().map(|file| map.path(*file)).collect();
        let names = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        format!("{}{names} -> {}", import.raw, files.join(" ")).trim_end().to_owned()
    };
    map.imports(map.file(path).unwrap()).into_iter().map(import).collect()
}

/// Paths of files.
pub(crate) fn paths<'m>(map: &'m RepositoryMap, files: &[super::FileId]) -> Vec<&'m str> {
    files.iter().map(|file| map.path(*file)).collect()
}
