use std::sync::atomic::Ordering;

use super::*;
use crate::map::testing::{Memory, id_of, imports, map_of, symbols};
use crate::map::{BlobId, EntryKind, MapCache, RepositoryMap, TreeEntry};

/// The map of bytes.
fn map_of_bytes(files: &[(&str, &[u8])]) -> RepositoryMap {
    let mut memory = Memory::default();
    let entries = memory.tree(files);
    RepositoryMap::build(entries, &memory, &mut MapCache::new()).unwrap()
}

/// Every extension that a language reads.
const ALL: [&str; 12] = ["py", "pyi", "rs", "ts", "tsx", "js", "go", "java", "c", "h", "cpp", "hpp"];

#[test]
fn text_is_read_however_it_is_encoded() {
    let source = "class Größe: pass\n";
    let utf16 = |little: bool| -> Vec<u8> {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        source.encode_utf16().flat_map(bytes).collect()
    };
    let latin: Vec<u8> = source.chars().map(|c| u32::from(c) as u8).collect();
    for bytes in [
        source.as_bytes().to_vec(),
        [b"\xef\xbb\xbf".to_vec(), source.as_bytes().to_vec()].concat(),
        [b"\xff\xfe".to_vec(), utf16(true)].concat(),
        [b"\xfe\xff".to_vec(), utf16(false)].concat(),
        utf16(true),
        utf16(false),
        latin,
    ] {
        let map = map_of_bytes(&[("a.py", &bytes)]);
        assert_eq!(symbols(&map, "a.py"), ["Größe Class@1"], "{bytes:?}");
    }
}

#[test]
fn what_is_no_source_is_known_by_its_path() {
    let long_line = format!("var a = '{}';\n", "x".repeat(LONGEST_LINE));
    let minified = format!("{}\n", "function a(){return 1}".repeat(30)).repeat(50);
    let map = map_of_bytes(&[
        ("picture.js", b"\x89PNG\r\n\0\0\0\x0dIHDR"),
        ("long.js", long_line.as_bytes()),
        ("minified.js", minified.as_bytes()),
        ("empty.js", b""),
        ("notes.txt", b"class A: pass"),
    ]);
    let skipped = |path: &str| map.skipped(map.file(path).unwrap());
    assert_eq!(skipped("picture.js"), Some(Skipped::Binary));
    assert_eq!(skipped("long.js"), Some(Skipped::Generated));
    assert_eq!(skipped("minified.js"), Some(Skipped::Generated));
    assert_eq!((skipped("empty.js"), skipped("notes.txt")), (None, None));
    assert!(map.files().all(|file| map.symbols(file).next().is_none()));
    assert_eq!(map.words(map.file("notes.txt").unwrap()).collect::<Vec<_>>(), ["notes", "txt"]);
}

#[test]
fn brackets_without_end_are_no_trouble() {
    for bracket in
        ["(", "[", "{", "<", "\"", "'", "`", "/*", "\"\"\"", "if (", "a.", "fn a() {", "!", "=>(", "&"]
    {
        let text = bracket.repeat(100_000 / bracket.len().max(1));
        // One line of it would be taken for data.
        let text: String =
            text.as_bytes().chunks(60).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        let names: Vec<String> = ALL.iter().map(|extension| format!("a.{extension}")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
        let map = map_of(&files);
        assert_eq!(map.len(), ALL.len(), "{bracket}");
    }
}

#[test]
fn what_can_be_found_in_a_broken_file_is_found() {
    for (path, text) in [
        (
            "a.py",
            "class Whole:\n    def method(self): pass\n\ndef broken(:\n    x = = 1\n\nclass After: pass\n",
        ),
        ("a.rs", "pub struct Whole;\nfn broken( { let }\npub struct After;\n"),
        ("a.ts", "export class Whole {}\nfunction broken( { = }\nexport class After {}\n"),
        ("a.go", "package a\ntype Whole struct{}\nfunc broken( {\n}\ntype After struct{}\n"),
        ("a.java", "class Whole {}\nclass Broken { int = ; }\nclass After {}\n"),
        ("a.c", "struct whole { int Whole; };\nint broken( { ;\nstruct after { int a; };\n"),
    ] {
        let map = map_of(&[(path, text)]);
        let found = symbols(&map, path).join("\n");
        assert!(found.to_lowercase().contains("whole"), "{path}: {found}");
    }
}

#[test]
fn deep_trees_overflow_nothing() {
    // On a thread of the map, with the stack that it has.
    let nested = |open: &str, close: &str| format!("{}x{}", open.repeat(5_000), close.repeat(5_000));
    let lines = |text: String| text.replace('(', "(\n").replace('[', "[\n").replace('{', "{\n");
    let python = format!("def first(): pass\nvalue = {}\n", lines(nested("(", ")")));
    let script = format!("export function first() {{}}\nconst value = {};\n", lines(nested("[", "]")));
    let rust = format!("pub fn first() {{}}\nmod a {{\n{}\n}}\n", lines(nested("mod a {", "}")));
    let c = format!("int first(void);\nint value = {};\n", lines(nested("(", ")")));
    let map = map_of(&[("a.py", &python), ("a.ts", &script), ("a.rs", &rust), ("a.c", &c)]);
    // Each is read to its end or given up.
    for file in map.files() {
        let first = map.symbols(file).any(|symbol| symbol.name == "first");
        assert!(first || map.skipped(file) == Some(Skipped::Tangled), "{}", map.path(file));
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let mut memory = Memory::default();
    let whole = "x = 1\n".repeat(200_000);
    let entries = memory.tree(&[("large.py", whole.as_bytes()), ("small.py", b"x = 1")]);
    let mut cache = MapCache::new();
    let map = RepositoryMap::build(entries.clone(), &memory, &mut cache).unwrap();
    assert_eq!(map.skipped(map.file("large.py").unwrap()), Some(Skipped::Large));
    assert_eq!(symbols(&map, "small.py"), ["x Constant@1"]);
    let asked = memory.asked.load(Ordering::Relaxed);
    let again = RepositoryMap::build(entries, &memory, &mut cache).unwrap();
    assert_eq!(again.skipped(again.file("large.py").unwrap()), Some(Skipped::Large));
    assert_eq!(memory.asked.load(Ordering::Relaxed), asked, "what is known is not asked for");
}

#[test]
fn links_and_submodules_are_entries_without_content() {
    let mut memory = Memory::default();
    let mut entries = memory.tree(&[("a/x.py", b"import b.x")]);
    let other = |path: &str, kind| TreeEntry { path: path.to_owned(), id: id_of(b"../a"), kind };
    entries.push(other("b", EntryKind::Symlink));
    entries.push(other("a/loop.py", EntryKind::Symlink));
    entries.push(other("vendored", EntryKind::Submodule));
    // Not there, as in a partial clone; and there twice.
    entries.push(TreeEntry { path: "gone.py".to_owned(), id: id_of(b"elsewhere"), kind: EntryKind::File });
    entries.push(entries[0].clone());
    let mut cache = MapCache::new();
    let map = RepositoryMap::build(entries, &memory, &mut cache).unwrap();
    assert_eq!(map.len(), 5);
    assert_eq!(map.language(map.file("a/loop.py").unwrap()), None);
    assert_eq!((imports(&map, "a/x.py"), cache.len()), (vec!["b.x ->".to_owned()], 1));
    assert_eq!(symbols(&map, "gone.py"), [""; 0]);
}

#[test]
fn circles_of_imports_are_harmless() {
    let map = map_of(&[
        ("a.py", "from b import *\nfrom c import name\n"),
        ("b.py", "from c import *\n"),
        ("c.py", "from a import *\nfrom c import name\n"),
        ("Cargo.toml", "[package]\nname = \"x\"\n"),
        ("src/lib.rs", "#[path = \"lib.rs\"]\nmod again;\n#[path = \"m.rs\"]\nmod m;\npub use m::Thing;\n"),
        ("src/m.rs", "#[path = \"m.rs\"]\nmod m;\npub use super::Thing;\n"),
        ("x/tsconfig.json", "{\"extends\": \"./tsconfig\"}"),
        ("x/package.json", "{\"name\": \"x\", \"main\": \".\"}"),
        ("x/a.ts", "export * from './b'; import { z } from 'x';"),
        ("x/b.ts", "export * from './a';"),
    ]);
    let a = map.file("a.py").unwrap();
    assert_eq!(map.importers(a), [map.file("c.py").unwrap()]);
    assert_eq!(map.origin(a, "name"), None);
    assert_eq!(map.origin(map.file("src/lib.rs").unwrap(), "Thing"), None);
    assert_eq!(map.importers(map.file("x/a.ts").unwrap()), [map.file("x/b.ts").unwrap()]);
}

#[test]
fn manifests_that_are_none_are_empty() {
    for text in [
        "",
        "{",
        "[package",
        "\u{0}",
        "module",
        "replace (",
        "{\"name\": 1, \"exports\": [[[[]]]]}",
        "[[[[[[",
    ] {
        let names = ["Cargo.toml", "package.json", "tsconfig.json", "go.mod", "pyproject.toml"];
        let mut files: Vec<(&str, &str)> = names.iter().map(|name| (*name, text)).collect();
        files.push(("src/lib.rs", "use crate::a;"));
        let map = map_of(&files);
        assert_eq!(map.len(), 6, "{text:?}");
        assert_eq!(map.module("x"), []);
    }
}

#[test]
fn ids_are_hexadecimal() {
    for (hex, good) in
        [("a".repeat(40), true), ("0".repeat(64), true), ("g".repeat(40), false), ("a".repeat(39), false)]
    {
        let id = BlobId::from_hex(&hex);
        assert_eq!(id.map(|id| id.to_string()), good.then_some(hex));
    }
    assert_eq!(BlobId::from_hex(&"é".repeat(20)), None);
}
