use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::map::testing::{Memory, imports, symbols};
use crate::map::{RepositoryMap, TreeEntry};

const FILES: [(&str, &[u8]); 5] = [
    ("pkg/__init__.py", b"from .a import A, missing as other\n"),
    ("pkg/a.py", b"LIMIT = 1\nclass A:\n    def run(self): pass\n"),
    ("go.mod", b"module example.org/x\n"),
    ("x/x.go", b"package x\n\nfunc Run() {}\n"),
    ("big.js", b"\0"),
];

fn filled() -> (Memory, Vec<TreeEntry>, MapCache, RepositoryMap) {
    let mut memory = Memory::default();
    let entries = memory.tree(&FILES);
    let mut cache = MapCache::new();
    let map = RepositoryMap::build(entries.clone(), &memory, &mut cache).unwrap();
    (memory, entries, cache, map)
}

fn whole(map: &RepositoryMap) -> Vec<(Vec<String>, Vec<String>)> {
    FILES.iter().map(|(path, _)| (symbols(map, path), imports(map, path))).collect()
}

#[test]
fn what_was_kept_is_not_read_again() {
    let (memory, entries, cache, map) = filled();
    assert!(cache.is_changed());
    let mut loaded = MapCache::from_bytes(&cache.to_bytes());
    let asked = memory.asked.load(Ordering::Relaxed);
    let again = RepositoryMap::build(entries, &memory, &mut loaded).unwrap();
    assert_eq!(memory.asked.load(Ordering::Relaxed), asked);
    assert!(!loaded.is_changed());
    assert_eq!(whole(&again), whole(&map));
    assert_eq!(loaded.to_bytes(), cache.to_bytes(), "the same facts are the same bytes");
}

#[test]
fn only_what_changed_is_read() {
    let (mut memory, _, mut cache, before) = filled();
    let mut files = FILES.to_vec();
    files[1].1 = b"class B: pass\n";
    files.push(("copy.py", FILES[0].1));
    let entries = memory.tree(&files);
    let asked = memory.asked.load(Ordering::Relaxed);
    let map = RepositoryMap::build(entries, &memory, &mut cache).unwrap();
    assert_eq!(memory.asked.load(Ordering::Relaxed), asked + 1);
    assert_eq!(symbols(&map, "pkg/a.py"), ["B Class@1"]);
    // A map stays what it was, whatever the cache learns.
    assert_eq!(symbols(&before, "pkg/a.py")[0], "LIMIT Constant@1");
    // The way back to the other branch is warm.
    let mut loaded = MapCache::from_bytes(&cache.to_bytes());
    let entries = memory.tree(&FILES);
    let asked = memory.asked.load(Ordering::Relaxed);
    RepositoryMap::build(entries, &memory, &mut loaded).unwrap();
    assert_eq!(memory.asked.load(Ordering::Relaxed), asked);
}

#[test]
fn what_is_kept_of_other_trees_is_bounded() {
    let (mut memory, entries, mut cache, _) = filled();
    let texts: Vec<(String, String)> =
        (0..MOST_OTHERS + 500).map(|n| (format!("f{n}.py"), format!("name{n} = 1\n"))).collect();
    let files: Vec<(&str, &[u8])> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    RepositoryMap::build(memory.tree(&files), &memory, &mut cache).unwrap();
    RepositoryMap::build(entries.clone(), &memory, &mut cache).unwrap();
    assert_eq!(MapCache::from_bytes(&cache.to_bytes()).len(), FILES.len() + MOST_OTHERS);
    // In one process, too: trees that have nothing in common, one after another.
    for round in 0..3 {
        let texts: Vec<(String, String)> =
            texts.iter().map(|(path, text)| (path.clone(), format!("{text}round = {round}\n"))).collect();
        let files: Vec<(&str, &[u8])> =
            texts.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let map = RepositoryMap::build(memory.tree(&files), &memory, &mut cache).unwrap();
        assert_eq!(map.symbols(map.files().next().unwrap()).count(), 2);
        assert!(cache.len() <= 2 * (texts.len() + MOST_OTHERS), "{}", cache.len());
    }
    let map = RepositoryMap::build(entries, &memory, &mut cache).unwrap();
    assert_eq!(symbols(&map, "pkg/a.py").len(), 3);
}

#[test]
fn other_versions_are_no_caches() {
    let bytes = filled().2.to_bytes();
    assert_eq!(MapCache::from_bytes(&bytes).len(), FILES.len());
    let mut format = bytes.clone();
    format[MARK.len()] += 1;
    for other in [&b""[..], b"gadugi map\n", &format, &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()]
    {
        assert!(MapCache::from_bytes(other).is_empty());
    }
    // An adapter that reads otherwise since: its facts are gone, those of the others are not.
    let at = bytes.windows(6).position(|some| some == b"python").unwrap() + 6;
    let mut version = bytes;
    version[at] += 1;
    let mut resealed = MapCache::from_bytes(&sealed(&version));
    assert_eq!(resealed.len(), 3);
    let (memory, entries, ..) = filled();
    let map = RepositoryMap::build(entries, &memory, &mut resealed).unwrap();
    assert_eq!(symbols(&map, "pkg/a.py").len(), 3);
}

/// The same bytes with a sum that fits.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let start = MARK.len() + 8;
    if bytes.len() >= start {
        let sum = crc32fast::hash(&bytes[start..]).to_le_bytes();
        bytes[MARK.len() + 4..start].copy_from_slice(&sum);
    }
    bytes
}

/// Asks a cache everything, and builds with it.
fn use_all(cache: &mut MapCache) {
    let (memory, entries, ..) = filled();
    let map = RepositoryMap::build(entries, &memory, cache).unwrap();
    let _ = (whole(&map), map.word_count(), map.definitions("A"), map.module("pkg.a"));
    let _ = MapCache::from_bytes(&cache.to_bytes()).len();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bytes_of_anybody_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(MapCache::from_bytes(&bytes).is_empty());
        let mut whole = MARK.to_vec();
        whole.extend_from_slice(&FORMAT.to_le_bytes());
        whole.extend_from_slice(&[0; 4]);
        whole.extend_from_slice(&bytes);
        use_all(&mut MapCache::from_bytes(&sealed(&whole)));
    }

    #[test]
    fn a_cache_with_a_byte_changed_is_empty(at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let mut bytes = filled().2.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(MapCache::from_bytes(&bytes).is_empty());
    }

    #[test]
    fn a_cache_that_was_changed_on_purpose_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = filled().2.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        use_all(&mut MapCache::from_bytes(&sealed(&bytes)));
    }
}
