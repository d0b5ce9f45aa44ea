//! The analyser of the user's own: what prompts are about.

use std::collections::HashSet;

use gadugi_core::pattern::{glob, is_pattern};
use gadugi_core::{ClaimSource, CommitId, Complexity, Confidence, Kind, PathClaim, TaskId};
use serde::{Deserialize, Serialize};

use super::{Ask, ExternalError, Opinions};
use crate::dependencies::Mention;
use crate::inference::{Inference, MAX_PATHS, ReadPrompt};
use crate::text::one_line;

/// Longest path, in bytes, as in prompts.
const LONGEST_PATH: usize = 512;
/// Longest evidence, in characters: one line of a terminal.
const LONGEST_EVIDENCE: usize = 100;

/// A task as the analyser is asked about it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Asked<'a> {
    /// Its id.
    id: &'a str,
    /// The path of its prompt, from the repository's root where it lies inside.
    prompt: &'a str,
    /// Its title.
    title: &'a str,
    /// The text of its prompt, without front matter.
    body: &'a str,
}

/// What the analyser says of a task. What is left out is as the built-in rules have it; what the prompt's front matter
/// says (`kind`, `touches`, `depends_on`) goes before all.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Said {
    /// Its id, as it was asked.
    #[expect(dead_code, reason = "it was looked at before the rest was read")]
    id: String,
    /// What sort of work it is.
    kind: Option<KindWord>,
    /// How much.
    complexity: Option<ComplexityWord>,
    /// What it will write.
    writes: Option<Vec<Claim>>,
    /// What it will only read.
    reads: Option<Vec<Claim>>,
    /// Tasks that it follows: a failure of theirs skips it.
    follows: Option<Vec<Follows>>,
}

#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum KindWord {
    TestCoverage,
    BugFix,
    Feature,
    Refactoring,
    Documentation,
    Configuration,
}

#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ComplexityWord {
    Low,
    Medium,
    High,
    Critical,
}

/// A file, a folder or a pattern.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Claim {
    /// From the repository's root, `/` between its parts: a file (it may be a new one), a folder with a slash behind it,
    /// or a pattern (`src/**/*.rs`).
    path: String,
    /// How sure, in percent: of 100 such claims so many come true.
    #[schemars(range(min = 0, max = 100))]
    confidence: f64,
    /// What says so, for people.
    #[serde(default)]
    evidence: String,
}

/// A task that another follows.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Follows {
    /// Its id.
    task: String,
    /// How sure, in percent. From 80 on a circle of such edges is refused; below, its weakest drops.
    #[schemars(range(min = 0, max = 100))]
    confidence: f64,
    /// What says so, for people.
    #[serde(default)]
    evidence: String,
}

/// What can be used of it.
#[derive(Debug)]
struct Opinion {
    kind: Option<Kind>,
    complexity: Option<Complexity>,
    writes: Option<Vec<PathClaim>>,
    reads: Option<Vec<PathClaim>>,
    follows: Option<Vec<Mention>>,
}

/// Asks the analyser about all prompts, and puts what it says in place of what was inferred. Gives warnings.
pub(crate) fn consult(
    ask: Ask<'_>,
    base: &CommitId,
    prompts: &[ReadPrompt<'_>],
    inferences: &mut [Inference],
    fallback: bool,
) -> Result<Vec<String>, ExternalError> {
    if prompts.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = prompts.iter().map(|prompt| prompt.id).collect();
    let known: HashSet<&str> = ids.iter().copied().collect();
    let tasks = prompts
        .iter()
        .map(|prompt| Asked { id: prompt.id, prompt: prompt.path, title: prompt.title, body: prompt.body })
        .collect();
    let question = super::question("analyse", base.as_str(), tasks)?;
    let asked = ask(&question).map_err(ExternalError::NoAnswer);
    let check = |at: usize, said: Said| opinion(said, ids[at], &known);
    let Opinions { of_task, problems } = super::consult("analyser", asked, &ids, fallback, check)?;
    for (inference, opinion) in inferences.iter_mut().zip(of_task) {
        if let Some(opinion) = opinion {
            opinion.apply(inference);
        }
    }
    Ok(problems)
}

impl Opinion {
    fn apply(self, inference: &mut Inference) {
        inference.kind = self.kind.unwrap_or(inference.kind);
        inference.complexity = self.complexity.unwrap_or(inference.complexity);
        if let Some(writes) = self.writes {
            // What is written is not only read, whoever said that before.
            inference.reads.retain(|read| writes.iter().all(|write| write.path != read.path));
            inference.writes = writes;
        }
        if let Some(mut reads) = self.reads {
            reads.retain(|read| inference.writes.iter().all(|write| write.path != read.path));
            inference.reads = reads;
        }
        if let Some(follows) = self.follows {
            inference.follows = follows;
        }
    }
}

fn opinion(said: Said, id: &str, known: &HashSet<&str>) -> Result<Opinion, String> {
    let follows = |list: Vec<Follows>| list.into_iter().map(|one| mention(one, id, known)).collect();
    Ok(Opinion {
        kind: said.kind.map(kind),
        complexity: said.complexity.map(complexity),
        writes: said.writes.map(claims).transpose()?,
        reads: said.reads.map(claims).transpose()?,
        follows: said.follows.map(follows).transpose()?,
    })
}

fn kind(word: KindWord) -> Kind {
    match word {
        KindWord::TestCoverage => Kind::TestCoverage,
        KindWord::BugFix => Kind::BugFix,
        KindWord::Feature => Kind::Feature,
        KindWord::Refactoring => Kind::Refactoring,
        KindWord::Documentation => Kind::Documentation,
        KindWord::Configuration => Kind::Configuration,
    }
}

fn complexity(word: ComplexityWord) -> Complexity {
    match word {
        ComplexityWord::Low => Complexity::Low,
        ComplexityWord::Medium => Complexity::Medium,
        ComplexityWord::High => Complexity::High,
        ComplexityWord::Critical => Complexity::Critical,
    }
}

/// Claims by path, each once, as sure as it is said anywhere; those of no confidence left out.
fn claims(list: Vec<Claim>) -> Result<Vec<PathClaim>, String> {
    if list.len() > MAX_PATHS {
        return Err(format!("it names more than {MAX_PATHS} paths"));
    }
    let mut claims = Vec::with_capacity(list.len());
    for claim in list {
        let path = path(&claim.path)?;
        let confidence = confidence(claim.confidence, path)?;
        if confidence > Confidence(0) {
            let evidence = evidence(&claim.evidence);
            let (path, source) = (path.to_owned(), ClaimSource::External);
            claims.push(PathClaim { path, confidence, evidence, source, stated: None });
        }
    }
    claims.sort_by(|a, b| a.path.cmp(&b.path).then(b.confidence.cmp(&a.confidence)));
    claims.dedup_by(|a, b| a.path == b.path);
    Ok(claims)
}

/// A path that stays in the repository.
fn path(path: &str) -> Result<&str, String> {
    let plain = path.strip_prefix("./").unwrap_or(path);
    let shown = one_line(path, 80);
    let parts = plain.strip_suffix('/').unwrap_or(plain).split('/');
    if plain.starts_with('/') || parts.clone().any(|part| part == "..") {
        return Err(format!("{shown:?} leads out of the repository"));
    }
    if plain.len() > LONGEST_PATH
        || plain.chars().any(char::is_control)
        || parts.clone().any(|part| part.is_empty() || part == ".")
    {
        return Err(format!("{shown:?} is no path from the repository's root"));
    }
    if parts.clone().next() == Some(".git") {
        return Err(format!("{shown:?} is git's own"));
    }
    if is_pattern(plain) && glob(plain).is_err() {
        return Err(format!("{shown:?} is no pattern"));
    }
    Ok(plain)
}

fn confidence(percent: f64, of: &str) -> Result<Confidence, String> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("the confidence of {} is {percent}, not between 0 and 100", one_line(of, 80)));
    }
    Ok(Confidence(percent.round() as u8))
}

fn evidence(words: &str) -> String {
    let words = one_line(words, LONGEST_EVIDENCE);
    if words.is_empty() { "the analyser says so".to_owned() } else { words }
}

fn mention(follows: Follows, id: &str, known: &HashSet<&str>) -> Result<Mention, String> {
    let shown = one_line(&follows.task, 80);
    if follows.task == id {
        return Err("it follows itself".to_owned());
    }
    if !known.contains(follows.task.as_str()) {
        return Err(format!("it follows {shown:?}, which is no task of this plan"));
    }
    Ok(Mention {
        confidence: confidence(follows.confidence, &follows.task)?,
        evidence: evidence(&follows.evidence),
        task: TaskId::new(follows.task),
    })
}
