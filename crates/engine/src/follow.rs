//! Following one step from its start to its end: its lines become what is shown, its end becomes a report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gadugi_agents::{AgentEvent, AgentKind, StreamReader};
use gadugi_core::{Phase, Report, StepEnd, StepExit, StepId, Taken, Timestamp, Usage};
use gadugi_exec::{Ended, StepFollower, StepNews};
use gadugi_gateway::RateLimit;
use gadugi_sys::clock;
use tokio::time::Instant;

use crate::launch::tail;
use crate::quiet::Pulse;
use crate::world::{Heard, RunningStep, Seen, World};
use crate::{caches, gate};

/// What a step does is shown at most this often: four times a second, for a person's eye.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Where many steps run, each is shown less often: all together 200 times a second, more than a screen has lines.
const SHOW_EACH: Duration = Duration::from_millis(5);

/// Up to so many steps are read the moment that they write.
const READ_AT_ONCE: u32 = 16;

/// Beyond those each step more lets all rest a little longer between two readings, so that they are read 400 times a
/// second all together. What was written meanwhile is read at once, and costs little more than one line does.
const READ_EACH: Duration = Duration::from_micros(2500);

/// Follows a step that has started until it is over. `agent` is the adapter that understands its output; none for
/// checks.
pub(crate) async fn follow(
    world: &World,
    step: &StepId,
    workspace: PathBuf,
    mut follower: StepFollower,
    agent: Option<AgentKind>,
) {
    let (process, pulse) = (follower.process().clone(), Pulse::default());
    let seen = RunningStep { step: step.clone(), process, pulse: pulse.clone(), workspace };
    world.began(seen, follower.stopper());
    world.report(Report::StepStarted { step: step.clone(), process: follower.process().clone() }).await;
    let mut watched = Watched::new(world, step, agent, pulse);
    watched.seen.process = follower.main_process();
    watched.seen.command = follower.command().into();
    watched.show().await;
    let ended = loop {
        match watched.next(&mut follower).await {
            Some(StepNews::Line(line)) => watched.line(&line.bytes).await,
            Some(StepNews::Ended(ended)) => break ended,
            None => return,
        }
    };
    let peaks = world.ended(step);
    let metered = world.close_gate(step).await;
    let mut end = watched.end(ended, &world.layout.step_dir(step), peaks);
    gate::account_for(metered.as_ref(), &mut end);
    caches::step_ended(world, step, &end).await;
    world.report(Report::StepEnded { step: step.clone(), end }).await;
}

struct Watched<'a> {
    world: &'a World,
    step: &'a StepId,
    agent: Option<AgentKind>,
    reader: Option<StreamReader>,
    pulse: Pulse,
    seen: Seen,
    unshown: bool,
    next_show: Instant,
}

impl<'a> Watched<'a> {
    fn new(world: &'a World, step: &'a StepId, agent: Option<AgentKind>, pulse: Pulse) -> Self {
        let (seen, next_show) = (Seen::default(), Instant::now());
        Self {
            world,
            step,
            agent,
            reader: agent.map(StreamReader::new),
            pulse,
            seen,
            unshown: false,
            next_show,
        }
    }

    /// What is new; while nothing is, what was seen is shown when it is time.
    async fn next(&mut self, follower: &mut StepFollower) -> Option<StepNews> {
        let rest = rest(self.world.running_count());
        if !rest.is_zero() {
            let there = tokio::select! {
                biased;
                news = follower.next() => Some(news),
                () = std::future::ready(()) => None,
            };
            match there {
                Some(news) => return news,
                None => self.show_until(Instant::now() + rest).await,
            }
        }
        loop {
            tokio::select! {
                news = follower.next() => return news,
                () = tokio::time::sleep_until(self.next_show), if self.unshown => self.show().await,
            }
        }
    }

    async fn show_until(&mut self, until: Instant) {
        if self.unshown && self.next_show < until {
            tokio::time::sleep_until(self.next_show).await;
            self.show().await;
        }
        tokio::time::sleep_until(until).await;
    }

    async fn line(&mut self, line: &[u8]) {
        let Some(reader) = &mut self.reader else {
            // A check writes for people: its latest line is what it is doing.
            self.pulse.line(false);
            return self.action(&String::from_utf8_lossy(line)).await;
        };
        let events = reader.line(line);
        self.pulse.line(reader.over());
        for event in events {
            match event {
                AgentEvent::Phase(phase) => self.phase(phase).await,
                AgentEvent::Usage(usage) => self.usage(usage),
                AgentEvent::ToolUse { summary, .. } => self.action(&summary).await,
                AgentEvent::Text(text) => self.action(&without_marks(&text)).await,
                AgentEvent::Retry { attempt, max, error, .. } => {
                    self.action(&format!("retry {attempt} of {max}: {error}")).await;
                }
                AgentEvent::RateLimit { status, limit, resets_at } => {
                    self.limit(&status, limit, resets_at);
                    if status == "rejected" {
                        self.action("the account's limit is reached").await;
                    }
                }
                _ => {}
            }
        }
    }

    async fn phase(&mut self, phase: Phase) {
        if self.seen.phase < Some(phase) {
            self.seen.phase = Some(phase);
            self.unshown = true;
            self.world.report(Report::PhaseReached { step: self.step.clone(), phase }).await;
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.seen.usage = usage;
        self.unshown = true;
    }

    /// Of those that go through the gateway it knows better.
    fn limit(&self, status: &str, limit: Option<String>, resets_at: Option<Timestamp>) {
        if self.world.gateway.metered(self.step).is_none() {
            self.world.gateway.note_limit(RateLimit {
                account: self.agent.map(AgentKind::name).unwrap_or_default().to_owned(),
                kind: limit.unwrap_or_else(|| "unified".to_owned()),
                status: Some(status.to_owned()),
                resets_at,
                at: clock::now(),
                ..RateLimit::default()
            });
        }
    }

    async fn action(&mut self, text: &str) {
        const SHOWN: usize = 160;
        let action = gadugi_agents::one_line(text, SHOWN);
        if action.is_empty() {
            return;
        }
        self.seen.action = action;
        self.unshown = true;
        if Instant::now() >= self.next_show {
            self.show().await;
        }
    }

    async fn show(&mut self) {
        self.unshown = false;
        // What the gateway has counted is what it cost; its agent's own words are of tokens alone until it ends.
        if let Some(metered) = self.world.gateway.metered(self.step).filter(|metered| metered.requests > 0) {
            self.seen.usage = metered.usage();
        }
        self.next_show = Instant::now() + SHOW_EVERY.max(SHOW_EACH * self.world.running_count());
        self.world.tell(Heard::Seen(self.step.clone(), self.seen.clone())).await;
    }

    fn end(self, ended: Ended, dir: &Path, (peak_mib, taken): (u64, Taken)) -> StepEnd {
        let tail = tail(dir);
        // A check whose tool the kernel killed fails by a status of its own: `make` with 2, say.
        let failed = matches!(ended.exit, StepExit::Code(code) if code != 0) && !ended.stopped;
        let starved = self.reader.is_none() && failed && ended.oom_kills > 0;
        let agent = self.reader.filter(|_| !matches!(ended.exit, StepExit::NotStarted(_)));
        StepEnd {
            agent: agent.map(|reader| reader.finish(&ended.exit, ended.stopped, &tail, ended.ended_at)),
            exit: match ended.exit {
                _ if starved => StepExit::OutOfMemory,
                StepExit::OutOfMemory => StepExit::OutOfMemory,
                _ if ended.by_engine => StepExit::EndedByEngine,
                exit => exit,
            },
            stopped: ended.stopped,
            wall: ended.wall,
            max_rss_kib: ended.max_rss_kib,
            // A step that was over before anybody looked had about what its largest process had, files it read among that.
            peak_mib: if peak_mib == 0 { ended.max_rss_kib / 1024 } else { peak_mib },
            cpu_ms: ended.cpu.0,
            taken: Box::new(taken),
            tail,
        }
    }
}

/// Between two readings of one step, where so many run.
fn rest(running: u32) -> Duration {
    READ_EACH * running.saturating_sub(READ_AT_ONCE)
}

/// What an agent says to people: its reports to gadugi are shown as what they mean.
fn without_marks(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("GADUGI-")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_steps_are_read_at_once_and_many_a_bounded_number_of_times_a_second() {
        assert_eq!(rest(16), Duration::ZERO);
        assert_eq!(rest(17), READ_EACH);
        for running in [50, 200, 5000] {
            let readings = f64::from(running) / rest(running).as_secs_f64();
            assert!((400.0..=600.0).contains(&readings), "{running}: {readings} a second");
        }
    }
}
