//! The sample: a small command in shell script that reads words, with a test for each part, and eight prompts: three
//! that stand alone, a chain of three, and two that want the same file. Needs nothing but a shell.

/// Path, text and mode of each file.
pub(super) const FILES: &[(&str, &str, u32)] = &[
    ("README.md", include_str!("sample/README.md"), 0o644),
    ("CHANGELOG.md", "# Changelog\n\n## Unreleased\n", 0o644),
    ("gadugi.toml", include_str!("sample/gadugi.toml"), 0o644),
    ("test.sh", include_str!("sample/test.sh"), 0o755),
    ("src/words.sh", include_str!("sample/words.sh"), 0o644),
    ("tests/words.sh", include_str!("sample/tests-words.sh"), 0o644),
    ("prompts/greet.md", include_str!("sample/prompts/greet.md"), 0o644),
    ("prompts/shout.md", include_str!("sample/prompts/shout.md"), 0o644),
    ("prompts/guide.md", include_str!("sample/prompts/guide.md"), 0o644),
    ("prompts/lexer.md", include_str!("sample/prompts/lexer.md"), 0o644),
    ("prompts/parser.md", include_str!("sample/prompts/parser.md"), 0o644),
    ("prompts/calc.md", include_str!("sample/prompts/calc.md"), 0o644),
    ("prompts/changelog-words.md", include_str!("sample/prompts/changelog-words.md"), 0o644),
    ("prompts/changelog-calc.md", include_str!("sample/prompts/changelog-calc.md"), 0o644),
];
