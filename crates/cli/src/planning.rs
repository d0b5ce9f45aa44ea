//! From words on the command line to a plan: what `plan` and `run` have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use gadugi_analysis::external::Ask;
use gadugi_analysis::map::RepositoryMap;
use gadugi_analysis::request::{MAX_REQUEST_BYTES, Requested};
use gadugi_analysis::{
    AnalysisOptions, AnalysisRequest, Calibration, ClassifyRule, Collisions, Expected, PastEstimator,
    PromptFile, Threshold, Why, WhyRequest, analyse, prompts, request, why,
};
use gadugi_config::{AGENTS, Resolved, VerifyChoice, verify};
use gadugi_core::{CommitId, ExecutorKind, PastTask, PastWork, PathClaim, Plan, TaskId, UvPolicy};
use gadugi_engine::knowledge;
use gadugi_sys::program::{self, Question};

use crate::error::{Problem, Stop};
use crate::output::Manner;
use crate::place::Place;
use crate::{follow, programs, text};

/// A plan and what it was made from.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The plan.
    pub(crate) plan: Plan,
    /// Tasks of it that are expected to write one file.
    pub(crate) collisions: Collisions,
    /// What each task of it may write, in its order.
    may_write: Vec<Vec<PathClaim>>,
    /// The prompts, word for word.
    pub(crate) prompts: BTreeMap<TaskId, String>,
    /// Why nothing was learnt from earlier runs, where their records cannot be read. A run needs them itself, and its
    /// engine says so.
    pub(crate) forgotten: Option<String>,
    /// The files at the base.
    map: RepositoryMap,
}

/// Which prompts are meant.
pub(crate) fn named(place: &Place, names: &[PathBuf]) -> Result<Vec<PromptFile>, Stop> {
    Ok(prompts::resolve(place.repository.here(), &place.cwd, names)?)
}

/// Which prompts a request on standard input means. What is not there is warned about.
pub(crate) fn requested(place: &Place, manner: Manner) -> Result<Vec<PromptFile>, Stop> {
    let mut bytes = Vec::new();
    let most = MAX_REQUEST_BYTES as u64 + 1;
    std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| {
        Problem::environment("stdin", format_args!("cannot read the request: {error}"), None)
    })?;
    let words = String::from_utf8_lossy(&bytes);
    let Requested { files, warnings } = request::resolve(place.repository.here(), &place.cwd, &words)?;
    warnings.iter().for_each(|warning| manner.warn(warning));
    Ok(files)
}

/// Makes the plan, and says what is to be known about it.
pub(crate) fn plan(
    place: &Place,
    resolved: &Resolved,
    prompts: &[PromptFile],
    manner: Manner,
) -> Result<Planned, Stop> {
    let base = base(place, resolved)?;
    let knowledge = knowledge::gather(&place.repository, &place.layout, &base)?;
    let agents = AGENTS.map(str::to_owned);
    let rules: Vec<ClassifyRule> =
        resolved.classify.iter().map(|(kind, any)| ClassifyRule { kind: *kind, any: any.clone() }).collect();
    let elsewhere = match resolved.settings.share_past {
        true => gadugi_engine::past::elsewhere(&place.layout),
        false => Vec::new(),
    };
    let (calibration, estimator) = learnt(&knowledge.past, &elsewhere);
    let analyser = own_program(place, "[analysis] command", resolved.analysis.command.as_deref(), manner);
    let estimates =
        own_program(place, "[estimates] command", resolved.analysis.estimates_command.as_deref(), manner);
    let settings = &resolved.settings;
    let options = AnalysisOptions {
        fallback: resolved.fallback_to_sequential,
        agents: &agents,
        rules: &rules,
        ask_analyser: analyser.as_ref().map(|ask| ask as Ask<'_>),
        ask_estimator: estimates.as_ref().map(|ask| ask as Ask<'_>),
        estimator: Some(&estimator),
        calibration: Some(&calibration),
        agent: &settings.agent,
        model: settings.model.as_deref(),
        overlap: resolved.analysis.overlap,
        threshold: threshold(resolved),
        ..AnalysisOptions::default()
    };
    let analysis = analyse(&AnalysisRequest {
        base: &base,
        map: &knowledge.map,
        history: &knowledge.history,
        prompts,
        options,
    })?;
    let (plan, collisions, may_write) = (analysis.plan, analysis.collisions, analysis.may_write);
    plan.warnings.iter().for_each(|warning| manner.warn(warning));
    if let Some(because) = &plan.sequential_because {
        manner.warn(&format!("the tasks are taken one after another: {because}"));
    }
    for skipped in &plan.skipped {
        manner.warn(&format!("{} is skipped: {}", skipped.path, skipped.because));
    }
    let prompts = analysis.texts.into_iter().map(|(task, text)| (task, text.whole)).collect();
    let forgotten = knowledge.forgotten.map(|why| why.to_string());
    Ok(Planned { plan, collisions, may_write, prompts, forgotten, map: knowledge.map })
}

/// What earlier tasks of this repository and others taught: how sure inferences are, and how long tasks take.
fn learnt(past: &[PastTask], elsewhere: &[PastWork]) -> (Calibration, PastEstimator) {
    (Calibration::of(past), PastEstimator::of(past.iter().map(|task| &task.work), elsewhere))
}

/// A program of the user's own, where one is named, ready to be asked at the root of the repository. That it is run is
/// said: who named it may have been who wrote the repository.
fn own_program<'a>(
    place: &'a Place,
    key: &'a str,
    argv: Option<&'a [String]>,
    manner: Manner,
) -> Option<impl Fn(&[u8]) -> Result<Vec<u8>, String> + use<'a>> {
    /// It may ask a model about all prompts at once; a plan that takes longer is one that hangs.
    const TIMEOUT: Duration = Duration::from_secs(300);
    /// Bytes: 10,000 tasks with a hundred paths each.
    const MOST: usize = 128 << 20;
    let argv = argv?;
    follow::heed();
    let cwd = place.repository.here();
    Some(move |input: &[u8]| {
        manner.tell(&text::line(&format!("asked: {} ({key})", argv.join(" "))));
        let question = Question { argv, cwd, input, timeout: TIMEOUT, most: MOST };
        program::ask(&question).map_err(|error| error.to_string())
    })
}

fn threshold(resolved: &Resolved) -> Threshold {
    let percent = resolved.analysis.overlap_threshold.and_then(|percent| u8::try_from(percent).ok());
    percent.map_or_else(Threshold::default, Threshold::percent)
}

fn base(place: &Place, resolved: &Resolved) -> Result<CommitId, Stop> {
    Ok(match &resolved.base {
        Some(rev) => place.repository.resolve(rev)?,
        None => place.repository.head()?.commit,
    })
}

/// Tasks at a time that the plan is shown for.
pub(crate) fn slots(resolved: &Resolved) -> usize {
    resolved.settings.max_parallel.unwrap_or_else(|| gadugi_engine::slots().0) as usize
}

/// Whether the agents of tasks that run on this machine are there. An image has its own.
pub(crate) fn check_runnable(resolved: &Resolved, plan: &Plan) -> Result<(), Stop> {
    let local = plan.tasks.iter().filter(|task| resolved.settings.executor_of(task) == ExecutorKind::Local);
    let agents: BTreeSet<&str> =
        local.map(|task| task.agent.as_deref().unwrap_or(&resolved.settings.agent)).collect();
    for agent in agents {
        programs::check_agent(agent, &resolved.settings)?;
    }
    Ok(())
}

/// Whether `uv run` stands in front of agents: what the user decided, else what the repository at the base uses.
pub(crate) fn uv(place: &Place, decided: UvPolicy, planned: &Planned) -> UvPolicy {
    match decided {
        UvPolicy::On | UvPolicy::Off => decided,
        UvPolicy::Auto if verify::uses_uv(|name| planned.has(name), |name| planned.read(place, name)) => {
            UvPolicy::On
        }
        UvPolicy::Auto => UvPolicy::Off,
    }
}

impl Planned {
    /// Why two tasks, by what people call them, do or don't run together.
    pub(crate) fn why(&self, resolved: &Resolved, a: &str, b: &str) -> Result<Why, Stop> {
        let files: Vec<&str> = self.map.files().map(|file| self.map.path(file)).collect();
        let request = WhyRequest {
            plan: &self.plan,
            expected: &|task| self.may_write[task].iter().map(Expected::from).collect(),
            files: &files,
            policy: resolved.analysis.overlap,
            threshold: threshold(resolved),
            slots: slots(resolved),
        };
        Ok(why(&request, a, b)?)
    }

    /// Whether the base has that file.
    fn has(&self, name: &str) -> bool {
        self.map.file(name).is_some()
    }

    /// What the base has in that file, where it is text.
    fn read(&self, place: &Place, name: &str) -> Option<String> {
        let bytes = place.repository.read_blob(&self.plan.base, name).ok().flatten()?;
        String::from_utf8(bytes).ok()
    }
}

/// The command that tests the work, and what to say about it.
pub(crate) fn verify_command(
    place: &Place,
    resolved: &Resolved,
    planned: &Planned,
) -> Result<(Option<String>, String), Stop> {
    Ok(match &resolved.verify {
        VerifyChoice::Command(command) => (Some(command.clone()), format!("verify: {command}")),
        VerifyChoice::Off => (None, "verify: none, as you wish; work is merged unverified".to_owned()),
        VerifyChoice::Guess => {
            match verify::guess(|name| planned.has(name), |name| planned.read(place, name)) {
                Some(guess) => {
                    let words = format!(
                        "verify: {} (guessed from {}; --verify names another)",
                        guess.command, guess.because
                    );
                    (Some(guess.command), words)
                }
                None => (
                    None,
                    "verify: none named and none guessed; work is merged unverified (--verify CMD)"
                        .to_owned(),
                ),
            }
        }
    })
}
