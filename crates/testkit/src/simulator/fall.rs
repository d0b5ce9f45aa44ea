//! The engine dies, its processes go on, and another engine comes back.

use gadugi_core::{Command, Event, Input, State, StepExit, Target};

use super::dice::{Key, What};
use super::story::{Item, Played, Simulation};
use super::{ends, names};

impl Simulation<'_> {
    pub(super) fn crash(&mut self) {
        self.note(|| "the engine dies".into());
        self.summary.crashes += 1;
        self.alive = false;
        self.world.epoch += 1;
        self.watch.crashed();
        let epoch = self.world.epoch;
        let away = self.dice.pick(Key::of(What::Away, &[epoch]), 1000, |rng| {
            if rng.chance(150) { rng.below(1_500_000) } else { rng.below(60_000) }
        });
        self.after(away, Item::Back);
        self.after(600_000, Item::Lapse(epoch));
    }

    pub(super) fn lapse(&mut self, epoch: u32) -> Played {
        if self.alive || epoch != self.world.epoch {
            return Ok(());
        }
        for step in self.world.running() {
            self.ends(&step, ends::plain(StepExit::LeaseLapsed))?;
        }
        Ok(())
    }

    /// The log, replayed, gives the state that the engine had; that is what the next one begins with.
    pub(super) fn same_after_replay(&mut self) -> Played {
        let (replayed, known) = &mut self.replayed;
        for (at, event) in &self.log[*known..] {
            replayed.apply(*at, event).map_err(|error| format!("replaying: {error}"))?;
        }
        *known = self.log.len();
        if *replayed != self.state {
            return Err("replaying the log gives another state".into());
        }
        self.state = replayed.clone();
        Ok(())
    }

    /// The same of a log that was written down and read again, where this story is one that looks.
    pub(super) fn same_after_json(&self) -> Played {
        if !self.scenario.through_json {
            return Ok(());
        }
        let mut replayed = State::default();
        for (at, event) in &self.log {
            let text = serde_json::to_string(event).map_err(|error| error.to_string())?;
            let event: Event = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            replayed.apply(*at, &event).map_err(|error| format!("replaying from JSON: {error}"))?;
        }
        if replayed == self.state { Ok(()) } else { Err("reading the log again gives another state".into()) }
    }

    pub(super) fn back(&mut self) -> Played {
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
            let measured = Command::Measured(self.scenario.machine.clone());
            self.after(10, Item::Command(Box::new(measured)));
        }
        let runs: Vec<u32> = self.watch.runs.keys().copied().collect();
        for run in runs {
            let key = Key::of(What::Resumes, &[self.world.epoch, run]);
            let delay =
                self.dice.pick(key, 0, |rng| if rng.chance(700) { rng.between(1..=120_000) } else { 0 });
            if delay > 0 {
                let resume = Command::Resume { run: names::run(run), target: Target::All };
                self.after(delay, Item::Command(Box::new(resume)));
            }
        }
        Ok(())
    }
}
