//! The one way in which state changes, and everything that is refused.

use thiserror::Error;

use super::index::Mark;
use super::{
    Attempt, MergeStage, RunState, RunStatus, Stage, State, StepState, Suspicion, TaskState, TaskStatus,
};
use crate::{
    AttemptId, CommitId, EndClass, Event, Millis, RunId, SessionId, SessionMode, StepEnd, StepExit, StepId,
    StepKind, StopCause, Tally, Timestamp,
};

/// An event that cannot follow what is known. The log is damaged, or `decide` has a defect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{event} cannot happen {place}: it is {state}")]
pub struct IllegalTransition {
    /// The type of the event.
    pub event: &'static str,
    /// The run or task.
    pub place: String,
    /// How that stands.
    pub state: String,
}

type Applied = Result<(), IllegalTransition>;

impl State {
    /// Takes in a fact that happened at `at`. On an error nothing has changed.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Applied {
        match event {
            Event::CapacityMeasured { slots, memory_mib, .. } => {
                self.capacity = Some(*slots);
                self.memory_mib = *memory_mib;
                Ok(())
            }
            Event::RunStarted { run, plan, settings } => {
                if self.runs.contains_key(run) {
                    return Err(illegal(event, run.as_str(), "there already"));
                }
                let state = RunState::new(run.clone(), at, plan.clone(), (**settings).clone());
                self.runs.insert(run.clone(), state);
                Ok(())
            }
            _ => {
                let run = event.run().and_then(|run| self.runs.get_mut(run));
                let Some(run) = run else {
                    let name = event.run().map_or("nowhere", RunId::as_str);
                    return Err(illegal(event, name, "not known"));
                };
                match event.task() {
                    None => run.apply(at, event),
                    Some(task) => {
                        let Some(place) = run.position(task) else {
                            return Err(illegal(event, task.as_str(), "not in the plan"));
                        };
                        run.apply_to_task(at, place, event)?;
                        // What a question takes says nothing of work of the same kind.
                        if let Event::StepEnded { end: end @ StepEnd { agent: Some(_), .. }, .. } = event
                            && run.plan.tasks[place].purpose.is_work()
                        {
                            self.learnt.take(run.agent(place), run.plan.tasks[place].kind, end);
                        }
                        Ok(())
                    }
                }
            }
        }
    }
}

impl RunState {
    fn apply(&mut self, at: Timestamp, event: &Event) -> Applied {
        match (event, &self.status) {
            (Event::IntegrationOpened { commit, .. }, RunStatus::Active | RunStatus::Paused { .. })
                if self.tip.is_none() =>
            {
                self.tip = Some(commit.clone());
            }
            (Event::RunPaused { cause, detail, .. }, RunStatus::Active | RunStatus::Paused { .. }) => {
                self.status = RunStatus::Paused { cause: *cause, since: at, detail: detail.clone() };
            }
            (Event::RunResumed { .. }, RunStatus::Paused { .. }) => self.status = RunStatus::Active,
            (Event::DispatchHeld { hold, .. }, RunStatus::Active | RunStatus::Paused { .. })
                if !self.holds.contains(hold) =>
            {
                self.holds.insert(*hold);
            }
            (Event::DispatchFreed { hold, .. }, RunStatus::Active | RunStatus::Paused { .. })
                if self.holds.contains(hold) =>
            {
                self.holds.remove(hold);
            }
            (Event::AccountLimited { agent, until, .. }, RunStatus::Active | RunStatus::Paused { .. }) => {
                self.limited.insert(agent.clone(), *until);
            }
            (Event::ClockJumped { by, .. }, RunStatus::Active | RunStatus::Paused { .. }) => {
                for at in 0..self.tasks.len() {
                    let reset = self.limited.get(self.agent(at)).copied();
                    self.tasks[at].shift(*by, reset);
                }
            }
            (Event::RunEnding { .. }, RunStatus::Active | RunStatus::Paused { .. }) if self.open() == 0 => {
                self.status = RunStatus::Ending;
                self.holds.clear();
                self.forget_unsalvaged();
            }
            (Event::RunFinished { wall, kept, .. }, RunStatus::Ending) => {
                self.status = RunStatus::Finished { at, wall: *wall, kept: kept.clone() };
            }
            (Event::RunLanded { into, commit, .. }, _) => {
                self.landed.push((into.clone(), commit.clone()));
                self.landed_tip.clone_from(&self.tip);
            }
            _ => return Err(illegal(event, self.id.as_str(), self.status.word())),
        }
        Ok(())
    }

    /// The log of a version that salvaged nothing ends a run without a word of it: its workspaces were kept.
    fn forget_unsalvaged(&mut self) {
        let places: Vec<usize> = self.unsalvaged().collect();
        for place in places {
            let old = Mark::of(&self.tasks[place]);
            self.tasks[place].salvage.retain(|_, salvage| salvage.is_some());
            self.index.update(place, old, Mark::of(&self.tasks[place]), |_| false);
        }
    }

    fn apply_to_task(&mut self, at: Timestamp, place: usize, event: &Event) -> Applied {
        if matches!(self.status, RunStatus::Ending) {
            return Err(illegal(event, self.id.as_str(), self.status.word()));
        }
        let finished = self.is_finished();
        let works = self.plan.tasks[place].purpose.is_work();
        let task = &mut self.tasks[place];
        let old = Mark::of(task);
        let applied = match event {
            Event::AnswerAppraised { .. } if works => None,
            Event::WorkCollected { .. } if !works => None,
            Event::TaskRevived { with, .. } => revive(task, with.as_deref()),
            _ if finished => None,
            Event::TaskHeld { .. } => task.hold(true),
            Event::TaskReleased { .. } => task.hold(false),
            Event::WorkSalvaged { attempt, salvage } => match task.salvage.get_mut(&attempt.attempt) {
                Some(owed @ None) => {
                    *owed = Some(salvage.clone());
                    Some(())
                }
                _ => None,
            },
            Event::AttemptStarted { attempt, base, session } => match &task.status {
                TaskStatus::Waiting if attempt.attempt == task.attempts + 1 => {
                    task.begin(at, attempt, base, session);
                    Some(())
                }
                _ => None,
            },
            Event::TaskFinished { outcome, verdict, detail, .. } => match &task.status {
                TaskStatus::Finished { .. } => None,
                TaskStatus::Waiting | TaskStatus::Active(_) => {
                    if task.leaves_work(outcome) {
                        task.salvage.insert(task.attempts, None);
                    }
                    task.held = false;
                    task.status = TaskStatus::Finished {
                        at,
                        outcome: outcome.clone(),
                        verdict: *verdict,
                        detail: detail.clone(),
                    };
                    Some(())
                }
            },
            Event::PhasesRecorded { attempt, phases } if attempt.attempt == task.attempts => {
                task.phases.extend(phases.iter().map(|record| (record.phase, record.status.clone())));
                Some(())
            }
            _ => task.apply_to_attempt(at, event),
        };
        if applied.is_none() {
            let name = format!("{}/{}", self.id, self.plan.tasks[place].id);
            return Err(illegal(event, &name, &self.tasks[place].word()));
        }
        let tasks = &self.tasks;
        let new = Mark::of(&tasks[place]);
        if new != old {
            self.index.update(place, old, new, |at| tasks[at].status == TaskStatus::Waiting);
        }
        match event {
            Event::TaskMerged { commit, .. } | Event::IntegrationMoved { commit, .. } => {
                self.tip = Some(commit.clone());
            }
            Event::TaskRevived { .. } if finished => self.status = RunStatus::Active,
            _ => {}
        }
        Ok(())
    }
}

/// A task that is over and did not succeed waits again. None: it may not.
fn revive(task: &mut TaskState, with: Option<&str>) -> Option<()> {
    match task.outcome() {
        Some(outcome) if !outcome.satisfies_dependents() => {
            task.status = TaskStatus::Waiting;
            task.note = with.map(str::to_owned);
            Some(())
        }
        _ => None,
    }
}

impl TaskState {
    fn begin(&mut self, at: Timestamp, id: &AttemptId, base: &CommitId, session: &SessionId) {
        self.attempts = id.attempt;
        self.phases.clear();
        self.workspace = None;
        self.commit = None;
        self.merged = false;
        self.changed.clear();
        self.answer = None;
        self.base = Some(base.clone());
        self.session = Some(session.clone());
        self.steps = 0;
        self.began_at = Some(at);
        self.last_exit = None;
        self.status = TaskStatus::Active(Box::new(Attempt {
            number: id.attempt,
            started_at: at,
            base: base.clone(),
            session: session.clone(),
            sessions: 1,
            steps: 0,
            losses: 0,
            tally: Tally::default(),
            alone: false,
            spent: Millis(0),
            set_up: false,
            spoken: false,
            no_change: None,
            repairs: 0,
            wrong: Vec::new(),
            phase: None,
            stopping: None,
            stage: Stage::Preparing,
        }));
    }

    /// What a step took. Checks of the merge queue are not the task's.
    fn take_end(&mut self, end: &StepEnd, verifies: bool) {
        if !verifies {
            self.time.0 += end.wall.0;
            let one = end.max_rss_kib / 1024;
            self.peak_mib = self.peak_mib.max(if end.peak_mib > 0 { end.peak_mib } else { one });
            self.cpu_ms = self.cpu_ms.saturating_add(end.cpu_ms);
            self.last_exit = Some(end.exit.clone());
        }
        if let Some(agent) = &end.agent {
            self.usage.add(&agent.usage);
        }
    }

    /// Whether an end like that leaves an attempt whose uncommitted work must be seen to.
    pub(crate) fn leaves_work(&self, outcome: &crate::Outcome) -> bool {
        let began = self.active().is_some() && self.workspace.is_some();
        began && !outcome.satisfies_dependents()
    }

    /// None: it is so already, or over.
    fn hold(&mut self, held: bool) -> Option<()> {
        let changes = self.held != held && self.outcome().is_none();
        changes.then(|| self.held = held)
    }

    /// The clock was set: what is timed by it moves along. The reset of an account does not: that is a time of the world.
    fn shift(&mut self, by: i64, reset: Option<Timestamp>) {
        let TaskStatus::Active(attempt) = &mut self.status else { return };
        let timed = match &mut attempt.stage {
            Stage::Step(step) | Stage::Merging { at: MergeStage::Verifying { step, .. }, .. } => {
                step.running.as_mut().map(|(_, since)| since)
            }
            Stage::Suspended { until, .. } | Stage::Queued { until, .. } => {
                until.as_mut().filter(|until| reset != Some(**until))
            }
            _ => None,
        };
        if let Some(time) = timed {
            time.0 = time.0.saturating_add(by);
        }
    }

    /// Events of the attempt that is under way. None: they cannot happen now.
    fn apply_to_attempt(&mut self, at: Timestamp, event: &Event) -> Option<()> {
        let Self { status: TaskStatus::Active(attempt), .. } = self else { return None };
        if event.attempt().is_none_or(|id| id.attempt != attempt.number) {
            return None;
        }
        match event {
            Event::WorkspacePrepared { path, branch, .. } if attempt.stage == Stage::Preparing => {
                self.workspace = Some((path.clone(), branch.clone()));
                attempt.stage = Stage::Ready;
            }
            Event::StepIntended { step, what, reserved } => {
                attempt.intend(step, what, *reserved)?;
                self.steps = step.step;
                self.session = Some(attempt.session.clone());
            }
            Event::StepStarted { step, process } => {
                let running = attempt.step_mut(step)?;
                if running.running.is_some() {
                    return None;
                }
                running.running = Some((process.clone(), at));
                attempt.spoken |=
                    matches!(attempt.stage, Stage::Step(StepState { kind: StepKind::Agent { .. }, .. }));
            }
            Event::PhaseReached { step, phase } => {
                attempt.step_mut(step)?.running.as_ref()?;
                attempt.phase = Some(*phase);
            }
            Event::StepSuspected { step, quiet } => {
                let step = attempt.step_mut(step).filter(|step| step.running.is_some())?;
                step.suspected = Some(Suspicion { quiet: *quiet, since: at - *quiet });
            }
            Event::StepCleared { step } => {
                attempt.step_mut(step)?.suspected.take()?;
            }
            Event::StopRequested { cause, .. } => attempt.stopping = Some(*cause),
            Event::StepEnded { step, end } => {
                let verifies = matches!(attempt.stage, Stage::Merging { .. });
                attempt.end_step(step, end)?;
                self.take_end(end, verifies);
            }
            Event::WorkCollected { commit, changed, .. } if attempt.stage == Stage::Collecting => {
                self.commit = Some(commit.clone());
                self.changed.clone_from(changed);
                attempt.stage = Stage::Queued { work: commit.clone(), until: None };
            }
            Event::AnswerAppraised { step, taken, wrong } if attempt.stage == Stage::Collecting => {
                attempt.take_answer(step, *taken, wrong)?;
                if *taken {
                    self.answer = Some(step.step);
                }
            }
            Event::AttemptSuspended { because, until, alone, .. } => {
                if !matches!(attempt.stage, Stage::Ready) {
                    return None;
                }
                attempt.stopping = None;
                attempt.alone = *alone;
                attempt.stage = Stage::Suspended { because: because.clone(), until: *until };
            }
            Event::IntegrationMoved { .. } if self.merged => return None,
            Event::TaskMerged { commit, .. } if !self.merged && attempt.advances_to(commit) => {
                self.merged = true;
            }
            _ => attempt.apply_to_merge(event)?,
        }
        Some(())
    }
}

impl Attempt {
    fn intend(&mut self, id: &StepId, what: &StepKind, reserved: Option<u64>) -> Option<()> {
        if id.step != self.steps + 1 {
            return None;
        }
        let step =
            StepState { number: id.step, kind: what.clone(), running: None, reserved, suspected: None };
        match (&mut self.stage, what) {
            (Stage::Ready | Stage::Suspended { .. }, StepKind::Setup) if !self.set_up => {
                self.stage = Stage::Step(step);
            }
            (Stage::Ready | Stage::Suspended { .. }, StepKind::Agent { session, .. }) => {
                if *session != self.session {
                    self.sessions += 1;
                    self.session = session.clone();
                    self.spoken = false;
                }
                self.stage = Stage::Step(step);
            }
            (Stage::Merging { at, .. }, StepKind::Verify { commit }) => match at {
                MergeStage::Composed { commit: composed } if composed == commit => {
                    *at = MergeStage::Verifying { commit: commit.clone(), step };
                }
                _ => return None,
            },
            _ => return None,
        }
        self.steps = id.step;
        Some(())
    }

    fn step_mut(&mut self, id: &StepId) -> Option<&mut StepState> {
        match &mut self.stage {
            Stage::Step(step) | Stage::Merging { at: MergeStage::Verifying { step, .. }, .. } => {
                (step.number == id.step).then_some(step)
            }
            _ => None,
        }
    }

    /// An ended step leaves the attempt where the next one can be intended; only an agent that is done is collected.
    fn end_step(&mut self, id: &StepId, end: &StepEnd) -> Option<()> {
        let kind = self.step_mut(id)?.kind.clone();
        self.tally.take(&kind, end, self.stopping);
        let good = end.is_good(&kind, self.stopping);
        self.forget_stop();
        match (kind, &mut self.stage) {
            (StepKind::Setup, stage) => {
                self.spent.0 += end.wall.0;
                self.set_up = good;
                *stage = Stage::Ready;
            }
            (StepKind::Agent { mode, .. }, stage) => {
                *stage = if good { Stage::Collecting } else { Stage::Ready };
                self.end_turn(mode, end);
            }
            (StepKind::Verify { commit }, Stage::Merging { at, .. }) => *at = MergeStage::Composed { commit },
            (StepKind::Verify { .. }, _) => return None,
        }
        Some(())
    }

    /// What an agent's turn leaves behind beside its work.
    fn end_turn(&mut self, mode: SessionMode, end: &StepEnd) {
        self.spent.0 += end.wall.0;
        self.alone &= end.exit == StepExit::OutOfMemory;
        self.no_change = end.agent.as_ref().and_then(|agent| agent.no_change.clone());
        let unseen = matches!(end.exit, StepExit::Lost | StepExit::LeaseLapsed);
        let no_session = end.agent.as_ref().is_some_and(|agent| agent.class == EndClass::NoSession);
        if unseen || no_session {
            self.losses += 1;
        }
        self.spoken |= !matches!(end.exit, StepExit::NotStarted(_) | StepExit::NeverBegan | StepExit::Lost);
        // A shim that could not start the agent was there itself, and its start is on record.
        let unsaid = mode == SessionMode::Fresh && matches!(end.exit, StepExit::NotStarted(_));
        self.spoken &= !no_session && !unsaid;
    }

    /// One that is not taken goes back as soon as the run has room: nobody kept its slot for it.
    fn take_answer(&mut self, id: &StepId, taken: bool, wrong: &[String]) -> Option<()> {
        if id.step != self.steps {
            return None;
        }
        if !taken {
            self.repairs += 1;
            self.wrong = wrong.to_vec();
            self.stage = Stage::Suspended { because: "its answer goes back to it".into(), until: None };
        }
        Some(())
    }

    fn apply_to_merge(&mut self, event: &Event) -> Option<()> {
        match (event, &mut self.stage) {
            (Event::MergeStarted { onto, .. }, Stage::Queued { work, .. }) => {
                self.stage =
                    Stage::Merging { work: work.clone(), onto: onto.clone(), at: MergeStage::Composing };
            }
            (Event::MergeComposed { commit, .. }, Stage::Merging { at: at @ MergeStage::Composing, .. }) => {
                *at = MergeStage::Composed { commit: commit.clone() };
            }
            (Event::MergeAccepted { verified, .. }, Stage::Merging { at, .. }) => {
                let MergeStage::Composed { commit } = at else { return None };
                *at = MergeStage::Advancing { to: commit.clone(), verified: *verified };
            }
            (
                Event::IntegrationMoved { .. },
                Stage::Merging { work, at: MergeStage::Advancing { .. }, .. },
            ) => {
                let work = work.clone();
                self.put_back(work, None);
            }
            (
                Event::MergePutBack { until, .. },
                Stage::Merging { work, at: MergeStage::Composing | MergeStage::Composed { .. }, .. },
            ) => {
                let work = work.clone();
                self.put_back(work, *until);
            }
            _ => return None,
        }
        Some(())
    }

    fn put_back(&mut self, work: CommitId, until: Option<Timestamp>) {
        self.stage = Stage::Queued { work, until };
        self.forget_stop();
    }

    /// An interruption and a timeout end with the step that they were for, however that ended; a cancellation stands.
    fn forget_stop(&mut self) {
        self.stopping = self.stopping.filter(|cause| *cause == StopCause::Cancel);
    }

    /// Whether the integration branch is on its way to that commit for this attempt.
    fn advances_to(&self, commit: &CommitId) -> bool {
        matches!(&self.stage, Stage::Merging { at: MergeStage::Advancing { to, .. }, .. } if to == commit)
    }
}

impl RunStatus {
    /// The word for it in tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Ending => "ending",
            Self::Finished { .. } => "finished",
        }
    }
}

impl Stage {
    /// The word for it in tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Step(StepState { running: None, .. }) => "starting",
            Self::Step(_) => "running",
            Self::Collecting => "collecting",
            Self::Suspended { .. } => "suspended",
            Self::Queued { .. } => "queued",
            Self::Merging { at: MergeStage::Composing | MergeStage::Composed { .. }, .. } => "merging",
            Self::Merging { at: MergeStage::Verifying { .. }, .. } => "verifying",
            Self::Merging { at: MergeStage::Advancing { .. }, .. } => "advancing",
        }
    }
}

impl TaskState {
    /// The word for how it stands, in tables and JSON.
    pub fn word(&self) -> String {
        match &self.status {
            TaskStatus::Waiting => "waiting".into(),
            TaskStatus::Active(attempt) => attempt.stage.word().into(),
            TaskStatus::Finished { outcome, .. } => outcome.word().into(),
        }
    }
}

fn illegal(event: &Event, place: &str, state: &str) -> IllegalTransition {
    IllegalTransition { event: event.word(), place: place.to_owned(), state: state.to_owned() }
}
