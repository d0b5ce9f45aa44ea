//! Everything that is known of a file with regard to a prompt, as numbers, before it is weighed.

use gadugi_core::PathClaim;

use super::alike::{Alike, Asked, Meanings, telling};
use super::names::{Mentions, Names};
use super::past::Past;
use super::sums::Sums;
use super::words;

/// How many signals each file has; [`super::model`] says what each is called.
pub(crate) const SIGNALS: usize = 30;
/// Candidates by each sort of ground, at most.
const BY_VOTES: usize = 50;
const BY_WORDS: usize = 30;
const BY_WORD: usize = 20;
const BY_NAME: usize = 25;
const BY_MENTION: usize = 20;
/// Of the best by votes and by name, whose companions are candidates too.
const LEADING: usize = 8;

/// What is worked out for one prompt; used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) alike: Alike,
    files: Meanings,
    folders: Meanings,
    groups: Meanings,
    names: Sums,
    symbols: Sums,
}

impl Scratch {
    /// The word of the last prompt that meant a file most, and the share of its commits that changed the file.
    pub(crate) fn word_meant(&self, file: u32) -> Option<(u32, f64)> {
        self.files.word_of(file)
    }

    /// How much the words of the last prompt are a file's.
    pub(crate) fn name_alike(&self, file: u32) -> f64 {
        self.names.get(file).ln_1p()
    }
}

/// A file that a prompt may write, and its signals.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) file: u32,
    pub(crate) signals: [f64; SIGNALS],
}

/// A prompt, taken apart.
#[derive(Debug)]
pub(crate) struct Query {
    words: Vec<(String, f64)>,
    asked: Vec<Asked>,
    /// The words that say most, by their numbers in the past.
    pub(crate) telling: Vec<(u32, f64)>,
    /// Words of files in the title, and in all of it.
    title: Vec<u32>,
    all: Vec<u32>,
    said: f64,
    pub(crate) mentions: Mentions,
}

impl Query {
    /// Its words with their weights, in the order of the words.
    pub(crate) fn words(&self) -> &[(String, f64)] {
        &self.words
    }

    pub(crate) fn new(past: &Past, names: &Names<'_>, title: &str, body: &str, claims: &[PathClaim]) -> Self {
        let weighted = words::weighted(title, body);
        let asked: Vec<Asked> =
            weighted.iter().map(|(word, weight)| Asked { word: past.word(word), weight: *weight }).collect();
        let title_words = names.known(title);
        let mut plain: Vec<String> = Vec::new();
        words::each_part(title, &mut |word| plain.push(word.to_owned()));
        plain.sort_unstable();
        plain.dedup();
        let unknown = plain.len().saturating_sub(title_words.len());
        let mut all = names.known(words::head(body, 3_000));
        all.extend(&title_words);
        all.sort_unstable();
        all.dedup();
        Self {
            telling: telling(past, &asked),
            said: names.said(&title_words, unknown),
            mentions: names.mentions(title, body, claims),
            title: title_words,
            all,
            asked,
            words: weighted,
        }
    }
}

/// The files that a prompt may write and what is known of each, sorted by file. `popular` are always among them.
pub(crate) fn candidates(
    past: &Past,
    names: &Names<'_>,
    popular: &[u32],
    query: &Query,
    scratch: &mut Scratch,
) -> Vec<Candidate> {
    scratch.alike.find(past, &query.asked);
    scratch.files.ask(&past.files, &query.telling, |word| past.meant(word)[0]);
    scratch.folders.ask(&past.folders, &query.telling, |word| past.meant(word)[1]);
    scratch.groups.ask(&past.groups, &query.telling, |word| past.meant(word)[2]);
    names.alike(&query.words, &query.title, &mut scratch.names, &mut scratch.symbols);
    let by_name = scratch.names.top(BY_NAME);
    let most_alike = by_name.first().map_or(0.0, |(_, alike)| *alike);
    let votes = scratch.alike.votes.top(BY_VOTES);
    let mut files: Vec<u32> = popular.to_vec();
    files.extend(votes.iter().map(|(file, _)| *file));
    files.extend(scratch.files.top(&past.files, BY_WORDS, BY_WORD));
    files.extend(by_name.iter().map(|(file, _)| *file));
    let mentions = &query.mentions;
    for sums in [&mentions.path, &mentions.stem, &mentions.symbol, &mentions.plain] {
        files.extend(sums.top(BY_MENTION).iter().map(|(file, _)| *file));
    }
    for (file, _) in votes.iter().take(LEADING).chain(by_name.iter().take(LEADING)) {
        files.extend(names.companions(*file));
    }
    // What is gone is not written.
    files.retain(|file| (*file as usize) < names.len());
    files.sort_unstable();
    files.dedup();
    let signals = |file| Candidate { file, signals: signals(past, names, query, scratch, file, most_alike) };
    files.into_iter().map(signals).collect()
}

fn signals(
    past: &Past,
    names: &Names<'_>,
    query: &Query,
    scratch: &Scratch,
    file: u32,
    most_alike: f64,
) -> [f64; SIGNALS] {
    let at = file as usize;
    let (folder, group) = (past.folder_of[at], past.group_of[at]);
    let (alike, mentions) = (&scratch.alike, &query.mentions);
    let votes = odds(alike.votes.get(file) * 0.98 + 0.002);
    let meaning = scratch.files.of(&past.files, file);
    let coverage = names.coverage(file, &query.title, &query.all, query.said);
    let commits = past.commits_of.of(file);
    let last = commits.first().map_or(4_000.0, |commit| f64::from(*commit).min(4_000.0));
    let best = alike.best.get(file);
    let flag = |is: bool| f64::from(u8::from(is));
    [
        votes,
        best,
        best.sqrt(),
        odds(alike.folder_votes.get(folder) * 0.98 + 0.002),
        alike.latest_votes.get(file),
        alike.nearest,
        votes * alike.nearest,
        odds(meaning.most),
        odds(meaning.second),
        meaning.more.clamp(-6.0, 8.0),
        scratch.folders.of(&past.folders, folder).more.clamp(-3.0, 5.0),
        scratch.groups.of(&past.groups, group).more.clamp(-3.0, 5.0),
        scratch.names.get(file).ln_1p(),
        scratch.names.get(file) / (most_alike + 1e-9),
        scratch.symbols.get(file).ln_1p(),
        coverage.name,
        coverage.name_in_all,
        coverage.title,
        coverage.folders,
        mentions.path.get(file),
        mentions.stem.get(file).sqrt(),
        mentions.symbol.get(file).sqrt(),
        mentions.plain.get(file).sqrt(),
        odds(past.lately[at] + 1e-3),
        odds(past.files.usual[at] + 3e-4),
        last.ln_1p(),
        flag(commits.is_empty()),
        (query.telling.len() as f64).ln_1p(),
        flag(names.is_test[at]),
        flag(names.is_text[at]),
    ]
}

/// The natural logarithm of a probability's odds, of none and of certainty as of one in ten thousand.
pub(crate) fn odds(probability: f64) -> f64 {
    let probability = probability.clamp(1e-4, 1.0 - 1e-4);
    (probability / (1.0 - probability)).ln()
}

/// The probability of such odds.
pub(crate) fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}
