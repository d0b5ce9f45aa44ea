//! The list of tasks: which are shown, in which order, and which one is chosen.

use std::cmp::Reverse;

use gadugi_core::TaskId;
use gadugi_engine::protocol::TaskView;

/// What a task wants of whoever looks on; the first is shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A person: it went wrong, it was paused, it gives no sign of life.
    NeedsYou,
    /// Nothing: it works.
    Runs,
    /// Nothing: it waits.
    Waits,
    /// Nothing: it is over.
    Over,
}

impl Standing {
    /// Where a task stands.
    pub(super) fn of(task: &TaskView) -> Self {
        match task.state.as_str() {
            "failed" | "timed-out" | "lost" => Self::NeedsYou,
            _ if task.over => Self::Over,
            _ if task.held || task.suspected_ms.is_some() => Self::NeedsYou,
            "waiting" | "suspended" => Self::Waits,
            _ => Self::Runs,
        }
    }
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// By what tasks want, then as they are planned.
    #[default]
    Standing,
    /// By name.
    Name,
    /// The longest first.
    Time,
    /// The dearest first.
    Cost,
    /// The largest first.
    Memory,
}

impl Sort {
    /// What it says.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Standing => "by need",
            Self::Name => "by name",
            Self::Time => "by time",
            Self::Cost => "by cost",
            Self::Memory => "by memory",
        }
    }

    /// The one after it.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Standing => Self::Name,
            Self::Name => Self::Time,
            Self::Time => Self::Cost,
            Self::Cost => Self::Memory,
            Self::Memory => Self::Standing,
        }
    }
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// What it is sorted by.
    pub(super) sort: Sort,
    /// What tasks have to hold to be shown, in lower case.
    filter: String,
    /// Places of the shown ones in the run's own order.
    order: Vec<usize>,
    /// The task that somebody chose; none: the first one.
    chosen: Option<TaskId>,
    /// The place of the chosen one in the order.
    at: usize,
    top: usize,
    height: usize,
}

impl List {
    /// Sorts and filters the tasks as they stand.
    pub(super) fn arrange(&mut self, tasks: &[TaskView]) {
        let shown = |task: &TaskView| {
            self.filter.is_empty()
                || [task.id.as_str(), &task.name, &task.prompt, &task.state]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&self.filter))
        };
        self.order = (0..tasks.len()).filter(|at| shown(&tasks[*at])).collect();
        match self.sort {
            Sort::Standing => self.order.sort_by_key(|at| Standing::of(&tasks[*at])),
            Sort::Name => self.order.sort_by(|a, b| tasks[*a].id.cmp(&tasks[*b].id)),
            Sort::Time => self.order.sort_by_key(|at| Reverse(tasks[*at].elapsed_ms)),
            Sort::Cost => self.order.sort_by_key(|at| Reverse(tasks[*at].usage.cost_microusd)),
            Sort::Memory => {
                self.order.sort_by(|a, b| tasks[*b].memory_mb.total_cmp(&tasks[*a].memory_mb));
            }
        }
        let place =
            self.chosen.as_ref().and_then(|chosen| self.order.iter().position(|at| tasks[*at].id == *chosen));
        // One that is filtered out stays chosen for when it is shown again.
        self.at = place.unwrap_or(0);
        self.settle();
    }

    /// Fits the list into so many rows.
    pub(super) fn fit(&mut self, height: usize) {
        self.height = height;
        self.settle();
    }

    /// Keeps the chosen one in sight.
    fn settle(&mut self) {
        self.top = self.top.min(self.order.len().saturating_sub(self.height));
        self.top = self.top.min(self.at);
        if self.height > 0 && self.at >= self.top + self.height {
            self.top = self.at + 1 - self.height;
        }
    }

    /// The places of the tasks in sight, and whether each is the chosen one.
    pub(super) fn in_sight(&self) -> impl Iterator<Item = (usize, bool)> {
        let rows = self.order.iter().enumerate().skip(self.top).take(self.height);
        rows.map(|(row, at)| (*at, row == self.at))
    }

    /// The place of the chosen task in the run's own order.
    pub(super) fn chosen(&self) -> Option<usize> {
        self.order.get(self.at).copied()
    }

    /// Chooses another one, so many further.
    pub(super) fn step(&mut self, by: isize, tasks: &[TaskView]) {
        let last = self.order.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
        self.chosen = self.chosen().map(|at| tasks[at].id.clone());
        self.settle();
    }

    /// The same by pages.
    pub(super) fn page(&mut self, by: isize, tasks: &[TaskView]) {
        self.step(by.saturating_mul(self.height.saturating_sub(1).max(1).cast_signed()), tasks);
    }

    /// Shows what holds that text alone.
    pub(super) fn filter(&mut self, text: &str, tasks: &[TaskView]) {
        self.filter = text.to_lowercase();
        self.arrange(tasks);
    }

    /// What is shown: above, in sight from and to, of how many.
    pub(super) fn span(&self) -> (usize, usize, usize) {
        let end = (self.top + self.height).min(self.order.len());
        (self.top, end, self.order.len())
    }
}
