//! The world that effects act on: processes, branches, conversations. It goes on while the engine is away.

use std::collections::{BTreeMap, HashMap};

use gadugi_core::{
    AgentEnd, Appraisal, AttemptId, Collected, CommitId, Composition, Effect, EndClass, Millis, Phase,
    Process, Report, RunId, Salvage, SessionId, SessionMode, StepEnd, StepExit, StepId, StepKind, StopForce,
    TaskId, Timestamp,
};

use super::dice::{Dice, Key, Quick, What};
use super::ends::{self, About, Fate};
use super::git::Git;
use super::names::{self, AttemptAt, StepAt, TaskAt};

/// What follows from carrying out an effect, in so many milliseconds.
pub(super) enum After {
    /// The effect reports.
    Report(Report),
    /// The step's process ends, whoever is watching.
    Ends(StepId, StepEnd),
    /// Its agent gives its result, and the process stays.
    Lingers(StepId, AgentEnd),
    /// It gives no sign of life for so long; for ever where no time is named.
    Mute(StepId, Option<u64>),
}

/// A step that was started, or could not be.
pub(super) struct Step {
    kind: StepKind,
    process: Process,
    since: Timestamp,
    budget: Option<u64>,
    /// Since when it has given no sign of life.
    mute: Option<Timestamp>,
    /// What its agent said in the end, where the process stayed.
    said: Option<AgentEnd>,
    /// How it ended, where it has.
    end: Option<StepEnd>,
    /// The engine that follows its files.
    pub(super) follower: u32,
}

/// What an attempt's work is known to be.
#[derive(Default)]
struct Work {
    collected: Option<Collected>,
    /// Its agent says that nothing needs changing.
    no_change: bool,
    /// What it left uncommitted was looked at.
    pub(super) salvaged: bool,
}

/// Everything outside the engine.
pub(super) struct World {
    /// As the machine's clock has it, which may be set.
    pub(super) now: Timestamp,
    /// As a clock has it that nobody sets.
    pub(super) steady: Timestamp,
    pub(super) epoch: u32,
    /// Bad ends, out of a thousand; 0 once the world behaves.
    pub(super) trouble: u32,
    grace: Millis,
    pub(super) git: Git,
    steps: Quick<StepAt, Step>,
    live: BTreeMap<TaskAt, StepId>,
    /// Conversations, and whether they can be taken up.
    sessions: HashMap<SessionId, bool>,
    works: Quick<AttemptAt, Work>,
    conflicts: Quick<(u32, u32), bool>,
}

type Afters = Vec<(u64, After)>;

/// When every story begins.
pub(super) const BEGINNING: Timestamp = Timestamp(1_700_000_000_000);

impl World {
    pub(super) fn new(trouble: u32, grace: Millis) -> Self {
        Self {
            now: BEGINNING,
            steady: BEGINNING,
            epoch: 1,
            trouble,
            grace,
            git: Git::new(),
            steps: Quick::default(),
            live: BTreeMap::new(),
            sessions: HashMap::new(),
            works: Quick::default(),
            conflicts: Quick::default(),
        }
    }

    /// Carries out an effect; `about` names it.
    pub(super) fn perform(&mut self, dice: &mut Dice, about: Key, effect: &Effect) -> Result<Afters, String> {
        let length = dice.pick(about.also(What::Takes), 10, |rng| {
            let longest = if rng.chance(60) { 60_000 } else { 400 };
            rng.between(1..=longest)
        });
        let report = match effect {
            Effect::OpenIntegration { run, .. } => self.open(dice, about, run),
            Effect::PrepareWorkspace { attempt, .. } => self.prepare(dice, about, attempt),
            Effect::LaunchStep { step, kind, budget } => {
                let about = About { key: about, kind, now: self.now, budget: *budget };
                return self.launch(dice, step, &about);
            }
            Effect::AdoptStep { step, .. } => return Ok(self.adopt(dice, about, step)),
            Effect::StopStep { step, force } => return Ok(self.stop(dice, about, step, *force)),
            Effect::CollectWork { attempt, .. } => self.collect(dice, attempt),
            Effect::TakeAnswer { step } => self.appraise(dice, step),
            Effect::Compose { run, task, work, onto } => self.compose(dice, about, (run, task), work, onto),
            Effect::Advance { run, task, from, to } => self.advance(dice, about, (run, task), from, to),
            Effect::SalvageWork { attempt } => self.salvage(dice, about, attempt),
            Effect::MakeRoom { .. } => return Ok(Vec::new()),
            Effect::TidyRun { run } => Report::Tidied { run: run.clone(), kept: Vec::new() },
        };
        Ok(vec![(length, After::Report(report))])
    }

    fn open(&mut self, dice: &mut Dice, about: Key, run: &RunId) -> Report {
        let number = names::number(run);
        let fails = dice.chance(about.also(What::Fails), self.trouble / 20);
        let result = if fails && !self.git.has_branch(number) {
            Err("the folder is not writable".to_owned())
        } else {
            Ok(self.git.open(number))
        };
        Report::IntegrationOpened { run: run.clone(), result }
    }

    fn prepare(&mut self, dice: &mut Dice, about: Key, attempt: &AttemptId) -> Report {
        let result = if dice.chance(about.also(What::Fails), self.trouble / 4) {
            Err("no space".to_owned())
        } else {
            let path = format!(".worktrees/{}-{}", attempt.task, attempt.attempt);
            Ok((path, format!("feature/{}", attempt.task)))
        };
        Report::WorkspacePrepared { attempt: attempt.clone(), result }
    }

    fn launch(&mut self, dice: &mut Dice, id: &StepId, about: &About<'_>) -> Result<Afters, String> {
        let at = names::step_at(id);
        if self.steps.contains_key(&at) {
            return Ok(Vec::new());
        }
        if let Some(other) = self.live.get(&(at.0, at.1)) {
            return Err(format!("{id} is started while {other} runs"));
        }
        let fate = Fate::draw(dice, about, self.trouble);
        let pid = 1000 + u32::try_from(self.steps.len()).unwrap_or(0);
        let mut step = Step {
            kind: about.kind.clone(),
            process: Process { pid, start_ticks: 7, boot: "boot".into() },
            since: self.steady,
            budget: about.budget,
            mute: None,
            said: None,
            end: None,
            follower: self.epoch,
        };
        if fate == Fate::NotStarted {
            let end = ends::plain(StepExit::NotStarted("no such program".into()));
            step.end = Some(end.clone());
            let started = Report::StepStarted { step: id.clone(), process: step.process.clone() };
            self.steps.insert(at, step);
            // Sometimes there was a shim at least.
            let shim = dice.chance(about.key.also(What::Begins).and(1), 300);
            let started = shim.then_some((1, After::Report(started)));
            let ended = After::Report(Report::StepEnded { step: id.clone(), end });
            return Ok(started.into_iter().chain([(2, ended)]).collect());
        }
        self.begin_conversation(about.kind)?;
        let started = Report::StepStarted { step: id.clone(), process: step.process.clone() };
        self.steps.insert(at, step);
        self.live.insert((at.0, at.1), id.clone());
        let begins = dice.pick(about.key.also(What::Begins), 5, |rng| rng.between(1..=50));
        let mut after = vec![(begins, After::Report(started))];
        match (fate, fate.end(dice, about)) {
            (Fate::Lingers, Some((length, StepEnd { agent: Some(said), .. }))) => {
                after.push((length.0, After::Lingers(id.clone(), said)));
            }
            (_, Some((length, end))) => after.push((length.0, After::Ends(id.clone(), end))),
            (Fate::Hangs, None) => after.push((begins, After::Mute(id.clone(), None))),
            (_, None) => {}
        }
        after.extend(phase(dice, id, about));
        after.extend(thought(dice, id, about, self.trouble));
        Ok(after)
    }

    /// A conversation is begun once, and only one that was begun can be taken up.
    fn begin_conversation(&mut self, kind: &StepKind) -> Result<(), String> {
        match kind {
            StepKind::Agent { session, mode: SessionMode::Fresh }
                if self.sessions.insert(session.clone(), true).is_some() =>
            {
                Err(format!("session {session} is already in use"))
            }
            StepKind::Agent { session, mode: SessionMode::Resume }
                if self.sessions.get(session) != Some(&true) =>
            {
                Err(format!("no conversation found for session {session}"))
            }
            _ => Ok(()),
        }
    }

    /// Finds a step and follows it. A step of which there is no trace is lost.
    fn adopt(&mut self, dice: &mut Dice, about: Key, id: &StepId) -> Afters {
        let ended = |end: StepEnd| After::Report(Report::StepEnded { step: id.clone(), end });
        let Some(step) = self.steps.get_mut(&names::step_at(id)) else {
            return vec![(1, ended(ends::plain(StepExit::Lost)))];
        };
        step.follower = self.epoch;
        let started = After::Report(Report::StepStarted { step: id.clone(), process: step.process.clone() });
        match &step.end {
            None => vec![(1, started)],
            Some(end) if matches!(end.exit, StepExit::NotStarted(_)) => vec![(1, ended(end.clone()))],
            Some(end) if dice.chance(about.also(What::Adopts), 300) => vec![(1, ended(end.clone()))],
            Some(end) => vec![(1, started), (2, ended(end.clone()))],
        }
    }

    fn stop(&mut self, dice: &mut Dice, about: Key, id: &StepId, force: StopForce) -> Afters {
        // An engine can only stop what it follows: a stop that overtakes the adoption is lost.
        let epoch = self.epoch;
        let step = self.steps.get(&names::step_at(id));
        let followed = step.filter(|step| step.end.is_none() && step.follower == epoch);
        let Some(step) = followed else { return Vec::new() };
        let about = About { key: about, kind: &step.kind, now: self.now, budget: step.budget };
        let (length, mut end) = match force {
            StopForce::Now => (5, ends::killed()),
            StopForce::Grace => {
                let grace = self.grace.0;
                let length = dice.pick(about.key.also(What::Stops), 100, |rng| rng.between(1..=grace));
                (length, ends::stopped(dice, &about))
            }
        };
        if step.said.is_some() {
            end.agent.clone_from(&step.said);
        }
        vec![(length, After::Ends(id.clone(), end))]
    }

    /// The process ends. None where it is over already; else the end as the files have it.
    pub(super) fn end(&mut self, id: &StepId, mut end: StepEnd) -> Option<StepEnd> {
        let at = names::step_at(id);
        let step = self.steps.get_mut(&at).filter(|step| step.end.is_none())?;
        end.wall = self.steady.since(step.since);
        step.end = Some(end.clone());
        self.live.remove(&(at.0, at.1));
        if let StepKind::Verify { commit } = &step.kind
            && end.passed()
        {
            self.git.verify(commit);
        }
        if let (StepKind::Agent { session, .. }, Some(EndClass::NoSession)) =
            (&step.kind, end.agent.as_ref().map(|agent| &agent.class))
        {
            self.sessions.insert(session.clone(), false);
        }
        if let Some(agent) = &end.agent {
            self.works.entry(names::attempt_at(&id.attempt)).or_default().no_change =
                agent.no_change.is_some();
        }
        Some(end)
    }

    /// Its agent has given its result, and the process stays.
    pub(super) fn linger(&mut self, id: &StepId, said: AgentEnd) {
        let now = self.steady;
        if let Some(step) = self.steps.get_mut(&names::step_at(id)).filter(|step| step.end.is_none()) {
            (step.said, step.mute) = (Some(said), Some(now));
        }
    }

    /// From now on it gives signs of life, or none. False where it is over, or silent for good.
    pub(super) fn mute(&mut self, id: &StepId, mute: bool) -> bool {
        let now = self.steady;
        let step = self.steps.get_mut(&names::step_at(id));
        let Some(step) = step.filter(|step| step.end.is_none() && step.said.is_none()) else { return false };
        step.mute = mute.then_some(now);
        true
    }

    /// What is to be seen of a step that gives no sign of life: for how long, and whether its agent has given its result.
    pub(super) fn quiet(&self, id: &StepId) -> Option<(Millis, bool)> {
        let step = self.steps.get(&names::step_at(id)).filter(|step| step.end.is_none())?;
        Some((self.steady.since(step.mute?), step.said.is_some()))
    }

    fn salvage(&mut self, dice: &mut Dice, about: Key, attempt: &AttemptId) -> Report {
        self.works.entry(names::attempt_at(attempt)).or_default().salvaged = true;
        let salvage = match dice.pick(about.also(What::Rest), 0, |rng| rng.below(4)) {
            1 => {
                Salvage::Kept { reference: format!("refs/gadugi/salvage/{attempt}"), commit: self.git.work() }
            }
            2 if self.trouble > 0 => Salvage::Failed { because: "index.lock is there".into() },
            _ => Salvage::Nothing,
        };
        Report::WorkSalvaged { attempt: attempt.clone(), salvage }
    }

    /// Whether somebody looked at what that attempt left uncommitted.
    pub(super) fn is_salvaged(&self, attempt: AttemptAt) -> bool {
        self.works.get(&attempt).is_some_and(|work| work.salvaged)
    }

    /// Processes that nobody renews the lease of.
    pub(super) fn running(&self) -> Vec<StepId> {
        self.live.values().cloned().collect()
    }

    pub(super) fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.get(&names::step_at(id))
    }

    pub(super) fn live(&self, task: TaskAt) -> Option<&StepId> {
        self.live.get(&task)
    }

    fn collect(&mut self, dice: &mut Dice, attempt: &AttemptId) -> Report {
        let at = names::attempt_at(attempt);
        let about = dice.again(Key::of(What::Fails, &[at.0, at.1, at.2]));
        let work = self.works.entry(at).or_default();
        let result = match &work.collected {
            Some(collected) => Ok(collected.clone()),
            None if dice.chance(about, self.trouble / 8) => Err("index.lock is there".to_owned()),
            None => {
                let idle = work.no_change || dice.chance(about.also(What::Idle), self.trouble / 6);
                let changed = if idle { Vec::new() } else { vec![format!("src/{}.rs", attempt.task)] };
                let committed_rest = dice.chance(about.also(What::Rest), 300);
                let collected = Collected { commit: self.git.work(), changed, committed_rest };
                work.collected = Some(collected.clone());
                Ok(collected)
            }
        };
        Report::WorkCollected { attempt: attempt.clone(), result }
    }

    /// What an answer is worth is the same however often it is looked at.
    fn appraise(&mut self, dice: &mut Dice, step: &StepId) -> Report {
        let about = Key::of(What::Answers, &<[u32; 4]>::from(names::step_at(step)));
        let unreadable = dice.chance(about, self.trouble / 20);
        let faults = dice.chance(about.and(1), self.trouble);
        let doubts = dice.chance(about.and(2), self.trouble);
        let words = |any: bool, word: &str| if any { vec![word.to_owned()] } else { Vec::new() };
        let appraisal = Appraisal {
            gist: "3 tasks".into(),
            faults: words(faults, "it is no JSON"),
            doubts: words(doubts, "two write one file"),
        };
        let result = if unreadable { Err("gone".to_owned()) } else { Ok(appraisal) };
        Report::AnswerTaken { step: step.clone(), result }
    }

    fn compose(
        &mut self,
        dice: &mut Dice,
        about: Key,
        (run, task): (&RunId, &TaskId),
        work: &CommitId,
        onto: &CommitId,
    ) -> Report {
        let conflicting = dice.chance(about.also(What::Conflicts), self.trouble / 2);
        let both = (names::number(work), names::number(onto));
        let conflicts = *self.conflicts.entry(both).or_insert(conflicting);
        let result = if conflicts {
            Composition::Conflict(vec!["src/lib.rs".into()])
        } else if dice.chance(about.also(What::Fails), self.trouble / 20) {
            Composition::Failed("bad object".into())
        } else {
            Composition::Clean(self.git.compose(work, onto))
        };
        let (run, task) = (run.clone(), task.clone());
        Report::Composed { run, task, work: work.clone(), onto: onto.clone(), result }
    }

    fn advance(
        &mut self,
        dice: &mut Dice,
        about: Key,
        (run, task): (&RunId, &TaskId),
        from: &CommitId,
        to: &CommitId,
    ) -> Report {
        let trouble = self.trouble / 20;
        let fails = || dice.chance(about.also(What::Fails), trouble);
        let result = self.git.advance(names::number(run), from, to, fails);
        Report::Advanced { run: run.clone(), task: task.clone(), to: to.clone(), result }
    }

    pub(super) fn claims_no_change(&self, attempt: AttemptAt) -> bool {
        let empty = |work: &Work| work.collected.as_ref().is_some_and(|work| work.changed.is_empty());
        self.works.get(&attempt).is_some_and(|work| work.no_change && empty(work))
    }
}

/// Sometimes the agent says that it has reached a phase.
fn phase(dice: &mut Dice, id: &StepId, about: &About<'_>) -> Option<(u64, After)> {
    if !about.is_agent() || !dice.chance(about.key.also(What::Phase), 400) {
        return None;
    }
    let number = dice.pick(about.key.also(What::Phase).and(1), 4, |rng| rng.between(4..=7));
    let phase = Phase::from_number(number as u8).unwrap_or(Phase::Implementation);
    let delay = dice.pick(about.key.also(What::Phase).and(2), 10, |rng| rng.between(1..=60_000));
    Some((delay, After::Report(Report::PhaseReached { step: id.clone(), phase })))
}

/// Sometimes a step that is well says and does nothing for a while.
fn thought(dice: &mut Dice, id: &StepId, about: &About<'_>, trouble: u32) -> Option<(u64, After)> {
    let length = dice.pick(about.key.also(What::Thinks), 0, |rng| {
        if rng.chance(trouble / 3) { rng.between(1_000..=400_000) } else { 0 }
    });
    (length > 0).then(|| (length % 1000, After::Mute(id.clone(), Some(length))))
}
