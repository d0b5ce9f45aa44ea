//! Why a file is likely, in one line for people.

use std::cell::RefCell;
use std::collections::HashMap;

use gadugi_core::ClaimSource;

use crate::text::one_line;

use super::names::Names;
use super::past::Past;
use super::signals::Scratch;
use super::{PromptWords, Weighed, words};

/// Longest line, in characters.
const LONGEST: usize = 100;
/// Longest title in it.
const LONGEST_TITLE: usize = 48;
/// Of the commits most alike, those that are less alike than this share of the first are not spoken of.
const AS_ALIKE: f64 = 0.5;

/// What words are made of.
pub(crate) struct Words<'a> {
    pub(crate) past: &'a Past,
    pub(crate) names: &'a Names<'a>,
    pub(crate) prompt: &'a PromptWords<'a>,
    pub(crate) weighed: &'a Weighed,
    /// How words are spelled in the prompt, as far as that was asked.
    pub(crate) spelled: RefCell<HashMap<u32, String>>,
}

impl Words<'_> {
    /// The strongest ground for a candidate: each is as strong as it is likely to be right by itself.
    pub(crate) fn of(&self, at: usize, scratch: &Scratch) -> (ClaimSource, String) {
        let file = self.weighed.candidates[at].file;
        let (mentions, ties) = (&self.weighed.query.mentions, &self.weighed.ties[at]);
        let by_word = scratch.word_meant(file).filter(|(_, share)| *share > 0.0);
        let symbol = mentions.symbol.get(file).max(mentions.plain.get(file) * 0.5);
        let grounds = [
            (ClaimSource::Path, mentions.path.get(file)),
            (ClaimSource::Symbol, symbol * 0.8),
            (ClaimSource::Module, mentions.stem.get(file) * 0.5),
            (
                ClaimSource::History,
                scratch.alike.votes.get(file).max(by_word.map_or(0.0, |(_, share)| share)),
            ),
            (ClaimSource::Companion, ties.companion.map_or(0.0, |(_, likely)| likely * 0.7)),
            (ClaimSource::CoChange, ties.leader.map_or(0.0, |(_, likely)| likely)),
            (ClaimSource::Words, scratch.name_alike(file) * 0.1),
            (ClaimSource::Popular, self.past.lately[file as usize]),
        ];
        let strongest = grounds.into_iter().reduce(|most, one| if one.1 > most.1 { one } else { most });
        let source = strongest.map_or(ClaimSource::Popular, |(source, _)| source);
        let line = match source {
            ClaimSource::Path => "the prompt names it".to_owned(),
            ClaimSource::Symbol => self.symbol(file),
            ClaimSource::Module => "the prompt says its name".to_owned(),
            ClaimSource::History => self.history(file, scratch, by_word),
            ClaimSource::Companion => self.companion(file, ties.companion.map(|(other, _)| other)),
            ClaimSource::CoChange => self.leader(file, ties.leader.map(|(other, _)| other)),
            ClaimSource::Words => "the prompt has words of its path or of what it defines".to_owned(),
            _ => self.popular(file),
        };
        (source, one_line(&line, LONGEST))
    }

    fn symbol(&self, file: u32) -> String {
        let mut symbols = self.weighed.query.mentions.symbols.iter();
        match symbols.find(|(defined_in, _)| *defined_in == file) {
            Some((_, name)) => format!("named “{}”, which it defines", one_line(name, LONGEST_TITLE)),
            None => "named something that it defines".to_owned(),
        }
    }

    /// Commits that are alike, or one word's commits, whichever says more.
    fn history(&self, file: u32, scratch: &Scratch, by_word: Option<(u32, f64)>) -> String {
        let commits = &scratch.alike.commits;
        let votes = scratch.alike.votes.get(file);
        if let Some((word, _)) = by_word.filter(|(_, share)| *share > votes) {
            let with = self.past.commits_with(word);
            let changed = self.past.with_word_and_file(word, file);
            let said = self.spelled(word);
            return match changed.first() {
                Some(last) => format!(
                    "{} of {} with “{said}” changed it, last “{}”",
                    changed.len(),
                    commits_in_words(with.len()),
                    self.title(*last)
                ),
                None => format!("commits with “{said}” changed it"),
            };
        }
        let least = commits.first().map_or(0.0, |(_, alike)| alike * AS_ALIKE);
        let near: Vec<u32> =
            commits.iter().filter(|(_, alike)| *alike >= least).map(|(commit, _)| *commit).collect();
        let all: Vec<u32> = commits.iter().map(|(commit, _)| *commit).collect();
        let (changed, of) = match self.those_that_changed(file, &near) {
            none if none.is_empty() => (self.those_that_changed(file, &all), all.len()),
            changed => (changed, near.len()),
        };
        match changed.first() {
            Some(first) => format!(
                "{} of {} most like it changed it: “{}”",
                changed.len(),
                commits_in_words(of),
                self.title(*first)
            ),
            None => "commits like it changed it".to_owned(),
        }
    }

    fn companion(&self, file: u32, other: Option<usize>) -> String {
        let Some(other) = other.map(|other| self.weighed.candidates[other].file) else {
            return self.popular(file);
        };
        let (is_test, tests) = (self.names.is_test[file as usize], self.names.is_test[other as usize]);
        match (is_test, tests) {
            (true, false) => format!("its tests: {}", self.names.path(other)),
            (false, true) => format!("what {} tests", self.names.path(other)),
            _ => format!("called as {} is", self.names.path(other)),
        }
    }

    fn leader(&self, file: u32, other: Option<usize>) -> String {
        let Some(other) = other.map(|other| self.weighed.candidates[other].file) else {
            return self.popular(file);
        };
        let commits = self.past.commits_of.of(other);
        let both = self.past.that_changed_both(file, other).len();
        format!("changes with {} in {both} of {}", self.names.path(other), commits_in_words(commits.len()))
    }

    fn popular(&self, file: u32) -> String {
        match self.past.commits_of.of(file).len() {
            0 => "nothing says that it is left alone".to_owned(),
            changed => format!("{changed} of the last {} changed it", commits_in_words(self.past.len())),
        }
    }

    fn those_that_changed(&self, file: u32, commits: &[u32]) -> Vec<u32> {
        let changed = |commit: &&u32| self.past.commits_of.of(file).binary_search(commit).is_ok();
        commits.iter().filter(changed).copied().collect()
    }

    fn title(&self, commit: u32) -> String {
        let message = self.past.messages.get(commit as usize).map_or("", |message| message);
        one_line(words::parts(message).0, LONGEST_TITLE)
    }

    /// A word as the prompt has it.
    fn spelled(&self, word: u32) -> String {
        let spell = || {
            let mut words = self.weighed.query.words().iter();
            let known = words.find(|(known, _)| self.past.word(known) == Some(word));
            let plain = known.map_or("", |(known, _)| known.trim_start_matches(['=', '^', '(', '>']));
            let texts = [self.prompt.title, words::head(self.prompt.body, 6_000)];
            let same = |name: &&str| {
                let lower = name.to_lowercase();
                lower == plain || words::stem(&lower) == plain
            };
            one_line(texts.into_iter().flat_map(words::names).find(same).unwrap_or(plain), LONGEST_TITLE)
        };
        self.spelled.borrow_mut().entry(word).or_insert_with(spell).clone()
    }
}

fn commits_in_words(count: usize) -> String {
    if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") }
}
