//! What of a run wants a person: one list, however many tasks there are.
//!
//! A task that was left out because another did not succeed is not in it: that other one is. Nor is what somebody ended
//! themselves.

use std::collections::HashMap;

use crate::{
    EndClass, Outcome, PauseCause, RunState, RunStatus, SkipReason, StepState, TaskId, TaskState, TaskStatus,
    Timestamp, Verdict,
};

/// Why a task failed whose own budget is spent, as it stands in the log.
pub(crate) const TASK_SPENT: &str = "its budget is spent";
/// Why one failed or was left out whose run's budget is.
pub(crate) const RUN_SPENT: &str = "the run's budget is spent";

/// Something that wants a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub kind: NeedKind,
    /// The task, where it is about one.
    pub task: Option<TaskId>,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// When it goes on by itself, where it does.
    pub until: Option<Timestamp>,
    /// What happened, in one line.
    pub detail: String,
    /// The path, where it is about one.
    pub path: Option<String>,
}

/// What wants a person; the most pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeedKind {
    /// An agent's credential was refused: nothing more begins.
    Auth,
    /// The run is paused, interrupted, or was left by an engine that died.
    Paused,
    /// A budget is spent.
    Budget,
    /// A step gives no sign of life.
    Suspect,
    /// A task failed, timed out or was lost.
    Failed,
    /// A task's work does not merge.
    Conflict,
    /// A task's work did not pass on the composed tree.
    Rejected,
    /// A task is paused.
    Held,
    /// An account's limit is reached; it goes on by itself.
    Limit,
    /// A workspace was kept because it holds something.
    Kept,
    /// The run is over, and its work is on no branch of the user's.
    Land,
}

/// What a person can do about it, beside looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remedial {
    /// Take the task up again.
    Retry,
    /// End the task, or the run.
    Cancel,
    /// Stop the task, so that it can be taken up again.
    Pause,
    /// Go on.
    Resume,
    /// Bring the work home.
    Land,
}

impl NeedKind {
    /// All of them, the most pressing first.
    pub const ALL: [Self; 11] = [
        Self::Auth,
        Self::Paused,
        Self::Budget,
        Self::Suspect,
        Self::Failed,
        Self::Conflict,
        Self::Rejected,
        Self::Held,
        Self::Limit,
        Self::Kept,
        Self::Land,
    ];

    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Paused => "paused",
            Self::Budget => "budget",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::Limit => "limit",
            Self::Kept => "kept",
            Self::Land => "land",
        }
    }
}

impl Need {
    /// What can be done about it; nothing where it is only to be looked at, or waited for.
    pub fn remedies(&self) -> &'static [Remedial] {
        match self.kind {
            NeedKind::Auth | NeedKind::Paused => &[Remedial::Resume, Remedial::Cancel],
            NeedKind::Held => &[Remedial::Resume, Remedial::Cancel],
            NeedKind::Suspect => &[Remedial::Cancel, Remedial::Pause],
            NeedKind::Failed | NeedKind::Conflict | NeedKind::Rejected => &[Remedial::Retry],
            // A budget cannot be raised while its run lives; what is spent stays spent.
            NeedKind::Budget | NeedKind::Kept => &[],
            NeedKind::Limit => &[Remedial::Cancel],
            NeedKind::Land => &[Remedial::Land],
        }
    }

    fn of_run(kind: NeedKind, since: Option<Timestamp>, detail: impl Into<String>) -> Self {
        Self { kind, task: None, since, until: None, detail: detail.into(), path: None }
    }
}

impl Remedial {
    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Land => "land",
        }
    }
}

impl RunState {
    /// What of it wants a person: the most pressing kind first, tasks of one kind in plan order.
    pub fn needs(&self, now: Timestamp) -> Vec<Need> {
        let mut needs: Vec<Need> = self.pause().into_iter().chain(self.left_out_for_budget()).collect();
        needs.extend((0..self.tasks.len()).filter_map(|at| self.need_of(at)));
        needs.extend(self.limits(now));
        needs.extend(self.kept());
        needs.extend(self.unlanded());
        // Stable: those of one kind stay in their order.
        needs.sort_by_key(|need| need.kind);
        needs
    }

    fn pause(&self) -> Option<Need> {
        let RunStatus::Paused { cause, since, detail } = &self.status else { return None };
        let (kind, words) = match cause {
            PauseCause::Asked => (NeedKind::Paused, "it was paused: what runs goes on, nothing new begins"),
            PauseCause::Interrupted => (NeedKind::Paused, "it was interrupted"),
            PauseCause::EngineLost => (NeedKind::Paused, "its engine died; nothing new begins"),
            PauseCause::AuthRefused => (NeedKind::Auth, "an agent's credential was refused"),
        };
        let detail = if detail.is_empty() { words.to_owned() } else { format!("{words}: {detail}") };
        Some(Need::of_run(kind, Some(*since), detail))
    }

    fn left_out_for_budget(&self) -> Option<Need> {
        let left_out = self.tasks.iter().filter_map(|task| match &task.status {
            TaskStatus::Finished {
                at, outcome: Outcome::Skipped { because: SkipReason::Budget }, ..
            } => Some(*at),
            _ => None,
        });
        let (count, since) =
            left_out.fold((0_usize, None), |(count, since), at| (count + 1, since.max(Some(at))));
        let tasks = if count == 1 { "task was" } else { "tasks were" };
        let detail = format!("{RUN_SPENT}: {count} {tasks} left out");
        since.map(|since| Need::of_run(NeedKind::Budget, Some(since), detail))
    }

    fn need_of(&self, at: usize) -> Option<Need> {
        let task = &self.tasks[at];
        let (kind, since, detail) = match &task.status {
            TaskStatus::Finished { at, outcome, verdict, detail } => {
                (ended_badly(outcome, *verdict, detail)?, Some(*at), detail.clone())
            }
            TaskStatus::Waiting | TaskStatus::Active(_) => match suspicion(task) {
                Some((since, step)) => {
                    let detail = format!("its {} step gives no sign of life", step.kind.word());
                    (NeedKind::Suspect, Some(since), detail)
                }
                None if task.held => (NeedKind::Held, None, "it was paused".to_owned()),
                None => return None,
            },
        };
        let task = Some(self.plan.tasks[at].id.clone());
        Some(Need { task, ..Need::of_run(kind, since, detail) })
    }

    fn limits(&self, now: Timestamp) -> impl Iterator<Item = Need> {
        let open = |agent: &str| {
            (0..self.tasks.len()).any(|at| self.tasks[at].outcome().is_none() && self.agent(at) == agent)
        };
        let limited = self.limited.iter().filter(move |(agent, until)| **until > now && open(agent));
        limited.map(|(agent, until)| Need {
            until: Some(*until),
            ..Need::of_run(NeedKind::Limit, None, format!("the limit of {agent}'s account is reached"))
        })
    }

    fn kept(&self) -> impl Iterator<Item = Need> {
        let (at, kept) = match &self.status {
            RunStatus::Finished { at, kept, .. } => (Some(*at), kept.as_slice()),
            RunStatus::Active | RunStatus::Paused { .. } | RunStatus::Ending => (None, &[][..]),
        };
        let mut places: HashMap<&str, usize> = HashMap::new();
        if !kept.is_empty() {
            let workspaces = self.tasks.iter().enumerate();
            places
                .extend(workspaces.filter_map(|(at, task)| Some((task.workspace.as_ref()?.0.as_str(), at))));
        }
        kept.iter().map(move |(path, reason)| Need {
            task: places.get(path.as_str()).map(|at| self.plan.tasks[*at].id.clone()),
            path: Some(path.clone()),
            ..Need::of_run(NeedKind::Kept, at, reason.clone())
        })
    }

    fn unlanded(&self) -> Option<Need> {
        let RunStatus::Finished { at, .. } = &self.status else { return None };
        let tip = self.tip.as_ref().filter(|tip| **tip != self.plan.base)?;
        let home = self.landed_tip.as_ref() == Some(tip);
        let merged = self.tasks.iter().filter(|task| task.merged).count();
        let tasks = if merged == 1 { "task" } else { "tasks" };
        let detail =
            format!("the work of {merged} {tasks} is on {} and not on a branch of yours", self.branch());
        (!home).then(|| Need::of_run(NeedKind::Land, Some(*at), detail))
    }
}

fn ended_badly(outcome: &Outcome, verdict: Option<Verdict>, detail: &str) -> Option<NeedKind> {
    match outcome {
        Outcome::Succeeded | Outcome::Cancelled | Outcome::Skipped { .. } => None,
        Outcome::Failed | Outcome::TimedOut | Outcome::Lost => Some(match verdict {
            Some(Verdict::Conflict) => NeedKind::Conflict,
            Some(Verdict::Rejected) => NeedKind::Rejected,
            _ if is_of_budget(detail) => NeedKind::Budget,
            _ => NeedKind::Failed,
        }),
    }
}

/// Whether those are the words of an end for want of money ([`TASK_SPENT`], [`RUN_SPENT`], or an agent that met it).
fn is_of_budget(detail: &str) -> bool {
    let met = detail.strip_prefix(EndClass::Budget.word()).is_some_and(|rest| rest.starts_with(':'));
    met || [TASK_SPENT, RUN_SPENT].contains(&detail)
}

/// The step that is quiet, and since when.
fn suspicion(task: &TaskState) -> Option<(Timestamp, &StepState)> {
    let step = task.active()?.step()?;
    Some((step.suspected.as_ref()?.since, step))
}
