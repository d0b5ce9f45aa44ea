//! Estimates from what earlier tasks took.
//!
//! # Time
//!
//! What is learnt is by which factor tasks differ from the [table](super::by_table): `x = ln(seconds / table)`, so that one kind of
//! work tells something of the others. That factor is a product of effects, which are found one after another, each from
//! what the ones before it leave unexplained:
//!
//! ```text
//! everything · this repository · kind · agent and model · complexity · size · all of these together
//! ```
//!
//! An effect is the median of its group (one task that hung for a day moves it no further than to its neighbour), drawn towards
//! none by as many tasks as [`LEVELS`] says: `effect = n / (n + k) * median`. A thin group so takes over what is known of all others
//! and adds only what it can bear out; with four tasks it is believed half, with forty nine tenths. Tasks of the user's other
//! repositories count a quarter ([`ELSEWHERE`]).
//!
//! The agent that only plays ([`SCRIPTED`]) is learnt from for itself alone. Only what succeeded was measured whole. What ran out of time counts as longer than that ([`super::robust`]); what failed, was cancelled or
//! lost says nothing. No estimate is beyond what was seen and the table.
//!
//! # Spread
//!
//! What no effect explains is the scatter of single tasks: the deviation `s` of what is left (again by medians), of all tasks,
//! then of the kind, then of kind, agent and model, each drawn towards the one before it, and the first one towards
//! [`Estimate::UNMEASURED_SPREAD`]: `w = (n s² + 4 w') / (n + 4)`. Effects that few tasks bear out add what they may be off by, `t² k / (n + k)`.
//! It is no more than the table's own, unless tasks were seen to scatter more.
//!
//! # Memory, processors, disk
//!
//! Of these nine of ten tasks should take less: the 0.9 quantile of the peaks, of everything, then of agent and model, then of
//! kind, agent and model, drawn towards each other (and the table) in the same way.

use std::collections::HashMap;

use gadugi_core::{Complexity, Estimate, Kind, Outcome, PastWork, SCRIPTED};

use super::robust::{Seen, deviation, median, quantile};
use super::{EstimateFor, Estimator, by_table};

/// What a task of another repository counts.
const ELSEWHERE: f64 = 0.25;
/// So many tasks are looked at of this repository, and of others: the latest ones. Agents and models change faster than a
/// repository runs as many.
const MOST: usize = 2000;
/// Nine of ten tasks take less than is set aside for them.
const PEAK: f64 = 0.9;
/// Nobody knows it more exactly than that.
const LEAST_SPREAD: f64 = 1.1;
/// Tasks that what is known of wider groups counts for.
const PRIOR: f64 = 4.0;

/// What an effect is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Level {
    Everything,
    Repository,
    Kind,
    Agent,
    Complexity,
    Size,
    Together,
}

/// The effects in their order: how many tasks draw each towards none, and by which factor groups may be expected to differ. The
/// table was never measured, so one task is enough to doubt it. That kinds, agents, sizes differ by a half or so beyond what
/// the table says is an assumption, and gives way to what is seen.
const LEVELS: [(Level, f64, f64); 7] = [
    (Level::Everything, 1.0, 1.0),
    (Level::Repository, PRIOR, 1.25),
    (Level::Kind, PRIOR, 1.5),
    (Level::Agent, PRIOR, 1.5),
    (Level::Complexity, PRIOR, 1.25),
    (Level::Size, PRIOR, 1.25),
    (Level::Together, PRIOR, 1.0),
];

/// Prompts of up to so many bytes are alike in size, up to the next so many, and so on.
const SIZES: [u64; 4] = [500, 1500, 5000, 20_000];

/// What puts tasks into groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Features {
    own: bool,
    kind: Kind,
    complexity: Complexity,
    /// A number for each agent and model.
    agent: usize,
    size: usize,
}

/// A group at a level: the features that matter there, the others left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    own: Option<bool>,
    kind: Option<Kind>,
    complexity: Option<Complexity>,
    agent: Option<usize>,
    size: Option<usize>,
}

impl Group {
    const ALL: Self = Self { own: None, kind: None, complexity: None, agent: None, size: None };
}

impl Level {
    fn group(self, of: &Features) -> Group {
        let all = Group::ALL;
        match self {
            Self::Everything => all,
            Self::Repository => Group { own: Some(of.own), ..all },
            Self::Kind => Group { kind: Some(of.kind), ..all },
            Self::Agent => Group { agent: Some(of.agent), ..all },
            Self::Complexity => Group { complexity: Some(of.complexity), ..all },
            Self::Size => Group { size: Some(of.size), ..all },
            Self::Together => {
                Group { kind: Some(of.kind), agent: Some(of.agent), complexity: Some(of.complexity), ..all }
            }
        }
    }
}

/// Kind, agent and model: what the scatter and the peaks are taken of last, and what an estimate names.
fn job(of: &Features) -> Group {
    Group { kind: Some(of.kind), agent: Some(of.agent), ..Group::ALL }
}

/// What is known of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    value: f64,
    /// Tasks, by what they count.
    weight: f64,
}

type Table = HashMap<Group, Known>;

/// The built-in [`Estimator`].
#[derive(Clone, Debug, Default)]
pub struct PastEstimator {
    /// By agent and model.
    agents: HashMap<(String, Option<String>), usize>,
    /// How many tasks of this repository are in each group, for people.
    counts: HashMap<Group, usize>,
    elsewhere: usize,
    effects: HashMap<(Level, Group), Known>,
    /// Variances.
    scatter: [Table; 3],
    /// Logarithms of peaks: memory, processors, disk.
    peaks: [[Table; 3]; 3],
    /// The least and the most of each that was seen: seconds, then the peaks.
    bounds: [Option<(f64, f64)>; 4],
    /// What is learnt of the agent that only plays, for tasks of it alone.
    played: Option<Box<PastEstimator>>,
}

/// A task that says something.
struct Sample<'a> {
    work: &'a PastWork,
    features: Features,
    weight: f64,
    whole: bool,
    /// What is not explained of it, as a logarithm.
    left: f64,
}

impl Sample<'_> {
    fn seen(&self, value: f64) -> Seen {
        Seen { value, weight: self.weight, whole: self.whole }
    }
}

impl PastEstimator {
    /// Learns from tasks of this repository and of others of the same user, in any order.
    pub fn of<'a>(
        own: impl IntoIterator<Item = &'a PastWork>,
        elsewhere: impl IntoIterator<Item = &'a PastWork>,
    ) -> Self {
        let (played, own): (Vec<&PastWork>, Vec<&PastWork>) =
            own.into_iter().partition(|work| work.agent == SCRIPTED);
        let mut learnt = Self::learn(&own, elsewhere.into_iter().filter(|work| work.agent != SCRIPTED));
        learnt.played = (!played.is_empty()).then(|| Box::new(Self::learn(&played, [])));
        learnt
    }

    fn learn<'a>(own: &[&'a PastWork], elsewhere: impl IntoIterator<Item = &'a PastWork>) -> Self {
        let mut learnt = Self::default();
        let mut samples = learnt.samples(latest(own.iter().copied()), true);
        samples.extend(learnt.samples(latest(elsewhere), false));
        if samples.is_empty() {
            return learnt;
        }
        for sample in &samples {
            if sample.features.own {
                for group in [Group::ALL, Level::Kind.group(&sample.features), job(&sample.features)] {
                    *learnt.counts.entry(group).or_default() += 1;
                }
            } else {
                learnt.elsewhere += 1;
            }
        }
        learnt.find_effects(&mut samples);
        learnt.find_scatter(&samples);
        learnt.find_peaks(&samples);
        learnt
    }

    fn samples<'a>(&mut self, works: Vec<&'a PastWork>, own: bool) -> Vec<Sample<'a>> {
        let mut samples = Vec::with_capacity(works.len());
        for work in works {
            let agents = self.agents.len();
            let agent = (work.agent.to_string(), work.model.clone());
            let agent = *self.agents.entry(agent).or_insert(agents);
            let size = size(work.prompt_bytes);
            let features = Features { own, kind: work.kind, complexity: work.complexity, agent, size };
            let weight = if own { 1.0 } else { ELSEWHERE };
            let whole = work.outcome == Outcome::Succeeded;
            let left = (work.seconds / by_table(work.kind, work.complexity).seconds).ln();
            samples.push(Sample { work, features, weight, whole, left });
        }
        samples
    }

    fn find_effects(&mut self, samples: &mut [Sample<'_>]) {
        for (level, prior, _) in LEVELS {
            let mut groups: HashMap<Group, Vec<Seen>> = HashMap::new();
            for sample in &*samples {
                groups.entry(level.group(&sample.features)).or_default().push(sample.seen(sample.left));
            }
            for (group, mut seen) in groups {
                let weight: f64 = seen.iter().map(|one| one.weight).sum();
                let value = weight / (weight + prior) * median(&mut seen).unwrap_or(0.0);
                self.effects.insert((level, group), Known { value, weight });
            }
            for sample in &mut *samples {
                let effect = self.effects.get(&(level, level.group(&sample.features)));
                sample.left -= effect.map_or(0.0, |effect| effect.value);
            }
        }
        self.bounds[0] = bounds(samples.iter().map(|sample| sample.work.seconds));
    }

    fn find_scatter(&mut self, samples: &[Sample<'_>]) {
        let left = || samples.iter().map(|sample| (sample.features, sample.seen(sample.left)));
        let unmeasured = Estimate::UNMEASURED_SPREAD.ln().powi(2);
        let variance = |seen: &mut [Seen]| deviation(seen).map(|deviation| deviation.powi(2));
        let groups = [|_: &Features| Group::ALL, |of: &Features| Level::Kind.group(of), job];
        self.scatter = nested(left, groups, unmeasured, PRIOR, variance);
    }

    fn find_peaks(&mut self, samples: &[Sample<'_>]) {
        let peak: [fn(&PastWork) -> Option<f64>; 3] = [
            |work| work.memory_mb.map(|mib| mib as f64),
            |work| work.cpu,
            |work| work.disk_mb.map(|mib| mib as f64),
        ];
        let groups = [|_: &Features| Group::ALL, |of: &Features| Level::Agent.group(of), job];
        for (number, peak) in peak.into_iter().enumerate() {
            let peak = |sample: &Sample<'_>| peak(sample.work).filter(|peak| peak.is_finite() && *peak > 0.0);
            self.bounds[1 + number] = bounds(samples.iter().filter_map(peak));
            // What was stopped was seen at its peak as well as what ended.
            let seen = || {
                let seen = |sample: &Sample<'_>| {
                    let value = peak(sample)?.ln();
                    Some((sample.features, Seen { value, weight: sample.weight, whole: true }))
                };
                samples.iter().filter_map(seen)
            };
            // Against the table, which is another one for each task: see `peak`.
            self.peaks[number] = nested(seen, groups, f64::NAN, 0.0, |seen| quantile(seen, PEAK));
        }
    }

    fn features(&self, task: &EstimateFor<'_>) -> Features {
        let agent = (task.agent.to_owned(), task.model.map(str::to_owned));
        Features {
            own: true,
            kind: task.kind,
            complexity: task.complexity,
            // One that was never seen is in no group.
            agent: self.agents.get(&agent).copied().unwrap_or(usize::MAX),
            size: size(task.prompt_bytes),
        }
    }

    /// The logarithm of the factor by which tasks like that differ from the table, and how far off that may be, as a variance.
    fn factor(&self, of: &Features) -> (f64, f64) {
        let (mut factor, mut doubt) = (0.0, 0.0);
        for (level, prior, differ) in LEVELS {
            let known = self.effects.get(&(level, level.group(of))).copied().unwrap_or_default();
            factor += known.value;
            doubt += f64::ln(differ).powi(2) * prior / (known.weight + prior);
        }
        (factor, doubt)
    }

    fn variance(&self, of: &Features, doubt: f64) -> f64 {
        let groups = [Group::ALL, Level::Kind.group(of), job(of)];
        let unmeasured = Estimate::UNMEASURED_SPREAD.ln().powi(2);
        let mut known = groups.iter().zip(&self.scatter).filter_map(|(group, table)| table.get(group));
        let scatter = known.next_back().map_or(unmeasured, |known| known.value);
        (scatter + doubt).min(scatter.max(unmeasured))
    }

    /// What is set aside of memory (0), processors (1) or disk (2).
    fn peak(&self, number: usize, of: &Features, table: f64) -> f64 {
        let groups = [Group::ALL, Level::Agent.group(of), job(of)];
        let mut value = table.ln();
        for (group, (table, prior)) in groups.iter().zip(self.peaks[number].iter().zip([1.0, PRIOR, PRIOR])) {
            if let Some(known) = table.get(group) {
                value = (known.weight * known.value + prior * value) / (known.weight + prior);
            }
        }
        within(value.exp(), self.bounds[1 + number], table)
    }

    /// Which part of what is known that is.
    fn source(&self, of: &Features, task: &EstimateFor<'_>) -> String {
        let count = |group: Group| self.counts.get(&group).copied().unwrap_or(0);
        let tasks = |count: usize| if count == 1 { "task" } else { "tasks" };
        let [all, kind, job] = [Group::ALL, Level::Kind.group(of), job(of)].map(count);
        let word = task.kind.word();
        if job > 0 {
            let model = task.model.map_or(String::new(), |model| format!(" ({model})"));
            format!("history: {job} {word} {} of {}{model}", tasks(job), task.agent)
        } else if kind > 0 {
            format!("history: {kind} {word} {}", tasks(kind))
        } else if all > 0 {
            format!("history: {all} {} of other kinds", tasks(all))
        } else {
            format!("history: {} {} of other repositories", self.elsewhere, tasks(self.elsewhere))
        }
    }
}

impl Estimator for PastEstimator {
    fn estimate(&self, task: &EstimateFor<'_>) -> Estimate {
        let table = by_table(task.kind, task.complexity);
        if task.agent == SCRIPTED {
            return self.played.as_ref().map_or(table, |played| played.of_any(task));
        }
        self.of_any(task)
    }
}

impl PastEstimator {
    fn of_any(&self, task: &EstimateFor<'_>) -> Estimate {
        let table = by_table(task.kind, task.complexity);
        if self.counts.is_empty() && self.elsewhere == 0 {
            return table;
        }
        let of = self.features(task);
        let (factor, doubt) = self.factor(&of);
        let seconds = within(table.seconds * factor.exp(), self.bounds[0], table.seconds);
        let spread = self.variance(&of, doubt).sqrt().exp().max(LEAST_SPREAD);
        Estimate {
            seconds,
            spread,
            cpu: self.peak(1, &of, table.cpu),
            memory_mb: self.peak(0, &of, table.memory_mb as f64).round() as u64,
            disk_mb: self.peak(2, &of, table.disk_mb as f64).round() as u64,
            source: self.source(&of, task),
        }
    }
}

/// What can be learnt from, the latest first.
fn latest<'a>(works: impl IntoIterator<Item = &'a PastWork>) -> Vec<&'a PastWork> {
    let honest = |work: &&PastWork| {
        let measured = work.seconds.is_finite() && work.seconds > 0.0;
        measured && matches!(work.outcome, Outcome::Succeeded | Outcome::TimedOut)
    };
    let mut works: Vec<&PastWork> = works.into_iter().filter(honest).collect();
    works.sort_by_key(|work| std::cmp::Reverse(work.finished_at));
    works.truncate(MOST);
    works
}

fn size(bytes: u64) -> usize {
    SIZES.iter().filter(|most| bytes > **most).count()
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// Nothing beyond what was seen and the table.
fn within(value: f64, bounds: Option<(f64, f64)>, table: f64) -> f64 {
    let (least, most) = bounds.unwrap_or((table, table));
    value.clamp(least.min(table), most.max(table))
}

/// What groups within groups come to, each drawn towards the one around it by so many tasks; the outermost towards `first`.
fn nested<I: Iterator<Item = (Features, Seen)>>(
    samples: impl Fn() -> I,
    groups: [fn(&Features) -> Group; 3],
    first: f64,
    prior: f64,
    of: impl Fn(&mut [Seen]) -> Option<f64>,
) -> [Table; 3] {
    let mut tables: [Table; 3] = Default::default();
    let mut around: HashMap<Group, (Group, Vec<Seen>)> = HashMap::new();
    for number in 0..groups.len() {
        around.clear();
        for (features, seen) in samples() {
            let outer = groups[number.saturating_sub(1)](&features);
            around.entry(groups[number](&features)).or_insert((outer, Vec::new())).1.push(seen);
        }
        for (group, (outer, seen)) in &mut around {
            let weight: f64 = seen.iter().map(|one| one.weight).sum();
            let Some(value) = of(seen) else { continue };
            let wider = number.checked_sub(1).and_then(|wider| tables[wider].get(outer));
            let wider = wider.map_or(first, |known| known.value);
            // With nothing to be drawn towards it is what it is.
            let value = if prior > 0.0 { (weight * value + prior * wider) / (weight + prior) } else { value };
            tables[number].insert(*group, Known { value, weight });
        }
    }
    tables
}

#[cfg(test)]
mod tests;
