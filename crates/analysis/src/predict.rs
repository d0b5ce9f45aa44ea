//! Which files a task will write, foretold from its prompt: each with a probability, and with what says so.
//!
//! Few prompts name the files that they will change. But the repository has a past: commits whose words are like the
//! prompt's, and what they changed. A [`Predictor`] is made once for a base; it holds the words of past commits and of the
//! files of the map. Asked about a prompt, it gathers some hundred candidates (`signals`): what commits with like words
//! changed, what each word has meant so far (`alike`), what is called or defines what the prompt speaks of (`names`),
//! what is changed all the time. For each it works out some thirty numbers, and a logistic model (`model`) makes a probability
//! of them; a second one adds what goes together (`together`): files that the same commits change, a file and its tests.
//!
//! The probabilities are meant to be true: of the files that are given 30 %, three in ten are written. The same prompt, map
//! and history give the same answer, on any number of threads.

mod alike;
mod evidence;
mod meaning;
mod model;
mod names;
mod past;
mod signals;
mod sums;
mod together;
mod words;

use std::cell::RefCell;
use std::collections::HashMap;

use gadugi_core::{ClaimSource, PathClaim};

use crate::history::History;
use crate::map::RepositoryMap;
use crate::parallel::shares;

use names::Names;
use past::Past;
use signals::{Candidate, Query};
use together::Ties;

/// Files that are named for one prompt, at most.
pub const MOST_FILES: usize = 50;
/// Files less likely than this are not named: many of them together would say nothing either.
pub const LEAST_PROBABILITY: f64 = 0.02;
/// From which [`collision`] on two tasks are foretold to collide. For true probabilities F1 is best at about half of
/// the F1 that can be reached, and from words alone that is between 0.3 and 0.6; the repositories whose best is lowest
/// lose most by a threshold that is too high, so it is rather low.
pub const COLLISION: f64 = 0.12;
/// Files that change most, in general and of late, which are candidates for every prompt.
const POPULAR: usize = 25;
const POPULAR_LATELY: usize = 15;

/// What is asked about: a prompt's words, and what was found in them by rules.
#[derive(Clone, Copy, Debug)]
pub struct PromptWords<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its text below the title.
    pub body: &'a str,
    /// What it says that it will write. Their confidence is the least that the files get.
    pub explicit: &'a [PathClaim],
}

/// A file that a task may write.
#[derive(Clone, Debug, PartialEq)]
pub struct Likely {
    /// From the repository's root. Folders and patterns only where the prompt names them.
    pub path: String,
    /// 0 to 1.
    pub probability: f64,
    /// What says so most.
    pub source: ClaimSource,
    /// The same in words, one line.
    pub evidence: String,
}

/// Foretells what prompts will write, at one base.
#[derive(Debug)]
pub struct Predictor<'m> {
    names: Names<'m>,
    past: Past,
    /// Sorted.
    popular: Vec<u32>,
}

/// Memory that is used again from prompt to prompt.
#[derive(Debug, Default)]
struct Scratch {
    signals: signals::Scratch,
    together: together::Scratch,
}

/// All that is known of a prompt's files, before words are made of it.
struct Weighed {
    query: Query,
    candidates: Vec<Candidate>,
    ties: Vec<Ties>,
}

impl<'m> Predictor<'m> {
    /// Reads map and history; some tenths of a second for the largest.
    pub fn new(map: &'m RepositoryMap, history: &History) -> Self {
        let past = Past::new(map, history);
        let of_tree = |shares: &[f64]| -> Vec<(u32, f64)> {
            let shares = shares.iter().take(map.len()).enumerate();
            shares.map(|(file, share)| (file as u32, *share)).filter(|(_, share)| *share > 0.0).collect()
        };
        let mut popular = sums::top(of_tree(&past.files.usual), POPULAR);
        popular.extend(sums::top(of_tree(&past.lately), POPULAR_LATELY));
        let mut popular: Vec<u32> = popular.into_iter().map(|(file, _)| file).collect();
        popular.sort_unstable();
        popular.dedup();
        Self { names: Names::new(map), past, popular }
    }

    /// What a prompt will write, the likeliest first, at most [`MOST_FILES`] and what the prompt itself names.
    pub fn predict(&self, prompt: &PromptWords<'_>) -> Vec<Likely> {
        self.predict_with(prompt, &mut Scratch::default())
    }

    /// The same for many prompts, on several threads.
    pub fn predict_all(&self, prompts: &[PromptWords<'_>]) -> Vec<Vec<Likely>> {
        /// Fewer are not worth a thread.
        const LEAST: usize = 8;
        let likely = shares(prompts, LEAST, |some| {
            let mut scratch = Scratch::default();
            some.iter().map(|prompt| self.predict_with(prompt, &mut scratch)).collect::<Vec<_>>()
        });
        likely.into_iter().flatten().collect()
    }

    /// What each candidate is weighed by, for those who fit the model: paths and signals, in the order of [`signal_names`].
    pub fn signals(&self, prompt: &PromptWords<'_>) -> Vec<(&'m str, Vec<f64>)> {
        let weighed = self.weigh(prompt, &mut Scratch::default());
        let all = weighed.candidates.iter().zip(&weighed.ties);
        all.map(|(candidate, ties)| {
            let signals = candidate.signals.iter().chain(&ties.further).copied().collect();
            (self.names.path(candidate.file), signals)
        })
        .collect()
    }

    fn weigh(&self, prompt: &PromptWords<'_>, scratch: &mut Scratch) -> Weighed {
        let query = Query::new(&self.past, &self.names, prompt.title, prompt.body, prompt.explicit);
        let candidates =
            signals::candidates(&self.past, &self.names, &self.popular, &query, &mut scratch.signals);
        let first: Vec<f64> = candidates.iter().map(|candidate| model::first(&candidate.signals)).collect();
        let ties = together::ties(&self.past, &self.names, &candidates, &first, &mut scratch.together);
        Weighed { query, candidates, ties }
    }

    fn predict_with(&self, prompt: &PromptWords<'_>, scratch: &mut Scratch) -> Vec<Likely> {
        let weighed = self.weigh(prompt, scratch);
        let mut found: Vec<(usize, f64)> = weighed
            .candidates
            .iter()
            .zip(&weighed.ties)
            .map(|(candidate, ties)| {
                let likely = model::second(&candidate.signals, &ties.further);
                likely.max(together::least(ties, self.names.is_test[candidate.file as usize]))
            })
            .enumerate()
            .filter(|(_, probability)| *probability >= LEAST_PROBABILITY)
            .collect();
        // Candidates are in the order of their paths.
        found.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        found.truncate(MOST_FILES);
        let words = evidence::Words {
            past: &self.past,
            names: &self.names,
            prompt,
            weighed: &weighed,
            spelled: RefCell::default(),
        };
        let mut likely: Vec<Likely> = found
            .into_iter()
            .map(|(at, probability)| {
                let (source, evidence) = words.of(at, &scratch.signals);
                Likely {
                    path: self.names.path(weighed.candidates[at].file).to_owned(),
                    probability,
                    source,
                    evidence,
                }
            })
            .collect();
        with_claims(&mut likely, prompt.explicit);
        likely
    }
}

/// What the prompt itself says has at least the confidence that it is said with.
fn with_claims(likely: &mut Vec<Likely>, claims: &[PathClaim]) {
    for claim in claims {
        let confidence = claim.confidence.probability();
        let said = || Likely {
            path: claim.path.clone(),
            probability: confidence,
            source: claim.source,
            evidence: claim.evidence.clone(),
        };
        match likely.iter_mut().find(|known| known.path == claim.path) {
            Some(known) if known.probability < confidence => *known = said(),
            Some(_) => {}
            None => likely.push(said()),
        }
    }
    likely.sort_by(|one, other| {
        other.probability.total_cmp(&one.probability).then_with(|| one.path.cmp(&other.path))
    });
}

/// How likely it is that two tasks write one file: that any of the files is written by both, as if they were independent
/// of each other. From [`COLLISION`] on it is worth it to take one after the other.
pub fn collision(one: &[Likely], other: &[Likely]) -> f64 {
    let given: HashMap<&str, f64> =
        one.iter().map(|likely| (likely.path.as_str(), likely.probability)).collect();
    any_of(other.iter().filter_map(|likely| Some(given.get(likely.path.as_str())? * likely.probability)))
}

/// How likely it is that any of several things comes true that have nothing to do with each other.
pub(crate) fn any_of(probabilities: impl Iterator<Item = f64>) -> f64 {
    1.0 - probabilities.map(|probability| 1.0 - probability).product::<f64>()
}

/// What the signals of [`Predictor::signals`] are called.
pub fn signal_names() -> impl Iterator<Item = &'static str> {
    model::names()
}

#[cfg(test)]
mod tests;
