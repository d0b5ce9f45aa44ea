//! What the screen shows and what keys change of it: no terminal, no engine, so that it can be looked at without them.

use gadugi_core::{Millis, RunId, Timestamp};
use gadugi_engine::protocol::{Activity, Request, RunView, TaskView};

use super::figures::Figures;
use super::list::List;
use super::pane::Pane;

/// Why somebody looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see the run to its end: Ctrl-C is for the run.
    ToTheEnd,
    /// To look: Ctrl-C is for the screen alone.
    ToLook,
}

/// Which part keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Focus {
    /// The list of tasks.
    #[default]
    List,
    /// The stream.
    Stream,
}

/// What lies over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    /// The keys.
    Help,
    /// How work comes home.
    Landing,
}

/// Something that is asked before it is done.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The question, clean, without its `y/n`.
    pub(super) words: String,
    /// What is done.
    pub(super) request: Request,
    /// What is said once it is granted.
    pub(super) granted: String,
}

/// What the next keys are for.
#[derive(Clone, Debug, Default)]
pub(super) enum Entry {
    /// Each its own meaning.
    #[default]
    Keys,
    /// The text of the filter.
    Filter,
    /// Yes or no.
    Question(Box<Question>),
}

/// The screen's content.
pub(super) struct App {
    /// The run.
    pub(super) run: RunId,
    /// Why somebody looks on.
    pub(super) purpose: Purpose,
    /// How the run stood.
    pub(super) view: Option<Box<RunView>>,
    /// When it stood so.
    pub(super) looked: Timestamp,
    /// The tasks.
    pub(super) list: List,
    /// What they are filtered by.
    pub(super) filter: String,
    /// The chosen one's stream.
    pub(super) pane: Pane,
    /// What is used.
    pub(super) figures: Figures,
    /// Where keys move.
    pub(super) focus: Focus,
    /// Whether the stream has the whole screen.
    pub(super) zoomed: bool,
    /// What lies over it.
    pub(super) overlay: Option<Overlay>,
    /// What keys are for.
    pub(super) entry: Entry,
    /// The latest word beside all that, clean.
    pub(super) said: Option<String>,
    /// Whether nothing of the run is under way any more.
    pub(super) rests: bool,
    /// Whether colours are wanted.
    pub(super) colours: bool,
}

impl App {
    /// Before anything is known.
    pub(super) fn new(run: RunId, purpose: Purpose, colours: bool) -> Self {
        Self {
            run,
            purpose,
            view: None,
            looked: Timestamp(0),
            list: List::default(),
            filter: String::new(),
            pane: Pane::default(),
            figures: Figures::default(),
            focus: Focus::default(),
            zoomed: false,
            overlay: None,
            entry: Entry::default(),
            said: None,
            rests: false,
            colours,
        }
    }

    /// Takes in how the run stands.
    pub(super) fn look(&mut self, view: Box<RunView>, now: Timestamp) {
        // An answer can be older than what an event said meanwhile with its own view.
        if self.view.as_ref().is_some_and(|before| before.seq > view.seq) {
            return;
        }
        self.figures.look(&view, now);
        self.list.arrange(&view.tasks);
        (self.view, self.looked) = (Some(view), now);
        self.turn();
    }

    /// Takes in what a task is doing.
    pub(super) fn activity(&mut self, activity: &Activity) {
        let tasks = self.view.iter_mut().flat_map(|view| &mut view.tasks);
        if let Some(task) = tasks.into_iter().find(|task| task.id == activity.task) {
            task.action.clone_from(&activity.action);
            task.phase = activity.phase.or(task.phase);
            task.usage = activity.usage;
        }
    }

    /// The tasks, in the run's own order.
    pub(super) fn tasks(&self) -> &[TaskView] {
        self.view.as_ref().map_or(&[], |view| &view.tasks)
    }

    /// The chosen task.
    pub(super) fn chosen(&self) -> Option<&TaskView> {
        self.tasks().get(self.list.chosen()?)
    }

    /// Shows the chosen task's stream.
    pub(super) fn turn(&mut self) {
        let chosen = self.list.chosen();
        let tasks = self.view.as_ref().map_or(&[][..], |view| &view.tasks);
        self.pane.turn_to(chosen.and_then(|at| tasks.get(at)));
    }

    /// For how long a task's steps have run, told on from when that was known.
    pub(super) fn elapsed(&self, task: &TaskView, now: Timestamp) -> Millis {
        let since = if task.pid.is_some() { now.since(self.looked).0 } else { 0 };
        Millis(task.elapsed_ms + since)
    }

    /// For how long the run has gone on.
    pub(super) fn wall(&self, now: Timestamp) -> Millis {
        match &self.view {
            None => Millis(0),
            Some(view) if view.finished_at.is_some() => Millis(view.wall_ms),
            Some(view) => Millis(view.wall_ms + now.since(self.looked).0),
        }
    }

    /// Whether anything that is shown changes by time alone.
    pub(super) fn changes_with_time(&self) -> bool {
        !self.rests && self.view.as_ref().is_some_and(|view| view.finished_at.is_none())
    }
}
