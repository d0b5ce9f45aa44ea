//! Drawing one graph.

use std::collections::BTreeSet;

use gadugi_core::order::Arc;
use gadugi_core::schedule::{Job, Workload};

use crate::simulator::rng::Rng;

/// How tasks wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Nobody waits.
    Independent,
    /// Chains side by side.
    Chains,
    /// Many, then one that waits for them all, then many that wait for that one, …
    ForkJoin,
    /// Layers; each task waits for some of the layer before.
    Layered,
    /// Each task but the last has one that waits for it.
    InTree,
    /// Each task but the first waits for one.
    OutTree,
    /// Tasks that write the same files are chained, file by file, in the plan's order, as the analysis does it.
    SameFile,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Independent,
        Self::Chains,
        Self::ForkJoin,
        Self::Layered,
        Self::InTree,
        Self::OutTree,
        Self::SameFile,
    ];

    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Independent => "independent",
            Self::Chains => "chains",
            Self::ForkJoin => "fork-join",
            Self::Layered => "layered",
            Self::InTree => "in-tree",
            Self::OutTree => "out-tree",
            Self::SameFile => "same-file",
        }
    }
}

/// How much memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Memory {
    /// As much as anybody likes.
    Plenty,
    /// One to three times what tasks on all slots take in the mean.
    Loose,
    /// Three to ten tenths of that.
    Tight,
}

impl Memory {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plenty, Self::Loose, Self::Tight];

    /// The word for it in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plenty => "plenty",
            Self::Loose => "loose",
            Self::Tight => "tight",
        }
    }
}

/// How tasks and slots are spread over their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Each number as often as any other.
    Even,
    /// As many from 5 to 50 as from 50 to 500: mostly small plans, and one in five on one slot.
    Logarithmic,
}

impl Sizes {
    fn draw(self, rng: &mut Rng, from: usize, to: usize) -> usize {
        match self {
            Self::Even => rng.whole(from, to),
            Self::Logarithmic => (rng.log_even(from as f64, to as f64 + 1.0) as usize).clamp(from, to),
        }
    }
}

/// Estimates are off by up to so much, either way, evenly in the logarithm.
const OFF_BY: f64 = 3.0;

/// Tasks, what they take in truth, and the machine that they run on.
pub struct Graph {
    /// How they wait for each other.
    pub shape: Shape,
    /// How much memory there is.
    pub memory: Memory,
    /// How many may run at once.
    pub slots: usize,
    /// MiB that all together may take; none: as much as they like.
    pub memory_mib: Option<u64>,
    /// Seconds that each takes in truth.
    pub seconds: Vec<f64>,
    /// Seconds that it is expected to take.
    estimates: Vec<f64>,
    /// MiB that each takes.
    needs: Vec<u64>,
    arcs: Vec<Arc>,
}

impl Graph {
    /// The graph of that number: the same each time.
    pub fn draw(number: u64, sizes: Sizes) -> Self {
        let mut rng = Rng::new(number.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let shape = Shape::ALL[(number % 7) as usize];
        let memory = Memory::ALL[(number / 7 % 3) as usize];
        let tasks = sizes.draw(&mut rng, 5, 500);
        let slots = sizes.draw(&mut rng, 1, 32);
        let mut arcs = arcs(&mut rng, shape, tasks);
        if shape != Shape::SameFile && rng.chance(500) {
            let mut places: Vec<usize> = (0..tasks).collect();
            rng.shuffle(&mut places);
            arcs.iter_mut().for_each(|arc| *arc = Arc { from: places[arc.from], to: places[arc.to] });
        }
        let seconds = durations(&mut rng, tasks);
        let estimates = seconds.iter().map(|seconds| seconds * rng.log_even(1.0 / OFF_BY, OFF_BY)).collect();
        let (needs, memory_mib) = memories(&mut rng, memory, tasks, slots);
        Self { shape, memory, slots, memory_mib, seconds, estimates, needs, arcs }
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.seconds.len()
    }

    /// What the scheduler is told: estimates as they are in truth.
    pub fn as_it_is(&self) -> Workload {
        self.workload(&self.seconds, 1.0)
    }

    /// What the scheduler is told: estimates that are off, with the standard deviation of that law as their spread.
    pub fn as_estimated(&self) -> Workload {
        self.workload(&self.estimates, (OFF_BY.ln() / 3.0_f64.sqrt()).exp())
    }

    fn workload(&self, seconds: &[f64], spread: f64) -> Workload {
        let job =
            |(seconds, need): (&f64, &u64)| Job { priority: 0, seconds: *seconds, spread, memory_mib: *need };
        Workload::new(seconds.iter().zip(&self.needs).map(job).collect(), &self.arcs)
    }

    /// No order ends sooner: the longest path, the work over the slots, the memory-time over the memory.
    pub fn lower_bound(&self) -> f64 {
        let path = self.as_it_is().longest_path(&self.seconds);
        let work = self.seconds.iter().sum::<f64>() / self.slots as f64;
        let memory_time: f64 =
            self.seconds.iter().zip(&self.needs).map(|(seconds, need)| seconds * *need as f64).sum();
        let memory = self.memory_mib.map_or(0.0, |mib| memory_time / mib as f64);
        path.max(work).max(memory)
    }
}

fn durations(rng: &mut Rng, tasks: usize) -> Vec<f64> {
    /// The middle, or the shortest, in seconds; it drops out of every ratio.
    const UNIT: f64 = 600.0;
    if rng.chance(500) {
        let sigma = rng.even(0.5, 1.5);
        (0..tasks).map(|_| UNIT * (sigma * rng.normal()).exp()).collect()
    } else {
        let exponent = rng.even(1.1, 2.5);
        (0..tasks).map(|_| UNIT * rng.unit().powf(-1.0 / exponent).min(1000.0)).collect()
    }
}

/// What each takes, and what there is: never less than the largest takes.
fn memories(rng: &mut Rng, memory: Memory, tasks: usize, slots: usize) -> (Vec<u64>, Option<u64>) {
    let law = rng.below(3);
    let need = |rng: &mut Rng| match law {
        0 => rng.even(500.0, 1500.0),
        1 => 1000.0 * (0.8 * rng.normal()).exp(),
        _ if rng.chance(200) => 4000.0,
        _ => 500.0,
    };
    let needs: Vec<u64> = (0..tasks).map(|_| need(rng).max(1.0) as u64).collect();
    let mean = needs.iter().sum::<u64>() as f64 / tasks as f64;
    let share = match memory {
        Memory::Plenty => return (vec![0; tasks], None),
        Memory::Loose => rng.even(1.0, 3.0),
        Memory::Tight => rng.even(0.3, 1.0),
    };
    let largest = needs.iter().max().copied().unwrap_or(0);
    (needs, Some(((mean * slots as f64 * share) as u64).max(largest)))
}

/// Arcs that lead from lower numbers to higher ones, each once.
fn arcs(rng: &mut Rng, shape: Shape, tasks: usize) -> Vec<Arc> {
    let half = (tasks / 2).max(2);
    let mut arcs = BTreeSet::new();
    match shape {
        Shape::Independent => {}
        Shape::Chains => {
            let width = rng.whole(2, half);
            arcs.extend((width..tasks).map(|to| (to - width, to)));
        }
        Shape::ForkJoin => fork_join(rng.whole(2, half), tasks, &mut arcs),
        Shape::Layered => layered(rng, tasks, &mut arcs),
        Shape::InTree | Shape::OutTree => {
            // How far back a task hangs at most: 1 gives a chain, all a bush.
            let reach = rng.whole(1, tasks - 1);
            for at in 1..tasks {
                let other = rng.whole(at.saturating_sub(reach), at - 1);
                // Turned round, the same tree leads to one root.
                let turned = (tasks - 1 - at, tasks - 1 - other);
                arcs.insert(if shape == Shape::OutTree { (other, at) } else { turned });
            }
        }
        Shape::SameFile => same_file(rng, tasks, &mut arcs),
    }
    arcs.into_iter().map(|(from, to)| Arc { from, to }).collect()
}

fn fork_join(width: usize, tasks: usize, arcs: &mut BTreeSet<(usize, usize)>) {
    let (mut next, mut join) = (0, None);
    while next < tasks {
        let end = (next + width).min(tasks);
        arcs.extend((next..end).filter_map(|at| Some((join?, at))));
        if end < tasks {
            arcs.extend((next..end).map(|at| (at, end)));
            join = Some(end);
        }
        next = end + 1;
    }
}

fn layered(rng: &mut Rng, tasks: usize, arcs: &mut BTreeSet<(usize, usize)>) {
    let layers = rng.whole(2, (tasks / 2).clamp(2, 40));
    let fan = rng.whole(1, 5);
    let mut starts: Vec<usize> = (1..layers).map(|_| rng.whole(1, tasks - 1)).collect();
    starts.extend([0, tasks]);
    starts.sort_unstable();
    starts.dedup();
    for window in starts.windows(3) {
        for to in window[1]..window[2] {
            for _ in 0..rng.whole(0, fan) {
                arcs.insert((rng.whole(window[0], window[1] - 1), to));
            }
        }
    }
}

/// A few files that many want, many that few want: how uneven that is, how many files there are, and how many a task writes.
fn same_file(rng: &mut Rng, tasks: usize, arcs: &mut BTreeSet<(usize, usize)>) {
    let files = rng.whole(2, 2 * tasks);
    let uneven = rng.even(0.0, 1.2);
    let most = rng.whole(1, 4);
    let sums: Vec<f64> = (1..=files)
        .scan(0.0, |sum, file| {
            *sum += (file as f64).powf(-uneven);
            Some(*sum)
        })
        .collect();
    let mut last: Vec<Option<usize>> = vec![None; files];
    for task in 0..tasks {
        for _ in 0..rng.whole(1, most) {
            let drawn = rng.even(0.0, sums[files - 1]);
            let file = sums.partition_point(|sum| *sum < drawn).min(files - 1);
            if let Some(before) = last[file].replace(task).filter(|before| *before != task) {
                arcs.insert((before, task));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_cover_what_they_say() {
        let graphs: Vec<Graph> = (0..1000).map(|number| Graph::draw(number, Sizes::Even)).collect();
        let share = |wanted: fn(&Graph) -> bool| graphs.iter().filter(|graph| wanted(graph)).count();
        assert!(
            graphs.iter().all(|graph| (5..=500).contains(&graph.tasks()) && (1..=32).contains(&graph.slots))
        );
        // Evenly: a quarter in each quarter, give or take what chance does to a thousand draws.
        let quarters: [usize; 8] = [
            share(|graph| graph.tasks() < 129),
            share(|graph| (129..253).contains(&graph.tasks())),
            share(|graph| (253..377).contains(&graph.tasks())),
            share(|graph| graph.tasks() >= 377),
            share(|graph| graph.slots <= 8),
            share(|graph| (9..=16).contains(&graph.slots)),
            share(|graph| (17..=24).contains(&graph.slots)),
            share(|graph| graph.slots > 24),
        ];
        assert!(quarters.iter().all(|count| (200..=300).contains(count)), "{quarters:?}");
        for shape in Shape::ALL {
            for memory in Memory::ALL {
                let there = graphs.iter().filter(|graph| (graph.shape, graph.memory) == (shape, memory));
                assert!((46..=49).contains(&there.count()), "{shape:?} {memory:?}");
            }
        }
    }

    #[test]
    fn their_estimates_are_off_by_at_most_three_and_their_arcs_form_no_circle() {
        for graph in (0..200).map(|number| Graph::draw(number, Sizes::Logarithmic)) {
            let off =
                graph.estimates.iter().zip(&graph.seconds).map(|(estimate, seconds)| estimate / seconds);
            assert!(off.into_iter().all(|off| (0.333..=3.001).contains(&off)));
            assert_eq!(gadugi_core::order::circle(graph.tasks(), &graph.arcs), None);
            let most = graph.memory_mib.unwrap_or(u64::MAX);
            assert!(graph.needs.iter().all(|need| *need <= most));
        }
    }
}
