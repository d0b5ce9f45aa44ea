use std::collections::HashSet;

use super::*;
use crate::dependencies::Names;
use crate::history::History;
use crate::map::RepositoryMap;
use crate::markdown::blocks;
use crate::predict::Predictor;

const TREE: [(&str, &str); 11] = [
    ("README.md", ""),
    ("Makefile", ""),
    ("src/lexer.rs", "pub struct Token;\npub fn next_token() {}\n"),
    ("src/parser/mod.rs", "pub fn parse_all() {}\n"),
    ("src/parser/expr.rs", "pub struct ExprParser;\nimpl ExprParser { pub fn run_it(&self) {} }\n"),
    ("src/types/mod.rs", ""),
    ("tests/lexer.rs", ""),
    ("docs/guide.md", ""),
    ("web/app/[id].tsx", ""),
    (".gitignore", ""),
    ("prompts/other.md", ""),
];

fn around(map: &RepositoryMap) -> Surroundings<'_> {
    Surroundings {
        tree: Tree::new(map.files().map(|file| map.path(file))),
        map,
        predictor: Predictor::new(map, &History::default()),
        names: Names::default(),
        prompts: HashSet::from(["prompts/other.md"]),
        rules: &[],
    }
}

fn targets(body: &str) -> Targets {
    let map = RepositoryMap::of_texts(&TREE).unwrap();
    find(body, &blocks(body), &around(&map)).unwrap()
}

fn paths(claims: &[PathClaim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.path.as_str()).collect()
}

#[test]
fn what_is_written() {
    for (body, expected) in [
        ("Fix the crash in `src/lexer.rs`.", vec!["src/lexer.rs"]),
        ("Fix the crash in src/lexer.rs.", vec!["src/lexer.rs"]),
        ("Fix src/lexer.rs:12:3 and ./README.md, please.", vec!["README.md", "src/lexer.rs"]),
        ("Change **src/lexer.rs** and (docs/guide.md).", vec!["docs/guide.md", "src/lexer.rs"]),
        ("Change [the guide](docs/guide.md#intro).", vec!["docs/guide.md"]),
        ("Update guide.md", vec!["docs/guide.md"]),
        ("Update `parser/expr.rs`", vec!["src/parser/expr.rs"]),
        ("Update mod.rs", vec![]),
        ("Create src/new.rs and `tests/new.rs`.", vec!["src/new.rs", "tests/new.rs"]),
        ("Create a module in src/deep/er/new.rs.", vec!["src/deep/er/new.rs"]),
        ("The file src/new.rs holds it.", vec!["src/new.rs"]),
        ("The file nowhere/new.rs holds it.", vec![]),
        ("Add a CHANGELOG.md", vec!["CHANGELOG.md"]),
        ("Refactor src/parser/ thoroughly.", vec!["src/parser/"]),
        ("Refactor `src/parser/*.rs`.", vec!["src/parser/*.rs"]),
        ("Reformat all *.rs files.", vec!["**/*.rs"]),
        ("Change `web/app/[id].tsx`", vec!["web/app/[id].tsx"]),
        ("Add it to .gitignore and the Makefile", vec![".gitignore", "Makefile"]),
        (
            "Modify these files:\n\n- src/lexer.rs\n- `docs/guide.md`: all\n",
            vec!["docs/guide.md", "src/lexer.rs"],
        ),
        ("## Files\n\n- src/lexer.rs\n", vec!["src/lexer.rs"]),
        ("Write tests for src/lexer.rs in tests/lexer.rs.", vec!["tests/lexer.rs"]),
        ("Fix src/lexer.rs like in docs/guide.md. Update README.md.", vec!["README.md", "src/lexer.rs"]),
        ("Depends on prompts/other.md. Change `prompts/other.md`.", vec![]),
    ] {
        assert_eq!(paths(&targets(body).writes), expected, "{body}");
    }
}

#[test]
fn what_is_read() {
    for (body, expected) in [
        ("See src/lexer.rs for the style.", vec!["src/lexer.rs"]),
        ("Refer to `docs/guide.md`, like in README.md.", vec!["README.md", "docs/guide.md"]),
        ("Do not modify src/lexer.rs.", vec!["src/lexer.rs"]),
        ("Never ever change the README.md", vec!["README.md"]),
        ("## Context\n\n- src/lexer.rs\n", vec!["src/lexer.rs"]),
        ("Write tests for src/lexer.rs in tests/lexer.rs.", vec!["src/lexer.rs"]),
        ("An example:\n```\ncat src/lexer.rs\n```\n", vec!["src/lexer.rs"]),
    ] {
        assert_eq!(paths(&targets(body).reads), expected, "{body}");
    }
}

#[test]
fn what_is_no_path() {
    for body in [
        "Call foo.bar() with 1.2.3, e.g. and/or i.e. v0.1, 50/50.",
        "See https://example.com/src/lexer.rs and user@example.com/x.rs",
        "Never /etc/passwd, ../src/lexer.rs or ~/x.rs or -x/y.rs",
        "`std::fs::read` and `a::lexer.rs` or $HOME/src/lexer.rs",
        "The tests and docs and src are folders.",
        "*important.md*-ish text, obj.method, Node.js and self.parser",
    ] {
        let found = targets(body);
        assert_eq!((paths(&found.writes), paths(&found.reads)), (vec![], vec![]), "{body}");
    }
}

#[test]
fn the_plainer_word_decides_and_code_counts_less() {
    let found = targets("See README.md. Fix README.md.");
    assert_eq!(paths(&found.writes), ["README.md"]);
    assert_eq!(found.writes[0].evidence, "See README.md. Fix README.md.");
    let named = targets("The README.md.").writes[0].confidence;
    let said = targets("Fix README.md.").writes[0].confidence;
    let short = targets("Fix guide.md.").writes[0].confidence;
    assert!(named < short && short < said, "{named:?} {short:?} {said:?}");
    assert_eq!(paths(&targets("Do it.\n\n```\nx = open('README.md')\n```").writes), Vec::<&str>::new());
}

#[test]
fn a_listing_is_no_list_of_targets() {
    let body: String = (0..=MAX_PATHS).map(|number| format!("create src/f{number}.rs\n")).collect();
    let map = RepositoryMap::of_texts(&TREE).unwrap();
    assert_eq!(find(&body, &blocks(&body), &around(&map)).unwrap_err(), InferenceError::TooManyPaths);
}

#[test]
fn names_of_the_program_are_targets_too() {
    for (body, writes, reads) in [
        ("Rename `next_token` to `advance`.", vec!["src/lexer.rs"], vec![]),
        ("Fix next_token: it panics.", vec!["src/lexer.rs"], vec![]),
        ("Add a limit to ExprParser.", vec!["src/parser/expr.rs"], vec![]),
        (
            "Make `ExprParser::run_it` faster; see `parse_all`.",
            vec!["src/parser/expr.rs"],
            vec!["src/parser/mod.rs"],
        ),
        ("Write a token counter that uses `next_token`.", vec![], vec!["src/lexer.rs"]),
        ("The token is parsed.", vec![], vec![]),
        ("Call `std::mem::take` and `foo_bar`.", vec![], vec![]),
    ] {
        let found = targets(body);
        assert_eq!((paths(&found.writes), paths(&found.reads)), (writes, reads), "{body}");
    }
    let found = targets("Rename `next_token`. Create `TokenSet` and `it`. Use `parse_all`.");
    let symbols: Vec<String> = (found.symbols.iter())
        .map(|symbol| format!("{} {:?} {:?}", symbol.name, symbol.file, symbol.intent))
        .collect();
    assert_eq!(
        symbols,
        [
            "TokenSet None Create",
            "next_token Some(\"src/lexer.rs\") Rename",
            "parse_all Some(\"src/parser/mod.rs\") Use"
        ]
    );
    assert_eq!(found.writes[0].source, ClaimSource::Symbol);
}
