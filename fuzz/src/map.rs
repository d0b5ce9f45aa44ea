//! The map of a repository: sources, manifests, and a cache that somebody damaged.

use std::io;

use gadugi_analysis::map::{
    BlobId, BlobReader, Blobs, Content, EntryKind, MapCache, RepositoryMap, TreeEntry,
};

/// What the bytes can be the content of. The first of them chooses.
const NAMES: [&str; 16] = [
    "a.py",
    "a.rs",
    "a.ts",
    "a.tsx",
    "a.js",
    "a.go",
    "a.java",
    "a.c",
    "a.cpp",
    "a.h",
    "Cargo.toml",
    "package.json",
    "tsconfig.json",
    "go.mod",
    "pyproject.toml",
    "cache",
];

/// One blob, whatever is asked for.
struct One<'b>(&'b [u8]);

impl Blobs for One<'_> {
    fn reader(&self) -> io::Result<Box<dyn BlobReader + '_>> {
        Ok(Box::new(One(self.0)))
    }
}

impl BlobReader for One<'_> {
    fn read(
        &mut self,
        ids: &[BlobId],
        _most: u64,
        each: &mut dyn FnMut(usize, Content<'_>),
    ) -> io::Result<()> {
        (0..ids.len()).for_each(|at| each(at, Content::Bytes(self.0)));
        Ok(())
    }
}

/// The map of empty files.
pub(crate) fn of_names(names: &[&str]) -> RepositoryMap {
    let id = BlobId::from_hex(&"0".repeat(40)).expect("forty digits");
    let entry = |path: &&str| TreeEntry { path: (*path).to_owned(), id, kind: EntryKind::File };
    let entries = names.iter().map(entry).collect();
    RepositoryMap::build(entries, &One(b""), &mut MapCache::new()).expect("memory can be read")
}

/// Whatever the bytes are: a map is made, every question has an answer, and what was kept of it gives the same map.
pub fn map(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let mut cache = if name == "cache" { MapCache::from_bytes(bytes) } else { MapCache::new() };
    let id = BlobId::from_hex(&"1".repeat(40)).expect("forty digits");
    let entry = |path: &str| TreeEntry { path: path.to_owned(), id, kind: EntryKind::File };
    let entries = || vec![entry(name), entry("src/lib.rs")];
    let blobs = One(bytes);
    let map = RepositoryMap::build(entries(), &blobs, &mut cache).expect("memory can be read");
    let mut kept = MapCache::from_bytes(&cache.to_bytes());
    let again = RepositoryMap::build(entries(), &blobs, &mut kept).expect("memory can be read");
    for file in map.files() {
        let symbols: Vec<_> = map.symbols(file).collect();
        assert!(symbols.iter().eq(again.symbols(file).collect::<Vec<_>>().iter()));
        assert_eq!(map.imports(file), again.imports(file));
        for symbol in symbols {
            assert!(map.definitions(symbol.name).iter().any(|known| known.file == file));
        }
        let _ = (map.importers(file), map.tests_of(file), map.words(file).count());
    }
}
