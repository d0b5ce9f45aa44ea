//! What sort of work a prompt asks for, and how much. The rules stand in tables.

use std::collections::HashMap;

use gadugi_core::{Complexity, Kind};

use crate::markdown::{Block, BlockKind};

/// A rule of the user's: a prompt in which any of these words stands is of that kind. It goes before the built-in
/// table and behind the prompt's own `kind:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifyRule {
    /// The kind.
    pub kind: Kind,
    /// Words, or words in a row; whole words, in any case.
    pub any: Vec<String>,
}

/// Words of each kind. Whole words: `latest` is no test, `prefix` no fix.
const KEYWORDS: [(Kind, &[&str]); 6] = [
    (
        Kind::TestCoverage,
        &[
            "test",
            "tests",
            "testing",
            "tested",
            "coverage",
            "unittest",
            "unittests",
            "pytest",
            "proptest",
            "fixture",
            "fixtures",
        ],
    ),
    (
        Kind::BugFix,
        &[
            "fix",
            "fixes",
            "fixed",
            "fixing",
            "bug",
            "bugs",
            "bugfix",
            "hotfix",
            "broken",
            "crash",
            "crashes",
            "crashing",
            "regression",
            "regressions",
            "error",
            "errors",
            "issue",
            "wrong",
            "incorrect",
            "fails",
            "failing",
            "leak",
            "panic",
        ],
    ),
    (
        Kind::Feature,
        &[
            "feature",
            "features",
            "implement",
            "implements",
            "implementation",
            "add",
            "adds",
            "create",
            "creates",
            "new",
            "build",
            "support",
            "introduce",
        ],
    ),
    (
        Kind::Refactoring,
        &[
            "refactor",
            "refactors",
            "refactoring",
            "cleanup",
            "restructure",
            "reorganize",
            "reorganise",
            "simplify",
            "rename",
            "extract",
            "deduplicate",
            "optimize",
            "optimise",
            "modernize",
            "modernise",
            "split",
        ],
    ),
    (
        Kind::Documentation,
        &[
            "document",
            "documents",
            "documentation",
            "docs",
            "readme",
            "docstring",
            "docstrings",
            "guide",
            "tutorial",
            "changelog",
            "manual",
        ],
    ),
    (
        Kind::Configuration,
        &[
            "config",
            "configuration",
            "configure",
            "settings",
            "setup",
            "ci",
            "workflow",
            "pipeline",
            "environment",
            "lint",
            "linter",
            "dependabot",
        ],
    ),
];

/// What a keyword in the title counts, one in the text being 1: the title says what is wanted, the text also why.
const TITLE_WEIGHT: u32 = 5;
/// A keyword said often says no more than one said so many times.
const MOST_PER_WORD: u32 = 3;

/// Words that say how hard it is, and what they add.
const DIFFICULTY: [(&[&str], i32); 3] = [
    (&["typo", "trivial", "simple", "small", "minor", "tiny"], -1),
    (
        &[
            "architecture",
            "architectural",
            "migrate",
            "migration",
            "concurrency",
            "concurrent",
            "distributed",
            "security",
            "rewrite",
            "redesign",
            "protocol",
            "performance",
            "integration",
            "complex",
            "comprehensive",
        ],
        1,
    ),
    (&["critical", "overhaul", "framework"], 2),
];
/// Words of difficulty add at most so much together.
const MOST_DIFFICULTY: i32 = 3;

/// Points by measure: for the first bound that the measure does not exceed, its index is the points.
const WORDS: &[usize] = &[150, 500, 1500];
const TARGETS: &[usize] = &[2, 5, 12];
const ITEMS: &[usize] = &[5, 15];

/// The words of a text, in lower case, each with how often it stands there.
fn count_words(text: &str, counts: &mut HashMap<String, u32>) -> usize {
    let mut words = 0;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        words += 1;
        // No keyword is longer; what is (a blob of base64, say) needs no copy.
        if word.len() <= 24 {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    words
}

/// What the words of a prompt say, counted once.
pub(crate) struct Words {
    title: HashMap<String, u32>,
    text: HashMap<String, u32>,
    words: usize,
    items: usize,
}

impl Words {
    /// Code in fences says little of what is wanted, so only its length counts.
    pub(crate) fn count(title: &str, body: &str, blocks: &[Block]) -> Self {
        let mut counted = Self { title: HashMap::new(), text: HashMap::new(), words: 0, items: 0 };
        count_words(title, &mut counted.title);
        for block in blocks {
            let text = &body[block.range.clone()];
            if block.kind == BlockKind::Fence {
                counted.words += text.split_whitespace().count() / 4;
            } else {
                counted.words += count_words(text, &mut counted.text);
                counted.items += usize::from(block.kind == BlockKind::Item);
            }
        }
        counted
    }
}

/// The kind that the words make likeliest; on a tie the one that the contract names first, and without any word a
/// feature.
pub(crate) fn kind(words: &Words, title: &str, body: &str, rules: &[ClassifyRule]) -> Kind {
    if let Some(rule) = rules.iter().find(|rule| applies(rule, title, body)) {
        return rule.kind;
    }
    let mut best = (0, Kind::Feature);
    for (kind, keywords) in KEYWORDS {
        let in_title: u32 =
            keywords.iter().filter_map(|word| words.title.get(*word)).map(|n| n.min(&1)).sum();
        let in_text: u32 =
            keywords.iter().filter_map(|word| words.text.get(*word)).map(|n| n.min(&MOST_PER_WORD)).sum();
        let score = TITLE_WEIGHT * in_title + in_text;
        if score > best.0 {
            best = (score, kind);
        }
    }
    best.1
}

fn applies(rule: &ClassifyRule, title: &str, body: &str) -> bool {
    let plain = |text: &str| {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        format!(" {} ", words.join(" "))
    };
    let (title, body) = (plain(title), plain(body));
    rule.any
        .iter()
        .map(|words| plain(words))
        .any(|words| words.trim() != "" && (title.contains(&words) || body.contains(&words)))
}

/// How much work it looks like.
pub(crate) fn complexity(words: &Words, targets: usize) -> Complexity {
    let points =
        |measure: usize, bounds: &[usize]| bounds.iter().filter(|bound| measure > **bound).count() as i32;
    let said: i32 = DIFFICULTY
        .iter()
        .map(|(keywords, points)| {
            let there = keywords
                .iter()
                .filter(|word| words.title.contains_key(**word) || words.text.contains_key(**word));
            // An easing word eases once.
            let there = if *points < 0 { there.count().min(1) } else { there.count() };
            points * i32::try_from(there).unwrap_or(i32::MAX)
        })
        .sum();
    let total = points(words.words, WORDS)
        + points(targets, TARGETS)
        + points(words.items, ITEMS)
        + said.clamp(-1, MOST_DIFFICULTY);
    match total {
        ..=0 => Complexity::Low,
        1..=2 => Complexity::Medium,
        3..=5 => Complexity::High,
        _ => Complexity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::blocks;

    fn kind_of(title: &str, body: &str) -> Kind {
        kind(&Words::count(title, body, &blocks(body)), title, body, &[])
    }

    #[test]
    fn kinds_by_their_words() {
        for (title, body, expected) in [
            ("Add tests for the lexer", "Raise coverage.", Kind::TestCoverage),
            ("Fix the crash on empty input", "It panics.", Kind::BugFix),
            ("Implement user accounts", "A new feature.", Kind::Feature),
            ("Refactor the parser", "Split it.", Kind::Refactoring),
            ("Document the API", "Write a guide.", Kind::Documentation),
            ("Configure CI", "Settings of the workflow.", Kind::Configuration),
            ("Something", "Whatever.", Kind::Feature),
            ("", "", Kind::Feature),
        ] {
            assert_eq!(kind_of(title, body), expected, "{title}");
        }
    }

    #[test]
    fn words_count_whole() {
        assert_eq!(kind_of("Show the latest prefix of an address", "contest, dispatch"), Kind::Feature);
        assert_eq!(kind_of("Latest", "latest greatest fastest; a guide"), Kind::Documentation);
    }

    #[test]
    fn the_title_weighs_more_than_the_text() {
        assert_eq!(kind_of("Fix the login", "Add a test. Add another test, and more tests."), Kind::BugFix);
    }

    #[test]
    fn code_says_nothing_of_the_kind() {
        assert_eq!(
            kind_of("Write the guide", "```\nfix bug error test test fixture\n```"),
            Kind::Documentation
        );
    }

    #[test]
    fn rules_of_the_user_go_first() {
        let rules = [ClassifyRule { kind: Kind::Configuration, any: vec!["Terra Form".into(), "".into()] }];
        let words = Words::count("Fix terra-form", "", &[]);
        assert_eq!(kind(&words, "Fix terra-form", "", &rules), Kind::Configuration);
        assert_eq!(kind(&words, "Fix terra", "", &rules), Kind::BugFix);
    }

    #[test]
    fn complexity_grows_with_what_is_asked() {
        let of = |body: &str, targets| complexity(&Words::count("", body, &blocks(body)), targets);
        assert_eq!(of("Fix the typo.", 1), Complexity::Low);
        assert_eq!(of(&"word ".repeat(200), 1), Complexity::Medium);
        assert_eq!(of(&format!("{}\n\n{}", "word ".repeat(600), "- item\n".repeat(8)), 4), Complexity::High);
        let large = format!("redesign the architecture, security\n{}", "- item and words\n".repeat(600));
        assert_eq!(of(&large, 20), Complexity::Critical);
    }

    #[test]
    fn every_kind_has_its_words() {
        for kind in Kind::ALL {
            assert!(KEYWORDS.iter().any(|row| row.0 == kind));
        }
    }
}
