//! The first version of gadugi guessed what a prompt would write by two patterns, and held that two prompts collide where
//! one string is found in both. This is that rule, written anew, to be compared with.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use regex::Regex;

/// A Python file anywhere in the text.
static PYTHON: LazyLock<Regex> = LazyLock::new(|| pattern(r"\w+(?:/\w+)*\.py"));

/// A file of one of a few kinds, alone between backticks.
static TICKED: LazyLock<Regex> = LazyLock::new(|| pattern(r"`([^`]+\.(?:py|js|ts|md|json|yaml|yml))`"));

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "fixed text, compiled by every test")]
    Regex::new(text).expect("a pattern")
}

/// The strings that the rule takes for files.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    let python = PYTHON.find_iter(text).map(|found| found.as_str());
    let ticked = TICKED.captures_iter(text).filter_map(|found| found.get(1)).map(|found| found.as_str());
    python.chain(ticked).map(str::to_owned).collect()
}

/// The files of a tree by the ends of their paths.
pub(crate) struct Ends<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Ends<'a> {
    pub(crate) fn new(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut ends: HashMap<&str, Vec<&str>> = HashMap::new();
        for path in paths {
            ends.entry(path.rsplit('/').next().unwrap_or(path)).or_default().push(path);
        }
        Self(ends)
    }

    /// The file that such a string means: that of this path, else the only one whose path ends so; else a file by that name
    /// which is still to be made.
    pub(crate) fn resolve(&self, name: &str) -> String {
        let name = name.trim_start_matches("./");
        let last = name.rsplit('/').next().unwrap_or(name);
        let candidates = self.0.get(last).map_or(&[][..], Vec::as_slice);
        if candidates.contains(&name) {
            return name.to_owned();
        }
        let ends = |path: &&&str| {
            path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let mut fitting = candidates.iter().filter(ends);
        match (fitting.next(), fitting.next()) {
            (Some(path), None) => (*path).to_owned(),
            _ => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_patterns_find_what_they_found() {
        let text = "Fix src/app/cli.py and `web/main.ts`, not main.rs, `a.rs`, or plain b.json; see `x y.md`. cli.pyc";
        let expected = ["cli.py", "src/app/cli.py", "web/main.ts", "x y.md"];
        assert_eq!(names(text).iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert!(names("nothing of the kind").is_empty());
    }

    #[test]
    fn strings_become_files_where_there_is_one() {
        let ends = Ends::new(["src/app/cli.py", "src/web/cli.py", "docs/index.md"]);
        assert_eq!(ends.resolve("index.md"), "docs/index.md");
        assert_eq!(ends.resolve("app/cli.py"), "src/app/cli.py");
        assert_eq!(ends.resolve("src/web/cli.py"), "src/web/cli.py");
        assert_eq!(ends.resolve("cli.py"), "cli.py");
        assert_eq!(ends.resolve("./new.py"), "new.py");
    }
}
