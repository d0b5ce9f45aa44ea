//! What follows from the tasks of a run and is asked for at every turn, kept up to date as each task changes: a turn
//! costs as much as has changed, however many tasks the run has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Need, Stage, TaskState, TaskStatus};
use crate::schedule::Order;

type Neighbours = Arc<Vec<Vec<(usize, Need)>>>;

/// Plan positions by how their tasks stand, and sums over all tasks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    /// For each task, those that it waits for, and whether it needs their success.
    before: Neighbours,
    /// The same edges the other way round.
    after: Neighbours,
    /// Who comes before whom.
    order: Arc<Order>,
    /// For each task: how many that it waits for are not over, and how many did not succeed whose success it needs.
    waits: Vec<(u32, u32)>,
    pub(super) active: BTreeSet<usize>,
    pub(super) slots: BTreeSet<usize>,
    pub(super) suspended: BTreeSet<usize>,
    pub(super) queued: BTreeSet<usize>,
    pub(super) merging: BTreeSet<usize>,
    /// Ranks of those that wait, and nothing that they wait for is still to end.
    pub(super) unblocked: BTreeSet<u32>,
    /// Waiting for a success that did not come.
    pub(super) doomed: BTreeSet<usize>,
    /// With uncommitted work that is still to be saved.
    pub(super) unsalvaged: BTreeSet<usize>,
    pub(super) open: usize,
    pub(super) merged: usize,
    pub(super) held: usize,
    pub(super) spent: u64,
    pub(super) reserved: u64,
}

/// What the index depends on of one task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    group: Group,
    merged: bool,
    held: bool,
    unsalvaged: bool,
    spent: u64,
    reserved: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Waiting,
    Slot,
    Collecting,
    Suspended,
    Queued,
    Merging,
    Over { succeeded: bool },
}

impl Mark {
    pub(super) fn of(task: &TaskState) -> Self {
        let group = match &task.status {
            TaskStatus::Waiting => Group::Waiting,
            TaskStatus::Finished { outcome, .. } => Group::Over { succeeded: outcome.satisfies_dependents() },
            TaskStatus::Active(attempt) => match attempt.stage {
                Stage::Preparing | Stage::Ready | Stage::Step(_) => Group::Slot,
                Stage::Collecting => Group::Collecting,
                Stage::Suspended { .. } => Group::Suspended,
                Stage::Queued { .. } => Group::Queued,
                Stage::Merging { .. } => Group::Merging,
            },
        };
        let step = task.active().and_then(|attempt| attempt.step());
        Self {
            group,
            merged: task.merged && task.outcome().is_some(),
            held: task.held,
            unsalvaged: task.salvage.values().any(Option::is_none),
            spent: task.usage.cost_microusd,
            reserved: step.and_then(|step| step.reserved).unwrap_or(0),
        }
    }
}

impl Index {
    /// That of tasks which all wait.
    pub(super) fn new(before: Vec<Vec<(usize, Need)>>, order: Order) -> Self {
        let mut after: Vec<Vec<(usize, Need)>> = vec![Vec::new(); before.len()];
        for (to, neighbours) in before.iter().enumerate() {
            neighbours.iter().for_each(|(from, need)| after[*from].push((to, *need)));
        }
        let mut index = Self {
            waits: before.iter().map(|neighbours| (neighbours.len() as u32, 0)).collect(),
            open: before.len(),
            before: Arc::new(before),
            after: Arc::new(after),
            order: Arc::new(order),
            active: BTreeSet::new(),
            slots: BTreeSet::new(),
            suspended: BTreeSet::new(),
            queued: BTreeSet::new(),
            merging: BTreeSet::new(),
            unblocked: BTreeSet::new(),
            doomed: BTreeSet::new(),
            unsalvaged: BTreeSet::new(),
            merged: 0,
            held: 0,
            spent: 0,
            reserved: 0,
        };
        (0..index.waits.len()).for_each(|at| index.place_waiting(at, true));
        index
    }

    pub(super) fn before(&self, at: usize) -> &[(usize, Need)] {
        &self.before[at]
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    pub(super) fn after(&self, at: usize) -> &[(usize, Need)] {
        &self.after[at]
    }

    /// The task at that place stood as `old` and stands as `new`; `waiting` says whether the one at a place waits.
    pub(super) fn update(&mut self, at: usize, old: Mark, new: Mark, waiting: impl Fn(usize) -> bool) {
        self.spent = self.spent + new.spent - old.spent;
        self.reserved = self.reserved + new.reserved - old.reserved;
        self.merged = self.merged + usize::from(new.merged) - usize::from(old.merged);
        self.held = self.held + usize::from(new.held) - usize::from(old.held);
        if new.unsalvaged != old.unsalvaged {
            put(&mut self.unsalvaged, at, new.unsalvaged);
        }
        if new.group == old.group {
            return;
        }
        for (group, there) in [(old.group, false), (new.group, true)] {
            match group {
                Group::Slot => put(&mut self.slots, at, there),
                Group::Suspended => put(&mut self.suspended, at, there),
                Group::Queued => put(&mut self.queued, at, there),
                Group::Merging => put(&mut self.merging, at, there),
                Group::Waiting | Group::Collecting | Group::Over { .. } => {}
            }
        }
        put(&mut self.active, at, !matches!(new.group, Group::Waiting | Group::Over { .. }));
        self.place_waiting(at, new.group == Group::Waiting);
        let (was, is) = (over(old.group), over(new.group));
        if was != is {
            self.open = self.open + usize::from(is.is_none()) - usize::from(was.is_none());
            self.tell_successors(at, was, is, waiting);
        }
    }

    fn tell_successors(
        &mut self,
        at: usize,
        was: Option<bool>,
        is: Option<bool>,
        waiting: impl Fn(usize) -> bool,
    ) {
        let after = Arc::clone(&self.after);
        for (to, need) in &after[at] {
            let (open, broken) = &mut self.waits[*to];
            *open = *open + u32::from(is.is_none()) - u32::from(was.is_none());
            if *need == Need::Success {
                *broken = *broken + u32::from(is == Some(false)) - u32::from(was == Some(false));
            }
            self.place_waiting(*to, waiting(*to));
        }
    }

    fn place_waiting(&mut self, at: usize, waiting: bool) {
        let (open, broken) = self.waits[at];
        put(&mut self.unblocked, self.order.rank(at), waiting && open == 0);
        put(&mut self.doomed, at, waiting && broken > 0);
    }
}

/// Whether it succeeded, where it is over.
fn over(group: Group) -> Option<bool> {
    match group {
        Group::Over { succeeded } => Some(succeeded),
        _ => None,
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, there: bool) {
    if there {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

#[cfg(test)]
mod tests;
