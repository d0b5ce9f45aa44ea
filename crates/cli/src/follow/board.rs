//! What a watcher knows of a run: one row for each task, kept up from the frames.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gadugi_core::{AgentName, Event, Hold, StepKind, TaskId, Timestamp, Usage};
use gadugi_engine::protocol::{Activity, RunView};

use crate::text;

/// Columns of an action that are kept: more than any terminal shows.
const ACTION_COLUMNS: usize = 200;

/// What a task is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not begun.
    Waiting,
    /// Stopped, failed or lost, to be taken up again: at that moment, else as soon as there is room.
    Suspended {
        /// When.
        until: Option<Timestamp>,
    },
    /// An attempt is under way since then.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// On the merge queue since then.
    Merging {
        /// Since when the attempt is under way.
        since: Timestamp,
    },
    /// Over.
    Over {
        /// Whether it succeeded.
        succeeded: bool,
    },
}

/// One task.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: TaskId,
    /// What it is at.
    pub(crate) stage: Stage,
    /// The phase that its agent reported last.
    pub(crate) phase: Option<u8>,
    /// Its last action, clean; why, where it is suspended.
    pub(crate) action: String,
    /// Whether somebody paused it.
    pub(crate) held: bool,
    step: Option<StepKind>,
    told: Usage,
    ended: Usage,
}

impl Row {
    fn new(id: TaskId) -> Self {
        let (told, ended) = (Usage::default(), Usage::default());
        Self {
            id,
            stage: Stage::Waiting,
            phase: None,
            action: String::new(),
            held: false,
            step: None,
            told,
            ended,
        }
    }

    /// Tokens and cost so far. What a running step tells holds its ended steps already; where nothing was told, those
    /// count alone.
    pub(crate) fn usage(&self) -> Usage {
        if self.told.tokens() >= self.ended.tokens() { self.told } else { self.ended }
    }
}

/// All tasks, in plan order.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: Vec<Row>,
    index: HashMap<TaskId, usize>,
    /// When the run started.
    pub(crate) started_at: Option<Timestamp>,
    /// Whether it is paused.
    pub(crate) paused: bool,
    /// What holds it back.
    pub(crate) holds: BTreeSet<Hold>,
    /// Agents whose account has reached its limit, and until when.
    pub(crate) limited: BTreeMap<AgentName, Timestamp>,
}

impl Board {
    /// The board of a run that is under way already.
    pub(crate) fn from_view(view: &RunView) -> Self {
        let mut board = Self {
            started_at: Some(view.started_at),
            paused: view.status == "paused",
            holds: view.holds.iter().filter_map(|word| hold(word)).collect(),
            limited: view.limited.iter().map(|(agent, until)| (agent.clone(), *until)).collect(),
            ..Self::default()
        };
        for task in &view.tasks {
            let row = board.row(&task.id);
            row.phase = task.phase;
            row.action = text::fit(&task.action, ACTION_COLUMNS);
            row.told = task.usage;
            row.held = task.held;
            if task.state == "suspended" {
                row.stage = Stage::Suspended { until: task.resumes_at };
                row.action = text::fit(&task.detail, ACTION_COLUMNS);
                continue;
            }
            row.stage = match (task.over, task.started_at) {
                (true, _) => Stage::Over { succeeded: task.state == "succeeded" },
                (false, Some(since)) if task.attempts > 0 => Stage::Running { since },
                (false, _) => Stage::Waiting,
            };
        }
        board
    }

    /// The tasks.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What the step that runs in a task is for.
    pub(crate) fn step_kind(&self, task: &TaskId) -> Option<&StepKind> {
        self.rows.get(*self.index.get(task)?)?.step.as_ref()
    }

    /// Whether somebody paused that task or the run.
    pub(crate) fn is_paused(&self, task: &TaskId) -> bool {
        self.paused || self.index.get(task).is_some_and(|at| self.rows[*at].held)
    }

    /// What all tasks used.
    pub(crate) fn usage(&self) -> Usage {
        self.rows.iter().fold(Usage::default(), |mut sum, row| {
            sum.add(&row.usage());
            sum
        })
    }

    /// Takes in a fact.
    pub(crate) fn event(&mut self, event: &Event, at: Timestamp) {
        if let Event::RunStarted { plan, .. } = event {
            self.started_at = Some(at);
            plan.tasks.iter().for_each(|task| {
                self.row(&task.id);
            });
        }
        let Some(task) = event.task() else { return self.of_run(event) };
        let row = self.row(task);
        match event {
            Event::AttemptStarted { .. } => {
                row.stage = Stage::Running { since: at };
                (row.phase, row.action) = (None, "preparing".into());
            }
            Event::StepIntended { what, .. } => {
                if !matches!(what, StepKind::Agent { .. }) {
                    row.action = what.word().into();
                }
                if let Stage::Suspended { .. } = row.stage {
                    (row.stage, row.action) = (Stage::Running { since: at }, what.word().into());
                }
                row.step = Some(what.clone());
            }
            Event::PhaseReached { phase, .. } => row.phase = Some(phase.number()),
            Event::StepEnded { end, .. } => {
                if let Some(agent) = &end.agent {
                    row.ended.add(&agent.usage);
                }
            }
            Event::StopRequested { .. } => row.action = "being stopped".into(),
            Event::WorkCollected { .. } => row.action = "waiting to be merged".into(),
            Event::MergeStarted { .. } => {
                row.action = "merging".into();
                row.stage = Stage::Merging { since: row.since().unwrap_or(at) };
            }
            Event::AttemptSuspended { because, until, .. } => {
                row.stage = Stage::Suspended { until: *until };
                (row.phase, row.action) = (None, text::fit(because, ACTION_COLUMNS));
            }
            Event::TaskRevived { .. } => {
                (row.stage, row.phase, row.action) = (Stage::Waiting, None, String::new());
            }
            Event::TaskHeld { .. } => row.held = true,
            Event::TaskReleased { .. } => row.held = false,
            Event::StepSuspected { .. } => row.action = "no sign of life".into(),
            Event::StepCleared { .. } => row.action = String::new(),
            Event::TaskFinished { outcome, .. } => {
                row.stage = Stage::Over { succeeded: outcome.satisfies_dependents() };
            }
            _ => {}
        }
    }

    fn of_run(&mut self, event: &Event) {
        match event {
            Event::RunPaused { .. } => self.paused = true,
            Event::RunResumed { .. } => self.paused = false,
            Event::DispatchHeld { hold, .. } => {
                self.holds.insert(*hold);
            }
            Event::DispatchFreed { hold, .. } => {
                self.holds.remove(hold);
            }
            Event::AccountLimited { agent, until, .. } => {
                self.limited.insert(agent.clone(), *until);
            }
            // Pauses move along; the moment at which a limit is lifted does not.
            Event::ClockJumped { by, .. } => {
                for row in &mut self.rows {
                    if let Stage::Suspended { until: Some(until) } = &mut row.stage
                        && !self.limited.values().any(|reset| reset == until)
                    {
                        until.0 = until.0.saturating_add(*by);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes in what a task is doing.
    pub(crate) fn activity(&mut self, activity: &Activity) {
        let row = self.row(&activity.task);
        row.action = text::fit(&activity.action, ACTION_COLUMNS);
        row.phase = activity.phase.or(row.phase);
        row.told = activity.usage;
    }

    fn row(&mut self, task: &TaskId) -> &mut Row {
        let at = *self.index.entry(task.clone()).or_insert_with(|| {
            self.rows.push(Row::new(task.clone()));
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}

impl Row {
    /// Since when its attempt is under way.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Running { since } | Stage::Merging { since } => Some(since),
            Stage::Waiting | Stage::Suspended { .. } | Stage::Over { .. } => None,
        }
    }
}

/// What that word in a view stands for.
pub(crate) fn hold(word: &str) -> Option<Hold> {
    let all = [Hold::Memory, Hold::Room, Hold::Cpu, Hold::Disk, Hold::Budget, Hold::Alone, Hold::Api];
    all.into_iter().find(|hold| hold.word() == word)
}
