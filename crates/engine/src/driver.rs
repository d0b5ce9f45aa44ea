//! The loop. It alone owns the state and the store.
//!
//! Each turn: drain what waits; for each input `decide` and `apply`; ask `decide` what can be done next until it has
//! nothing more to say; store all the facts of the turn as one; and then, and only then, answer whoever asked, publish,
//! and start the effects. Nothing here waits for an effect or for a client.

mod displaced;
mod followers;
mod query;
mod sight;
mod waiting;
mod watchers;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadugi_core::{
    AttemptId, Command, CommitId, Decision, Effect, Event, Input, PastTask, Reading, Reply, RunId, RunState,
    State, StepId, TaskId, Timestamp, decide, next_wake,
};
use gadugi_store::{Store, StoreError, StoredEvent};
use gadugi_sys::clock;
use tokio::sync::{mpsc, oneshot};

use crate::effects;
use crate::figures;
use crate::handle::{Fact, Located, MachineView, RunSummary, Watch};
use crate::look::Sight;
use crate::monitor::Monitor;
use crate::past::Memory;
use crate::protocol::{Failure, RunLine, RunView, TaskNotFound};
use crate::view::{Live, run_view};
use crate::world::{Heard, RunContext, World};

pub(crate) use followers::Followed;
use followers::Followers;
use watchers::Watchers;

/// Inputs taken into one turn at most, and so into one transaction: enough to share the cost of one fsync among
/// everything that a few hundred running steps report at once, few enough to answer a client within some 10 ms.
const TURN: usize = 256;

/// How long after a full disk storing is tried again.
const ROOM_AGAIN: Duration = Duration::from_secs(1);

/// How often it is seen whether the monitoring files are due. They are written once a second at most (contract section
/// 6); looking twice as often keeps a tick that comes a moment early from costing a whole second.
const MONITOR_EVERY: Duration = Duration::from_millis(500);

/// What connections ask of the loop.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A wish, with who waits for the answer.
    Command(Command, oneshot::Sender<Result<Reply, Failure>>),
    /// How a run stands; none: the latest.
    Status(Option<String>, oneshot::Sender<Result<Standing<Box<RunView>>, Failure>>),
    /// A task of a run (none: the latest), by what a person calls it, and how far it is.
    Task(Option<String>, String, oneshot::Sender<Result<Standing<Meant>, Failure>>),
    /// A task's latest attempt and what it was begun with; none where it has none.
    Attempt(RunId, TaskId, oneshot::Sender<Result<Option<Begun>, Failure>>),
    /// All runs.
    Runs(oneshot::Sender<Result<Vec<RunLine>, Failure>>),
    /// What happens to a run from here on.
    Follow(RunId, oneshot::Sender<Result<Followed, Failure>>),
    /// What happens to all runs from here on.
    Watch(oneshot::Sender<Result<Watch, Failure>>),
    /// The latest look at the machine.
    Machine(oneshot::Sender<Result<MachineView, Failure>>),
    /// A run's plan and settings; none where it is not in memory.
    Plan(RunId, oneshot::Sender<Result<Option<RunContext>, Failure>>),
    /// Those of these runs that are in memory, in a line each.
    Summaries(Vec<RunId>, oneshot::Sender<Result<HashMap<RunId, RunSummary>, Failure>>),
    /// A run's plan, settings, events and report as JSON.
    Export(RunId, oneshot::Sender<Result<serde_json::Value, Failure>>),
    /// A run's records are wanted no longer.
    Forget(RunId, oneshot::Sender<Result<(), Failure>>),
    /// What was seen of running steps and of the machine.
    Seen(Sight),
    /// Is anybody there? Asked after [`Asked::ClientCame`], so an engine that answers knows of the client and stays for
    /// it.
    Hello(oneshot::Sender<Result<(), Failure>>),
    /// A client came.
    ClientCame,
    /// A client went.
    ClientGone,
    /// Everything is to be interrupted, and the engine to leave: a signal.
    Terminate,
    /// The log's journal was removed: its contents are to be saved.
    JournalGone,
    /// The log was removed or replaced, or another engine lives: why.
    Displaced(String),
}

/// The task that is meant, or why none is.
pub(crate) type Meant = Result<Located, TaskNotFound>;

/// How a run, or something of it, stands.
#[derive(Debug)]
pub(crate) enum Standing<T> {
    /// So.
    Live(T),
    /// As its record says: it is not in memory. With the machine's slots.
    Recorded { run: RunId, capacity: Option<u32> },
}

/// An attempt that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) context: RunContext,
    pub(crate) attempt: AttemptId,
    pub(crate) base: CommitId,
}

/// The loop and what it owns.
pub(crate) struct Driver {
    state: State,
    store: Store,
    world: Arc<World>,
    live: Live,
    followers: Followers,
    watchers: Watchers,
    monitor: Monitor,
    memory: Memory,
    clients: usize,
    /// Whether any client has come yet: whoever started this engine is about to.
    met: bool,
    terminating: bool,
    /// The log is gone: nothing is stored any more.
    displaced: bool,
    /// What was asked while the log could not be written, and is answered once it can.
    put_off: Vec<Asked>,
    /// Runs that were not over when this engine began, and that it could not read.
    unread: BTreeSet<RunId>,
    /// The last number in the log.
    seq: u64,
    /// When something falls due that nobody will tell of.
    wake: Option<Timestamp>,
    /// What the machine was last seen to have: a run that begins before the next look is held to it too.
    machine: Reading,
    /// The same for people.
    overview: MachineView,
    /// When the last turn was, by the clock that people set and by one that nobody does.
    clocks: (Timestamp, Instant),
}

/// What a turn begins with.
enum Woken {
    Asked(Asked),
    Heard(Heard),
    Due,
}

/// The facts and effects of one turn, and the answers that wait for them to be durable.
struct Turn {
    /// The moment that all its facts have: applied now or read from the log later, they give the same state.
    at: Timestamp,
    events: Vec<Event>,
    effects: Vec<Effect>,
    answers: Vec<Box<dyn FnOnce() + Send>>,
    /// Whether anything may follow from it: an input was decided, or something may have fallen due.
    considered: bool,
}

impl Turn {
    fn now() -> Self {
        Self {
            at: clock::now(),
            events: Vec::new(),
            effects: Vec::new(),
            answers: Vec::new(),
            considered: false,
        }
    }
}

impl Driver {
    /// Reads the log. Runs that are over are read when somebody asks for them; a run whose log cannot be understood
    /// is left alone and said, and stops no other.
    pub(crate) fn new(store: Store, world: Arc<World>, monitor: Monitor) -> Result<Self, StoreError> {
        let seq = store.last_seq()?;
        let live = Live::of(&world.instance);
        let memory = Memory::new(&world.layout);
        let mut driver = Self {
            state: State::default(),
            store,
            world,
            live,
            followers: Followers::default(),
            watchers: Watchers::default(),
            monitor,
            memory,
            clients: 0,
            met: false,
            terminating: false,
            displaced: false,
            put_off: Vec::new(),
            unread: BTreeSet::new(),
            seq,
            wake: None,
            machine: Reading::default(),
            overview: MachineView::default(),
            clocks: (clock::now(), Instant::now()),
        };
        let unfinished: BTreeSet<RunId> = driver.store.unfinished_runs()?.into_iter().collect();
        let mut wanted = unfinished.clone();
        wanted.extend(driver.store.latest_run()?);
        for run in wanted {
            if let Err(failure) = driver.load(&run) {
                tracing::error!(run = %run, "{}", failure.message);
            }
        }
        driver.unread = unfinished.into_iter().filter(|run| !driver.state.runs.contains_key(run)).collect();
        Ok(driver)
    }

    /// Runs that were not over and whose log cannot be read.
    pub(crate) fn unread(&self) -> BTreeSet<RunId> {
        self.unread.clone()
    }

    fn begun(&self, run: &RunId, task: &TaskId) -> Option<Begun> {
        let run = self.state.runs.get(run)?;
        let at = run.position(task)?;
        let state = &run.tasks[at];
        let base = state.base.clone().filter(|_| state.attempts > 0)?;
        let context = RunContext { plan: Arc::clone(&run.plan), settings: Arc::clone(&run.settings) };
        Some(Begun { context, attempt: run.attempt_id(at, state.attempts), base })
    }

    /// The last number in the log.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// The steps that were under way when the engine before this one was heard of last.
    pub(crate) fn under_way(&self) -> BTreeSet<StepId> {
        let mut steps = BTreeSet::new();
        for run in self.state.runs.values() {
            for (at, attempt) in run.active() {
                let id = run.attempt_id(at, attempt.number);
                steps.extend(attempt.step().map(|step| step.id(id)));
            }
        }
        steps
    }

    /// Takes up what was left, and goes on until nobody needs this engine.
    pub(crate) async fn run(
        mut self,
        mut heard: mpsc::Receiver<Heard>,
        mut asked: mpsc::Receiver<Asked>,
        first: Sight,
    ) -> Result<(), StoreError> {
        let mut turn = Turn::now();
        self.consider(&mut turn, Input::Command(Command::Restart));
        self.take_machine(&mut turn, &first.machine, &first.overview);
        self.finish(turn, &mut asked).await?;
        let mut monitor_tick = tokio::time::interval(MONITOR_EVERY);
        monitor_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Someone started this engine and is about to connect; if nobody does, it leaves.
        let mut grace = Some(Box::pin(tokio::time::sleep(Duration::from_secs(10))));
        loop {
            let woken = tokio::select! {
                biased;
                () = std::future::ready(()), if !self.put_off.is_empty() => Woken::Due,
                Some(message) = asked.recv() => Woken::Asked(message),
                Some(message) = heard.recv() => Woken::Heard(message),
                () = sleep_until(self.wake) => Woken::Due,
                _ = monitor_tick.tick(), if !self.displaced => {
                    self.monitor.write_if_due(&self.state, &self.live, clock::now());
                    Woken::Due
                }
                () = maybe(&mut grace) => {
                    grace = None;
                    Woken::Due
                }
            };
            let mut turn = Turn::now();
            self.compare_clocks(&mut turn);
            for message in std::mem::take(&mut self.put_off) {
                self.take_asked(&mut turn, message);
            }
            match woken {
                Woken::Asked(message) => self.take_asked(&mut turn, message),
                Woken::Heard(message) => self.take_heard(&mut turn, message),
                Woken::Due => turn.considered = true,
            }
            for _ in 0..TURN {
                match (asked.try_recv(), heard.try_recv()) {
                    (Err(_), Err(_)) => break,
                    (from_client, from_effect) => {
                        from_client.into_iter().for_each(|message| self.take_asked(&mut turn, message));
                        from_effect.into_iter().for_each(|message| self.take_heard(&mut turn, message));
                    }
                }
            }
            self.finish(turn, &mut asked).await?;
            // What else is asked (by looks at the machine, by those who watch in this process) is no client's.
            grace = grace.filter(|_| !self.met && !self.terminating);
            if grace.is_none() && self.may_leave() && asked.is_empty() && self.put_off.is_empty() {
                break;
            }
        }
        asked.close();
        match self.displaced {
            true => self.keep_hidden(),
            false => self.monitor.write_last(&self.state, &self.live, clock::now()),
        }
        Ok(())
    }

    /// Whether nothing is under way and nobody is connected.
    fn may_leave(&self) -> bool {
        (self.clients == 0 || self.terminating) && self.state.runs.values().all(RunState::rests)
    }

    fn take_heard(&mut self, turn: &mut Turn, heard: Heard) {
        match heard {
            Heard::Report(report) => drop(self.consider(turn, Input::Report(report))),
            Heard::Seen(step, seen) => self.note_seen(step, seen),
        }
    }

    fn take_asked(&mut self, turn: &mut Turn, asked: Asked) {
        match asked {
            Asked::Command(command, answer) => self.take_command(turn, command, answer),
            Asked::Status(run, answer) => respond(turn, answer, self.status(run.as_deref())),
            Asked::Task(run, task, answer) => respond(turn, answer, self.locate(run.as_deref(), &task)),
            Asked::Attempt(run, task, answer) => {
                let begun = self.ensure(&run).map(|()| self.begun(&run, &task));
                respond(turn, answer, begun);
            }
            Asked::Runs(answer) => respond(turn, answer, self.runs()),
            Asked::Follow(run, answer) => {
                let followed = self.follow(&run);
                respond(turn, answer, followed);
            }
            Asked::Watch(answer) => {
                let watch = self.watch();
                respond(turn, answer, watch);
            }
            Asked::Machine(answer) => {
                let (heartbeat, steps) = (self.live.oldest_heartbeat(), self.world.running_count());
                respond(turn, answer, Ok(MachineView { heartbeat, steps, ..self.overview.clone() }));
            }
            Asked::Plan(run, answer) => respond(turn, answer, Ok(self.plan(&run))),
            Asked::Summaries(runs, answer) => respond(turn, answer, Ok(self.summaries(&runs))),
            Asked::Export(run, answer) => respond(turn, answer, self.export(&run)),
            Asked::Forget(run, answer) => respond(turn, answer, self.forget(&run)),
            Asked::Seen(sight) => self.take_sight(turn, sight),
            Asked::Hello(answer) => respond(turn, answer, Ok(())),
            Asked::ClientCame => self.client_came(),
            Asked::ClientGone => self.clients = self.clients.saturating_sub(1),
            Asked::Terminate => self.terminate(turn),
            Asked::JournalGone => match self.store.reopen() {
                Ok(()) => tracing::warn!("the log's journal was removed; what it held is saved"),
                Err(error) => tracing::error!(%error, "the log's journal was removed"),
            },
            Asked::Displaced(why) => self.displace(turn, &why),
        }
    }

    fn take_command(
        &mut self,
        turn: &mut Turn,
        command: Command,
        answer: oneshot::Sender<Result<Reply, Failure>>,
    ) {
        if self.displaced {
            return respond(turn, answer, Err(failure("leaving", "the engine is leaving")));
        }
        if let Some(run) = command.run()
            && let Err(failure) = self.ensure(run)
            && !matches!(command, Command::StartRun { .. })
        {
            return respond(turn, answer, Err(failure));
        }
        let begins = matches!(command, Command::StartRun { .. });
        let reply = self.consider(turn, Input::Command(command));
        if begins {
            self.consider(turn, Input::Command(Command::Measured(self.machine.clone())));
        }
        respond(turn, answer, reply.ok_or_else(|| failure("bad-request", "no command")));
    }

    /// Decides one input and takes in what follows from it.
    fn consider(&mut self, turn: &mut Turn, input: Input) -> Option<Reply> {
        turn.considered = true;
        if let Input::Command(command) = &input {
            self.world.exports.hear(command);
        }
        let Decision { events, effects, reply } = decide(&self.state, turn.at, input);
        for event in events {
            if let Err(illegal) = self.state.apply(turn.at, &event) {
                // A defect of the core. What was applied stands; what would follow from the rest does not.
                tracing::error!(%illegal, "an event that cannot follow was dropped");
                return reply;
            }
            turn.events.push(event);
        }
        turn.effects.extend(effects);
        reply
    }

    /// Ends a turn: what can be done next, the log, the answers, the followers, the effects.
    async fn finish(&mut self, mut turn: Turn, asked: &mut mpsc::Receiver<Asked>) -> Result<(), StoreError> {
        while turn.considered {
            let before = turn.events.len() + turn.effects.len();
            self.consider(&mut turn, Input::Tick);
            turn.considered = turn.events.len() + turn.effects.len() > before;
            self.wake = next_wake(&self.state, turn.at);
        }
        let at = turn.at;
        #[cfg(feature = "faults")]
        crate::fault::before_storing(&turn.events);
        let past = self.memory.ended(&self.state, &turn.events);
        let numbers = self.store_patiently(at, &turn.events, &past, asked).await?;
        #[cfg(feature = "faults")]
        crate::fault::after_storing(&turn.events);
        self.memory.share(&self.state, past);
        if !self.displaced {
            let last = figures::last_looks(&turn.events, |step| self.live.figures.get(step));
            figures::keep(&mut self.store, at, &last, None);
        }
        turn.answers.into_iter().for_each(|answer| answer());
        let touched: BTreeSet<RunId> = turn.events.iter().filter_map(Event::run).cloned().collect();
        for (seq, event) in numbers.into_iter().zip(turn.events) {
            self.seq = seq;
            self.publish(StoredEvent { seq, at, event });
        }
        touched.iter().for_each(|run| self.tell_rest(run));
        for effect in turn.effects {
            if let Some(run) = self.state.runs.get(effect.run()) {
                effects::start(&self.world, run, effect);
            }
        }
        Ok(())
    }

    /// Stores, and where the disk is full waits until there is room: nothing new begins meanwhile, because nothing is
    /// begun before it is stored. Whoever asks is told so.
    async fn store_patiently(
        &mut self,
        at: Timestamp,
        events: &[Event],
        past: &[PastTask],
        asked: &mut mpsc::Receiver<Asked>,
    ) -> Result<Vec<u64>, StoreError> {
        if self.displaced {
            return Ok(self.unstored(events.len()));
        }
        let mut said = false;
        loop {
            let error = match self.store.append_with(at, events, past) {
                Err(error @ (StoreError::Full | StoreError::Locked | StoreError::Unwritable { .. })) => error,
                other => return other,
            };
            if !said {
                tracing::warn!(%error, "the log cannot be written; the engine waits until it can");
                said = true;
            }
            let mut again = std::pin::pin!(tokio::time::sleep(ROOM_AGAIN));
            loop {
                tokio::select! {
                    Some(message) = asked.recv() => self.refuse(message, &error),
                    () = &mut again => break,
                }
            }
        }
    }

    fn publish(&mut self, stored: StoredEvent) {
        self.forget_step(&stored.event);
        self.monitor.touch();
        let report = match &stored.event {
            Event::RunFinished { run, .. } => {
                self.state.runs.get(run).map(|run| Box::new(run.report(stored.at)))
            }
            _ => None,
        };
        let fact = Fact { stored, report };
        match fact.event.run() {
            Some(run) => self.followers.event(run, &fact),
            // What is decided for all runs is news to the followers of each.
            None => self.state.runs.keys().for_each(|run| self.followers.event(run, &fact)),
        }
        if self.watchers.any() {
            self.watchers.fact(fact);
        }
    }

    /// Once everything about it has gone out: the end of what its followers get.
    fn tell_rest(&mut self, run: &RunId) {
        let Some(run) = self.state.runs.get(run).filter(|run| run.rests() && !self.displaced) else { return };
        // First the files: who hears of the end may look into them.
        self.monitor.write_last(&self.state, &self.live, clock::now());
        self.followers.rest(self.view(run));
    }

    /// What is known of a step beyond its state goes with its end; an attempt's ports with the attempt's work.
    fn forget_step(&mut self, event: &Event) {
        match event {
            Event::StepEnded { step, .. } => {
                self.live.forget(step);
            }
            Event::TaskFinished { run, task, .. } => {
                let run = self.state.runs.get(run);
                if let Some((run, at)) = run.and_then(|run| Some((run, run.position(task)?))) {
                    self.world.release_ports(&run.attempt_id(at, run.tasks[at].attempts));
                }
            }
            _ => {}
        }
    }

    fn client_came(&mut self) {
        self.clients += 1;
        self.met = true;
    }

    /// A clock that was set, or a machine that slept: what is timed by the clock must not fall due for that.
    fn compare_clocks(&mut self, turn: &mut Turn) {
        /// Clocks that are merely made to run a little faster or slower differ by far less between two turns.
        const JUMP: i64 = 2_000;
        let now = (turn.at, Instant::now());
        let steady = i64::try_from(now.1.saturating_duration_since(self.clocks.1).as_millis()).unwrap_or(0);
        let by = now.0.0.saturating_sub(self.clocks.0.0).saturating_sub(steady);
        #[cfg(feature = "faults")]
        let by = by + crate::fault::jump();
        self.clocks = now;
        if by.abs() > JUMP {
            tracing::warn!(by, "the clock jumped");
            self.consider(turn, Input::Command(Command::ClockJumped { by }));
        }
    }

    fn view(&self, run: &RunState) -> RunView {
        run_view(&self.state, run, &self.live, &self.world.layout, self.seq, clock::now())
    }
}

/// The answer goes out once the turn's facts are durable. Nobody waiting for it any more is no failure.
fn respond<T: Send + 'static>(turn: &mut Turn, to: oneshot::Sender<T>, answer: T) {
    turn.answers.push(Box::new(move || drop(to.send(answer))));
}

pub(crate) fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure { code: code.to_owned(), message: message.into(), hint: None }
}

async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since(clock::now()).0)).await,
        None => std::future::pending().await,
    }
}

async fn maybe(sleep: &mut Option<std::pin::Pin<Box<tokio::time::Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}
