//! A large repository that nobody wrote: six languages in equal parts, folders, imports between neighbours, classes,
//! functions and tests, all from one seed. What it says means nothing; how much there is to parse, how deep it lies, how
//! names repeat and what leads where is as in what people write.

use std::fmt::Write as _;
use std::io::{self, Write};

/// A sequence of numbers that is the same on every machine (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }

    pub(super) fn pick<'l>(&mut self, list: &[&'l str]) -> &'l str {
        list[self.below(list.len())]
    }
}

const NOUNS: [&str; 48] = [
    "account", "address", "archive", "batch", "branch", "buffer", "cache", "channel", "client", "cluster",
    "codec", "column", "command", "config", "cursor", "device", "document", "driver", "endpoint", "event",
    "filter", "frame", "handler", "header", "index", "invoice", "journal", "ledger", "lexer", "message",
    "metric", "node", "order", "packet", "parser", "payload", "policy", "query", "queue", "record", "region",
    "report", "request", "schema", "session", "snapshot", "token", "worker",
];

const VERBS: [&str; 24] = [
    "apply",
    "build",
    "check",
    "close",
    "collect",
    "compare",
    "decode",
    "encode",
    "expand",
    "fetch",
    "flush",
    "merge",
    "normalize",
    "open",
    "parse",
    "publish",
    "read",
    "reduce",
    "render",
    "resolve",
    "schedule",
    "split",
    "validate",
    "write",
];

/// Files of one folder, and folders of one project (a package, a crate, a module of Go).
const IN_FOLDER: usize = 12;
const IN_PROJECT: usize = 10;

/// The languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    Python,
    Rust,
    TypeScript,
    Go,
    Java,
    C,
}

const TONGUES: [Tongue; 6] =
    [Tongue::Python, Tongue::Rust, Tongue::TypeScript, Tongue::Go, Tongue::Java, Tongue::C];

/// A file of the corpus, before it is written.
struct Place {
    tongue: Tongue,
    project: usize,
    folder: usize,
    number: usize,
    name: String,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    pub(super) files: usize,
    pub(super) bytes: usize,
    /// Some paths, for prompts.
    pub(super) paths: Vec<String>,
    /// Some names that are defined, for prompts.
    pub(super) symbols: Vec<String>,
}

/// Writes a stream for `git fast-import`: one commit on `main` that holds `files` sources of `mean` bytes in the mean.
pub(super) fn write(into: &mut dyn Write, seed: u64, files: usize, mean: usize) -> io::Result<Corpus> {
    let (mut dice, mut corpus) = (Dice::new(seed), Corpus::default());
    writeln!(
        into,
        "commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000000 +0000\ndata 4\nbase"
    )?;
    let mut number = 0;
    while number < files {
        let at = number / (IN_FOLDER * IN_PROJECT);
        let tongue = TONGUES[at % TONGUES.len()];
        let project = at / TONGUES.len();
        let name = |dice: &mut Dice| format!("{}_{}", dice.pick(&NOUNS), dice.pick(&NOUNS));
        let count = (IN_FOLDER * IN_PROJECT).min(files - number);
        let mut places: Vec<Place> = Vec::with_capacity(count);
        for number in 0..count {
            // A test is called after the file before it.
            let name = match places.last() {
                Some(subject) if is_test(tongue, number) => subject.name.clone(),
                _ => format!("{}_{number}", name(&mut dice)),
            };
            places.push(Place { tongue, project, folder: number / IN_FOLDER, number, name });
        }
        for (path, text) in manifests(tongue, project, &places) {
            put(into, &path, &text)?;
        }
        for place in &places {
            // Few files are long: half as many again for each doubling.
            let size =
                mean / 3 + dice.below(mean) + if dice.below(8) == 0 { dice.below(mean * 3) } else { 0 };
            let text = source(&mut dice, place, &places, size, &mut corpus);
            let path = path(place);
            corpus.bytes += text.len();
            corpus.files += 1;
            put(into, &path, &text)?;
            if dice.below(20) == 0 {
                corpus.paths.push(path);
            }
        }
        number += count;
    }
    writeln!(into, "done")?;
    Ok(corpus)
}

fn put(into: &mut dyn Write, path: &str, text: &str) -> io::Result<()> {
    writeln!(into, "M 100644 inline {path}\ndata {}\n{text}", text.len())
}

/// Rust's tests are in the files that they test.
fn is_test(tongue: Tongue, number: usize) -> bool {
    tongue != Tongue::Rust && number % 6 == 5
}

fn folder_name(folder: usize) -> &'static str {
    NOUNS[(folder * 7 + 3) % NOUNS.len()]
}

fn path(place: &Place) -> String {
    let Place { project, folder, name, number, .. } = place;
    let test = is_test(place.tongue, *number);
    let folder = folder_name(*folder);
    match place.tongue {
        Tongue::Python if test => format!("python/app{project}/tests/{folder}/test_{name}.py"),
        Tongue::Python => format!("python/app{project}/src/app{project}/{folder}/{name}.py"),
        Tongue::Rust => format!("crates/unit{project}/src/{folder}/{name}.rs"),
        Tongue::TypeScript if test => format!("packages/part{project}/src/{folder}/{name}.test.ts"),
        Tongue::TypeScript => format!("packages/part{project}/src/{folder}/{name}.ts"),
        Tongue::Go if test => format!("go/mod{project}/{folder}/{name}_test.go"),
        Tongue::Go => format!("go/mod{project}/{folder}/{name}.go"),
        Tongue::Java if test => {
            format!("java/m{project}/src/test/java/org/example/m{project}/{folder}/{}Test.java", camel(name))
        }
        Tongue::Java => {
            format!("java/m{project}/src/main/java/org/example/m{project}/{folder}/{}.java", camel(name))
        }
        Tongue::C if test => format!("native/lib{project}/tests/{folder}/{name}_test.c"),
        Tongue::C if number % 3 == 0 => format!("native/lib{project}/include/{folder}/{name}.h"),
        Tongue::C => format!("native/lib{project}/src/{folder}/{name}.c"),
    }
}

fn manifests(tongue: Tongue, project: usize, places: &[Place]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let folders = places.len().div_ceil(IN_FOLDER);
    match tongue {
        Tongue::Python => {
            all.push((format!("python/app{project}/pyproject.toml"), "[project]\nname = \"app\"\n".into()));
            let root = format!("python/app{project}/src/app{project}");
            all.push((format!("{root}/__init__.py"), String::new()));
            all.extend(
                (0..folders).map(|n| (format!("{root}/{}/__init__.py", folder_name(n)), String::new())),
            );
        }
        Tongue::Rust => {
            let root = format!("crates/unit{project}");
            all.push((format!("{root}/Cargo.toml"), format!("[package]\nname = \"unit{project}\"\n")));
            let mods: String = (0..folders).map(|n| format!("pub mod {};\n", folder_name(n))).collect();
            all.push((format!("{root}/src/lib.rs"), mods));
            for folder in 0..folders {
                let own = places.iter().filter(|place| place.folder == folder);
                let mods: String = own.map(|place| format!("pub mod {};\n", place.name)).collect();
                all.push((format!("{root}/src/{}/mod.rs", folder_name(folder)), mods));
            }
        }
        Tongue::TypeScript => {
            let root = format!("packages/part{project}");
            let name = format!("{{\"name\": \"@bench/part{project}\", \"main\": \"dist/index.js\"}}\n");
            all.push((format!("{root}/package.json"), name));
            let paths = "{\"compilerOptions\": {\"paths\": {\"@/*\": [\"./src/*\"]}}}\n";
            all.push((format!("{root}/tsconfig.json"), paths.into()));
        }
        Tongue::Go => {
            all.push((
                format!("go/mod{project}/go.mod"),
                format!("module example.org/mod{project}\n\ngo 1.22\n"),
            ));
        }
        Tongue::Java | Tongue::C => {}
    }
    all
}

/// `order_queue_3` → `OrderQueue3`
fn camel(name: &str) -> String {
    let mut camel = String::new();
    for part in name.split('_') {
        camel.extend(part.chars().next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(part.get(1..).unwrap_or_default());
    }
    camel
}

fn import(place: &Place, other: &Place) -> String {
    let Place { project, folder, name, .. } = other;
    let folder = folder_name(*folder);
    match place.tongue {
        Tongue::Python => format!("from app{project}.{folder}.{name} import {}\n", camel(name)),
        Tongue::Rust => format!("use crate::{folder}::{name}::{};\n", camel(name)),
        Tongue::TypeScript => format!("import {{ {} }} from '@/{folder}/{name}';\n", camel(name)),
        Tongue::Go => format!("import {name} \"example.org/mod{project}/{folder}\"\n"),
        Tongue::Java => format!("import org.example.m{project}.{folder}.{};\n", camel(name)),
        Tongue::C => format!("#include \"{folder}/{name}.h\"\n"),
    }
}

fn source(dice: &mut Dice, place: &Place, places: &[Place], size: usize, corpus: &mut Corpus) -> String {
    let mut text = match place.tongue {
        Tongue::Go => format!("package {}\n\n", folder_name(place.folder)),
        Tongue::Java => format!("package org.example.m{}.{};\n\n", place.project, folder_name(place.folder)),
        _ => String::new(),
    };
    for _ in 0..2 + dice.below(7) {
        let other = &places[dice.below(places.len())];
        if !is_test(other.tongue, other.number) && other.number != place.number {
            text.push_str(&import(place, other));
        }
    }
    let class = camel(&place.name);
    let (open, method, close) = frame(place.tongue);
    text.push_str(&open.replace("CLASS", &class));
    while text.len() < size {
        let name = format!("{}_{}", dice.pick(&VERBS), dice.pick(&NOUNS));
        let header = method.replace("CLASS", &class);
        text.push_str(&header.replace("CAMEL", &camel(&name)).replace("NAME", &name));
        for _ in 0..3 + dice.below(12) {
            statement(dice, place.tongue, &mut text);
        }
        text.push_str(end(place.tongue));
        if dice.below(200) == 0 {
            corpus.symbols.push(name);
        }
    }
    text.push_str(close);
    text
}

/// How a class begins, how a method of it does, and how the class ends.
fn frame(tongue: Tongue) -> (&'static str, &'static str, &'static str) {
    match tongue {
        Tongue::Python => (
            "\nLIMIT = 64\n\n\nclass CLASS:\n    \"\"\"Holds what is needed.\"\"\"\n",
            "\n    def NAME(self, value, limit=LIMIT):\n        \"\"\"Does it.\"\"\"\n",
            "",
        ),
        Tongue::Rust => (
            "\nconst LIMIT: usize = 64;\n\n/// Holds what is needed.\npub struct CLASS {\n    items: Vec<u64>,\n}\n\nimpl CLASS {\n",
            "    /// Does it.\n    pub fn NAME(&mut self, value: u64, limit: usize) -> Option<u64> {\n",
            "}\n",
        ),
        Tongue::TypeScript => (
            "\nconst LIMIT = 64;\n\n/** Holds what is needed. */\nexport class CLASS {\n  private items: number[] = [];\n",
            "\n  public NAME(value: number, limit: number = LIMIT): number | undefined {\n",
            "}\n",
        ),
        Tongue::Go => (
            "\nconst limit = 64\n\n// CLASS holds what is needed.\ntype CLASS struct {\n\titems []int\n}\n",
            "\n// CAMEL does it.\nfunc (c *CLASS) CAMEL(value int, limit int) (int, error) {\n",
            "",
        ),
        Tongue::Java => (
            "\n/** Holds what is needed. */\npublic class CLASS {\n    private static final int LIMIT = 64;\n    private int[] items;\n",
            "\n    public int NAME(int value, int limit) {\n",
            "}\n",
        ),
        Tongue::C => (
            "\n#define LIMIT 64\n\nstruct CLASS {\n    int items[LIMIT];\n};\n",
            "\nint CLASS_NAME(struct CLASS *self, int value, int limit)\n{\n",
            "",
        ),
    }
}

fn end(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::Python => "        return value\n",
        Tongue::Rust => "        Some(value)\n    }\n",
        Tongue::TypeScript => "    return value;\n  }\n",
        Tongue::Go => "\treturn value, nil\n}\n",
        Tongue::Java => "        return value;\n    }\n",
        Tongue::C => "    return value;\n}\n",
    }
}

fn statement(dice: &mut Dice, tongue: Tongue, text: &mut String) {
    let (one, two, verb, number) =
        (dice.pick(&NOUNS), dice.pick(&NOUNS), dice.pick(&VERBS), dice.below(1000));
    let written = match (tongue, dice.below(3)) {
        (Tongue::Python, 0) => {
            writeln!(text, "        {one} = self.items[value % {number}] + len(\"{two}\")")
        }
        (Tongue::Python, 1) => writeln!(
            text,
            "        if value > {number}:\n            value = self.{verb}_{one}(value, limit)"
        ),
        (Tongue::Python, _) => {
            writeln!(text, "        # The {one} comes before the {two}.\n        value += {number}")
        }
        (Tongue::Rust, 0) => {
            writeln!(text, "        let {one} = self.items.get({number}).copied().unwrap_or(value);")
        }
        (Tongue::Rust, 1) => writeln!(
            text,
            "        if value > {number} {{\n            return self.{verb}_{one}(value - {number}, limit);\n        }}"
        ),
        (Tongue::Rust, _) => writeln!(
            text,
            "        // The {one} comes before the {two}.\n        self.items.push(value + {number});"
        ),
        (Tongue::TypeScript, 0) => {
            writeln!(text, "    const {one} = this.items.map((item) => item + {number}).length;")
        }
        (Tongue::TypeScript, 1) => writeln!(
            text,
            "    if (value > {number}) {{\n      return this.{verb}{two}(value, {{ limit, name: '{one}' }});\n    }}"
        ),
        (Tongue::TypeScript, _) => {
            writeln!(text, "    // The {one} comes before the {two}.\n    this.items.push(value + {number});")
        }
        (Tongue::Go, 0) => writeln!(text, "\t{one} := c.items[value%{number}+1] + len(\"{two}\")"),
        (Tongue::Go, 1) => {
            writeln!(text, "\tif value > {number} {{\n\t\treturn c.{verb}{two}(value, limit)\n\t}}")
        }
        (Tongue::Go, _) => writeln!(
            text,
            "\t// The {one} comes before the {two}.\n\tc.items = append(c.items, value+{number})"
        ),
        (Tongue::Java, 0) => {
            writeln!(text, "        int {one} = items[value % {number}] + \"{two}\".length();")
        }
        (Tongue::Java, 1) => writeln!(
            text,
            "        if (value > {number}) {{\n            return {verb}_{one}(value, limit);\n        }}"
        ),
        (Tongue::Java, _) => writeln!(
            text,
            "        // The {one} comes before the {two}.\n        items[value % LIMIT] += {number};"
        ),
        (Tongue::C, 0) => {
            writeln!(text, "    int {one} = self->items[value % {number}] + (int)sizeof(\"{two}\");")
        }
        (Tongue::C, 1) => {
            writeln!(text, "    if (value > {number})\n        return {verb}_{one}(self, value, limit);")
        }
        (Tongue::C, _) => writeln!(
            text,
            "    /* The {one} comes before the {two}. */\n    self->items[value % LIMIT] += {number};"
        ),
    };
    // A string takes everything.
    written.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_what_its_seed_says() {
        let stream = |seed| {
            let mut bytes = Vec::new();
            let corpus = write(&mut bytes, seed, 800, 2000).unwrap();
            (bytes, corpus)
        };
        let (bytes, corpus) = stream(1);
        assert_eq!(bytes, stream(1).0);
        assert_ne!(bytes, stream(2).0);
        assert_eq!(corpus.files, 800);
        let mean = corpus.bytes / corpus.files;
        assert!((1900..2700).contains(&mean), "{mean} bytes in the mean");
        assert!(!corpus.paths.is_empty() && !corpus.symbols.is_empty());
        let text = String::from_utf8(bytes).unwrap();
        for end in [".py\n", ".rs\n", ".ts\n", ".go\n", ".java\n", ".c\n", "Cargo.toml\n", "go.mod\n"] {
            assert!(text.contains(end), "{end}");
        }
    }
}
