//! What the run and its tasks used over time, as far as somebody has looked on.

use std::collections::{HashMap, VecDeque};

use gadugi_core::{Millis, TaskId, Timestamp};
use gadugi_engine::protocol::RunView;

/// Points that are kept of each: wider than any terminal shows.
const KEPT: usize = 240;
/// Between two points. The engine looks at what runs about as often.
const EVERY: Millis = Millis::seconds(2);
/// Signs for a figure by its height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One thing's figures, oldest first.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Percent of one processor.
    pub(super) cpu: VecDeque<f64>,
    /// MiB.
    pub(super) memory: VecDeque<f64>,
}

impl Series {
    fn add(&mut self, cpu: f64, memory: f64) {
        for (points, value) in [(&mut self.cpu, cpu), (&mut self.memory, memory)] {
            if points.len() == KEPT {
                points.pop_front();
            }
            points.push_back(value);
        }
    }
}

/// The figures of a run and of its tasks that are not over.
#[derive(Debug, Default)]
pub(super) struct Figures {
    looked: Option<Timestamp>,
    run: Series,
    tasks: HashMap<TaskId, Series>,
}

impl Figures {
    /// Takes in how a run stands.
    pub(super) fn look(&mut self, view: &RunView, at: Timestamp) {
        if self.looked.is_some_and(|before| at.since(before) < EVERY) {
            return;
        }
        self.looked = Some(at);
        let (mut cpu, mut memory) = (0.0, 0.0);
        for task in &view.tasks {
            if task.over {
                self.tasks.remove(&task.id);
            } else if task.pid.is_some() {
                cpu += task.cpu_percent;
                memory += task.memory_mb;
                self.tasks.entry(task.id.clone()).or_default().add(task.cpu_percent, task.memory_mb);
            }
        }
        self.run.add(cpu, memory);
    }

    /// Of all tasks together.
    pub(super) fn run(&self) -> &Series {
        &self.run
    }

    /// Of one.
    pub(super) fn task(&self, task: &TaskId) -> Option<&Series> {
        self.tasks.get(task)
    }
}

/// The last points as a line of bars in so many columns, the newest at its right; the highest of all is the full height,
/// unless that is less than `full`.
pub(super) fn bars(points: &VecDeque<f64>, columns: usize, full: f64) -> String {
    let shown = points.iter().skip(points.len().saturating_sub(columns));
    let full = shown.clone().fold(full, |most, point| most.max(*point));
    let bar = |point: &f64| {
        let height = (point / full * BARS.len() as f64).ceil().max(1.0) as usize;
        BARS[height.min(BARS.len()) - 1]
    };
    let missing = columns.saturating_sub(points.len());
    std::iter::repeat_n(' ', missing).chain(shown.map(bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stands_at_the_right_and_the_highest_is_full() {
        let points: VecDeque<f64> = [0.0, 50.0, 100.0, 200.0].into();
        assert_eq!(bars(&points, 6, 100.0), "  ▁▂▄█");
        assert_eq!(bars(&points, 2, 100.0), "▄█");
        assert_eq!(bars(&[1.0, 2.0].into(), 2, 100.0), "▁▁");
        assert_eq!(bars(&VecDeque::new(), 3, 100.0), "   ");
        assert_eq!(bars(&points, 0, 100.0), "");
    }

    #[test]
    fn no_more_is_kept_than_is_shown() {
        let mut series = Series::default();
        (0..1000).for_each(|n| series.add(f64::from(n), 1.0));
        assert_eq!((series.cpu.len(), series.cpu[0], series.memory.len()), (KEPT, 760.0, KEPT));
    }
}
