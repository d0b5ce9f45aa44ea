//! Signs of life, and what is seen where there are none; and the machine's clock.

use gadugi_core::{Command, Input, Millis, Report, StepId};

use super::story::{Item, Played, Simulation};

/// Between two looks at a step that gives no sign of life, in milliseconds.
const LOOKS: u64 = 15_000;
/// Nobody looks for longer: where the start of a step was never heard of, only a restart helps.
const ENOUGH: Millis = Millis::seconds(3 * 3600);

impl Simulation<'_> {
    pub(super) fn sign_of_life(&mut self, item: Item) {
        match item {
            Item::Lingers(step, said) => {
                self.note(|| format!("{step} gives its result and stays"));
                self.world.linger(&step, said);
                self.after(LOOKS, Item::Look(step));
            }
            Item::Mute(step, length) if self.world.mute(&step, true) => {
                self.after(LOOKS, Item::Look(step.clone()));
                if let Some(length) = length {
                    self.after(length, Item::Alive(step));
                }
            }
            Item::Alive(step) if self.world.mute(&step, false) => {
                self.tell(&step, Report::StepAlive { step: step.clone() });
            }
            Item::Look(step) => {
                if let Some((quiet, after_result)) = self.world.quiet(&step) {
                    self.tell(&step, Report::StepQuiet { step: step.clone(), quiet, after_result });
                    if quiet < ENOUGH {
                        self.after(LOOKS, Item::Look(step));
                    }
                }
            }
            _ => {}
        }
    }

    /// The engine that follows a step hears what it looks like.
    fn tell(&mut self, step: &StepId, report: Report) {
        let epoch = self.world.epoch;
        if self.alive && self.world.step(step).is_some_and(|known| known.follower == epoch) {
            self.send(1, report, epoch);
        }
    }

    /// The machine's clock is set. An engine notices; one that comes later cannot know.
    pub(super) fn set_clock(&mut self, by: i64) -> Played {
        self.note(|| format!("the clock is set by {by} ms"));
        self.watch.clock_is_set(self.world.now);
        self.world.now.0 += by;
        self.wake = None;
        if self.alive {
            self.turn(Input::Command(Command::ClockJumped { by }))?;
        }
        if !self.alive {
            self.watch.clock_was_set_unseen();
        }
        Ok(())
    }
}

impl super::world::World {
    /// Time passes until that moment of the clock that nobody sets.
    pub(super) fn pass(&mut self, steady: gadugi_core::Timestamp) {
        let Millis(passed) = steady.since(self.steady);
        self.steady = steady;
        self.now = self.now + Millis(passed);
    }
}
