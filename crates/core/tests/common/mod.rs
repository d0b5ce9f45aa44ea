//! Stories of one run, told to the core event by event.
#![expect(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod examples;
pub(crate) mod stages;

use gadugi_core::{
    AgentEnd, AttemptId, Collected, Command, CommitId, Complexity, Composition, Confidence, Decision, Edge,
    EdgeReason, Effect, EndClass, Estimate, Event, Input, Kind, Millis, Plan, PlannedTask, Process,
    PromptRef, Reading, Report, RunId, RunSettings, RunState, Salvage, SessionId, SessionMode, State,
    StepEnd, StepExit, StepId, StepKind, Target, TaskId, TaskState, TaskStatus, Timestamp, Usage, decide,
    next_wake,
};

pub(crate) fn run_id() -> RunId {
    RunId::new("orchestration-20260101-000000-abcd")
}

pub(crate) fn commit(text: &str) -> CommitId {
    CommitId::new(text)
}

pub(crate) fn task(id: &str) -> TaskId {
    TaskId::new(id)
}

pub(crate) fn attempt(id: &str, number: u32) -> AttemptId {
    AttemptId { run: run_id(), task: task(id), attempt: number }
}

pub(crate) fn step(id: &str, number: u32, step: u32) -> StepId {
    StepId { attempt: attempt(id, number), step }
}

pub(crate) fn process() -> Process {
    Process { pid: 4711, start_ticks: 12, boot: "0b5c".into() }
}

pub(crate) fn planned(id: &str) -> PlannedTask {
    PlannedTask {
        purpose: gadugi_core::Purpose::Work,
        id: task(id),
        name: format!("Task {id}"),
        prompt: PromptRef { path: format!("prompts/{id}.md"), bytes: 10 },
        kind: Kind::Feature,
        complexity: Complexity::Low,
        writes: vec![],
        reads: vec![],
        depends_on: vec![],
        estimate: Estimate {
            seconds: 60.0,
            cpu: 1.0,
            memory_mb: 300,
            disk_mb: 10,
            spread: 2.0,
            source: "table".into(),
        },
        priority: 0,
        timeout: None,
        agent: None,
        model: None,
        budget_microusd: None,
        verify: None,
        done_when: vec![],
        executor: None,
        network: vec![],
    }
}

/// A plan of those tasks with declared edges.
pub(crate) fn plan(ids: &[&str], edges: &[(&str, &str)]) -> Plan {
    Plan {
        base: commit("base"),
        tasks: ids.iter().map(|id| planned(id)).collect(),
        edges: edges.iter().map(|(from, to)| edge(from, to, EdgeReason::Declared)).collect(),
        sequential_because: None,
        skipped: vec![],
        warnings: vec![],
    }
}

pub(crate) fn edge(from: &str, to: &str, reason: EdgeReason) -> Edge {
    Edge { from: task(from), to: task(to), reason, evidence: String::new(), confidence: Confidence(100) }
}

pub(crate) fn settings() -> RunSettings {
    RunSettings {
        max_parallel: Some(4),
        verify: Some("make check".into()),
        setup: vec!["npm ci".into()],
        ..RunSettings::default()
    }
}

pub(crate) fn ended(exit: StepExit) -> StepEnd {
    StepEnd {
        exit,
        stopped: false,
        wall: Millis(1000),
        max_rss_kib: 10,
        peak_mib: 0,
        cpu_ms: 0,
        taken: Box::default(),
        agent: None,
        tail: String::new(),
    }
}

pub(crate) fn spoken(class: EndClass, no_change: Option<&str>) -> StepEnd {
    let exit = StepExit::Code(i32::from(class != EndClass::Done));
    let usage = Usage { output_tokens: 5, cost_microusd: 1000, ..Usage::default() };
    let agent = AgentEnd {
        class,
        detail: "said".into(),
        usage,
        turns: 2,
        no_change: no_change.map(str::to_owned),
        claimed_phases: vec![4, 7],
    };
    StepEnd { agent: Some(agent), ..ended(exit) }
}

pub(crate) fn done() -> StepEnd {
    spoken(EndClass::Done, None)
}

pub(crate) fn stopped() -> StepEnd {
    StepEnd { stopped: true, ..ended(StepExit::Signal(15)) }
}

/// That task alone.
pub(crate) fn only(id: &str) -> Target {
    Target::Tasks(vec![task(id)])
}

/// A machine of so many processors with so many GiB available, otherwise idle.
pub(crate) fn machine(cpus: u32, gib: u64) -> Reading {
    Reading {
        cpus,
        available_mib: Some(gib * 1024),
        cpu_percent: Some(0),
        disk_free_mib: Some(100_000),
        ..Reading::default()
    }
}

/// What is known, and the clock.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
}

impl Story {
    /// A run that was accepted.
    pub(crate) fn of(plan: Plan, settings: RunSettings) -> Self {
        let mut story = Self { state: State::default(), now: Timestamp(1_000_000) };
        story.fact(&Event::RunStarted { run: run_id(), plan, settings: Box::new(settings) });
        story
    }

    /// A run whose branch is open; the agents of those of its tasks that have slots run.
    pub(crate) fn of_agents(plan: Plan, settings: RunSettings) -> Self {
        let mut story = Self::of(plan, RunSettings { setup: vec![], verify: None, ..settings });
        story.opened();
        story.all_start();
        story
    }

    /// Whatever is prepared or intended for the run's tasks comes to be, until nothing more follows.
    pub(crate) fn all_start(&mut self) {
        let ids: Vec<TaskId> = self.run().plan.tasks.iter().map(|task| task.id.clone()).collect();
        for id in ids {
            if self.word(id.as_str()) == "preparing" {
                self.prepared(id.as_str());
            }
            if self.word(id.as_str()) == "starting" {
                self.started(id.as_str());
            }
        }
    }

    /// How a task stands, in a word.
    pub(crate) fn word(&self, id: &str) -> String {
        self.task(id).word()
    }

    /// Its work is collected and merged where nothing verifies.
    pub(crate) fn merges(&mut self, id: &str) -> Decision {
        let onto = self.run().tip.clone().expect("an open branch");
        let (work, composed) = (commit(&format!("work-{id}")), commit(&format!("tip-{id}")));
        let changed = vec![format!("{id}.rs")];
        let result = Ok(Collected { commit: work.clone(), changed, committed_rest: false });
        let attempt = attempt(id, self.task(id).attempts);
        self.report(Report::WorkCollected { attempt, result });
        let result = Composition::Clean(composed.clone());
        self.report(Report::Composed { run: run_id(), task: task(id), work, onto, result });
        self.report(Report::Advanced { run: run_id(), task: task(id), to: composed, result: Ok(()) })
    }

    /// What it left uncommitted is seen to.
    pub(crate) fn salvaged(&mut self, id: &str) -> Decision {
        let attempt = attempt(id, self.task(id).attempts);
        self.report(Report::WorkSalvaged { attempt, salvage: Salvage::Nothing })
    }

    pub(crate) fn fact(&mut self, event: &Event) {
        self.now = self.now + Millis(10);
        if let Err(error) = self.state.apply(self.now, event) {
            panic!("{error}: {event:?}");
        }
    }

    /// What follows from an input, taken in; then whatever can be done next.
    pub(crate) fn hears(&mut self, input: Input) -> Decision {
        let mut all = self.once(input);
        loop {
            let next = self.once(Input::Tick);
            if next.is_empty() {
                return all;
            }
            all.events.extend(next.events);
            all.effects.extend(next.effects);
        }
    }

    /// What follows from an input, taken in.
    pub(crate) fn once(&mut self, input: Input) -> Decision {
        let decision = decide(&self.state, self.now, input);
        for event in &decision.events {
            self.fact(event);
        }
        decision
    }

    pub(crate) fn report(&mut self, report: Report) -> Decision {
        self.hears(Input::Report(report))
    }

    pub(crate) fn command(&mut self, command: Command) -> Decision {
        self.hears(Input::Command(command))
    }

    pub(crate) fn run(&self) -> &RunState {
        &self.state.runs[&run_id()]
    }

    pub(crate) fn task(&self, id: &str) -> &TaskState {
        self.run().task(&task(id)).expect("a task of the plan")
    }

    pub(crate) fn opened(&mut self) -> Decision {
        self.report(Report::IntegrationOpened { run: run_id(), result: Ok(commit("base")) })
    }

    pub(crate) fn prepared(&mut self, id: &str) -> Decision {
        let result = Ok((format!("/w/{id}"), format!("feature/{id}")));
        let number = self.task(id).attempts;
        self.report(Report::WorkspacePrepared { attempt: attempt(id, number), result })
    }

    pub(crate) fn current(&self, id: &str) -> StepId {
        let state = self.task(id);
        step(id, state.attempts, state.steps)
    }

    pub(crate) fn started(&mut self, id: &str) -> Decision {
        let step = self.current(id);
        self.report(Report::StepStarted { step, process: process() })
    }

    /// A look at a machine of so many processors with so many GiB available, otherwise idle.
    pub(crate) fn measured(&mut self, cpus: u32, gib: u64) -> Decision {
        self.command(Command::Measured(machine(cpus, gib)))
    }

    /// That much later, and whatever follows from it.
    pub(crate) fn later(&mut self, by: Millis) -> Decision {
        self.now = self.now + by;
        self.hears(Input::Tick)
    }

    /// When the engine would look next by itself, and whatever follows.
    pub(crate) fn wakes(&mut self) -> Decision {
        let wake = next_wake(&self.state, self.now).expect("something falls due");
        assert!(wake > self.now, "nothing follows from what is past");
        self.now = wake;
        self.hears(Input::Tick)
    }

    pub(crate) fn ends(&mut self, id: &str, end: StepEnd) -> Decision {
        let step = self.current(id);
        self.report(Report::StepEnded { step, end })
    }
}

/// Why and until when an attempt was suspended, and whether it comes back alone.
pub(crate) fn suspension(decision: &Decision) -> Option<(String, Option<Timestamp>, bool)> {
    decision.events.iter().find_map(|event| match event {
        Event::AttemptSuspended { because, until, alone, .. } => Some((because.clone(), *until, *alone)),
        _ => None,
    })
}

/// Why a task failed, or how else it ended.
pub(crate) fn detail(story: &Story, id: &str) -> String {
    match &story.task(id).status {
        TaskStatus::Finished { detail, .. } => detail.clone(),
        other => panic!("{id} is not over: {other:?}"),
    }
}

pub(crate) fn words(decision: &Decision) -> Vec<&'static str> {
    decision.events.iter().map(Event::word).collect()
}

pub(crate) fn launched(decision: &Decision) -> Vec<StepKind> {
    let kind = |effect: &Effect| match effect {
        Effect::LaunchStep { kind, .. } => Some(kind.clone()),
        _ => None,
    };
    decision.effects.iter().filter_map(kind).collect()
}

pub(crate) fn fresh(session: &SessionId) -> StepKind {
    StepKind::Agent { session: session.clone(), mode: SessionMode::Fresh }
}
