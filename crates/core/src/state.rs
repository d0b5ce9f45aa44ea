//! Where every run stands. Changed by [`State::apply`] alone.

mod apply;
mod index;
mod summary;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::schedule::Workload;
use crate::{
    AgentName, AttemptId, CONTAINER_DISK, CommitId, EdgeReason, ExecutorKind, Hold, Learnt, Millis, Outcome,
    PauseCause, Phase, PhaseStatus, Plan, PlannedTask, Process, RunId, RunSettings, Salvage, SessionId,
    SkipReason, StepExit, StepKind, StopCause, Tally, TaskId, Timestamp, Usage, Verdict,
};

pub use apply::IllegalTransition;
use index::Index;

/// Everything that the core knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Slots of this machine where a run names no number; none until measured.
    pub capacity: Option<u32>,
    /// MiB that all attempts together may be expected to take; none until measured.
    pub memory_mib: Option<u64>,
    /// What attempts were seen to take, over all runs.
    pub learnt: Learnt,
    /// Runs by id. Ids begin with a time, so this is about the order in which they came.
    pub runs: BTreeMap<RunId, RunState>,
}

impl State {
    /// MiB that the run's task at that place is expected to take, by what such tasks were seen to take: by its agent at its kind
    /// here, else in history, else by its agent at any kind. 0 where nobody measured: a table's figure keeps nobody waiting.
    pub fn expected_memory(&self, run: &RunState, at: usize) -> u64 {
        let (agent, planned) = (run.agent(at), &run.plan.tasks[at]);
        let seen = self.learnt.seen(agent, planned.kind).map(|appetite| appetite.peak_mib);
        let measured = seen.or_else(|| planned.estimate.measured_memory());
        let known = measured.or_else(|| Some(self.learnt.of(agent, planned.kind)?.peak_mib)).unwrap_or(0);
        // No container takes more than it may.
        let most = run.settings.limits.memory_bytes.filter(|_| run.executor(at) == ExecutorKind::Docker);
        most.map_or(known, |bytes| known.min(bytes >> 20))
    }
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Its id.
    pub id: RunId,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Its settings.
    pub settings: Arc<RunSettings>,
    /// How it stands as a whole.
    pub status: RunStatus,
    /// The tip of the integration branch; none until the branch is there.
    pub tip: Option<CommitId>,
    /// In plan order.
    pub tasks: Vec<TaskState>,
    /// Where it was brought home to, each time.
    pub landed: Vec<(String, CommitId)>,
    /// The tip that it had then, the last time; none where it never was.
    pub landed_tip: Option<CommitId>,
    /// What holds it back at the moment.
    pub holds: BTreeSet<Hold>,
    /// Agents whose account has reached its limit, and until when. One that is past holds nothing back.
    pub limited: BTreeMap<AgentName, Timestamp>,
    /// Plan positions of tasks, by id.
    places: Arc<HashMap<TaskId, usize>>,
    /// What follows from the tasks, kept up to date as they change: thousands of tasks are not gone through at every turn.
    index: Index,
}

/// What a task wants of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That it succeeded.
    Success,
    /// That it is over, whatever came of it.
    End,
}

/// How a run stands as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum RunStatus {
    /// Tasks are begun as slots allow.
    Active,
    /// Nothing new is begun.
    Paused {
        /// Why.
        cause: PauseCause,
        /// Since when.
        since: Timestamp,
        /// One line for people, where there is more to say.
        detail: String,
    },
    /// All tasks are over; workspaces are being put away.
    Ending,
    /// Over.
    Finished {
        /// When.
        at: Timestamp,
        /// From start to end.
        wall: Millis,
        /// Workspaces kept: path and reason.
        kept: Vec<(String, String)>,
    },
}

/// Where a task stands, and what is on record about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// How it stands.
    pub status: TaskStatus,
    /// Tries so far.
    pub attempts: u32,
    /// What is known of its phases.
    pub phases: BTreeMap<Phase, PhaseStatus>,
    /// What all its steps used.
    pub usage: Usage,
    /// Measured time of its setup and agent steps; waits and the merge queue's checks are left out.
    pub time: Millis,
    /// The most memory that one of those steps was seen to have, MiB; 0 where nobody saw it.
    pub peak_mib: u64,
    /// Processor time of those steps, in milliseconds; 0 where unknown.
    pub cpu_ms: u64,
    /// Path and branch of its latest workspace.
    pub workspace: Option<(String, String)>,
    /// The tip of its branch, once collected.
    pub commit: Option<CommitId>,
    /// The commit that its latest attempt began from.
    pub base: Option<CommitId>,
    /// The agent's latest conversation.
    pub session: Option<SessionId>,
    /// Steps that its latest attempt has intended.
    pub steps: u32,
    /// What it wrote.
    pub changed: Vec<String>,
    /// The step of its latest attempt whose last words are its answer, where it is a question and has one.
    pub answer: Option<u32>,
    /// Whether the integration branch holds its work.
    pub merged: bool,
    /// What the user said to it on a retry.
    pub note: Option<String>,
    /// When its latest attempt began.
    pub began_at: Option<Timestamp>,
    /// How the latest of its setup and agent steps ended.
    pub last_exit: Option<StepExit>,
    /// Whether somebody paused it.
    pub held: bool,
    /// What became of what its attempts left uncommitted, by attempt, where they did not succeed; none while gadugi still has
    /// to see to it.
    pub salvage: BTreeMap<u32, Option<Salvage>>,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskStatus {
    /// Not begun.
    Waiting,
    /// Under way.
    Active(Box<Attempt>),
    /// Over.
    Finished {
        /// When.
        at: Timestamp,
        /// How it ended.
        outcome: Outcome,
        /// What its work is worth.
        verdict: Option<Verdict>,
        /// One line for people.
        detail: String,
    },
}

/// One try that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// Where its branch begins.
    pub base: CommitId,
    /// The agent's conversation.
    pub session: SessionId,
    /// Conversations begun so far, from 1.
    pub sessions: u32,
    /// Steps intended so far.
    pub steps: u32,
    /// Ends after which nobody knows whether the id of the conversation is in use.
    pub losses: u32,
    /// Its bad ends in a row.
    pub tally: Tally,
    /// Whether it runs with nothing beside it.
    pub alone: bool,
    /// Time that its ended setup and agent steps took.
    pub spent: Millis,
    /// Whether the setup has passed.
    pub set_up: bool,
    /// Whether an agent step has run, so that its conversation can be taken up again.
    pub spoken: bool,
    /// The reason, where the agent said that nothing needs changing.
    pub no_change: Option<String>,
    /// How often its answer went back to it.
    pub repairs: u32,
    /// What was wrong with its last answer, where that went back.
    pub wrong: Vec<String>,
    /// The latest phase that the agent reported.
    pub phase: Option<Phase>,
    /// Set once somebody wants its end.
    pub stopping: Option<StopCause>,
    /// What is being done right now.
    pub stage: Stage,
}

/// What an attempt is at.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The workspace is being made.
    Preparing,
    /// The workspace is there, and the next step can be intended.
    Ready,
    /// A setup or agent step is intended or runs.
    Step(StepState),
    /// The agent is done; what it left is being committed.
    Collecting,
    /// Its process was stopped, failed or was lost; to be taken up again.
    Suspended {
        /// Why.
        because: String,
        /// When, at the earliest.
        until: Option<Timestamp>,
    },
    /// Its work waits for the merge queue.
    Queued {
        /// The tip of its branch.
        work: CommitId,
        /// When its merge begins, at the earliest.
        until: Option<Timestamp>,
    },
    /// Its work is at the head of the merge queue.
    Merging {
        /// The tip of its branch.
        work: CommitId,
        /// The tip of the integration branch that it is merged onto.
        onto: CommitId,
        /// How far.
        at: MergeStage,
    },
}

/// A step that is intended or runs.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// From 1, within the attempt.
    pub number: u32,
    /// What for.
    pub kind: StepKind,
    /// Its process and when it started; none while only intended.
    pub running: Option<(Process, Timestamp)>,
    /// What is set aside of the budget for it, in millionths of a US dollar.
    pub reserved: Option<u64>,
    /// Set while it gives no sign of life.
    pub suspected: Option<Suspicion>,
}

/// A step that gives no sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// For how long it had given none when that was noticed.
    pub quiet: Millis,
    /// Since when it gives none.
    pub since: Timestamp,
}

/// How far a merge is.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeStage {
    /// Merging in memory.
    Composing,
    /// Composed; to be verified, or accepted where nothing verifies.
    Composed {
        /// The composed commit.
        commit: CommitId,
    },
    /// The verify command is intended or runs.
    Verifying {
        /// The composed commit.
        commit: CommitId,
        /// The step.
        step: StepState,
    },
    /// The branch is being moved.
    Advancing {
        /// Where to.
        to: CommitId,
        /// Whether a verify command passed.
        verified: bool,
    },
}

impl RunState {
    /// The plan position of a task.
    pub fn position(&self, task: &TaskId) -> Option<usize> {
        self.places.get(task).copied()
    }

    /// Where a task stands.
    pub fn task(&self, task: &TaskId) -> Option<&TaskState> {
        self.position(task).map(|at| &self.tasks[at])
    }

    /// The plan's word on a task.
    pub fn planned(&self, task: &TaskId) -> Option<&PlannedTask> {
        self.position(task).map(|at| &self.plan.tasks[at])
    }

    /// For the task at that plan position: whom it waits for.
    pub fn before(&self, at: usize) -> &[(usize, Need)] {
        self.index.before(at)
    }

    /// The attempts that are under way, with the plan positions of their tasks.
    pub fn active(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.attempts(&self.index.active)
    }

    /// Those that hold a slot.
    pub fn in_slots(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.attempts(&self.index.slots)
    }

    /// Those that are to be taken up again.
    pub fn suspended(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.attempts(&self.index.suspended)
    }

    /// Those whose work waits for the merge queue.
    pub fn queued(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.attempts(&self.index.queued)
    }

    /// The merge queue, in the order in which it is taken: the one at its head, then those that may be merged, then those that
    /// wait until they are tried again. Plan positions.
    pub fn merge_queue(&self, now: Timestamp) -> Vec<usize> {
        let waits = |attempt: &Attempt| match attempt.stage {
            Stage::Queued { until, .. } => until.filter(|until| *until > now),
            _ => None,
        };
        let mut queued: Vec<_> = self.queued().map(|(at, attempt)| (waits(attempt), at)).collect();
        queued.sort_unstable();
        self.merging().map(|(at, _)| at).chain(queued.into_iter().map(|(_, at)| at)).collect()
    }

    /// Those at the head of the merge queue: one at most.
    pub fn merging(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.attempts(&self.index.merging)
    }

    fn attempts<'a>(&'a self, places: &'a BTreeSet<usize>) -> impl Iterator<Item = (usize, &'a Attempt)> {
        places.iter().filter_map(|at| Some((*at, self.tasks[*at].active()?)))
    }

    /// How many attempts hold a slot.
    pub fn slots_held(&self) -> usize {
        self.index.slots.len()
    }

    /// Plan positions of waiting tasks all of whose predecessors are over, in the order in which they begin.
    pub(crate) fn unblocked(&self) -> impl Iterator<Item = usize> {
        self.index.unblocked.iter().map(|rank| self.index.order().place(*rank))
    }

    /// Of two tasks that may begin, the one with the lower rank does ([`crate::schedule`]).
    pub fn rank(&self, at: usize) -> u32 {
        self.index.order().rank(at)
    }

    /// The order in which its tasks begin.
    pub(crate) fn order(&self) -> &crate::schedule::Order {
        self.index.order()
    }

    /// Plan positions of waiting tasks that need the success of one that did not succeed.
    pub(crate) fn doomed(&self) -> impl Iterator<Item = usize> {
        self.index.doomed.iter().copied()
    }

    /// Plan positions of tasks that were left out because that one did not succeed.
    pub(crate) fn skipped_for(&self, from: usize) -> impl Iterator<Item = usize> {
        let named = &self.plan.tasks[from].id;
        let because = move |at: &usize| match self.tasks[*at].outcome() {
            Some(Outcome::Skipped { because: SkipReason::Dependency(on) }) => on == named,
            _ => false,
        };
        self.index.after(from).iter().map(|(to, _)| *to).filter(because)
    }

    /// Plan positions of tasks with an attempt whose uncommitted work gadugi still has to see to.
    pub(crate) fn unsalvaged(&self) -> impl Iterator<Item = usize> {
        self.index.unsalvaged.iter().copied()
    }

    /// How many tasks are over whose work the integration branch holds.
    pub fn merged(&self) -> usize {
        self.index.merged
    }

    /// How many tasks are not over.
    pub fn open(&self) -> usize {
        self.index.open
    }

    /// What its steps have cost, in millionths of a US dollar.
    pub fn spent(&self) -> u64 {
        self.index.spent
    }

    /// What is set aside for steps that run, in millionths of a US dollar.
    pub fn reserved(&self) -> u64 {
        self.index.reserved
    }

    /// The agent that a task's steps are given to.
    pub fn agent(&self, at: usize) -> &AgentName {
        self.plan.tasks[at].agent.as_ref().unwrap_or(&self.settings.agent)
    }

    /// Where a task's steps run.
    pub fn executor(&self, at: usize) -> ExecutorKind {
        self.settings.executor_of(&self.plan.tasks[at])
    }

    /// What a task may take of the disk, bytes; none: as much as there is.
    pub fn disk_limit(&self, at: usize) -> Option<u64> {
        let own = (self.executor(at) == ExecutorKind::Docker).then_some(CONTAINER_DISK);
        self.settings.limits.disk_bytes.or(own)
    }

    /// Until when the account of a task's agent is limited, where it is.
    pub fn limited_until(&self, at: usize, now: Timestamp) -> Option<Timestamp> {
        self.limited.get(self.agent(at)).copied().filter(|until| *until > now)
    }

    /// The integration branch.
    pub fn branch(&self) -> String {
        self.id.branch()
    }

    /// Whether every task is over, and nothing that any left is still to be saved.
    pub fn all_over(&self) -> bool {
        self.index.open == 0 && self.index.unsalvaged.is_empty()
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        matches!(self.status, RunStatus::Finished { .. })
    }

    /// Whether it was interrupted, by a person or by the engine's death: then not even tasks under way go on.
    pub fn is_interrupted(&self) -> bool {
        matches!(
            self.status,
            RunStatus::Paused { cause: PauseCause::Interrupted | PauseCause::EngineLost, .. }
        )
    }

    /// Whether agents begin no further step: the run is interrupted, or their credential was refused.
    pub fn agents_stop(&self) -> bool {
        self.is_interrupted()
            || matches!(self.status, RunStatus::Paused { cause: PauseCause::AuthRefused, .. })
    }

    /// Whether nothing is under way: no process, no git, nothing that reports back.
    pub fn at_rest(&self) -> bool {
        let opening = self.tip.is_none() && !self.is_finished();
        !opening
            && !matches!(self.status, RunStatus::Ending)
            && self.index.unsalvaged.is_empty()
            && self.active().all(|(_, attempt)| attempt.at_rest())
    }

    /// Whether nothing more will happen until somebody wishes something: it is over, or paused with nothing under way, or
    /// all that is left was paused task by task or waits for such a task.
    pub fn rests(&self) -> bool {
        match self.status {
            RunStatus::Finished { .. } => true,
            RunStatus::Paused { .. } => self.at_rest(),
            RunStatus::Active => self.index.held > 0 && self.at_rest() && self.only_held_are_left(),
            RunStatus::Ending => false,
        }
    }

    /// For each task, whether it is held or waits, through however many others, for one that is.
    pub(crate) fn stuck(&self) -> Vec<bool> {
        let mut stuck = vec![false; self.tasks.len()];
        let mut open: Vec<usize> = (0..self.tasks.len()).filter(|at| self.tasks[*at].held).collect();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut stuck[at], true) {
                let waiting =
                    |(to, _): &(usize, Need)| (self.tasks[*to].status == TaskStatus::Waiting).then_some(*to);
                open.extend(self.index.after(at).iter().filter_map(waiting));
            }
        }
        stuck
    }

    /// Whether each open task is one of those.
    fn only_held_are_left(&self) -> bool {
        let stuck = self.stuck();
        let parked = |at: &usize| {
            stuck[*at] && !self.tasks[*at].active().is_some_and(|attempt| attempt.stage.is_queued())
        };
        (0..self.tasks.len()).filter(|at| self.tasks[*at].outcome().is_none()).all(|at| parked(&at))
    }

    /// The command that tests the composed tree with that task's work: the task's own, else the run's.
    pub fn verify(&self, at: usize) -> Option<&str> {
        self.plan.tasks[at].verify.as_deref().or(self.settings.verify.as_deref())
    }

    /// How long one step of that task may still take, all steps of its attempt taken together.
    pub fn time_left(&self, at: usize, attempt: &Attempt) -> Millis {
        let limit = self.plan.tasks[at].timeout.unwrap_or(self.settings.timeout);
        Millis(limit.0.saturating_sub(attempt.spent.0))
    }

    /// The full id of that attempt at the task at that plan position.
    pub fn attempt_id(&self, at: usize, number: u32) -> AttemptId {
        AttemptId { run: self.id.clone(), task: self.plan.tasks[at].id.clone(), attempt: number }
    }

    pub(crate) fn new(id: RunId, started_at: Timestamp, plan: Plan, settings: RunSettings) -> Self {
        let places: HashMap<TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        let mut before: Vec<Vec<(usize, Need)>> = vec![Vec::new(); plan.tasks.len()];
        for edge in &plan.edges {
            let (Some(from), Some(to)) = (places.get(&edge.from), places.get(&edge.to)) else { continue };
            let need = if edge.reason == EdgeReason::Declared { Need::Success } else { Need::End };
            match before[*to].iter_mut().find(|(at, _)| at == from) {
                Some(known) if need == Need::Success => known.1 = need,
                Some(_) => {}
                None => before[*to].push((*from, need)),
            }
        }
        Self {
            id,
            started_at,
            tasks: plan.tasks.iter().map(|_| TaskState::default()).collect(),
            index: Index::new(before, Workload::of(&plan).order()),
            plan: Arc::new(plan),
            settings: Arc::new(settings),
            status: RunStatus::Active,
            tip: None,
            landed: Vec::new(),
            landed_tip: None,
            holds: BTreeSet::new(),
            limited: BTreeMap::new(),
            places: Arc::new(places),
        }
    }
}
