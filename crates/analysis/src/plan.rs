//! Prompts become a plan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gadugi_core::order::{Arc, circle};
use gadugi_core::{
    ClaimSource, CommitId, Complexity, Confidence, Kind, OverlapPolicy, PathClaim, Plan, PlannedTask,
    PromptRef, SkippedPrompt, TaskId,
};

use crate::classify::ClassifyRule;
use crate::dependencies::{Mention, Names, PLAIN};
use crate::edges::{self, Collisions, Declared, Given, Joined};
use crate::error::{AnalysisError, FrontMatterPlace, InputError};
use crate::front_matter::{self, FrontMatter, Known};
use crate::ids::{self, Wanted};
use crate::imports::NamedSymbol;
use crate::inference::{Inference, InferenceError, PromptAnalyser, ReadPrompt, RuleAnalyser, Surroundings};
use crate::overlap::{Expected, Threshold};
use crate::prompts::{self, PromptFile};
use crate::text::{closest, one_line};
use crate::tree::Tree;
use crate::{estimate, markdown};

/// Longest name of a task, in characters: a title is a line, and a paragraph behind `#` is none.
const LONGEST_NAME: usize = 120;

/// What is asked for.
#[derive(Clone, Copy)]
pub struct AnalysisRequest<'a> {
    /// The commit that the plan is for.
    pub base: &'a CommitId,
    /// The files of its tree: paths from the root, `/` between their parts.
    pub files: &'a [String],
    /// The prompts, in the order that the plan keeps.
    pub prompts: &'a [PromptFile],
    /// How.
    pub options: AnalysisOptions<'a>,
}

/// How the analysis is made.
#[derive(Clone, Copy)]
pub struct AnalysisOptions<'a> {
    /// Whether tasks are taken one after another where the inference of a prompt fails; else that is an error.
    pub fallback: bool,
    /// Agents that a prompt may name. Empty: any that is not reserved.
    pub agents: &'a [String],
    /// The user's rules of kind.
    pub rules: &'a [ClassifyRule],
    /// What looks at each prompt's words.
    pub analyser: &'a dyn PromptAnalyser,
    /// What is done about tasks that are expected to write one file.
    pub overlap: OverlapPolicy,
    /// From which confidence on they are.
    pub threshold: Threshold,
}

impl Default for AnalysisOptions<'_> {
    fn default() -> Self {
        Self {
            fallback: true,
            agents: &[],
            rules: &[],
            analyser: &RuleAnalyser,
            overlap: OverlapPolicy::default(),
            threshold: Threshold::default(),
        }
    }
}

/// A prompt's text as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptText {
    /// The whole file, word for word.
    pub whole: String,
    /// Where, in bytes, what stands behind the front matter begins.
    pub body_start: usize,
}

impl PromptText {
    /// What the analysis reads: the text without the front matter. The agent gets [`Self::whole`].
    pub fn body(&self) -> &str {
        &self.whole[self.body_start..]
    }
}

/// A plan, and the texts that it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The plan.
    pub plan: Plan,
    /// Each task's prompt.
    pub texts: BTreeMap<TaskId, PromptText>,
    /// Tasks that are expected to write one file, whatever is done about it.
    pub collisions: Collisions,
}

/// A prompt that will be a task.
struct Draft {
    id: String,
    path: String,
    title: String,
    text: PromptText,
    matter: FrontMatter,
}

/// What was read of all prompts.
#[derive(Default)]
struct Read {
    drafts: Vec<Draft>,
    skipped: Vec<SkippedPrompt>,
    warnings: Vec<String>,
}

/// Makes a plan.
///
/// Fails with everything that is wrong with the prompts, with a circle of what they declare, or, where `fallback` is
/// off, with the prompt whose inference failed. Prompts that say that they are done are in `skipped`; a plan of
/// nothing else has no tasks.
pub fn analyse(request: &AnalysisRequest<'_>) -> Result<Analysis, AnalysisError> {
    let mut read = read_all(request)?;
    let mut names = Names::default();
    for draft in &read.drafts {
        names.add(&draft.id, &draft.path);
    }
    let prompts: HashSet<&str> = request.prompts.iter().map(|prompt| prompt.shown.as_str()).collect();
    let tree = Tree::new(request.files.iter().map(String::as_str));
    let around = Surroundings { tree, names, prompts, rules: request.options.rules };
    let (mut inferences, sequential_because) = infer_all(request, &read.drafts, &around)?;
    let declared = declared(&mut read, &inferences, &around)?;
    let symbols: Vec<Vec<NamedSymbol>> =
        inferences.iter_mut().map(|inference| std::mem::take(&mut inference.symbols)).collect();
    let tasks: Vec<PlannedTask> = read
        .drafts
        .iter()
        .zip(inferences)
        .enumerate()
        .map(|(at, (draft, inference))| {
            task(draft, inference, names_of(at, &declared, &read.drafts), &around)
        })
        .collect();
    let expected: Vec<Vec<Expected<'_>>> =
        tasks.iter().map(|task| task.writes.iter().map(Expected::from).collect()).collect();
    let joined = edges::join(&Given {
        tasks: &tasks,
        declared: &declared,
        expected: &expected,
        symbols: &symbols,
        importing: &|_, _| Vec::new(),
        tree: &around.tree,
        policy: request.options.overlap,
        threshold: request.options.threshold,
    });
    let Joined { edges, collisions, warnings: dropped } = joined;
    let Read { drafts, skipped, mut warnings } = read;
    warnings.extend(dropped);
    let plan = Plan { base: request.base.clone(), tasks, edges, sequential_because, skipped, warnings };
    plan.check()?;
    let texts = drafts.into_iter().map(|draft| (TaskId::new(draft.id), draft.text)).collect();
    Ok(Analysis { plan, texts, collisions })
}

/// Reads every prompt, skips those that are done, and gives the others their ids.
fn read_all(request: &AnalysisRequest<'_>) -> Result<Read, AnalysisError> {
    let mut read = Read::default();
    let mut errors: Vec<InputError> = Vec::new();
    for prompt in request.prompts {
        match read_one(prompt, request.options.agents, &mut read.warnings) {
            Ok(One::Draft(draft)) => read.drafts.push(*draft),
            Ok(One::Skipped(skipped)) => read.skipped.push(skipped),
            Err(more) => errors.extend(more),
        }
    }
    errors.extend(duplicates(&read.drafts));
    if !errors.is_empty() {
        return Err(AnalysisError::Input(errors));
    }
    let wanted: Vec<Wanted<'_>> = read
        .drafts
        .iter()
        .map(|draft| Wanted { path: &draft.path, own: draft.matter.id.as_ref().map(|id| id.value.as_str()) })
        .collect();
    let ids = ids::assign(&wanted);
    for (draft, id) in read.drafts.iter_mut().zip(ids) {
        draft.id = id;
    }
    Ok(read)
}

enum One {
    Draft(Box<Draft>),
    Skipped(SkippedPrompt),
}

fn read_one(
    prompt: &PromptFile,
    agents: &[String],
    warnings: &mut Vec<String>,
) -> Result<One, Vec<InputError>> {
    let whole = prompts::read(prompt).map_err(|error| vec![error.into()])?;
    let split = front_matter::split(&whole);
    let body = &whole[split.body..];
    if let Some(word) = done_word(&whole).or_else(|| done_word(body)) {
        let because = format!("{word} in its first line");
        return Ok(One::Skipped(SkippedPrompt { path: prompt.shown.clone(), because }));
    }
    let matter = match split.yaml {
        Some(range) => {
            let read = front_matter::read(&prompt.shown, &whole, range, Known { agents });
            let (matter, more) =
                read.map_err(|errors| errors.into_iter().map(InputError::from).collect::<Vec<_>>())?;
            warnings.extend(more);
            matter
        }
        None => FrontMatter::default(),
    };
    let blocks = markdown::blocks(body);
    let title = one_line(markdown::title(body, &blocks).unwrap_or(""), LONGEST_NAME);
    let title = if title.is_empty() { one_line(ids::stem(&prompt.shown), LONGEST_NAME) } else { title };
    let text = PromptText { body_start: split.body, whole };
    Ok(One::Draft(Box::new(Draft { id: String::new(), path: prompt.shown.clone(), title, text, matter })))
}

/// The word in the first line with words in it that says that the prompt is done. It stands for itself: a prompt about
/// UNIMPLEMENTED things is not done.
pub(crate) fn done_word(text: &str) -> Option<&'static str> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    ["IMPLEMENTED", "COMPLETED"].into_iter().find(|word| {
        first.match_indices(word).any(|(at, _)| {
            let before = first[..at].chars().next_back();
            let after = first[at + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    })
}

fn duplicates(drafts: &[Draft]) -> Vec<InputError> {
    let mut first: HashMap<&str, &str> = HashMap::new();
    let mut errors = Vec::new();
    for draft in drafts {
        let Some(id) = &draft.matter.id else { continue };
        match first.get(id.value.as_str()) {
            Some(first) => errors.push(InputError::DuplicateId {
                id: id.value.clone(),
                first: (*first).to_owned(),
                second: draft.path.clone(),
            }),
            None => {
                first.insert(&id.value, &draft.path);
            }
        }
    }
    errors
}

type Inferred = (Vec<Inference>, Option<String>);

/// What each prompt's words say. Where that fails for one, nothing is known of it, so that it could collide with every
/// other: then the plan says why its tasks are taken one after another.
fn infer_all(
    request: &AnalysisRequest<'_>,
    drafts: &[Draft],
    around: &Surroundings<'_>,
) -> Result<Inferred, AnalysisError> {
    let mut inferences = Vec::with_capacity(drafts.len());
    let mut failed: Option<String> = None;
    for draft in drafts {
        let prompt =
            ReadPrompt { id: &draft.id, path: &draft.path, title: &draft.title, body: draft.text.body() };
        match guarded(request.options.analyser, &prompt, around) {
            Ok(inference) => inferences.push(inference),
            Err(source) if request.options.fallback => {
                failed.get_or_insert_with(|| format!("the analysis of {} failed: {source}", draft.path));
                inferences.push(unknown());
            }
            Err(source) => return Err(AnalysisError::Inference { path: draft.path.clone(), source }),
        }
    }
    Ok((inferences, failed))
}

/// An analyser may have a defect; that is a reason for an orderly plan, not for the end of the program.
fn guarded(
    analyser: &dyn PromptAnalyser,
    prompt: &ReadPrompt<'_>,
    around: &Surroundings<'_>,
) -> Result<Inference, InferenceError> {
    catch_unwind(AssertUnwindSafe(|| analyser.infer(prompt, around))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no known reason");
        Err(InferenceError::Panicked(one_line(words, 200)))
    })
}

fn unknown() -> Inference {
    Inference {
        kind: Kind::Feature,
        complexity: Complexity::Medium,
        writes: Vec::new(),
        reads: Vec::new(),
        follows: Vec::new(),
        symbols: Vec::new(),
    }
}

/// The edges that prompts declare, in front matter or in words, without circles.
fn declared(
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
        // All of them where they are few, else the one that was probably meant.
        let ids: Vec<&str> = self.around.names.ids().collect();
        let candidates = if ids.len() <= 8 {
            ids.into_iter().map(str::to_owned).collect()
        } else {
            closest(&name, ids).map(str::to_owned).into_iter().collect()
        };
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

fn names_of(task: usize, declared: &[Declared], drafts: &[Draft]) -> Vec<TaskId> {
    let start = declared.partition_point(|edge| edge.arc.to < task);
    let own = declared[start..].iter().take_while(|edge| edge.arc.to == task);
    own.map(|edge| TaskId::new(&drafts[edge.arc.from].id)).collect()
}

fn task(
    draft: &Draft,
    inference: Inference,
    depends_on: Vec<TaskId>,
    around: &Surroundings<'_>,
) -> PlannedTask {
    let matter = &draft.matter;
    let kind = matter.kind.unwrap_or(inference.kind);
    let writes = match &matter.touches {
        Some(paths) => paths.iter().map(|path| touched(path, &around.tree)).collect(),
        None => inference.writes,
    };
    let reads = inference
        .reads
        .into_iter()
        .filter(|read| !writes.iter().any(|write: &PathClaim| write.path == read.path));
    PlannedTask {
        purpose: gadugi_core::Purpose::Work,
        id: TaskId::new(&draft.id),
        name: draft.title.clone(),
        prompt: PromptRef { path: draft.path.clone(), bytes: draft.text.whole.len() as u64 },
        kind,
        complexity: inference.complexity,
        reads: reads.collect(),
        writes,
        depends_on,
        estimate: estimate::by_table(kind, inference.complexity),
        priority: matter.priority.unwrap_or(0),
        timeout: matter.timeout,
        agent: matter.agent.clone(),
        model: matter.model.clone(),
        budget_microusd: matter.budget_microusd,
        verify: matter.verify.clone(),
        done_when: matter.done_when.clone(),
        executor: matter.executor,
        network: matter.network.clone(),
    }
}

/// What `touches:` names: folders end with a slash, so that nobody has to look which they are.
fn touched(path: &str, tree: &Tree<'_>) -> PathClaim {
    let is_folder = !path.ends_with('/') && !tree.has_file(path) && tree.has_folder(path);
    let path = if is_folder { format!("{path}/") } else { path.to_owned() };
    let evidence = format!("touches: {}", one_line(&path, 80));
    PathClaim { path, confidence: Confidence(100), evidence, source: ClaimSource::Declared, stated: None }
}

#[cfg(test)]
mod tests;
