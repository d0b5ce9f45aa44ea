//! Where every run stands. Changed by [`State::apply`] alone.

mod apply;
mod summary;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::{
    AttemptId, CommitId, EdgeReason, Millis, Outcome, PauseCause, Phase, PhaseStatus, Plan, PlannedTask,
    Process, RunId, RunSettings, SessionId, StepExit, StepId, StepKind, StopCause, TaskId, Timestamp, Usage,
    Verdict,
};

pub use apply::IllegalTransition;

/// Everything that the core knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Slots of this machine where a run names no number; none until measured.
    pub capacity: Option<u32>,
    /// Runs by id. Ids begin with a time, so this is about the order in which they came.
    pub runs: BTreeMap<RunId, RunState>,
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
    /// Plan positions of tasks, by id.
    index: Arc<HashMap<TaskId, usize>>,
    /// For each task, the plan positions of those that it waits for, and whether it needs their success.
    before: Arc<Vec<Vec<(usize, Need)>>>,
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
    /// Whether the integration branch holds its work.
    pub merged: bool,
    /// What the user said to it on a retry.
    pub note: Option<String>,
    /// When its latest attempt began.
    pub began_at: Option<Timestamp>,
    /// How the latest of its setup and agent steps ended.
    pub last_exit: Option<StepExit>,
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
    /// Steps that were lost.
    pub losses: u32,
    /// Time that its ended setup and agent steps took.
    pub spent: Millis,
    /// Whether the setup has passed.
    pub set_up: bool,
    /// Whether an agent step has run, so that its conversation can be taken up again.
    pub spoken: bool,
    /// The reason, where the agent said that nothing needs changing.
    pub no_change: Option<String>,
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
    /// Its process was stopped or lost; to be taken up again.
    Suspended {
        /// Why.
        because: String,
    },
    /// Its work waits for the merge queue.
    Queued {
        /// The tip of its branch.
        work: CommitId,
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
        self.index.get(task).copied()
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
        &self.before[at]
    }

    /// The integration branch.
    pub fn branch(&self) -> String {
        self.id.branch()
    }

    /// Whether every task is over.
    pub fn all_over(&self) -> bool {
        self.tasks.iter().all(|task| matches!(task.status, TaskStatus::Finished { .. }))
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

    /// Whether nothing is under way: no process, no git, nothing that reports back.
    pub fn at_rest(&self) -> bool {
        let opening = self.tip.is_none() && !self.is_finished();
        !opening && !matches!(self.status, RunStatus::Ending) && self.tasks.iter().all(TaskState::at_rest)
    }

    /// Whether nothing more will happen until somebody wishes something: it is over, or paused with nothing under way.
    pub fn rests(&self) -> bool {
        self.is_finished() || (matches!(self.status, RunStatus::Paused { .. }) && self.at_rest())
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
        let index: HashMap<TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        let mut before: Vec<Vec<(usize, Need)>> = vec![Vec::new(); plan.tasks.len()];
        for edge in &plan.edges {
            let (Some(from), Some(to)) = (index.get(&edge.from), index.get(&edge.to)) else { continue };
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
            plan: Arc::new(plan),
            settings: Arc::new(settings),
            status: RunStatus::Active,
            tip: None,
            landed: Vec::new(),
            index: Arc::new(index),
            before: Arc::new(before),
        }
    }
}

impl Default for TaskState {
    fn default() -> Self {
        Self {
            status: TaskStatus::Waiting,
            attempts: 0,
            phases: BTreeMap::new(),
            usage: Usage::default(),
            time: Millis(0),
            workspace: None,
            commit: None,
            base: None,
            session: None,
            steps: 0,
            changed: Vec::new(),
            merged: false,
            note: None,
            began_at: None,
            last_exit: None,
        }
    }
}

impl TaskState {
    /// The attempt, where one is under way.
    pub fn active(&self) -> Option<&Attempt> {
        match &self.status {
            TaskStatus::Active(attempt) => Some(attempt),
            TaskStatus::Waiting | TaskStatus::Finished { .. } => None,
        }
    }

    /// How it ended, where it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.status {
            TaskStatus::Finished { outcome, .. } => Some(outcome),
            TaskStatus::Waiting | TaskStatus::Active(_) => None,
        }
    }

    fn at_rest(&self) -> bool {
        self.active().is_none_or(|attempt| {
            matches!(attempt.stage, Stage::Ready | Stage::Suspended { .. } | Stage::Queued { .. })
        })
    }
}

impl Attempt {
    /// The step that is intended or runs, of whatever kind.
    pub fn step(&self) -> Option<&StepState> {
        match &self.stage {
            Stage::Step(step) | Stage::Merging { at: MergeStage::Verifying { step, .. }, .. } => Some(step),
            _ => None,
        }
    }

    /// Whether it holds one of the slots: from its beginning until its agent is over. What gadugi does with the work
    /// afterwards takes no slot from an agent.
    pub fn holds_slot(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Ready | Stage::Step(_))
    }
}

impl StepState {
    /// Its full id.
    pub fn id(&self, attempt: AttemptId) -> StepId {
        StepId { attempt, step: self.number }
    }
}
