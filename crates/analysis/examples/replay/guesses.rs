//! Ways of foretelling what a prompt writes, all asked in the same way: with the prompt, and with the world as it was at the
//! commit's parent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use gadugi_analysis::history::History;
use gadugi_analysis::map::{MapCache, RepositoryMap};
use gadugi_analysis::predict::{self, Predictor, PromptWords};
use gadugi_workspace::Entry;

use super::blobs::{self, GitBlobs};
use super::evaluate::Method;
use super::original::{self, Ends};
use super::pairs::{Likely, Together};
use super::past::{Case, Past};
use super::popular::{self, WINDOWS};
use super::prompt::Prompt;

/// The world at the parent of a case.
pub(crate) struct ParentView<'a> {
    /// Every file.
    pub(crate) tree: &'a [Entry],
    /// What the files define and import.
    pub(crate) map: &'a RepositoryMap,
    /// What came before.
    pub(crate) history: &'a History,
}

/// Files, each with how likely it is written, or a figure in its place.
pub(crate) type Said = Vec<(String, f64)>;

/// A way of foretelling.
pub(crate) trait Guess: Sync {
    /// What it says, by names of its own: some ways come in several settings.
    fn predict(&self, prompt: &Prompt, at: &ParentView<'_>) -> Result<BTreeMap<String, Said>>;
}

/// What gadugi foretells.
pub(crate) struct Gadugi;

/// The original's patterns: `original` by files, `original strings` as they stand in the text.
pub(crate) struct Original;

/// The files that change most, for each window; and those that the prompt's words narrow down.
pub(crate) struct Popularity;

/// Names of what is said.
pub(crate) const ORIGINAL: &str = "original";
pub(crate) const GADUGI: &str = "gadugi";
const STRINGS: &str = "original strings";

impl Guess for Gadugi {
    fn predict(&self, prompt: &Prompt, at: &ParentView<'_>) -> Result<BTreeMap<String, Said>> {
        let words = PromptWords { title: &prompt.title, body: &prompt.body, explicit: &[] };
        let likely = Predictor::new(at.map, at.history).predict(&words);
        let said = likely.into_iter().map(|likely| (likely.path, likely.probability)).collect();
        Ok(BTreeMap::from([(GADUGI.to_owned(), said)]))
    }
}

impl Guess for Original {
    fn predict(&self, prompt: &Prompt, at: &ParentView<'_>) -> Result<BTreeMap<String, Said>> {
        let names = original::names(&prompt.text());
        let mut said = BTreeMap::new();
        if !names.is_empty() {
            let ends = Ends::new(at.tree.iter().map(|entry| entry.path.as_str()));
            let files = names.iter().map(|name| (ends.resolve(name), 1.0)).collect();
            said.insert(ORIGINAL.to_owned(), files);
            said.insert(STRINGS.to_owned(), names.into_iter().map(|name| (name, 1.0)).collect());
        }
        Ok(said)
    }
}

impl Guess for Popularity {
    fn predict(&self, prompt: &Prompt, at: &ParentView<'_>) -> Result<BTreeMap<String, Said>> {
        let tree: HashSet<&str> = at.tree.iter().map(|entry| entry.path.as_str()).collect();
        let mut said = BTreeMap::new();
        for window in WINDOWS {
            let ranking = popular::ranking(at.history, &tree, window);
            said.insert(format!("popular {window}"), popular::places(&ranking));
            said.insert(format!("named {window}"), popular::places(popular::named(&ranking, prompt)));
        }
        Ok(said)
    }
}

/// What all say of all cases, by names; and the truth in the same numbers.
pub(crate) struct Said4All {
    /// The path of each number.
    pub(crate) files: Vec<String>,
    /// Each case's files, sorted.
    pub(crate) truth: Vec<Vec<u32>>,
    /// By names, of every case.
    said: BTreeMap<String, Vec<Likely>>,
}

/// Asks all guesses about all cases.
pub(crate) fn ask(past: &Past, guesses: &[&dyn Guess]) -> Result<Said4All> {
    let asked = of_each(past, past.cases.len(), &|case, view| {
        let mut all = BTreeMap::new();
        for guess in guesses {
            all.extend(guess.predict(&case.prompt, view)?);
        }
        Ok(all)
    })?;
    let mut numbers = Numbers::default();
    let truth = past.cases.iter().map(|case| numbers.all(&case.truth)).collect();
    let mut said: BTreeMap<String, Vec<Likely>> = BTreeMap::new();
    for (at, by_name) in asked.into_iter().enumerate() {
        for (name, files) in by_name {
            let all = said.entry(name).or_insert_with(|| vec![Likely::new(); past.cases.len()]);
            all[at] = numbers.likely(files);
        }
    }
    Ok(Said4All { files: numbers.files, truth, said })
}

/// For whoever fits the model: each file that was weighed for a commit of the earlier half, by what, and whether it was
/// written. A line for each, its fields between tabs: number of the commit, how many files that changed, whether this one
/// is among them, and the signals.
pub(crate) fn signals(past: &Past) -> Result<String> {
    let names: Vec<&str> = predict::signal_names().collect();
    let asked = of_each(past, past.cases.len() / 2, &|case, view| {
        let words = PromptWords { title: &case.prompt.title, body: &case.prompt.body, explicit: &[] };
        let weighed = Predictor::new(view.map, view.history).signals(&words);
        let lines = weighed.into_iter().map(|(path, signals)| {
            let written = u8::from(case.truth.iter().any(|file| file == path));
            let signals: Vec<String> = signals.iter().map(f64::to_string).collect();
            format!("{}\t{written}\t{}\n", case.truth.len(), signals.join("\t"))
        });
        Ok(lines.collect::<Vec<_>>())
    })?;
    let mut text = format!("commit\tfiles\twritten\t{}\n", names.join("\t"));
    for (at, lines) in asked.into_iter().enumerate() {
        text.extend(lines.into_iter().map(|line| format!("{at}\t{line}")));
    }
    Ok(text)
}

/// What is asked of one case and the world at its parent.
type Question<'q, T> = dyn Fn(&Case, &ParentView<'_>) -> Result<T> + Sync + 'q;

/// The answers for the first so many cases, in their order: asked on as many threads as there are cores.
fn of_each<T: Send>(past: &Past, count: usize, question: &Question<'_, T>) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let some = || -> Result<Vec<(usize, T)>> {
        // Each thread has a map's cache of its own: only what differs from the tree before is parsed.
        let (mut answers, mut cache) = (Vec::new(), MapCache::new());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = past.cases.get(at).filter(|_| at < count) else { return Ok(answers) };
            let (tree, history) = (past.tree(case)?, past.history(case));
            let entries = tree.iter().filter_map(blobs::entry).collect();
            let map = RepositoryMap::build(entries, &GitBlobs(&past.repository), &mut cache)?;
            let view = ParentView { tree: &tree, map: &map, history: &history };
            answers.push((at, question(case, &view)?));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Result<Vec<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(some)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?).collect()
    });
    let mut answers: Vec<_> = all?.into_iter().flatten().collect();
    answers.sort_unstable_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

impl Said4All {
    /// The method of that name; one that never said anything says nothing.
    pub(crate) fn method(&self, name: &str, together: Together, fixed: Option<(f64, f64)>) -> Method {
        let of = |name: &str| {
            self.said.get(name).cloned().unwrap_or_else(|| vec![Likely::new(); self.truth.len()])
        };
        let strings = (name == ORIGINAL).then(|| of(STRINGS));
        Method { name: name.to_owned(), likely: of(name), strings, together, fixed }
    }

    /// All settings whose names begin so.
    pub(crate) fn settings(&self, begin: &str, together: Together) -> Vec<Method> {
        let names = self.said.keys().filter(|name| name.starts_with(begin));
        names.map(|name| self.method(name, together, None)).collect()
    }
}

/// Names as numbers.
#[derive(Default)]
struct Numbers {
    files: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Numbers {
    fn of(&mut self, name: &str) -> u32 {
        if let Some(known) = self.ids.get(name) {
            return *known;
        }
        let id = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    fn all(&mut self, names: &[String]) -> Vec<u32> {
        let mut all: Vec<u32> = names.iter().map(|name| self.of(name)).collect();
        all.sort_unstable();
        all
    }

    /// Sorted, each once, with the greater of its figures.
    fn likely(&mut self, said: Said) -> Likely {
        let mut likely: Likely = said.into_iter().map(|(name, figure)| (self.of(&name), figure)).collect();
        likely.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)));
        likely.dedup_by_key(|(file, _)| *file);
        likely
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_the_greater_figure_counts() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.all(&["b".into(), "a".into()]), [0, 1]);
        let said = vec![("c".into(), 0.1), ("a".into(), 0.2), ("b".into(), 0.3), ("a".into(), 0.7)];
        assert_eq!(numbers.likely(said), [(0, 0.3), (1, 0.7), (2, 0.1)]);
        assert_eq!(numbers.files, ["b", "a", "c"]);
    }
}
