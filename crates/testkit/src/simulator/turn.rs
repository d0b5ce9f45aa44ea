//! One turn of the engine's loop, as the simulator plays it.

use gadugi_core::{Command, Effect, Event, Input, Millis, Outcome, Refusal, Reply, RunId, Target, next_wake};

use super::dice::{Key, What};
use super::story::{Item, Played, Simulation, about_effect};
use super::{names, tell};

/// How often a task is wanted again at once.
const PATIENCE: u32 = 6;

impl Simulation<'_> {
    /// The input, then whatever can be done next, then the effects.
    pub(super) fn turn(&mut self, input: Input) -> Played {
        let mut effects = Vec::new();
        let mut next = Some(input);
        let bound = 1000 + 10 * self.scenario.tasks();
        for _ in 0..bound {
            let input = next.take().unwrap_or(Input::Tick);
            let tick = matches!(input, Input::Tick);
            let wish = wish(&input);
            let decision = (self.decide)(&self.state, self.world.now, input);
            if tick && decision.is_empty() {
                return self.start(effects);
            }
            let about = decision.events.first().map(about_event);
            if self.dies(about, What::DiesBefore) {
                self.note(|| "before it is stored,".into());
                self.crash();
                return Ok(());
            }
            if let (Some(command), Some(Reply::Accepted { tasks })) = (wish, &decision.reply) {
                self.watch.accepted(&command, *tasks);
            }
            if let Some(Reply::Refused(Refusal::BadPlan(error))) = &decision.reply {
                return Err(format!("a good plan was refused: {error}"));
            }
            self.store(decision.events)?;
            effects.extend(decision.effects);
            if self.dies(about, What::DiesAfter) {
                self.note(|| "after it is stored,".into());
                self.crash();
                return Ok(());
            }
        }
        Err("there is always something to do next".into())
    }

    /// Whether the engine dies at this moment.
    fn dies(&mut self, about: Option<Key>, what: What) -> bool {
        let per_mille = self.temper.crash_at_store;
        let Some(about) = about.filter(|_| per_mille > 0) else { return false };
        let about = self.dice.again(about.also(what));
        self.dice.chance(about, per_mille)
    }

    fn store(&mut self, events: Vec<Event>) -> Played {
        self.watch.batch();
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
        // Who was only skipped comes back with the one it was skipped for; and patience has an end.
        let per_mille = match outcome {
            Outcome::Succeeded => 0,
            Outcome::Skipped { .. } => self.temper.retries / 20,
            _ => self.temper.retries,
        };
        if per_mille == 0 || self.watch.revivals(run, task) >= PATIENCE {
            return;
        }
        let about = self.dice.again(about_event(event));
        let delay = self.dice.pick(about.also(What::Retries), 0, |rng| {
            if rng.chance(per_mille) { rng.between(1..=2_000) } else { 0 }
        });
        if delay > 0 {
            let target = Target::Tasks(vec![task.clone()]);
            let retry = Command::Retry { run: run.clone(), target, with: None };
            self.after(delay, Item::Command(Box::new(retry)));
        }
    }

    /// The effects of a turn are begun, each perhaps twice, and the next deadline is looked up.
    fn start(&mut self, effects: Vec<Effect>) -> Played {
        let epoch = self.world.epoch;
        let disorder = self.temper.disorder;
        for effect in effects {
            self.watch.effect(&self.world, &effect)?;
            let about = self.dice.again(about_effect(&effect).also(What::Begins));
            let again = self.late(about.also(What::Twice), disorder);
            if again > 0 {
                self.after(again, Item::Do(effect.clone(), epoch));
            }
            let delay = self.dice.pick(about, 1, |rng| {
                let longest = if rng.chance(disorder) { 30_000 } else { 20 };
                rng.below(longest)
            });
            self.after(delay, Item::Do(effect, epoch));
        }
        self.watch.idle(&self.world)?;
        self.watch.kept_word()?;
        let wake = next_wake(&self.state, self.world.now);
        if wake.is_some_and(|wake| wake <= self.world.now) {
            return Err("a deadline is past, and nothing is done about it".into());
        }
        if let Some(wake) = wake
            && self.wake.is_none_or(|known| wake < known)
        {
            self.wake = Some(wake);
            let Millis(ahead) = wake.since(self.world.now);
            self.after(ahead, Item::Wake);
        }
        Ok(())
    }
}

/// What somebody asked for, where the observer wants to know whether it was granted.
fn wish(input: &Input) -> Option<Command> {
    match input {
        Input::Command(
            command @ (Command::Cancel { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Interrupt { .. }
            | Command::Measured(_)),
        ) => Some(command.clone()),
        _ => None,
    }
}

fn about_event(event: &Event) -> Key {
    let number = |name: Option<&str>| name.map_or(0, names::number);
    let run = number(event.run().map(RunId::as_str));
    let task = number(event.task().map(gadugi_core::TaskId::as_str));
    let attempt = event.attempt().map_or(0, |attempt| attempt.attempt);
    let step = event.step().map_or(0, |step| step.step);
    Key::named(event.word(), &[run, task, attempt, step])
}
