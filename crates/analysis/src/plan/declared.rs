//! The edges that prompts declare, in front matter or in words.

use std::collections::{BTreeMap, HashMap};

use gadugi_core::order::{Arc, circle};
use gadugi_core::{Confidence, TaskId};

use super::read::{Draft, Read};
use crate::dependencies::{Mention, Names, PLAIN};
use crate::edges::Declared;
use crate::error::{AnalysisError, FrontMatterPlace, InputError};
use crate::ids;
use crate::inference::{Inference, Surroundings};
use crate::text::{candidates, one_line};

/// The edges that prompts declare, in front matter or in words, without circles.
pub(super) fn declared(
    read: &mut Read,
    inferences: &[Inference],
    around: &Surroundings<'_>,
) -> Result<Vec<Declared>, AnalysisError> {
    let index: HashMap<&str, usize> =
        read.drafts.iter().enumerate().map(|(at, draft)| (draft.id.as_str(), at)).collect();
    let mut skipped = Names::default();
    for prompt in &read.skipped {
        skipped.add(&ids::safe(ids::stem(&prompt.path)), &prompt.path);
    }
    let lookup = Lookup { around, skipped };
    let mut edges: BTreeMap<(usize, usize), Declared> = BTreeMap::new();
    let mut errors = Vec::new();
    let mut done = Vec::new();
    for (to, (draft, inference)) in read.drafts.iter().zip(inferences).enumerate() {
        for name in &draft.matter.depends_on {
            match lookup.find(draft, &name.value, &name.at) {
                Ok(Some(from)) => {
                    let evidence = format!("depends_on: {}", one_line(&name.value, 80));
                    let edge = Declared { arc: Arc { from, to }, confidence: Confidence(100), evidence };
                    edges.entry((to, from)).or_insert(edge);
                }
                Ok(None) => {
                    done.push(format!("{}: {} is done, so nothing waits for it", name.at, name.value));
                }
                Err(error) => errors.push(error),
            }
        }
        for Mention { task, confidence, evidence } in &inference.follows {
            // An analyser of somebody else's may name anything.
            let Some(from) = index.get(task.as_str()).copied().filter(|from| *from != to) else { continue };
            let evidence = evidence.clone();
            let edge = Declared { arc: Arc { from, to }, confidence: *confidence, evidence };
            edges.entry((to, from)).or_insert(edge);
        }
    }
    if !errors.is_empty() {
        return Err(AnalysisError::Input(errors));
    }
    read.warnings.append(&mut done);
    without_circles(edges.into_values().collect(), &read.drafts, &mut read.warnings)
}

struct Lookup<'a> {
    around: &'a Surroundings<'a>,
    skipped: Names,
}

impl Lookup<'_> {
    /// The task that `depends_on` of a prompt names; none where it is a prompt that is done.
    fn find(&self, draft: &Draft, name: &str, at: &FrontMatterPlace) -> Result<Option<usize>, InputError> {
        let (at, name) = (at.clone(), name.to_owned());
        match self.around.names.find(&name, &draft.path) {
            [one] if self.around.names.id(*one) == draft.id => Err(InputError::DependsOnItself { at, name }),
            [one] => Ok(Some(*one)),
            [] if !self.skipped.find(&name, &draft.path).is_empty() => Ok(None),
            [] => Err(self.unknown(name, at)),
            several => {
                let candidates = several.iter().map(|one| self.around.names.id(*one).to_owned()).collect();
                Err(InputError::AmbiguousDependency { at, name, candidates })
            }
        }
    }

    fn unknown(&self, name: String, at: FrontMatterPlace) -> InputError {
        let tree = &self.around.tree;
        let file = if name.ends_with(".md") { name.clone() } else { format!("{name}.md") };
        let there = [file.clone(), format!("prompts/{file}")].into_iter().find(|path| tree.has_file(path));
        if let Some(prompt) = there {
            return InputError::DependencyNotPlanned { at, name, prompt };
        }
        let candidates = candidates(&name, self.around.names.ids());
        InputError::UnknownDependency { at, name, candidates }
    }
}

/// Refuses circles of what prompts plainly say; breaks others at their weakest edge, and says so.
fn without_circles(
    mut edges: Vec<Declared>,
    drafts: &[Draft],
    warnings: &mut Vec<String>,
) -> Result<Vec<Declared>, AnalysisError> {
    let id = |task: usize| TaskId::new(&drafts[task].id);
    let plain: Vec<Arc> = edges.iter().filter(|edge| edge.confidence >= PLAIN).map(|edge| edge.arc).collect();
    if let Some(circle) = circle(drafts.len(), &plain) {
        // "a waits for b" reads against the direction of the arcs.
        return Err(AnalysisError::Cycle(circle.into_iter().rev().map(|at| id(plain[at].to)).collect()));
    }
    loop {
        let arcs: Vec<Arc> = edges.iter().map(|edge| edge.arc).collect();
        let Some(circle) = circle(drafts.len(), &arcs) else { return Ok(edges) };
        let Some(weakest) = circle.into_iter().min_by_key(|at| edges[*at].confidence) else {
            return Ok(edges);
        };
        let edge = edges.remove(weakest);
        let (from, to) = (id(edge.arc.from), id(edge.arc.to));
        warnings
            .push(format!("{to} does not wait for {from} ({:?}): it would close a circle", edge.evidence));
    }
}

pub(super) fn names_of(task: usize, declared: &[Declared], drafts: &[Draft]) -> Vec<TaskId> {
    let start = declared.partition_point(|edge| edge.arc.to < task);
    let own = declared[start..].iter().take_while(|edge| edge.arc.to == task);
    own.map(|edge| TaskId::new(&drafts[edge.arc.from].id)).collect()
}
