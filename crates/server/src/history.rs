//! Attempts and their steps over time, from the log: what a view, which is of this moment, does not hold.
//!
//! Of each run that somebody looks at it is kept how far its events were read, so that looking again reads only what came since.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadugi_core::{Event, RunId, StepEnd, StepExit, StepId, StepKind, TaskId, Timestamp, Usage};
use gadugi_engine::Handle;
use gadugi_engine::handle::Fact;
use gadugi_engine::protocol::Failure;

use crate::convert::{moment, usage};
use crate::wire;

/// Events that are read at a time: some 400 kB.
const PAGE: usize = 1000;

/// Runs that are remembered: those that people look at. One of a thousand tasks takes some 500 kB.
const RUNS: usize = 16;

/// What the log holds of attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// How far it was read.
    seq: u64,
    attempts: BTreeMap<(TaskId, u32), Try>,
}

#[derive(Clone, Debug)]
struct Try {
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    steps: BTreeMap<u32, Stepped>,
}

#[derive(Clone, Debug)]
struct Stepped {
    kind: StepKind,
    started_at: Option<Timestamp>,
    ended: Option<Ended>,
}

#[derive(Clone, Debug)]
struct Ended {
    at: Timestamp,
    exit: String,
    came_to: String,
    usage: Usage,
}

/// Of the runs that somebody looks at.
#[derive(Debug, Default)]
pub(crate) struct Histories(Mutex<HashMap<RunId, Arc<History>>>);

impl Histories {
    /// A run's history up to now.
    pub(crate) async fn of(&self, handle: &Handle, run: &RunId) -> Result<Arc<History>, Failure> {
        let kept = self.lock().get(run).cloned();
        let mut history = kept.unwrap_or_default();
        loop {
            let page = handle.events_after(Some(run), history.seq, PAGE).await?;
            if page.is_empty() {
                break;
            }
            let grown = Arc::make_mut(&mut history);
            page.iter().for_each(|fact| grown.take(fact));
        }
        let mut all = self.lock();
        if all.len() >= RUNS && !all.contains_key(run) {
            all.clear();
        }
        all.insert(run.clone(), Arc::clone(&history));
        Ok(history)
    }

    /// What a step is for; none where it is not on record. It stays what it is: once it is known, nothing is read.
    pub(crate) async fn kind(&self, handle: &Handle, step: &StepId) -> Result<Option<StepKind>, Failure> {
        let run = &step.attempt.run;
        let known = self.lock().get(run).and_then(|history| history.kind(step));
        match known {
            Some(kind) => Ok(Some(kind)),
            None => Ok(self.of(handle, run).await?.kind(step)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Arc<History>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    fn take(&mut self, fact: &Fact) {
        self.seq = fact.seq;
        let at = fact.at;
        match &fact.event {
            Event::AttemptStarted { attempt, .. } => {
                let begun = Try { started_at: at, ended_at: None, steps: BTreeMap::new() };
                self.attempts.insert((attempt.task.clone(), attempt.attempt), begun);
            }
            Event::StepIntended { step, what, .. } => {
                if let Some(attempt) =
                    self.attempts.get_mut(&(step.attempt.task.clone(), step.attempt.attempt))
                {
                    let stepped = Stepped { kind: what.clone(), started_at: None, ended: None };
                    attempt.steps.insert(step.step, stepped);
                }
            }
            Event::StepStarted { step, .. } => {
                if let Some(stepped) = self.step(&step.attempt.task, step.attempt.attempt, step.step) {
                    stepped.started_at = Some(at);
                }
            }
            Event::StepEnded { step, end } => {
                if let Some(stepped) = self.step(&step.attempt.task, step.attempt.attempt, step.step) {
                    stepped.ended = Some(Ended::of(at, end));
                }
            }
            Event::TaskFinished { task, .. } => {
                let last = self.attempts.range_mut((task.clone(), 0)..=(task.clone(), u32::MAX)).next_back();
                if let Some((_, attempt)) = last {
                    attempt.ended_at = Some(at);
                }
            }
            _ => {}
        }
    }

    fn kind(&self, step: &StepId) -> Option<StepKind> {
        let attempt = self.attempts.get(&(step.attempt.task.clone(), step.attempt.attempt))?;
        Some(attempt.steps.get(&step.step)?.kind.clone())
    }

    fn step(&mut self, task: &TaskId, attempt: u32, step: u32) -> Option<&mut Stepped> {
        self.attempts.get_mut(&(task.clone(), attempt))?.steps.get_mut(&step)
    }

    /// All steps that ran, in the order of their beginnings.
    pub(crate) fn spans(&self) -> Vec<wire::Span> {
        let mut spans: Vec<(Timestamp, wire::Span)> = Vec::new();
        for ((task, attempt), tried) in &self.attempts {
            for (number, step) in &tried.steps {
                let Some(from) = step.started_at else { continue };
                let span = wire::Span {
                    task: task.to_string(),
                    attempt: *attempt,
                    step: *number,
                    kind: step.kind.word().to_owned(),
                    from: moment(from),
                    to: step.ended.as_ref().map(|ended| moment(ended.at)),
                };
                spans.push((from, span));
            }
        }
        spans.sort_by_key(|(from, _)| *from);
        spans.into_iter().map(|(_, span)| span).collect()
    }

    /// A task's tries. `size` gives the bytes that a step (attempt, step) wrote, standard output and error.
    pub(crate) fn attempts(
        &self,
        task: &TaskId,
        size: impl Fn(u32, u32) -> (u64, u64),
    ) -> Vec<wire::Attempt> {
        let of_task = self.attempts.range((task.clone(), 0)..=(task.clone(), u32::MAX));
        let mut attempts: Vec<wire::Attempt> = of_task
            .map(|((_, number), tried)| wire::Attempt {
                number: *number,
                started_at: moment(tried.started_at),
                ended_at: tried.ended_at.map(moment),
                steps: tried
                    .steps
                    .iter()
                    .map(|(step, stepped)| stepped.wire(*step, size(*number, *step)))
                    .collect(),
            })
            .collect();
        // One that was followed by another was over by then.
        for at in 1..attempts.len() {
            let next = attempts[at].started_at.clone();
            attempts[at - 1].ended_at.get_or_insert(next);
        }
        attempts
    }
}

impl Stepped {
    fn wire(&self, number: u32, (stdout_bytes, stderr_bytes): (u64, u64)) -> wire::Step {
        wire::Step {
            number,
            kind: self.kind.word().to_owned(),
            started_at: self.started_at.map(moment),
            ended_at: self.ended.as_ref().map(|ended| moment(ended.at)),
            exit: self.ended.as_ref().map(|ended| ended.exit.clone()),
            came_to: self.ended.as_ref().map(|ended| ended.came_to.clone()),
            usage: usage(&self.ended.as_ref().map(|ended| ended.usage).unwrap_or_default()),
            stdout_bytes,
            stderr_bytes,
        }
    }
}

impl Ended {
    fn of(at: Timestamp, end: &StepEnd) -> Self {
        let exit = match &end.exit {
            StepExit::Code(code) => format!("exit {code}"),
            StepExit::Signal(signal) => format!("signal {signal}"),
            StepExit::OutOfMemory => "out of memory".to_owned(),
            StepExit::NotStarted(why) => format!("not started: {why}"),
            StepExit::NeverBegan => "never began".to_owned(),
            StepExit::LeaseLapsed => "stopped without an engine".to_owned(),
            StepExit::Lost => "lost".to_owned(),
            StepExit::TooMuchOutput => "too much output".to_owned(),
            StepExit::EndedByEngine => "ended from outside".to_owned(),
        };
        let came_to = match &end.agent {
            _ if end.stopped => "stopped",
            Some(agent) => agent.class.word(),
            None if end.passed() => "passed",
            None => "failed",
        };
        let usage = end.agent.as_ref().map(|agent| agent.usage).unwrap_or_default();
        Self { at, exit, came_to: came_to.to_owned(), usage }
    }
}
