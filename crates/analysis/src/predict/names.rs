//! What files are called and what they define, made ready for questions: which files a prompt's words are words of.

use std::collections::HashMap;

use gadugi_core::{ClaimSource, PathClaim};

use crate::lists::Lists;
use crate::map::{FileId, RepositoryMap};

use super::past::{folder, is_test_word, is_text, name};
use super::sums::Sums;
use super::words;

/// Where a word of a file stands: in its name, in its folders, in what it defines. What each counts in [`Names::alike`].
const IN_NAME: u8 = 1;
const IN_FOLDER: u8 = 2;
const IN_SYMBOL: u8 = 4;
const NAME: f64 = 3.0;
const FOLDER: f64 = 1.5;
const SYMBOL: f64 = 0.7;

/// Files, at most, that a name can have for it to point at them.
const MOST_NAMED: usize = 30;
/// Files, at most, that define a name for it to point at them: more, and it is a word like another.
const MOST_DEFINING: usize = 20;
/// Files, at most, that are called alike but for being tests: more, and the name is `mod` or `index`.
const MOST_COMPANIONS: usize = 8;
/// A word is passed over that is in more files than this, and in more than a tenth of all.
const COMMON: usize = 2_000;

/// Names, made ready.
#[derive(Debug)]
pub(crate) struct Names<'m> {
    map: &'m RepositoryMap,
    vocabulary: HashMap<String, u32>,
    /// The files that have a word, and where it stands.
    files_with: Lists<(u32, u8)>,
    /// How many words each file has, 1 being the mean.
    lengths: Vec<f64>,
    /// The words of each file's name and of its folders.
    of_name: Lists<u32>,
    of_folders: Lists<u32>,
    /// In how many files' paths each word stands.
    in_paths: Vec<u32>,
    by_name: HashMap<String, Vec<u32>>,
    by_stem: HashMap<String, Vec<u32>>,
    /// What a file is called but for being a test.
    pub(crate) subject_of: Vec<u32>,
    called: Lists<u32>,
    pub(crate) is_test: Vec<bool>,
    pub(crate) is_text: Vec<bool>,
}

/// What a prompt names, by file: 1 is "it and nothing else is meant".
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    /// By its path, or a part of it.
    pub(crate) path: Sums,
    /// By its name without extension.
    pub(crate) stem: Sums,
    /// By something that it defines, which is written as code is.
    pub(crate) symbol: Sums,
    /// By something that it defines, which may be a plain word.
    pub(crate) plain: Sums,
    /// What was said of files by symbol, for the evidence: file and name.
    pub(crate) symbols: Vec<(u32, String)>,
}

/// Which words of the prompt a file is called by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    /// Share of its name that the title says.
    pub(crate) name: f64,
    /// Share of its name that the prompt says.
    pub(crate) name_in_all: f64,
    /// Share of the title that its path says.
    pub(crate) title: f64,
    /// Share of its folders' names that the title says.
    pub(crate) folders: f64,
}

#[derive(Default)]
struct Vocabulary(HashMap<String, u32>);

impl Vocabulary {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(known) = self.0.get(word) {
            return *known;
        }
        let next = self.0.len() as u32;
        self.0.insert(word.to_owned(), next);
        next
    }
}

impl<'m> Names<'m> {
    pub(crate) fn new(map: &'m RepositoryMap) -> Self {
        let count = map.len();
        let (mut vocabulary, mut subjects) = (Vocabulary::default(), Vocabulary::default());
        let (mut of_name, mut of_folders) = (Vec::new(), Vec::new());
        let (mut by_name, mut by_stem): (HashMap<String, Vec<u32>>, HashMap<String, Vec<u32>>) =
            Default::default();
        let (mut subject_of, mut called) = (Vec::with_capacity(count), Vec::new());
        // Paths are sorted, so that files of one folder mostly come one after another.
        let (mut in_folder, mut folder_words, mut of_tests) = (None, Vec::new(), false);
        let mut is_test = Vec::with_capacity(count);
        for file in map.files() {
            let (id, path) = (file.index() as u32, map.path(file));
            let (own, stem) = (name(path), stem_of(name(path)));
            by_name.entry(own.to_lowercase()).or_default().push(id);
            by_stem.entry(stem.to_lowercase()).or_default().push(id);
            if in_folder != Some(folder(path)) {
                in_folder = Some(folder(path));
                (folder_words, of_tests) = (Vec::new(), false);
                words::each_part(folder(path), &mut |word| {
                    of_tests |= is_test_word(word);
                    folder_words.push(vocabulary.number(word));
                });
            }
            of_folders.extend(folder_words.iter().map(|word| (id, *word)));
            let (mut subject, mut test) = (String::new(), of_tests);
            words::each_part(stem, &mut |word| {
                of_name.push((id, vocabulary.number(word)));
                if is_test_word(word) {
                    test = true;
                } else {
                    subject.push_str(word);
                    subject.push(' ');
                }
            });
            is_test.push(test || own.contains(".test.") || own.contains(".spec."));
            // What is called nothing but "tests" goes with its folder's other files no more than with any.
            let subject = if subject.is_empty() { path.to_owned() } else { subject };
            let subject = subjects.number(&subject);
            subject_of.push(subject);
            called.push((subject, id));
        }
        let found = found(map, &mut vocabulary, &of_name, &of_folders);
        let mut in_paths = vec![0_u32; vocabulary.0.len()];
        let mut lengths = vec![0.0; count];
        for (word, (file, places)) in &found {
            in_paths[*word as usize] += u32::from(places & (IN_NAME | IN_FOLDER) != 0);
            lengths[*file as usize] += frequency(*places);
        }
        let mean = (lengths.iter().sum::<f64>() / count.max(1) as f64).max(1e-9);
        lengths.iter_mut().for_each(|length| *length /= mean);
        Self {
            map,
            files_with: Lists::new(vocabulary.0.len(), &found),
            vocabulary: vocabulary.0,
            lengths,
            of_name: Lists::new(count, &of_name),
            of_folders: Lists::new(count, &of_folders),
            in_paths,
            by_name,
            by_stem,
            subject_of,
            called: Lists::new(subjects.0.len(), &called),
            is_test,
            is_text: map.files().map(|file| is_text(map.path(file))).collect(),
        }
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(crate) fn path(&self, file: u32) -> &'m str {
        self.map.path(FileId(file))
    }

    /// The files that are called as this one is, but for being tests; itself among them.
    pub(crate) fn companions(&self, file: u32) -> &[u32] {
        let called = self.subject_of.get(file as usize).map_or(&[][..], |subject| self.called.of(*subject));
        if called.len() > MOST_COMPANIONS { &[] } else { called }
    }

    /// How much a file's words are the prompt's, by BM25 (k1 1.2, b 0.75); and into `symbols`, how much the title's words are
    /// those of what it defines.
    pub(crate) fn alike(&self, query: &[(String, f64)], title: &[u32], alike: &mut Sums, symbols: &mut Sums) {
        alike.clear(self.len());
        symbols.clear(self.len());
        for (word, weight) in query {
            let Some(number) = self.vocabulary.get(word.as_str()) else { continue };
            let files = self.files_with.of(*number);
            if files.len() > COMMON && files.len() > self.len() / 10 {
                continue;
            }
            let rarity = rarity(self.len(), files.len());
            for (file, places) in files {
                let (frequency, length) = (frequency(*places), self.lengths[*file as usize]);
                let share = frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * length));
                alike.add(*file, weight.min(2.5) * rarity * share);
                if places & IN_SYMBOL != 0 && title.contains(number) {
                    symbols.add(*file, rarity * 2.0 / (2.0 + length));
                }
            }
        }
    }

    /// The words of a text that are words of files, each once.
    pub(crate) fn known(&self, text: &str) -> Vec<u32> {
        let mut known = Vec::new();
        words::each_part(text, &mut |word| known.extend(self.vocabulary.get(word)));
        known.sort_unstable();
        known.dedup();
        known
    }

    fn says(&self, word: u32) -> f64 {
        let files = self.in_paths.get(word as usize).copied().unwrap_or(0);
        (1.0 + (self.len() as f64 + 1.0) / (f64::from(files) + 1.0)).ln()
    }

    /// What all words of a title say, `unknown` of them being words of no file.
    pub(crate) fn said(&self, title: &[u32], unknown: usize) -> f64 {
        let none = (2.0 + self.len() as f64).ln();
        title.iter().map(|word| self.says(*word)).sum::<f64>() + none * unknown as f64
    }

    /// Both lists sorted; `said` is all that the title says.
    pub(crate) fn coverage(&self, file: u32, title: &[u32], all: &[u32], said: f64) -> Coverage {
        let (own, folders) = (self.of_name.of(file), self.of_folders.of(file));
        let within = |words: &[u32], of: &[u32]| -> f64 {
            of.iter().filter(|word| words.binary_search(word).is_ok()).map(|word| self.says(*word)).sum()
        };
        let whole = |words: &[u32]| words.iter().map(|word| self.says(*word)).sum::<f64>() + 1e-9;
        let in_path = |word: &&u32| own.contains(word) || folders.contains(word);
        let of_title: f64 = title.iter().filter(in_path).map(|word| self.says(*word)).sum();
        Coverage {
            name: within(title, own) / whole(own),
            name_in_all: within(all, own) / whole(own),
            title: of_title / (said + 1e-9),
            folders: within(title, folders) / whole(folders),
        }
    }

    /// What a prompt names.
    pub(crate) fn mentions(&self, title: &str, body: &str, claims: &[PathClaim]) -> Mentions {
        let mut mentions = Mentions::default();
        for sums in [&mut mentions.path, &mut mentions.stem, &mut mentions.symbol, &mut mentions.plain] {
            sums.clear(self.len());
        }
        for claim in claims {
            let Some(file) = self.map.file(&claim.path) else { continue };
            let sums = match claim.source {
                ClaimSource::Symbol => &mut mentions.symbol,
                ClaimSource::Module => &mut mentions.stem,
                _ => &mut mentions.path,
            };
            sums.raise(file.index() as u32, claim.confidence.probability());
        }
        let body = words::head(body, 6_000);
        let code = code(body).chain(code(title)).flat_map(words::names).collect::<Vec<&str>>();
        for (text, weight) in [(title, 1.0), (body, 0.5)] {
            for word in text.split_whitespace().filter(|word| !word.contains("://")) {
                self.path_in(word, &mut mentions.path);
            }
            let mut names: Vec<&str> = words::names(text).filter(|name| name.len() > 2).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                self.name_in(name, weight, code.contains(&name), &mut mentions);
            }
        }
        mentions
    }

    /// A word that is a path's end: `b.rs`, `a/b.rs`, `a/b`.
    fn path_in(&self, word: &str, path: &mut Sums) {
        let end = |c: char| !(c.is_alphanumeric() || c == '_');
        let word = word.trim_matches(end).to_lowercase();
        let own = name(&word);
        let named = if own.contains('.') || is_well_known(own) {
            self.by_name.get(own)
        } else if word.contains('/') {
            self.by_stem.get(own)
        } else {
            None
        };
        let ends = |file: &&u32| {
            let path = self.path(**file).to_lowercase();
            let path = if own.contains('.') {
                &path[..]
            } else {
                path.rsplit_once('.').map_or(&path[..], |(stem, _)| stem)
            };
            path.strip_suffix(word.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let files: Vec<u32> = named.into_iter().flatten().filter(ends).copied().collect();
        if files.len() <= MOST_NAMED {
            files.iter().for_each(|file| path.raise(*file, 1.0 / files.len() as f64));
        }
    }

    /// A name that files are called by, or that they define.
    fn name_in(&self, name: &str, weight: f64, is_code: bool, mentions: &mut Mentions) {
        let lower = name.to_lowercase();
        let says = !words::is_stop(&lower);
        if let Some(files) = self.by_stem.get(&lower).filter(|files| says && files.len() <= MOST_NAMED) {
            files.iter().for_each(|file| mentions.stem.raise(*file, weight / files.len() as f64));
        }
        let mut small_before = false;
        let hump = name.chars().any(|c| {
            let hump = small_before && c.is_uppercase();
            small_before = c.is_lowercase();
            hump
        });
        let is_code = is_code || hump || name.trim_matches('_').contains('_');
        if !is_code && (!says || name.len() <= 3) {
            return;
        }
        let definitions = self.map.definitions(name);
        let mut files: Vec<u32> =
            definitions.iter().map(|definition| definition.file.index() as u32).collect();
        files.sort_unstable();
        files.dedup();
        if files.len() > MOST_DEFINING {
            return;
        }
        let sums = if is_code { &mut mentions.symbol } else { &mut mentions.plain };
        for file in &files {
            sums.raise(*file, weight / files.len() as f64);
            mentions.symbols.push((*file, name.to_owned()));
        }
    }
}

/// What stands between backticks on one line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_well_known(name: &str) -> bool {
    matches!(name, "makefile" | "dockerfile" | "license" | "readme" | "changelog" | "justfile")
}

/// A name up to its first dot; one that begins with a dot, behind that.
fn stem_of(name: &str) -> &str {
    let bare = name.trim_start_matches('.');
    bare.split_once('.').map_or(bare, |(stem, rest)| if stem.is_empty() { rest } else { stem })
}

fn frequency(places: u8) -> f64 {
    let of = |place: u8, weight: f64| if places & place == 0 { 0.0 } else { weight };
    of(IN_NAME, NAME) + of(IN_FOLDER, FOLDER) + of(IN_SYMBOL, SYMBOL)
}

fn rarity(files: usize, with: usize) -> f64 {
    (1.0 + (files as f64 - with as f64 + 0.5) / (with as f64 + 0.5)).ln()
}

/// Every word of every file and where it stands: of each pair one.
fn found(
    map: &RepositoryMap,
    vocabulary: &mut Vocabulary,
    of_name: &[(u32, u32)],
    of_folders: &[(u32, u32)],
) -> Vec<(u32, (u32, u8))> {
    // Words of the map are taken to their common ending once.
    let stems: Vec<Option<u32>> = (0..map.word_count())
        .map(|number| {
            let word = map.word(number as u32);
            let plain =
                word.len() > 1 && !words::is_stop(word) && !word.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| vocabulary.number(&words::stem(word)))
        })
        .collect();
    let (mut names, mut folders) = (of_name.iter().peekable(), of_folders.iter().peekable());
    let (mut found, mut own) = (Vec::new(), Vec::<(u32, u8)>::new());
    for file in map.files() {
        let id = file.index() as u32;
        own.clear();
        while let Some((_, word)) = names.next_if(|(file, _)| *file == id) {
            own.push((*word, IN_NAME));
        }
        while let Some((_, word)) = folders.next_if(|(file, _)| *file == id) {
            own.push((*word, IN_FOLDER));
        }
        let numbers = map.word_numbers(file).iter();
        own.extend(numbers.filter_map(|number| Some(((*stems.get(*number as usize)?)?, IN_SYMBOL))));
        own.sort_unstable();
        for same in own.chunk_by(|one, other| one.0 == other.0) {
            found.push((same[0].0, (id, same.iter().fold(0, |places, (_, place)| places | place))));
        }
    }
    found
}
