//! The world that effects act on: processes, branches, conversations. It goes on while the engine is away.

use std::collections::{BTreeMap, BTreeSet};

use gadugi_core::{
    AdvanceFailure, AttemptId, Collected, CommitId, Composition, Effect, Millis, Phase, Process, Report,
    RunId, SessionId, SessionMode, StepEnd, StepExit, StepId, StepKind, StopForce, TaskId, Timestamp,
};

use super::ends::{self, Fate};
use super::rng::Rng;

/// What follows from carrying out an effect, in so many milliseconds.
pub(super) enum After {
    /// The effect reports.
    Report(Report),
    /// The step's process ends, whoever is watching.
    Ends(StepId, StepEnd),
}

/// A step that was started, or could not be.
pub(super) struct Step {
    kind: StepKind,
    process: Process,
    since: Timestamp,
    /// How it ended, where it has.
    end: Option<StepEnd>,
    /// The engine that follows its files.
    pub(super) follower: u32,
}

struct Commit {
    parent: Option<CommitId>,
    /// The task's work that came in with it.
    work: Option<CommitId>,
}

/// Everything outside the engine.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) epoch: u32,
    /// Bad ends, out of a thousand; 0 once the world behaves.
    pub(super) trouble: u32,
    grace: Millis,
    commits: BTreeMap<CommitId, Commit>,
    branches: BTreeMap<RunId, CommitId>,
    steps: BTreeMap<StepId, Step>,
    live: BTreeMap<(RunId, TaskId), StepId>,
    sessions: BTreeSet<SessionId>,
    collected: BTreeMap<AttemptId, Collected>,
    no_change: BTreeMap<AttemptId, bool>,
    conflicts: BTreeMap<(CommitId, CommitId), bool>,
    verified: BTreeSet<CommitId>,
    /// Commits that git would not put on a branch: whoever asks again is told the same.
    refused: BTreeSet<CommitId>,
}

type Afters = Vec<(u64, After)>;

impl World {
    pub(super) fn new(trouble: u32, grace: Millis) -> Self {
        let mut world = Self {
            now: Timestamp(1_700_000_000_000),
            epoch: 1,
            trouble,
            grace,
            commits: BTreeMap::new(),
            branches: BTreeMap::new(),
            steps: BTreeMap::new(),
            live: BTreeMap::new(),
            sessions: BTreeSet::new(),
            collected: BTreeMap::new(),
            no_change: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            verified: BTreeSet::new(),
            refused: BTreeSet::new(),
        };
        world.commit(None, None);
        world
    }

    /// The commit that every run is made for.
    pub(super) fn base(&self) -> CommitId {
        CommitId::new("c0")
    }

    fn commit(&mut self, parent: Option<CommitId>, work: Option<CommitId>) -> CommitId {
        let id = CommitId::new(format!("c{}", self.commits.len()));
        self.commits.insert(id.clone(), Commit { parent, work });
        id
    }

    /// Carries out an effect.
    pub(super) fn perform(&mut self, rng: &mut Rng, effect: &Effect) -> Result<Afters, String> {
        let longest = if rng.chance(60) { 60_000 } else { 400 };
        let length = rng.between(1..=longest);
        let report = match effect {
            Effect::OpenIntegration { run, base, .. } => self.open(rng, run, base),
            Effect::PrepareWorkspace { attempt, .. } => self.prepare(rng, attempt),
            Effect::LaunchStep { step, kind } => return self.launch(rng, step, kind),
            Effect::AdoptStep { step, .. } => return Ok(self.adopt(rng, step)),
            Effect::StopStep { step, force } => return Ok(self.stop(rng, step, *force)),
            Effect::CollectWork { attempt, .. } => self.collect(rng, attempt),
            Effect::Compose { run, task, work, onto } => self.compose(rng, (run, task), work, onto),
            Effect::Advance { run, task, from, to } => self.advance(rng, (run, task), from, to),
            Effect::TidyRun { run } => Report::Tidied { run: run.clone(), kept: Vec::new() },
        };
        Ok(vec![(length, After::Report(report))])
    }

    fn open(&mut self, rng: &mut Rng, run: &RunId, base: &CommitId) -> Report {
        let result = if rng.chance(self.trouble / 20) && !self.branches.contains_key(run) {
            Err("the folder is not writable".to_owned())
        } else {
            Ok(self.branches.entry(run.clone()).or_insert_with(|| base.clone()).clone())
        };
        Report::IntegrationOpened { run: run.clone(), result }
    }

    fn prepare(&mut self, rng: &mut Rng, attempt: &AttemptId) -> Report {
        let result = if rng.chance(self.trouble / 4) {
            Err("no space".to_owned())
        } else {
            Ok((
                format!(".worktrees/{}-{}", attempt.task, attempt.attempt),
                format!("feature/{}", attempt.task),
            ))
        };
        Report::WorkspacePrepared { attempt: attempt.clone(), result }
    }

    fn launch(&mut self, rng: &mut Rng, id: &StepId, kind: &StepKind) -> Result<Afters, String> {
        if self.steps.contains_key(id) {
            return Ok(Vec::new());
        }
        let place = (id.attempt.run.clone(), id.attempt.task.clone());
        if let Some(other) = self.live.get(&place) {
            return Err(format!("{id} is started while {other} runs"));
        }
        let fate = Fate::draw(rng, kind, self.trouble);
        let process = Process { pid: 1000 + self.steps.len() as u32, start_ticks: 7, boot: "boot".into() };
        let mut step = Step { kind: kind.clone(), process, since: self.now, end: None, follower: self.epoch };
        if let Fate::NotStarted = fate {
            let end = ends::plain(StepExit::NotStarted("no such program".into()), Millis(0));
            step.end = Some(end.clone());
            self.steps.insert(id.clone(), step);
            return Ok(vec![(1, After::Report(Report::StepEnded { step: id.clone(), end }))]);
        }
        self.begin_conversation(kind)?;
        let started = Report::StepStarted { step: id.clone(), process: step.process.clone() };
        self.steps.insert(id.clone(), step);
        self.live.insert(place, id.clone());
        let mut after = vec![(rng.between(1..=50), After::Report(started))];
        if let Some((length, end)) = fate.end(rng, kind) {
            after.push((length.0, After::Ends(id.clone(), end)));
        }
        if matches!(kind, StepKind::Agent { .. }) && rng.chance(400) {
            let phase = Phase::from_number(rng.between(4..=7) as u8).unwrap_or(Phase::Implementation);
            let report = Report::PhaseReached { step: id.clone(), phase };
            after.push((rng.between(1..=60_000), After::Report(report)));
        }
        Ok(after)
    }

    /// A conversation is begun once, and only one that was begun can be taken up.
    fn begin_conversation(&mut self, kind: &StepKind) -> Result<(), String> {
        match kind {
            StepKind::Agent { session, mode: SessionMode::Fresh }
                if !self.sessions.insert(session.clone()) =>
            {
                Err(format!("session {session} is already in use"))
            }
            StepKind::Agent { session, mode: SessionMode::Resume } if !self.sessions.contains(session) => {
                Err(format!("no conversation found for session {session}"))
            }
            _ => Ok(()),
        }
    }

    /// Finds a step and follows it. A step of which there is no trace is lost.
    fn adopt(&mut self, rng: &mut Rng, id: &StepId) -> Afters {
        let ended = |end: StepEnd| After::Report(Report::StepEnded { step: id.clone(), end });
        let Some(step) = self.steps.get_mut(id) else {
            return vec![(1, ended(ends::plain(StepExit::Lost, Millis(0))))];
        };
        step.follower = self.epoch;
        let started = After::Report(Report::StepStarted { step: id.clone(), process: step.process.clone() });
        match &step.end {
            None => vec![(1, started)],
            Some(end) if matches!(end.exit, StepExit::NotStarted(_)) => vec![(1, ended(end.clone()))],
            Some(end) if rng.chance(300) => vec![(1, ended(end.clone()))],
            Some(end) => vec![(1, started), (2, ended(end.clone()))],
        }
    }

    fn stop(&mut self, rng: &mut Rng, id: &StepId, force: StopForce) -> Afters {
        // An engine can only stop what it follows: a stop that overtakes the adoption is lost.
        let epoch = self.epoch;
        let followed = self.steps.get(id).filter(|step| step.end.is_none() && step.follower == epoch);
        let Some(step) = followed else { return Vec::new() };
        let (length, end) = match force {
            StopForce::Now => (5, ends::killed()),
            StopForce::Grace => (rng.between(1..=self.grace.0), ends::stopped(rng, &step.kind)),
        };
        vec![(length, After::Ends(id.clone(), end))]
    }

    /// The process ends. None where it is over already; else the end as the files have it.
    pub(super) fn end(&mut self, id: &StepId, mut end: StepEnd) -> Option<StepEnd> {
        let step = self.steps.get_mut(id).filter(|step| step.end.is_none())?;
        end.wall = self.now.since(step.since);
        step.end = Some(end.clone());
        self.live.remove(&(id.attempt.run.clone(), id.attempt.task.clone()));
        if let StepKind::Verify { commit } = &step.kind
            && end.passed()
        {
            self.verified.insert(commit.clone());
        }
        if let Some(agent) = &end.agent {
            self.no_change.insert(id.attempt.clone(), agent.no_change.is_some());
        }
        Some(end)
    }

    /// Processes that nobody renews the lease of.
    pub(super) fn running(&self) -> Vec<StepId> {
        self.live.values().cloned().collect()
    }

    pub(super) fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.get(id)
    }

    pub(super) fn live(&self, run: &RunId, task: &TaskId) -> Option<&StepId> {
        self.live.get(&(run.clone(), task.clone()))
    }

    fn collect(&mut self, rng: &mut Rng, attempt: &AttemptId) -> Report {
        let known = self.collected.get(attempt).cloned();
        let result = match known {
            Some(collected) => Ok(collected),
            None if rng.chance(self.trouble / 8) => Err("index.lock is there".to_owned()),
            None => {
                let idle =
                    self.no_change.get(attempt).copied().unwrap_or(false) || rng.chance(self.trouble / 6);
                let commit = self.commit(None, None);
                let changed = if idle { Vec::new() } else { vec![format!("src/{}.rs", attempt.task)] };
                let collected = Collected { commit, changed, committed_rest: rng.chance(300) };
                self.collected.insert(attempt.clone(), collected.clone());
                Ok(collected)
            }
        };
        Report::WorkCollected { attempt: attempt.clone(), result }
    }

    fn compose(
        &mut self,
        rng: &mut Rng,
        (run, task): (&RunId, &TaskId),
        work: &CommitId,
        onto: &CommitId,
    ) -> Report {
        let conflicting = rng.chance(self.trouble / 2);
        let conflicts = *self.conflicts.entry((work.clone(), onto.clone())).or_insert(conflicting);
        let result = if conflicts {
            Composition::Conflict(vec!["src/lib.rs".into()])
        } else if rng.chance(self.trouble / 20) {
            Composition::Failed("bad object".into())
        } else {
            Composition::Clean(self.commit(Some(onto.clone()), Some(work.clone())))
        };
        Report::Composed {
            run: run.clone(),
            task: task.clone(),
            work: work.clone(),
            onto: onto.clone(),
            result,
        }
    }

    /// Moves the branch if it is where it should be. Where it holds the commit already, that is as good.
    fn advance(
        &mut self,
        rng: &mut Rng,
        (run, task): (&RunId, &TaskId),
        from: &CommitId,
        to: &CommitId,
    ) -> Report {
        let tip = self.branches.get(run).cloned().unwrap_or_else(|| self.base());
        let result = if self.line(&tip).any(|commit| commit == to) {
            Ok(())
        } else if tip != *from {
            Err(AdvanceFailure::Moved(tip))
        } else if self.refused.contains(to) || rng.chance(self.trouble / 20) {
            self.refused.insert(to.clone());
            Err(AdvanceFailure::Failed("cannot lock ref".into()))
        } else {
            self.branches.insert(run.clone(), to.clone());
            Ok(())
        };
        Report::Advanced { run: run.clone(), task: task.clone(), to: to.clone(), result }
    }

    /// Somebody commits to the integration branch behind the engine's back.
    pub(super) fn intrude(&mut self, run: &RunId) {
        if let Some(tip) = self.branches.get(run).cloned() {
            let commit = self.commit(Some(tip), None);
            self.branches.insert(run.clone(), commit);
        }
    }

    /// A commit and its first parents.
    fn line<'a>(&'a self, tip: &'a CommitId) -> impl Iterator<Item = &'a CommitId> {
        std::iter::successors(Some(tip), |at| self.commits.get(at)?.parent.as_ref())
    }

    /// Whether a commit holds that work.
    pub(super) fn holds(&self, commit: &CommitId, work: &CommitId) -> bool {
        self.line(commit).any(|at| self.commits.get(at).and_then(|commit| commit.work.as_ref()) == Some(work))
    }

    /// The works that a run's branch holds, newest first, each as often as it was merged.
    pub(super) fn merged(&self, run: &RunId) -> Vec<CommitId> {
        let Some(tip) = self.branches.get(run) else { return Vec::new() };
        self.line(tip).filter_map(|at| self.commits.get(at)?.work.clone()).collect()
    }

    /// The work that came in with a commit, and what it was merged onto.
    pub(super) fn parents(&self, commit: &CommitId) -> Option<(&CommitId, &CommitId)> {
        let commit = self.commits.get(commit)?;
        Some((commit.parent.as_ref()?, commit.work.as_ref()?))
    }

    pub(super) fn is_verified(&self, commit: &CommitId) -> bool {
        self.verified.contains(commit)
    }

    pub(super) fn claims_no_change(&self, attempt: &AttemptId) -> bool {
        self.no_change.get(attempt).copied().unwrap_or(false)
            && self.collected.get(attempt).is_some_and(|collected| collected.changed.is_empty())
    }
}
