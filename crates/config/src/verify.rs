//! What a repository's files say about how it is tested, and whether it uses uv.

/// How a repository seems to be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The shell command.
    pub command: String,
    /// The file that says so.
    pub because: &'static str,
}

/// Guesses how the work is tested from the files at the repository's root.
///
/// Where several fit, the first of this order wins: a recipe that somebody wrote for people (`justfile`, then
/// `Makefile`) says more than a build system's own default, and of those the one that compiles is asked first:
/// `Cargo.toml`, `go.mod`, `package.json`, then Python's. A repository of several languages without a recipe names
/// its command in `gadugi.toml`.
pub fn guess(has_file: impl Fn(&str) -> bool, read: impl Fn(&str) -> Option<String>) -> Option<Guess> {
    let found = |command: &str, because| Some(Guess { command: command.to_owned(), because });
    let just = ["justfile", "Justfile", ".justfile"];
    if let Some(file) = just.into_iter().find(|file| read(file).is_some_and(|text| has_recipe(&text))) {
        return found("just test", file);
    }
    let make = ["GNUmakefile", "makefile", "Makefile"];
    if let Some(file) = make.into_iter().find(|file| has_file(file)) {
        // Of several, make reads only the first.
        if read(file).is_some_and(|text| has_target(&text)) {
            return found("make test", file);
        }
    }
    if has_file("Cargo.toml") {
        return found("cargo test", "Cargo.toml");
    }
    if has_file("go.mod") {
        return found("go test ./...", "go.mod");
    }
    if read("package.json").is_some_and(|text| has_test_script(&text)) {
        return found("npm test", "package.json");
    }
    let python = pytest_file(&has_file, &read)?;
    found(if uses_uv(&has_file, &read) { "uv run pytest" } else { "pytest" }, python)
}

/// Whether the repository uses uv: a `uv.lock`, or `[tool.uv]` in its `pyproject.toml`.
pub fn uses_uv(has_file: impl Fn(&str) -> bool, read: impl Fn(&str) -> Option<String>) -> bool {
    let tool = || pyproject(read).is_some_and(|table| tool(&table, "uv").is_some());
    has_file("uv.lock") || tool()
}

/// The file that says that pytest is at home here. A `pyproject.toml` alone says only that there is Python: pytest
/// must be named in it, or `tests/conftest.py` be there.
fn pytest_file(
    has_file: impl Fn(&str) -> bool,
    read: impl Fn(&str) -> Option<String>,
) -> Option<&'static str> {
    let certain = ["pytest.ini", ".pytest.ini", "conftest.py", "tests/conftest.py"];
    if let Some(file) = certain.into_iter().find(|file| has_file(file)) {
        return Some(file);
    }
    let named = |file: &str, word: &str| read(file).is_some_and(|text| text.contains(word));
    if pyproject(&read).is_some_and(|table| tool(&table, "pytest").is_some())
        || named("pyproject.toml", "pytest")
    {
        return Some("pyproject.toml");
    }
    [("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")]
        .into_iter()
        .find(|(file, word)| named(file, word))
        .map(|(file, _)| file)
}

fn pyproject(read: impl Fn(&str) -> Option<String>) -> Option<toml::Table> {
    read("pyproject.toml")?.parse().ok()
}

fn tool<'a>(table: &'a toml::Table, name: &str) -> Option<&'a toml::Value> {
    table.get("tool")?.get(name)
}

/// `scripts.test` of a package, unless it is what `npm init` writes, which always fails.
fn has_test_script(package: &str) -> bool {
    let package: Option<serde_json::Value> = serde_json::from_str(package).ok();
    let script = package.as_ref().and_then(|package| package.pointer("/scripts/test")?.as_str());
    script.is_some_and(|script| !script.trim().is_empty() && !script.contains("no test specified"))
}

/// A line `test:` or `test: dependencies` that begins a rule.
fn has_target(makefile: &str) -> bool {
    makefile.lines().any(|line| {
        let rule = line.split_once(':').filter(|(_, rest)| !rest.starts_with('=') && !rest.starts_with(":="));
        let names = rule.map(|(names, _)| names).filter(|names| !names.starts_with(['\t', ' ', '#', '.']));
        names.is_some_and(|names| names.split_ascii_whitespace().any(|name| name == "test"))
    })
}

/// A line `test:`, `@test:` or `test with parameters:` that begins a recipe that needs no arguments.
fn has_recipe(justfile: &str) -> bool {
    justfile.lines().any(|line| {
        let Some((head, rest)) = line.split_once(':') else { return false };
        let mut words = head.strip_prefix('@').unwrap_or(head).split_ascii_whitespace();
        let named = words.next() == Some("test") && !head.starts_with([' ', '\t']);
        // A parameter without a default has to be given.
        named && !rest.starts_with('=') && words.all(|word| word.contains('=') || word.starts_with('*'))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Names and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn guessed(files: Files) -> Option<(String, &'static str)> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        guess(|name| files.contains_key(name), |name| files.get(name).map(|text| (*text).to_owned()))
            .map(|guess| (guess.command, guess.because))
    }

    #[test]
    fn each_build_system() {
        let table: &[(Files, Option<(&str, &str)>)] = &[
            (&[], None),
            (&[("README.md", "")], None),
            (&[("Cargo.toml", "")], Some(("cargo test", "Cargo.toml"))),
            (&[("go.mod", "")], Some(("go test ./...", "go.mod"))),
            (&[("package.json", r#"{"scripts":{"test":"vitest"}}"#)], Some(("npm test", "package.json"))),
            (&[("package.json", r#"{"scripts":{"build":"x"}}"#)], None),
            (
                &[("package.json", r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#)],
                None,
            ),
            (&[("package.json", "{")], None),
            (&[("pytest.ini", "")], Some(("pytest", "pytest.ini"))),
            (&[("pytest.ini", ""), ("uv.lock", "")], Some(("uv run pytest", "pytest.ini"))),
            (&[("pyproject.toml", "[tool.pytest.ini_options]")], Some(("pytest", "pyproject.toml"))),
            (
                &[("pyproject.toml", "[dependency-groups]\ndev = ['pytest>=8']\n[tool.uv]\n")],
                Some(("uv run pytest", "pyproject.toml")),
            ),
            (&[("pyproject.toml", "[project]\nname = 'x'")], None),
            (&[("tox.ini", "[pytest]\n")], Some(("pytest", "tox.ini"))),
            (&[("justfile", "build:\n  x\ntest: build\n  y\n")], Some(("just test", "justfile"))),
            (&[("justfile", "test filter='':\n  y\n")], Some(("just test", "justfile"))),
            (&[("justfile", "test filter:\n  y\n")], None),
            (&[("justfile", "test := 'x'\n")], None),
            (&[("Makefile", "all: x\n\ntest: all\n\t./t\n")], Some(("make test", "Makefile"))),
            (&[("Makefile", "check test:\n\t./t\n")], Some(("make test", "Makefile"))),
            (&[("Makefile", ".PHONY: test\ntest:=1\n# test: x\n")], None),
            (&[("GNUmakefile", "all:\n"), ("Makefile", "test:\n")], None),
        ];
        for (files, expected) in table {
            let expected = expected.map(|(command, because)| (command.to_owned(), because));
            assert_eq!(guessed(files), expected, "{files:?}");
        }
    }

    #[test]
    fn a_recipe_for_people_wins_over_a_default() {
        let both = [("Cargo.toml", ""), ("Makefile", "test:\n\tcargo nextest run\n")];
        assert_eq!(guessed(&both), Some(("make test".into(), "Makefile")));
        let three = [("package.json", r#"{"scripts":{"test":"x"}}"#), ("pytest.ini", ""), ("Cargo.toml", "")];
        assert_eq!(guessed(&three), Some(("cargo test".into(), "Cargo.toml")));
    }

    #[test]
    fn uv_is_recognized() {
        let uses = |files: &[(&str, &str)]| {
            let files: BTreeMap<&str, &str> = files.iter().copied().collect();
            uses_uv(|name| files.contains_key(name), |name| files.get(name).map(|text| (*text).to_owned()))
        };
        assert!(uses(&[("uv.lock", "")]));
        assert!(uses(&[("pyproject.toml", "[tool.uv.sources]\n")]));
        assert!(!uses(&[("pyproject.toml", "# [tool.uv]\n[tool.uvx]\n")]));
        assert!(!uses(&[("pyproject.toml", "[tool.uv")]));
        assert!(!uses(&[]));
    }
}
