//! What may happen to a task, and when.

use gadugi_core::{
    CommitId, Event, Millis, Outcome, SkipReason, StepId, StepKind, StopCause, Timestamp, Verdict,
};

use super::super::names;
use super::super::world::World;
use super::faults::Fault;
use super::run::{Mood, Run};
use super::task::{Active, Place, Task};
use super::{Accounts, Checked, SMALL, ensure};

/// A step that may cost less is not worth beginning, in millionths of a US dollar.
const NOT_WORTH_IT: u64 = 10_000;

impl Run {
    pub(super) fn may_happen(&self, world: &World, accounts: &Accounts, id: u32, event: &Event) -> Checked {
        let known = self.tasks.get(&id).ok_or_else(|| format!("t{id} is not in the plan"))?;
        match event {
            Event::AttemptStarted { base, .. } => {
                ensure(known.outcome.is_none() && known.active.is_none(), || {
                    format!("t{id} begins, but is under way or over")
                })?;
                self.may_begin(world, accounts, id, base)
            }
            Event::StepIntended { what, reserved, .. } => {
                self.may_step(world, accounts, id, what)?;
                self.may_cost(id, what, *reserved)
            }
            Event::StopRequested { cause, .. } => self.may_stop(world, accounts, id, *cause),
            Event::StepSuspected { step, .. } => self.may_suspect(id, step),
            Event::MergeStarted { .. } => self.may_merge(world, id),
            Event::TaskFinished { outcome, verdict, .. } => {
                let left = world.live((self.number, id));
                ensure(left.is_none(), || format!("t{id} is over and {left:?} still runs"))?;
                self.may_finish(world, id, outcome, *verdict)
            }
            Event::AttemptSuspended { until, alone, .. } => {
                let left = world.live((self.number, id));
                ensure(left.is_none(), || format!("t{id} is suspended and {left:?} still runs"))?;
                self.may_suspend(world, accounts, id, *until, *alone)
            }
            Event::MergePutBack { until, .. } => self.may_pause(world, id, *until),
            _ => Ok(()),
        }
    }

    fn active(&self, id: u32) -> Result<&Active, String> {
        self.tasks[&id].active.as_ref().ok_or_else(|| format!("t{id} is not under way"))
    }

    /// No dependency is broken, nobody paused the run, there is money, and nobody comes before it.
    fn may_begin(&self, world: &World, accounts: &Accounts, id: u32, base: &CommitId) -> Checked {
        let wanted = &self.wanted[&id];
        ensure(self.mood == Mood::Active, || format!("t{id} begins while the run is paused"))?;
        ensure(!self.refused, || format!("t{id} begins and its agent's credential is refused"))?;
        ensure(!self.tasks[&id].held, || format!("t{id} begins though it is paused"))?;
        ensure(self.tip.is_some(), || format!("t{id} begins before the integration branch is there"))?;
        ensure(self.left() != Some(0), || format!("t{id} begins and no money is left"))?;
        ensure(!accounts.limited(&wanted.agent, world.now), || {
            format!("t{id} begins before its agent's limit is lifted")
        })?;
        for (from, needs) in &wanted.before {
            let earlier = &self.tasks[from];
            ensure(earlier.outcome.is_some(), || format!("t{id} begins before t{from} is over"))?;
            let passed = self.still_open_before(*from);
            ensure(passed.is_none(), || {
                format!("t{id} begins before t{}, which t{from} was to follow, is over", passed.unwrap_or(id))
            })?;
            if *needs {
                ensure(earlier.outcome == Some(Outcome::Succeeded), || {
                    format!("t{id} begins though t{from} did not succeed")
                })?;
            }
            if let (Some(_), Some(work)) = (&earlier.merged, &earlier.work) {
                ensure(world.git.holds(self.number, base, work), || {
                    format!("t{id} begins at {base} without t{from}'s work")
                })?;
            }
        }
        Ok(())
    }

    fn may_step(&self, world: &World, accounts: &Accounts, id: u32, what: &StepKind) -> Checked {
        let (active, wanted) = (self.active(id)?, &self.wanted[&id]);
        ensure(self.mood != Mood::Interrupted, || format!("t{id} takes a step while interrupted"))?;
        ensure(active.step.is_none(), || format!("t{id} takes a step beside another"))?;
        ensure(active.stopping != Some(StopCause::Cancel), || {
            format!("t{id} takes a step, but is cancelled")
        })?;
        ensure(active.faults.bear(&self.settings.retry), || format!("t{id} is tried again too often"))?;
        if active.place == Place::Suspended {
            ensure(self.mood == Mood::Active, || format!("t{id} is taken up while the run is paused"))?;
            ensure(self.may_go_on(world, accounts, id), || format!("t{id} is taken up too early"))?;
        }
        if matches!(what, StepKind::Verify { .. }) {
            return ensure(wanted.verified, || "nothing verifies".into());
        }
        ensure(!self.tasks[&id].held, || format!("t{id} takes a step though it is paused"))?;
        ensure(!self.refused && self.mood != Mood::Refused, || {
            format!("t{id} takes a step and its agent's credential is refused")
        })?;
        ensure(active.spent < wanted.timeout.0, || format!("t{id} takes a step and its time is over"))?;
        match what {
            StepKind::Setup => ensure(!active.set_up, || format!("t{id} is set up a second time")),
            StepKind::Agent { mode, .. } => {
                ensure(active.set_up || self.settings.setup.is_empty(), || {
                    format!("t{id}'s agent starts before the setup")
                })?;
                ensure(active.may_speak(*mode), || format!("t{id}'s conversation is begun as {mode:?}"))?;
                ensure(!accounts.limited(&wanted.agent, world.now), || {
                    format!("t{id}'s agent starts before its limit is lifted")
                })
            }
            StepKind::Verify { .. } => Ok(()),
        }
    }

    /// What a step may cost is set aside, and there is as much. That it fits into the run's is checked with the sums.
    fn may_cost(&self, id: u32, what: &StepKind, reserved: Option<u64>) -> Checked {
        if !Self::costs(what) {
            return ensure(reserved.is_none(), || format!("t{id} sets money aside for what costs none"));
        }
        let own = self.wanted[&id].budget.map(|all| all.saturating_sub(self.tasks[&id].spent));
        let limited = own.is_some() || self.settings.budget_microusd.is_some();
        ensure(reserved.is_some() == limited && reserved != Some(0), || {
            format!("t{id} sets {reserved:?} aside")
        })?;
        ensure(own.is_none_or(|own| reserved.is_some_and(|reserved| reserved <= own)), || {
            format!("t{id} may cost {reserved:?}, more than it has")
        })
    }

    /// Nobody is stopped without a reason; suspicion alone is none.
    fn may_stop(&self, world: &World, accounts: &Accounts, id: u32, cause: StopCause) -> Checked {
        let (active, hang) = (self.active(id)?, &self.settings.hang);
        let step = active.step.as_ref();
        let holds = match cause {
            StopCause::Cancel => self.tasks[&id].unwanted,
            StopCause::Interrupt => self.mood == Mood::Interrupted,
            StopCause::Held => self.tasks[&id].held,
            StopCause::Hung => step.is_some_and(|step| step.was_suspected && step.quiet >= hang.stop),
            StopCause::Lingered => {
                step.is_some_and(|step| step.after_result && step.quiet >= hang.after_result)
            }
            // No disk is measured in this world.
            StopCause::DiskLimit => false,
            StopCause::Timeout => accounts.clock_unsure || self.time_is_over(world, id, active),
        };
        ensure(holds, || format!("t{id} is stopped as {cause:?} and should not be"))
    }

    fn time_is_over(&self, world: &World, id: u32, active: &Active) -> bool {
        match active.place {
            Place::Merge => {
                let since = active.step.as_ref().and_then(|step| step.since);
                since.is_some_and(|since| world.steady.since(since) >= self.settings.timeout)
            }
            _ => active.time(world) >= self.wanted[&id].timeout,
        }
    }

    fn may_suspect(&self, id: u32, suspect: &StepId) -> Checked {
        let step = self.active(id)?.step.as_ref().filter(|step| step.id == *suspect);
        let holds = step.is_some_and(|step| !step.suspected && step.quiet >= self.settings.hang.suspect);
        ensure(holds, || format!("t{id} is suspected and should not be"))
    }

    /// A pause is none that was never drawn: not into the past, and not for longer than is allowed after so many bad ends.
    fn may_pause(&self, world: &World, id: u32, until: Option<Timestamp>) -> Checked {
        let Some(until) = until else { return Ok(()) };
        let longest = self.active(id)?.faults.longest_pause(&self.settings.retry);
        let holds = longest.is_some_and(|longest| until >= world.now && until <= world.now + longest);
        ensure(holds, || format!("t{id} waits for {} ms of {longest:?}", until.0 - world.now.0))
    }

    fn may_suspend(
        &self,
        world: &World,
        accounts: &Accounts,
        id: u32,
        until: Option<Timestamp>,
        alone: bool,
    ) -> Checked {
        let active = self.active(id)?;
        ensure(alone || !active.alone, || format!("t{id} was to come back alone, and does not"))?;
        ensure(!alone || active.starved, || format!("t{id} comes back alone and never starved"))?;
        let faults = &active.faults;
        ensure(faults.bear(&self.settings.retry), || format!("t{id} is tried again too often"))?;
        let Some(known) = until else {
            // Without a pause goes on what somebody else stopped, what waits for money, and what people see to.
            let pauses = matches!(faults.last, Some(Fault::Crash | Fault::Own));
            let resting = active.place == Place::Slot && active.fresh_end;
            return ensure(!(pauses && resting), || format!("t{id} is tried again without a pause"));
        };
        match active.limit {
            Some(Some(resets)) if active.fresh_end => {
                ensure(known >= resets.min(world.now + LONGEST), || {
                    format!("t{id} waits for less than its agent's limit")
                })
            }
            Some(None) if active.fresh_end => {
                ensure(known > world.now, || format!("t{id} does not wait for its agent's limit"))
            }
            _ if accounts.announced(&self.wanted[&id].agent) == until => Ok(()),
            _ => self.may_pause(world, id, until),
        }
    }

    /// One at a time, and those that could be merged in the plan's order.
    fn may_merge(&self, world: &World, id: u32) -> Checked {
        let (active, place) = (self.active(id)?, self.wanted[&id].place);
        ensure(self.mood != Mood::Interrupted, || format!("t{id}'s merge begins while interrupted"))?;
        ensure(self.merging == 0, || format!("t{id}'s merge begins beside another"))?;
        let due = |active: &Active| active.until.is_none_or(|until| until <= world.now);
        ensure(due(active), || format!("t{id}'s merge begins before its pause is over"))?;
        if self.tasks.len() > SMALL {
            return Ok(());
        }
        let queued = |task: &Task| {
            let active = task.active.as_ref();
            active.is_some_and(|at| at.place == Place::Queue && at.stopping.is_none() && due(at))
        };
        let passed = self.tasks.iter().find(|(other, task)| self.wanted[other].place < place && queued(task));
        ensure(passed.is_none(), || format!("t{id}'s merge begins before that of one before it"))
    }

    /// Success is only ever observed; every other end has its reason.
    fn may_finish(&self, world: &World, id: u32, outcome: &Outcome, verdict: Option<Verdict>) -> Checked {
        let task = &self.tasks[&id];
        ensure(*outcome == Outcome::Cancelled || !task.doomed, || {
            format!("t{id} ends as {outcome}, and somebody was told that it is cancelled")
        })?;
        let holds = match (outcome, verdict) {
            (Outcome::Succeeded, Some(Verdict::NoChange)) => {
                task.answered || world.claims_no_change((self.number, id, task.attempts))
            }
            (Outcome::Succeeded, Some(verdict)) => task.merged.as_ref().is_some_and(|commit| {
                world.git.is_verified(commit) == (verdict == Verdict::Verified)
                    && task.work.as_ref().is_some_and(|work| world.git.has_merged(self.number, work))
            }),
            (Outcome::Succeeded, None) => false,
            (Outcome::Failed, _) => task.merged.is_none() && self.may_fail(id, task),
            (Outcome::TimedOut, _) => task.active.as_ref().is_some_and(|active| {
                active.ended_by == Some(StopCause::Timeout) || active.spent >= self.wanted[&id].timeout.0
            }),
            (Outcome::Cancelled, _) => task.unwanted && task.merged.is_none(),
            (Outcome::Skipped { because: SkipReason::Budget }, _) => self.is_spent(),
            (Outcome::Skipped { because: SkipReason::Dependency(on) }, _) => {
                let on = names::number(on);
                self.wanted[&id].before.iter().any(|(from, needs)| *needs && *from == on)
                    && self.tasks[&on].outcome.as_ref().is_some_and(|outcome| *outcome != Outcome::Succeeded)
            }
            (Outcome::Lost, _) => task
                .active
                .as_ref()
                .is_some_and(|active| active.was_lost() && active.faults.are_too_many(&self.settings.retry)),
        };
        ensure(holds, || format!("t{id} ends as {outcome} {verdict:?} and that is not what happened"))
    }

    /// What is only set aside may come back.
    fn is_spent(&self) -> bool {
        self.reserved == 0 && self.left().is_some_and(|left| left < NOT_WORTH_IT)
    }

    /// Something failed that is not tried again, or was tried often enough.
    fn may_fail(&self, id: u32, task: &Task) -> bool {
        if task.excused || self.excused || self.is_spent() {
            return true;
        }
        let own = self.wanted[&id].budget;
        let Some(active) = &task.active else { return false };
        let verifying = active.place == Place::Merge;
        own.is_some_and(|own| task.spent >= own)
            || active.faults.are_too_many(&self.settings.retry) && (verifying || !active.was_lost())
            || verifying && active.faults.last == Some(Fault::Own)
            || verifying && active.ended_by == Some(StopCause::Timeout)
    }
}

/// The longest wait for an account that is believed.
const LONGEST: Millis = Millis::seconds(8 * 24 * 3600);
