//! Bad and odd input: each has its own error or works.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::Repository;
use gadugi_analysis::{AnalysisError, InputError, MAX_PROMPT_BYTES, PromptError, prompts};

fn errors(repository: &Repository, arguments: &[&str]) -> Vec<InputError> {
    match repository.plan(arguments) {
        Err(AnalysisError::Input(errors)) => errors,
        other => panic!("expected bad input, found {other:?}"),
    }
}

fn prompt_error(repository: &Repository, argument: &str) -> PromptError {
    let mut errors = errors(repository, &[argument]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    match errors.remove(0) {
        InputError::Prompt(error) => error,
        other => panic!("expected a prompt's error, found {other:?}"),
    }
}

#[test]
fn every_bad_prompt_has_an_error_of_its_own() {
    let mut repository = Repository::new(&[
        ("empty.md", ""),
        ("blank.md", " \n\t\n"),
        ("front.md", "---\nkind: feature\n---\n\n"),
        ("folder/readme.txt", ""),
    ]);
    repository.write("latin.md", b"# caf\xe9\n");
    repository.write("large.md", &vec![b'x'; 10_000_000]);
    repository.write("fits.md", &vec![b'x'; usize::try_from(MAX_PROMPT_BYTES).unwrap()]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "# secret").unwrap();
    symlink(outside.path(), repository.root().join("leaves.md")).unwrap();
    symlink("loop.md", repository.root().join("loop.md")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(repository.root().join("socket.md")).unwrap();

    assert!(matches!(prompt_error(&repository, "missing.md"), PromptError::Missing { .. }));
    assert!(matches!(prompt_error(&repository, "empty.md/x.md"), PromptError::Missing { .. }));
    assert!(matches!(prompt_error(&repository, "empty.md"), PromptError::Empty { .. }));
    assert!(matches!(prompt_error(&repository, "blank.md"), PromptError::Empty { .. }));
    assert!(matches!(prompt_error(&repository, "front.md"), PromptError::OnlyFrontMatter { .. }));
    assert!(matches!(prompt_error(&repository, "latin.md"), PromptError::NotUtf8 { offset: 5, .. }));
    assert!(matches!(prompt_error(&repository, "large.md"), PromptError::TooLarge { bytes: 10_000_000, .. }));
    assert!(matches!(prompt_error(&repository, "folder"), PromptError::NoPromptsIn { .. }));
    assert!(matches!(prompt_error(&repository, "leaves.md"), PromptError::LeavesRepository { .. }));
    assert!(matches!(prompt_error(&repository, "loop.md"), PromptError::Unreadable { .. }));
    assert!(matches!(prompt_error(&repository, "socket.md"), PromptError::NotAFile { .. }));
    assert!(repository.plan(&["fits.md"]).is_ok());
    assert!(matches!(
        prompts::resolve(repository.root(), repository.root(), &[]).unwrap_err().as_slice(),
        [PromptError::NoFolder]
    ));
}

#[test]
fn all_causes_are_told_at_once() {
    let repository = Repository::new(&[("a.md", ""), ("b.md", "---\nkind: x\nbudget: -1\n---\n# B\n")]);
    assert_eq!(errors(&repository, &["a.md", "b.md"]).len(), 3);
}

#[test]
fn odd_names_work() {
    let names =
        ["my prompt.md", "it's \"quoted\".md", "two\nlines.md", "パーサ.md", "-rf.md", "--help.md", ".md.md"];
    let mut repository = Repository::new(&[]);
    for name in names {
        repository.write(&format!("prompts/{name}"), b"Do it.\n");
    }
    let arguments: Vec<String> = names.iter().map(|name| format!("prompts/{name}")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let plan = repository.plan(&arguments).unwrap().plan;
    assert_eq!(plan.tasks.len(), names.len());
    for task in &plan.tasks {
        assert!(!task.id.as_str().starts_with(['-', '.']), "{}", task.id);
        assert!(!task.name.contains('\n') && !task.name.is_empty());
    }
    let from_inside: Vec<PathBuf> = vec!["-rf.md".into(), "./--help.md".into()];
    let found =
        prompts::resolve(repository.root(), &repository.root().join("prompts"), &from_inside).unwrap();
    assert_eq!(found[0].shown, "prompts/-rf.md");
    assert_eq!(found[1].shown, "prompts/--help.md");
}

#[test]
fn folders_give_their_prompts_sorted_and_each_once() {
    let repository = Repository::new(&[
        ("prompts/b.md", "B"),
        ("prompts/a.md", "A"),
        ("prompts/.hidden.md", "H"),
        ("prompts/notes.txt", "N"),
        ("prompts/sub/c.md", "C"),
        ("prompts/d.md/inner.txt", "a folder"),
    ]);
    let found = prompts::resolve(repository.root(), repository.root(), &[]).unwrap();
    let shown: Vec<&str> = found.iter().map(|file| file.shown.as_str()).collect();
    assert_eq!(shown, ["prompts/a.md", "prompts/b.md"]);
    let twice: Vec<PathBuf> =
        ["prompts/b.md", "prompts", "./prompts/../prompts/b.md"].map(PathBuf::from).to_vec();
    let found = prompts::resolve(repository.root(), repository.root(), &twice).unwrap();
    let shown: Vec<&str> = found.iter().map(|file| file.shown.as_str()).collect();
    assert_eq!(shown, ["prompts/b.md", "prompts/a.md"]);
}

#[test]
fn prompts_may_lie_outside_the_repository_when_they_are_named_plainly() {
    let repository = Repository::new(&[("x", "")]);
    let outside = tempfile::TempDir::new().unwrap();
    let path = outside.path().join("task.md");
    std::fs::write(&path, "# Task\n\nDo it.\n").unwrap();
    let found = prompts::resolve(repository.root(), Path::new("/"), std::slice::from_ref(&path)).unwrap();
    assert_eq!(found[0].shown, path.to_str().unwrap());
}

#[test]
fn explicit_ids_must_differ() {
    let repository =
        Repository::new(&[("a.md", "---\nid: same\n---\n# A\n"), ("b.md", "---\nid: same\n---\n# B\n")]);
    let errors = errors(&repository, &["a.md", "b.md"]);
    assert_eq!(errors[0].to_string(), "a.md and b.md both have the id same");
}

#[test]
fn dependencies_must_name_a_task() {
    let repository = Repository::new(&[
        ("prompts/a.md", "---\ndepends_on:\n  - bb\n  - prompts/a.md\n  - other\n---\n# A\n"),
        ("prompts/b.md", "# B\n"),
        ("prompts/other.md", "# Not asked for\n"),
    ]);
    let found: Vec<String> =
        errors(&repository, &["prompts/a.md", "prompts/b.md"]).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "prompts/a.md:3:5: depends_on names \"bb\", which is no task of this plan (there is a, b)",
            "prompts/a.md:4:5: depends_on names the task itself (prompts/a.md)",
            "prompts/a.md:5:5: depends_on names \"other\", and prompts/other.md is not among the prompts of this plan",
        ]
    );
}

#[test]
fn declared_cycles_are_named() {
    let repository = Repository::new(&[
        ("prompts/a.md", "---\ndepends_on: b\n---\n# A\n"),
        ("prompts/b.md", "# B\n\nDepends on `c`.\n"),
        ("prompts/c.md", "---\ndepends_on: [a.md]\n---\n# C\n"),
    ]);
    let error = repository.plan(&[]).unwrap_err();
    assert!(matches!(&error, AnalysisError::Cycle(tasks) if tasks.len() == 3));
    let text = error.to_string();
    assert!(
        text.ends_with("a -> b -> c -> a")
            || text.ends_with("b -> c -> a -> b")
            || text.ends_with("c -> a -> b -> c"),
        "{text}"
    );
}
