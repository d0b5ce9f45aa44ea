use std::fs;

use super::*;

fn names(request: &str) -> Vec<String> {
    parse(request).into_iter().map(|item| item.names.join("|")).collect()
}

#[test]
fn names_are_found_in_every_form() {
    for (request, expected) in [
        (
            "Execute these prompts:\n- a.md\n* b.md\n+ c.md\n1. d.md\n2) e.md\nf.md\n",
            vec!["a.md", "b.md", "c.md", "d.md", "e.md", "f.md"],
        ),
        (
            "/agent:orchestrator-agent\n\nExecute these specific prompts in parallel:\n- `a.md` - the first\n- b.md (high)\n",
            vec!["a.md", "b.md"],
        ),
        ("EXECUTE THESE\n- a\n", vec!["a"]),
        ("run the following prompts in parallel\n- a.md", vec!["a.md"]),
        ("Prompt files\na.md", vec!["a.md"]),
        ("Execute these prompts: test.md", vec!["test.md"]),
        ("Execute these prompts: test", vec!["test"]),
        ("Execute these prompts: `a.md`, b.md and c", vec!["a.md", "b.md", "c"]),
        ("Execute these prompts: a.md b.md", vec!["a.md", "b.md"]),
        ("Execute these prompt files a.md and b.md please", vec!["a.md", "b.md"]),
        ("execute these:\nprompts/", vec!["prompts/"]),
        ("execute these: prompts/", vec!["prompts/"]),
        ("prompts/", vec!["prompts/"]),
        ("prompts/a.md\nprompts/b.md\n", vec!["prompts/a.md", "prompts/b.md"]),
        ("execute these:\n- my prompt.md\n- `my other.md`\n", vec!["my prompt.md|my", "my other.md"]),
        (
            "execute these:\n- [a](prompts/a.md)\n- **b.md**: bold\n- [ ] c.md",
            vec!["prompts/a.md", "b.md", "c.md"],
        ),
        ("execute these:\n\nSome words here.\nb.md, please.\n", vec!["b.md"]),
        ("execute these:\r\n- a.md\r\n", vec!["a.md"]),
        ("- a.md\nBut first a word.\n", vec![]),
        ("please do something", vec![]),
        ("execute these:\n", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(names(request), expected, "{request:?}");
    }
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("prompts/more")).unwrap();
    for name in ["prompts/a.md", "prompts/b.md", "prompts/more/c.md", "top.md", "notes.txt"] {
        fs::write(folder.path().join(name), "# X").unwrap();
    }
    folder
}

fn found(request: &str) -> (Vec<String>, usize) {
    let folder = repository();
    let requested = resolve(folder.path(), folder.path(), &format!("execute these:\n{request}")).unwrap();
    (requested.files.into_iter().map(|file| file.shown).collect(), requested.warnings.len())
}

#[test]
fn names_are_looked_up_as_given_then_under_prompts() {
    for (request, expected, warnings) in [
        ("- a.md", vec!["prompts/a.md"], 0),
        ("- a", vec!["prompts/a.md"], 0),
        ("- prompts/a.md\n- a", vec!["prompts/a.md"], 0),
        ("- top", vec!["top.md"], 0),
        ("- more/c.md", vec!["prompts/more/c.md"], 0),
        ("- prompts/", vec!["prompts/a.md", "prompts/b.md"], 0),
        ("- prompts", vec!["prompts/a.md", "prompts/b.md"], 0),
        ("- more/\n- a.md", vec!["prompts/more/c.md", "prompts/a.md"], 0),
        ("- a.md\n- gone.md\n- notes.txt", vec!["prompts/a.md"], 2),
        ("- a.md\n- ../../etc/passwd.md\n- /etc/passwd\n- ../x.md", vec!["prompts/a.md"], 3),
    ] {
        assert_eq!(
            found(request),
            (expected.into_iter().map(str::to_owned).collect(), warnings),
            "{request}"
        );
    }
}

#[test]
fn links_out_of_the_repository_are_left_out() {
    let folder = repository();
    let outside = tempfile::NamedTempFile::with_suffix(".md").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("prompts/out.md")).unwrap();
    let requested = resolve(folder.path(), folder.path(), "execute these: out.md, a.md").unwrap();
    assert_eq!(requested.files.len(), 1);
    assert!(requested.warnings[0].contains("leaves the repository"), "{:?}", requested.warnings);
}

#[test]
fn nothing_left_is_an_error() {
    let folder = repository();
    let resolve = |request: &str| resolve(folder.path(), folder.path(), request).unwrap_err();
    assert!(matches!(resolve("hello"), RequestError::NothingNamed));
    assert!(matches!(resolve("execute these: gone.md"), RequestError::NothingLeft(why) if why.len() == 1));
    assert!(matches!(resolve(&" ".repeat(MAX_REQUEST_BYTES + 1)), RequestError::TooLarge(_)));
}
