use super::*;
use crate::markdown::blocks;

/// The tasks that a prompt called `me` follows, among `lexer`, `parser`, `types`, `two-words` and itself.
fn follows(body: &str) -> Vec<String> {
    let mut names = Names::default();
    for id in ["lexer", "parser", "types", "two-words", "me"] {
        names.add(id, &format!("prompts/{id}.md"));
    }
    let prompt = ReadPrompt { id: "me", path: "prompts/me.md", title: "", body };
    let found = mentions(&prompt, &blocks(body), &names);
    found.iter().map(|mention| format!("{} {}", mention.task, mention.confidence.0)).collect()
}

#[test]
fn words_that_make_an_edge() {
    for (body, expected) in [
        ("This depends on lexer.md.", vec!["lexer 90"]),
        ("Depends on: `lexer`", vec!["lexer 90"]),
        ("It depends on the lexer task and on parser.", vec!["lexer 85", "parser 85"]),
        ("Run this after `lexer`.", vec!["lexer 90"]),
        ("Start after lexer is done.", vec!["lexer 60"]),
        ("after the lexer and the parser have landed", vec!["lexer 60", "parser 60"]),
        ("Prerequisites: lexer", vec!["lexer 85"]),
        ("**Prerequisites:** lexer, parser, `types`", vec!["lexer 85", "parser 85", "types 90"]),
        ("Prerequisite: prompts/lexer.md", vec!["lexer 90"]),
        ("Dependencies: [the lexer](lexer.md)", vec!["lexer 90"]),
        ("Blocked by \"two-words\"", vec!["two-words 90"]),
        ("depends on\nlexer.md", vec!["lexer 90"]),
        (
            "## Dependencies\n\n- lexer\n- `parser`: for the tree\n- types (all of them)\n",
            vec!["lexer 85", "parser 90", "types 85"],
        ),
        ("## Prerequisites\n1. lexer.md\n", vec!["lexer 90"]),
        ("Requires the parser.", vec!["parser 60"]),
        ("Requires the parser. It depends on parser.md.", vec!["parser 90"]),
        ("Depends on LEXER.md", vec!["lexer 90"]),
    ] {
        assert_eq!(follows(body), expected, "{body}");
    }
}

#[test]
fn words_that_make_none() {
    for body in [
        "The lexer and the parser are nice; see lexer.md.",
        "Requires the parser to be fast.",
        "After parsing, print it. After the parser reads a token, stop.",
        "This does not depend on lexer.md. It doesn't require `parser`. It no longer depends on types.",
        "Depends on me. After `me`. Prerequisites: me.md",
        "Depends on serde and libc, needs tokio.",
        "Prerequisites: none",
        "```\ndepends on lexer.md\n```",
        "# Depends on lexer\n",
        "## Remove unused dependencies from the tree\n- lexer\n",
        "hereafter `lexer`",
        "The lexers depend on parsers.",
        "depends on lexers.md or lexer2",
    ] {
        assert_eq!(follows(body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn the_evidence_is_the_words() {
    let mut names = Names::default();
    names.add("lexer", "prompts/lexer.md");
    let body = "Intro.\n\nThis task depends on lexer.md for tokens.\n";
    let prompt = ReadPrompt { id: "me", path: "prompts/me.md", title: "", body };
    let found = mentions(&prompt, &blocks(body), &names);
    assert_eq!(found[0].evidence, "This task depends on lexer.md for tokens.");
}

#[test]
fn names_of_several_tasks_name_none_in_words() {
    let mut names = Names::default();
    names.add("x-lexer", "x/lexer.md");
    names.add("y-lexer", "y/lexer.md");
    assert_eq!(names.find("lexer", "z/me.md"), [0, 1]);
    assert_eq!(names.find("lexer.md", "z/me.md"), [0, 1]);
    assert_eq!(names.find("lexer.md", "x/me.md"), [0], "the one beside it");
    assert_eq!(names.find("x/lexer.md", "me.md"), [0]);
    assert_eq!(names.find("../y/lexer.md", "x/me.md"), [1]);
    let prompt = ReadPrompt { id: "me", path: "me.md", title: "", body: "depends on lexer.md" };
    assert_eq!(mentions(&prompt, &blocks(prompt.body), &names), []);
}
