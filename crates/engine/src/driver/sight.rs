//! What is seen of running steps and of the machine: it is held against the state, kept as figures, and told to whoever
//! watches.

use gadugi_core::{Command, Input, Millis, Phase, Reading, Report, StepId, TaskState};
use gadugi_sys::clock;

use super::{Driver, Turn};
use crate::figures;
use crate::handle::{MachineView, News};
use crate::look::{Overview, Sight};
use crate::protocol::Activity;
use crate::view::total;
use crate::world::Seen;

impl Driver {
    /// A step said or did something.
    pub(super) fn note_seen(&mut self, step: StepId, seen: Seen) {
        if let Some(before) = self.running_task(&step).map(|task| task.usage) {
            let activity = Activity {
                task: step.attempt.task.clone(),
                phase: seen.phase.map(Phase::number),
                action: seen.action.clone(),
                usage: total(&before, &seen.usage),
            };
            self.watchers.activity(&step.attempt.run, &activity);
            self.followers.activity(&step.attempt.run, activity);
            self.live.beat(&step, clock::now());
            self.live.seen.insert(step, seen);
        }
    }

    /// A look at everything that runs.
    pub(super) fn take_sight(&mut self, turn: &mut Turn, sight: Sight) {
        #[cfg(feature = "faults")]
        let sight = crate::fault::lie(sight);
        self.take_machine(turn, &sight.machine, &sight.overview);
        for (step, bytes) in sight.taken {
            self.memory.see(&step, bytes);
            self.consider(turn, Input::Report(Report::DiskUsed { step, bytes }));
        }
        let mut looks = Vec::with_capacity(sight.steps.len());
        for (step, figures, quiet) in sight.steps {
            let report = match quiet.length {
                Millis(0) => Report::StepAlive { step: step.clone() },
                quiet_for => {
                    let after_result = quiet.after_result;
                    Report::StepQuiet { step: step.clone(), quiet: quiet_for, after_result }
                }
            };
            self.consider(turn, Input::Report(report));
            let Some(mut figures) = figures else { continue };
            figures::add_traffic(&self.world.gateway, &step, &mut figures);
            self.world.note_peak(&step, figures.peak_mib as u64, &figures.taken());
            if self.running_task(&step).is_some() {
                self.live.beat(&step, turn.at);
                let said = self.live.seen.get(&step).map(|seen| &seen.usage);
                let spent = figures::spent(&self.world.gateway, &step, said);
                looks.push((step.clone(), figures::look(&figures, spent)));
                self.live.figures.insert(step, figures);
            }
        }
        if !self.displaced {
            let machine = figures::machine(&self.overview);
            figures::keep(&mut self.store, turn.at, &looks, Some(&machine));
        }
        self.watchers.tell(&News::Machine(self.overview.clone()));
    }

    pub(super) fn take_machine(&mut self, turn: &mut Turn, machine: &Reading, seen: &Overview) {
        self.machine = Reading { slowed: self.world.slowed(), ..machine.clone() };
        self.consider(turn, Input::Command(Command::Measured(self.machine.clone())));
        self.overview = MachineView {
            at: turn.at,
            cpu_percent: seen.cpu_percent,
            load: seen.load,
            cpus: seen.cpus,
            memory_available_mib: seen.available_mib,
            memory_total_mib: seen.total_mib,
            agents_memory_mib: seen.agents_mib,
            disk_free_mib: seen.disk_free_mib,
            slots: self.state.capacity.unwrap_or(1),
            steps: self.world.running_count(),
            heartbeat: self.live.oldest_heartbeat(),
            slowed: self.machine.slowed.clone(),
        };
    }

    /// The task whose current step that is: what is heard of a step after its end is not kept.
    fn running_task(&self, step: &StepId) -> Option<&TaskState> {
        let task = self.state.runs.get(&step.attempt.run)?.task(&step.attempt.task)?;
        let attempt = task.active().filter(|attempt| attempt.number == step.attempt.attempt)?;
        attempt.step().filter(|current| current.number == step.step).map(|_| task)
    }
}
