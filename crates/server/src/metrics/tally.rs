//! From facts to numbers. What has to be remembered between two facts (when an attempt began, what a task had spent) is kept for as
//! long as its run is under way; of a run that is taken up later it is read from the log again.

use std::collections::{BTreeSet, HashMap};

use gadugi_core::{Event, Outcome, RunId, StepEnd, StepExit, StepId, TaskId, Timestamp, Usage, Verdict};
use gadugi_engine::StoredEvent;
use gadugi_engine::protocol::Activity;

use super::MODELS;
use super::families::Families;

/// What is remembered, and where it is counted.
#[derive(Debug)]
pub(super) struct Tally {
    families: Families,
    /// The last number that was taken in.
    seq: u64,
    runs: HashMap<RunId, Run>,
    /// Models that have a label of their own.
    models: BTreeSet<String>,
}

#[derive(Debug)]
struct Run {
    started: Timestamp,
    tasks: HashMap<TaskId, Task>,
}

#[derive(Debug)]
struct Task {
    kind: &'static str,
    executor: &'static str,
    agent: String,
    model: String,
    /// Tasks that have to be over before.
    after: Vec<TaskId>,
    /// When it was wanted again.
    revived: Option<Timestamp>,
    /// When its first attempt began.
    began: Option<Timestamp>,
    /// When its latest attempt began, until its workspace is there.
    preparing: Option<Timestamp>,
    /// When its merge began.
    merging: Option<Timestamp>,
    /// Its step: the number, the kind, when it was decided on.
    step: Option<(u32, &'static str, Timestamp)>,
    finished: Option<Timestamp>,
    /// What all steps used that have ended.
    ended: Usage,
    /// What was counted of it so far; none where it was under way before this engine began, and nothing was heard of it yet.
    counted: Option<Usage>,
}

impl Tally {
    pub(super) fn new(families: Families) -> Self {
        Self { families, seq: 0, runs: HashMap::new(), models: BTreeSet::new() }
    }

    /// The last number that was taken in.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Everything up to there is known.
    pub(super) fn up_to(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    /// The run that this fact belongs to, where nothing is known of it: it was over, and goes on.
    pub(super) fn lacks(&self, event: &Event) -> Option<RunId> {
        let run = event.run().filter(|_| event.task().is_some())?;
        (!self.runs.contains_key(run)).then(|| run.clone())
    }

    /// Takes in a fact. `counts` says whether it became true in this engine's life; else it is only remembered.
    pub(super) fn take(&mut self, stored: &StoredEvent, counts: bool) {
        if counts && stored.seq <= self.seq {
            return;
        }
        self.up_to(if counts { stored.seq } else { 0 });
        let (at, families) = (stored.at, self.families.clone());
        match &stored.event {
            Event::RunStarted { run, .. } => {
                counts.then(|| families.work.runs.inc());
                let begun = self.begun(at, &stored.event);
                self.runs.extend(begun.map(|begun| (run.clone(), begun)));
            }
            Event::AccountLimited { agent, .. } if counts => {
                families.spent.limits.with_label_values(&[known_agent(agent)]).inc();
            }
            Event::RunFinished { run, .. } => drop(self.runs.remove(run)),
            event => {
                let Some(run) = event.run().and_then(|run| self.runs.get_mut(run)) else { return };
                if let Event::AttemptStarted { attempt, .. } = event {
                    let waited = run.waited(&attempt.task, at);
                    if let Some(waited) = waited.filter(|_| counts) {
                        families.work.queue_seconds.observe(waited);
                    }
                }
                let Some(task) = event.task().and_then(|task| run.tasks.get_mut(task)) else { return };
                task.take(at, event, counts.then_some(&families));
            }
        }
    }

    /// What a task uses at the moment: tokens are counted as they come, not only when a step ends.
    pub(super) fn activity(&mut self, run: &RunId, activity: &Activity) {
        let task = self.runs.get_mut(run).and_then(|run| run.tasks.get_mut(&activity.task));
        if let Some(task) = task {
            task.used(&activity.usage, &self.families);
        }
    }

    fn begun(&mut self, at: Timestamp, event: &Event) -> Option<Run> {
        let Event::RunStarted { plan, settings, .. } = event else { return None };
        let mut tasks = HashMap::with_capacity(plan.tasks.len());
        for planned in &plan.tasks {
            let agent = planned.agent.as_ref().unwrap_or(&settings.agent);
            let model = planned.model.as_ref().or(settings.model.as_ref());
            let task = Task {
                kind: planned.kind.word(),
                executor: settings.executor_of(planned).word(),
                agent: known_agent(agent).to_owned(),
                model: self.model(model.map(String::as_str)),
                after: Vec::new(),
                revived: None,
                began: None,
                preparing: None,
                merging: None,
                step: None,
                finished: None,
                ended: Usage::default(),
                counted: Some(Usage::default()),
            };
            tasks.insert(planned.id.clone(), task);
        }
        for edge in &plan.edges {
            if let Some(task) = tasks.get_mut(&edge.to) {
                task.after.push(edge.from.clone());
            }
        }
        Some(Run { started: at, tasks })
    }

    /// A model's label: its name, where somebody named one, and there is room for another.
    fn model(&mut self, name: Option<&str>) -> String {
        let Some(name) = name else { return "default".to_owned() };
        if self.models.len() < MODELS {
            self.models.insert(name.to_owned());
        }
        if self.models.contains(name) { name.to_owned() } else { "other".to_owned() }
    }
}

impl Run {
    /// How long a task had waited that begins now, since nothing stood before it any more. None where it was begun before.
    fn waited(&self, task: &TaskId, at: Timestamp) -> Option<f64> {
        let task = self.tasks.get(task)?;
        let before = task.after.iter().filter_map(|id| self.tasks.get(id)?.finished);
        let ready = before.chain(task.revived).fold(self.started, Timestamp::max);
        Some(seconds(ready, at))
    }
}

impl Task {
    /// `families` are none where it is only remembered.
    fn take(&mut self, at: Timestamp, event: &Event, families: Option<&Families>) {
        match event {
            Event::AttemptStarted { .. } => {
                self.began = self.began.or(Some(at));
                self.preparing = Some(at);
            }
            Event::WorkspacePrepared { .. } => {
                if let (Some(since), Some(families)) = (self.preparing.take(), families) {
                    families
                        .work
                        .workspace_seconds
                        .with_label_values(&[self.executor])
                        .observe(seconds(since, at));
                }
            }
            Event::StepIntended { step, what, .. } => self.step = Some((step.step, what.word(), at)),
            Event::StepStarted { step, .. } => {
                if let (Some((_, _, since)), Some(families)) = (self.current(step), families) {
                    let family = families.steps.start_seconds.with_label_values(&[self.executor]);
                    family.observe(seconds(since, at));
                }
            }
            Event::StepEnded { step, end } => self.step_ended(step, end, families),
            Event::MergeStarted { .. } => self.merging = Some(at),
            Event::TaskMerged { .. } => self.merged("merged", at, families),
            Event::MergePutBack { .. } => self.merged("put-back", at, families),
            Event::TaskFinished { outcome, verdict, .. } => self.over(at, outcome, *verdict, families),
            Event::TaskRevived { .. } => {
                (self.revived, self.finished, self.began) = (Some(at), None, None);
            }
            Event::AttemptSuspended { .. } => families.into_iter().for_each(|all| all.work.suspensions.inc()),
            Event::StepSuspected { .. } => families.into_iter().for_each(|all| all.steps.suspicions.inc()),
            _ => {}
        }
    }

    fn current(&self, step: &StepId) -> Option<(u32, &'static str, Timestamp)> {
        self.step.filter(|(number, ..)| *number == step.step)
    }

    fn step_ended(&mut self, step: &StepId, end: &StepEnd, families: Option<&Families>) {
        let kind = self.current(step).map(|(_, kind, _)| kind);
        self.step = None;
        if let Some(agent) = &end.agent {
            self.ended.add(&agent.usage);
        }
        let Some(families) = families else {
            // Whatever it used before this engine began is not this engine's.
            self.counted = Some(self.ended);
            return;
        };
        let kind = kind.unwrap_or(if end.agent.is_some() { "agent" } else { "verify" });
        families.steps.ended.with_label_values(&[kind, end_word(end)]).inc();
        if end.wall.0 > 0 {
            families.steps.seconds.with_label_values(&[kind]).observe(end.wall.as_seconds());
        }
        let ended = self.ended;
        self.used(&ended, families);
    }

    /// It has used so much in all: what is new is counted. An agent's own words may be higher than what is known in the end; a
    /// counter never goes back.
    fn used(&mut self, total: &Usage, families: &Families) {
        let Some(counted) = self.counted.as_mut() else {
            self.counted = Some(*total);
            return;
        };
        let labels = [self.agent.as_str(), self.model.as_str()];
        let directions = [
            ("input", &mut counted.input_tokens, total.input_tokens),
            ("output", &mut counted.output_tokens, total.output_tokens),
            ("cache-read", &mut counted.cache_read_tokens, total.cache_read_tokens),
            ("cache-write", &mut counted.cache_write_tokens, total.cache_write_tokens),
        ];
        for (direction, counted, total) in directions {
            let new = total.saturating_sub(*counted);
            if new > 0 {
                families.spent.tokens.with_label_values(&[direction, labels[0], labels[1]]).inc_by(new);
                *counted = total;
            }
        }
        let new = total.cost_microusd.saturating_sub(counted.cost_microusd);
        if new > 0 {
            families.spent.cost.with_label_values(&labels).inc_by(new as f64 / 1e6);
            counted.cost_microusd = total.cost_microusd;
        }
    }

    fn merged(&mut self, result: &str, at: Timestamp, families: Option<&Families>) {
        let since = self.merging.take();
        let Some(families) = families else { return };
        families.work.merges.with_label_values(&[result]).inc();
        if let Some(since) = since.filter(|_| result == "merged") {
            families.work.merge_seconds.observe(seconds(since, at));
        }
    }

    fn over(
        &mut self,
        at: Timestamp,
        outcome: &Outcome,
        verdict: Option<Verdict>,
        families: Option<&Families>,
    ) {
        self.finished = Some(at);
        let began = self.began.take();
        if self.merging.is_some() {
            let result = if verdict == Some(Verdict::Conflict) { "conflict" } else { "rejected" };
            self.merged(result, at, families);
        }
        let Some(families) = families else { return };
        families.work.tasks.with_label_values(&[outcome.word()]).inc();
        if let Some(began) = began {
            families.work.attempts.with_label_values(&[outcome.word()]).inc();
            families.work.task_seconds.with_label_values(&[self.kind]).observe(seconds(began, at));
        }
    }
}

/// How a step ended: an agent's by its class, a check's by what is known of its process.
fn end_word(end: &StepEnd) -> &'static str {
    match (&end.agent, &end.exit) {
        _ if end.stopped => "stopped",
        (Some(agent), _) => agent.class.word(),
        (None, StepExit::Code(0)) => "passed",
        (None, StepExit::Code(_) | StepExit::Signal(_) | StepExit::TooMuchOutput) => "failed",
        (None, StepExit::OutOfMemory) => "out-of-memory",
        (None, StepExit::NotStarted(_) | StepExit::NeverBegan) => "not-started",
        (None, StepExit::LeaseLapsed | StepExit::Lost | StepExit::EndedByEngine) => "lost",
    }
}

/// An agent's label: those that there are, by name.
fn known_agent(name: &str) -> &str {
    if gadugi_core::AGENTS.contains(&name) { name } else { "other" }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_seconds()
}
