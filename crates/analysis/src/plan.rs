//! Prompts become a plan.

mod declared;
mod read;

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gadugi_core::{
    AGENTS, ClaimSource, CommitId, Complexity, Confidence, Estimate, Kind, OverlapPolicy, PathClaim, Plan,
    PlannedTask, PromptRef, Purpose, TaskId,
};

use crate::classify::ClassifyRule;
use crate::dependencies::Names;
use crate::edges::{self, Collisions, Given, Joined};
use crate::error::AnalysisError;
use crate::estimate::{self, Calibration, EstimateFor, Estimator};
use crate::external::{Ask, AskedTask, ExternalError, consult_analyser, consult_estimator};
use crate::history::History;
use crate::imports::{Importers, NamedSymbol};
use crate::inference::{Inference, InferenceError, PromptAnalyser, ReadPrompt, Surroundings};
use crate::map::RepositoryMap;
use crate::overlap::{Expected, Threshold};
use crate::parallel::shares;
use crate::predict::Predictor;
use crate::prompts::PromptFile;
use crate::rules::RuleAnalyser;
use crate::text::one_line;
use crate::tree::Tree;
use declared::{declared, names_of};
pub(crate) use read::done_word;
use read::{Draft, Read, read_all};

/// From this on a file counts as one that the task will write: for people, for the task's siblings and for what is predicted.
/// Whether two tasks collide is asked of all that they may write.
const WRITES_FROM: Confidence = Confidence(30);

/// What is asked for.
#[derive(Clone, Copy)]
pub struct AnalysisRequest<'a> {
    /// The commit that the plan is for.
    pub base: &'a CommitId,
    /// What its files are and define.
    pub map: &'a RepositoryMap,
    /// The commits before it.
    pub history: &'a History,
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
    /// A program of the user's that says what prompts are about, in place of what was inferred.
    pub ask_analyser: Option<Ask<'a>>,
    /// A program of the user's that says what tasks will take.
    pub ask_estimator: Option<Ask<'a>>,
    /// What says what tasks will take; none: the table of starting values.
    pub estimator: Option<&'a dyn Estimator>,
    /// How sure inferences turned out to be; none: as sure as they say.
    pub calibration: Option<&'a Calibration>,
    /// The agent of prompts that name none.
    pub agent: &'a str,
    /// The model of prompts that name none, where one is named.
    pub model: Option<&'a str>,
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
            ask_analyser: None,
            ask_estimator: None,
            estimator: None,
            calibration: None,
            agent: AGENTS[0],
            model: None,
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
    /// What each task may write, in the plan's order: what the plan says that it writes, and what is less likely.
    pub may_write: Vec<Vec<PathClaim>>,
}

/// Makes a plan.
///
/// Fails with everything that is wrong with the prompts, with a circle of what they declare, or, where `fallback` is
/// off, with the prompt whose inference failed. Prompts that say that they are done are in `skipped`; a plan of
/// nothing else has no tasks.
pub fn analyse(request: &AnalysisRequest<'_>) -> Result<Analysis, AnalysisError> {
    let AnalysisRequest { base, map, options, .. } = *request;
    let mut read = read_all(request)?;
    let mut names = Names::default();
    for draft in &read.drafts {
        names.add(&draft.id, &draft.path);
    }
    let prompts: HashSet<&str> = request.prompts.iter().map(|prompt| prompt.shown.as_str()).collect();
    let tree = Tree::new(map.files().map(|file| map.path(file)));
    // Each takes some tenths of a second where there are 50,000 files.
    let predictor = std::thread::scope(|scope| {
        scope.spawn(|| map.prepare());
        Predictor::new(map, request.history)
    });
    let around = Surroundings { tree, map, predictor, names, prompts, rules: options.rules };
    let (mut inferences, sequential_because) = infer_all(request, &read.drafts, &around)?;
    if let Some(ask) = options.ask_analyser {
        let prompts: Vec<ReadPrompt<'_>> = read.drafts.iter().map(Draft::read).collect();
        let said = consult_analyser(ask, base, &prompts, &mut inferences, options.fallback);
        read.warnings.extend(said.map_err(|source| AnalysisError::External { role: "analyser", source })?);
    }
    let declared = declared(&mut read, &inferences, &around)?;
    let symbols: Vec<Vec<NamedSymbol>> =
        inferences.iter_mut().map(|inference| std::mem::take(&mut inference.symbols)).collect();
    let writes: Vec<Vec<PathClaim>> = read
        .drafts
        .iter()
        .zip(&mut inferences)
        .map(|(draft, inference)| writes(draft, std::mem::take(&mut inference.writes), &around, &options))
        .collect();
    let mut tasks: Vec<PlannedTask> = (read.drafts.iter().zip(inferences).zip(&writes).enumerate())
        .map(|(at, ((draft, inference), writes))| {
            let depends_on = names_of(at, &declared, &read.drafts);
            task(draft, inference, depends_on, writes, &options)
        })
        .collect();
    if let Some(ask) = options.ask_estimator {
        let said = ask_estimates(ask, base, &mut tasks, &options);
        read.warnings.extend(said.map_err(|source| AnalysisError::External { role: "estimator", source })?);
    }
    let expected: Vec<Vec<Expected<'_>>> =
        writes.iter().map(|writes| writes.iter().map(Expected::from).collect()).collect();
    let importers = Importers::new(map);
    let joined = edges::join(&Given {
        tasks: &tasks,
        declared: &declared,
        expected: &expected,
        symbols: &symbols,
        importing: &|file, name| importers.of(file, name),
        tree: &around.tree,
        policy: options.overlap,
        threshold: options.threshold,
    });
    let Joined { edges, collisions, warnings: dropped } = joined;
    let Read { drafts, skipped, mut warnings } = read;
    warnings.extend(dropped);
    let plan = Plan { base: base.clone(), tasks, edges, sequential_because, skipped, warnings };
    plan.check()?;
    let texts = drafts.into_iter().map(|draft| (TaskId::new(draft.id), draft.text)).collect();
    Ok(Analysis { plan, texts, collisions, may_write: writes })
}

type Inferred = (Vec<Inference>, Option<String>);

/// What each prompt's words say. Where that fails for one, nothing is known of it, so that it could collide with every
/// other: then the plan says why its tasks are taken one after another.
fn infer_all(
    request: &AnalysisRequest<'_>,
    drafts: &[Draft],
    around: &Surroundings<'_>,
) -> Result<Inferred, AnalysisError> {
    /// Fewer prompts are not worth a thread.
    const LEAST: usize = 16;
    let mut inferences = Vec::with_capacity(drafts.len());
    let mut failed: Option<String> = None;
    let infer = |draft: &Draft| guarded(request.options.analyser, &draft.read(), around);
    let all = shares(drafts, LEAST, |drafts| drafts.iter().map(infer).collect::<Vec<_>>());
    for (draft, inference) in drafts.iter().zip(all.into_iter().flatten()) {
        match inference {
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

/// What a task may write: what its prompt says itself, else what was inferred, as sure as such inferences turned out to
/// be. Sorted by path.
fn writes(
    draft: &Draft,
    inferred: Vec<PathClaim>,
    around: &Surroundings<'_>,
    options: &AnalysisOptions<'_>,
) -> Vec<PathClaim> {
    if let Some(paths) = &draft.matter.touches {
        return paths.iter().map(|path| touched(path, &around.tree)).collect();
    }
    let Some(calibration) = options.calibration else { return inferred };
    let adjusted = inferred.into_iter().map(|claim| {
        let confidence = calibration.adjust(claim.source, claim.confidence);
        let stated = (confidence != claim.confidence).then_some(claim.confidence);
        PathClaim { confidence, stated, ..claim }
    });
    adjusted.collect()
}

fn task(
    draft: &Draft,
    inference: Inference,
    depends_on: Vec<TaskId>,
    writes: &[PathClaim],
    options: &AnalysisOptions<'_>,
) -> PlannedTask {
    let matter = &draft.matter;
    let kind = matter.kind.unwrap_or(inference.kind);
    let writes: Vec<PathClaim> =
        writes.iter().filter(|claim| claim.confidence >= WRITES_FROM).cloned().collect();
    let reads = inference
        .reads
        .into_iter()
        .filter(|read| !writes.iter().any(|write: &PathClaim| write.path == read.path));
    let bytes = draft.text.whole.len() as u64;
    let estimate = options.estimator.map_or_else(
        || estimate::by_table(kind, inference.complexity),
        |estimator| {
            estimator.estimate(&EstimateFor {
                kind,
                complexity: inference.complexity,
                agent: matter.agent.as_deref().unwrap_or(options.agent),
                model: matter.model.as_deref().or(options.model),
                prompt_bytes: bytes,
                targets: u32::try_from(writes.len()).unwrap_or(u32::MAX),
            })
        },
    );
    PlannedTask {
        purpose: Purpose::Work,
        id: TaskId::new(&draft.id),
        name: draft.title.clone(),
        prompt: PromptRef { path: draft.path.clone(), bytes },
        kind,
        complexity: inference.complexity,
        reads: reads.collect(),
        writes,
        depends_on,
        estimate,
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

/// Puts what the user's own estimator says in place of what was estimated. Gives warnings.
fn ask_estimates(
    ask: Ask<'_>,
    base: &CommitId,
    tasks: &mut [PlannedTask],
    options: &AnalysisOptions<'_>,
) -> Result<Vec<String>, ExternalError> {
    let mut estimates: Vec<Estimate> = tasks.iter().map(|task| task.estimate.clone()).collect();
    let asked = tasks.iter().map(|task| AskedTask {
        id: task.id.as_str(),
        prompt: &task.prompt.path,
        kind: task.kind.word(),
        complexity: task.complexity.word(),
        agent: task.agent.as_deref().unwrap_or(options.agent),
        model: task.model.as_deref().or(options.model),
        prompt_bytes: task.prompt.bytes,
        targets: u32::try_from(task.writes.len()).unwrap_or(u32::MAX),
    });
    let asked: Vec<AskedTask<'_>> = asked.collect();
    let warnings = consult_estimator(ask, base, &asked, &mut estimates, options.fallback)?;
    tasks.iter_mut().zip(estimates).for_each(|(task, estimate)| task.estimate = estimate);
    Ok(warnings)
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
