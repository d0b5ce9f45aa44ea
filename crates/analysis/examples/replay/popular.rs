//! The baseline: the files that change most.
//!
//! It foretells for every commit the files that most of the last so many commits before it changed. How many commits and how many files
//! is fitted as well as can be, on the earlier half. It says the same of every commit, so of pairs it can only say that all of
//! them collide, or none. That would be a poor opponent; so there is a stronger one, which takes only those popular files
//! whose folder or kind the prompt's words name.

use std::collections::{BTreeSet, HashMap, HashSet};

use gadugi_analysis::history::History;

use super::prompt::Prompt;

/// Commits that are looked back, as many ways.
pub(crate) const WINDOWS: [usize; 4] = [50, 200, 1_000, 4_000];

/// The longest ranking.
const MOST: usize = 30;

/// The files of the tree that most of the last `window` commits changed, the most popular first.
pub(crate) fn ranking(history: &History, tree: &HashSet<&str>, window: usize) -> Vec<(String, usize)> {
    let mut times: HashMap<u32, usize> = HashMap::new();
    for commit in history.commits().iter().take(window) {
        for file in &commit.files {
            *times.entry(file.0).or_default() += 1;
        }
    }
    let path = |file: u32| history.paths().get(file as usize).map_or("", |path| path);
    let mut ranked: Vec<(&str, usize)> = times
        .into_iter()
        .map(|(file, times)| (path(file), times))
        .filter(|(path, _)| tree.contains(path))
        .collect();
    ranked.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    ranked.into_iter().map(|(path, times)| (path.to_owned(), times)).collect()
}

/// The first of a ranking: the place in it as a figure that is the greater, the better the place.
pub(crate) fn places<'a>(ranking: impl IntoIterator<Item = &'a (String, usize)>) -> Vec<(String, f64)> {
    let first = ranking.into_iter().take(MOST).enumerate();
    first.map(|(place, (path, _))| (path.clone(), 1.0 / (place + 1) as f64)).collect()
}

/// Of a ranking those files that have a folder (of three letters or more), or a kind, that the prompt names.
pub(crate) fn named<'a>(ranking: &'a [(String, usize)], prompt: &Prompt) -> Vec<&'a (String, usize)> {
    let text = prompt.text().to_lowercase();
    let words: BTreeSet<&str> =
        text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).collect();
    let names = |path: &str| {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = folders
            .split('/')
            .any(|folder| folder.len() > 2 && words.contains(folder.to_lowercase().as_str()));
        let kind = name
            .rsplit_once('.')
            .is_some_and(|(_, kind)| text.contains(&format!(".{}", kind.to_lowercase())));
        folder || kind
    };
    ranking.iter().filter(|(path, _)| names(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let mut history = History::default();
        for (id, files) in [
            ("3", &["src/a.rs", "gone.rs"][..]),
            ("2", &["src/a.rs", "docs/b.md"]),
            ("1", &["docs/b.md"]),
            ("0", &["docs/b.md"]),
        ] {
            history.push(gadugi_core::CommitId::new(id), 0, "".into(), files.iter().copied());
        }
        history
    }

    #[test]
    fn what_changed_most_comes_first() {
        let tree = HashSet::from(["src/a.rs", "docs/b.md", "never.rs"]);
        let all = ranking(&history(), &tree, 10);
        assert_eq!(all, [("docs/b.md".to_owned(), 3), ("src/a.rs".to_owned(), 2)]);
        assert_eq!(ranking(&history(), &tree, 2)[0].0, "src/a.rs");
        assert_eq!(places(&all), [("docs/b.md".to_owned(), 1.0), ("src/a.rs".to_owned(), 0.5)]);
    }

    #[test]
    fn folders_and_kinds_are_named() {
        let ranking = [("docs/b.md".to_owned(), 3), ("src/a.rs".to_owned(), 2), ("c.rs".to_owned(), 1)];
        let prompt = |title: &str| Prompt { title: title.into(), body: String::new() };
        let files = |title: &str| {
            named(&ranking, &prompt(title)).into_iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(files("Docs: say more"), ["docs/b.md"]);
        assert_eq!(files("Format all .rs files"), ["src/a.rs", "c.rs"]);
        assert!(files("Say more").is_empty());
    }
}
