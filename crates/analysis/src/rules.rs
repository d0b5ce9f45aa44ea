//! The built-in analyser: what this crate's rules make of one prompt's words, and what was changed before by prompts and
//! commits like it.

use gadugi_core::{Confidence, PathClaim};

use crate::classify::{self, Words};
use crate::dependencies;
use crate::inference::{Inference, InferenceError, PromptAnalyser, ReadPrompt, Surroundings};
use crate::markdown::{self, Block};
use crate::predict::{Likely, PromptWords};
use crate::targets;

/// How likely a file is written that the prompt names to be read ("see `README.md`"), at the most: what commits with like
/// words did knows nothing of that wish, and is now and then right all the same.
const MOST_OF_READ: f64 = 0.2;

/// Infers by the rules of this crate, and from what was changed before.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleAnalyser;

impl PromptAnalyser for RuleAnalyser {
    fn infer(&self, prompt: &ReadPrompt<'_>, around: &Surroundings<'_>) -> Result<Inference, InferenceError> {
        let blocks: Vec<Block> = markdown::blocks(prompt.body);
        let words = Words::count(prompt.title, prompt.body, &blocks);
        let targets = targets::find(prompt.body, &blocks, around)?;
        let explicit = &targets.writes;
        let likely =
            around.predictor.predict(&PromptWords { title: prompt.title, body: prompt.body, explicit });
        let likely = likely.into_iter().filter(|file| !around.prompts.contains(file.path.as_str()));
        let only_read = |path: &str| targets.reads.iter().any(|read| read.path == path);
        let mut writes: Vec<PathClaim> = likely
            .map(|file| {
                let most = if only_read(&file.path) { MOST_OF_READ } else { 1.0 };
                PathClaim::from(Likely { probability: file.probability.min(most), ..file })
            })
            .collect();
        writes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Inference {
            kind: classify::kind(&words, prompt.title, prompt.body, around.rules),
            complexity: classify::complexity(&words, targets.writes.len()),
            follows: dependencies::mentions(prompt, &blocks, &around.names),
            writes,
            reads: targets.reads,
            symbols: targets.symbols,
        })
    }
}

impl From<Likely> for PathClaim {
    fn from(likely: Likely) -> Self {
        let Likely { path, probability, source, evidence } = likely;
        let confidence = Confidence((probability.clamp(0.0, 1.0) * 100.0).round() as u8);
        Self { path, confidence, evidence, source, stated: None }
    }
}
