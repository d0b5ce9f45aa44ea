//! One story, played: the agenda of virtual time, and what happens when something of it is due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use gadugi_core::{
    AgentEnd, Command, Effect, Event, Input, Millis, Outcome, Reading, Report, RunId, State, StepEnd, StepId,
    Target, Timestamp,
};

use super::dice::{Decisions, Dice, Key, What};
use super::scenario::{Happening, Scenario, Temper};
use super::watch::{Mood, Watch};
use super::world::{After, World};
use super::{Decider, Summary, names, panics, tell};

/// Something that will happen.
pub(super) enum Item {
    /// The engine of that epoch carries out an effect.
    Do(Effect, u32),
    /// A report reaches the engine of that epoch.
    Report(Report, u32),
    Ends(StepId, StepEnd),
    Lingers(StepId, AgentEnd),
    /// It gives no sign of life, for so long.
    Mute(StepId, Option<u64>),
    /// It gives one again.
    Alive(StepId),
    /// Somebody looks whether it gives one.
    Look(StepId),
    Command(Box<Command>),
    /// A deadline falls due.
    Wake,
    Crash,
    /// An engine comes back.
    Back,
    /// No engine came back in time for the processes of that epoch.
    Lapse(u32),
    /// Somebody else moves the integration branch.
    Intrude(u32),
    /// The machine's clock is set.
    Clock(i64),
    /// From now on nothing more goes wrong.
    Calm,
}

/// With its moment, and its place among those of the same moment.
struct Due(i64, u64, Item);

/// How a story ended.
pub(super) struct Ending {
    /// What it came to, or what did not hold.
    pub(super) result: Result<Summary, String>,
    /// Events stored.
    pub(super) events: usize,
    /// What happened, oldest first, where it was to be told.
    pub(super) trail: Vec<String>,
    /// What chance decided, where it was to be kept.
    pub(super) decisions: Decisions,
}

/// How long a story may become, and how much of it is told.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    /// Events, at most; a story that has more is broken off.
    pub(super) events: usize,
    /// The last lines that are remembered.
    pub(super) lines: usize,
}

impl Measure {
    pub(super) const SILENT: Self = Self { events: usize::MAX, lines: 0 };
}

/// What a story says that was broken off.
pub(super) const TOO_LONG: &str = "it became too long";

pub(super) struct Simulation<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) decide: Decider,
    measure: Measure,
    pub(super) dice: Dice,
    start: Timestamp,
    order: u64,
    agenda: BinaryHeap<Reverse<Due>>,
    pub(super) world: World,
    pub(super) watch: Watch,
    pub(super) state: State,
    /// What a replay of the log's beginning gave, and how much of it that was.
    pub(super) replayed: (State, usize),
    pub(super) log: Vec<(Timestamp, Event)>,
    pub(super) alive: bool,
    /// How rough the world is now.
    pub(super) temper: Temper,
    /// A report was lost: only a restart brings it back.
    pub(super) owed: bool,
    pub(super) wake: Option<Timestamp>,
    pub(super) summary: Summary,
    trail: VecDeque<String>,
}

pub(super) type Played = Result<(), String>;

impl<'a> Simulation<'a> {
    pub(super) fn new(scenario: &'a Scenario, decide: Decider, dice: Dice, measure: Measure) -> Self {
        let world = World::new(scenario.temper.trouble, Millis::seconds(10));
        Self {
            scenario,
            decide,
            measure,
            dice,
            start: world.steady,
            order: 0,
            agenda: BinaryHeap::new(),
            world,
            watch: Watch::default(),
            state: State::default(),
            replayed: (State::default(), 0),
            log: Vec::new(),
            alive: true,
            temper: scenario.temper,
            owed: false,
            wake: None,
            summary: Summary::default(),
            trail: VecDeque::new(),
        }
    }

    /// Plays it to its end. A panic of the core is a problem like any other.
    pub(super) fn play(mut self) -> Ending {
        self.prepare();
        let summary = panics::caught(|| self.unfold()).map(|()| self.sum_up());
        Ending {
            result: summary,
            events: self.log.len(),
            trail: self.trail.into(),
            decisions: self.dice.into_kept(),
        }
    }

    fn sum_up(&self) -> Summary {
        let tasks = || self.watch.runs.values().flat_map(|run| run.tasks.values());
        Summary {
            seeds: 1,
            events: self.log.len(),
            time: self.world.steady.since(self.start),
            runs: self.watch.runs.len(),
            tasks: tasks().count(),
            pauses: self.watch.pauses,
            succeeded: tasks().filter(|task| task.outcome == Some(Outcome::Succeeded)).count(),
            ..self.summary
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.measure.lines > 0 {
            if self.trail.len() == self.measure.lines {
                self.trail.pop_front();
            }
            let seconds = self.world.steady.since(self.start).as_seconds();
            self.trail.push_back(format!("{seconds:>10.3} {}", line()));
        }
    }

    pub(super) fn at(&mut self, when: Timestamp, item: Item) {
        self.order += 1;
        self.agenda.push(Reverse(Due(when.0, self.order, item)));
    }

    pub(super) fn after(&mut self, millis: u64, item: Item) {
        self.at(self.world.steady + Millis(millis), item);
    }

    /// Puts runs, wishes and accidents on the agenda.
    fn prepare(&mut self) {
        let scenario = self.scenario;
        let measured = |reading: &Reading| Item::Command(Box::new(Command::Measured(reading.clone())));
        self.after(500, measured(&scenario.machine));
        for run in &scenario.runs {
            let settings = Box::new(run.settings.clone());
            let start = Command::StartRun { run: names::run(run.number), plan: run.plan.clone(), settings };
            self.after(run.at, Item::Command(Box::new(start)));
        }
        for (at, happening) in &scenario.happenings {
            let item = match happening {
                Happening::Asked(command) => Item::Command(command.clone()),
                Happening::Crash => Item::Crash,
                Happening::Intrusion(run) => Item::Intrude(*run),
                Happening::Look(reading) => measured(reading),
                Happening::Clock(by) => Item::Clock(*by),
            };
            self.after(*at, item);
        }
        self.after(scenario.horizon.0, Item::Calm);
    }

    fn unfold(&mut self) -> Played {
        let bound = 20_000 + 2_000 * self.scenario.tasks();
        for _ in 0..bound {
            if self.log.len() > self.measure.events {
                return Err(TOO_LONG.into());
            }
            let Some(Reverse(Due(when, _, item))) = self.agenda.pop() else {
                if self.nudge()? {
                    continue;
                }
                self.same_after_replay()?;
                self.same_after_json()?;
                return self.watch.finished(&self.world);
            };
            self.world.pass(Timestamp(when));
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
        let stuck = self.watch.runs.iter().find(|(_, run)| run.should_go_on());
        if let Some((number, _)) = stuck {
            return Err(self.stuck(&names::run(*number)));
        }
        let paused = self.watch.runs.iter().find(|(_, run)| run.mood != Mood::Finished);
        let Some(run) = paused.map(|(number, _)| names::run(*number)) else { return Ok(false) };
        self.after(1000, Item::Command(Box::new(Command::Resume { run, target: Target::All })));
        Ok(true)
    }

    fn stuck(&self, id: &RunId) -> String {
        let Some(run) = self.state.runs.get(id) else { return format!("{id} is stuck: unknown") };
        let open = run.plan.tasks.iter().zip(&run.tasks).filter(|(_, task)| task.outcome().is_none());
        let words: Vec<String> =
            open.take(20).map(|(plan, task)| format!("{} {}", plan.id, task.word())).collect();
        format!("{id} is stuck: {}, tip {:?}, {words:?}", run.status.word(), run.tip)
    }

    fn happen(&mut self, item: Item) -> Played {
        match item {
            Item::Do(effect, epoch) if epoch == self.world.epoch && self.alive => self.carry_out(&effect),
            Item::Report(report, epoch) if epoch == self.world.epoch && self.alive => self.report(report),
            Item::Do(..) | Item::Report(..) => Ok(()),
            Item::Ends(step, end) => self.ends(&step, end),
            Item::Lingers(..) | Item::Mute(..) | Item::Alive(_) | Item::Look(_) => {
                self.sign_of_life(item);
                Ok(())
            }
            Item::Clock(by) => self.set_clock(by),
            Item::Command(command) if self.alive => match *command {
                // Whatever the machine lacked it has again.
                Command::Measured(_) if self.is_calm() => {
                    self.command(Command::Measured(self.scenario.machine.clone()))
                }
                command => self.command(command),
            },
            Item::Command(command) => {
                self.after(60_000, Item::Command(command));
                Ok(())
            }
            Item::Wake => {
                self.wake = None;
                if self.alive { self.turn(Input::Tick) } else { Ok(()) }
            }
            Item::Crash => {
                if self.alive && !self.is_calm() {
                    self.crash();
                }
                Ok(())
            }
            Item::Back => self.back(),
            Item::Lapse(epoch) => self.lapse(epoch),
            Item::Intrude(run) => {
                self.note(|| format!("somebody moves the branch of {}", names::run(run)));
                self.world.git.intrude(run);
                Ok(())
            }
            Item::Calm => {
                self.temper = Temper::CALM;
                self.world.trouble = 0;
                let measured = Command::Measured(self.scenario.machine.clone());
                self.after(0, Item::Command(Box::new(measured)));
                Ok(())
            }
        }
    }

    fn is_calm(&self) -> bool {
        self.world.steady.since(self.start) >= self.scenario.horizon
    }

    fn carry_out(&mut self, effect: &Effect) -> Played {
        self.note(|| tell::effect(effect));
        let epoch = self.world.epoch;
        let about = self.dice.again(about_effect(effect));
        for (delay, after) in self.world.perform(&mut self.dice, about, effect)? {
            match after {
                After::Report(report) => self.send(delay, report, epoch),
                After::Ends(step, end) => self.after(delay, Item::Ends(step, end)),
                After::Lingers(step, said) => self.after(delay, Item::Lingers(step, said)),
                After::Mute(step, length) => self.after(delay, Item::Mute(step, length)),
            }
        }
        Ok(())
    }

    /// A report is under way: it may be lost, late or doubled.
    pub(super) fn send(&mut self, delay: u64, report: Report, epoch: u32) {
        let disorder = self.temper.disorder;
        if disorder == 0 {
            return self.after(delay, Item::Report(report, epoch));
        }
        let about = self.dice.again(about_report(&report));
        if self.dice.chance(about.also(What::Lost), disorder / 10) {
            self.note(|| format!("never heard: {}", tell::report(&report)));
            self.summary.lost_reports += 1;
            self.owed = true;
            return;
        }
        let doubled = self.late(about.also(What::Doubled), disorder);
        if doubled > 0 {
            self.after(delay + doubled, Item::Report(report.clone(), epoch));
        }
        let late = self.late(about.also(What::Late), disorder);
        self.after(delay + late, Item::Report(report, epoch));
    }

    /// How late something comes that is out of order, nothing where it is not: mostly a little, sometimes long after
    /// everything is over.
    pub(super) fn late(&mut self, about: Key, disorder: u32) -> u64 {
        self.dice.pick(about, 0, |rng| {
            if !rng.chance(disorder) {
                return 0;
            }
            let longest = [400, 5_000, 60_000, 600_000][rng.index(4)];
            rng.between(1..=longest)
        })
    }

    fn report(&mut self, report: Report) -> Played {
        self.note(|| format!("hears: {}", tell::report(&report)));
        self.watch.heard(&report);
        let silent = match &report {
            Report::StepQuiet { step, .. } => Some(step.clone()),
            _ => None,
        };
        let epoch = self.world.epoch;
        self.turn(Input::Report(report))?;
        match silent {
            Some(step) if self.world.epoch == epoch => self.watch.answered(&step),
            _ => Ok(()),
        }
    }

    /// A process ends; the engine that follows it hears of it.
    pub(super) fn ends(&mut self, step: &StepId, end: StepEnd) -> Played {
        let Some(end) = self.world.end(step, end) else { return Ok(()) };
        self.note(|| format!("{step} ends: {:?} stopped={}", end.exit, end.stopped));
        let epoch = self.world.epoch;
        if self.alive && self.world.step(step).is_some_and(|known| known.follower == epoch) {
            let (run, task, attempt, number) = names::step_at(step);
            let key = Key::of(What::Stops, &[run, task, attempt, number]);
            let delay = self.dice.pick(key, 1, |rng| rng.between(1..=20));
            self.send(delay, Report::StepEnded { step: step.clone(), end }, epoch);
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Played {
        self.note(|| format!("asked: {}", tell::command(&command)));
        self.summary.commands += 1;
        let reading = match &command {
            Command::Measured(reading) => Some(reading.clone()),
            _ => None,
        };
        let epoch = self.world.epoch;
        self.turn(Input::Command(command))?;
        match reading {
            Some(reading) if self.world.epoch == epoch => self.watch.measured(&reading),
            _ => Ok(()),
        }
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

pub(super) fn about_effect(effect: &Effect) -> Key {
    let run = names::number(effect.run());
    let about = match effect {
        Effect::OpenIntegration { .. } | Effect::TidyRun { .. } | Effect::MakeRoom { .. } => [run, 0, 0, 0],
        Effect::Compose { task, .. } | Effect::Advance { task, .. } => [run, names::number(task), 0, 0],
        Effect::PrepareWorkspace { attempt, .. }
        | Effect::CollectWork { attempt, .. }
        | Effect::SalvageWork { attempt } => about_attempt(attempt),
        Effect::LaunchStep { step, .. }
        | Effect::AdoptStep { step, .. }
        | Effect::StopStep { step, .. }
        | Effect::TakeAnswer { step } => <[u32; 4]>::from(names::step_at(step)),
    };
    Key::named(effect.word(), &about)
}

fn about_report(report: &Report) -> Key {
    let (word, about) = match report {
        Report::IntegrationOpened { run, .. } => ("opened", [names::number(run), 0, 0, 0]),
        Report::Tidied { run, .. } => ("tidied", [names::number(run), 0, 0, 0]),
        Report::WorkspacePrepared { attempt, .. } => ("prepared", about_attempt(attempt)),
        Report::WorkCollected { attempt, .. } => ("collected", about_attempt(attempt)),
        Report::AnswerTaken { step, .. } => ("answered", names::step_at(step).into()),
        Report::StepStarted { step, .. } => ("started", names::step_at(step).into()),
        Report::PhaseReached { step, .. } => ("phase", names::step_at(step).into()),
        Report::StepQuiet { step, .. } => ("quiet", names::step_at(step).into()),
        Report::StepAlive { step } => ("alive", names::step_at(step).into()),
        Report::DiskUsed { step, .. } => ("disk", names::step_at(step).into()),
        Report::AccountLimited { step, .. } => ("limited", names::step_at(step).into()),
        Report::WorkSalvaged { attempt, .. } => ("salvaged", about_attempt(attempt)),
        Report::StepEnded { step, .. } => ("ended", names::step_at(step).into()),
        Report::Composed { run, task, .. } => ("composed", [names::number(run), names::number(task), 0, 0]),
        Report::Advanced { run, task, .. } => ("advanced", [names::number(run), names::number(task), 0, 0]),
    };
    Key::named(word, &about)
}

fn about_attempt(attempt: &gadugi_core::AttemptId) -> [u32; 4] {
    let (run, task, attempt) = names::attempt_at(attempt);
    [run, task, attempt, 0]
}
