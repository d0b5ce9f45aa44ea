//! One seed, played: the agenda of virtual time, and the engine's loop with its crashes.

use std::collections::{BTreeMap, VecDeque};

use gadugi_core::{
    CancelTarget, Command, Effect, Event, Input, Millis, Outcome, Refusal, Reply, Report, RunId, State,
    StepEnd, StepExit, StepId, Timestamp, decide, next_wake,
};

use super::rng::Rng;
use super::watch::{Mood, Watch};
use super::world::{After, World};
use super::{Failure, Shape, Summary, commands, ends, plans, tell};

/// The lines that a failure shows.
const TRAIL: usize = 120;

/// Something that will happen.
enum Item {
    /// The engine of that epoch carries out an effect.
    Do(Effect, u32),
    /// A report reaches the engine of that epoch.
    Report(Report, u32),
    Ends(StepId, StepEnd),
    Command(Box<Command>),
    /// A deadline falls due.
    Wake,
    Crash,
    /// An engine comes back.
    Back,
    /// No engine came back in time for the processes of that epoch.
    Lapse(u32),
    /// Somebody else moves the integration branch.
    Intrude(RunId),
    /// From now on nothing more goes wrong.
    Calm,
}

/// A story that unfolds from a seed.
pub struct Simulation {
    seed: u64,
    shape: Shape,
    rng: Rng,
    start: Timestamp,
    order: u64,
    agenda: BTreeMap<(i64, u64), Item>,
    world: World,
    watch: Watch,
    state: State,
    log: Vec<(Timestamp, Event)>,
    alive: bool,
    calm: bool,
    /// A report was lost: only a restart brings it back.
    owed: bool,
    wake: Option<Timestamp>,
    crash_at_store: u32,
    summary: Summary,
    trail: Option<VecDeque<String>>,
}

type Played = Result<(), String>;

impl Simulation {
    /// The story of that seed, not yet begun.
    pub fn new(seed: u64, shape: &Shape) -> Self {
        let mut rng = Rng::new(seed);
        let rough = rng.chance(800);
        let mut shape = shape.clone();
        // Some worlds are all echoes and stubborn people: what is about an earlier attempt meets the next one there.
        if rng.chance(120) {
            (shape.disorder, shape.retries) = (shape.disorder * 6, 800);
        }
        let world = World::new(if rough { shape.trouble } else { 0 }, Millis::seconds(10));
        Self {
            seed,
            crash_at_store: shape.crash_at_store,
            shape,
            rng,
            start: world.now,
            order: 0,
            agenda: BTreeMap::new(),
            world,
            watch: Watch::default(),
            state: State::default(),
            log: Vec::new(),
            alive: true,
            calm: false,
            owed: false,
            wake: None,
            summary: Summary::default(),
            trail: None,
        }
    }

    /// The same, remembering what happens for the account of a failure.
    #[must_use]
    pub fn told(mut self) -> Self {
        self.trail = Some(VecDeque::new());
        self
    }

    /// Plays it to its end.
    ///
    /// # Errors
    ///
    /// The first invariant that did not hold.
    pub fn play(mut self) -> Result<Summary, Failure> {
        self.prepare();
        match self.unfold() {
            Ok(()) => Ok(self.sum_up()),
            Err(problem) => Err(Failure {
                seed: self.seed,
                events: self.log.len(),
                problem,
                trail: self.trail.unwrap_or_default().into(),
            }),
        }
    }

    fn sum_up(mut self) -> Summary {
        self.summary.events = self.log.len();
        self.summary.time = self.world.now.since(self.start);
        self.summary.runs = self.watch.runs.len();
        let tasks = || self.watch.runs.values().flat_map(|run| run.tasks.values());
        self.summary.tasks = tasks().count();
        self.summary.succeeded = tasks().filter(|task| task.outcome == Some(Outcome::Succeeded)).count();
        self.summary
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trail) = &mut self.trail {
            if trail.len() == TRAIL {
                trail.pop_front();
            }
            let seconds = self.world.now.since(self.start).as_seconds();
            trail.push_back(format!("{seconds:>10.3} {}", line()));
        }
    }

    fn at(&mut self, when: Timestamp, item: Item) {
        self.order += 1;
        self.agenda.insert((when.0, self.order), item);
    }

    fn after(&mut self, millis: u64, item: Item) {
        self.at(self.world.now + Millis(millis), item);
    }

    /// Puts runs, wishes and accidents on the agenda.
    fn prepare(&mut self) {
        let horizon = self.shape.horizon.0;
        let slots = u32::try_from(self.rng.between(1..=6)).unwrap_or(1);
        let measured = Command::SetCapacity { slots, reason: "at the start".into() };
        let delay = self.rng.below(2000);
        self.after(delay, Item::Command(Box::new(measured)));
        let mut runs = Vec::new();
        for number in 0..self.rng.between(self.shape.runs.clone()) {
            let run = RunId::new(format!("orchestration-{number}"));
            let plan = plans::plan(&mut self.rng, &self.shape, self.world.base());
            let settings = plans::settings(&mut self.rng, plan.tasks.len());
            runs.push((run.clone(), plan.tasks.len()));
            let delay = if number == 0 { self.rng.below(1000) } else { self.rng.below(horizon) };
            self.after(
                delay,
                Item::Command(Box::new(Command::StartRun { run, plan, settings: Box::new(settings) })),
            );
        }
        for _ in 0..self.rng.between(self.shape.commands.clone()) {
            let at = self.rng.index(runs.len());
            let (run, tasks) = runs[at].clone();
            let command = commands::draw(&mut self.rng, run, tasks);
            let delay = self.rng.below(horizon);
            self.after(delay, Item::Command(Box::new(command)));
        }
        for _ in 0..self.rng.between(self.shape.crashes.clone()) {
            let delay = self.rng.below(horizon);
            self.after(delay, Item::Crash);
        }
        if self.world.trouble > 0 {
            for _ in 0..self.rng.below(8) {
                let (run, delay) = (runs[0].0.clone(), self.rng.below(horizon));
                self.after(delay, Item::Intrude(run));
            }
        }
        self.after(horizon, Item::Calm);
    }

    fn unfold(&mut self) -> Played {
        let bound = 20_000 + 2_000 * usize::try_from(*self.shape.tasks.end()).unwrap_or(0);
        for _ in 0..bound {
            let Some(((when, _), item)) = self.agenda.pop_first() else {
                if self.nudge()? {
                    continue;
                }
                self.same_after_replay()?;
                return self.watch.finished(&self.world);
            };
            self.world.now = Timestamp(when);
            self.happen(item)?;
        }
        Err("it goes on for ever".into())
    }

    /// Nothing is on the agenda. Runs that nobody paused must be over by now; paused ones go on when they are asked
    /// to. False when all is over.
    fn nudge(&mut self) -> Result<bool, String> {
        if self.owed {
            self.crash();
            return Ok(true);
        }
        let stuck = self.watch.runs.iter().find(|(_, run)| matches!(run.mood, Mood::Active | Mood::Ending));
        if let Some((id, _)) = stuck {
            let run = &self.state.runs[id];
            let open = run.plan.tasks.iter().zip(&run.tasks).filter(|(_, task)| task.outcome().is_none());
            let words: Vec<String> =
                open.map(|(plan, task)| format!("{} {}", plan.id, task.word())).collect();
            return Err(format!("{id} is stuck: {}, tip {:?}, {words:?}", run.status.word(), run.tip));
        }
        let paused = self.watch.runs.iter().find(|(_, run)| run.mood != Mood::Finished);
        let Some(run) = paused.map(|(id, _)| id.clone()) else { return Ok(false) };
        self.after(1000, Item::Command(Box::new(Command::Resume { run })));
        Ok(true)
    }

    fn happen(&mut self, item: Item) -> Played {
        match item {
            Item::Do(effect, epoch) if epoch == self.world.epoch && self.alive => self.carry_out(&effect),
            Item::Report(report, epoch) if epoch == self.world.epoch && self.alive => self.report(report),
            Item::Do(..) | Item::Report(..) => Ok(()),
            Item::Ends(step, end) => self.ends(&step, end),
            Item::Command(command) if self.alive => self.command(*command),
            Item::Command(command) => {
                self.after(60_000, Item::Command(command));
                Ok(())
            }
            Item::Wake => {
                self.wake = None;
                if self.alive { self.turn(Input::Tick) } else { Ok(()) }
            }
            Item::Crash => {
                if self.alive && !self.calm {
                    self.crash();
                }
                Ok(())
            }
            Item::Back => self.back(),
            Item::Lapse(epoch) => self.lapse(epoch),
            Item::Intrude(run) => {
                self.note(|| format!("somebody moves {run}'s branch"));
                self.world.intrude(&run);
                Ok(())
            }
            Item::Calm => {
                self.calm = true;
                self.world.trouble = 0;
                self.crash_at_store = 0;
                Ok(())
            }
        }
    }

    fn carry_out(&mut self, effect: &Effect) -> Played {
        self.note(|| tell::effect(effect));
        let epoch = self.world.epoch;
        for (delay, after) in self.world.perform(&mut self.rng, effect)? {
            match after {
                After::Report(report) => self.send(delay, report, epoch),
                After::Ends(step, end) => self.after(delay, Item::Ends(step, end)),
            }
        }
        Ok(())
    }

    /// A report is under way: it may be lost, late or doubled.
    fn send(&mut self, delay: u64, report: Report, epoch: u32) {
        let disorder = if self.calm { 0 } else { self.shape.disorder };
        if self.rng.chance(disorder / 10) {
            self.note(|| format!("never heard: {}", tell::report(&report)));
            self.summary.lost_reports += 1;
            self.owed = true;
            return;
        }
        if self.rng.chance(disorder) {
            let late = self.lateness();
            self.after(delay + late, Item::Report(report.clone(), epoch));
        }
        let late = if self.rng.chance(disorder) { self.lateness() } else { 0 };
        self.after(delay + late, Item::Report(report, epoch));
    }

    /// Mostly a little, sometimes long after everything is over.
    fn lateness(&mut self) -> u64 {
        let most = [400, 5_000, 60_000, 600_000][self.rng.index(4)];
        self.rng.below(most)
    }

    fn report(&mut self, report: Report) -> Played {
        self.note(|| format!("hears: {}", tell::report(&report)));
        self.turn(Input::Report(report))
    }

    fn ends(&mut self, step: &StepId, end: StepEnd) -> Played {
        let Some(end) = self.world.end(step, end) else { return Ok(()) };
        self.note(|| format!("{step} ends: {:?} stopped={}", end.exit, end.stopped));
        let epoch = self.world.epoch;
        if self.alive && self.world.step(step).is_some_and(|known| known.follower == epoch) {
            let delay = self.rng.between(1..=20);
            self.send(delay, Report::StepEnded { step: step.clone(), end }, epoch);
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Played {
        self.note(|| format!("asked: {}", tell::command(&command)));
        self.summary.commands += 1;
        self.turn(Input::Command(command))
    }

    fn crash(&mut self) {
        self.note(|| "the engine dies".into());
        self.summary.crashes += 1;
        self.alive = false;
        self.world.epoch += 1;
        let away = if self.rng.chance(150) { self.rng.below(1_500_000) } else { self.rng.below(60_000) };
        self.after(away, Item::Back);
        let epoch = self.world.epoch;
        self.after(600_000, Item::Lapse(epoch));
    }

    fn lapse(&mut self, epoch: u32) -> Played {
        if self.alive || epoch != self.world.epoch {
            return Ok(());
        }
        for step in self.world.running() {
            self.ends(&step, ends::plain(StepExit::LeaseLapsed, Millis(0)))?;
        }
        Ok(())
    }

    fn same_after_replay(&mut self) -> Played {
        let mut replayed = State::default();
        let through_json = self.seed.is_multiple_of(16);
        for (at, event) in &self.log {
            let applied = if through_json {
                let text = serde_json::to_string(event).map_err(|error| error.to_string())?;
                let event: Event = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
                replayed.apply(*at, &event)
            } else {
                replayed.apply(*at, event)
            };
            applied.map_err(|error| format!("replaying: {error}"))?;
        }
        if replayed != self.state {
            return Err("replaying the log gives another state".into());
        }
        self.state = replayed;
        Ok(())
    }

    fn back(&mut self) -> Played {
        if self.alive {
            return Ok(());
        }
        self.same_after_replay()?;
        self.note(|| "an engine comes back".into());
        self.alive = true;
        self.owed = false;
        self.wake = None;
        self.turn(Input::Command(Command::Restart))?;
        if !self.alive {
            return Ok(());
        }
        self.watch.halted()?;
        if self.state.capacity.is_none() {
            let measured = Command::SetCapacity { slots: 2, reason: "at the start".into() };
            self.after(10, Item::Command(Box::new(measured)));
        }
        let runs: Vec<RunId> = self.watch.runs.keys().cloned().collect();
        for run in runs {
            if self.rng.chance(700) {
                let delay = self.rng.below(120_000);
                self.after(delay, Item::Command(Box::new(Command::Resume { run })));
            }
        }
        Ok(())
    }

    /// One turn of the engine's loop: the input, then whatever can be done next, then the effects.
    fn turn(&mut self, input: Input) -> Played {
        let mut effects = Vec::new();
        let mut next = Some(input);
        let bound = 1000 + 10 * self.state.runs.values().map(|run| run.tasks.len()).sum::<usize>();
        for _ in 0..bound {
            let input = next.take().unwrap_or(Input::Tick);
            let (tick, cancel) = (matches!(input, Input::Tick), wanted_gone(&input));
            let decision = decide(&self.state, self.world.now, input);
            if tick && decision.is_empty() {
                return self.start(effects);
            }
            if self.rng.chance(self.crash_at_store) {
                self.note(|| "before it is stored,".into());
                self.crash();
                return Ok(());
            }
            if let (Some((run, target)), Some(Reply::Accepted { .. })) = (cancel, &decision.reply) {
                let tasks = match &target {
                    CancelTarget::All => None,
                    CancelTarget::Tasks(tasks) => Some(&tasks[..]),
                };
                self.watch.cancelled(&run, tasks);
            }
            if let Some(Reply::Refused(Refusal::BadPlan(error))) = &decision.reply {
                return Err(format!("a good plan was refused: {error}"));
            }
            self.store(decision.events)?;
            effects.extend(decision.effects);
            if self.rng.chance(self.crash_at_store) {
                self.note(|| "after it is stored,".into());
                self.crash();
                return Ok(());
            }
        }
        Err("there is always something to do next".into())
    }

    fn store(&mut self, events: Vec<Event>) -> Played {
        let retry = events.iter().any(|event| matches!(event, Event::TaskRevived { .. }));
        for event in events {
            self.note(|| tell::event(&event));
            self.state.apply(self.world.now, &event).map_err(|error| error.to_string())?;
            self.watch.event(&self.world, &event)?;
            self.second_thoughts(&event);
            self.log.push((self.world.now, event));
        }
        if retry { self.watch.revived() } else { Ok(()) }
    }

    /// Somebody sees a task fail and wants it again.
    fn second_thoughts(&mut self, event: &Event) {
        let Event::TaskFinished { run, task, outcome, .. } = event else { return };
        if self.calm || *outcome == Outcome::Succeeded || !self.rng.chance(self.shape.retries) {
            return;
        }
        let retry = Command::Retry { run: run.clone(), task: task.clone(), with: None };
        let delay = self.rng.below(2_000);
        self.after(delay, Item::Command(Box::new(retry)));
    }

    /// The effects of a turn are begun, each perhaps twice, and the next deadline is looked up.
    fn start(&mut self, effects: Vec<Effect>) -> Played {
        let epoch = self.world.epoch;
        let disorder = if self.calm { 0 } else { self.shape.disorder };
        for effect in effects {
            self.watch.effect(&self.world, &effect)?;
            if self.rng.chance(disorder) {
                let delay = self.lateness();
                self.after(delay, Item::Do(effect.clone(), epoch));
            }
            let longest = if self.rng.chance(disorder) { 30_000 } else { 20 };
            let delay = self.rng.below(longest);
            self.after(delay, Item::Do(effect, epoch));
        }
        let wake = next_wake(&self.state);
        if wake.is_some_and(|wake| wake <= self.world.now) {
            return Err("a deadline is past, and nothing is done about it".into());
        }
        if let Some(wake) = wake
            && self.wake.is_none_or(|known| wake < known)
        {
            self.wake = Some(wake);
            self.at(wake, Item::Wake);
        }
        Ok(())
    }
}

fn wanted_gone(input: &Input) -> Option<(RunId, CancelTarget)> {
    match input {
        Input::Command(Command::Cancel { run, target }) => Some((run.clone(), target.clone())),
        _ => None,
    }
}
